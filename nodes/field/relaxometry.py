"""Magnitudes and echo times to R2* and S0.

`arlo`: auto-regression on linear operations (Pei et al. 2015, doi 10.1002/mrm.25137), which
needs no logarithm. `loglinear`: a straight line through log(m), weighted with m^2, its
inverse variance. S0 is the weighted projection on the fitted decay. Both take the noise
floor for signal, which makes fast decay look slower.

`nonlinear`, the least biased with noise: the second moment of a Rician magnitude is
q + 2 s^2 with q = S0^2 exp(-2 R2* t), and its variance 4 s^2 (q + s^2) (Gudbjartsson & Patz
1995, doi 10.1002/mrm.1910340618), so m^2 is fitted to that, each echo with its inverse
variance, by Fisher scoring (quasi-likelihood). At high signal this is least squares on m.
Where decay is so fast that one echo alone has signal the likelihood is flat and skew; an
exponential prior on R2* of mean 120 1/s keeps it from running off and elsewhere lowers R2*
by its variance over 120 1/s, which is about what the skew adds.

The decay is taken for exponential: macroscopic field gradients across a voxel (near the
sinuses and the ear canals) add a sinc-like loss that none of the fits corrects, so R2* is
too high there, the more the larger the voxel; fibres in white matter and several water
pools bend the decay too.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ..errors import NigraError
from ..fields import check_choice
from ..parallel import run, slabs
from ..volumes import check_echoes
from .echoes import magnitude_noise

R2STAR_MAX = 1000.0
"""Upper bound of R2*, 1/s; faster decay is gone before the first echo."""
METHODS = ('auto', 'arlo', 'nonlinear', 'loglinear')
_PRIOR = 120.0
"""Mean of the exponential prior on R2*, 1/s: takes out the skew of the likelihood's peak.

At SNR 20 and five echoes from 4 to 28 ms, R2* of 100 1/s becomes 99.5; 97.8 with a mean of 60 and
101.2 without prior; R2* of 20 becomes 19.8, 19.7 and 20.0."""
_STEPS = 12
"""Steps of Fisher scoring: R2* up to 100 1/s has converged then (same echoes and SNR); of 300 1/s,
which leaves signal in one echo, 4 per cent of the voxels have not."""
_SAMPLE = 50_000
"""Voxels from which the noise is estimated: a median of so many is right to .5 per cent."""
_LOGLINEAR, _ARLO = 0, 1


def r2star_method(method: str = 'auto') -> str:
    """Name of the fit that `fit_r2star` runs for a value of its `method`.

    Examples
    --------
    >>> r2star_method(), r2star_method('loglinear')
    ('nonlinear', 'loglinear')
    """
    return 'nonlinear' if method == 'auto' else method


def fit_r2star(
    magnitude: NDArray[Any],
    echo_times: ArrayLike,
    mask: NDArray[np.bool_],
    *,
    method: str = 'auto',
    noise_sd: float | None = None,
    nthreads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mono-exponential decay of the magnitude.

    Parameters
    ----------
    magnitude
        Magnitude, (x, y, z, echo), at least two echoes.
    echo_times
        Echo times, s, rising.
    mask
        Where to fit.
    method
        `arlo` (three or more evenly spaced echoes), `loglinear` or `nonlinear`; `auto` is
        `nonlinear`.
    noise_sd
        Noise of one channel, the magnitude's units, for `nonlinear`; estimated by default.
        Zero: no noise floor.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        R2*, 1/s, from 0 to 1000; and S0, in the magnitude's units; both zero outside the
        mask.

    Raises
    ------
    NigraError
        Fewer than two echoes, shapes or settings that do not fit, or ARLO for echoes that are
        not evenly spaced.
    """
    _check_settings(method, noise_sd)
    times = check_echoes(magnitude, magnitude, echo_times, mask)
    _check_times(times, method)
    method = r2star_method(method)
    steps = _STEPS if method == 'nonlinear' else 0
    start = _ARLO if method == 'arlo' else _LOGLINEAR
    if noise_sd is None:
        noise_sd = _noise(magnitude, times, mask) if steps else 0.0
    r2star, s0 = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32)

    def fit(piece: slice) -> None:
        signal = np.ascontiguousarray(magnitude[piece], np.float32)
        inside = np.ascontiguousarray(mask[piece])
        _fit(signal, times, inside, start, steps, float(noise_sd) ** 2, r2star[piece], s0[piece])

    run(fit, slabs(mask.shape[0]), nthreads)
    return r2star, s0


