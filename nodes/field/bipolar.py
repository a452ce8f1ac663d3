"""Phase that alternates from echo to echo, as a bipolar readout leaves it."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NigraError
from ..parallel import run, slabs
from ..volumes import bounding_box, check_echoes, echo_volumes
from .phase import difference_phase, subtract
from .unwrap import nearest

BIPOLAR = ('auto', 'on', 'off')
_LEAST_RISE = 0.1


def remove_alternation(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    echo_times: ArrayLike,
    mask: NDArray[np.bool_],
    *,
    bipolar: str = 'auto',
    nthreads: int = 1,
) -> tuple[NDArray[np.float32], tuple[float, float, float, float]]:
    """Subtract what every second echo has more than the others, linear along the readout.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo).
    magnitude
        Magnitude, same shape.
    echo_times
        Echo times, s, rising.
    mask
        Where it is estimated and subtracted.
    bipolar
        `on`, `off`, or `auto`: only where the alternating part rises by more than 0.1 rad over
        the mask along some axis, which noise and anatomy do not.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        Wrapped phase, float32; and what was subtracted from the second, fourth, ... echo: its
        value at the first voxel, rad, and its slopes along the axes, rad a voxel; all zero where
        nothing was.

    Raises
    ------
    NigraError
        Shapes or echo times do not fit, `bipolar` is unknown, or it is `on` with less than three
        echoes.

    Notes
    -----
    After Eckstein et al. 2018 (doi 10.1002/mrm.26963): gradients of alternating polarity shift
    every second echo in k-space, a phase that is linear along the readout. Of three echoes a, b, c
    with a and c of one polarity, b - a - (t_b - t_a) / (t_c - t_a) (c - a) is free of field and
    offset. The readout is the axis along which that rises most.
    """
    times = check_echoes(phase, magnitude, echo_times, mask)
    check_bipolar(bipolar, times.size)
    out = phase.astype(np.float32)
    box = bounding_box(mask)
    inside = np.ascontiguousarray(mask[box])
    angle, size = echo_volumes(out, box, nthreads), echo_volumes(magnitude, box, nthreads)
    constant, slope = alternation(angle, size, times, inside, bipolar, nthreads)
    if constant or slope.any():
        subtract_plane(angle, inside, constant, slope, nthreads)
        for echo in range(1, times.size, 2):
            out[box][..., echo][inside] = angle[echo][inside]
        constant -= float(sum(s * b.start for s, b in zip(slope, box, strict=True)))
    return out, (constant, float(slope[0]), float(slope[1]), float(slope[2]))


def check_bipolar(bipolar: str, echoes: int) -> None:
    """Raise where the setting is unknown or cannot be met."""
    if bipolar not in BIPOLAR:
        raise NigraError(f"bipolar must be 'auto', 'on' or 'off', got '{bipolar}'")
    if bipolar == 'on' and echoes < 3:
        raise NigraError(f'a bipolar readout is corrected from at least 3 echoes, got {echoes}')


def alternation(
    angle: NDArray[np.float32],
    size: NDArray[np.float32],
    times: NDArray[np.float64],
    inside: NDArray[np.bool_],
    bipolar: str,
    nthreads: int = 1,
) -> tuple[float, NDArray[np.float32]]:
    """Constant and slopes (rad a voxel) of the alternating phase; zero where there is none."""
    none = np.zeros(3, np.float32)
    if bipolar == 'off' or times.size < 3:
        return 0.0, none
    ratio = float((times[1] - times[0]) / (times[2] - times[0]))
    rises = _mean_rises(angle, size, inside, ratio, nthreads)
    extent = [np.ptp(np.flatnonzero(inside.any(axis=tuple(b for b in range(3) if b != a))))
              for a in range(3)]  # fmt: skip
    total = np.abs(rises) * np.array(extent)
    readout = int(np.argmax(total))
    if bipolar == 'auto' and total[readout] < _LEAST_RISE:
        return 0.0, none
    slope = none.copy()
    slope[readout] = rises[readout]
    return _refined(angle, size, times, inside, slope, readout, nthreads)


def _refined(
    angle: NDArray[np.float32],
    size: NDArray[np.float32],
    times: NDArray[np.float64],
    inside: NDArray[np.bool_],
    slope: NDArray[np.float32],
    readout: int,
    nthreads: int,
) -> tuple[float, NDArray[np.float32]]:
    """Least-squares line through the alternating phase along the readout, from its rough slope."""
    grown = difference_phase(angle[:3], size[:3], times[:3], inside, (0, 2), nthreads)
    where = np.flatnonzero(inside)
    where = where[:: max(1, where.size // 300_000)]
    along = np.unravel_index(where, inside.shape)[readout].astype(np.float64)
    along -= (inside.shape[readout] - 1) / 2
    phi = angle.reshape(times.size, -1)[:, where].astype(np.float64)
    weight = size.reshape(times.size, -1)[:, where].astype(np.float64) ** 2
    ratio = (times - times[0]) / (times[2] - times[0])
    rest = phi - phi[0] - ratio[:, None] * grown.reshape(-1)[where]
    rest[1::2] -= slope[readout] * along
    turns, constant = _constant(np.sum(weight * np.exp(1j * rest), axis=1), ratio)
    rest = np.angle(np.exp(1j * (rest[1] - 2 * np.pi * turns * ratio[1] - constant)))
    weight = np.prod(weight[:3], axis=0) ** (1 / 3)
    for _ in range(3):  # a line through what is left; far outliers do not count
        good = weight * (np.abs(rest) < 1)
        middle = np.average(along, weights=good)
        step = np.sum(good * (along - middle) * rest) / np.sum(good * (along - middle) ** 2)
        level = np.average(rest, weights=good) - step * middle
        rest = rest - level - step * along
        constant += float(level)
        slope[readout] += np.float32(step)
    # so far from the middle of the box, now from its first voxel
    constant -= float(slope[readout]) * (inside.shape[readout] - 1) / 2
    return constant, slope


def _constant(
    pointers: NDArray[np.complex128], ratio: NDArray[np.float64], most: int = 3
) -> tuple[int, float]:
    """Whole turns of the unwrapped difference and the alternating constant that they leave.

    Turns of the difference between the first and third echo are parts of a turn in the others.
    Later echoes tell which are right; where they cannot (three echoes, or evenly spaced ones),
    the smallest constant is taken.
    """
    choices = []
    for n in range(-most, most + 1):
        turned = pointers * np.exp(-2j * np.pi * n * ratio)
        constant = float(np.angle(turned[1]))
        turned[1::2] *= np.exp(-1j * constant)
        choices.append((float(turned[3:].real.sum()), constant, n))
    best = max(choices)[0] - 0.05 * float(np.abs(pointers[3:]).sum()) - 1e-9
    _, constant, n = min((c for c in choices if c[0] >= best), key=lambda c: abs(c[1]))
    return n, constant


def subtract_plane(
    angle: NDArray[np.float32],
    inside: NDArray[np.bool_],
    constant: float,
    slope: NDArray[np.float32],
    nthreads: int = 1,
) -> None:
    """Take the alternating phase from every second echo (echo, x, y, z), in place."""
    lines = [s * np.arange(n) for s, n in zip(slope, inside.shape, strict=True)]
    plane = constant + lines[0][:, None, None] + lines[1][:, None] + lines[2]
    subtract(angle[1::2], plane.astype(np.float32), inside, nthreads)


def _mean_rises(
    angle: NDArray[np.float32],
    size: NDArray[np.float32],
    inside: NDArray[np.bool_],
    ratio: float,
    nthreads: int,
) -> NDArray[np.float32]:
    """Mean rise of the alternating phase along each axis, rad a voxel, without unwrapping."""
    sums = run(lambda s: _rise_sums(angle, size, inside, np.float32(ratio), s.start, s.stop),
               slabs(inside.shape[0]), nthreads)  # fmt: skip
    total = np.sum(sums, axis=0)
    return (total[:, 0] / np.maximum(total[:, 1], 1e-30)).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _rise_sums(angle, size, inside, ratio, first, last):
    nx, ny, nz = inside.shape
    out = np.zeros((3, 2))
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if not inside[i, j, k]:
                    continue
                for axis in range(3):
                    a = i + 1 if axis == 0 else i
                    b = j + 1 if axis == 1 else j
                    c = k + 1 if axis == 2 else k
                    if a >= nx or b >= ny or c >= nz or not inside[a, b, c]:
                        continue
                    base = angle[0, a, b, c] - angle[0, i, j, k]
                    to_second = nearest(angle[1, a, b, c] - angle[1, i, j, k] - base)
                    to_third = nearest(angle[2, a, b, c] - angle[2, i, j, k] - base)
                    if abs(to_third) > 2:
                        continue  # close to a wrap
                    rise = nearest(to_second - ratio * to_third)
                    weight = min(size[2, i, j, k], size[2, a, b, c])
                    out[axis, 0] += weight * rise
                    out[axis, 1] += weight
    return out
