"""Bad and awkward data sets as users meet them: a dry run tells all of it, and whom it concerns.

Each case says what is wrong, who is left out, and with which sentence; everybody else is to be
processed. What only voxels tell is in `test_bad_images.py`, tables of a study without images in
`test_bad_group_input.py`.
"""

import shutil

import nibabel as nib
import numpy as np
import pytest
from helpers import add_run, anat, first_is_left_out, look, renamed, write_image, write_sidecar

from nigra.cli import main

PHASE = 'sub-01_part-phase_T2starw.nii.gz'
MAG = 'sub-01_part-mag_T2starw.nii.gz'
T1W = 'sub-01_T1w.nii.gz'
SESSION = 'sub-02/ses-a/anat/sub-02_ses-a'


def metadata(**change):
    """Entries of the first participant's sidecar of the phase; None takes one out."""

    def apply(raw):
        entries = {'EchoTime': 0.02, 'MagneticFieldStrength': 1.5, **change}
        kept = {key: value for key, value in entries.items() if value is not None}
        write_sidecar(anat(raw) / PHASE, **kept)

    return apply


def remove(pattern):
    def apply(raw):
        for path in anat(raw).glob(pattern):
            path.unlink()

    return apply


def content(name, data):
    return lambda raw: (anat(raw) / name).write_bytes(data)


def image(name, **options):
    return lambda raw: write_image(anat(raw) / name, **options)


def header(*names, **fields):
    """Write header fields of images as they are, without what nibabel makes of them."""

    def apply(raw):
        for name in names:
            path = anat(raw) / name
            loaded = nib.load(path)
            data = np.asanyarray(loaded.dataobj)
            saved = nib.Nifti1Image(data, None, loaded.header)
            for field, value in fields.items():
                saved.header[field] = value
            nib.save(saved, path)

    return apply


def dangling(raw):
    (anat(raw) / T1W).unlink()
    (anat(raw) / T1W).symlink_to('../../.git/annex/objects/nothing.nii.gz')


def contradicting_sidecars(raw):
    """Two sidecars of one folder that both apply, neither the more specific."""
    renamed('sub-01_part', 'sub-01_acq-a_part')(raw)
    for name in ('sub-01_acq-a_part-phase_T2starw', 'sub-01_acq-a_part-mag_T2starw'):
        (anat(raw) / f'{name}.json').unlink()
    for name, time in (('acq-a', 0.02), ('part-phase', 0.04), ('part-mag', 0.04)):
        path = anat(raw) / f'sub-01_{name}_T2starw.nii.gz'
        write_sidecar(path, EchoTime=time, MagneticFieldStrength=1.5)


