"""Data sets that no list of cases foresaw, as strangers bring them; a dry run tells all of it."""

import gzip
import json
import os
import shutil

import numpy as np
import pytest
from helpers import anat, first_is_left_out, look, people, renamed, write_image, write_sidecar

from nigra.cli import main

PHASE = 'sub-01_part-phase_T2starw.nii.gz'
MAG = 'sub-01_part-mag_T2starw.nii.gz'
T1W = 'sub-01_T1w.nii.gz'


def both(**entries):
    """Sidecars of both parts."""

    def apply(raw):
        for name in (MAG, PHASE):
            write_sidecar(anat(raw) / name, **{'MagneticFieldStrength': 1.5, **entries})

    return apply


def sidecar(text):
    return lambda raw: (anat(raw) / PHASE.replace('.nii.gz', '.json')).write_text(text)


def header(name, offset, kind, *values):
    """Overwrite bytes of a header with values of a NumPy kind."""

    def apply(raw):
        path = anat(raw) / name
        content = bytearray(gzip.decompress(path.read_bytes()))
        data = np.array(values, kind).tobytes()
        content[offset : offset + len(data)] = data
        path.write_bytes(gzip.compress(bytes(content)))

    return apply


def unpacked(cut):
    """The T1w image without compression, of which some bytes at the end are missing."""

    def apply(raw):
        path = anat(raw) / T1W
        content = gzip.decompress(path.read_bytes())
        path.with_suffix('').write_bytes(content[: len(content) - cut])
        path.unlink()

    return apply


def phase_twice(raw):
    content = gzip.decompress((anat(raw) / PHASE).read_bytes())
    (anat(raw) / PHASE).with_suffix('').write_bytes(content)


def colours(raw):
    write_image(anat(raw) / T1W)
    kind = np.dtype([('R', 'u1'), ('G', 'u1'), ('B', 'u1')])
    write_image(anat(raw) / T1W, np.zeros((6, 7, 5), kind), dtype=kind)


def other_field(raw):
    write_sidecar(anat(raw) / MAG, EchoTime=0.02, MagneticFieldStrength=3)


LEFT_OUT = {
    'endless echo time': (both(EchoTime=float('inf')), 'EchoTime inf; give the true echo time'),
    'thousandths of milliseconds': (both(EchoTime=2e-5), 'EchoTime 2e-05, too short for iron'),
    'two field strengths': (other_field, 'has MagneticFieldStrength 3 where sub-01_part-phase_'),
    'nested too deep': (sidecar('{"a":' * 100_000), '.json: is not valid JSON (maximum recursion'),
    'one entry twice': (sidecar('{"EchoTime": 0.01, "EchoTime": 0.02}'),
                        '.json: has EchoTime twice, as 0.01 and as 0.02; take one out'),
    'packed and not': (phase_twice, 'is of the same echo as sub-01_part-phase_T2starw.nii'),
    'complex numbers': (lambda raw: write_image(anat(raw) / PHASE, dtype=np.complex64),
                        f'{PHASE}: holds complex numbers; save part-mag and part-phase'),
    'colours': (colours, f'{T1W}: holds colours, not measured values'),
    'a shape that no file holds': (header(T1W, 40, '<i2', 3, 32767, 32767, 32767),
                                   'too few for the shape (32767, 32767, 32767) of its header'),
    'voxels beyond the end': (header(T1W, 108, '<f4', 1e6), 'too few for the shape (6, 7, 5)'),
    'a single slice': (lambda raw: [write_image(anat(raw) / name, shape=(6, 7, 1))
                                    for name in (MAG, PHASE)], '(6, 7, 1), a single slice; give'),
    'cut without compression': (unpacked(1), 'sub-01_T1w.nii: has 771 bytes, too few for'),
}  # fmt: skip
"""What leaves the first participant out, and what is said."""


def unpacked_under_its_name(raw):
    path = anat(raw) / PHASE
    path.write_bytes(gzip.decompress(path.read_bytes()))


