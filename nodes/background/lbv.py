"""Laplacian boundary value: the background solves Laplace's equation inside the mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..grid import Grid
from ..numerics.multigrid import Box, Multigrid, interior, laplacian
from ..parallel import Progress
from .frame import Image, Mask, Stop, check, field_in_box
from .solver import image_conjugate_gradients


def lbv(
    totalfield: NDArray[Any],
    mask: Mask,
    grid: Grid,
    *,
    peel: int = 1,
    iterations: int = 30,
    tolerance: float = 1e-4,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[Image, Mask]:
    """Laplacian boundary value method: harmonic inside, the total field on the boundary.

    Needs no ball to fit and no setting for the strength, but trusts the field on the boundary.

    Parameters
    ----------
    peel
        Layers of voxels that are taken off the mask first; where its rim is noisy, its rim makes
        a bad boundary.
    totalfield, mask, grid, iterations, tolerance, nthreads, progress
        As in `background.frame`, which also lists the errors.

    Returns
    -------
    tuple
        Local field, and its mask: `peel` layers smaller, and one more.

    Notes
    -----
    Zhou et al. 2014 (doi 10.1002/nbm.3064): the local field is neglected on the mask's outermost
    layer; inside, the background b has L b = 0, L the Laplacian, so u = f - b solves L u = L f
    with u = 0 on that layer. Conjugate gradients, preconditioned by a multigrid cycle.
    """
    stop = Stop(iterations, tolerance, progress)
    layers = ('peel', peel, peel >= 0 and float(peel).is_integer(), 'be a number of layers')
    check(totalfield, mask, grid, layers, *stop.settings)
    box = Box.around(mask)
    # the layer that the last `interior` takes off is the boundary, where u = 0
    inside = box.mask
    for _ in range(int(peel) + 1):
        inside = interior(inside)
    if not inside.any():
        raise NigraError(f'nothing is left of the mask after {int(peel) + 1} layers')
    local = _solve(
        field_in_box(totalfield, box), Multigrid(inside, grid.voxel_size, nthreads), stop
    )
    return box.put(local), box.put(inside)


def _solve(field: Image, multigrid: Multigrid, stop: Stop) -> Image:
    """Solve L u = L f, u = 0 outside."""
    stencils = multigrid.stencils
    # -L, the Laplacian's positive definite form, in the rows of voxels inside
    minus, weights = -multigrid.inside, multigrid.weights

    def apply(u: Image, out: Image) -> None:
        stencils.sweep(laplacian, u, minus, weights, out)

    right = np.zeros_like(field)
    # of f on all of the mask: this is how the boundary's values come in
    apply(field, right)
    return image_conjugate_gradients(
        apply,
        right,
        stop,
        dot=stencils.dot,
        precondition=multigrid,
        by_residual=True,
        nthreads=stencils.nthreads,
    )
