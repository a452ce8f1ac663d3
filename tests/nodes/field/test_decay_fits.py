"""Fits of one voxel's decay against sums and equations written another way; in plain Python."""

import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.field import relaxometry as rx
from nigra.nodes.field.relaxometry import R2STAR_MAX, fit_r2star, t2star

TIMES = np.array([0.004, 0.010, 0.016, 0.022])
UNEVEN = np.array([0.003, 0.010, 0.014, 0.027])


def noisy(rate, seed=0, sd=2.0, times=TIMES):
    return 100 * np.exp(-rate * times) + sd * np.random.default_rng(seed).standard_normal(4)


@pytest.mark.parametrize('rate', [0.0, 15.0, 80.0])
def test_exact_decays_are_met(rate):
    for times in (TIMES, UNEVEN):
        m = 70 * np.exp(-rate * times)
        assert rx._log_linear.py_func(m, times) == pytest.approx(rate, abs=1e-6)
        assert rx._project.py_func(m, times, rate) == pytest.approx(70)
    # Simpson's rule is exact to the fourth order of R2* times the spacing
    assert rx._arlo.py_func(70 * np.exp(-rate * TIMES), TIMES) == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize('seed', range(3))
def test_log_linear_is_weighted_regression(seed):
    m = noisy(40, seed, times=UNEVEN)
    slope, _ = np.polyfit(UNEVEN, np.log(m), 1, w=m)
    assert rx._log_linear.py_func(m, UNEVEN) == pytest.approx(-slope)
    gone = m.copy()
    gone[3] = 0  # what has no logarithm has no weight
    slope, _ = np.polyfit(UNEVEN[:3], np.log(m[:3]), 1, w=m[:3])
    assert rx._log_linear.py_func(gone, UNEVEN) == pytest.approx(-slope)


@pytest.mark.parametrize('seed', range(3))
def test_arlo_by_its_sums(seed):
    m, step = noisy(40, seed), 0.006
    integral = step / 3 * (m[:-2] + 4 * m[1:-1] + m[2:])
    drop = m[:-2] - m[2:]
    expected = (step / 3 * drop @ drop + integral @ drop) / (
        integral @ integral + step / 3 * integral @ drop
    )
    assert rx._arlo.py_func(m, TIMES) == pytest.approx(expected)


def test_the_amplitude_is_the_projection():
    m, decay = noisy(40), np.exp(-30 * TIMES)
    (expected,), *_ = np.linalg.lstsq(decay[:, None], m, rcond=None)
    assert rx._project.py_func(m, TIMES, 30.0) == pytest.approx(expected)


def score(m, times, rate, amplitude, noise):
    """Slopes of the quasi-likelihood with its prior in log S0^2 and R2*, times 4 s^2."""
    q = amplitude**2 * np.exp(-2 * rate * times)
    gap = (m**2 - 2 * noise - q) / (q + noise)
    return np.array([(gap * q).sum(), (gap * q * -2 * times).sum() - 4 * noise / rx._PRIOR])


@pytest.mark.parametrize('noise', [0.0, 4.0, 25.0])
@pytest.mark.parametrize('rate', [10.0, 60.0])
def test_scoring_ends_where_the_likelihood_is_flat(rate, noise):
    m = noisy(rate, 5, sd=np.sqrt(noise), times=UNEVEN)
    start = rx._log_linear.py_func(m, UNEVEN)
    found = rx._refine.py_func(m, UNEVEN, start, rx._project.py_func(m, UNEVEN, start), noise, 200)
    assert score(m, UNEVEN, *found, noise) == pytest.approx([0, 0], abs=0.05)
    # and it is a summit: away from it the slopes point back
    for part, (up, down) in enumerate(((1.02, 0.98), (1.02, 0.98))):
        for factor, sign in ((up, -1), (down, 1)):
            moved = list(found)
            moved[1 - part] *= factor
            assert sign * score(m, UNEVEN, *moved, noise)[part] > 0
    # twelve steps are nearly there
    few = rx._refine.py_func(m, UNEVEN, start, rx._project.py_func(m, UNEVEN, start), noise, 12)
    assert few == pytest.approx(found, rel=2e-3)


def test_without_noise_it_is_least_squares_of_what_the_power_asks():
    m = noisy(30, 1, sd=0.5)
    rate, amplitude = rx._refine.py_func(m, TIMES, 20.0, 90.0, 0.0, 100)
    grid = np.array([(r, a) for r in np.linspace(-1, 1, 21) + rate for a in
                     np.linspace(-1, 1, 21) + amplitude])  # fmt: skip
    q = grid[:, 1:] ** 2 * np.exp(-2 * grid[:, :1] * TIMES)
    # m^2 over its mean, less the logarithm: what the variance q^2 asks
    cost = (m**2 / q + np.log(q)).sum(axis=1)
    best = grid[np.argmin(cost)]
    # weights are those of the solution: q (q + s^2) of no noise
    assert rate == pytest.approx(best[0], abs=1.0)
    assert amplitude == pytest.approx(best[1], abs=1.0)


