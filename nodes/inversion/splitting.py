"""What schemes of alternating directions share: the shrinkage of edges, and when to stop.

They split min data(x) + lambda |w E x|_(2,1) into z = E x with multiplier u (scaled, as in Boyd et
al. 2011, doi 10.1561/2200000016), E the forward differences per mm, w the cost of each edge and
mu the penalty on |z - E x|^2. `DifferenceSplitting` does so for |E x|_1, which adds up the
absolute differences along the three axes in place of the edges' lengths.
"""

from __future__ import annotations

import numpy as np

from ..grid import Grid
from ..numerics.stencils import (
    adjoint_gradient,
    adjoint_of_reflected,
    edge_scales,
    reciprocal_steps,
    update_differences,
    update_edges,
)
from ..parallel import Sweep
from .problem import Image

_STEPS = 6
"""Steps below which small changes mean nothing: until the multipliers have grown to the shrinkage
the map may hardly move. By eye; 1 to 10 give the same maps by `rts` and `hdqsm` with their
defaults (iso-3T and iso-1.5T of `benchmarks/phantoms.py`)."""


class EdgeSplitting:
    """The z and u subproblems, both held in one vector field p = E x + u.

    Parameters
    ----------
    grid
        Geometry of the box.
    costs
        w, the cost of each voxel's edge, (x, y, z).
    limit
        Threshold of the shrinkage, lambda / mu.
    nthreads
        Threads; the result does not depend on them.
    relaxation
        r E x + (1 - r) z stands for E x in both subproblems (over-relaxation, Eckstein &
        Bertsekas 1992, doi 10.1007/BF01581204).

    Notes
    -----
    The shrinkage is z = p - proj(p) and the new multiplier u = proj(p), proj onto the ball of
    radius lambda w / mu (Moreau), so that p is all that has to be kept.
    """

    def __init__(
        self, grid: Grid, costs: Image, limit: np.float32, nthreads: int, relaxation: float = 1.0
    ) -> None:
        self.costs, self.limit, self.relaxation = costs, limit, np.float32(relaxation)
        self.steps = reciprocal_steps(grid.voxel_size)
        self._paces = self.relaxation * self.steps
        self.sweep = Sweep(grid.shape[0], nthreads)
        self.dual = np.zeros((3, *grid.shape), np.float32)

    def update(self, x: Image, scales: Image, out: Image) -> None:
        """Solve for z and u at the map x; write E^H(z - u) into `out`.

        `scales` is overwritten; it may be x itself.
        """
        # p <- r E x + (1 - r) z + u, with u = proj(p) and z = p - u of the step before
        self.sweep(
            update_edges, x, self.dual, self.costs, self._paces, self.limit, self.relaxation
        )
        # z - u = p - 2 proj(p) = scales * p
        self.sweep(edge_scales, self.dual, self.costs, self.limit, scales)
        self.sweep(adjoint_gradient, self.dual, scales, self.steps, out)


class DifferenceSplitting:
    """The same where each difference is shrunk by itself and every edge costs 1.

    Parameters as in `EdgeSplitting`, which explains p.
    """

    def __init__(self, grid: Grid, limit: np.float32, nthreads: int) -> None:
        self.limit, self.steps = limit, reciprocal_steps(grid.voxel_size)
        self.sweep = Sweep(grid.shape[0], nthreads)
        self.dual = np.zeros((3, *grid.shape), np.float32)

    def restart(self) -> None:
        """Forget the multipliers."""
        self.dual[...] = 0

    def update(self, x: Image, out: Image) -> None:
        """Solve for z and u at the map x; write E^H(z - u) into `out`."""
        self.sweep(update_differences, x, self.dual, self.steps, self.limit)
        self.sweep(adjoint_of_reflected, self.dual, self.limit, self.steps, out)


def relative_change(new: Image, old: Image) -> float:
    """Norm of the difference over the norm of the new image."""
    return float(np.linalg.norm(new - old) / max(float(np.linalg.norm(new)), 1e-30))


def settled(step: int, new: Image, old: Image, tolerance: float) -> bool:
    """Whether a scheme may stop after its step number `step`, from 1."""
    return step >= _STEPS and relative_change(new, old) < tolerance
