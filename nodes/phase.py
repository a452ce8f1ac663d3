"""Stored phase to radians, and the part of the phase that does not grow with echo time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import NigraError
from .fft import crop_to_mask, irfftn, rfftn
from .grid import Grid
from .kernels import gaussian_kernel
from .unwrap import TWO_PI, check_echoes, unwrap_romeo

_DEGREES = {'deg', 'degree', 'degrees'}
_NEGATIVE_SHARE = 0.05
_RADIANS = {'rad', 'radian', 'radians'}


def to_radians(
    stored: NDArray[Any], *, units: str | None = None, full_turn: float | None = None
) -> tuple[NDArray[np.float32], str]:
    """Stored phase values as radians.

    Parameters
    ----------
    stored
        Phase as read from the file, any shape; NaN and infinity stay as NaN.
    units
        What the sidecar's `Units` says: `rad`, `deg` or `arbitrary`; None where it is silent.
    full_turn
        Stored difference that makes 2 pi, where known; overrides the rule below.

    Returns
    -------
    tuple
        Phase, rad, float32; and one sentence that says what was done.

    Raises
    ------
    NigraError
        The phase is constant, has no finite value or spans more than a hundred turns, or `units`
        is unknown.

    Notes
    -----
    `rad` and `deg` are believed. Otherwise, with lowest and highest stored value a and b:

    1. -pi to pi or 0 to 2 pi (to 2 per cent) is radians already;
    2. integers whose number of steps is within 2 per cent of a power of two of at least 64, such
       as -4096..4094 by twos or 0..4095, fill that many steps a turn (scanners quantise so);
       integers within -180..180 or 0..360 that reach 98 per cent of it are degrees;
    3. anything else fills one turn: 2 pi (v - a) / (b - a) - pi, or 2 pi v / (b - a) where zero
       is the middle.
    """
    values = np.asarray(stored)
    finite = np.isfinite(values)
    if not finite.any():
        raise NigraError('the phase has no finite value')
    low, high = float(values[finite].min()), float(values[finite].max())
    if low == high:
        raise NigraError(f'the phase is constant ({low:g}); give the phase image')
    known = None if units is None else units.strip().lower()
    if known not in _RADIANS | _DEGREES | {None, 'arbitrary', 'n/a', ''}:
        raise NigraError(f"phase Units must be 'rad', 'deg' or 'arbitrary', got '{units}'")
    if full_turn is not None:
        turn, note = float(full_turn), f'scaled so that {full_turn:g} is one turn'
    elif known in _RADIANS:
        turn, note = TWO_PI, 'already in radians'
    elif known in _DEGREES:
        turn, note = 360.0, 'converted from degrees'
    else:
        turn, note = _guess_turn(values, finite, low, high)
    centre = 0.0 if turn == TWO_PI and low < 0 else _centre(low, high, turn)
    out = ((values.astype(np.float64) - centre) * (TWO_PI / turn)).astype(np.float32)
    out[~finite] = np.nan
    reach = (high - low) / turn
    if reach > 100:
        raise NigraError(
            f"the phase spans {reach:.0f} turns as '{units}'; if it is in scanner units, set "
            "Units to 'arbitrary'"
        )
    if reach > 1.05:
        note += f'; it spans {reach:.1f} turns, so it may have been unwrapped before'
    elif reach < 0.1:
        note += f'; it spans only {reach:.2g} of a turn, so its units may be wrong'
    return out, f'Phase {note} (stored {low:g} to {high:g}).'


def _centre(low: float, high: float, turn: float) -> float:
    """Stored value that becomes zero: 0 for symmetric ranges, half a turn for 0..turn."""
    return turn / 2 if low >= 0 and high > 0.6 * turn else 0.0 if low < 0 else low + turn / 2


def _guess_turn(
    values: NDArray[Any], finite: NDArray[np.bool_], low: float, high: float
) -> tuple[float, str]:
    span = high - low
    if abs(span - TWO_PI) < 0.02 * TWO_PI and (abs(low) < 0.1 or abs(low + high) < 0.1):
        return TWO_PI, 'already in radians'
    sample = values[finite]
    sample = sample[:: max(1, sample.size // 200_000)].astype(np.float64)
    if np.array_equal(sample, np.rint(sample)):
        if abs(span - 360) <= 7 and high <= 360 and low >= -180:
            return 360.0, 'converted from degrees'
        step = _step(sample)
        steps = span / step + 1
        power = 2.0 ** np.round(np.log2(steps))
        if power >= 64 and abs(steps / power - 1) < 0.02:
            return power * step, f'scaled from {int(power)} integer steps a turn'
        return span + step, f'scaled so that its whole range of {span + step:g} is one turn'
    return span, f'scaled so that its whole range of {span:g} is one turn'


def _step(sample: NDArray[np.float64]) -> float:
    """Greatest common distance of integer values."""
    distances = np.diff(np.unique(sample)).astype(np.int64)
    return float(np.gcd.reduce(distances))


def looks_swapped(phase: NDArray[Any], magnitude: NDArray[Any]) -> bool:
    """Whether an image given as magnitude is the phase and the other the magnitude.

    Parameters
    ----------
    phase, magnitude
        As stored, same shape, not scaled.

    Returns
    -------
    bool
        True where more than 5 per cent of the `magnitude` is negative (interpolation and filters
        leave a few), or where neighbours differ by more than 0.8 of its range (wraps) far more
        often than in `phase`; zeros (masked background) do not count.
    """
    if np.nanmin(phase) == np.nanmax(phase):
        return False  # constant: another mistake, told elsewhere
    negative = np.count_nonzero(magnitude < 0)
    if negative > _NEGATIVE_SHARE * np.count_nonzero(magnitude):
        return True
    wraps_here, wraps_there = _wrap_share(magnitude), _wrap_share(phase)
    return wraps_here > 2e-3 and wraps_here > 4 * wraps_there


def _wrap_share(image: NDArray[Any]) -> float:
    """Share of neighbours along the first axis that differ by more than 0.8 of the range."""
    values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
    span = float(values.max() - values.min())
    if span == 0:
        return 0.0
    there = values != 0
    steep = np.abs(np.diff(values, axis=0)) > 0.8 * span
    return float(np.mean(steep & there[1:] & there[:-1]))


def remove_offsets(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    echo_times: ArrayLike,
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    sigma: float = 7.0,
    nthreads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Subtract the phase at echo time zero, estimated from the first two echoes.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo).
    magnitude
        Magnitude, same shape.
    echo_times
        Echo times, s, rising.
    mask
        Where the offset is estimated; outside, its smooth continuation is used.
    grid
        Geometry of one echo.
    sigma
        Standard deviation of the Gaussian that smooths the offset, mm.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        Wrapped phase without the offset; and the offset, rad, (x, y, z). With one echo the phase
        is returned unchanged and the offset is zero: it cannot be known.

    Notes
    -----
    MCPC-3D-S, Eckstein et al. 2018 (doi 10.1002/mrm.26963): the phase difference of two echoes,
    unwrapped and scaled, extrapolates the first echo to time zero; what is left there is smooth
    (coils, eddy currents), so it is smoothed as a complex number, weighted with the magnitude.
    """
    times = check_echoes(phase, magnitude, echo_times, mask)
    if times.size < 2:
        return phase.astype(np.float32), np.zeros(phase.shape[:3], np.float32)
    first, second = phase[..., 0], phase[..., 1]
    difference = _wrapped(second - first)
    strength = np.sqrt(magnitude[..., 0] * magnitude[..., 1]).astype(np.float32)
    gap = times[1] - times[0]
    unwrapped = unwrap_romeo(
        difference[..., None], strength[..., None], [gap], mask, nthreads=nthreads
    )[..., 0]
    raw = first - np.float32(times[0] / gap) * unwrapped
    offset = _smooth_angle(raw, strength**2, mask, grid, sigma, nthreads)
    out = np.empty(phase.shape, np.float32)
    for echo in range(times.size):
        out[..., echo] = _wrapped(phase[..., echo] - offset)
    return out, offset