LEFT_OUT = {
    '6 no gradient echo': (remove('*T2starw*'), 'sub-01: has no gradient-echo images'),
    '7 no phase': (remove('*phase*'), 'has no part-phase image; add the part-phase files'),
    '8 no magnitude': (remove('*mag*'), 'has no part-mag image; add the part-mag files'),
    '8 magnitude without part': (renamed('part-mag_', ''), 'beside phase but has no part entity'),
    '9 no T1w': (remove('*T1w*'), 'has no T1w image'),
    '14 empty': (content(MAG, b''), f'{MAG}: is empty'),
    '14 no image': (content(T1W, b'nothing of the kind'), f'{T1W}: cannot be read as NIfTI'),
    '15 pointer': (content(PHASE, b'version https://git-lfs.github.com/spec/v1\n'),
                   'is a pointer to an image'),
    '15 dangling link': (dangling, 'is a link to content that has not been downloaded'),
    '16 invalid JSON': (content(PHASE.replace('.nii.gz', '.json'), b'{"EchoTime": 0.02,'),
                        'is not valid JSON'),
    '17 no echo time': (metadata(EchoTime=None), 'has no EchoTime in its sidecars'),
    '18 echo time 0': (metadata(EchoTime=0), 'EchoTime 0; give the true echo time'),
    '18 negative echo time': (metadata(EchoTime=-0.02), 'EchoTime -0.02; give the true'),
    '19 milliseconds': (metadata(EchoTime=20), 'BIDS requires seconds, write 0.02'),
    '21 echo times differ': (metadata(EchoTime=0.03), 'has echo times [0.03] s where the mag'),
    '24 no field strength': (metadata(MagneticFieldStrength=None), 'no MagneticFieldStrength'),
    '25 field in gauss': (metadata(MagneticFieldStrength=15000), 'give it in tesla'),
    '25 no field': (metadata(MagneticFieldStrength=0), 'Strength 0; give it in tesla'),
    '25 other frequency': (metadata(ImagingFrequency=123.2), 'ImagingFrequency 123.2 MHz, which'),
    '26 number as text': (metadata(EchoTime='0.02'), "has EchoTime '0.02'; give one number"),
    '28 shapes differ': (image(PHASE, shape=(6, 7, 4)), 'has shape (6, 7, 4) but'),
    '29 affines differ': (image(PHASE, affine=np.diag([2.0, 2.0, 2.5, 1.0])), 'mm from sub-01'),
    '30 four axes': (image(MAG, shape=(6, 7, 5, 2)), 'where one 3D image per echo is needed'),
    '30 T1w of four axes': (image(T1W, shape=(6, 7, 5, 2)), 'give a 3D T1w image'),
    '48 coils': (image(MAG, shape=(6, 7, 5, 1, 8)), 'where one 3D image per echo is needed'),
    '31 half a complex image': (renamed('part-phase', 'part-real'), 'has no part-imag image'),
    '72 sidecars contradict': (contradicting_sidecars, 'both apply to the same image'),
    '76 no orientation': (header(T1W, MAG, PHASE, sform_code=0, qform_code=0),
                          'has sform_code 0 and qform_code 0'),
    '76 no orientation of the gradient echo': (header(MAG, PHASE, sform_code=0, qform_code=0),
                                               'nothing tells left from right'),
    '76 voxels in metres': (image(T1W, affine=np.diag([0.002, 0.002, 0.002, 1.0])),
                            'has voxels of 0.002 x 0.002 x 0.002 mm'),
    '76 no size': (header(T1W, srow_x=[np.nan, 0, 0, 0]), 'has voxels of nan'),
    '100 other run': (renamed('sub-01_part-phase', 'sub-01_run-2_part-phase'),
                      'there is sub-01_run-2_part-phase_T2starw.nii.gz, which has no part-mag'),
    '100 other acquisition': (renamed('sub-01_part-mag', 'sub-01_acq-x_part-mag'),
                              'but there is sub-01_part-phase_T2starw.nii.gz'),
    '100 other suffix': (renamed('part-phase_T2starw', 'part-phase_MEGRE'), 'part-phase_MEGRE'),
    '101 only a phase T1w': (renamed('sub-01_T1w', 'sub-01_part-phase_T1w'), 'has no T1w image'),
}  # fmt: skip
"""What leaves the first participant out, by the number of the case."""


@pytest.mark.parametrize('case', LEFT_OUT)
def test_one_is_left_out_with_a_sentence_and_the_other_is_processed(two, case):
    spoil, sentence = LEFT_OUT[case]
    spoil(two)
    first_is_left_out(two, sentence)


def echo(name, raw, **entries):
    for part in ('mag', 'phase'):
        path = raw / f'{SESSION}_run-01_{name}_part-{part}_MEGRE.nii.gz'
        write_sidecar(path, **{'MagneticFieldStrength': 3, **entries})


def without_echo_2(raw):
    for path in (raw / 'sub-02').rglob('*echo-2*'):
        path.unlink()


def left_over_magnitude(raw):
    add_run(anat(raw), 'sub-01_run-2', ['part-mag_'])


def left_over_phase(raw):
    add_run(anat(raw), 'sub-01_run-2', ['part-phase_'])


def two_names(raw):
    left_over_magnitude(raw)
    add_run(anat(raw), 'sub-01_run-3', ['part-phase_'])


def post_contrast(raw):
    renamed('sub-01_T1w', 'sub-01_ce-gd_T1w')(raw)


def told_post_contrast(raw):
    path = anat(raw) / T1W
    write_sidecar(path, ContrastBolusIngredient='GADOLINIUM')


def turned_qform(raw):
    path = anat(raw) / T1W
    loaded = nib.load(path)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[0, 3] = 5
    loaded.set_qform(affine, code=1)
    nib.save(nib.Nifti1Image(np.asanyarray(loaded.dataobj), None, loaded.header), path)


