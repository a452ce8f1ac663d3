"""Total field to local field: what sources outside the brain add is taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError
from .fft import check_mask, convolver, crop_to_mask, empty_spectrum, irfftn, rfftn
from .grid import Grid
from .kernels import smv_kernel, voxel_dipole_kernel

Progress = Callable[[int, int], None]


def pdf(
    totalfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    iterations: int = 40,
    tolerance: float = 1e-3,
    margin: float = 20.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Projection onto dipole fields: explain the field by sources outside the mask.

    Parameters
    ----------
    totalfield
        Total field, ppm, (x, y, z).
    mask
        Where it holds; the result holds there too.
    grid
        Geometry.
    noise
        Standard deviation of the total field, ppm; weights the fit where given.
    iterations
        Most conjugate-gradient steps.
    tolerance
        Stop when the gradient has shrunk to this share of its first length.
    margin
        Room for sources around the mask, mm.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations).

    Returns
    -------
    NDArray
        Local field, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        Shapes differ, or the mask is empty.

    Notes
    -----
    Liu et al. 2011 (doi 10.1002/nbm.1670): minimise |W M (f - D * x)| over sources x outside the
    mask M. Harmonic polynomials up to second order, which sources far outside the box (shim,
    shoulders) make and near ones imitate poorly, are fitted first.
    """
    _check(totalfield, mask, grid)
    if iterations < 1:
        raise NigraError(f'iterations must be at least 1, got {iterations}')
    crop = crop_to_mask(mask, grid, margin=margin)
    inside = crop.take(mask)
    field = crop.take(np.where(mask, totalfield, 0), np.float32)
    weight = _weights(None if noise is None else crop.take(noise), inside)
    field -= _harmonic_polynomial(field, weight, inside, crop.grid)
    kernel = voxel_dipole_kernel(crop.grid, nthreads=nthreads)
    convolve = convolver(kernel, crop.grid.shape, nthreads=nthreads)
    sources = _external_sources(convolve, field, weight, ~inside, iterations, tolerance, progress)
    field -= convolve(sources)
    field[~inside] = 0
    return crop.put(field)