def t2star(
    r2star: NDArray[Any], mask: NDArray[np.bool_], *, cap: float = 0.3
) -> NDArray[np.float32]:
    """T2*, the inverse of R2*.

    Parameters
    ----------
    r2star
        1/s, (x, y, z).
    mask
        Where R2* was fitted.
    cap
        Longest T2*, s: what slower or no decay gets.

    Returns
    -------
    NDArray
        T2*, s, at most `cap`; zero outside the mask.

    Raises
    ------
    NigraError
        The shapes differ or `cap` is not positive.

    Examples
    --------
    >>> t2star(np.array([[[50.0, 0.0, 20.0]]]), np.array([[[True, True, False]]])).ravel()
    array([0.02, 0.3 , 0.  ], dtype=float32)
    """
    if r2star.shape != mask.shape:
        raise NigraError(f'r2star has shape {r2star.shape} but the mask {mask.shape}')
    if not (np.isfinite(cap) and cap > 0):
        raise NigraError(f'cap must be a positive time in seconds, got {cap}')
    out = np.zeros(mask.shape, np.float32)
    out[mask] = 1 / np.fmax(r2star[mask].astype(np.float64), 1 / cap)
    return out


def _check_settings(method: str, noise_sd: float | None) -> None:
    check_choice(METHODS, method=method)
    if noise_sd is not None and not (np.isfinite(noise_sd) and noise_sd >= 0):
        raise NigraError(f'noise_sd must be 0 or more, got {noise_sd}')


def _check_times(times: NDArray[np.float64], method: str) -> None:
    """Raise where a method cannot run on these echoes."""
    if times.size < 2:
        raise NigraError('R2* needs at least two echoes, got 1')
    gaps = np.diff(times)
    # ARLO's integrals are Simpson's, over three echoes at even distances
    if method == 'arlo' and not (gaps.size >= 2 and np.allclose(gaps, gaps[0], rtol=1e-3)):
        raise NigraError(
            f'ARLO needs three or more evenly spaced echoes, got {times.tolist()}; '
            "use method='nonlinear'"
        )


