"""The sign of the phase, from files to files, and what is told of it."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from phantoms import real_head

from nigra.interfaces.files import save_json
from nigra.interfaces.phase_sign import CheckSign, decide, sign_warnings, turned
from nigra.interfaces.phase_told import phase_warnings
from nigra.interfaces.quality import gather_quality, quality_measures

RIGHT = {'sign_correlation': 0.6, 'smooth_ratio': 4.0}
WRONG = {'sign_correlation': -0.6, 'smooth_ratio': 4.0}
WEAK = {'sign_correlation': -0.1, 'smooth_ratio': 4.0}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A step's images, with the right sign: the field of the head itself."""
    monkeypatch.chdir(tmp_path)
    scan = real_head()
    images = {
        'totalfield': scan['totalfield'],
        'phase': np.angle(np.exp(5j * scan['totalfield']))[..., None],
        'magnitude': scan['magnitude'][..., None],
        'mask': scan['mask'],
    }
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    for name, image in images.items():
        nib.save(nib.Nifti1Image(image.astype(np.float32), affine), tmp_path / f'{name}.nii.gz')
    return {name: str(tmp_path / f'{name}.nii.gz') for name in images}


def load(path):
    return np.asarray(nib.load(path).dataobj)


def negated(files):
    for name in ('totalfield', 'phase'):
        image = nib.load(files[name])
        nib.save(nib.Nifti1Image(-np.asarray(image.dataobj), image.affine), files[name])


def test_a_right_sign_is_kept_without_a_word(files):
    out = CheckSign(**files).run().outputs
    assert (out.phase, out.totalfield) == (files['phase'], files['totalfield'])
    assert out.warnings == []
    assert out.parameters['sign_verdict'] == 'right'
    assert out.quality['phase_inverted'] == 0
    assert out.quality['sign_correlation'] > 0.5


def test_an_inverted_phase_is_turned_and_told(files):
    right = {name: load(files[name]) for name in ('totalfield', 'phase')}
    negated(files)
    out = CheckSign(**files, loaded={'stray_voxels': 3}).run().outputs
    for name, image in right.items():
        assert np.array_equal(load(getattr(out, name)), image)
    (told,) = out.warnings
    assert 'stored inverted' in told
    assert out.parameters['phase_inverted'] is True
    assert out.parameters['sign_correlation'] < -0.5  # as it was found
    assert out.parameters['stray_voxels'] == 3
    assert out.quality['sign_correlation'] > 0.5  # as it is used
    assert out.quality['stray_voxels'] == 3


@pytest.mark.parametrize(
    ('found', 'sign', 'maker', 'inverted', 'words'),
    [
        (WRONG, 'auto', '', True, ['was turned']),
        (WRONG, 'keep', '', False, ['seems to be inverted', '--phase-sign keep']),
        (WRONG, 'invert', '', True, ['was turned']),
        (RIGHT, 'auto', 'GE', False, []),
        (RIGHT, 'keep', '', False, []),
        (RIGHT, 'invert', '', True, ['--phase-sign invert', 'does not say so']),
        (WEAK, 'auto', '', False, ['not certain', 'kept']),
        (WEAK, 'keep', '', False, []),
        (WEAK | {'sign_correlation': -0.12}, 'auto', 'GE MEDICAL SYSTEMS', True, ['was turned']),
        (WEAK | {'sign_correlation': 0.1}, 'auto', 'Siemens', False, []),
        (WEAK | {'sign_correlation': 0.1}, 'auto', 'GE', False, ['not certain']),
        (WEAK | {'conductivity': -0.65}, 'auto', '', True, ['was turned', '-0.65 S/m']),
        (WEAK | {'conductivity': -0.05}, 'auto', '', False, ['not certain']),
        (WEAK | {'conductivity': -9.0}, 'auto', '', False, ['not certain']),
        (RIGHT | {'conductivity': -0.65}, 'auto', '', False, []),
        (WEAK | {'sign_correlation': 0.1, 'conductivity': 0.6}, 'auto', 'GE', False, []),
    ],
)
def test_the_sign_is_turned_only_where_evidence_is_strong(found, sign, maker, inverted, words):
    done = decide(found, sign, {'Manufacturer': maker})
    told = sign_warnings(done)
    assert done['phase_inverted'] is inverted
    assert len(told) == bool(words)
    assert all(word in told[0] for word in words)


