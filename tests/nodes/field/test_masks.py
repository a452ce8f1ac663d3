import numpy as np
import pytest
from phantoms import ball, coordinates, head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.masks import finite_mask, trusted_mask, voxel_quality
from nigra.nodes.field.totalfield import romeo_field

TIMES = (0.006, 0.014, 0.022)


@pytest.fixture(scope='module')
def scan():
    phantom = head()
    magnitude, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0), offset=False)
    return phantom['mask'], angle, magnitude, phantom['grid']


def noisy_in(scan, where, seed=1):
    """The scan with noise only in a part."""
    _, angle, magnitude, _ = scan
    angle, magnitude = angle.copy(), magnitude.copy()
    rng = np.random.default_rng(seed)
    angle[where] = rng.uniform(-np.pi, np.pi, angle[where].shape)
    magnitude[where] = 0.02 * np.abs(rng.standard_normal(magnitude[where].shape))
    return angle, magnitude


@pytest.mark.parametrize('times', [None, TIMES])
def test_quality_tells_signal_from_noise(scan, times):
    mask, _, _, grid = scan
    hole = ball(grid, 7) > 0.5
    angle, magnitude = noisy_in(scan, hole)
    quality = voxel_quality(angle, magnitude, mask, echo_times=times)
    assert quality.dtype == np.float32
    assert quality.min() >= 0
    assert quality.max() <= 1
    assert quality[hole].max() < 0.5 < np.percentile(quality[mask & ~hole], 10)
    assert not quality[~mask].any()


def test_quality_of_perfect_signal_is_one():
    phase, magnitude = np.zeros((5, 6, 7, 2)), np.ones((5, 6, 7, 2))
    quality = voxel_quality(phase, magnitude, np.ones((5, 6, 7), bool), echo_times=[0.01, 0.02])
    assert np.allclose(quality, 1, atol=0.005)


def test_echo_times_show_what_space_does_not(scan):
    """A phase step that both echoes share is no field: it does not grow with time."""
    mask, angle, magnitude, grid = scan
    spot = ball(grid, 8, (0, 4, 0)) > 0.5
    x = coordinates(grid)[0]
    angle = angle + np.where(spot, 0.7 * x / 2, 0)[..., None]
    with_times = voxel_quality(angle, magnitude, mask, echo_times=TIMES)
    without = voxel_quality(angle, magnitude, mask)
    assert with_times[spot].mean() < 0.9 * without[spot].mean()


def test_enclosed_noise_is_filled_and_outer_noise_dropped(scan):
    mask, _, _, grid = scan
    hole, void = ball(grid, 5) > 0.5, mask & (coordinates(grid)[1] > 16)
    angle, magnitude = noisy_in(scan, hole | void)
    trusted = trusted_mask(angle, magnitude, mask, echo_times=TIMES)
    assert trusted[hole].all()
    assert trusted[void].mean() < 0.15
    assert trusted[mask & (coordinates(grid)[1] < 11)].mean() > 0.99
    quality = voxel_quality(angle, magnitude, mask, echo_times=TIMES)
    assert quality[ball(grid, 3) > 0.5].max() < 0.5 * np.median(quality[mask])
    assert not (trusted & ~mask).any()


@pytest.mark.parametrize('snr', [50, 10, 5])
def test_plain_noise_costs_little(snr):
    phantom = head()
    magnitude, angle, _ = signal(
        phantom, TIMES, 3.0, np.random.default_rng(2), snr=snr, offset=False
    )
    assert trusted_mask(angle, magnitude, phantom['mask'])[phantom['mask']].mean() > 0.98


def test_mostly_noise_is_dropped(scan):
    """A brain mask that holds everything, nine parts of ten air."""
    mask, angle, magnitude, _ = scan
    assert mask.mean() < 0.15
    trusted = trusted_mask(angle, magnitude, np.ones_like(mask), echo_times=TIMES)
    assert trusted[mask].mean() > 0.97
    assert trusted[~mask].mean() < 0.02


