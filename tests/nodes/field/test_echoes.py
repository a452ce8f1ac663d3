import numpy as np
import pytest
from phantoms import ball

from nigra.nodes.errors import NigraError
from nigra.nodes.field.echo_box import cut_echoes
from nigra.nodes.field.echoes import combine_magnitude, fit_rate, magnitude_noise, scan_noise
from nigra.nodes.grid import Grid, hz_per_ppm

TIMES = (0.005, 0.012, 0.019, 0.026)
SCALE = 2 * np.pi * hz_per_ppm(3.0)


def fitted(phi, magnitude, times, fit, *, noise_sd=None, phase0_known=True, phase0_sd=0.0):
    """Field and its noise, ppm, of unwrapped phase everywhere."""
    echoes = cut_echoes(phi, magnitude, times, np.ones(phi.shape[:3], bool))
    known = scan_noise(echoes, fit, phase0_known=phase0_known, phase0_sd=phase0_sd)
    if noise_sd is not None:
        known = known._replace(noise_sd=noise_sd)
    return tuple(image / SCALE for image in fit_rate(echoes, known))


def test_prior_spans_line_through_origin_and_free_intercept():
    times = np.array([0.005, 0.01, 0.02])
    rate, start = 30.0, 0.4
    phi = np.broadcast_to(start + rate * times, (2, 2, 2, 3))
    magnitude = np.ones(phi.shape)
    free, _ = fitted(phi, magnitude, times, 'linear', noise_sd=1.0, phase0_known=False)
    tied, _ = fitted(phi, magnitude, times, 'linear', noise_sd=1.0, phase0_sd=1e-6)
    assert np.allclose(free, rate / SCALE, rtol=1e-5)
    assert np.allclose(tied, (phi @ times)[0, 0, 0] / (times @ times) / SCALE, rtol=1e-5)


def test_magnitude_noise_ignores_anatomy():
    rng = np.random.default_rng(7)
    grid = Grid((40, 40, 40))
    image = 10 + 5 * ball(grid, 12) + rng.normal(0, 0.3, grid.shape)
    assert np.isclose(magnitude_noise(image, np.ones(grid.shape, bool)), 0.3, rtol=0.05)


def test_combined_magnitude():
    assert np.allclose(combine_magnitude(np.full((2, 2, 2, 4), 3.0)), 6)
    with pytest.raises(NigraError, match='four'):
        combine_magnitude(np.ones((2, 2, 2)))


def test_complex_fit_forgives_a_wrap():
    rng = np.random.default_rng(2)
    shape = (12, 12, 12, 4)
    rate = rng.uniform(-100, 100, shape[:3])
    phi = rate[..., None] * np.array(TIMES) + 0.02 * rng.standard_normal(shape)
    phi[..., 3] += 2 * np.pi * (rng.random(shape[:3]) < 0.05)
    magnitude = np.ones(shape)
    magnitude[..., 3] = 0.5
    known = {'phase0_sd': 0.01, 'noise_sd': 1.0}  # so noisy that no echo is left out
    errors = {
        fit: np.abs(fitted(phi, magnitude, TIMES, fit, **known)[0] - rate / SCALE).max()
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
    magnitude = np.ones(phi.shape)

    def spread(**settings):
        field, noise = fitted(phi, magnitude, TIMES, 'linear', **settings)
        return field.std(), (field / noise).std()

    estimated, ratio = spread()
    assert 0.9 < ratio < 1.1
    for sd in (0.001, 1.0):
        assert estimated < 1.02 * spread(phase0_sd=sd)[0]


def test_the_complex_fit_finds_no_noise_in_a_phase_that_was_not_unwrapped():
    """Whole turns are no residual, and so neither noise nor a reason to leave echoes out."""
    rate = np.linspace(-60, 60, 512).reshape(8, 8, 8)
    phi = rate[..., None] * np.array(TIMES)
    turned = phi.copy()
    turned[..., 2] += 2 * np.pi
    turned[..., 3] -= 4 * np.pi
    known = {'phase0_sd': 0.01, 'noise_sd': 0.05}
    magnitude = np.ones(phi.shape)
    magnitude[..., 2:] = 0.01  # so that the start of the fit is not led astray
    plain = fitted(phi, magnitude, TIMES, 'nonlinear', **known)
    found = fitted(turned, magnitude, TIMES, 'nonlinear', **known)
    for one, other in zip(found, plain, strict=True):
        assert np.allclose(one, other, rtol=1e-3, atol=1e-5)


def test_the_nonlinear_fit_ends_where_nothing_pulls_at_it():
    """No change of line and offset brings the complex signal nearer, however noisy the phase."""
    rng = np.random.default_rng(5)
    times = np.array(TIMES)
    phi = 0.3 + 40.0 * times + rng.normal(0, 0.7, (12, 12, 12, 4))
    magnitude = rng.uniform(0.5, 1.5, phi.shape)
    field, _ = fitted(phi, magnitude, times, 'nonlinear', noise_sd=1.0, phase0_known=False)
    rate = (field * SCALE)[..., None]
    weight = magnitude**2

    # the best offset for that rate, where the signals turned back point all one way
    turned = weight * np.exp(1j * (phi - rate * times))
    start = np.angle(turned.sum(axis=-1))[..., None]
    across = weight * np.sin(phi - start - rate * times)
    pull = np.abs((across * times).sum(axis=-1)) / (weight * times**2).sum(axis=-1)
    spread = 1 / np.sqrt((weight * (times - times.mean()) ** 2).sum(axis=-1))
    # to a thousandth of the spread, but for the few whose phase is torn between two lines
    assert np.percentile(pull / spread, 90) < 1e-3
