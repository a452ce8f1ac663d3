"""Phase of real heads: left alone as it is, repaired where it is broken on purpose."""

import io
import tarfile

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from nigra.interfaces.phase_sign import decide
from nigra.nodes.field.echoes import combine_magnitude
from nigra.nodes.field.filtered import smooth_ratio
from nigra.nodes.field.masks import signal_mask, trusted_mask
from nigra.nodes.field.phase import to_radians
from nigra.nodes.field.sign import sign_evidence
from nigra.nodes.field.slice_steps import find_slice_steps, remove_slice_steps
from nigra.nodes.field.totalfield import romeo_field
from nigra.nodes.field.wraps import wrap
from nigra.nodes.field.zero_filling import measured_part
from nigra.nodes.grid import Grid
from nigra.nodes.stages import Scan, choose, run_step


@pytest.fixture(scope='module')
def crop(shared_data):
    """A part of a brain at 7 T; phase as stored, on a scale of its own, and in radians."""
    folder = shared_data / 'megre-7t-crop'
    magnitude, stored = (
        nib.load(folder / f'{name}.nii.gz').get_fdata(dtype=np.float32)
        for name in ('magnitude', 'phase')
    )
    return magnitude, stored, to_radians(stored)[0]


@pytest.fixture(scope='module')
def head(shared_data):
    """A head at 3 T, axes turned to R, A, S: two echoes, and what lies 15 mm inside."""
    pydicom = pytest.importorskip('pydicom')
    slices = {'M': {}, 'P': {}}
    with tarfile.open(shared_data / 'philips-head-dicom' / 'dicom.tar.xz') as archive:
        for member in archive:
            if '/2001_' not in member.name:
                continue
            image = pydicom.dcmread(io.BytesIO(archive.extractfile(member).read()))
            kind = 'P' if '_ph' in member.name else 'M'
            place = (float(image.EchoTime), float(image.ImagePositionPatient[2]))
            scale, zero = float(image.RescaleSlope), float(image.RescaleIntercept)
            # rows run to the back and columns to the left of the patient
            slices[kind][place] = (image.pixel_array * scale + zero)[::-1, ::-1].T
    times = sorted({echo for echo, _ in slices['M']})
    magnitude, stored = (
        np.stack(
            [
                np.stack([part[key] for key in sorted(part) if key[0] == echo], axis=-1)
                for echo in times
            ],
            axis=-1,
        ).astype(np.float32)
        for part in slices.values()
    )
    angle, scale = to_radians(stored)
    assert scale.rule == 'milliradians'
    inside = ndimage.binary_fill_holes(
        ndimage.binary_opening(signal_mask(magnitude[..., 0]), iterations=2)
    )
    mask = ndimage.binary_erosion(inside, iterations=5)
    grid = Grid(mask.shape, (3.0, 3.0, 3.0))
    return {
        'magnitude': magnitude, 'phase': angle, 'mask': mask, 'grid': grid,
        'echo_times': [t / 1000 for t in times],
    }  # fmt: skip


def verdict(head, **changes):
    """What is decided of the head, some of its images changed."""
    scan = head | changes
    grid, times = scan['grid'], scan['echo_times']
    mask = trusted_mask(scan['phase'], scan['magnitude'], scan['mask'], echo_times=times)
    field, *_ = romeo_field(scan['phase'], scan['magnitude'], mask, grid, echo_times=times, b0=3.0)
    found = {
        'sign_correlation': sign_evidence(field, combine_magnitude(scan['magnitude']), mask, grid),
        'smooth_ratio': smooth_ratio(field, mask, grid),
    }
    return decide(found, 'auto', {'Manufacturer': 'Philips'})


def test_a_real_head_is_left_alone(head):
    done = verdict(head)
    assert done['sign_correlation'] > 0.5
    assert not done['phase_inverted']
    assert not done['phase_filtered']
    signal = signal_mask(head['magnitude'][..., 0])
    assert not find_slice_steps(head['phase'], head['magnitude'], signal).are_there()
    image = head['magnitude'][..., 0] * np.exp(1j * head['phase'][..., 0])
    assert measured_part(image) == (1, 1, 1)


def test_a_real_head_is_turned_where_its_phase_is_inverted(head):
    done = verdict(head, phase=-head['phase'])
    assert done['sign_correlation'] < -0.5
    assert done['phase_inverted']


def test_a_real_head_that_was_filtered_is_seen(head):
    image = head['magnitude'] * np.exp(1j * head['phase'])
    low = [ndimage.gaussian_filter(part, (3, 3, 0, 0)) for part in (image.real, image.imag)]
    phase = np.angle(image * (low[0] - 1j * low[1])).astype(np.float32)
    assert verdict(head, phase=phase)['phase_filtered']


def test_a_real_crop_is_left_alone(crop):
    magnitude, stored, angle = crop
    assert to_radians(stored)[1].strays == 0
    everywhere = np.ones(angle.shape[:3], bool)
    assert not find_slice_steps(angle, magnitude, everywhere).are_there()
    assert measured_part(magnitude[..., 0] * np.exp(1j * angle[..., 0])) == (1, 1, 1)


def test_strays_do_not_change_the_scale_of_a_real_crop(crop):
    _, stored, angle = crop
    broken = stored.copy()
    broken[20, 20, 20:23, 1] = 8191
    found, scale = to_radians(broken)
    assert scale.strays == 3
    assert np.array_equal(found[np.isfinite(found)], angle[np.isfinite(found)])


@pytest.mark.parametrize('offset', [np.pi, 0.5])
def test_alternate_slices_of_a_real_crop_are_turned_back(crop, offset):
    magnitude, _, angle = crop
    everywhere = np.ones(angle.shape[:3], bool)
    steps = (offset * (np.arange(angle.shape[2]) % 2)).astype(np.float32)[:, None]
    found = find_slice_steps(wrap(angle + steps), magnitude, everywhere)
    assert found.are_there()
    assert (found.axis, found.turned) == (2, offset == np.pi)
    repaired = remove_slice_steps(wrap(angle + steps), magnitude, everywhere, found)
    gap = np.exp(1j * (repaired.astype(float) - angle)).mean(axis=(0, 1))
    assert np.abs(np.angle(gap / gap.mean(axis=0))).max() < 0.2


def test_one_echo_of_a_real_head_gives_the_map_of_both(head):
    """Its phase at time zero, 80 ppb at this echo time, does not turn into susceptibility."""
    mask = trusted_mask(
        head['phase'], head['magnitude'], head['mask'], echo_times=head['echo_times']
    )
    maps = []
    for echoes in ([0, 1], [1]):
        scan = Scan(head['grid'], tuple(head['echo_times'][e] for e in echoes), 3.0)
        data = {name: head[name][..., echoes] for name in ('phase', 'magnitude')}
        data['mask'] = mask
        for method in choose('end-to-end'):
            data |= run_step(method, data, scan, nthreads=2)
        maps.append(np.where(mask, data['chimap'], 0))
    core = ndimage.binary_erosion(mask, iterations=2)
    weight = [np.maximum(ndimage.gaussian_filter(mask * 1.0, s), 0.05) for s in (1, 4)]
    both, one = (
        np.subtract(
            *(ndimage.gaussian_filter(m, s) / w for s, w in zip((1, 4), weight, strict=True))
        )[core]
        for m in maps
    )
    slope = (both @ one) / (both @ both)
    correlation = np.corrcoef(both, one)[0, 1]
    assert 0.85 < slope < 1.15
    assert correlation > 0.85