@pytest.mark.parametrize(
    ('ratio', 'metadata', 'filtered'),
    [(1.0, {}, True), (2.5, {}, False), (2.5, {'SeriesDescription': 'SWI_Pha_Images'}, True),
     (2.5, {'ImageType': ['ORIGINAL', 'PRIMARY', 'SWI']}, True),
     (4.0, {'ImageType': 'SWI'}, False), (float('nan'), {}, False)],
)  # fmt: skip
def test_filtered_phase_is_named_and_its_sign_left(ratio, metadata, filtered):
    done = decide(WRONG | {'smooth_ratio': ratio}, 'auto', metadata)
    assert done['phase_filtered'] is filtered
    assert done['phase_inverted'] is not filtered
    assert any('high-pass filtered' in text for text in sign_warnings(done)) is filtered


def study(tmp_path, rows):
    """Quality files of a study, one run for each row."""
    for number, row in enumerate(rows, 1):
        path = tmp_path / f'sub-{number:02d}' / 'anat' / f'sub-{number:02d}_quality.json'
        path.parent.mkdir(parents=True)
        known = {name: None for name in quality_measures()}
        save_json({'participant_id': f'sub-{number:02d}', **known, **row}, path)
    return gather_quality(sorted(tmp_path.glob('sub-*/**/*_quality.json')))


def test_the_group_level_tells_mixed_signs_and_who(tmp_path):
    table = study(tmp_path, [
        {'phase_inverted': 1, 'iron_contrast_ppb': 80}, {'phase_inverted': 0},
        {'iron_contrast_ppb': -60, 'phase_filtered': 1}, {'slices_aligned': 1},
        {'sign_correlation': -0.5},
    ])  # fmt: skip
    told = phase_warnings(table)
    assert told[0] == '1 of 5 runs had the sign of the phase turned (sub-01).'
    for number, words in enumerate(
        ('pallidum darker', 'speaks against', 'high-pass', 'jumped'), 1
    ):
        assert words in told[number]
    assert [t.rpartition('(')[2].rstrip(').') for t in told[1:5]] == [
        'sub-03', 'sub-05', 'sub-03', 'sub-04',
    ]  # fmt: skip
    assert 'mixed within the study' in told[5]


def test_of_a_study_without_trouble_nothing_is_told(tmp_path):
    good = {'phase_inverted': 0, 'iron_contrast_ppb': 80, 'sign_correlation': 0.5,
            'phase_filtered': 0, 'slices_aligned': 0}  # fmt: skip
    assert phase_warnings(study(tmp_path, [good, good, {}])) == []
    assert phase_warnings(pd.DataFrame()) == []


def test_a_study_turned_as_a_whole_has_no_mixed_signs(tmp_path):
    told = phase_warnings(study(tmp_path, [{'phase_inverted': 1}, {'phase_inverted': 1}]))
    assert told == ['2 of 2 runs had the sign of the phase turned (sub-01, sub-02).']


def test_runs_whose_echoes_alternated_are_named(tmp_path):
    told = phase_warnings(
        study(tmp_path, [{'alternation_rad': 1.2}, {'alternation_rad': 0.0}, {}])
    )
    assert told == ['1 of 3 runs had a phase that alternated between echoes (sub-01).']


def test_a_turned_phase_has_the_other_sign_and_plain_zeros():
    image = np.array([-2.0, 0.0, 3.0], np.float32)
    found = turned(image)
    assert found.tolist() == [2, 0, -3]
    assert not np.signbit(found[1])
