"""Wrapped phase to unwrapped phase, along paths of best quality (ROMEO)."""

from __future__ import annotations

import itertools
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NigraError
from ..parallel import run, slabs
from ..volumes import bounding_box, check_echoes, echo_volumes

TWO_PI = 2 * np.pi
_FAR_ECHO = 3.001
_SETTLE_FROM = 50


def wrap(phase: NDArray[Any]) -> NDArray[Any]:
    """Phase brought into [-pi, pi] by whole turns; the array's dtype is kept.

    Examples
    --------
    >>> float(np.round(wrap(np.array([3.5])), 4)[0])
    -2.7832
    """
    turns = np.rint(phase / TWO_PI).astype(phase.dtype)
    return phase - phase.dtype.type(TWO_PI) * turns


def unwrap_romeo(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    echo_times: ArrayLike,
    mask: NDArray[np.bool_],
    *,
    template: int | None = None,
    individual: bool = False,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """Unwrap by region growing over the best edges first.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo); for several echoes the part that does not grow with
        echo time should have been removed (`phase.remove_offsets`).
    magnitude
        Magnitude, same shape.
    echo_times
        Echo times, s, rising.
    mask
        Voxels to unwrap; the result is zero elsewhere.
    template
        Echo that is unwrapped in space; the others follow in time. Default: the second of
        several echoes, which has both signal and contrast.
    individual
        Unwrap every echo in space, each along its own paths, instead of one only.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Unwrapped phase, rad, float32; differs from `phase` by multiples of 2 pi in the mask.

    Raises
    ------
    NigraError
        Shapes or echo times do not fit.

    Notes
    -----
    Dymerska et al. 2021 (doi 10.1002/mrm.28563). Each connected part of the mask is grown on its
    own and shifted by whole turns so that its median lies nearest to zero, or by up to three more
    where the other echoes agree better with those. Every other echo takes the turn that brings it
    nearest to the line through the origin that fits the echoes unwrapped before it (from the
    template down to the first, then up to the last); unwrapped in space, it takes one turn for
    each connected part instead.
    """
    times = check_echoes(phase, magnitude, echo_times, mask)
    first = choose_template(times, template)
    box = bounding_box(mask)
    inside = np.ascontiguousarray(mask[box])
    angle, size = echo_volumes(phase, box, nthreads), echo_volumes(magnitude, box, nthreads)
    unwrap_volumes(angle, size, times, inside, first, individual=individual, nthreads=nthreads)
    out = np.zeros(phase.shape, np.float32)
    for echo in range(times.size):
        out[box][..., echo] = angle[echo]
    return out


def choose_template(
    times: NDArray[np.float64], template: int | None, *, removed: bool = False
) -> int:
    """Echo that is unwrapped in space: the one asked for, or the best.

    The earlier, the fewer wraps there are; but what is left of the phase at time zero, and noise,
    grow with the way in time to the next echo. So the first echo is taken only where the offset
    has been `removed` and the second echo comes within three times its time.

    Examples
    --------
    >>> choose_template(np.array([0.004, 0.01, 0.016]), None, removed=True)
    0
    >>> choose_template(np.array([0.004, 0.01, 0.016]), None)
    1
    """
    if template is None:
        return int(times.size > 1 and not (removed and times[1] <= _FAR_ECHO * times[0]))
    if not 0 <= template < times.size:
        raise NigraError(f'template must be an echo from 0 to {times.size - 1}, got {template}')
    return template


def unwrap_volumes(
    angle: NDArray[np.float32],
    size: NDArray[np.float32],
    times: NDArray[np.float64],
    inside: NDArray[np.bool_],
    template: int,
    *,
    individual: bool = False,
    nthreads: int = 1,
) -> None:
    """Unwrap contiguous volumes (echo, x, y, z) in place; zero outside the mask."""
    segments = None
    for echo in range(times.size) if individual else (template,):
        costs = edge_costs(angle, size, times, inside, echo, nthreads=nthreads)
        parts = grow(angle[echo], inside, costs)
        segments = parts if echo == template else segments
    if times.size == 1:
        return
    assert segments is not None
    order, starts = segments
    steps = chain(times.size, template)
    ratios, others = times / times[template], [int(e) for e in steps[1:]]
    settle_turns(angle[template], angle, size, ratios, others, order, starts)
    if individual:
        for done, echo in enumerate(steps[1:], 1):
            _align_parts(angle, times, order, starts, steps[:done], echo)
        run(lambda s: _clear_outside(angle, inside, s.start, s.stop), slabs(inside.shape[0]),
            nthreads)  # fmt: skip
        return
    run(lambda s: _unwrap_in_time(angle, size, times.astype(np.float32), inside, steps, s.start,
                                  s.stop),
        slabs(inside.shape[0]), nthreads)  # fmt: skip


def chain(echoes: int, template: int) -> NDArray[np.int64]:
    """Echoes in the order in which they are unwrapped: template, down, up.

    Examples
    --------
    >>> chain(4, 1).tolist()
    [1, 0, 2, 3]
    """
    return np.array([template, *range(template - 1, -1, -1), *range(template + 1, echoes)])


def grow(
    phase: NDArray[np.float32], inside: NDArray[np.bool_], costs: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Unwrap one contiguous volume in space, in place.

    Returns
    -------
    tuple
        Voxels of the mask (flat indices), connected part after connected part; and where each
        part starts in that list, ended by its length.
    """
    order = np.empty(int(np.count_nonzero(inside)), np.int32)
    starts = _grow_regions(phase.reshape(-1), inside, costs.reshape(-1), order)
    values = phase.reshape(-1)
    for start, stop in itertools.pairwise(starts):
        members = order[start:stop]
        sample = members[:: max(1, members.size // 100_000)]
        turns = np.rint(np.median(values[sample]) / TWO_PI)
        if turns:
            values[members] -= np.float32(TWO_PI * turns)
    return order, starts


def settle_turns(
    grown: NDArray[np.float32],
    angle: NDArray[np.float32],
    size: NDArray[np.float32],
    ratios: NDArray[np.float64],
    others: list[int],
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    *,
    base: int | None = None,
    most: int = 3,
) -> None:
    """Shift each part by the whole turns with which the other echoes agree best, in place.

    Parameters
    ----------
    grown
        Unwrapped phase of one echo or between two, (x, y, z); overwritten.
    angle, size
        Phase and magnitude, (echo, x, y, z).
    ratios
        Phase that each echo should have (beyond that of echo `base`), over `grown`.
    others
        Echoes asked.
    order, starts
        Parts, as `grow` returns them.
    base
        Echo whose phase is taken from the others' first, if any.
    most
        Most turns tried in either direction.

    Notes
    -----
    Nothing is shifted without need: not for small parts, nor where a turn gains less than a
    twentieth of the possible agreement (evenly spaced echoes agree with any turn alike).
    """
    flat, phi, m = grown.reshape(-1), angle.reshape(ratios.size, -1), size.reshape(ratios.size, -1)
    turns = np.array(sorted(range(-most, most + 1), key=abs))
    for start, stop in itertools.pairwise(starts):
        members = order[start:stop]
        if members.size < _SETTLE_FROM or not others:
            continue
        sample = members[:: max(1, members.size // 5000)]
        score, possible = np.zeros(turns.size), 0.0
        for echo in others:
            rest = phi[echo, sample] - ratios[echo] * flat[sample]
            weight = m[echo, sample].astype(np.float64) ** 2
            if base is not None:
                rest = rest - phi[base, sample]
            pointer = np.sum(weight * np.exp(1j * rest))
            score += (pointer * np.exp(-2j * np.pi * ratios[echo] * turns)).real
            possible += float(weight.sum())
        best = int(np.argmax(score))
        if score[best] - score[0] > 0.05 * possible:
            flat[members] += np.float32(TWO_PI * turns[best])


def edge_costs(
    phase: NDArray[np.float32],
    magnitude: NDArray[np.float32],
    times: NDArray[np.float64],
    mask: NDArray[np.bool_],
    template: int,
    *,
    nthreads: int = 1,
) -> NDArray[np.uint8]:
    """Cost of each edge to the next voxel along every axis: 1 is best, 254 worst, 0 no edge.

    Parameters
    ----------
    phase, magnitude
        Contiguous volumes, (echo, x, y, z), rad and arbitrary units, float32.
    times
        Echo times, s.
    mask
        Edges need both ends in it.
    template
        Echo to judge; its neighbour echo judges coherence in time.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        (x, y, z, axis), uint8.
    """
    other = template - 1 if template > 0 else min(1, times.size - 1)
    ratio = 0.0 if other == template else float(times[template] / times[other])
    size = magnitude[template]
    bright = typical_bright(size, mask)
    costs = np.empty((*mask.shape, 3), np.uint8)
    run(lambda s: _edge_costs(phase[template], phase[other], size, mask, np.float32(ratio),
                              np.float32(2 / bright), costs, s.start, s.stop),
        slabs(mask.shape[0]), nthreads)  # fmt: skip
    return costs


def typical_bright(size: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """95th percentile of the magnitude, from at most some 200 000 voxels of the mask."""
    step = max(1, int(np.count_nonzero(mask)) // 200_000)
    return float(np.percentile(size[mask][::step], 95)) or 1.0


@numba.njit(cache=True, nogil=True, inline='always')
def nearest(angle):
    """Angle brought into [-pi, pi]."""
    return angle - np.float32(2 * np.pi) * np.rint(angle * np.float32(0.5 / np.pi))


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz', 'nnan', 'ninf'})
def _line_costs(p, p1, q, q1, m, m1, inside, inside1, ratio, scale, out):
    """Costs of the edges between two lines of voxels; branch-free, so that it vectorises."""
    tenth, rest, half = np.float32(0.1), np.float32(0.9), np.float32(0.5)
    one, per_pi = np.float32(1), np.float32(1 / np.pi)
    for k in range(out.size):
        # coherence in space
        jump = nearest(p1[k] - p[k])
        weight = one - abs(jump) * per_pi
        # coherence in time: the jump scales with echo time
        gap = abs(nearest(jump - ratio * nearest(q1[k] - q[k]))) * per_pi
        in_time = one - rest * gap
        weight *= in_time if ratio > 0 else one
        # similar and sufficient magnitude
        low, high = min(m[k], m1[k]), max(m[k], m1[k])
        fraction = low / max(high, np.float32(1e-20))
        weight *= tenth + rest * fraction * fraction
        weight *= half + half * min(one, low * scale)
        cost = np.float32(254) - np.rint(np.float32(253) * weight)
        there = np.float32(inside[k] & inside1[k])
        out[k] = np.uint8(np.int32(there * min(np.float32(254), max(one, cost))))


@numba.njit(cache=True, nogil=True)
def _edge_costs(phase, other, magnitude, mask, ratio, scale, costs, first, last):
    nx, ny, nz = phase.shape
    line = np.empty(nz, np.uint8)
    for i in range(first, last):
        for j in range(ny):
            costs[i, j] = 0
            if not mask[i, j].any():
                continue
            p, q, m, inside = phase[i, j], other[i, j], magnitude[i, j], mask[i, j]
            for axis in range(3):
                a = i + 1 if axis == 0 else i
                b = j + 1 if axis == 1 else j
                c = 1 if axis == 2 else 0
                if a >= nx or b >= ny or nz <= c:
                    continue
                _line_costs(p, phase[a, b, c:], q, other[a, b, c:], m, magnitude[a, b, c:],
                            inside, mask[a, b, c:], ratio, scale, line[: nz - c])  # fmt: skip
                for k in range(nz - c):
                    costs[i, j, k, axis] = line[k]


@numba.njit(cache=True, nogil=True)
def _grow_regions(flat, mask, cost, order):
    """Unwrap in place; list the voxels as they are reached and return where each part starts.

    The queue is 256 stacks of voxels to go to, one for each cost, as linked lists in a pool whose
    places are used again; the cheapest stack that is not empty gives the next voxel. A voxel is
    queued again only where a cheaper way to it turns up: `best` holds the cheapest so far, 0 where
    it has been reached. Way 2 a leads forth along axis a, way 2 a + 1 back; edge 3 v + a joins
    voxel v to the next.
    """
    _, ny, nz = mask.shape
    strides = (ny * nz, nz)
    inside = mask.reshape(-1)
    best = np.where(inside, np.uint8(255), np.uint8(0))
    # pages of the pool that are never reached take no memory
    pool, following = np.empty(3 * order.size, np.int32), np.empty(3 * order.size, np.int32)
    heads = np.full(256, -1, np.int32)
    used, unused = np.int64(-1), np.int64(0)  # first place to be used again, first never used
    starts = [np.int64(0)]
    count = 0
    for seed in range(flat.size):
        if not inside[seed]:
            flat[seed] = 0
            continue
        if best[seed] == 0:
            continue
        far = seed
        lowest = 256
        while far >= 0:
            best[far] = 0
            order[count] = far
            count += 1
            for axis in range(3):
                stride = strides[0] if axis == 0 else strides[1] if axis == 1 else 1
                # costs are zero where the next voxel is outside the array or the mask
                price = cost[3 * far + axis]
                if price != 0 and price < best[far + stride]:
                    place, used, unused = _place(used, unused, following)
                    best[far + stride] = price
                    pool[place] = 6 * (far + stride) + 2 * axis
                    following[place] = heads[price]
                    heads[price] = place
                    lowest = min(lowest, np.int64(price))
                before = far - stride
                price = cost[3 * before + axis] if before >= 0 else np.uint8(0)
                if price != 0 and price < best[before]:
                    place, used, unused = _place(used, unused, following)
                    best[before] = price
                    pool[place] = 6 * before + 2 * axis + 1
                    following[place] = heads[price]
                    heads[price] = place
                    lowest = min(lowest, np.int64(price))
            near, far, used, lowest = _pop_way(best, pool, following, heads, strides, used, lowest)
            if far >= 0:
                turns = np.rint((flat[near] - flat[far]) * np.float32(0.5 / np.pi))
                flat[far] += np.float32(2 * np.pi) * turns
        starts.append(count)
    return np.array(starts)


@numba.njit(cache=True, nogil=True, inline='always')
def _place(used, unused, following):
    """A free place of the pool, and the first free ones after it."""
    if used >= 0:
        return used, np.int64(following[used]), unused
    return unused, used, unused + 1


@numba.njit(cache=True, nogil=True, inline='always')
def _pop_way(best, pool, following, heads, strides, used, lowest):
    """Cheapest way to a voxel not yet reached: from, to (-1: none), freed place, its cost."""
    while lowest < 256:
        place = heads[lowest]
        if place < 0:
            lowest += 1
            continue
        heads[lowest] = following[place]
        following[place] = used
        used = np.int64(place)
        target = pool[place] // 6
        if best[target] == 0:
            continue
        way = pool[place] - 6 * target
        stride = strides[0] if way < 2 else strides[1] if way < 4 else 1
        return (target + stride if way % 2 else target - stride), target, used, lowest
    return -1, -1, used, lowest


@numba.njit(cache=True, nogil=True, inline='always')
def follow_in_time(phi, weight, times, steps):
    """Unwrap the echoes of one voxel after the first of `steps`, which is right; in place.

    Each echo goes to the line through the origin that fits those before it.
    """
    first = steps[0]
    along = weight[first] * times[first] * phi[first]
    square = weight[first] * times[first] * times[first]
    for n in range(1, steps.size):
        e = steps[n]
        rate = along / square if square > 0 else phi[first] / times[first]
        turns = np.rint((rate * times[e] - phi[e]) * np.float32(0.5 / np.pi))
        phi[e] += np.float32(2 * np.pi) * turns
        along += weight[e] * times[e] * phi[e]
        square += weight[e] * times[e] * times[e]


@numba.njit(cache=True, nogil=True)
def _unwrap_in_time(angle, size, times, inside, steps, first, last):
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
                    weight[e] = size[e, i, j, k] ** 2
                follow_in_time(phi, weight, times, steps)
                for e in range(echoes):
                    angle[e, i, j, k] = phi[e]


@numba.njit(cache=True, nogil=True)
def _clear_outside(angle, inside, first, last):
    for e in range(angle.shape[0]):
        for i in range(first, last):
            for j in range(inside.shape[1]):
                for k in range(inside.shape[2]):
                    if not inside[i, j, k]:
                        angle[e, i, j, k] = 0


def _align_parts(
    angle: NDArray[np.float32],
    times: NDArray[np.float64],
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    done: NDArray[np.int64],
    echo: int,
) -> None:
    """Shift an echo by one turn count for each part, towards the line through the others."""
    flat = angle.reshape(times.size, -1)
    slope = (times[done] / (times[done] ** 2).sum() * times[echo]).astype(np.float32)
    for start, stop in itertools.pairwise(starts):
        members = order[start:stop]
        expected = np.einsum('e,ev->v', slope, flat[np.ix_(done, members)])
        turns = np.rint(np.median(expected - flat[echo, members]) / TWO_PI)
        if turns:
            flat[echo, members] += np.float32(TWO_PI * turns)