def test_a_step_is_limited_and_rates_stay_in_their_range():
    far = rx._refine.py_func(noisy(60), TIMES, 0.0, 100.0, 0.0, 1)
    assert far[0] <= rx._PRIOR / 2
    assert abs(np.log(far[1] / 100)) <= 0.5
    rising = np.array([10.0, 20, 40, 80])
    assert rx._refine.py_func(rising, TIMES, 5.0, 10.0, 1.0, 50)[0] == 0
    steep = np.array([100.0, 0, 0, 0])
    assert rx._refine.py_func(steep, TIMES, 900.0, 100.0, 0.0, 50)[0] <= R2STAR_MAX


def fitted(m, times=TIMES, **options):
    image = np.broadcast_to(np.asarray(m, float), (1, 1, 1, len(times)))
    maps = fit_r2star(image, times, np.ones((1, 1, 1), bool), **options)
    return [float(v[0, 0, 0]) for v in maps]


@pytest.mark.parametrize('method', ['arlo', 'loglinear', 'nonlinear'])
def test_rates_end_at_zero_and_at_the_fastest(method):
    assert fitted([10, 20, 40, 80], method=method, noise_sd=0.0)[0] == 0
    assert 0 < fitted([1000, 1e-3, 0, 0], method=method, noise_sd=0.0)[0] <= R2STAR_MAX
    assert fitted([0, 0, 0, 0], method=method, noise_sd=1.0) == [0, 0]
    rate, s0 = fitted(50 * np.exp(-25 * TIMES), method=method, noise_sd=0.0)
    assert (rate, s0) == (pytest.approx(25, rel=5e-3), pytest.approx(50, rel=5e-3))


def test_echoes_that_are_broken_or_negative_have_no_signal():
    plain = fitted([80, 60, 0, 40], method='loglinear')
    for broken in (np.nan, -5.0, np.inf):
        assert fitted([80, 60, broken, 40], method='loglinear') == pytest.approx(plain)


@pytest.mark.parametrize(
    ('times', 'method', 'taken'),
    [((0.01,), 'auto', False), ((0.01, 0.02), 'arlo', False), ((0.01, 0.02, 0.03), 'arlo', True),
     ((0.01, 0.02, 0.0301), 'arlo', False), ((0.01, 0.02, 0.030005), 'arlo', True),
     ((0.01, 0.02), 'nonlinear', True)],
)  # fmt: skip
def test_what_echoes_a_method_needs(times, method, taken):
    m = np.exp(-20 * np.array(times))
    if taken:
        assert fitted(m, times, method=method, noise_sd=0.0)[0] == pytest.approx(20, rel=0.01)
    else:
        with pytest.raises(NigraError, match='echoes'):
            fitted(m, times, method=method)


@pytest.mark.parametrize(('sd', 'taken'), [(0.0, True), (-0.1, False), (np.nan, False),
                                           (np.inf, False)])  # fmt: skip
def test_noise_is_no_less_than_none(sd, taken):
    if taken:
        fitted([8, 4, 2, 1], noise_sd=sd)
    else:
        with pytest.raises(NigraError, match='noise_sd'):
            fitted([8, 4, 2, 1], noise_sd=sd)


@pytest.mark.parametrize('echoes', [3, 4])
def test_noise_is_what_the_decay_leaves_where_the_image_has_detail(echoes):
    rng, times = np.random.default_rng(2), TIMES[:echoes]
    rate = rng.uniform(10, 40, (24, 24, 24, 1))  # anatomy: detail in every voxel
    size = rng.uniform(60, 140, rate.shape)
    m = size * np.exp(-rate * times) + 0.5 * rng.standard_normal((24, 24, 24, echoes))
    found = rx._noise(m, times, np.ones(m.shape[:3], bool))
    assert found == pytest.approx(0.5, rel=0.1)
    # of two echoes, which any decay fits, detail is all there is
    assert rx._noise(m[..., :2], times[:2], np.ones(m.shape[:3], bool)) > 5


@pytest.mark.parametrize('cap', [0.3, 0.05])
def test_t2star_is_the_inverse_up_to_its_cap(cap):
    mask = np.array([[[True, True, True, False]]])
    r2star = np.array([[[1 / cap * 2, 1 / cap * 0.5, 0.0, 30.0]]])
    assert t2star(r2star, mask, cap=cap).ravel() == pytest.approx([cap / 2, cap, cap, 0])
    for wrong in (0.0, -1.0, np.inf):
        with pytest.raises(NigraError, match='cap must be'):
            t2star(r2star, mask, cap=wrong)
    with pytest.raises(NigraError, match='r2star has shape'):
        t2star(r2star[..., :2], mask)
