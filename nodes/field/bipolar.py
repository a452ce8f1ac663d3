"""Phase that alternates from echo to echo, as a bipolar readout leaves it."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import check_choice
from .echo_box import EchoBox, subtract
from .in_time import LEAST_GAIN, MOST_WRAPS
from .unwrap import difference_phase
from .wraps import wrapped

_BIPOLAR = ('auto', 'on', 'off')
_LEAST_RISE = 0.1
"""Rise over the mask, rad, from which `auto` corrects: monopolar scans stay below .02.

Measured on the tests' head at SNR 20 and on a real crop at 7 T."""
_SAMPLE = 300_000
"""Voxels through which the line is fitted."""
_NEAR_WRAP = 2.0
"""Jump between neighbours, rad, from which a part of it could be off by a part of a wrap."""
_OUTLIER = 1.0
"""Distance from the line, rad, beyond which a voxel does not count."""


def remove_alternation(
    echoes: EchoBox, bipolar: str = 'auto'
) -> tuple[float, NDArray[np.float32]]:
    """Subtract what every second echo has more than the others, linear along the readout.

    Parameters
    ----------
    echoes
        Wrapped phase, changed in place.
    bipolar
        `on`, `off`, or `auto`: only where the alternating part rises by more than 0.1 rad over
        the mask along some axis, which noise and anatomy do not.

    Returns
    -------
    tuple
        What was subtracted from the second, fourth, ... echo: its value at the first voxel of
        the box, rad, and its slopes along the axes, rad a voxel; all zero where nothing was.

    Raises
    ------
    NigraError
        `bipolar` is unknown, or it is `on` with less than three echoes.

    Notes
    -----
    After Eckstein et al. 2018 (doi 10.1002/mrm.26963): gradients of alternating polarity shift
    every second echo in k-space, a phase that is linear along the readout. Of three echoes a, b, c
    with a and c of one polarity, b - a - (t_b - t_a) / (t_c - t_a) (c - a) is free of field and
    offset. The readout is the axis along which that rises most.
    """
    check_bipolar(bipolar, echoes.times.size)
    constant, slope = _alternation(echoes, bipolar)
    if constant or slope.any():
        lines = [s * np.arange(n) for s, n in zip(slope, echoes.inside.shape, strict=True)]
        plane = constant + lines[0][:, None, None] + lines[1][:, None] + lines[2]
        subtract(echoes, plane.astype(np.float32), slice(1, None, 2))
    return constant, slope


def alternating_rise(echoes: EchoBox, slope: NDArray[np.float32]) -> float:
    """What an alternating phase of these slopes (rad a voxel) adds up to over the mask, rad."""
    return float((np.abs(slope) * _extent(echoes)).max())


def check_bipolar(bipolar: str, echoes: int | None = None) -> None:
    """Raise where the setting is unknown or, where the echoes are known, cannot be met."""
    check_choice(_BIPOLAR, bipolar=bipolar)
    if bipolar == 'on' and echoes is not None and echoes < 3:
        raise NigraError(f'a bipolar readout is corrected from at least 3 echoes, got {echoes}')


def _alternation(echoes: EchoBox, bipolar: str) -> tuple[float, NDArray[np.float32]]:
    """Constant and slopes (rad a voxel) of the alternating phase; zero where there is none."""
    none = np.zeros(3, np.float32)
    times = echoes.times
    if bipolar == 'off' or times.size < 3:
        return 0.0, none
    ratio = float((times[1] - times[0]) / (times[2] - times[0]))
    rises = _mean_rises(echoes, ratio)
    total = np.abs(rises) * _extent(echoes)
    readout = int(np.argmax(total))
    if bipolar == 'auto' and total[readout] < _LEAST_RISE:
        return 0.0, none
    slope = none.copy()
    slope[readout] = rises[readout]
    return _refined(echoes, slope, readout)


def _extent(echoes: EchoBox) -> NDArray[np.int64]:
    """Steps from one end of the mask to the other along each axis."""
    lines = (echoes.inside.any(axis=tuple(b for b in range(3) if b != a)) for a in range(3))
    return np.array([np.ptp(np.flatnonzero(line)) for line in lines])