def _wrapped(angle: NDArray[Any]) -> NDArray[np.float32]:
    turns = np.rint(angle * np.float32(1 / TWO_PI))
    return (angle - np.float32(TWO_PI) * turns).astype(np.float32)


def _smooth_angle(
    angle: NDArray[Any],
    weight: NDArray[np.float32],
    mask: NDArray[np.bool_],
    grid: Grid,
    sigma: float,
    nthreads: int,
) -> NDArray[np.float32]:
    """Angle of the weighted complex mean under a Gaussian."""
    weight = np.where(mask, np.minimum(weight, np.percentile(weight[mask], 90)), 0)
    weight = weight.astype(np.float32)
    # a slope would be flattened where the mask ends, so it is taken out and put back
    slope = _mean_slope(angle, weight)
    angle = angle - slope
    crop = crop_to_mask(np.ones(grid.shape, bool), grid, margin=2 * sigma)
    kernel = gaussian_kernel(crop.grid, sigma)
    parts = []
    for component in (np.sin, np.cos):
        image = crop.take(np.where(mask, weight * component(angle), 0), np.float32)
        spectrum = rfftn(image, nthreads=nthreads)
        spectrum *= kernel
        parts.append(crop.put(irfftn(spectrum, image, nthreads=nthreads)))
    return _wrapped(np.arctan2(parts[0], parts[1]) + slope)


def _mean_slope(angle: NDArray[Any], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Plane with the weighted mean slope of an angle along each axis, rad, (x, y, z)."""
    plane = np.zeros(angle.shape, np.float32)
    for axis, length in enumerate(angle.shape):
        if length < 2:
            continue
        shared = np.minimum(np.delete(weight, 0, axis), np.delete(weight, -1, axis))
        rise = np.diff(angle, axis=axis)
        mean = np.sum(shared * np.exp(1j * rise), dtype=np.complex128)
        steps = np.arange(length, dtype=np.float32) - np.float32(length / 2)
        shape = [-1 if a == axis else 1 for a in range(3)]
        plane += (np.angle(mean) * steps).astype(np.float32).reshape(shape)
    return plane
