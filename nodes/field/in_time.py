"""Wraps that the other echoes decide: steps from echo to echo, and alignment of whole parts."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from .echo_box import EchoBox
from .growing import Parts
from .wraps import TWO_PI

_SETTLE_FROM = 50
"""Least voxels of a part that is shifted: fewer are noise at the mask's rim (by eye)."""
MOST_WRAPS = 3
"""Wraps tried in either direction: a field constant of 3 / TE, 1.2 ppm at 3 T and 20 ms."""
_SAMPLE = 5_000
"""Voxels of a part that are asked: enough for a mean of unit vectors to 1.4 per cent."""
LEAST_GAIN = 0.05
"""Least gain of agreement, of all that is possible: evenly spaced echoes agree with any wrap."""


def echo_chain(echoes: int, template: int) -> NDArray[np.int64]:
    """Echoes in the order in which they are unwrapped: template, down, up.

    Examples
    --------
    >>> echo_chain(4, 1).tolist()
    [1, 0, 2, 3]
    """
    return np.array([template, *range(template - 1, -1, -1), *range(template + 1, echoes)])


def settle_wraps(
    grown: NDArray[np.float32],
    echoes: EchoBox,
    parts: Parts,
    ratios: NDArray[np.float64],
    others: list[int],
    *,
    base: int | None = None,
) -> None:
    """Shift each part by the wraps with which the other echoes agree best, in place.

    Nothing is shifted without need: not for small parts, nor where a wrap gains less than a
    twentieth of the possible agreement.

    Parameters
    ----------
    grown
        Unwrapped phase of one echo or between two, (x, y, z); overwritten.
    parts
        What `grow` returned for it.
    ratios
        Phase that each echo should have (beyond that of echo `base`), over `grown`.
    others
        Echoes asked.
    base
        Echo whose phase is taken from the others' first, if any.
    """
    if not others:
        return
    flat = grown.reshape(-1)
    # no wrap comes first and the small ones before the large: they win where agreement is equal
    wraps = np.array(sorted(range(-MOST_WRAPS, MOST_WRAPS + 1), key=abs))
    for members in parts:
        if members.size < _SETTLE_FROM:
            continue
        sample = members[:: max(1, members.size // _SAMPLE)]
        score, possible = np.zeros(wraps.size), 0.0
        for echo in others:
            pointer, most = _pointer(flat, echoes, sample, ratios[echo], echo, base)
            # wraps of `grown` turn what this echo has left by a known part of a wrap
            score += (pointer * np.exp(-2j * np.pi * ratios[echo] * wraps)).real
            possible += most
        best = int(np.argmax(score))
        if score[best] - score[0] > LEAST_GAIN * possible:
            flat[members] += np.float32(TWO_PI * wraps[best])


def _pointer(
    flat: NDArray[np.float32],
    echoes: EchoBox,
    sample: NDArray[np.int32],
    ratio: np.float64,
    echo: int,
    base: int | None,
) -> tuple[complex, float]:
    """Sum of unit vectors of what an echo has left, weighted by its power; and that power."""
    phi = echoes.angle.reshape(echoes.times.size, -1)
    rest = phi[echo, sample] - ratio * flat[sample]
    if base is not None:
        rest = rest - phi[base, sample]
    weight = echoes.magnitude.reshape(phi.shape)[echo, sample].astype(np.float64) ** 2
    return complex(np.sum(weight * np.exp(1j * rest))), float(weight.sum())


def follow_echoes(echoes: EchoBox, steps: NDArray[np.int64]) -> None:
    """Unwrap every voxel in time along `steps`, whose first echo is unwrapped; in place."""
    times = echoes.times.astype(np.float32)
    echoes.planes(lambda first, last: _follow_echoes(
        echoes.angle, echoes.magnitude, times, echoes.inside, steps, first, last
    ))  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _follow_echoes(angle, magnitude, times, inside, steps, first, last):
    echoes, _, ny, nz = angle.shape
    phi, weight = np.empty(echoes, np.float32), np.empty(echoes, np.float32)
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if not inside[i, j, k]:
                    angle[:, i, j, k] = 0
                    continue
                for e in range(echoes):
                    phi[e] = angle[e, i, j, k]
                    # phase noise is inverse to the magnitude
                    weight[e] = magnitude[e, i, j, k] ** 2
                _follow_in_time(phi, weight, times, steps)
                for e in range(echoes):
                    angle[e, i, j, k] = phi[e]


@numba.njit(cache=True, nogil=True, inline='always')
def _follow_in_time(phi, weight, times, steps):
    """Unwrap the echoes of one voxel after the first of `steps`, which is right; in place.

    Each echo goes to the line through the origin that fits those before it.
    """
    first = steps[0]
    along = weight[first] * times[first] * phi[first]
    square = weight[first] * times[first] * times[first]
    for n in range(1, steps.size):
        e = steps[n]
        # without signal so far the template alone gives the rate
        rate = along / square if square > 0 else phi[first] / times[first]
        wraps = np.rint((rate * times[e] - phi[e]) * np.float32(0.5 / np.pi))
        phi[e] += np.float32(2 * np.pi) * wraps
        along += weight[e] * times[e] * phi[e]
        square += weight[e] * times[e] * times[e]


def align_parts(echoes: EchoBox, parts: Parts, done: NDArray[np.int64], echo: int) -> None:
    """Shift an echo by whole wraps for each part, towards the line through the echoes `done`."""
    flat, times = echoes.angle.reshape(echoes.times.size, -1), echoes.times
    # least squares through the origin: w = sum t phi / sum t^2, here times the echo's own time
    slope = (times[done] / (times[done] ** 2).sum() * times[echo]).astype(np.float32)
    for members in parts:
        expected = np.einsum('e,ev->v', slope, flat[np.ix_(done, members)])
        wraps = np.rint(np.median(expected - flat[echo, members]) / TWO_PI)
        if wraps:
            flat[echo, members] += np.float32(TWO_PI * wraps)
