"""Unwrapped phases and echo times to one total field and its noise."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ..errors import NigraError
from ..grid import hz_per_ppm
from ..parallel import run, slabs
from ..volumes import bounding_box, check_echoes, echo_volumes

FITS = ('nonlinear', 'linear')
_PHASE0_SD = (0.005, 1.0)
_SAMPLE = 60_000
_STEPS = {'linear': 0, 'nonlinear': 4}
_WORTH = 4.0
"""Echoes that the scan's noise level counts for against a voxel's own residuals."""
_CONTRADICT = 6.0
"""Variance in excess of the noise at which a voxel's last echo is left out."""


class Fit(NamedTuple):
    """What is known of a scan before its voxels are fitted.

    Attributes
    ----------
    noise_sd
        Noise of the magnitude, arbitrary units.
    phase0_sd
        Expected size of the phase at echo time zero, rad; infinite where nothing is known.
    steps
        Gauss-Newton steps on the complex signal after the linear fit.
    """

    noise_sd: float
    phase0_sd: float
    steps: int


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
        Lower quartile of the absolute finest diagonal wavelet detail over .3186: anatomy hardly
        alternates along three axes at once, white noise does (Donoho & Johnstone 1994), and the
        quartile sees less of the anatomy than the usual median.
    """
    detail, inside = magnitude[mask_box(mask)].astype(np.float32), mask[mask_box(mask)]
    for axis in range(3):
        if detail.shape[axis] > 1:
            near, far = _pairs(axis)
            detail = (detail[far] - detail[near]) * np.float32(np.sqrt(0.5))
            inside = inside[far] & inside[near]
    values = np.abs(detail[inside])
    values = values[:: max(1, values.size // _SAMPLE)]
    return float(np.percentile(values, 25)) / 0.3186 if values.size else 0.0


def mask_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Bounding box of a mask, or everything where it is empty."""
    return bounding_box(mask) if mask.any() else (slice(None),) * 3


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
    fit: str = 'nonlinear',
    phase0_known: bool = True,
    phase0_sd: float = 0.0,
    noise_sd: float | None = None,
    nthreads: int = 1,
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
    fit
        `nonlinear` fits the complex signal (a weak echo that is a turn off does no harm),
        `linear` the phase.
    phase0_known
        Whether the phase at time zero has been removed, so that what is left of it is small;
        otherwise it is fitted freely.
    phase0_sd
        Expected size of what is left, rad: a Gaussian prior on the intercept. Zero: estimated,
        from how much free intercepts scatter beyond their noise.
    noise_sd
        Standard deviation of the magnitude's noise; estimated by default.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        Total field, ppm, and its standard deviation, ppm; both zero outside the mask. With one
        echo the field is phase / (2 pi TE) and holds the unknown phase at time zero.

    Raises
    ------
    NigraError
        Shapes, echo times, `b0` or a setting do not fit.

    Notes
    -----
    Linear: minimises sum_e (m_e / s)^2 (phi_e - phi_0 - w t_e)^2 + (phi_0 / sd)^2 in closed form:
    phase noise is s / m_e. The prior spans the two usual fits: sd = 0 is a line through the
    origin, sd = infinity a free intercept. Non-linear (Liu et al. 2013, doi 10.1002/mrm.24272):
    from there, Gauss-Newton on sum_e |m_e exp(i phi_e) - m_e exp(i (phi_0 + w t_e))|^2 / s^2.
    From three echoes on, each voxel's noise also follows its own residuals; where they are far
    more than the noise explains, its last echoes are left out.
    """
    times = check_echoes(unwrapped, magnitude, echo_times, mask)
    scale = 2 * np.pi * hz_per_ppm(b0)
    check_fit(fit, phase0_sd)
    box = bounding_box(mask)
    inside = np.ascontiguousarray(mask[box])
    angle, size = echo_volumes(unwrapped, box, nthreads), echo_volumes(magnitude, box, nthreads)
    known = scan_noise(
        angle, size, times, inside, fit,
        phase0_known=phase0_known, phase0_sd=phase0_sd, noise_sd=noise_sd,
    )  # fmt: skip
    rate, sd = fit_volumes(angle, size, times, inside, known, nthreads=nthreads)
    field, noise = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32)
    np.multiply(rate, np.float32(1 / scale), out=field[box])
    np.multiply(sd, np.float32(1 / scale), out=noise[box])
    return field, noise


def check_fit(fit: str, phase0_sd: float) -> None:
    """Raise where a setting of the fit is out of range."""
    if fit not in FITS:
        raise NigraError(f"fit must be 'nonlinear' or 'linear', got '{fit}'")
    if not phase0_sd >= 0:
        raise NigraError(f'phase0_sd must be 0 (estimated) or more, rad, got {phase0_sd}')


def scan_noise(
    angle: NDArray[np.float32],
    size: NDArray[np.float32],
    times: NDArray[np.float64],
    inside: NDArray[np.bool_],
    fit: str,
    *,
    phase0_known: bool,
    phase0_sd: float = 0.0,
    noise_sd: float | None = None,
) -> Fit:
    """Noise of the magnitude and scatter of the intercepts, from a sample of voxels.

    Parameters
    ----------
    angle, size
        Unwrapped phase and magnitude, contiguous volumes (echo, x, y, z).
    times
        Echo times, s.
    inside
        Mask.
    fit, phase0_known, phase0_sd, noise_sd
        As `fit_total_field` has them.
    """
    members = np.flatnonzero(inside)
    members = members[:: max(1, members.size // _SAMPLE)]
    phi = angle.reshape(times.size, -1)[:, members].astype(np.float64)
    weight = size.reshape(times.size, -1)[:, members].astype(np.float64) ** 2
    intercept, variance, chi2 = _free_line(phi, weight, times)
    sd = noise_sd
    if sd is None and times.size > 2:
        freedom = times.size - 2
        sd = float(np.sqrt(np.median(chi2) / special.gammaincinv(freedom / 2, 0.5) / 2))
    if sd is None:
        sd = magnitude_noise(size[0], inside)
    if not sd > 0:
        sd = 1e-3 * float(np.sqrt(np.mean(weight[0]))) or 1.0
    if times.size == 1 or not phase0_known:
        return Fit(sd, float('inf'), _STEPS[fit])
    if phase0_sd == 0:
        phase0_sd = _excess_sd(intercept, sd**2 * variance)
    return Fit(sd, phase0_sd, _STEPS[fit])


def _excess_sd(values: NDArray[np.float64], variance: NDArray[np.float64]) -> float:
    """Spread that, added to each value's own variance, explains the median absolute value."""
    low, high = _PHASE0_SD
    for _ in range(16):
        middle = np.sqrt(low * high)
        if np.median(np.abs(values) / np.sqrt(variance + middle**2)) > 0.6745:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))


