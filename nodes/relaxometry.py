"""Magnitudes and echo times to R2* and S0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import NigraError
from .unwrap import check_echoes

R2STAR_MAX = 1000.0
"""Upper bound of R2*, 1/s; faster decay is gone before the first echo."""


def r2star_method(echo_times: ArrayLike) -> str:
    """Name of the fit that suits the echoes: `arlo` or `loglinear`.

    Examples
    --------
    >>> r2star_method([0.01, 0.02, 0.03]), r2star_method([0.01, 0.02])
    ('arlo', 'loglinear')
    """
    gaps = np.diff(np.asarray(echo_times, float))
    even = gaps.size >= 2 and np.allclose(gaps, gaps[0], rtol=1e-3)
    return 'arlo' if even else 'loglinear'


def fit_r2star(
    magnitude: NDArray[Any], echo_times: ArrayLike, mask: NDArray[np.bool_]
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

    Returns
    -------
    tuple
        R2*, 1/s, from 0 to 1000; and S0, in the magnitude's units; both zero outside the
        mask.

    Raises
    ------
    NigraError
        Fewer than two echoes, or shapes that do not fit.

    Notes
    -----
    Three or more evenly spaced echoes: auto-regression on linear operations (ARLO; Pei et al.
    2015, doi 10.1002/mrm.25137), which needs no logarithm and so no noise floor correction at
    moderate noise. Otherwise a straight line through log(m), weighted with m^2, its inverse
    variance. S0 is the weighted projection on the fitted decay.
    """
    times = check_echoes(magnitude, magnitude, echo_times, mask)
    if times.size < 2:
        raise NigraError('R2* needs at least two echoes, got 1')
    signal = np.maximum(magnitude[mask].astype(np.float64), 0)
    if r2star_method(times) == 'arlo':
        rate = _arlo(signal, float(np.diff(times).mean()))
    else:
        rate = _log_linear(signal, times)
    rate = np.clip(np.nan_to_num(rate, nan=0.0, posinf=R2STAR_MAX, neginf=0.0), 0, R2STAR_MAX)
    decay = np.exp(-rate[:, None] * times)
    amplitude = (signal * decay).sum(1) / (decay**2).sum(1)
    r2star, s0 = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32)
    r2star[mask], s0[mask] = rate, amplitude
    return r2star, s0


def _arlo(signal: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Simpson integrals S_i and differences D_i of three neighbour echoes: D = R2* S."""
    first, middle, last = signal[:, :-2], signal[:, 1:-1], signal[:, 2:]
    integral = gap / 3 * (first + 4 * middle + last)
    drop = first - last
    # least squares in S - T2* D with both sides noisy (Pei et al. 2015)
    numerator = gap / 3 * (drop**2).sum(1) + (integral * drop).sum(1)
    denominator = (integral**2).sum(1) + gap / 3 * (integral * drop).sum(1)
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.asarray(numerator / denominator)


def _log_linear(signal: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    weight = signal**2
    log = np.log(np.maximum(signal, np.finfo(np.float32).tiny))
    s0, s1, s2 = weight.sum(1), weight @ times, weight @ times**2
    y0, y1 = (weight * log).sum(1), (weight * log) @ times
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.asarray((s1 * y0 - s0 * y1) / (s0 * s2 - s1**2))
