import numpy as np
import pytest
from phantoms import ball, coordinates, head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.masks import combine_passes, trusted_mask, two_pass_masks, voxel_quality

TIMES = (0.006, 0.014, 0.022)


@pytest.fixture(scope='module')
def scan():
    phantom = head()
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0), offset=False)
    return phantom['mask'], angle, size, phantom['grid']


def noisy_in(scan, where, seed=1):
    """The scan with noise only in a part."""
    _, angle, size, _ = scan
    angle, size = angle.copy(), size.copy()
    rng = np.random.default_rng(seed)
    angle[where] = rng.uniform(-np.pi, np.pi, angle[where].shape)
    size[where] = 0.02 * np.abs(rng.standard_normal(size[where].shape))
    return angle, size


@pytest.mark.parametrize('times', [None, TIMES])
def test_quality_tells_signal_from_noise(scan, times):
    mask, _, _, grid = scan
    hole = ball(grid, 7) > 0.5
    angle, size = noisy_in(scan, hole)
    quality = voxel_quality(angle, size, mask, echo_times=times)
    assert quality.dtype == np.float32
    assert quality.min() >= 0
    assert quality.max() <= 1
    assert quality[hole].max() < 0.5 < np.percentile(quality[mask & ~hole], 10)
    assert not quality[~mask].any()


def test_quality_of_perfect_signal_is_one():
    phase, size = np.zeros((5, 6, 7, 2)), np.ones((5, 6, 7, 2))
    quality = voxel_quality(phase, size, np.ones((5, 6, 7), bool), echo_times=[0.01, 0.02])
    assert np.allclose(quality, 1, atol=0.005)


def test_echo_times_show_what_space_does_not(scan):
    """A phase step that both echoes fraction is no field: it does not grow with time."""
    mask, angle, size, grid = scan
    spot = ball(grid, 8, (0, 4, 0)) > 0.5
    x = coordinates(grid)[0]
    angle = angle + np.where(spot, 0.7 * x / 2, 0)[..., None]
    with_times = voxel_quality(angle, size, mask, echo_times=TIMES)
    without = voxel_quality(angle, size, mask)
    assert with_times[spot].mean() < 0.9 * without[spot].mean()


def test_enclosed_noise_is_filled_and_outer_noise_dropped(scan):
    mask, _, _, grid = scan
    hole, void = ball(grid, 5) > 0.5, mask & (coordinates(grid)[1] > 16)
    angle, size = noisy_in(scan, hole | void)
    trusted = trusted_mask(angle, size, mask, echo_times=TIMES)
    assert trusted[hole].all()
    assert trusted[void].mean() < 0.15
    assert trusted[mask & (coordinates(grid)[1] < 11)].mean() > 0.99
    unfilled = trusted_mask(angle, size, mask, echo_times=TIMES, fill=False)
    assert not unfilled[ball(grid, 3) > 0.5].any()
    assert not (trusted & ~mask).any()


@pytest.mark.parametrize('snr', [50, 10, 5])
def test_plain_noise_costs_little(snr):
    phantom = head()
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(2), snr=snr, offset=False)
    assert trusted_mask(angle, size, phantom['mask'])[phantom['mask']].mean() > 0.98


def test_mostly_noise_is_dropped(scan):
    """A brain mask that holds everything, nine parts of ten air."""
    mask, angle, size, _ = scan
    assert mask.mean() < 0.15
    trusted = trusted_mask(angle, size, np.ones_like(mask), echo_times=TIMES)
    assert trusted[mask].mean() > 0.97
    assert trusted[~mask].mean() < 0.02


def test_two_passes_nest_and_combine(scan):
    mask, _, _, grid = scan
    hole = ball(grid, 5) > 0.5
    angle, size = noisy_in(scan, hole)
    strict, generous = two_pass_masks(angle, size, mask, echo_times=TIMES)
    assert not (strict & ~generous).any()
    assert generous[hole].all()
    assert strict[hole].mean() < 0.2
    both = combine_passes(np.where(strict, 1.0, np.nan), 2.0 * generous, strict)
    assert np.isfinite(both).all()
    assert np.array_equal(both == 1, strict)


def test_threads_and_place_in_the_array_change_nothing(scan):
    mask, angle, size, _ = scan
    plain = trusted_mask(angle, size, mask, echo_times=TIMES)
    assert np.array_equal(plain, trusted_mask(angle, size, mask, echo_times=TIMES, nthreads=3))
    pad = [(2, 3), (0, 1), (4, 0), (0, 0)]
    wider = trusted_mask(
        np.pad(angle, pad), np.pad(size, pad), np.pad(mask, pad[:3]), echo_times=TIMES
    )
    assert np.array_equal(plain, wider[2:-3, :-1, 4:])


def test_voxels_that_are_not_finite_stay_out(scan):
    mask, angle, size, _ = scan
    broken = angle.copy()
    broken[24, 22, 18:22, 2] = np.inf
    assert not trusted_mask(broken, size, mask)[24, 22, 18:22].any()
    quality = voxel_quality(broken, size, mask, echo_times=TIMES, echo=2)
    assert np.isfinite(quality).all()
    assert not quality[24, 22, 18:22].any()


def test_input_that_does_not_fit_is_refused(scan):
    mask, angle, size, _ = scan
    with pytest.raises(NigraError, match='fit'):
        trusted_mask(angle[..., 0], size[..., 0], mask)
    with pytest.raises(NigraError, match='empty'):
        voxel_quality(angle, size, np.zeros_like(mask))
    with pytest.raises(NigraError, match='echo'):
        voxel_quality(angle, size, mask, echo=3)
    with pytest.raises(NigraError, match='coherent'):
        trusted_mask(angle, np.zeros_like(size), mask)
    with pytest.raises(NigraError, match='together'):
        combine_passes(np.ones(3), np.ones(2), np.ones(2, bool))
