"""Local field to susceptibility: dipole inversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError
from .fft import crop_to_mask, irfftn, rfftn
from .grid import Grid
from .kernels import dipole_kernel, gradient_kernel
from .parallel import run, slabs
from .stencils import (
    adjoint_gradient,
    edge_scales,
    fill_field,
    reciprocal_steps,
    solve_spectra,
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
        return np.asarray(kernel / (kernel**2 + regularisation * edges), np.float32)

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
    noise: NDArray[Any] | None = None,
    magnitude: NDArray[Any] | None = None,
    regularisation: float = 4e-4,
    outside: float = 0.0,
    edge_weight: float = 0.9,
    penalty: float = 30.0,
    iterations: int = 100,
    tolerance: float = 2e-4,
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
    noise
        Standard deviation of the field, ppm; voxels noisier than the median weigh less.
    magnitude
        Magnitude image; where given and `edge_weight` is above 0, edges seen in it cost less.
    regularisation
        Weight lambda of the total variation, ppm mm.
    outside
        Share of that weight outside the mask: sources there cost little, so that they, not the
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
    _check_settings(
        ('regularisation', regularisation, regularisation > 0, 'be positive'),
        ('penalty', penalty, penalty > 0, 'be positive'),
        ('iterations', iterations, iterations >= 1, 'be at least 1'),
        ('edge_weight', edge_weight, 0 <= edge_weight <= 1, 'lie between 0 and 1'),
        ('outside', outside, 0 <= outside <= 1, 'lie between 0 and 1'),
    )
    check_field(localfield, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    edges = np.where(mask, np.float32(1), np.float32(outside))
    if magnitude is not None and edge_weight > 0:
        edges *= _edge_weights(magnitude, mask, grid, edge_weight)
    chi = _admm(
        crop.take(centred(localfield, mask)),
        crop.take(_data_weights(noise, mask)),
        crop.take(edges, fill=outside),
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
        if iteration + 1 == iterations or _relative_change(x, previous) < tolerance:
            break
        previous[...] = x
        # majorised data term: the predicted field stands where there is no data
        irfftn(data, model, nthreads=nthreads)
        constant = np.float32(_dot(weight, field - model) / total)
        sweep(fill_field, model, field, weight, constant)
        rfftn(model, data, nthreads=nthreads)
        # z and u subproblems: p <- E chi + u; then z - u = scales * p
        sweep(update_edges, x, dual, edges, steps, limit)
        sweep(edge_scales, dual, edges, limit, x)
        sweep(adjoint_gradient, dual, x, steps, model)
        rfftn(model, sparse, nthreads=nthreads)
    return x


def _data_weights(noise: NDArray[Any] | None, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """1 in the mask, less where the noise exceeds its median; 0 outside."""
    weight = mask.astype(np.float32)
    if noise is not None:
        values = noise[mask].astype(np.float64)
        good = np.isfinite(values) & (values > 0)
        if good.any():
            typical = float(np.median(values[good]))
            weight[mask] = np.where(
                good, np.minimum(1, (typical / np.where(good, values, 1)) ** 2), 0
            )
    return weight


def _dot(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.einsum('ijk,ijk->', a, b, dtype=np.float64))


def _check_settings(*settings: tuple[str, float, bool, str]) -> None:
    """Raise for the first (name, value, whether it is right, what is right) that is wrong."""
    for name, value, right, wanted in settings:
        if not right:
            raise NigraError(f'{name} must {wanted}, got {value}')


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
