import numpy as np
import pytest
from phantoms import ball, coordinates, head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.echoes import fit_total_field
from nigra.nodes.field.phase import remove_offsets
from nigra.nodes.field.totalfield import laplacian_field, romeo_field
from nigra.nodes.field.unwrap import choose_template, unwrap_romeo, wrap
from nigra.nodes.grid import Grid, hz_per_ppm

TIMES = (0.005, 0.012, 0.019, 0.026)
SCALE = 2 * np.pi * hz_per_ppm(3.0)


@pytest.fixture(scope='module')
def scan():
    phantom = head()
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    return phantom, angle, size


def field_of(scan, part=slice(None), **settings):
    phantom, angle, size = scan
    times = TIMES[part]
    return romeo_field(
        angle[..., part], size[..., part], phantom['mask'], phantom['grid'], echo_times=times,
        b0=3.0, **settings,
    )  # fmt: skip


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
    """A carrier of 0.6 ppm turns the echoes by different amounts; they must still fit a line."""
    phantom = head()
    phantom['total'] = phantom['total'] + np.float32(0.6)
    size, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(1))
    field, noise = romeo_field(
        angle, size, phantom['mask'], phantom['grid'], echo_times=times, b0=3.0
    )
    assert error_of(field, phantom).std() < 0.005
    assert np.median(noise[phantom['mask']]) < 0.004


def test_order_of_memory_and_padding_change_nothing(scan):
    phantom, angle, size = scan
    plain = field_of(scan)
    fortran = field_of((phantom, np.asfortranarray(angle), np.asfortranarray(size)))
    pad = [(3, 2), (1, 4), (0, 5)]
    wider = romeo_field(
        np.pad(angle, [*pad, (0, 0)]), np.pad(size, [*pad, (0, 0)]), np.pad(phantom['mask'], pad),
        Grid(tuple(n + sum(p) for n, p in zip(angle.shape[:3], pad, strict=True)), (2, 2, 2)),
        echo_times=TIMES, b0=3.0,
    )  # fmt: skip
    for a, b, c in zip(plain, fortran, wider, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c[3:-2, 1:-4, :-5])


@pytest.mark.parametrize('shape', [(31, 17, 23), (24, 24, 1)])
def test_flipped_axes_flip_the_field(shape):
    grid = Grid(shape, (2.0, 2.0, 3.0))
    x, y, _ = coordinates(grid)
    truth = 0.001 * x + 0.0006 * y + 2e-5 * x * y
    angle = wrap(0.3 + SCALE * truth[..., None] * np.array(TIMES)).astype(np.float32)
    size = np.exp(-20 * np.array(TIMES)) * np.ones((*shape, 1), np.float32)
    mask = np.ones(shape, bool)
    common = {'echo_times': TIMES, 'b0': 3.0}
    field, _ = romeo_field(angle, size, mask, grid, **common)
    flipped, _ = romeo_field(angle[::-1, ::-1], size[::-1, ::-1], mask, grid, **common)
    assert np.abs(error_of(field, {'mask': mask, 'total': truth})).max() < 0.002
    assert np.allclose(flipped[::-1, ::-1], field, atol=5e-4)


def test_late_echoes_that_contradict_are_left_out(scan):
    phantom, angle, size = scan
    spot = ball(phantom['grid'], 9, (0, 5, 0)) > 0.5
    broken = angle.copy()
    broken[spot, 3] = wrap(broken[spot, 3] + 2.2)
    clean, clean_noise = field_of(scan)
    field, noise = field_of((phantom, broken, size))
    assert np.abs(field - clean)[spot].mean() < 0.01  # with that echo: 2.2 rad, about 0.07 ppm
    assert np.median(noise[spot]) > 2 * np.median(clean_noise[spot])
    away = phantom['mask'] & ~spot
    assert np.median(np.abs(noise - clean_noise)[away]) < 0.2 * np.median(clean_noise[away])


def test_complex_fit_forgives_a_whole_turn():
    rng = np.random.default_rng(2)
    shape = (12, 12, 12, 4)
    rate = rng.uniform(-100, 100, shape[:3])
    phi = rate[..., None] * np.array(TIMES) + 0.02 * rng.standard_normal(shape)
    phi[..., 3] += 2 * np.pi * (rng.random(shape[:3]) < 0.05)
    mask, size = np.ones(shape[:3], bool), np.ones(shape)
    size[..., 3] = 0.5
    known = {'phase0_sd': 0.01, 'noise_sd': 1.0}  # so noisy that no echo is left out
    errors = {
        fit: np.abs(
            fit_total_field(phi, size, TIMES, 3.0, mask, fit=fit, **known)[0] - rate / SCALE
        ).max()
        for fit in ('nonlinear', 'linear')
    }
    assert errors['nonlinear'] < 0.02
    assert errors['linear'] > 2 * errors['nonlinear']


