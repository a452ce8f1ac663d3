from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import ball, coordinates, head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.echoes import combine_magnitude, fit_total_field, magnitude_noise
from nigra.nodes.field.masks import finite_mask, trusted_mask
from nigra.nodes.field.phase import to_radians
from nigra.nodes.field.totalfield import romeo_field
from nigra.nodes.field.unwrap import unwrap_romeo, wrap
from nigra.nodes.grid import Grid, hz_per_ppm

CROP = Path(__file__).parents[4] / 'shared' / 'data' / 'megre-7t-crop'
needs_crop = pytest.mark.skipif(not CROP.is_dir(), reason='real 7 T data are not beside the tree')
TIMES = (0.006, 0.014, 0.022, 0.03)


def whole_turns(unwrapped, wrapped, mask):
    turns = (unwrapped - wrapped)[mask] / (2 * np.pi)
    return np.abs(turns - np.rint(turns)).max()


def steep(grid, turns=6):
    """Smooth phase of several turns, zero in the middle."""
    x, y, z = (2 * c / max(np.ptp(c), 1) for c in coordinates(grid))
    return turns * np.pi * (0.6 * x + 0.3 * x * y - 0.5 * z**2 + 0.1 * y)


@pytest.mark.parametrize('shape', [(32, 30, 28), (31, 17, 23), (40, 40, 1)])
def test_smooth_phase_comes_back_exactly(shape):
    grid = Grid(shape)
    truth = steep(grid).astype(np.float32)
    if shape[2] == 1:
        truth = np.broadcast_to(steep(Grid((40, 40, 3)))[..., 1:2], shape).astype(np.float32)
    mask = np.ones(shape, bool)
    out = unwrap_romeo(wrap(truth)[..., None], np.ones((*shape, 1)), [0.02], mask)[..., 0]
    gap = out - truth
    assert np.allclose(gap, gap.flat[0], atol=1e-3)
    assert np.isclose(gap.flat[0] / (2 * np.pi), np.rint(gap.flat[0] / (2 * np.pi)), atol=1e-4)
    assert abs(np.median(out)) <= np.pi + 1e-3


@pytest.mark.parametrize('echoes', [1, 2, 4])
def test_noisy_phase_is_right_and_congruent(echoes):
    phantom = head()
    times, mask = TIMES[:echoes] if echoes > 1 else (0.03,), phantom['mask']
    size, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(0), offset=False)
    out = unwrap_romeo(angle, size, times, mask)
    truth = 2 * np.pi * hz_per_ppm(3.0) * phantom['total'][..., None] * np.asarray(times)
    assert np.ptp(truth[mask]) > 6
    assert whole_turns(out, angle, mask) < 1e-5
    error = out - truth
    for echo in range(echoes):
        shifted = error[..., echo][mask]
        shifted -= 2 * np.pi * np.rint(np.median(shifted) / (2 * np.pi))
        assert np.mean(np.abs(shifted) > np.pi) < 1e-3
    assert not out[~mask].any()


def test_separate_parts_are_each_centred():
    grid = Grid((40, 20, 20))
    mask = (ball(grid, 7, (-10, 0, 0)) + ball(grid, 7, (10, 0, 0))) > 0.5
    truth = (0.5 * coordinates(grid)[0] + 40 * (coordinates(grid)[0] > 0)).astype(np.float32)
    out = unwrap_romeo(wrap(truth)[..., None], np.ones((*mask.shape, 1)), [0.01], mask)[..., 0]
    for part in (mask & (coordinates(grid)[0] > 0), mask & (coordinates(grid)[0] < 0)):
        assert np.ptp((out - truth)[part]) < 1e-4
        assert abs(np.median(out[part])) <= np.pi


def test_path_goes_round_noise():
    """A noisy wall with a gap: values beyond it must come through the gap."""
    grid = Grid((40, 40, 5))
    truth = steep(Grid((40, 40, 41)), 8)[..., 18:23].astype(np.float32)
    rng = np.random.default_rng(4)
    wall = np.zeros(grid.shape, bool)
    wall[18:21, :34] = True
    angle, size = wrap(truth), np.ones(grid.shape, np.float32)
    angle[wall] = rng.uniform(-np.pi, np.pi, wall.sum())
    size[wall] = 0.05 * rng.random(wall.sum())
    out = unwrap_romeo(angle[..., None], size[..., None], [0.02], np.ones(grid.shape, bool))[
        ..., 0
    ]
    assert np.ptp((out - truth)[~wall]) < 1e-3


def test_thread_count_changes_nothing():
    phantom = head()
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(5))
    first, second = (
        romeo_field(angle, size, phantom['mask'], phantom['grid'], echo_times=TIMES, b0=3.0,
                    nthreads=n)
        for n in (1, 2)
    )  # fmt: skip
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


@pytest.mark.parametrize('echoes', [1, 2, 4])
def test_total_field_meets_truth_within_its_noise(echoes):
    phantom = head()
    times = TIMES[:echoes] if echoes > 1 else (0.03,)
    mask = phantom['mask']
    size, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(6), offset=echoes > 1)
    field, noise = romeo_field(angle, size, mask, phantom['grid'], echo_times=times, b0=3.0)
    error = (field - phantom['total'])[mask]
    error -= np.median(error)
    typical = 1.4826 * np.median(np.abs(error))
    assert typical < 0.006
    assert 0.5 < np.median(noise[mask]) / typical < 2