def _noise(magnitude: NDArray[Any], times: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
    """Noise of one channel: what the decay leaves, or the finest detail if that is less.

    Anatomy adds to detail and other decay to the residuals, so the smaller is nearer. Detail is
    that of the first echo, furthest from the floor, which narrows noise.
    """
    detail = magnitude_noise(magnitude[..., 0], mask)
    if times.size == 2:
        return detail if np.isfinite(detail) else 0.0
    members = np.argwhere(mask)
    members = members[:: max(1, len(members) // _SAMPLE)]
    signal = np.ascontiguousarray(magnitude[tuple(members.T)], np.float32)[None, None]
    rate, s0 = np.zeros((2, *signal.shape[:3]), np.float32)
    _fit(signal, times, np.ones(rate.shape, bool), _LOGLINEAR, _STEPS, 0.0, rate, s0)
    # the median of chi^2 over its own, as in `echoes`: voxels of other decay are outliers
    residual = signal - s0[..., None] * np.exp(-rate[..., None] * times)
    freedom = times.size - 2
    median = np.median((residual.astype(np.float64) ** 2).sum(-1))
    rest = float(np.sqrt(median / special.gammaincinv(freedom / 2, 0.5) / 2))
    return float(np.fmin(detail, rest)) if np.isfinite(rest) or np.isfinite(detail) else 0.0


@numba.njit(cache=True, nogil=True)
def _fit(signal, times, inside, start, steps, noise, r2star, s0):
    """Fit the voxels of some planes; `noise` is the variance of one channel."""
    nx, ny, nz, echoes = signal.shape
    m = np.empty(echoes)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if not inside[i, j, k]:
                    continue
                for e in range(echoes):
                    value = signal[i, j, k, e]
                    m[e] = value if value > 0 and np.isfinite(value) else 0.0
                rate = _arlo(m, times) if start == 1 else _log_linear(m, times)
                rate = min(max(rate, 0.0), R2STAR_MAX) if np.isfinite(rate) else 0.0
                amplitude = _project(m, times, rate)
                if steps > 0 and amplitude > 0:
                    rate, amplitude = _refine(m, times, rate, amplitude, noise, steps)
                r2star[i, j, k] = rate
                s0[i, j, k] = amplitude


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _arlo(m, times):
    """Simpson integrals S and differences D of three neighbour echoes: D = R2* S."""
    third = (times[-1] - times[0]) / (times.size - 1) / 3
    # sums over D D, S D and S S
    dd = sd = ss = 0.0
    for e in range(times.size - 2):
        integral = third * (m[e] + 4 * m[e + 1] + m[e + 2])
        drop = m[e] - m[e + 2]
        dd += drop * drop
        sd += integral * drop
        ss += integral * integral
    # least squares in S - T2* D with both sides noisy (Pei et al. 2015)
    return (third * dd + sd) / (ss + third * sd)


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _log_linear(m, times):
    # normal equations of log S0 - R2* t; var(log m) = s^2 / m^2, so each echo weighs m^2
    s0 = s1 = s2 = y0 = y1 = 0.0
    for e in range(times.size):
        if m[e] > 0:
            w, t, log = m[e] * m[e], times[e], np.log(m[e])
            s0 += w
            s1 += w * t
            s2 += w * t * t
            y0 += w * log
            y1 += w * t * log
    return (s1 * y0 - s0 * y1) / (s0 * s2 - s1 * s1)


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _project(m, times, rate):
    """Amplitude of the decay that fits best at a given rate."""
    along = power = 0.0
    # least squares on m, whose noise is the same in all echoes
    for e in range(times.size):
        decay = np.exp(-rate * times[e])
        along += m[e] * decay
        power += decay * decay
    return along / power


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _refine(m, times, rate, amplitude, noise, steps):
    """Fisher scoring in log S0^2 and R2* on the second moment; returns R2* and S0."""
    log_power = 2 * np.log(amplitude)
    # slope of the log prior, times 4 s^2 as the score below
    prior = 4 * noise / _PRIOR
    for _ in range(steps):
        s0 = s1 = s2 = y0 = 0.0
        y1 = -prior
        for e in range(times.size):
            t = times[e]
            # q: power of the signal; E m^2 = q + 2 s^2
            q = np.exp(log_power - 2 * rate * t)
            # dq / d log S0^2 = q over the variance 4 s^2 (q + s^2), times 4 s^2
            trust = q / (q + noise)
            # score: what m^2 has beyond its mean; information from dq = q (1, -2 t)
            gap = trust * (m[e] * m[e] - 2 * noise - q)
            s0 += trust * q
            s1 -= trust * q * 2 * t
            s2 += trust * q * 4 * t * t
            y0 += gap
            y1 -= gap * 2 * t
        # Levenberg's damping, felt only where the likelihood is flat
        s2 += prior / _PRIOR
        # Schur complement: the step in R2* with log S0^2 solved for
        determinant = s0 * s2 - s1 * s1
        step = (s0 * y1 - s1 * y0) / determinant
        if not np.isfinite(step):
            break
        # a step changes the signal at the first echoes by a factor of e at most
        step = min(max(step, -0.5 * _PRIOR), 0.5 * _PRIOR)
        step = min(max(rate + step, 0.0), R2STAR_MAX) - rate
        rate += step
        log_power += min(max((y0 - s1 * step) / s0, -1.0), 1.0)
        if step * step * s2 < 1e-6 * s0:
            break
    return rate, np.exp(0.5 * log_power)