WARNED = {
    '10 several T1w': (image('sub-01_acq-b_T1w.nii.gz'), 'sub-01', f'{T1W} was used'),
    '22 middle echo missing': (without_echo_2, 'sub-02_ses-a', 'Echo 2 is missing'),
    '27 uneven echoes': (lambda raw: echo('echo-1', raw, EchoTime=0.09), 'sub-02_ses-a',
                         'unevenly spaced (10, 20, 90 ms)'),
    '47 transforms': (turned_qform, 'sub-01', 'sform and qform put its voxels up to 5.0 mm apart'),
    '76 small view': (lambda raw: None, 'sub-01', 'less than a T1w image needs'),
    '80 echo times': (lambda raw: None, 'study', 'differ in echo times (ms): '),
    '100 second run': (two_names, 'sub-01', 'no phase (sub-01_run-3_part-phase_T2starw.nii.gz'),
    '7 second run': (left_over_magnitude, 'sub-01', 'left out because it has no phase.'),
    '8 second run': (left_over_phase, 'sub-01', 'left out because it has no magnitude.'),
    '101 contrast agent': (post_contrast, 'sub-01', 'was measured with contrast agent'),
    '101 agent by sidecar': (told_post_contrast, 'sub-01', 'was measured with contrast agent'),
}  # fmt: skip
"""What is told while both are processed."""


@pytest.mark.parametrize('case', WARNED)
def test_a_warning_and_both_are_processed(two, case):
    spoil, about, sentence = WARNED[case]
    spoil(two)
    status, scans, problems = look(two)
    assert status == 0
    assert [text for _, who, text in problems if who == about and sentence in text], problems
    assert set(scans.state) == {'process'}


def other_entities(raw):
    """A T1w image of another acquisition, in a session without gradient echo."""
    old = raw / 'sub-02' / 'ses-a' / 'anat' / 'sub-02_ses-a_T1w.nii.gz'
    new = raw / 'sub-02' / 'ses-b' / 'anat' / 'sub-02_ses-b_acq-mprage_T1w.nii.gz'
    new.parent.mkdir(parents=True)
    old.rename(new)


