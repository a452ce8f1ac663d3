"""Stored phase to radians, and the part of the phase that does not grow with echo time."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..errors import NigraError
from ..grid import Grid
from ..parallel import run, slabs
from ..volumes import bounding_box, check_echoes, echo_volumes
from .unwrap import TWO_PI, edge_costs, grow, nearest, settle_turns

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
    wraps_here, wraps_there = _wrap_fraction(magnitude), _wrap_fraction(phase)
    return wraps_here > 2e-3 and wraps_here > 4 * wraps_there


def _wrap_fraction(image: NDArray[Any]) -> float:
    """Fraction of neighbours along the first axis that differ by more than 0.8 of the range."""
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
    sigma: float = 5.0,
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
        Where the offset is estimated and subtracted.
    grid
        Geometry of one echo.
    sigma
        Standard deviation of the Gaussian that smooths the offset, mm.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        Wrapped phase without the offset, float32; and the offset, rad, (x, y, z), zero outside
        the mask. With one echo the phase is returned unchanged and the offset is zero: it cannot
        be known.

    Raises
    ------
    NigraError
        Shapes or echo times do not fit, or `sigma` is not positive.

    Notes
    -----
    MCPC-3D-S, Eckstein et al. 2018 (doi 10.1002/mrm.26963): the phase difference of two echoes,
    unwrapped and scaled, extrapolates the first echo to time zero; what is left there is smooth
    (coils, eddy currents), so it is smoothed as a complex number, weighted with the magnitude.
    """
    times = check_echoes(phase, magnitude, echo_times, mask)
    check_sigma(sigma)
    out, offset = phase.astype(np.float32), np.zeros(phase.shape[:3], np.float32)
    if times.size < 2:
        return out, offset
    box = bounding_box(mask)
    inside = np.ascontiguousarray(mask[box])
    angle, size = echo_volumes(phase, box, nthreads), echo_volumes(magnitude, box, nthreads)
    offset[box] = offset_volume(angle, size, times, inside, grid.voxel_size, sigma, nthreads)
    subtract(angle, offset[box], inside, nthreads)
    for echo in range(times.size):
        out[box][..., echo][inside] = angle[echo][inside]
    return out, offset


def check_sigma(sigma: float) -> None:
    """Raise where the width of the offset's Gaussian is not a positive length."""
    if not (np.isfinite(sigma) and sigma > 0):
        raise NigraError(f'the width of the phase offset must be positive, mm, got {sigma}')


