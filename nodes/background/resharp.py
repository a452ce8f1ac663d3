"""RESHARP: spherical mean values, undone by least squares with Tikhonov's penalty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import check_field_map, dot
from ..grid import Grid
from ..numerics.fft import convolver
from .spheres import Image, Spheres, check_radius, require_room

Progress = Callable[[int, int], None]


def resharp(
    totalfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    radius: float = 5.0,
    regularisation: float = 1e-4,
    iterations: int = 60,
    tolerance: float = 0.01,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[Image, NDArray[np.bool_]]:
    """Regularisation-enabled harmonic artefact reduction.

    Parameters
    ----------
    totalfield
        Total field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    radius
        Radius of the ball, mm; the mask shrinks by it.
    regularisation
        Weight of the local field's square; above 0.
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
        Local field, ppm, zero outside its mask; and that mask, eroded by the ball.

    Raises
    ------
    NigraError
        Shapes differ, a setting is out of range, the ball does not fit into the mask, or the
        field is not finite in it.

    Notes
    -----
    Sun & Wilman 2014 (doi 10.1002/mrm.24765): minimise |M S (f - x)|^2 + a |x|^2, S the
    convolution with delta - ball, M the voxels about which the ball fits. The minimum is x = S M y
    with (M S S M + a) y = M S f, so a step on y costs one convolution instead of two.
    """
    check_field_map(totalfield, mask, grid)
    check_radius(radius)
    if not (np.isfinite(regularisation) and regularisation > 0):
        raise NigraError(f'regularisation must be positive, got {regularisation}')
    if iterations < 1:
        raise NigraError(f'iterations must be at least 1, got {iterations}')
    spheres = Spheres(totalfield, mask, grid, radius, nthreads)
    removal, fits = spheres.removal(radius)
    require_room(fits, radius)
    remove = convolver(removal, spheres.crop.grid.shape, nthreads=nthreads)
    square = convolver(removal**2, spheres.crop.grid.shape, nthreads=nthreads)
    right = remove(spheres.field)
    right *= fits

    def normal(y: Image, out: Image) -> Image:
        """M S S M y + a y."""
        square(y, out=out)
        out *= fits
        out += np.float32(regularisation) * y
        return out

    y = conjugate_gradients(normal, right, iterations, tolerance, progress)
    local = remove(y, out=y)
    local *= fits
    return spheres.crop.put(local), spheres.crop.put(fits)


def conjugate_gradients(
    normal: Callable[[Image, Image], Image],
    right: Image,
    iterations: int,
    tolerance: float,
    progress: Progress | None = None,
) -> Image:
    """Solve normal(x) = right from zero; overwrites `right` by the residual."""
    x, image = np.zeros_like(right), np.empty_like(right)
    residual, step = right, right.copy()
    square = first = dot(residual, residual)
    for iteration in range(iterations):
        if square <= tolerance**2 * first or square == 0:
            break
        normal(step, image)
        length = np.float32(square / dot(step, image))
        x += length * step
        residual -= length * image
        square, before = dot(residual, residual), square
        step *= np.float32(square / before)
        step += residual
        if progress:
            progress(iteration + 1, iterations)
    return x