MISNAMED = {
    'another suffix': (renamed('T2starw', 'T2star'), 'or T2starw; there is anat/sub-01_part-mag_'),
    'folder in capitals': (lambda raw: anat(raw).rename(raw / 'sub-01' / 'Anat'),
                           'there is Anat/sub-01_part-mag_T2starw.nii.gz'),
    'ending in capitals': (renamed('T1w.nii.gz', 'T1w.NII.GZ'), 'there is anat/sub-01_T1w.NII.GZ'),
    'image of FreeSurfer': (renamed('T1w.nii.gz', 'T1w.mgz'), 'there is anat/sub-01_T1w.mgz'),
    'part in full': (renamed('part-mag', 'part-magnitude'),
                     'part-magnitude_T2starw.nii.gz: has part-magnitude in its name; write part-'),
    'part in capitals': (renamed('part-phase', 'part-Phase'), 'has part-Phase in its name; write'),
    'packed by name only': (unpacked_under_its_name, 'is not compressed; let its name end in'),
    'packed and not called so': (renamed('T1w.nii.gz', 'T1w.nii'),
                                 'is compressed; let its name end in .nii.gz'),
}  # fmt: skip
"""Names that are nearly right, and the file that is named with what to do."""


@pytest.mark.parametrize('case', MISNAMED)
def test_who_has_nearly_the_right_names_is_told_which_file_to_rename(two, case):
    spoil, sentence = MISNAMED[case]
    spoil(two)
    first_is_left_out(two, sentence)


@pytest.mark.parametrize('name', ['SUB-03', 'Sub-03', 'sub03', 'sub_03', 'Subject 3'])
def test_a_folder_that_looks_like_a_participant_and_is_not_read_is_told(two, name):
    shutil.copytree(two / 'sub-02', two / name)
    _, scans, problems = look(two)
    assert set(scans.participant_id) == {'sub-01', 'sub-02'}
    (told,) = [text for _, about, text in problems if about == 'study' and name in text]
    assert f'are not called sub-* and are not read: {name}; rename them' in told


@pytest.mark.parametrize('name', ['sub', 'subjects', 'substance', 'derivatives', 'sourcedata'])
def test_a_folder_of_something_else_is_not_told(two, name):
    (two / name).mkdir()
    assert not any('not called sub-' in text for _, _, text in look(two)[2])


def test_folders_that_are_all_called_otherwise_are_named(two, capsys):
    for name in ('sub-01', 'sub-02'):
        (two / name).rename(two / name.upper())
    assert look(two)[0] == 1
    assert (
        'has no sub-* folders; rename SUB-01, SUB-02 and all files in' in capsys.readouterr().err
    )


@pytest.mark.parametrize('labels', ['01,02', '01 02', '01;02'])
def test_labels_in_one_word_are_refused_with_how_to_write_them(two, capsys, labels):
    assert look(two, '--participant-label', labels)[0] == 1
    assert 'choose among sub-01, sub-02, with spaces between several' in capsys.readouterr().err


def test_ratings_that_are_not_there_are_told_before_hours_are_spent(two):
    status, _, problems = look(
        two, '--exclude-rated', str(two / 'nowhere.tsv'), levels=('participant', 'group')
    )
    assert status == 1
    assert any('nowhere.tsv: cannot be read' in t for level, _, t in problems if level == 'error')


def test_a_comparison_of_nobody_is_one_problem(two):
    _, _, problems = look(two, levels=('group',))
    assert [text.split('; ')[1] for _, _, text in problems] == ['run the participant level first.']


@pytest.mark.parametrize('case', LEFT_OUT)
def test_one_is_left_out_with_a_sentence_and_the_other_is_processed(two, case):
    spoil, sentence = LEFT_OUT[case]
    spoil(two)
    first_is_left_out(two, sentence)


def hidden(raw):
    """What macOS leaves beside each file on drives of other systems."""
    for path in list(anat(raw).iterdir()):
        path.with_name(f'._{path.name}').write_bytes(b'\0\5\x16\7\0\2\0\0Mac OS X')
    (anat(raw) / '.DS_Store').touch()


def copies(raw):
    for name in (T1W, PHASE):
        shutil.copy(anat(raw) / name, anat(raw) / f'{name}~')
        shutil.copy(anat(raw) / name, anat(raw) / name.replace('.nii', ' (copy).nii'))


