"""How far neighbouring voxels can be trusted to differ by less than half a wrap: ROMEO's weights.

Dymerska et al. 2021 (doi 10.1002/mrm.28563) weigh the edge between two voxels by a product of
factors from 0 (worst) to 1. Four of them are used here: spatial phase coherence, temporal phase
coherence, magnitude coherence and magnitude weight.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from .echo_box import EchoBox
from .wraps import wrapped

_SAMPLE = 200_000
"""Voxels from which a percentile is taken: its rank is right to .05 per cent."""


def edge_costs(echoes: EchoBox, echo: int) -> NDArray[np.uint8]:
    """Cost of each edge to the next voxel along every axis: 1 is best, 254 worst, 0 no edge.

    Parameters
    ----------
    echoes
        Wrapped phase and magnitude.
    echo
        Echo to judge; its neighbour echo judges coherence in time.

    Returns
    -------
    NDArray
        (x, y, z, axis), uint8; zero where either end lies outside the mask.
    """
    other = echo - 1 if echo > 0 else min(1, echoes.times.size - 1)
    # zero: there is no second echo, so no temporal coherence
    ratio = 0.0 if other == echo else float(echoes.times[echo] / echoes.times[other])
    magnitude, mask = echoes.magnitude[echo], echoes.inside
    phase, phase2 = echoes.angle[echo], echoes.angle[other]
    # the magnitude weight saturates at half of a bright voxel's magnitude
    per_half = np.float32(2 / _typical_bright(magnitude, mask))
    costs = np.empty((*mask.shape, 3), np.uint8)
    echoes.planes(lambda first, last: _edge_costs(
        phase, phase2, magnitude, mask, np.float32(ratio), per_half, costs, first, last
    ))  # fmt: skip
    return costs


def _typical_bright(magnitude: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """95th percentile of the magnitude: the maximum would be a vessel with inflow."""
    step = max(1, int(np.count_nonzero(mask)) // _SAMPLE)
    return float(np.percentile(magnitude[mask][::step], 95)) or 1.0


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz', 'nnan', 'ninf'})
def _line_costs(p, p1, q, q1, m, m1, inside, inside1, ratio, scale, out):
    """Costs of the edges between two lines of voxels; branch-free, so that it vectorises."""
    tenth, rest, half = np.float32(0.1), np.float32(0.9), np.float32(0.5)
    one, per_pi = np.float32(1), np.float32(1 / np.pi)
    for k in range(out.size):
        # spatial phase coherence: 1 - |gamma(phi_i - phi_j)| / pi
        jump = wrapped(p1[k] - p[k])
        weight = one - abs(jump) * per_pi
        # temporal phase coherence: the jump should scale with echo time. The factors from here
        # on end at a tenth, so that none alone makes an edge as bad as noise
        gap = abs(wrapped(jump - ratio * wrapped(q1[k] - q[k]))) * per_pi
        in_time = one - rest * gap
        weight *= in_time if ratio > 0 else one
        # magnitude coherence: (min M / max M)^2
        low, high = min(m[k], m1[k]), max(m[k], m1[k])
        fraction = low / max(high, np.float32(1e-20))
        weight *= tenth + rest * fraction * fraction
        # magnitude weight: the darker end against half of a bright voxel
        weight *= half + half * min(one, low * scale)
        # rescaled to whole numbers, as the queue of the growing needs them
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
                # the line of voxels that the edges along this axis lead to
                a = i + 1 if axis == 0 else i
                b = j + 1 if axis == 1 else j
                c = 1 if axis == 2 else 0
                if a >= nx or b >= ny or nz <= c:
                    continue
                _line_costs(p, phase[a, b, c:], q, other[a, b, c:], m, magnitude[a, b, c:],
                            inside, mask[a, b, c:], ratio, scale, line[: nz - c])  # fmt: skip
                for k in range(nz - c):
                    costs[i, j, k, axis] = line[k]


def mean_weight(echoes: EchoBox, costs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean weight of the edges of each voxel, from 0 to 1; zero where there is none."""
    out = np.zeros(echoes.inside.shape, np.float32)
    echoes.planes(lambda first, last: _mean_weight(costs, out, first, last))
    return out


@numba.njit(cache=True, nogil=True)
def _mean_weight(costs, out, first, last):
    _, ny, nz, _ = costs.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                total, count = 0, 0
                for axis in range(3):
                    a = i - 1 if axis == 0 else i
                    b = j - 1 if axis == 1 else j
                    c = k - 1 if axis == 2 else k
                    cost = int(costs[i, j, k, axis])
                    # the edge from the voxel before is kept with that voxel
                    before = int(costs[a, b, c, axis]) if min(a, b, c) >= 0 else 0
                    total += (254 - cost if cost else 0) + (254 - before if before else 0)
                    count += (1 if cost else 0) + (1 if before else 0)
                if count:
                    out[i, j, k] = np.float32(total) / np.float32(253 * count)
