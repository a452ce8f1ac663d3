"""Unwrapped phases and echo times to one total field and its noise."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..errors import NigraError
from ..fields import check_choice, check_not_negative
from ..volumes import Box, bounding_box
from .echo_box import EchoBox
from .wraps import wrap

_FITS = ('nonlinear', 'linear')
_PHASE0_SD = (0.005, 1.0)
"""Bounds of the estimated phase at time zero, rad: below, the prior is a line through the origin;
above, it is a free intercept."""
_SAMPLE = 60_000
"""Voxels from which a scan's noise is estimated; a median of so many is right to .5 per cent."""
_STEPS = {'linear': 0, 'nonlinear': 4}
"""Gauss-Newton steps at most: at SNR 20 one is enough to the last bit."""
_WORTH = 4.0
"""Echoes that the scan's noise level counts for against a voxel's own residuals.

From 2 to 16 the field of the tests' head stays the same to .2 per cent of its error; the spread of
error over noise is 2 to 3 per cent too small at 4."""
_CONTRADICT = 6.0
"""Variance in excess of the noise at which a voxel's last echo is left out.

From 6 to 15 no result on the tests' head differs; at 3 good echoes are lost and the error grows by
2 per cent; without the rule an echo that is 2.2 rad off makes it twelve times larger there."""


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
    box: Box = bounding_box(mask) if mask.any() else (slice(None), slice(None), slice(None))
    detail, inside = magnitude[box].astype(np.float32), mask[box]
    # Haar wavelet's diagonal detail: differences of neighbours along every axis in turn
    for axis in range(3):
        if detail.shape[axis] > 1:
            near, far = _pairs(axis)
            detail = (detail[far] - detail[near]) * np.float32(np.sqrt(0.5))
            inside = inside[far] & inside[near]
    values = np.abs(detail[inside])
    # a quarter of |N(0, 1)| lies below .3186
    values = values[:: max(1, values.size // _SAMPLE)]
    return float(np.percentile(values, 25)) / 0.3186 if values.size else 0.0


def _pairs(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    everything = slice(None)
    near = tuple(slice(None, -1) if a == axis else everything for a in range(3))
    far = tuple(slice(1, None) if a == axis else everything for a in range(3))
    return near, far


def check_fit(fit: str, phase0_sd: float) -> None:
    """Raise where a setting of the fit is out of range."""
    check_choice(_FITS, fit=fit)
    check_not_negative(phase0_sd=phase0_sd)


def scan_noise(echoes: EchoBox, fit: str, *, phase0_known: bool, phase0_sd: float = 0.0) -> Fit:
    """Noise of the magnitude and scatter of the intercepts, from a sample of voxels.

    Parameters
    ----------
    echoes
        Unwrapped phase and magnitude.
    fit
        `nonlinear` fits the complex signal (a weak echo that is a wrap off does no harm),
        `linear` the phase.
    phase0_known
        Whether the phase at time zero has been removed, so that what is left of it is small;
        otherwise it is fitted freely.
    phase0_sd
        Expected size of what is left, rad. Zero: estimated, from how much free intercepts scatter
        beyond their noise.
    """
    times = echoes.times
    members = np.flatnonzero(echoes.inside)
    members = members[:: max(1, members.size // _SAMPLE)]
    phi = echoes.angle.reshape(times.size, -1)[:, members].astype(np.float64)
    weight = echoes.magnitude.reshape(times.size, -1)[:, members].astype(np.float64) ** 2
    intercept, variance, chi2 = _free_line(phi, weight, times)
    sd = _noise(echoes, weight, chi2)
    if times.size == 1 or not phase0_known:
        return Fit(sd, float('inf'), _STEPS[fit])
    if phase0_sd == 0:
        phase0_sd = _excess_sd(intercept, sd**2 * variance)
    return Fit(sd, phase0_sd, _STEPS[fit])


def _noise(echoes: EchoBox, weight: NDArray[np.float64], chi2: NDArray[np.float64]) -> float:
    """Noise of the magnitude, from the fit's residuals; of one or two echoes from detail."""
    freedom = echoes.times.size - 2
    if freedom > 0:
        # the median of chi^2 with n degrees of freedom is 2 P^-1(n / 2, 1 / 2); it forgives voxels
        # whose phase is no line
        sd = float(np.sqrt(np.median(chi2) / special.gammaincinv(freedom / 2, 0.5) / 2))
    else:
        sd = magnitude_noise(echoes.magnitude[0], echoes.inside)
    # without noise (simulations) a thousandth of the signal, so that nothing divides by zero
    return sd if sd > 0 else 1e-3 * float(np.sqrt(np.mean(weight[0]))) or 1.0


def _excess_sd(values: NDArray[np.float64], variance: NDArray[np.float64]) -> float:
    """Spread that, added to each value's own variance, explains the median absolute value."""
    low, high = _PHASE0_SD
    # bisection of the logarithm; half of |N(0, 1)| lies above .6745
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
    # normal equations of phi_0 + w t
    s0, s1, s2 = weight.sum(0), times @ weight, times**2 @ weight
    y0, y1 = (weight * phi).sum(0), times @ (weight * phi)
    determinant = np.maximum(s0 * s2 - s1**2, 1e-30)
    intercept, rate = (s2 * y0 - s1 * y1) / determinant, (s0 * y1 - s1 * y0) / determinant
    residual = wrap(phi - intercept - rate * times[:, None])
    # a late echo that is a wrap off is no noise
    return intercept, s2 / determinant, (weight * residual**2).sum(0)


def fit_rate(echoes: EchoBox, known: Fit) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Growth of phase with time and its standard deviation, rad/s, zero outside the mask.

    Parameters
    ----------
    echoes
        Unwrapped phase and magnitude. With one echo the growth is phase / TE and holds the
        unknown phase at time zero.
    known
        What `scan_noise` found.

    Notes
    -----
    Linear: minimises sum_e (m_e / s)^2 (phi_e - phi_0 - w t_e)^2 + (phi_0 / sd)^2 in closed form:
    phase noise is s / m_e. The prior spans the two usual fits: sd = 0 is a line through the
    origin, sd = infinity a free intercept. Non-linear (Liu et al. 2013, doi 10.1002/mrm.24272):
    from there, Gauss-Newton on sum_e |m_e exp(i phi_e) - m_e exp(i (phi_0 + w t_e))|^2 / s^2.
    From three echoes on, each voxel's noise also follows its own residuals; where they are far
    more than the noise explains, its last echoes are left out.
    """
    inside = echoes.inside
    rate, sd = np.zeros(inside.shape, np.float32), np.zeros(inside.shape, np.float32)
    # (s / sd)^2: the prior as one more echo at time zero, in squared magnitude
    prior = (known.noise_sd / known.phase0_sd) ** 2 if known.phase0_sd > 0 else 1e30
    echoes.planes(lambda first, last: _fit(
        echoes.angle, echoes.magnitude, echoes.times, inside, prior, known.noise_sd**2,
        known.steps, _WORTH, _CONTRADICT, rate, sd, first, last,
    ))  # fmt: skip
    return rate, sd


@numba.njit(cache=True, nogil=True)
def _fit(angle, magnitude, times, inside, prior, noise, steps, worth, most, rate, sd, first, last):
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
                    # an echo without signal keeps a trace, so that no determinant is zero
                    weight[e] = max(float(magnitude[e, i, j, k]) ** 2, 1e-6 * noise)
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
    # normal equations of phi_0 + w t; `prior` is one more echo, of phase 0 at time 0
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
        # the field moves by less than a thousandth of the spread of the echoes' phases
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
