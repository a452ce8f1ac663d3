"""Unwrapping in space: regions grow over the cheapest edges first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from .wraps import TWO_PI

_SAMPLE = 100_000
"""Voxels from which the median of a part is taken; it decides between whole wraps only."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Connected parts of a mask.

    Attributes
    ----------
    order
        Voxels of the mask (flat indices), part after part.
    starts
        Where each part starts in that list, ended by its length.
    """

    order: NDArray[np.int32]
    starts: NDArray[np.int64]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        """Voxels of one part after the other."""
        for start, stop in itertools.pairwise(self.starts):
            yield self.order[start:stop]


def grow(phase: NDArray[np.float32], inside: NDArray[np.bool_], costs: NDArray[np.uint8]) -> Parts:
    """Unwrap one contiguous volume in space, in place; zero outside the mask.

    Each connected part is shifted by whole wraps so that its median lies nearest to zero.
    """
    order = np.empty(int(np.count_nonzero(inside)), np.int32)
    values = phase.reshape(-1)
    parts = Parts(order, _grow_regions(values, inside, costs.reshape(-1), order))
    for members in parts:
        # the seed's wrap was arbitrary; the median of a field is near that of its wrapped phase
        sample = members[:: max(1, members.size // _SAMPLE)]
        wraps = np.rint(np.median(values[sample]) / TWO_PI)
        if wraps:
            values[members] -= np.float32(TWO_PI * wraps)
    return parts


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
                    used, unused, lowest = _push_way(
                        price, far + stride, 2 * axis, best, pool, following, heads,
                        used, unused, lowest,
                    )  # fmt: skip
                before = far - stride
                price = cost[3 * before + axis] if before >= 0 else np.uint8(0)
                if price != 0 and price < best[before]:
                    used, unused, lowest = _push_way(
                        price, before, 2 * axis + 1, best, pool, following, heads,
                        used, unused, lowest,
                    )  # fmt: skip
            near, far, used, lowest = _pop_way(best, pool, following, heads, strides, used, lowest)
            if far >= 0:
                # the new voxel takes the wrap that brings it within pi of where the way came from
                wraps = np.rint((flat[near] - flat[far]) * np.float32(0.5 / np.pi))
                flat[far] += np.float32(2 * np.pi) * wraps
        starts.append(count)
    return np.array(starts)


@numba.njit(cache=True, nogil=True, inline='always')
def _push_way(price, target, way, best, pool, following, heads, used, unused, lowest):
    """Queue a way to a voxel; returns the first free places of the pool and the lowest cost."""
    if used >= 0:
        place, used = used, np.int64(following[used])
    else:
        place, unused = unused, unused + 1
    best[target] = price
    pool[place] = 6 * target + way
    # the newest way of a cost goes first: growth stays local, and so does memory access
    following[place] = heads[price]
    heads[price] = place
    return used, unused, min(lowest, np.int64(price))


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
        # a cheaper way has been here since this one was queued
        if best[target] == 0:
            continue
        way = pool[place] - 6 * target
        stride = strides[0] if way < 2 else strides[1] if way < 4 else 1
        return (target + stride if way % 2 else target - stride), target, used, lowest
    return -1, -1, used, lowest