SERVES = {
    'hidden files': hidden,
    'copies': copies,
    'not compressed': unpacked(0),
    'rounded field strength': lambda raw: write_sidecar(
        anat(raw) / MAG, EchoTime=0.02, MagneticFieldStrength=1.4994
    ),
    'a very short first echo': lambda raw: [
        write_sidecar(path, EchoTime=3e-5, MagneticFieldStrength=3)
        for path in raw.rglob('*echo-1*.nii.gz')
    ],
    'one volume of four axes': lambda raw: [
        write_image(anat(raw) / name, shape=(6, 7, 5, 1)) for name in (T1W, MAG, PHASE)
    ],
}


@pytest.mark.parametrize('case', SERVES)
def test_what_is_strange_and_right_is_processed(two, case):
    SERVES[case](two)
    status, scans, problems = look(two)
    assert status == 0, problems
    assert set(scans.state) == {'process'}
    assert scans.EchoTimes.tolist()[0] == '20'


@pytest.mark.parametrize('target', ['/nonexistent/sub-03', 'sub-03'])
def test_a_participant_whose_folder_leads_nowhere_is_told(two, target):
    """A drive that is not mounted, and a link to itself."""
    (two / 'sub-03').symlink_to(target)
    for options in ((), ('--participant-label', '03', '01')):
        status, scans, problems = look(two, *options)
        assert status == 1
        told = [text for level, about, text in problems if (level, about) == ('error', 'sub-03')]
        assert 'sub-03: is a link that leads nowhere; mount or download what' in told[0]
        states = dict(zip(scans.participant_id, scans.state, strict=True))
        assert (states['sub-01'], states['sub-03']) == ('process', 'left out')


def test_a_description_of_another_kind_is_one_sentence(two):
    (two / 'dataset_description.json').write_text(json.dumps(['Name']))
    status, _, problems = look(two)
    assert status == 1
    (told,) = [text for level, about, text in problems if (level, about) == ('error', 'study')]
    assert 'dataset_description.json: is no JSON object; write {"Name": ...' in told


def occupied(place):
    place.write_text('a file')


def nowhere(place):
    place.symlink_to('nowhere/at/all')


def loop(place):
    place.symlink_to(place.name)


@pytest.mark.parametrize('option', ['out', 'work'])
@pytest.mark.parametrize(
    ('make', 'below', 'why'),
    [
        (occupied, 'x', 'is no folder'),
        (nowhere, '', 'is a link that leads nowhere'),
        (loop, 'x', 'is a link that leads nowhere'),
        (lambda place: place.mkdir(), 'x' * 300, 'File name too long'),
    ],
)
def test_a_folder_that_cannot_be_made_is_told_by_a_dry_run(two, capsys, option, make, below, why):
    place = two.parent / 'place'
    make(place)
    folders = {'out': two.parent / 'out', 'work': two.parent / 'work', option: place / below}
    words = [str(two), str(folders['out']), 'participant', '--dry-run', '--skip-bids-validation']
    assert main([*words, '--work-dir', str(folders['work'])]) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'place' in error
    assert f'{why}); give another folder' in error


def pipe(name):
    """A pipe in place of a file, which nobody writes to."""

    def apply(raw):
        path = raw / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    return apply


@pytest.mark.parametrize('name', [f'sub-01/anat/{T1W}', f'sub-01/anat/{PHASE[:-7]}.json'])
def test_a_pipe_is_no_file_and_keeps_nobody_waiting(two, name):
    pipe(name)(two)
    first_is_left_out(two, 'is no file but a pipe or a device; put the file there')


def test_each_two_people_who_share_an_image_are_named_on_the_console(two, caplog):
    rows = [f'sub-{who}\tA\t30\tF' for who in ('A1', 'a1', 'B1', 'b1', '01', '02')]
    for who in ('A1', 'a1', 'B1', 'b1'):
        shutil.copytree(two / 'sub-01', two / f'sub-{who}')
    people(two, *rows)
    look(two)
    told = [r.getMessage() for r in caplog.records if 'differ only in spelling' in r.getMessage()]
    assert [text.split(' differ')[0] for text in told] == [
        'study: sub-A1 and sub-a1', 'study: sub-B1 and sub-b1'
    ]  # fmt: skip
