"""Wrapped phase to unwrapped phase, along paths of best quality (ROMEO)."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from .echo_box import EchoBox
from .edges import edge_costs
from .growing import grow
from .in_time import align_parts, echo_chain, follow_echoes, settle_wraps
from .wraps import wrapped

_FAR_ECHO = 3.001
"""Second echo over first beyond which the second is the template; 3 and a rounding error."""


def choose_template(
    times: NDArray[np.float64], template: int = 0, *, removed: bool = False
) -> int:
    """Index of the echo that is unwrapped in space: the one asked for, or the best.

    Parameters
    ----------
    times
        Echo times, s.
    template
        Echo counted from 1; 0 takes the best.
    removed
        Whether the phase at time zero has been taken out.

    Raises
    ------
    NigraError
        There is no such echo.

    Notes
    -----
    The earlier, the fewer wraps there are; but what is left of the phase at time zero, and noise,
    grow with the way in time to the next echo. So the first echo is taken only where the offset
    has been `removed` and the second echo comes within three times its time.

    Examples
    --------
    >>> choose_template(np.array([0.004, 0.01, 0.016]), removed=True)
    0
    >>> choose_template(np.array([0.004, 0.01, 0.016]))
    1
    """
    if template == 0:
        return int(times.size > 1 and not (removed and times[1] <= _FAR_ECHO * times[0]))
    if not 1 <= template <= times.size:
        raise NigraError(
            f'template must be 0 (the best) or an echo from 1 to {times.size}, got {template}'
        )
    return template - 1


def unwrap_romeo(echoes: EchoBox, template: int, *, individual: bool = False) -> None:
    """Unwrap by region growing over the best edges first, in place; zero outside the mask.

    Parameters
    ----------
    echoes
        Wrapped phase; for several echoes the part that does not grow with echo time should have
        been removed (`offsets.remove_offsets`). It changes by multiples of 2 pi.
    template
        Echo that is unwrapped in space (`choose_template`); the others follow in time.
    individual
        Unwrap every echo in space, each along its own paths, instead of one only.

    Notes
    -----
    Dymerska et al. 2021 (doi 10.1002/mrm.28563). Each connected part of the mask is grown on its
    own and shifted by whole wraps so that its median lies nearest to zero, or by up to three more
    where the other echoes agree better with those. Every other echo takes the wrap that brings it
    nearest to the line through the origin that fits the echoes unwrapped before it (from the
    template down to the first, then up to the last); unwrapped in space, it takes one wrap for
    each connected part instead.
    """
    angle, times, inside = echoes.angle, echoes.times, echoes.inside
    # in this order also where each is grown: costs of an echo ask the echo before
    for echo in range(times.size) if individual else (template,):
        grown = grow(angle[echo], inside, edge_costs(echoes, echo))
        if echo == template:
            parts = grown
    if times.size == 1:
        return
    steps = echo_chain(times.size, template)
    others = [int(e) for e in steps[1:]]
    # the median chose the wraps of a part; the other echoes know better where they can
    settle_wraps(angle[template], echoes, parts, times / times[template], others)
    if not individual:
        follow_echoes(echoes, steps)
        return
    # each echo's parts were centred on their own; the line through those done puts them right
    for done, echo in enumerate(others, 1):
        align_parts(echoes, parts, steps[:done], echo)
    echoes.planes(lambda first, last: _clear_outside(angle, inside, first, last))


@numba.njit(cache=True, nogil=True)
def _clear_outside(angle, inside, first, last):
    for e in range(angle.shape[0]):
        for i in range(first, last):
            for j in range(inside.shape[1]):
                for k in range(inside.shape[2]):
                    if not inside[i, j, k]:
                        angle[e, i, j, k] = 0


def difference_phase(echoes: EchoBox, pair: tuple[int, int]) -> NDArray[np.float32]:
    """Unwrapped phase that grew between two echoes, (x, y, z); the others settle its wraps.

    It has no offset, and grows over a shorter time than an echo: it wraps least.
    """
    first, second = pair
    gap = echoes.times[second] - echoes.times[first]
    grown, strength = np.empty_like(echoes.angle[0]), np.empty_like(echoes.angle[0])
    angle, magnitude = echoes.angle, echoes.magnitude
    echoes.planes(lambda start, stop: _difference(
        angle[first], angle[second], magnitude[first], magnitude[second], grown, strength,
        start, stop,
    ))  # fmt: skip
    costs = edge_costs(echoes.as_one_echo(grown, strength, gap), 0)
    parts = grow(grown, echoes.inside, costs)
    others = [e for e in range(echoes.times.size) if e not in pair]
    ratios = (echoes.times - echoes.times[first]) / gap
    settle_wraps(grown, echoes, parts, ratios, others, base=first)
    return grown


@numba.njit(cache=True, nogil=True)
def _difference(phase, phase1, magnitude, magnitude1, grown, strength, first, last):
    """Angle and root of the magnitude of the Hermitian inner product S2 conj(S1)."""
    for i in range(first, last):
        for j in range(phase.shape[1]):
            for k in range(phase.shape[2]):
                grown[i, j, k] = wrapped(phase1[i, j, k] - phase[i, j, k])
                strength[i, j, k] = np.sqrt(magnitude[i, j, k] * magnitude1[i, j, k])