def _refined(
    echoes: EchoBox, slope: NDArray[np.float32], readout: int
) -> tuple[float, NDArray[np.float32]]:
    """Least-squares line through the alternating phase along the readout, from its rough slope."""
    times, inside = echoes.times, echoes.inside
    grown = difference_phase(echoes.first(3), (0, 2))
    where = np.flatnonzero(inside)
    where = where[:: max(1, where.size // _SAMPLE)]
    along = np.unravel_index(where, inside.shape)[readout].astype(np.float64)
    # from the middle of the box, so that slope and constant hardly depend on each other
    along -= (inside.shape[readout] - 1) / 2
    phi = echoes.angle.reshape(times.size, -1)[:, where].astype(np.float64)
    weight = echoes.magnitude.reshape(times.size, -1)[:, where].astype(np.float64) ** 2
    # what each echo has beyond the field that the first and third, of one polarity, tell
    ratio = (times - times[0]) / (times[2] - times[0])
    rest = phi - phi[0] - ratio[:, None] * grown.reshape(-1)[where]
    rest[1::2] -= slope[readout] * along
    wraps, constant = _constant(np.sum(weight * np.exp(1j * rest), axis=1), ratio)
    rest = np.angle(np.exp(1j * (rest[1] - 2 * np.pi * wraps * ratio[1] - constant)))
    weight = np.prod(weight[:3], axis=0) ** (1 / 3)
    for level, step in _line_steps(along, rest, weight):
        constant += level
        slope[readout] += np.float32(step)
    # so far from the middle of the box, now from its first voxel
    constant -= float(slope[readout]) * (inside.shape[readout] - 1) / 2
    return constant, slope


def _line_steps(
    along: NDArray[np.float64], rest: NDArray[np.float64], weight: NDArray[np.float64]
) -> Iterator[tuple[float, float]]:
    """Level and slope of a weighted line through what is left; then of what that leaves."""
    # three rounds: the first takes the line near, the next drop what lies far from it
    for _ in range(3):
        good = weight * (np.abs(rest) < _OUTLIER)
        middle = np.average(along, weights=good)
        step = np.sum(good * (along - middle) * rest) / np.sum(good * (along - middle) ** 2)
        level = np.average(rest, weights=good) - step * middle
        rest = rest - level - step * along
        yield float(level), float(step)


def _constant(pointers: NDArray[np.complex128], ratio: NDArray[np.float64]) -> tuple[int, float]:
    """Wraps of the unwrapped difference and the alternating constant that they leave.

    Wraps of the difference between the first and third echo are parts of a wrap in the others.
    Later echoes tell which are right; where they cannot (three echoes, or evenly spaced ones),
    the smallest constant is taken.
    """
    choices = []
    for n in range(-MOST_WRAPS, MOST_WRAPS + 1):
        turned = pointers * np.exp(-2j * np.pi * n * ratio)
        constant = float(np.angle(turned[1]))
        # the constant that the second echo shows must suit the fourth, sixth, ... too
        turned[1::2] *= np.exp(-1j * constant)
        choices.append((float(turned[3:].real.sum()), constant, n))
    best = max(choices)[0] - LEAST_GAIN * float(np.abs(pointers[3:]).sum()) - 1e-9
    _, constant, n = min((c for c in choices if c[0] >= best), key=lambda c: abs(c[1]))
    return n, constant


def _mean_rises(echoes: EchoBox, ratio: float) -> NDArray[np.float32]:
    """Mean rise of the alternating phase along each axis, rad a voxel, without unwrapping."""
    sums = echoes.planes(lambda first, last: _rise_sums(
        echoes.angle, echoes.magnitude, echoes.inside, np.float32(ratio), first, last
    ))  # fmt: skip
    total = np.sum(sums, axis=0)
    return (total[:, 0] / np.maximum(total[:, 1], 1e-30)).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _rise_sums(angle, magnitude, inside, ratio, first, last):
    """Sums of weighted rises and of weights over the edges along each axis."""
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
                    # rise of b - a - ratio (c - a) from this voxel to the next
                    base = angle[0, a, b, c] - angle[0, i, j, k]
                    to_second = wrapped(angle[1, a, b, c] - angle[1, i, j, k] - base)
                    to_third = wrapped(angle[2, a, b, c] - angle[2, i, j, k] - base)
                    if abs(to_third) > _NEAR_WRAP:
                        continue
                    rise = wrapped(to_second - ratio * to_third)
                    weight = min(magnitude[2, i, j, k], magnitude[2, a, b, c])
                    out[axis, 0] += weight * rise
                    out[axis, 1] += weight
    return out