def _free_line(
    phi: NDArray[np.float64], weight: NDArray[np.float64], times: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Intercept of the weighted line, its variance for unit noise, and the residuals' square."""
    if times.size < 2:
        return (np.zeros(phi.shape[1]),) * 3
    s0, s1, s2 = weight.sum(0), times @ weight, times**2 @ weight
    y0, y1 = (weight * phi).sum(0), times @ (weight * phi)
    determinant = np.maximum(s0 * s2 - s1**2, 1e-30)
    intercept, rate = (s2 * y0 - s1 * y1) / determinant, (s0 * y1 - s1 * y0) / determinant
    residual = phi - intercept - rate * times[:, None]
    residual -= 2 * np.pi * np.rint(residual / (2 * np.pi))
    return intercept, s2 / determinant, (weight * residual**2).sum(0)


def fit_volumes(
    angle: NDArray[np.float32],
    size: NDArray[np.float32],
    times: NDArray[np.float64],
    inside: NDArray[np.bool_],
    known: Fit,
    *,
    nthreads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Growth of phase with time and its standard deviation, rad/s, zero outside the mask."""
    rate, sd = np.zeros(inside.shape, np.float32), np.zeros(inside.shape, np.float32)
    prior = (known.noise_sd / known.phase0_sd) ** 2 if known.phase0_sd > 0 else 1e30
    run(lambda s: _fit(angle, size, times, inside, prior, known.noise_sd**2, known.steps, _WORTH,
                       _CONTRADICT, rate, sd, s.start, s.stop),
        slabs(inside.shape[0]), nthreads)  # fmt: skip
    return rate, sd


@numba.njit(cache=True, nogil=True)
def _fit(angle, size, times, inside, prior, noise, steps, worth, most, rate, sd, first, last):
    """Fit each voxel of some planes; `prior` and `noise` in squared magnitude."""
    echoes, _, ny, nz = angle.shape
    phi, weight = np.empty(echoes), np.empty(echoes)
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if not inside[i, j, k]:
                    continue
                for e in range(echoes):
                    phi[e] = angle[e, i, j, k]
                    weight[e] = max(float(size[e, i, j, k]) ** 2, 1e-6 * noise)
                slope, variance, excess = _fit_consistent(
                    phi, weight, times, prior, noise, steps, worth, most
                )
                variance *= excess
                rate[i, j, k] = slope
                sd[i, j, k] = np.sqrt(variance * noise)


@numba.njit(cache=True, nogil=True, inline='always')
def _fit_consistent(phi, weight, times, prior, noise, steps, worth, most):
    """Slope, its variance for unit noise, and how far the residuals exceed the noise.

    Late echoes are left out, two kept, while the voxel's echoes contradict each other by `most`:
    spins that have fallen out of step have no one frequency, and early on they are still in step.
    """
    slope, variance, excess = 0.0, 0.0, 1.0
    for used in range(phi.size, min(phi.size, 2) - 1, -1):
        slope, variance, chi2 = _fit_voxel(phi[:used], weight, times, prior, steps)
        if used > 2:
            # the scan's noise counts for `worth` echoes against the voxel's own
            now = (worth + chi2 / noise) / (worth + used - 2)
            excess = now if used == phi.size else max(excess, now)
            if now < most:
                break
    return slope, variance, excess


@numba.njit(cache=True, nogil=True, inline='always')
def _fit_voxel(phi, weight, times, prior, steps):
    """Slope, its variance for unit noise, and the weighted square of the residuals."""
    echoes = phi.size
    s0 = s1 = s2 = y0 = y1 = 0.0
    for e in range(echoes):
        w, t = weight[e], times[e]
        s0 += w
        s1 += w * t
        s2 += w * t * t
        y0 += w * phi[e]
        y1 += w * t * phi[e]
    if echoes == 1:
        return y1 / s2, 1 / s2, 0.0
    s0 += prior
    determinant = s0 * s2 - s1 * s1
    start = (s2 * y0 - s1 * y1) / determinant
    slope = (s0 * y1 - s1 * y0) / determinant
    for _ in range(steps):
        # Gauss-Newton: the complex residual's part across the signal is m sin(phi - model)
        y0, y1 = -prior * start, 0.0
        for e in range(echoes):
            across = weight[e] * np.sin(phi[e] - start - slope * times[e])
            y0 += across
            y1 += across * times[e]
        step = (s0 * y1 - s1 * y0) / determinant
        start += (s2 * y0 - s1 * y1) / determinant
        slope += step
        if step * step * s2 < 1e-6 * s0:
            break
    chi2 = 0.0
    for e in range(echoes):
        gap = phi[e] - start - slope * times[e]
        if steps > 0:
            gap -= 2 * np.pi * np.rint(gap / (2 * np.pi))
        chi2 += weight[e] * gap * gap
    return slope, s0 / determinant, chi2


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
