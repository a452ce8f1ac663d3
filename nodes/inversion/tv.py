"""Local field to susceptibility: dipole inversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import (
    centred,
    check_field,
    check_settings,
    data_weights,
    dot,
    edge_weights,
    relative_change,
)
from ..grid import Grid
from ..numerics.fft import crop_to_mask, irfftn, rfftn
from ..numerics.kernels import dipole_kernel, gradient_kernel
from ..numerics.stencils import (
    adjoint_gradient,
    edge_scales,
    fill_field,
    reciprocal_steps,
    solve_spectra,
    update_edges,
)
from ..parallel import run, slabs
from .tkd import closed_form_l2, tkd

__all__ = ['centred', 'check_field', 'closed_form_l2', 'tkd', 'tv_admm']

Progress = Callable[[int, int], None]


def tv_admm(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    magnitude: NDArray[Any] | None = None,
    regularisation: float = 4e-4,
    outside: float = 0.0,
    edge_weight: float = 0.9,
    penalty: float = 30.0,
    iterations: int = 50,
    tolerance: float = 2e-4,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Total-variation-regularised inversion by alternating directions.

    Parameters
    ----------
    localfield
        Local field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    noise
        Standard deviation of the field, ppm; voxels noisier than the median weigh less.
    magnitude
        Magnitude image; where given and `edge_weight` is above 0, edges seen in it cost less.
    regularisation
        Weight lambda of the total variation, ppm mm.
    outside
        Fraction of that weight outside the mask: sources there cost little, so that they, not the
        brain, take up what background removal left over or took too much of.
    edge_weight
        How much a strong magnitude edge lowers the cost of a susceptibility edge, 0 to 1.
    penalty
        Ratio mu / lambda of the splitting, 1/ppm/mm.
    iterations
        Most iterations.
    tolerance
        Stop when the map's relative change in one iteration falls below this.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations).

    Returns
    -------
    NDArray
        Susceptibility, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        A parameter is out of range, or the shapes differ.

    Notes
    -----
    Minimises 1/2 |W (D * chi + c - f)|^2 + lambda |w E chi|_(2,1) (Bilgic et al. 2014, doi
    10.1002/mrm.25029; Milovic et al. 2018, doi 10.1002/mrm.27073), W zero outside the mask, c a
    free constant.
    """
    check_settings(
        ('regularisation', regularisation, regularisation > 0, 'be positive'),
        ('penalty', penalty, penalty > 0, 'be positive'),
        ('iterations', iterations, iterations >= 1, 'be at least 1'),
        ('edge_weight', edge_weight, 0 <= edge_weight <= 1, 'lie between 0 and 1'),
        ('outside', outside, 0 <= outside <= 1, 'lie between 0 and 1'),
    )
    check_field(localfield, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    inside = crop.take(mask)
    edges = np.where(inside, np.float32(1), np.float32(outside))
    if magnitude is not None and edge_weight > 0:
        edges *= edge_weights(crop.take(magnitude), inside, crop.grid, edge_weight)
    chi = _admm(
        crop.take(centred(localfield, mask)),
        crop.take(data_weights(noise, mask)),
        edges,
        crop.grid,
        strength=np.float32(regularisation),
        limit=np.float32(1 / penalty),
        iterations=iterations,
        tolerance=tolerance,
        nthreads=nthreads,
        progress=progress,
    )
    full = crop.put(chi)
    full[~mask] = 0
    return full


def _admm(
    field: NDArray[np.float32],
    weight: NDArray[np.float32],
    edges: NDArray[np.float32],
    grid: Grid,
    *,
    strength: np.float32,
    limit: np.float32,
    iterations: int,
    tolerance: float,
    nthreads: int,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Alternate between the quadratic problem in k-space and the shrinkage of edges.

    With p = E chi + u the shrinkage is z = p - proj(p) and the new multiplier u = proj(p), proj
    onto the ball of radius lambda w / mu (Moreau), so one vector field p holds both. The weighted
    data term is majorised about the last map (Hunter & Lange 2004): the field that it predicts
    stands where W = 0, which keeps each step a division in k-space.
    """
    mu, steps, pieces = strength / limit, reciprocal_steps(grid.voxel_size), slabs(grid.shape[0])

    def sweep(kernel: Callable[..., Any], *arguments: Any) -> None:
        run(lambda s: kernel(*arguments, s.start, s.stop), pieces, nthreads)

    kernel = dipole_kernel(grid)
    denominator = kernel**2 + mu * gradient_kernel(grid)
    denominator[0, 0, 0] = 1
    data = rfftn(field, nthreads=nthreads)
    sparse = np.zeros_like(data)
    model, x, previous = np.empty_like(field), np.empty_like(field), np.zeros_like(field)
    dual = np.zeros((3, *field.shape), np.float32)
    total = float(weight.sum(dtype=np.float64))
    for iteration in range(iterations):
        # chi subproblem: X = [D F + mu F(E^H(z - u))] / [D^2 + mu |E|^2]
        sparse[0, 0, 0] = 0
        sweep(solve_spectra, data, sparse, kernel, denominator, mu)
        irfftn(sparse, x, nthreads=nthreads)
        if progress:
            progress(iteration + 1, iterations)
        if iteration + 1 == iterations or relative_change(x, previous) < tolerance:
            break
        previous[...] = x
        # majorised data term: the predicted field stands where there is no data
        irfftn(data, model, nthreads=nthreads)
        constant = np.float32(dot(weight, field - model) / total)
        sweep(fill_field, model, field, weight, constant)
        rfftn(model, data, nthreads=nthreads)
        # z and u subproblems: p <- E chi + u; then z - u = scales * p
        sweep(update_edges, x, dual, edges, steps, limit)
        sweep(edge_scales, dual, edges, limit, x)
        sweep(adjoint_gradient, dual, x, steps, model)
        rfftn(model, sparse, nthreads=nthreads)
    return x