def offset_volume(
    angle: NDArray[np.float32],
    size: NDArray[np.float32],
    times: NDArray[np.float64],
    inside: NDArray[np.bool_],
    voxel_size: tuple[float, float, float],
    sigma: float,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """Phase at echo time zero of contiguous volumes (echo, x, y, z), zero outside the mask."""
    grown = difference_phase(angle, size, times, inside, (0, 1), nthreads)
    gap = times[1] - times[0]
    raw = np.empty_like(grown)
    weight = np.empty_like(grown)
    run(lambda s: _to_time_zero(angle[0], grown, size[0], size[1], np.float32(times[0] / gap),
                                inside, raw, weight, s.start, s.stop),
        slabs(inside.shape[0]), nthreads)  # fmt: skip
    return _smooth_angle(raw, weight, inside, voxel_size, sigma, nthreads)


def difference_phase(
    angle: NDArray[np.float32],
    size: NDArray[np.float32],
    times: NDArray[np.float64],
    inside: NDArray[np.bool_],
    pair: tuple[int, int],
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """Unwrapped phase that grew between two echoes; its whole turns agree with the others."""
    first, second = pair
    gap = times[second] - times[first]
    grown, strength = np.empty_like(angle[0]), np.empty_like(angle[0])
    run(lambda s: _difference(angle[first], angle[second], size[first], size[second], grown,
                              strength, s.start, s.stop),
        slabs(inside.shape[0]), nthreads)  # fmt: skip
    costs = edge_costs(grown[None], strength[None], np.array([gap]), inside, 0, nthreads=nthreads)
    order, starts = grow(grown, inside, costs)
    others = [e for e in range(times.size) if e not in pair]
    ratios = (times - times[first]) / gap
    settle_turns(grown, angle, size, ratios, others, order, starts, base=first)
    return grown


@numba.njit(cache=True, nogil=True)
def _difference(phase, phase1, size, size1, grown, strength, first, last):
    for i in range(first, last):
        for j in range(phase.shape[1]):
            for k in range(phase.shape[2]):
                grown[i, j, k] = nearest(phase1[i, j, k] - phase[i, j, k])
                strength[i, j, k] = np.sqrt(size[i, j, k] * size1[i, j, k])


@numba.njit(cache=True, nogil=True)
def _to_time_zero(phase, grown, size, size1, ratio, inside, raw, weight, first, last):
    for i in range(first, last):
        for j in range(phase.shape[1]):
            for k in range(phase.shape[2]):
                raw[i, j, k] = phase[i, j, k] - ratio * grown[i, j, k]
                product = size[i, j, k] * size1[i, j, k]
                weight[i, j, k] = product if inside[i, j, k] else np.float32(0)


def subtract(
    angle: NDArray[np.float32],
    offset: NDArray[np.float32],
    inside: NDArray[np.bool_],
    nthreads: int = 1,
) -> None:
    """Take an offset from every echo (echo, x, y, z) and wrap, in place, in the mask."""
    run(lambda s: _subtract(angle, offset, inside, s.start, s.stop), slabs(inside.shape[0]),
        nthreads)  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _subtract(angle, offset, inside, first, last):
    for e in range(angle.shape[0]):
        for i in range(first, last):
            for j in range(inside.shape[1]):
                for k in range(inside.shape[2]):
                    if inside[i, j, k]:
                        angle[e, i, j, k] = nearest(angle[e, i, j, k] - offset[i, j, k])


def _smooth_angle(
    angle: NDArray[np.float32],
    weight: NDArray[np.float32],
    inside: NDArray[np.bool_],
    voxel_size: tuple[float, float, float],
    sigma: float,
    nthreads: int,
) -> NDArray[np.float32]:
    """Angle of the weighted complex mean under a Gaussian, in the mask.

    Means over blocks of at most half of sigma are smoothed and interpolated: nothing finer
    survives the Gaussian.
    """
    bright = weight[inside]
    limit = np.float32(np.percentile(bright[:: max(1, bright.size // 200_000)], 90))
    # a slope would be flattened where the mask ends, so it is taken out and put back
    slope = mean_slopes(angle, weight, nthreads)
    block = np.array([max(1, int(sigma / (2 * h))) for h in voxel_size])
    coarse_shape = tuple(-(-n // b) for n, b in zip(angle.shape, block, strict=True))
    coarse = np.zeros((2, *coarse_shape), np.float32)
    run(lambda s: _block_sums(angle, weight, limit, slope, block, coarse, s.start, s.stop),
        slabs(coarse_shape[0]), nthreads)  # fmt: skip
    width = [sigma / (h * b) for h, b in zip(voxel_size, block, strict=True)]
    for part in coarse:
        ndimage.gaussian_filter(part, width, output=part, mode='constant', truncate=3.5)
    out = np.zeros(angle.shape, np.float32)
    run(lambda s: _fine_angle(coarse, slope, block, inside, out, s.start, s.stop),
        slabs(angle.shape[0]), nthreads)  # fmt: skip
    return out


def mean_slopes(
    angle: NDArray[np.float32], weight: NDArray[np.float32], nthreads: int = 1
) -> NDArray[np.float32]:
    """Weighted mean slope of an angle along each axis, rad a voxel."""
    sums = run(lambda s: _slope_sums(angle, weight, s.start, s.stop), slabs(angle.shape[0]),
               nthreads)  # fmt: skip
    total = np.sum(sums, axis=0)
    return np.arctan2(total[:, 1], total[:, 0]).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _slope_sums(angle, weight, first, last):
    """Sums of w exp(i rise) over the edges along each axis: (axis, real and imaginary)."""
    nx, ny, nz = angle.shape
    out = np.zeros((3, 2))
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                w = weight[i, j, k]
                if w == 0:
                    continue
                for axis in range(3):
                    a = i + 1 if axis == 0 else i
                    b = j + 1 if axis == 1 else j
                    c = k + 1 if axis == 2 else k
                    if a >= nx or b >= ny or c >= nz or weight[a, b, c] == 0:
                        continue
                    shared = min(w, weight[a, b, c])
                    rise = angle[a, b, c] - angle[i, j, k]
                    out[axis, 0] += shared * np.cos(rise)
                    out[axis, 1] += shared * np.sin(rise)
    return out


@numba.njit(cache=True, nogil=True)
def _block_sums(angle, weight, limit, slope, block, coarse, first, last):
    nx, ny, nz = angle.shape
    for i in range(first * block[0], min(nx, last * block[0])):
        for j in range(ny):
            for k in range(nz):
                w = min(limit, weight[i, j, k])
                if w > 0:
                    a = angle[i, j, k] - (slope[0] * i + slope[1] * j + slope[2] * k)
                    p, q, r = i // block[0], j // block[1], k // block[2]
                    coarse[0, p, q, r] += w * np.cos(a)
                    coarse[1, p, q, r] += w * np.sin(a)


@numba.njit(cache=True, nogil=True, inline='always')
def _between(n, block, length):
    """Coarse sample before a fine one, the sample after it, and the way between them."""
    at = (n + 0.5) / block - 0.5
    low = min(max(int(np.floor(at)), 0), length - 1)
    high = min(low + 1, length - 1)
    return low, high, np.float32(min(max(at - low, 0.0), 1.0))


@numba.njit(cache=True, nogil=True)
def _fine_angle(coarse, slope, block, inside, out, first, last):
    """Angle of the coarse complex image, interpolated linearly, with the slope put back."""
    _, cx, cy, cz = coarse.shape
    for i in range(first, last):
        i0, i1, u = _between(i, block[0], cx)
        for j in range(inside.shape[1]):
            j0, j1, v = _between(j, block[1], cy)
            for k in range(inside.shape[2]):
                if not inside[i, j, k]:
                    continue
                k0, k1, w = _between(k, block[2], cz)
                x = y = np.float32(0)
                for n in range(8):
                    a, f = (i1, u) if n & 4 else (i0, 1 - u)
                    b, g = (j1, v) if n & 2 else (j0, 1 - v)
                    c, h = (k1, w) if n & 1 else (k0, 1 - w)
                    x += f * g * h * coarse[0, a, b, c]
                    y += f * g * h * coarse[1, a, b, c]
                plane = slope[0] * i + slope[1] * j + slope[2] * k
                out[i, j, k] = nearest(np.float32(np.arctan2(y, x) + plane))
