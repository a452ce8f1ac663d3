from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import ball, coordinates, head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.masks import finite_mask, trusted_mask
from nigra.nodes.field.phase import to_radians
from nigra.nodes.field.totalfield import laplacian_field, romeo_field
from nigra.nodes.field.wraps import wrap
from nigra.nodes.grid import Grid, hz_per_ppm

CROP = Path(__file__).parents[4] / 'shared' / 'data' / 'megre-7t-crop'
needs_crop = pytest.mark.skipif(not CROP.is_dir(), reason='real 7 T data are not beside the tree')
TIMES = (0.005, 0.012, 0.019, 0.026)
SCALE = 2 * np.pi * hz_per_ppm(3.0)


@pytest.fixture(scope='module')
def scan():
    phantom = head()
    magnitude, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    return phantom, angle, magnitude


def field_of(scan, part=slice(None), **settings):
    phantom, angle, magnitude = scan
    times = TIMES[part]
    return romeo_field(
        angle[..., part], magnitude[..., part], phantom['mask'], phantom['grid'], echo_times=times,
        b0=3.0, **settings,
    )[:2]  # fmt: skip


def error_of(field, phantom):
    error = (field - phantom['total'])[phantom['mask']]
    return error - np.median(error)


@pytest.mark.parametrize('unwrapping', ['template', 'individual'])
@pytest.mark.parametrize('fit', ['nonlinear', 'linear'])
def test_field_is_right_and_its_noise_calibrated(scan, unwrapping, fit):
    field, noise = field_of(scan, unwrapping=unwrapping, fit=fit)
    error = error_of(field, scan[0])
    assert np.sqrt(np.mean(error**2)) < 0.004
    ratio = error / noise[scan[0]['mask']]
    assert 0.85 < 1.4826 * np.median(np.abs(ratio)) < 1.2
    assert not field[~scan[0]['mask']].any()


def test_offset_removal_is_needed(scan):
    """The case would not test offsets if the fit without their removal were as good."""
    with_offset = error_of(field_of(scan, offsets=False)[0], scan[0]).std()
    assert with_offset > 1.5 * error_of(field_of(scan)[0], scan[0]).std()


@pytest.mark.parametrize('times', [(0.004, 0.01, 0.016, 0.022), (0.003, 0.0091, 0.0137, 0.0226)])
def test_large_constant_field_is_kept_consistent(times):
    """A carrier of 0.6 ppm wraps the echoes by different amounts; they must still fit a line."""
    phantom = head()
    phantom['total'] = phantom['total'] + np.float32(0.6)
    magnitude, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(1))
    field, noise, *_ = romeo_field(
        angle, magnitude, phantom['mask'], phantom['grid'], echo_times=times, b0=3.0
    )
    assert error_of(field, phantom).std() < 0.005
    assert np.median(noise[phantom['mask']]) < 0.004


def test_order_of_memory_and_padding_change_nothing(scan):
    phantom, angle, magnitude = scan
    plain = field_of(scan)
    fortran = field_of((phantom, np.asfortranarray(angle), np.asfortranarray(magnitude)))
    pad = [(3, 2), (1, 4), (0, 5)]
    wider = romeo_field(
        np.pad(angle, [*pad, (0, 0)]), np.pad(magnitude, [*pad, (0, 0)]),
        np.pad(phantom['mask'], pad),
        Grid(tuple(n + sum(p) for n, p in zip(angle.shape[:3], pad, strict=True)), (2, 2, 2)),
        echo_times=TIMES, b0=3.0,
    )[:2]  # fmt: skip
    for a, b, c in zip(plain, fortran, wider, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c[3:-2, 1:-4, :-5])


@pytest.mark.parametrize('shape', [(31, 17, 23), (24, 24, 1)])
def test_flipped_axes_flip_the_field(shape):
    grid = Grid(shape, (2.0, 2.0, 3.0))
    x, y, _ = coordinates(grid)
    truth = 0.001 * x + 0.0006 * y + 2e-5 * x * y
    angle = wrap(0.3 + SCALE * truth[..., None] * np.array(TIMES)).astype(np.float32)
    magnitude = np.exp(-20 * np.array(TIMES)) * np.ones((*shape, 1), np.float32)
    mask = np.ones(shape, bool)
    common = {'echo_times': TIMES, 'b0': 3.0}
    field, *_ = romeo_field(angle, magnitude, mask, grid, **common)
    flipped, *_ = romeo_field(angle[::-1, ::-1], magnitude[::-1, ::-1], mask, grid, **common)
    assert np.abs(error_of(field, {'mask': mask, 'total': truth})).max() < 0.002
    assert np.allclose(flipped[::-1, ::-1], field, atol=5e-4)