def _external_sources(
    convolve: Callable[..., NDArray[Any]],
    field: NDArray[np.float32],
    weight: NDArray[np.float32],
    outside: NDArray[np.bool_],
    iterations: int,
    tolerance: float,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Conjugate gradients on P D W^2 D P x = P D W^2 f, P keeping what lies outside."""
    x = np.zeros_like(field)
    residual = convolve(weight * field)
    residual *= outside
    step = residual.copy()
    square = first = _dot(residual, residual)
    image = np.empty_like(field)
    for iteration in range(iterations):
        if square <= tolerance**2 * first or square == 0:
            break
        convolve(step, out=image)
        image *= weight
        convolve(image, out=image)
        image *= outside
        length = np.float32(square / _dot(step, image))
        x += length * step
        residual -= length * image
        square, before = _dot(residual, residual), square
        step *= np.float32(square / before)
        step += residual
        if progress:
            progress(iteration + 1, iterations)
    return x


def _weights(noise: NDArray[Any] | None, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Inverse variance, mean one over the mask; the best voxels are not trusted beyond measure.

    A floor at the median noise keeps voxels of high signal from outvoting the rest: the model's
    own error (sources on a grid) does not shrink with the noise.
    """
    weight = inside.astype(np.float32)
    if noise is None:
        return weight
    values = noise[inside].astype(np.float32)
    good = np.isfinite(values) & (values > 0)
    if not good.any():
        return weight
    floor = float(np.median(values[good]))
    weight[inside] = np.where(good, 1 / (values**2 + floor**2), 0)
    return weight / weight[inside].mean(dtype=np.float64).astype(np.float32)


def _harmonic_polynomial(
    field: NDArray[np.float32],
    weight: NDArray[np.float32],
    inside: NDArray[np.bool_],
    grid: Grid,
) -> NDArray[np.float32]:
    """Weighted fit of the harmonic polynomials of order 0 to 2."""
    x, y, z = (
        np.linspace(-1, 1, n)[s] * n * h / 200.0
        for n, h, s in zip(
            grid.shape, grid.voxel_size, np.ix_(*map(range, grid.shape)), strict=True
        )
    )
    terms = [1 + 0 * x, x, y, z, x * y, y * z, x * z, x**2 - y**2, 2 * z**2 - x**2 - y**2]
    where = np.nonzero(inside)
    design = np.stack([np.broadcast_to(t, grid.shape)[where] for t in terms], axis=1)
    root = np.sqrt(weight[where].astype(np.float64))
    normal = (design * root[:, None] ** 2).T @ design
    target = (design * root[:, None] ** 2).T @ field[where]
    coefficients = np.linalg.lstsq(normal, target, rcond=1e-12)[0]
    out = np.zeros(grid.shape, np.float32)
    out[where] = design @ coefficients
    return out


def vsharp(
    totalfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    radii: Sequence[float] = (15.0, 12.0, 9.0, 7.0, 5.0, 4.0, 3.0, 2.0),
    threshold: float = 0.05,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Sophisticated harmonic artefact reduction with balls that shrink towards the edge.

    Parameters
    ----------
    totalfield
        Total field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    radii
        Radii of the balls, mm; each voxel uses the largest that fits into the mask there.
    threshold
        The deconvolution keeps frequencies at which the kernel exceeds this; 0 to 1.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (radius index, number of radii).

    Returns
    -------
    tuple
        Local field, ppm, zero outside its mask; and that mask, eroded by the smallest ball.

    Raises
    ------
    NigraError
        Shapes differ, no radius is given, or no ball fits into the mask.

    Notes
    -----
    Schweser et al. 2011 (doi 10.1016/j.neuroimage.2010.10.070), Li et al. 2011 (doi
    10.1016/j.neuroimage.2010.11.088), Wu et al. 2012 (doi 10.1002/mrm.23000).
    """
    _check(totalfield, mask, grid)
    if not 0 < threshold < 1:
        raise NigraError(f'threshold must lie between 0 and 1, got {threshold}')
    ordered = sorted({float(r) for r in radii}, reverse=True)
    if not ordered or ordered[-1] <= 0:
        raise NigraError(f'radii must be positive lengths in mm, got {list(radii)}')
    crop = crop_to_mask(mask, grid, margin=ordered[0])
    inside = crop.take(mask)
    field = crop.take(np.where(mask, totalfield, 0), np.float32)
    field[inside] -= field[inside].mean(dtype=np.float64).astype(np.float32)
    filtered, kept, largest = _filtered_by_balls(
        field, inside, crop.grid, ordered, nthreads, progress
    )
    if largest is None:
        raise NigraError(
            f'no ball of {ordered[-1]} to {ordered[0]} mm fits into the mask; give smaller radii'
        )
    # Deconvolution with the largest ball's kernel, truncated where it is small.
    spectrum = rfftn(filtered, nthreads=nthreads)
    keep = np.abs(largest) > threshold
    spectrum *= np.where(keep, 1 / np.where(keep, largest, 1), 0)
    local = irfftn(spectrum, filtered, nthreads=nthreads)
    local[~kept] = 0
    return crop.put(local), crop.put(kept)


def _filtered_by_balls(
    field: NDArray[np.float32],
    inside: NDArray[np.bool_],
    grid: Grid,
    radii: Sequence[float],
    nthreads: int,
    progress: Progress | None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32] | None]:
    """(delta - ball) * field with the largest ball that fits, and the largest ball's kernel."""
    spectrum = rfftn(field, nthreads=nthreads)
    solid = rfftn(inside.astype(np.float32), nthreads=nthreads)
    product, image = empty_spectrum(field), np.empty_like(field)
    filtered, kept, largest = np.zeros_like(field), np.zeros_like(inside), None
    for index, radius in enumerate(radii):
        ball = smv_kernel(grid, radius, nthreads=nthreads)
        np.multiply(solid, ball, out=product)
        fits = irfftn(product, image, nthreads=nthreads) > 1 - 1e-3 / (4 * radius**3 + 1)
        new = fits & inside & ~kept
        if new.any():
            np.subtract(1, ball, out=ball)
            largest = ball if largest is None else largest
            np.multiply(spectrum, ball, out=product)
            irfftn(product, image, nthreads=nthreads)
            filtered[new] = image[new]
            kept |= new
        if progress:
            progress(index + 1, len(radii))
    return filtered, kept, largest


def _dot(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.einsum('ijk,ijk->', a, b, dtype=np.float64))


def _check(totalfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid) -> None:
    if totalfield.shape != grid.shape:
        raise NigraError(f'the field has shape {totalfield.shape} but its grid {grid.shape}')
    check_mask(mask, grid)