def test_threads_and_place_in_the_array_change_nothing(scan):
    mask, angle, magnitude, _ = scan
    plain = trusted_mask(angle, magnitude, mask, echo_times=TIMES)
    assert np.array_equal(
        plain, trusted_mask(angle, magnitude, mask, echo_times=TIMES, nthreads=3)
    )
    pad = [(2, 3), (0, 1), (4, 0), (0, 0)]
    wider = trusted_mask(
        np.pad(angle, pad), np.pad(magnitude, pad), np.pad(mask, pad[:3]), echo_times=TIMES
    )
    assert np.array_equal(plain, wider[2:-3, :-1, 4:])


def test_voxels_that_are_not_finite_stay_out(scan):
    mask, angle, magnitude, _ = scan
    broken = angle.copy()
    broken[24, 22, 18:22, 1] = np.inf
    assert not trusted_mask(broken, magnitude, mask)[24, 22, 18:22].any()
    quality = voxel_quality(broken, magnitude, mask, echo_times=TIMES)
    assert np.isfinite(quality).all()
    assert not quality[24, 22, 18:22].any()


def test_input_that_does_not_fit_is_refused(scan):
    mask, angle, magnitude, _ = scan
    with pytest.raises(NigraError, match='fit'):
        trusted_mask(angle[..., 0], magnitude[..., 0], mask)
    with pytest.raises(NigraError, match='empty'):
        voxel_quality(angle, magnitude, np.zeros_like(mask))
    with pytest.raises(NigraError, match='echo times'):
        voxel_quality(angle, magnitude, mask, echo_times=TIMES[:2])
    with pytest.raises(NigraError, match='coherent'):
        trusted_mask(angle, np.zeros_like(magnitude), mask)


def test_trusted_mask_drops_noise_and_keeps_dark_nuclei():
    phantom = head()
    magnitude, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(8))
    mask = phantom['mask']
    y = coordinates(phantom['grid'])[1]
    void = mask & (y > 16)
    dark = ball(phantom['grid'], 5, (10, 0, 0)) > 0.5
    rng = np.random.default_rng(9)
    angle[void] = rng.uniform(-np.pi, np.pi, angle[void].shape)
    magnitude[void] *= 0.02
    magnitude[dark] *= 0.3
    trusted = trusted_mask(angle, magnitude, mask)
    assert trusted[dark].all()
    assert trusted[void].mean() < 0.2
    assert trusted[mask & (y < 12)].mean() > 0.99
    assert not (trusted & ~mask).any()


def test_broken_voxels_leave_the_mask():
    phantom = head()
    magnitude, angle, _ = signal(phantom, TIMES[:2], 3.0, np.random.default_rng(10))
    angle[20:24, 20, 20, 1] = np.nan
    assert (~finite_mask(angle, magnitude)).sum() == 4
    trusted = trusted_mask(angle, magnitude, phantom['mask'])
    assert not trusted[20:24, 20, 20].any()
    field, *_ = romeo_field(
        angle, magnitude, phantom['mask'], phantom['grid'], echo_times=TIMES[:2], b0=3.0
    )
    assert np.isfinite(field).all()
    with pytest.raises(NigraError, match='finite'):
        trusted_mask(np.full_like(angle, np.nan), magnitude, phantom['mask'])


def test_one_echo_is_judged_by_itself(scan):
    mask, angle, magnitude, grid = scan
    hole = ball(grid, 7) > 0.5
    noise = np.random.default_rng(1).uniform(-np.pi, np.pi, angle.shape)
    angle = np.where(hole[..., None], noise, angle)
    quality = voxel_quality(angle[..., 1:2], magnitude[..., 1:2], mask)
    assert np.median(quality[hole]) < np.percentile(quality[mask & ~hole], 1)
    # of several the second is judged
    assert np.array_equal(quality, voxel_quality(angle, magnitude, mask))