def turned(degrees):
    """Images turned about the x axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.array([[2, 0, 0, 0], [0, 2 * c, -2 * s, 0], [0, 2 * s, 2 * c, 0], [0, 0, 0, 1.0]])
    return lambda raw: [image(name, affine=affine)(raw) for name in (MAG, PHASE)]


def of_shape(shape, size=(2.0, 2.0, 2.0)):
    affine = np.diag([*size, 1.0])
    return lambda raw: [image(n, shape=shape, affine=affine)(raw) for n in (MAG, PHASE)]


SERVES = {
    '11 other entities of the T1w': (other_entities, 't1w', 'sub-02_ses-b_acq-mprage_T1w.nii.gz'),
    '38 slope of zero': (header(PHASE, MAG, scl_slope=0), 'VoxelSize', '2 x 2 x 2'),
    '43 oblique': (turned(25), 'VoxelSize', '2 x 2 x 2'),
    '44 coronal': (turned(90), 'VoxelSize', '2 x 2 x 2'),
    '45 anisotropic': (of_shape((6, 7, 5), (0.5, 0.5, 3.0)), 'VoxelSize', '0.5 x 0.5 x 3'),
    '46 odd sizes': (of_shape((7, 9, 11)), 'VoxelSize', '2 x 2 x 2'),
}
"""What must simply work; a column of the table of scans, and what it holds for somebody."""


@pytest.mark.parametrize('case', SERVES)
def test_what_is_unusual_and_right_is_processed(two, case):
    spoil, column, shown = SERVES[case]
    spoil(two)
    status, scans, problems = look(two)
    assert status == 0, problems
    assert set(scans.state) == {'process'}
    assert shown in set(scans[column])


def test_an_output_that_cannot_be_made_is_one_sentence(two, capsys):
    """Case 13."""
    (two.parent / 'out').write_text('a file')
    assert main([str(two), str(two.parent / 'out' / 'x'), 'participant']) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'cannot be created (' in error
    assert '/out is no folder); give another folder' in error
    assert (two.parent / 'out').read_text() == 'a file'


def test_all_problems_of_a_participant_are_told_at_once(two):
    metadata(MagneticFieldStrength=None)(two)
    content(MAG, b'')(two)
    remove('*T1w*')(two)
    _, _, problems = look(two)
    told = ' '.join(text for _, about, text in problems if about == 'sub-01')
    for sentence in ('has no MagneticFieldStrength', 'is empty', 'has no T1w image'):
        assert sentence in told


@pytest.mark.parametrize('case', ['20 repeated', '20 unordered', '23 count'])
def test_echoes_of_one_run(two, case):
    if case == '20 repeated':
        echo('echo-3', two, EchoTime=0.01)
    if case == '23 count':
        (two / f'{SESSION}_run-01_echo-3_part-phase_MEGRE.nii.gz').unlink()
    status, scans, problems = look(two)
    told = ' '.join(text for level, _, text in problems if level == 'error')
    expected = {'20 repeated': 'repeats the EchoTime 0.01 s', '23 count': 'magnitude echoes'}
    if case in expected:
        assert (status, expected[case] in told) == (1, True)
        assert dict(zip(scans.participant_id, scans.state, strict=True))['sub-01'] == 'process'
    else:
        assert status == 0
        assert scans.EchoTimes.tolist() == ['20', '10, 20, 30']
        assert scans.phase[1].split()[0].split('_')[3] == 'echo-2'


def test_the_more_specific_sidecar_wins_whatever_the_order_of_files(two, monkeypatch):
    """Case 72: two scans in one folder, each with a sidecar, and echo 1 without its entity."""
    add_run(anat(two), 'sub-01_acq-swi')
    for part in ('mag', 'phase'):
        (anat(two) / f'sub-01_part-{part}_T2starw.json').unlink()
        swi = anat(two) / f'sub-01_acq-swi_part-{part}_T2starw.nii.gz'
        write_sidecar(swi, EchoTime=0.02, MagneticFieldStrength=1.5)
        plain = anat(two) / f'sub-01_part-{part}_T2starw.nii.gz'
        write_sidecar(plain, EchoTime=0.04, MagneticFieldStrength=1.5)
    glob = type(two).glob
    for turned in (False, True):
        monkeypatch.setattr(
            type(two), 'glob', lambda *a, r=turned, **k: iter(sorted(glob(*a, **k), reverse=r))
        )
        _, scans, _ = look(two)
        times = dict(zip(scans.scan, scans.EchoTimes.astype(str), strict=True))
        assert (times['sub-01_acq-swi'], times['sub-01']) == ('20', '40')


def test_plain_t1w_images_go_first(two):
    for name in ('sub-01_ce-gd_T1w', 'sub-01_run-1_T1w', 'sub-01_part-phase_T1w'):
        write_image(anat(two) / f'{name}.nii.gz')
    shutil.copy(anat(two) / T1W, anat(two) / 'sub-01_T1w_old')
    _, scans, _ = look(two)
    assert scans.t1w[0] == T1W
    (anat(two) / T1W).unlink()
    assert look(two)[1].t1w[0] == 'sub-01_run-1_T1w.nii.gz'
    write_sidecar(anat(two) / 'sub-01_run-1_T1w.nii.gz', ImageType=['ORIGINAL', 'P', 'ND'])
    assert look(two)[1].t1w[0] == 'sub-01_ce-gd_T1w.nii.gz'


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (['--participant-label', '9'], '--participant-label 9: is not in'),  # 4
        (['--session-label', '7'], 'has no session of --session-label 7'),
        (['--dry'], 'unrecognized arguments: --dry'),  # 97
    ],
)
def test_options_that_cannot_be(two, capsys, options, sentence):
    try:
        status, _, problems = look(two, *options)
    except SystemExit as end:
        status, problems = end.code, []
    assert status != 0
    assert sentence in capsys.readouterr().err + ' '.join(text for *_, text in problems)


@pytest.mark.parametrize('text', ['{"t1w": ', '[]', '{"t1w": {"colour": "red"}}', '{"x": {}}'])
def test_filter_files_that_cannot_be_read(two, tmp_path, capsys, text):
    """Case 12."""
    path = tmp_path / 'filter.json'
    path.write_text(text)
    assert look(two, '--bids-filter-file', str(path))[0] == 1
    assert 'filter.json: ' in capsys.readouterr().err


def test_labels_with_and_without_their_key(two):
    """Case 5."""
    for label in ('01', 'sub-01'):
        assert look(two, '--participant-label', label)[1].participant_id.tolist() == ['sub-01']


@pytest.mark.parametrize('where', ['none', 'raw', 'raw/sub-01'])
def test_folders_that_cannot_serve(two, capsys, where):
    """Cases 1 to 3."""
    folder = two.parent / where
    bids = folder if where == 'none' else two
    out = two.parent / 'out' if where == 'none' else folder
    assert main([str(bids), str(out), 'participant', '--dry-run']) == 1
    assert capsys.readouterr().err.count('\n') == 1


def test_a_dry_run_makes_no_result_and_forgets_none(two):
    marker = two.parent / 'out' / 'logs' / 'complete' / 'sub-01.json'
    marker.parent.mkdir(parents=True)
    marker.write_text('{}')
    remove('*phase*')(two)
    assert look(two)[0] == 1
    assert marker.exists()
    assert not list((two.parent / 'out').rglob('sub-*/'))
