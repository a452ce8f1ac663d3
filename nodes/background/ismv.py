"""Iterative spherical mean values: the background is what equals its mean over a ball."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import check_field_map
from ..grid import Grid
from ..numerics.fft import convolver
from .resharp import conjugate_gradients
from .spheres import Image, Spheres, check_radius, require_room

Progress = Callable[[int, int], None]


def ismv(
    totalfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    radius: float = 5.0,
    iterations: int = 60,
    tolerance: float = 0.01,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[Image, NDArray[np.bool_]]:
    """Iterative spherical mean value method.

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
    Wen et al. 2014 (doi 10.1002/mrm.24998) replace the field by its mean over a ball again and
    again where the ball fits, M, holding it elsewhere. The limit b = S b in M, b = f elsewhere, is
    the solution of M (1 - S) M u = M (1 - S) f, u = f - b; conjugate gradients find it in fewer
    steps.
    """
    check_field_map(totalfield, mask, grid)
    check_radius(radius)
    if iterations < 1:
        raise NigraError(f'iterations must be at least 1, got {iterations}')
    spheres = Spheres(totalfield, mask, grid, radius, nthreads)
    removal, fits = spheres.removal(radius)
    require_room(fits, radius)
    remove = convolver(removal, spheres.crop.grid.shape, nthreads=nthreads)
    right = remove(spheres.field)
    right *= fits

    def normal(u: Image, out: Image) -> Image:
        """M (1 - S) u of a u that is zero outside M."""
        remove(u, out=out)
        out *= fits
        return out

    local = conjugate_gradients(normal, right, iterations, tolerance, progress)
    return spheres.crop.put(local), spheres.crop.put(fits)
