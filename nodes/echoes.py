"""Unwrapped phases and echo times to one total field and its noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import NigraError
from .grid import hz_per_ppm
from .unwrap import check_echoes


def magnitude_noise(magnitude: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """Standard deviation of the magnitude's noise, from its finest detail.

    Parameters
    ----------
    magnitude
        One echo, (x, y, z).
    mask
        Voxels with signal.

    Returns
    -------
    float
        Median absolute value of the finest diagonal wavelet detail over .6745: anatomy hardly
        alternates along three axes at once, white noise does (Donoho & Johnstone 1994).
    """
    detail, inside = magnitude.astype(np.float32), mask
    for axis in range(3):
        if detail.shape[axis] > 1:
            near, far = _pairs(axis)
            detail = (detail[far] - detail[near]) * np.float32(np.sqrt(0.5))
            inside = inside[far] & inside[near]
    values = np.abs(detail[inside])
    return float(np.median(values)) / 0.6745 if values.size else 0.0


def _pairs(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    everything = slice(None)
    near = tuple(slice(None, -1) if a == axis else everything for a in range(3))
    far = tuple(slice(1, None) if a == axis else everything for a in range(3))
    return near, far


def fit_total_field(
    unwrapped: NDArray[Any],
    magnitude: NDArray[Any],
    echo_times: ArrayLike,
    b0: float,
    mask: NDArray[np.bool_],
    *,
    phase0_known: bool = True,
    phase0_sd: float = 0.05,
    noise_sd: float | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Field from the growth of phase with echo time, weighted by the magnitude.

    Parameters
    ----------
    unwrapped
        Unwrapped phase, rad, (x, y, z, echo).
    magnitude
        Magnitude, same shape.
    echo_times
        Echo times, s, rising.
    b0
        Main field, T.
    mask
        Where to fit.
    phase0_known
        Whether the phase at time zero has been removed, so that what is left of it is small;
        otherwise it is fitted freely.
    phase0_sd
        Expected size of what is left, rad: a Gaussian prior on the intercept.
    noise_sd
        Standard deviation of the magnitude's noise; estimated from the first echo by default.

    Returns
    -------
    tuple
        Total field, ppm, and its standard deviation, ppm; both zero outside the mask. With one
        echo the field is phase / (2 pi TE) and holds the unknown phase at time zero.

    Raises
    ------
    NigraError
        Shapes, echo times or `b0` do not fit.

    Notes
    -----
    Minimises sum_e (m_e / s)^2 (phi_e - phi_0 - w t_e)^2 + (phi_0 / sd)^2 in closed form: phase
    noise is s / m_e. The prior spans the two usual fits: sd = 0 is a line through the origin,
    sd = infinity a free intercept.
    """
    times = check_echoes(unwrapped, magnitude, echo_times, mask)
    scale = 2 * np.pi * hz_per_ppm(b0)
    sd = noise_sd if noise_sd is not None else magnitude_noise(magnitude[..., 0], mask)
    if not sd > 0:
        sd = 1e-3 * float(np.mean(magnitude[..., 0][mask])) or 1.0
    weights = (magnitude[mask].astype(np.float64) / sd) ** 2
    np.maximum(weights, 1e-6, out=weights)
    phi = unwrapped[mask].astype(np.float64)
    s0, s1, s2 = weights.sum(1), weights @ times, weights @ times**2
    y0, y1 = (weights * phi).sum(1), (weights * phi) @ times
    if times.size == 1:
        rate, variance = y1 / s2, 1 / s2
    else:
        if phase0_known:
            s0 = s0 + 1 / max(phase0_sd, 1e-6) ** 2
        determinant = s0 * s2 - s1**2
        rate, variance = (s0 * y1 - s1 * y0) / determinant, s0 / determinant
    field, noise = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32)
    field[mask] = rate / scale
    noise[mask] = np.sqrt(variance) / scale
    return field, noise


def combine_magnitude(magnitude: NDArray[Any]) -> NDArray[np.float32]:
    """Root of the sum of squares over the echoes, (x, y, z).

    Raises
    ------
    NigraError
        The data have no echo axis.
    """
    if magnitude.ndim != 4:
        raise NigraError(f'magnitude must have four axes, got shape {magnitude.shape}')
    total = np.zeros(magnitude.shape[:3], np.float32)
    for echo in range(magnitude.shape[3]):
        total += magnitude[..., echo].astype(np.float32) ** 2
    return np.sqrt(total)
