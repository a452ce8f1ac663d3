"""What is repaired as a run is loaded: from files to files, told in sentences and in numbers."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import head, signal

from nigra.interfaces import phase_repairs
from nigra.interfaces.gre import LoadGre, load_gre
from nigra.nodes.errors import InputError
from nigra.nodes.field.slice_steps import LEAST_STEP, LEAST_STEP_3D, SliceSteps
from nigra.nodes.field.wraps import wrap

TIMES = [0.006, 0.014]


@pytest.fixture(scope='module')
def scan():
    """Magnitude and phase of two echoes."""
    magnitude, angle, _ = signal(head(), TIMES, 3.0, np.random.default_rng(0))
    return np.rint(1000 * magnitude), angle


def write(folder, *parts, dtype=np.int16):
    """Files of one image per echo, for each part."""
    files = []
    for name, data in zip(('first', 'second'), parts, strict=True):
        paths = [folder / f'{name}_echo-{echo + 1}.nii.gz' for echo in range(data.shape[3])]
        for echo, path in enumerate(paths):
            nib.save(nib.Nifti1Image(data[..., echo].astype(dtype), np.eye(4)), path)
        files.append(paths)
    return files


def in_steps(angle):
    return np.rint(wrap(angle) / np.pi * 2048).clip(-2048, 2047) + 2048


def test_a_usual_scan_is_told_nothing_of(scan, tmp_path):
    loaded = load_gre(*write(tmp_path, scan[0], in_steps(scan[1])), TIMES)
    assert loaded['warnings'] == []
    known = loaded['parameters']
    assert (known['stored_as'], known['stray_voxels']) == ('steps', 0)
    assert not known['slices_aligned']
    assert known['measured_part'] == [1, 1, 1]


def test_strays_are_named_by_file_and_left_out(scan, tmp_path):
    stored = in_steps(scan[1])
    stored[20, 20, 18:21, 1] = 8191
    loaded = load_gre(*write(tmp_path, scan[0], stored), TIMES)
    assert loaded['warnings'] == [
        'second_echo-2.nii.gz: voxels beyond the limits of the phase (0 to 4095) are left out: 3, '
        'with values 8191.'
    ]
    assert loaded['parameters']['stray_values'] == [8191]
    assert np.isnan(loaded['phase']).sum() == 3
    inside = np.isfinite(loaded['phase'])
    assert np.abs(wrap(loaded['phase'] - scan[1])[inside]).max() < 0.01


def test_slices_are_aligned_and_the_kind_of_acquisition_named(scan, tmp_path):
    steps = np.random.default_rng(0).normal(0, 0.3, scan[1].shape[2])
    broken = in_steps(scan[1] + steps[:, None].astype(np.float32))
    files = write(tmp_path, scan[0], broken)
    loaded = load_gre(*files, TIMES, acquisition='2D')
    (told,) = loaded['warnings']
    assert 'jumps from slice to slice' in told
    assert 'along axis k (2D acquisition)' in told
    assert loaded['parameters']['slices_aligned']


def test_a_single_slice_is_told_as_such(scan, tmp_path):
    steps = 1.5 * (np.arange(scan[1].shape[2]) == 20)
    files = write(tmp_path, scan[0], in_steps(scan[1] + steps[:, None].astype(np.float32)))
    (told,) = load_gre(*files, TIMES)['warnings']
    assert 'jumps at single slices by 0.7' in told


@pytest.mark.parametrize(('acquisition', 'aligned'), [('2D', True), ('', True), ('3D', False)])
def test_small_steps_are_believed_where_slices_are_excited_one_by_one(
    scan, tmp_path, acquisition, aligned
):
    steps = 0.045 * (np.arange(scan[1].shape[2]) % 2)
    files = write(tmp_path, scan[0], in_steps(scan[1] + steps[:, None].astype(np.float32)))
    loaded = load_gre(*files, TIMES, acquisition=acquisition)
    assert loaded['parameters']['slices_aligned'] == aligned


def test_alternate_slices_off_by_pi_are_turned_back(scan, tmp_path):
    steps = np.pi * (np.arange(scan[1].shape[2]) % 2)
    broken = in_steps(scan[1] + steps[:, None].astype(np.float32))
    loaded = load_gre(*write(tmp_path, scan[0], broken), TIMES, acquisition='3D')
    (told,) = loaded['warnings']
    assert 'alternate slices have the opposite phase' in told
    assert loaded['parameters']['slices_turned']
    good = load_gre(*write(tmp_path, scan[0], in_steps(scan[1])), TIMES)['phase']
    brain = head()['mask']
    gap = np.exp(1j * (loaded['phase'] - good)[brain])
    assert np.abs(np.angle(gap / gap.mean())).max() < 0.1


def test_real_and_imaginary_parts_give_the_same_as_magnitude_and_phase(scan, tmp_path):
    magnitude, angle = scan
    parts = write(tmp_path, magnitude * np.cos(angle), magnitude * np.sin(angle), dtype=np.float32)
    done = load_gre(*parts, TIMES[::-1], complex_parts=True)
    assert done['echo_times'] == TIMES
    assert done['warnings'] == []
    assert done['parameters']['stored_as'] == 'real and imaginary parts'
    assert np.allclose(done['magnitude'], magnitude[..., ::-1], atol=0.01)
    lit = magnitude[..., ::-1] > 1
    assert np.abs(wrap(done['phase'] - angle[..., ::-1])[lit]).max() < 1e-4


def test_real_and_imaginary_parts_go_through_the_step(scan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    magnitude, angle = scan
    real, imaginary = write(tmp_path, magnitude * np.cos(angle), magnitude * np.sin(angle))
    out = LoadGre(
        magnitude=list(map(str, real)), phase=list(map(str, imaginary)), complex_parts=True,
        echo_times=TIMES, b0=3.0,
    ).run().outputs  # fmt: skip
    assert out.parameters['stored_as'] == 'real and imaginary parts'
    stored = np.asarray(nib.load(out.phase).dataobj)
    lit = magnitude > 500
    assert np.abs(wrap(stored - angle)[lit]).max() < 0.01
    assert Path(out.phase).parent == tmp_path


def test_parts_without_sign_are_refused(scan, tmp_path):
    magnitude, angle = scan
    files = write(tmp_path, magnitude * np.cos(angle), 2048 + magnitude * np.sin(angle))
    with pytest.raises(InputError, match=r'second_echo-1.*has no negative value'):
        load_gre(*files, TIMES, complex_parts=True)


def test_an_interpolated_matrix_is_told(scan, tmp_path):
    spectrum = np.fft.fftn(scan[0] * np.exp(1j * scan[1]), axes=(0, 1))
    rim = np.abs(np.fft.fftfreq(48, 1 / 48)) >= 16
    spectrum[rim] = 0
    image = np.fft.ifftn(spectrum, axes=(0, 1))
    loaded = load_gre(*write(tmp_path, np.abs(image), in_steps(np.angle(image))), TIMES)
    (told,) = loaded['warnings']
    assert 'the matrix of 48 x 44 x 40 was interpolated from about 31 x 44 x 40' in told


def test_a_scale_that_nobody_uses_is_refused_naming_file_and_fix(scan, tmp_path):
    x = np.linspace(-19.7, 33.7, 48)[:, None, None, None] + 0 * scan[1]
    files = write(tmp_path, 100 + 0 * scan[0], x, dtype=np.float32)
    with pytest.raises(InputError, match=r'second_echo-1.nii.gz: .*-19.7 and 33.7.*Units') as told:
        load_gre(*files, TIMES)
    assert str(told.value).count('\n') == 0
    assert load_gre(*files, TIMES, units='rad')['parameters']['stored_as'] == 'radians'


@pytest.mark.parametrize(
    ('step', 'single', 'is_turned', 'acquisition', 'echoes', 'words', 'rest'),
    [
        (0.5, 0.6, False, '2D', 1, 'jumps from slice to slice by 0.50 rad', True),
        (0.5, 0.6, False, '2D', 2, 'jumps from slice to slice by 0.50 rad', False),
        (0.01, 2.0, False, '', 1, 'jumps at single slices by 2.00 rad', True),
        (3.0, 3.1, True, '2D', 1, 'off by pi, as GE scanners store it', False),
        (LEAST_STEP, 0.0, False, '2D', 1, '', False),
        (LEAST_STEP + 0.01, 0.0, False, '2D', 1, 'from slice to slice', True),
        (LEAST_STEP + 0.01, 0.0, False, '3D', 1, '', False),
        (LEAST_STEP_3D + 0.01, 0.0, False, '3D', 1, 'from slice to slice', True),
    ],
)  # fmt: skip
def test_jumps_between_slices_are_told_from_their_limit_on(
    monkeypatch, step, single, is_turned, acquisition, echoes, words, rest
):
    found = SliceSteps(1, step, single, is_turned)
    monkeypatch.setattr(phase_repairs, 'find_slice_steps', lambda *_: found)
    monkeypatch.setattr(phase_repairs, 'remove_slice_steps', lambda angle, *_: angle + 1)
    angle = np.zeros((3, 3, 3, echoes), np.float32)
    image, data, told = phase_repairs.repair_slices(
        angle, angle, np.ones((3, 3, 3), bool), acquisition, 'x.nii.gz'
    )
    assert data == {
        'slice_step_rad': round(step, 4), 'slices_aligned': bool(words),
        'slices_turned': is_turned,
    }  # fmt: skip
    assert (image == (1 if words else 0)).all()
    assert len(told) == bool(words)
    for sentence in told:
        assert words in sentence
        assert 'along axis j' in sentence
        assert ('up to an error that is smooth' in sentence) == rest
        assert (f'({acquisition} acquisition)' in sentence) == bool(acquisition)


@pytest.mark.parametrize(('parts', 'told'), [((1, 1, 1), False), ((1, 0.5, 0.75), True)])
def test_an_empty_rim_of_k_space_is_told_as_the_smaller_matrix(monkeypatch, parts, told):
    monkeypatch.setattr(phase_repairs, 'measured_part', lambda _: parts)
    angle = np.zeros((8, 10, 12, 1), np.float32)
    data, sentences = phase_repairs.look_at_matrix(angle, angle + 1, 'x.nii.gz')
    assert data == {'measured_part': list(parts)}
    assert len(sentences) == told
    assert all('of 8 x 10 x 12 was interpolated from about 8 x 5 x 9' in s for s in sentences)