@pytest.mark.parametrize('remainder', [0.01, 0.2])
def test_remainder_of_the_offset_is_estimated(remainder):
    """Neither trusting the origin too much nor fitting it freely without need."""
    rng = np.random.default_rng(3)
    shape = (20, 20, 20)
    start = remainder * rng.standard_normal(shape)
    phi = start[..., None] + 0.05 * rng.standard_normal((*shape, 4))
    mask, size = np.ones(shape, bool), np.ones(phi.shape)

    def spread(**settings):
        field, noise = fit_total_field(phi, size, TIMES, 3.0, mask, fit='linear', **settings)
        return field.std(), (field / noise).std()

    estimated, ratio = spread()
    assert 0.9 < ratio < 1.1
    for sd in (0.001, 1.0):
        assert estimated < 1.02 * spread(phase0_sd=sd)[0]


def test_single_echo_has_median_zero_and_noise_of_its_magnitude():
    phantom = head()
    size, angle, _ = signal(phantom, [0.02], 3.0, np.random.default_rng(4), offset=False)
    mask = phantom['mask']
    field, noise = romeo_field(angle, size, mask, phantom['grid'], echo_times=[0.02], b0=3.0)
    assert abs(np.median(field[mask])) < 1e-6
    error = error_of(field, phantom)
    expected = 1 / (50 * np.exp(-0.4)) / 0.02 / SCALE
    assert np.isclose(np.median(noise[mask]), expected, rtol=0.15)
    assert np.isclose(1.4826 * np.median(np.abs(error)), expected, rtol=0.15)


def test_unevenly_spaced_echoes_settle_the_turns_of_the_offset():
    phantom = head()
    times = [0.004, 0.0101, 0.0148]
    phantom['total'] = phantom['total'] + np.float32(0.9)  # more than half a turn in 6.1 ms
    size, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(5))
    out, _ = remove_offsets(angle, size, times, phantom['mask'], phantom['grid'])
    truth = SCALE * phantom['total'][..., None] * np.array(times)
    rest = wrap(out - truth)[phantom['mask']]
    assert np.abs(np.median(rest, axis=0)).max() < 0.1


@pytest.mark.parametrize('nthreads', [2, 3])
def test_threads_change_nothing(scan, nthreads):
    for settings in ({'unwrapping': 'individual'}, {'bipolar': 'on'}, {'fit': 'linear'}):
        first, second = field_of(scan, **settings), field_of(scan, nthreads=nthreads, **settings)
        assert np.array_equal(first[0], second[0])
        assert np.array_equal(first[1], second[1])


def test_template_is_the_first_echo_where_the_second_is_near():
    assert choose_template(np.array([0.004, 0.01]), None, removed=True) == 0
    assert choose_template(np.array([0.002, 0.01]), None, removed=True) == 1
    assert choose_template(np.array([0.02]), None) == 0
    assert choose_template(np.array([0.004, 0.01]), 1, removed=True) == 1


def test_individual_echoes_agree_by_whole_turns(scan):
    phantom, angle, size = scan
    out, _ = remove_offsets(angle, size, TIMES, phantom['mask'], phantom['grid'])
    a, b = (
        unwrap_romeo(out, size, TIMES, phantom['mask'], individual=individual)
        for individual in (False, True)
    )
    assert np.mean(np.abs(a - b) > 1) < 1e-4


@pytest.mark.parametrize(
    ('settings', 'word'),
    [
        ({'fit': 'cubic'}, 'fit'),
        ({'unwrapping': 'both'}, 'unwrapping'),
        ({'template': 5}, 'template'),
        ({'bipolar': 'yes'}, 'bipolar'),
        ({'offset_sigma': 0.0}, 'offset'),
        ({'phase0_sd': -1.0}, 'phase0_sd'),
    ],
)
def test_bad_settings_are_refused(scan, settings, word):
    with pytest.raises(NigraError, match=word):
        field_of(scan, **settings)


def test_nothing_finite_is_refused(scan):
    phantom, angle, size = scan
    with pytest.raises(NigraError, match='finite'):
        field_of((phantom, np.full_like(angle, np.nan), size))
    with pytest.raises(NigraError, match='b0'):
        laplacian_field(angle, size, phantom['mask'], phantom['grid'], echo_times=TIMES, b0=-1.0)
