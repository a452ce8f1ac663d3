"""Wrapped phase to unwrapped phase, along paths of best quality (ROMEO)."""

from __future__ import annotations

import itertools
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import NigraError
from .parallel import run, slabs

TWO_PI = 2 * np.pi


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
    own and shifted by whole turns so that its median lies nearest to zero; every other echo
    takes the turn that brings it nearest to its unwrapped neighbour echo scaled by echo time.
    """
    times = check_echoes(phase, magnitude, echo_times, mask)
    if template is None:
        template = min(1, times.size - 1)
    if not 0 <= template < times.size:
        raise NigraError(f'template must be an echo from 0 to {times.size - 1}, got {template}')
    out = np.zeros(phase.shape, np.float32)
    first = _grow(phase, magnitude, times, mask, template, nthreads)
    out[..., template] = first
    chain = [(e, e - 1) for e in range(template + 1, times.size)]
    chain += [(e, e + 1) for e in range(template - 1, -1, -1)]
    for echo, neighbour in chain:
        expected = out[..., neighbour] * np.float32(times[echo] / times[neighbour])
        wrapped = np.where(mask, phase[..., echo], 0).astype(np.float32)
        turns = np.rint((expected - wrapped) / np.float32(TWO_PI))
        out[..., echo] = np.where(mask, wrapped + np.float32(TWO_PI) * turns, 0)
    return out


def check_echoes(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    echo_times: ArrayLike,
    mask: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Echo times as an array, after checking that four-dimensional data fit them and the mask."""
    times = np.atleast_1d(np.asarray(echo_times, float))
    if phase.ndim != 4 or phase.shape != magnitude.shape:
        raise NigraError(
            f'phase and magnitude must share a shape (x, y, z, echo), got {phase.shape} and '
            f'{magnitude.shape}'
        )
    if times.shape != (phase.shape[3],):
        raise NigraError(f'{phase.shape[3]} echoes but {times.size} echo times')
    if not (np.all(np.isfinite(times)) and times[0] > 0 and np.all(np.diff(times) > 0)):
        raise NigraError(f'echo_times must be positive and rise, got {times.tolist()}')
    if mask.shape != phase.shape[:3]:
        raise NigraError(f'mask has shape {mask.shape} but the phase {phase.shape}')
    if not mask.any():
        raise NigraError('the mask is empty; check the brain mask and the signal')
    return times