def test_prior_spans_line_through_origin_and_free_intercept():
    times, mask = np.array([0.005, 0.01, 0.02]), np.ones((2, 2, 2), bool)
    rate, start = 30.0, 0.4
    phi = np.broadcast_to(start + rate * times, (2, 2, 2, 3))
    scale = 2 * np.pi * hz_per_ppm(3.0)
    size = np.ones(phi.shape)
    common = {'noise_sd': 1.0, 'fit': 'linear'}
    free, _ = fit_total_field(phi, size, times, 3.0, mask, phase0_known=False, **common)
    tied, _ = fit_total_field(phi, size, times, 3.0, mask, phase0_sd=1e-6, **common)
    assert np.allclose(free, rate / scale, rtol=1e-5)
    assert np.allclose(tied, (phi @ times)[0, 0, 0] / (times @ times) / scale, rtol=1e-5)


def test_magnitude_noise_ignores_anatomy():
    rng = np.random.default_rng(7)
    grid = Grid((40, 40, 40))
    image = 10 + 5 * ball(grid, 12) + rng.normal(0, 0.3, grid.shape)
    assert np.isclose(magnitude_noise(image, np.ones(grid.shape, bool)), 0.3, rtol=0.05)


def test_trusted_mask_drops_noise_and_keeps_dark_nuclei():
    phantom = head()
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(8))
    mask = phantom['mask']
    y = coordinates(phantom['grid'])[1]
    void = mask & (y > 16)
    dark = ball(phantom['grid'], 5, (10, 0, 0)) > 0.5
    rng = np.random.default_rng(9)
    angle[void] = rng.uniform(-np.pi, np.pi, angle[void].shape)
    size[void] *= 0.02
    size[dark] *= 0.3
    trusted = trusted_mask(angle, size, mask)
    assert trusted[dark].all()
    assert trusted[void].mean() < 0.2
    assert trusted[mask & (y < 12)].mean() > 0.99
    assert not (trusted & ~mask).any()


def test_broken_voxels_leave_the_mask():
    phantom = head()
    size, angle, _ = signal(phantom, TIMES[:2], 3.0, np.random.default_rng(10))
    angle[20:24, 20, 20, 1] = np.nan
    assert (~finite_mask(angle, size)).sum() == 4
    trusted = trusted_mask(angle, size, phantom['mask'])
    assert not trusted[20:24, 20, 20].any()
    field, _ = romeo_field(
        angle, size, phantom['mask'], phantom['grid'], echo_times=TIMES[:2], b0=3.0
    )
    assert np.isfinite(field).all()
    with pytest.raises(NigraError, match='finite'):
        trusted_mask(np.full_like(angle, np.nan), size, phantom['mask'])


@pytest.mark.parametrize(
    ('change', 'word'),
    [
        ({'echo_times': [0.01]}, 'echo times'),
        ({'echo_times': [0.02, 0.01]}, 'rise'),
        ({'echo_times': [-0.02, 0.01]}, 'positive'),
        ({'mask': np.zeros((4, 4, 4), bool)}, 'empty'),
        ({'mask': np.ones((4, 4, 3), bool)}, 'mask'),
        ({'magnitude': np.ones((4, 4, 4, 3))}, 'share'),
    ],
)
def test_input_that_does_not_fit_is_refused(change, word):
    given = {
        'phase': np.zeros((4, 4, 4, 2)),
        'magnitude': np.ones((4, 4, 4, 2)),
        'echo_times': [0.01, 0.02],
        'mask': np.ones((4, 4, 4), bool),
    }
    with pytest.raises(NigraError, match=word):
        unwrap_romeo(**(given | change))


def test_combined_magnitude():
    assert np.allclose(combine_magnitude(np.full((2, 2, 2, 4), 3.0)), 6)
    with pytest.raises(NigraError, match='four'):
        combine_magnitude(np.ones((2, 2, 2)))


@needs_crop
def test_real_phase_is_unwrapped():
    stored = np.asarray(nib.load(CROP / 'phase.nii.gz').dataobj)
    size = np.asarray(nib.load(CROP / 'magnitude.nii.gz').dataobj, dtype=np.float32)
    angle, _ = to_radians(stored)
    mask = trusted_mask(angle, size, np.ones(size.shape[:3], bool))
    assert mask.mean() > 0.95
    out = unwrap_romeo(angle, size, [0.004, 0.012, 0.02], mask)
    assert whole_turns(out, angle, mask) < 1e-5
    for axis in range(3):
        jumps = np.abs(np.diff(out, axis=axis))
        both = np.delete(mask, 0, axis) & np.delete(mask, -1, axis)
        assert np.mean(jumps[both] > np.pi) < 1e-3


@needs_crop
def test_real_phase_with_broken_voxels_gives_a_finite_field():
    angle, note = to_radians(
        np.asarray(nib.load(CROP / 'phase_with_nan.nii.gz').dataobj), units='rad'
    )
    assert 'unwrapped' in note
    size = np.ones_like(angle)
    broken = ~finite_mask(angle)
    assert broken.sum() == 640
    mask = trusted_mask(angle, size, np.ones(size.shape[:3], bool))
    assert not (mask & broken).any()
    grid = Grid(mask.shape)
    field, _ = romeo_field(angle, size, mask, grid, echo_times=[0.005, 0.01], b0=3.0)
    assert np.isfinite(field).all()
    assert field[mask].std() > 0
