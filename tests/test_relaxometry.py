import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.relaxometry import fit_r2star, r2star_method

MASK = np.ones((12, 12, 12), bool)
MASK[0] = False


def decay(rate, times, noise=0.0):
    signal = 5 * np.exp(-rate * np.asarray(times)) * np.ones((*MASK.shape, 1))
    return signal + noise * np.random.default_rng(0).standard_normal(signal.shape)


@pytest.mark.parametrize('rate', [5, 20, 60, 120])
@pytest.mark.parametrize(
    'times',
    [(0.004, 0.008, 0.012, 0.016), (0.006, 0.012, 0.018), (0.005, 0.02), (0.003, 0.01, 0.03)],
)
def test_known_decay_comes_back(rate, times):
    r2star, s0 = fit_r2star(decay(rate, times), times, MASK)
    assert np.allclose(r2star[MASK], rate, rtol=0.005)
    assert np.allclose(s0[MASK], 5, rtol=0.005)
    assert not r2star[0].any()
    assert not s0[0].any()


@pytest.mark.parametrize('times', [(0.004, 0.01, 0.016, 0.022), (0.005, 0.02)])
def test_noise_does_not_bias(times):
    r2star, _ = fit_r2star(decay(25, times, noise=0.1), times, MASK)
    assert abs(r2star[MASK].mean() - 25) < 0.3


def test_impossible_signal_stays_within_bounds():
    times = (0.01, 0.02, 0.03)
    signal = np.random.default_rng(1).standard_normal((*MASK.shape, 3))
    signal[1] = 0
    r2star, s0 = fit_r2star(signal, times, MASK)
    assert np.isfinite(r2star).all()
    assert np.isfinite(s0).all()
    assert r2star.min() >= 0
    assert r2star.max() <= 1000


def test_method_follows_the_spacing():
    assert r2star_method([0.01, 0.02, 0.03]) == 'arlo'
    assert r2star_method([0.01, 0.02, 0.04]) == 'loglinear'
    assert r2star_method([0.01, 0.02]) == 'loglinear'


def test_one_echo_is_refused():
    with pytest.raises(NigraError, match='two echoes'):
        fit_r2star(decay(20, (0.02,)), (0.02,), MASK)