def _grow(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    times: NDArray[np.float64],
    mask: NDArray[np.bool_],
    template: int,
    nthreads: int,
) -> NDArray[np.float32]:
    """Unwrap one echo in space, inside the mask's bounding box."""
    box = bounding_box(mask)
    inside = np.ascontiguousarray(mask[box])
    wrapped = np.ascontiguousarray(phase[box][..., template], dtype=np.float32)
    costs = edge_costs(phase[box], magnitude[box], times, inside, template, nthreads=nthreads)
    out = np.where(inside, wrapped, 0).astype(np.float32)
    parts = np.zeros(inside.shape, np.int32)
    count = _grow_regions(out, inside, costs, parts)
    _centre_parts(out, parts, count)
    full = np.zeros(mask.shape, np.float32)
    full[box] = out
    return full


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Smallest box that holds a mask which is not empty.

    Examples
    --------
    >>> bounding_box(np.ones((1, 2, 3), bool))
    (slice(0, 1, None), slice(0, 2, None), slice(0, 3, None))
    """
    box = []
    for axis in range(3):
        used = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return box[0], box[1], box[2]


def edge_costs(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    times: NDArray[np.float64],
    mask: NDArray[np.bool_],
    template: int,
    *,
    nthreads: int = 1,
) -> NDArray[np.uint8]:
    """Cost of each edge to the next voxel along every axis: 1 is best, 255 worst, 0 no edge.

    Parameters
    ----------
    phase, magnitude
        (x, y, z, echo), rad and arbitrary units.
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
        (3, x, y, z), uint8.
    """
    other = template - 1 if template > 0 else min(1, times.size - 1)
    first = np.ascontiguousarray(phase[..., template], dtype=np.float32)
    size = np.ascontiguousarray(magnitude[..., template], dtype=np.float32)
    second = first if other == template else np.ascontiguousarray(phase[..., other], np.float32)
    ratio = 0.0 if other == template else float(times[template] / times[other])
    bright = float(np.percentile(size[mask], 95)) or 1.0
    costs = np.zeros((3, *first.shape), np.uint8)
    run(lambda s: _edge_costs(first, second, size, mask, np.float32(ratio), np.float32(bright),
                              costs, s.start, s.stop),
        slabs(first.shape[0]), nthreads)  # fmt: skip
    return costs


@numba.njit(cache=True, nogil=True, inline='always')
def _nearest(angle):
    """Angle brought into [-pi, pi]."""
    return angle - np.float32(2 * np.pi) * np.rint(angle * np.float32(0.5 / np.pi))


@numba.njit(cache=True, nogil=True)
def _edge_costs(phase, other, magnitude, mask, ratio, bright, costs, first, last):
    nx, ny, nz = phase.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if not mask[i, j, k]:
                    continue
                for axis in range(3):
                    a = i + 1 if axis == 0 else i
                    b = j + 1 if axis == 1 else j
                    c = k + 1 if axis == 2 else k
                    if a >= nx or b >= ny or c >= nz or not mask[a, b, c]:
                        continue
                    jump = _nearest(phase[a, b, c] - phase[i, j, k])
                    # coherence in space
                    weight = 1 - abs(jump) * np.float32(1 / np.pi)
                    if ratio > 0:
                        # coherence in time: the jump scales with echo time
                        expected = ratio * _nearest(other[a, b, c] - other[i, j, k])
                        gap = abs(_nearest(jump - expected)) * np.float32(1 / np.pi)
                        weight *= np.float32(0.1) + np.float32(0.9) * (1 - gap)
                    # similar and sufficient magnitude
                    m, n = magnitude[i, j, k], magnitude[a, b, c]
                    low, high = min(m, n), max(m, n)
                    share = low / high if high > 0 else np.float32(0)
                    weight *= np.float32(0.1) + np.float32(0.9) * share * share
                    strength = min(np.float32(1), low / (np.float32(0.5) * bright))
                    weight *= np.float32(0.5) + np.float32(0.5) * strength
                    cost = 255 - int(np.rint(254 * weight))
                    costs[axis, i, j, k] = min(255, max(1, cost))


@numba.njit(cache=True, nogil=True)
def _grow_regions(phase, mask, costs, parts):
    """Unwrap in place; number the connected parts from 1 and return how many there are.

    The queue is 256 stacks of edges, one for each cost, linked through `following`; the cheapest
    stack that is not empty gives the next edge.
    """
    nx, ny, nz = phase.shape
    size = nx * ny * nz
    following = np.full(3 * size, -1, np.int32)
    heads = np.full(256, -1, np.int32)
    state = (phase.reshape(-1), parts.reshape(-1), costs.reshape(-1))
    flat, part, cost = state
    inside = mask.reshape(-1)
    strides = (ny * nz, nz, 1)
    count = 0
    for seed in _seed_order(costs, mask):
        if part[seed] != 0 or not inside[seed]:
            continue
        count += 1
        part[seed] = count
        lowest = _push_edges(seed, part, cost, following, heads, strides, size, 256)
        while lowest < 256:
            edge = heads[lowest]
            if edge < 0:
                lowest += 1
                continue
            heads[lowest] = following[edge]
            axis = edge // size
            near = edge - axis * size
            far = near + strides[axis]
            if part[near] != 0 and part[far] != 0:
                continue
            if part[near] == 0:
                near, far = far, near
            turns = np.rint((flat[near] - flat[far]) * np.float32(0.5 / np.pi))
            flat[far] += np.float32(2 * np.pi) * turns
            part[far] = count
            lowest = _push_edges(far, part, cost, following, heads, strides, size, lowest)
    return count


@numba.njit(cache=True, nogil=True, inline='always')
def _push_edges(voxel, part, cost, following, heads, strides, size, lowest):
    """Queue the edges that leave a voxel for others not yet reached; the lowest cost queued."""
    for axis in range(3):
        for side in range(2):
            # costs are zero where the next voxel is outside the array or the mask
            start = voxel if side == 0 else voxel - strides[axis]
            if start < 0:
                continue
            price = cost[axis * size + start]
            other = voxel + strides[axis] if side == 0 else start
            if price == 0 or part[other] != 0:
                continue
            edge = axis * size + start
            following[edge] = heads[price]
            heads[price] = edge
            lowest = min(lowest, price)
    return lowest


@numba.njit(cache=True, nogil=True)
def _seed_order(costs, mask):
    """Voxels of the mask from the cheapest edges to the dearest, by counting sort."""
    _, nx, ny, nz = costs.shape
    size = nx * ny * nz
    flat, inside = costs.reshape(3, size), mask.reshape(-1)
    counts = np.zeros(769, np.int64)
    key = np.empty(size, np.int16)
    for v in range(size):
        total = 0
        for axis in range(3):
            total += flat[axis, v] if flat[axis, v] > 0 else 256
        key[v] = total
        if inside[v]:
            counts[total] += 1
    starts = np.cumsum(counts) - counts
    order = np.empty(counts.sum(), np.int32)
    for v in range(size):
        if inside[v]:
            order[starts[key[v]]] = v
            starts[key[v]] += 1
    return order


def _centre_parts(phase: NDArray[np.float32], parts: NDArray[np.int32], count: int) -> None:
    """Shift each part by whole turns so that its median lies nearest to zero, in place."""
    index = np.flatnonzero(parts)
    labels = parts.ravel()[index]
    order = np.argsort(labels, kind='stable')
    values = phase.ravel()
    edges = np.searchsorted(labels[order], np.arange(1, count + 2))
    for start, stop in itertools.pairwise(edges):
        members = index[order[start:stop]]
        turns = np.rint(np.median(values[members]) / TWO_PI)
        if turns:
            values[members] -= np.float32(TWO_PI * turns)
