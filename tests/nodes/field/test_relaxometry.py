import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.field.relaxometry import fit_r2star, r2star_method, t2star

MASK = np.ones((12, 12, 12), bool)
MASK[0] = False


def decay(rate, times, noise=0.0):
    signal = 5 * np.exp(-rate * np.asarray(times)) * np.ones((*MASK.shape, 1))
    return signal + noise * np.random.default_rng(0).standard_normal(signal.shape)


def rician(rate, times, snr, shape=MASK.shape):
    """Magnitude of a complex signal, S0 = 5, with noise of 5 / snr in each part."""
    clean = 5 * np.exp(-rate * np.asarray(times)) * np.ones((*shape, 1))
    noise = np.random.default_rng(3).standard_normal((2, *clean.shape)) * 5 / snr
    return np.abs(clean + noise[0] + 1j * noise[1]).astype(np.float32)


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


def test_auto_is_nonlinear():
    assert r2star_method() == 'nonlinear'
    assert r2star_method('loglinear') == 'loglinear'


def test_auto_is_the_method_it_names():
    times = (0.004, 0.01, 0.016)
    signal = rician(30, times, snr=20)
    auto, _ = fit_r2star(signal, times, MASK)
    named, _ = fit_r2star(signal, times, MASK, method=r2star_method())
    other, _ = fit_r2star(signal, times, MASK, method='loglinear')
    assert np.array_equal(auto, named)
    assert not np.array_equal(auto, other)


@pytest.mark.parametrize('method', ['nonlinear', 'loglinear'])
@pytest.mark.parametrize('rate', [0, 5, 60, 400])
@pytest.mark.parametrize(
    'times', [(0.004, 0.01, 0.016, 0.022), (0.005, 0.02), (0.003, 0.01, 0.03)]
)
def test_each_method_finds_a_known_decay(method, rate, times):
    r2star, s0 = fit_r2star(decay(rate, times), times, MASK, method=method)
    assert np.allclose(r2star[MASK], rate, rtol=0.003, atol=0.01)
    assert np.allclose(s0[MASK], 5, rtol=0.003)


@pytest.mark.parametrize(('rate', 'snr', 'gain'), [(50, 20, 3), (100, 20, 5), (100, 40, 5)])
def test_noise_floor_does_not_slow_the_nonlinear_decay(rate, snr, gain):
    times = (0.004, 0.010, 0.016, 0.022, 0.028)
    signal, mask = rician(rate, times, snr, (40, 40, 25)), np.ones((40, 40, 25), bool)
    error, spread = {}, {}
    for method in ('nonlinear', 'loglinear', 'arlo'):
        fit = fit_r2star(signal, times, mask, method=method)[0][mask].astype(float)
        error[method], spread[method] = abs(fit.mean() - rate), fit.std()
    assert error['nonlinear'] < 0.01 * rate
    assert error['loglinear'] > gain * error['nonlinear']
    assert error['arlo'] > 1.5 * error['nonlinear']
    assert spread['nonlinear'] < 1.1 * spread['arlo']


def test_noise_only_and_empty_voxels_stay_within_bounds():
    times = (0.01, 0.02, 0.03, 0.05)
    signal = rician(5000, times, snr=5)
    signal[1] = 0
    signal[2] = np.nan
    signal[3, ..., 1] = np.inf
    for noise_sd in (None, 0.0, 1.0):
        maps = fit_r2star(signal, times, MASK, method='nonlinear', noise_sd=noise_sd)
        assert all(np.isfinite(image).all() and image.min() >= 0 for image in maps)
        assert maps[0].max() <= 1000
        assert not maps[1][1].any()


def test_estimated_noise_acts_like_the_known_one():
    times = (0.004, 0.010, 0.016, 0.022)
    signal = rician(80, times, snr=20)
    guessed, _ = fit_r2star(signal, times, MASK, method='nonlinear')
    known, _ = fit_r2star(signal, times, MASK, method='nonlinear', noise_sd=0.25)
    none, _ = fit_r2star(signal, times, MASK, method='nonlinear', noise_sd=0)
    assert abs(guessed - known)[MASK].mean() < 0.1 * abs(none - known)[MASK].mean()


@pytest.mark.parametrize('method', ['arlo', 'nonlinear', 'loglinear'])
def test_scale_units_layout_and_threads_do_not_matter(method):
    times = np.array([0.004, 0.010, 0.016])
    signal = rician(40, times, snr=15)
    first, s0 = fit_r2star(signal, times, MASK, method=method)
    again = fit_r2star(signal, times, MASK, method=method, nthreads=3)
    assert np.array_equal(first, again[0])
    assert np.array_equal(s0, again[1])
    scaled = fit_r2star(1024 * signal, times, MASK, method=method)
    assert np.allclose(scaled[0], first, rtol=1e-4, atol=1e-3)
    assert np.allclose(scaled[1], 1024 * s0, rtol=1e-4)
    strided = np.asfortranarray(signal)[::-1]
    flipped, _ = fit_r2star(strided, times, MASK[::-1], method=method)
    assert np.allclose(flipped[::-1], first, rtol=1e-4, atol=1e-3)
    slower, _ = fit_r2star(signal, 2 * times, MASK, method=method, noise_sd=0)
    faster, _ = fit_r2star(signal, times, MASK, method=method, noise_sd=0)
    assert np.allclose(2 * slower, faster, rtol=2e-3, atol=1e-2)


def test_t2star_is_the_inverse_up_to_a_cap():
    rate = np.zeros(MASK.shape, np.float32)
    rate[1], rate[2], rate[3] = 50, 2, np.nan
    time = t2star(rate, MASK, cap=0.2)
    assert np.allclose(time[1], 0.02)
    assert np.allclose(time[2:], 0.2)
    assert not time[0].any()
    assert time.dtype == np.float32
    with pytest.raises(NigraError, match='cap'):
        t2star(rate, MASK, cap=0)
    with pytest.raises(NigraError, match='shape'):
        t2star(rate[1:], MASK)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'method': 'magic'}, 'magic'),
        ({'method': 'arlo'}, 'evenly spaced'),
        ({'noise_sd': -1.0}, 'noise_sd'),
        ({'noise_sd': np.nan}, 'noise_sd'),
    ],
)
def test_bad_settings_are_refused(settings, message):
    times = (0.01, 0.02, 0.04)
    with pytest.raises(NigraError, match=message):
        fit_r2star(decay(20, times), times, MASK, **settings)


@pytest.mark.parametrize('settings', [{'method': 'magic'}, {'noise_sd': -1.0}])
def test_settings_are_looked_at_before_the_images(settings):
    with pytest.raises(NigraError, match=next(iter(settings))):
        fit_r2star(np.zeros((1, 1, 1)), [0.01], np.ones((2, 2, 2), bool), **settings)


def test_one_echo_is_refused():
    with pytest.raises(NigraError, match='two echoes'):
        fit_r2star(decay(20, (0.02,)), (0.02,), MASK)


@pytest.mark.parametrize('first', [0.003, 0.012])
@pytest.mark.parametrize('rate', [10, 40])
def test_arlo_alone_gives_the_known_decay_wherever_the_first_echo_is(first, rate):
    times = first + 0.005 * np.arange(5)
    r2star, s0 = fit_r2star(decay(rate, times), times, MASK, method='arlo')
    assert np.allclose(r2star[MASK], rate, rtol=0.01)
    assert np.allclose(s0[MASK], 5, rtol=0.01)
