"""Local field to susceptibility by least squares whose streaks are estimated and taken off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from .cg import Operator, conjugate_gradients, weighted_dipole, with_constant
from .fft import Crop, crop_to_mask, irfftn, rfftn
from .grid import Grid
from .kernels import dipole_kernel, gradient_kernel
from .localfield import centred, check_field, check_settings, data_weights
from .parallel import run, slabs
from .stencils import reciprocal_steps

Progress = Callable[[int, int], None]
POWER = 0.001
"""Exponent of |D| in the rapid estimate's weights (the paper's n)."""
SMOOTHING = 3.0
"""Radius of the ball over which the rapid estimate averages k-space, samples."""


def ilsqr(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    magnitude: NDArray[Any] | None = None,
    cone: float = 0.1,
    fit_iterations: int = 20,
    fit_tolerance: float = 0.01,
    flat: float = 50.0,
    steep: float = 70.0,
    iterations: int = 40,
    tolerance: float = 0.01,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Least squares, less the streaks that make flat places uneven (iLSQR).

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
        Not used: edges come from a rapid map. Taken so that every inversion is called alike.
    cone
        |D| below which k-space is ill conditioned and may hold streaks, 0 to 2/3.
    fit_iterations, fit_tolerance
        Most steps of the least-squares fit, and the share of its residual at which it stops;
        both regularise it.
    flat, steep
        Percentiles of the rapid map's differences below which a place is flat, so that streaks
        show, and above which it is an edge.
    iterations, tolerance
        The same for the streaks.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations), over both fits.

    Returns
    -------
    NDArray
        Susceptibility, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        A setting is out of range, or the shapes differ.

    Notes
    -----
    Li et al. 2015 (doi 10.1016/j.neuroimage.2014.12.043). (1) x1 = argmin |W (D * x - f)|^2 by a
    few steps; (2) a rapid map from the signs of D, whose edges give weights w; (3) streaks s with
    F s = 0 outside the cone, argmin |w E (x1 - s)|^2; (4) x1 - s. Conjugate gradients on the
    normal equations take the place of LSQR, whose iterates they share.
    """
    check_settings(
        ('cone', cone, 0 < cone < 2 / 3, 'lie between 0 and 2/3'),
        ('fit_iterations', fit_iterations, fit_iterations >= 1, 'be at least 1'),
        ('fit_tolerance', fit_tolerance, fit_tolerance >= 0, 'not be negative'),
        ('flat', flat, 0 <= flat <= 100, 'lie between 0 and 100'),
        ('steep', steep, flat < steep <= 100, 'lie between flat and 100'),
        ('iterations', iterations, iterations >= 1, 'be at least 1'),
        ('tolerance', tolerance, tolerance >= 0, 'not be negative'),
        ('margin', margin, margin >= 0, 'not be negative'),
    )
    check_field(localfield, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    inside = crop.take(mask)
    field = crop.take(centred(localfield, mask))
    kernel = dipole_kernel(crop.grid, nthreads=nthreads)
    total = fit_iterations + iterations

    def tell(done: int) -> None:
        if progress:
            progress(done, total)

    weight = crop.take(data_weights(noise, mask))
    fitted = _fit(field, weight, kernel, fit_iterations, fit_tolerance, nthreads, tell)
    fitted *= inside
    rapid = rapid_map(field, inside, crop.grid, kernel, nthreads=nthreads)
    weights = flatness(rapid, inside, crop.grid, flat, steep)
    streaks = _streaks(
        fitted, weights, np.abs(kernel) < np.float32(cone), crop.grid, iterations, tolerance,
        nthreads, lambda step: tell(fit_iterations + step),
    )  # fmt: skip
    return _finish(fitted - streaks, mask, crop)


def _finish(chi: NDArray[np.float32], mask: NDArray[np.bool_], crop: Crop) -> NDArray[np.float32]:
    full = crop.put(chi)
    full[~mask] = 0
    return full


def _fit(
    field: NDArray[np.float32], weight: NDArray[np.float32], kernel: NDArray[np.float32],
    iterations: int, tolerance: float, nthreads: int, tell: Callable[[int], None],
) -> NDArray[np.float32]:  # fmt: skip
    """Step 1: least squares, stopped early."""
    kernel = with_constant(kernel)
    rhs = rfftn(weight * field, nthreads=nthreads)
    rhs *= kernel
    spectrum = conjugate_gradients(
        weighted_dipole(kernel, weight, nthreads=nthreads), rhs, np.ones_like(kernel),
        field.shape[2], iterations=iterations, tolerance=tolerance, nthreads=nthreads,
        watch=lambda step, _: tell(step),
    )  # fmt: skip
    spectrum[0, 0, 0] = 0
    return irfftn(spectrum, np.empty_like(field), nthreads=nthreads)


def rapid_map(
    field: NDArray[np.float32],
    inside: NDArray[np.bool_],
    grid: Grid,
    kernel: NDArray[np.float32],
    *,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """Step 2: a map without streaks but of the wrong scale, for its edges only.

    Parameters
    ----------
    field
        Field, ppm, zero outside the mask.
    inside
        The mask.
    grid
        Geometry.
    kernel
        Dipole kernel of the grid.

    Notes
    -----
    F x = sign(D) F f; where |D| is small its local mean in k-space takes the place, by weights
    that rise from 0 to 1 between two percentiles of |D|^n. Done twice, the second time on the
    masked map.
    """
    size = np.abs(kernel) ** np.float32(POWER)
    low, high = np.percentile(size, (1.0, 30.0))
    keep = np.clip((size - np.float32(low)) / np.float32(high - low), 0, 1)
    taper = _ball_transform(grid)
    spectrum = rfftn(field, nthreads=nthreads)
    spectrum *= np.sign(kernel)
    image = np.empty_like(field)
    for _ in range(2):
        # a mean over k-space is a product with the ball's transform in space
        irfftn(spectrum.copy(), image, nthreads=nthreads)
        image *= taper
        smooth = rfftn(image, nthreads=nthreads)
        spectrum -= smooth
        spectrum *= keep
        spectrum += smooth
        irfftn(spectrum, image, nthreads=nthreads)
        image *= inside
        spectrum = rfftn(image, nthreads=nthreads)
    return image


def _ball_transform(grid: Grid) -> NDArray[np.float32]:
    """What averaging k-space over a ball multiplies the image by; the ball has one width in 1/mm.

    Positions count from the middle of the array.
    """
    extent = min(n * h for n, h in zip(grid.shape, grid.voxel_size, strict=True))
    squares = [
        (((np.arange(n) - n // 2) * h) / extent) ** 2
        for n, h in zip(grid.shape, grid.voxel_size, strict=True)
    ]
    r = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
    z = 2 * np.pi * SMOOTHING * np.maximum(r, 1e-3)
    return (3 * (np.sin(z) - z * np.cos(z)) / z**3).astype(np.float32)


def flatness(
    image: NDArray[np.float32], inside: NDArray[np.bool_], grid: Grid, flat: float, steep: float
) -> NDArray[np.float32]:
    """Weights of the differences along each axis, (3, x, y, z): 1 where flat, 0 at edges.

    Parameters
    ----------
    image
        Map whose edges count.
    inside
        The mask; differences that leave it weigh nothing.
    grid
        Geometry.
    flat, steep
        Percentiles of the differences between which weights fall from 1 to 0.
    """
    weights = np.zeros((3, *image.shape), np.float32)
    for axis in range(3):
        slope = np.abs(np.roll(image, -1, axis) - image)
        within = inside & np.roll(inside, -1, axis)
        if within.any():
            low, high = np.percentile(slope[within], (flat, steep)).astype(np.float32)
            fall = np.clip((high - slope) / max(high - low, np.float32(1e-30)), 0, 1)
            weights[axis] = np.where(within, fall, 0)
    return weights


def _streaks(
    fitted: NDArray[np.float32], weights: NDArray[np.float32], cone: NDArray[np.bool_], grid: Grid,
    iterations: int, tolerance: float, nthreads: int, tell: Callable[[int], None],
) -> NDArray[np.float32]:  # fmt: skip
    """Step 3: what within the cone makes flat places least uneven."""
    steps = reciprocal_steps(grid.voxel_size)
    laplace = gradient_kernel(grid)
    laplace[0, 0, 0] = 1
    inverse = np.where(cone, 1 / laplace, np.float32(0))
    inverse[0, 0, 0] = 0
    operator = _weighted_laplacian(weights**2, steps, cone, fitted.shape, nthreads)
    rhs = np.empty(cone.shape, np.complex64)
    operator(rfftn(fitted, nthreads=nthreads), rhs)
    spectrum = conjugate_gradients(
        operator, rhs, inverse, fitted.shape[2], iterations=iterations, tolerance=tolerance,
        nthreads=nthreads, watch=lambda step, _: tell(step),
    )  # fmt: skip
    return irfftn(spectrum, np.empty_like(fitted), nthreads=nthreads)


def _weighted_laplacian(
    weights: NDArray[np.float32], steps: NDArray[np.float32], cone: NDArray[np.bool_],
    shape: tuple[int, ...], nthreads: int,
) -> Operator:  # fmt: skip
    """Operator X -> C F E^H w^2 E F^-1 X on half spectra, C the cone."""
    image, out = np.empty(shape, np.float32), np.empty(shape, np.float32)
    pieces = slabs(shape[0])

    def apply(p: NDArray[Any], q: NDArray[Any]) -> None:
        np.copyto(q, p)
        irfftn(q, image, nthreads=nthreads)
        run(lambda s: _curvature(image, weights, steps, out, s.start, s.stop), pieces, nthreads)
        rfftn(out, q, nthreads=nthreads)
        np.multiply(q, cone, out=q)

    return apply


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _curvature(x, weights, steps, out, first, last):
    """E^H w E x of the periodic forward differences per mm."""
    nx, ny, nz = x.shape
    a, b, c = steps[0] * steps[0], steps[1] * steps[1], steps[2] * steps[2]
    for i in range(first, last):
        before, after = i - 1 if i > 0 else nx - 1, i + 1 if i + 1 < nx else 0
        for j in range(ny):
            left, right = j - 1 if j > 0 else ny - 1, j + 1 if j + 1 < ny else 0
            for k in range(nz):
                below, above = k - 1 if k > 0 else nz - 1, k + 1 if k + 1 < nz else 0
                v = x[i, j, k]
                out[i, j, k] = (
                    a * weights[0, before, j, k] * (v - x[before, j, k])
                    - a * weights[0, i, j, k] * (x[after, j, k] - v)
                    + b * weights[1, i, left, k] * (v - x[i, left, k])
                    - b * weights[1, i, j, k] * (x[i, right, k] - v)
                    + c * weights[2, i, j, below] * (v - x[i, j, below])
                    - c * weights[2, i, j, k] * (x[i, j, above] - v)
                )
