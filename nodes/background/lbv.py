"""Laplacian boundary value: the background solves Laplace's equation inside the mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import check_field_map
from ..grid import Grid
from ..numerics.multigrid import Box, Multigrid, Stencils, interior, laplacian
from .spheres import Image

Progress = Callable[[int, int], None]


def lbv(
    totalfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    peel: int = 1,
    iterations: int = 30,
    tolerance: float = 1e-4,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[Image, NDArray[np.bool_]]:
    """Laplacian boundary value method: harmonic inside, the total field on the boundary.

    Parameters
    ----------
    totalfield
        Total field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    peel
        Layers of voxels that are taken off the mask first; where its rim is noisy, its rim makes
        a bad boundary.
    iterations
        Most conjugate-gradient steps.
    tolerance
        Stop when the residual has shrunk to this fraction.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations).

    Returns
    -------
    tuple
        Local field, ppm, zero outside its mask; and that mask, one layer smaller.

    Raises
    ------
    NigraError
        Shapes differ, the mask has no interior, the field is not finite in it, or a setting is
        out of range.

    Notes
    -----
    Zhou et al. 2014 (doi 10.1002/nbm.3064): the local field is neglected on the mask's outermost
    layer; inside, the background b has L b = 0, L the Laplacian, so u = f - b solves L u = L f
    with u = 0 on that layer. Conjugate gradients, preconditioned by a multigrid cycle.
    """
    check_field_map(totalfield, mask, grid)
    if peel < 0 or peel != int(peel):
        raise NigraError(f'peel must be a number of layers, got {peel}')
    if iterations < 1:
        raise NigraError(f'iterations must be at least 1, got {iterations}')
    box = Box.around(mask)
    inside = box.mask
    for _ in range(int(peel) + 1):
        inside = interior(inside)
    if not inside.any():
        raise NigraError(f'nothing is left of the mask after {int(peel) + 1} layers')
    multigrid = Multigrid(inside, grid.voxel_size, nthreads)
    field = box.take(totalfield)
    field[box.mask] -= np.float32(np.median(field[box.mask]))
    local = _solve(field, multigrid, iterations, tolerance, progress)
    return box.put(local), box.put(inside)


def _solve(
    field: Image,
    multigrid: Multigrid,
    iterations: int,
    tolerance: float,
    progress: Progress | None,
) -> Image:
    """Solve L u = L f, u = 0 outside, by preconditioned conjugate gradients."""
    stencils: Stencils = multigrid.stencils
    minus, weights = -multigrid.inside, multigrid.weights
    residual, image = np.zeros_like(field), np.zeros_like(field)
    stencils.sweep(laplacian, field, minus, weights, residual)
    u = np.zeros_like(field)
    z = multigrid(residual)
    step = z.copy()
    square, first = stencils.dot(residual, z), stencils.dot(residual, residual)
    for iteration in range(iterations):
        if stencils.dot(residual, residual) <= tolerance**2 * first or square <= 0:
            break
        stencils.sweep(laplacian, step, minus, weights, image)
        length = np.float32(square / stencils.dot(step, image))
        u += length * step
        residual -= length * image
        z = multigrid(residual)
        square, before = stencils.dot(residual, z), square
        step *= np.float32(square / before)
        step += z
        if progress:
            progress(iteration + 1, iterations)
    return u
