"""Local field to susceptibility: dipole inversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError
from .fft import crop_to_mask, empty_spectrum, irfftn, rfftn
from .grid import Grid
from .kernels import dipole_kernel, gradient_kernel
from .parallel import run, slabs
from .stencils import (
    adjoint_gradient,
    blend_spectra,
    edge_scales,
    reciprocal_steps,
    update_edges,
)

Progress = Callable[[int, int], None]


def tkd(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    threshold: float = 0.1,
    margin: float = 20.0,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """Truncated k-space division.

    Parameters
    ----------
    localfield
        Local field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    threshold
        Where |D| is smaller, D is replaced by this value with D's sign; 0 to 2/3.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Susceptibility, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        `threshold` is out of range, or the shapes differ.

    Notes
    -----
    Shmueli et al. 2009 (doi 10.1002/mrm.22135).
    """
    if not 0 < threshold <= 2 / 3:
        raise NigraError(f'threshold must lie between 0 and 2/3, got {threshold}')

    def inverse(padded: Grid) -> NDArray[np.float32]:
        kernel = dipole_kernel(padded)
        sign = np.where(kernel < 0, np.float32(-1), np.float32(1))
        return sign / np.maximum(np.abs(kernel), np.float32(threshold))

    return _filtered(localfield, mask, grid, inverse, margin, nthreads)


def closed_form_l2(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    regularisation: float = 0.03,
    margin: float = 20.0,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """Least squares with a quadratic penalty on the gradient, solved in one division.

    Parameters
    ----------
    localfield
        Local field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    regularisation
        Weight of |E|^2 against |D|^2, mm^2; above 0.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Susceptibility, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        `regularisation` is not positive, or the shapes differ.

    Notes
    -----
    Bilgic et al. 2014 (doi 10.1002/mrm.25029): chi = F^-1 [D F(f) / (D^2 + a |E|^2)]. It
    shrinks deep nuclei by a third; it is here for comparison.
    """
    if not regularisation > 0:
        raise NigraError(f'regularisation must be positive, got {regularisation}')

    def inverse(padded: Grid) -> NDArray[np.float32]:
        kernel, edges = dipole_kernel(padded), gradient_kernel(padded)
        edges[0, 0, 0] = 1
        return kernel / (kernel**2 + np.float32(regularisation) * edges)

    return _filtered(localfield, mask, grid, inverse, margin, nthreads)


def _filtered(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    inverse: Callable[[Grid], NDArray[np.float32]],
    margin: float,
    nthreads: int,
) -> NDArray[np.float32]:
    """Field times a filter in k-space."""
    check_field(localfield, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    image = crop.take(centred(localfield, mask))
    spectrum = rfftn(image, nthreads=nthreads)
    spectrum *= inverse(crop.grid)
    chi = crop.put(irfftn(spectrum, image, nthreads=nthreads))
    chi[~mask] = 0
    return chi


def tv_admm(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    magnitude: NDArray[Any] | None = None,
    regularisation: float = 4e-4,
    edge_weight: float = 0.0,
    penalty: float = 100.0,
    iterations: int = 50,
    tolerance: float = 2e-3,
    margin: float = 20.0,
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
    magnitude
        Magnitude image; where given and `edge_weight` is above 0, edges seen in it cost less.
    regularisation
        Weight lambda of the total variation, ppm mm.
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
    Minimises 1/2 |D * chi - f|^2 + lambda |w E chi|_(2,1) (Bilgic et al. 2014, doi
    10.1002/mrm.25029; Milovic et al. 2018, doi 10.1002/mrm.27073). With p = E chi + u the
    shrinkage is z = p - proj(p) and the new multiplier u = proj(p), proj onto the ball of radius
    lambda w / mu (Moreau), so one vector field p holds both.
    """
    for name, value in (('regularisation', regularisation), ('penalty', penalty)):
        if not value > 0:
            raise NigraError(f'{name} must be positive, got {value}')
    if iterations < 1:
        raise NigraError(f'iterations must be at least 1, got {iterations}')
    if not 0 <= edge_weight <= 1:
        raise NigraError(f'edge_weight must lie between 0 and 1, got {edge_weight}')
    check_field(localfield, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    image = crop.take(centred(localfield, mask))
    weights = np.ones((1, 1, 1), np.float32)
    if magnitude is not None and edge_weight > 0:
        weights = crop.take(_edge_weights(magnitude, mask, grid, edge_weight))
        weights[weights == 0] = 1
    chi = _admm(
        image, crop.grid, weights, np.float32(regularisation), np.float32(1 / penalty),
        iterations, tolerance, nthreads, progress,
    )  # fmt: skip
    full = crop.put(chi)
    full[~mask] = 0
    return full


def _admm(
    field: NDArray[np.float32],
    grid: Grid,
    weights: NDArray[np.float32],
    strength: np.float32,
    limit: np.float32,
    iterations: int,
    tolerance: float,
    nthreads: int,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Alternate between the quadratic problem in k-space and the shrinkage of edges."""
    mu, steps, pieces = strength / limit, reciprocal_steps(grid.voxel_size), slabs(grid.shape[0])
    kernel = dipole_kernel(grid)
    denominator = kernel**2 + mu * gradient_kernel(grid)
    denominator[0, 0, 0] = 1
    data = rfftn(field, nthreads=nthreads)
    data *= kernel / denominator
    data[0, 0, 0] = 0
    factor = mu / denominator
    factor[0, 0, 0] = 0
    del kernel, denominator
    spectrum = empty_spectrum(field)
    np.copyto(spectrum, data)
    x = irfftn(spectrum, np.empty_like(field), nthreads=nthreads)
    previous, image = np.zeros_like(x), np.empty_like(x)
    dual = np.zeros((3, *x.shape), np.float32)
    for iteration in range(iterations):
        # z and u subproblems: p <- E x + u
        run(lambda s: update_edges(x, dual, weights, steps, limit, s.start, s.stop), pieces,
            nthreads)  # fmt: skip
        if iteration % 5 == 4 and _relative_change(x, previous) < tolerance:
            break
        previous[...] = x
        # x is rebuilt below, so it holds the scales meanwhile
        run(lambda s: edge_scales(dual, weights, limit, x, s.start, s.stop), pieces,
            nthreads)  # fmt: skip
        run(lambda s: adjoint_gradient(dual, x, steps, image, s.start, s.stop), pieces,
            nthreads)  # fmt: skip
        # chi subproblem: X <- [D F + mu F(E^H(z - u))] / [D^2 + mu |E|^2]
        rfftn(image, spectrum, nthreads=nthreads)
        run(lambda s: blend_spectra(spectrum, factor, data, s.start, s.stop), pieces, nthreads)
        irfftn(spectrum, x, nthreads=nthreads)
        if progress:
            progress(iteration + 1, iterations)
    return x


def _relative_change(new: NDArray[Any], old: NDArray[Any]) -> float:
    return float(np.linalg.norm(new - old) / max(float(np.linalg.norm(new)), 1e-30))


def _edge_weights(
    magnitude: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, strength: float
) -> NDArray[np.float32]:
    """1 where the magnitude is flat, down to 1 - strength at its strongest edges."""
    image = np.where(mask, magnitude, 0).astype(np.float32)
    slope = np.zeros(image.shape, np.float32)
    for axis, h in enumerate(grid.voxel_size):
        inside = mask & np.roll(mask, -1, axis)
        slope += np.where(inside, (np.roll(image, -1, axis) - image) / h, 0) ** 2
    slope = np.sqrt(slope)
    typical = float(np.percentile(slope[mask], 90)) or 1.0
    return (1 - strength * slope**2 / (slope**2 + typical**2)).astype(np.float32)


def centred(field: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Field minus its mean over the mask, zero outside: k = 0 carries no information."""
    image = np.zeros(field.shape, np.float32)
    values = field[mask]
    image[mask] = values - values.mean(dtype=np.float64)
    return image


def check_field(field: NDArray[Any], grid: Grid) -> None:
    """Raise where a field does not fit its grid."""
    if field.shape != grid.shape:
        raise NigraError(f'the field has shape {field.shape} but its grid {grid.shape}')