def test_late_echoes_that_contradict_are_left_out(scan):
    phantom, angle, magnitude = scan
    spot = ball(phantom['grid'], 9, (0, 5, 0)) > 0.5
    broken = angle.copy()
    broken[spot, 3] = wrap(broken[spot, 3] + 2.2)
    clean, clean_noise = field_of(scan)
    field, noise = field_of((phantom, broken, magnitude))
    assert np.abs(field - clean)[spot].mean() < 0.01  # with that echo: 2.2 rad, about 0.07 ppm
    assert np.median(noise[spot]) > 2 * np.median(clean_noise[spot])
    away = phantom['mask'] & ~spot
    assert np.median(np.abs(noise - clean_noise)[away]) < 0.2 * np.median(clean_noise[away])


def test_single_echo_has_median_zero_and_noise_of_its_magnitude():
    phantom = head()
    magnitude, angle, _ = signal(phantom, [0.02], 3.0, np.random.default_rng(4), offset=False)
    mask = phantom['mask']
    field, noise, curvature, _ = romeo_field(
        angle, magnitude, mask, phantom['grid'], echo_times=[0.02], b0=3.0, offsets=False
    )
    assert curvature == 0
    assert abs(np.median(field[mask])) < 1e-6
    error = error_of(field, phantom)
    expected = 1 / (50 * np.exp(-0.4)) / 0.02 / SCALE
    assert np.isclose(np.median(noise[mask]), expected, rtol=0.15)
    assert np.isclose(1.4826 * np.median(np.abs(error)), expected, rtol=0.15)


@pytest.mark.parametrize('nthreads', [2, 3])
def test_threads_change_nothing(scan, nthreads):
    for settings in ({}, {'unwrapping': 'individual'}, {'bipolar': 'on'}, {'fit': 'linear'}):
        first, second = field_of(scan, **settings), field_of(scan, nthreads=nthreads, **settings)
        assert np.array_equal(first[0], second[0])
        assert np.array_equal(first[1], second[1])


@pytest.mark.parametrize(
    ('settings', 'word'),
    [
        ({'fit': 'cubic'}, 'fit'),
        ({'unwrapping': 'both'}, 'unwrapping'),
        ({'template': 5}, 'from 1 to 4, got 5'),
        ({'template': -1}, 'template'),
        ({'bipolar': 'yes'}, 'bipolar'),
        ({'offset_sigma': 0.0}, 'offset'),
        ({'phase0_sd': -1.0}, 'phase0_sd'),
    ],
)
def test_bad_settings_are_refused(scan, settings, word):
    with pytest.raises(NigraError, match=word):
        field_of(scan, **settings)


@pytest.mark.parametrize(
    ('settings', 'word'),
    [
        ({'fit': 'cubic'}, 'fit'),
        ({'unwrapping': 'both'}, 'unwrapping'),
        ({'template': -1}, 'template'),
        ({'bipolar': 'yes'}, 'bipolar'),
        ({'offset_sigma': 0.0}, 'offset'),
        ({'phase0_sd': -1.0}, 'phase0_sd'),
    ],
)
def test_settings_are_looked_at_before_the_images(settings, word):
    images = [np.zeros((1, 1, 1)), np.zeros((2, 1, 1)), np.ones((3, 1, 1), bool)]
    grid = Grid((4, 1, 1))
    with pytest.raises(NigraError, match=word):
        romeo_field(*images, grid, echo_times=[0.01], b0=3.0, **settings)
    with pytest.raises(NigraError, match='margin'):
        laplacian_field(*images, grid, echo_times=[0.01], b0=3.0, margin=-1.0)


def test_nothing_finite_is_refused(scan):
    phantom, angle, magnitude = scan
    with pytest.raises(NigraError, match='finite'):
        field_of((phantom, np.full_like(angle, np.nan), magnitude))
    with pytest.raises(NigraError, match='b0'):
        laplacian_field(
            angle, magnitude, phantom['mask'], phantom['grid'], echo_times=TIMES, b0=-1.0
        )


@pytest.mark.parametrize('echoes', [1, 2, 4])
def test_total_field_meets_truth_within_its_noise(echoes):
    phantom = head()
    times = TIMES[:echoes] if echoes > 1 else (0.03,)
    mask = phantom['mask']
    magnitude, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(6), offset=echoes > 1)
    field, noise, *_ = romeo_field(
        angle, magnitude, mask, phantom['grid'], echo_times=times, b0=3.0
    )
    error = (field - phantom['total'])[mask]
    error -= np.median(error)
    typical = 1.4826 * np.median(np.abs(error))
    assert typical < 0.006
    assert 0.5 < np.median(noise[mask]) / typical < 2


@needs_crop
def test_real_phase_with_broken_voxels_gives_a_finite_field():
    stored = np.asarray(nib.load(CROP / 'phase_with_nan.nii.gz').dataobj)
    angle, scale = to_radians(stored, units='rad')
    assert scale.looks_unwrapped
    magnitude = np.ones_like(angle)
    broken = ~finite_mask(angle)
    assert broken.sum() == 640
    mask = trusted_mask(angle, magnitude, np.ones(magnitude.shape[:3], bool))
    assert not (mask & broken).any()
    grid = Grid(mask.shape)
    field, *_ = romeo_field(angle, magnitude, mask, grid, echo_times=[0.005, 0.01], b0=3.0)
    assert np.isfinite(field).all()
    assert field[mask].std() > 0
