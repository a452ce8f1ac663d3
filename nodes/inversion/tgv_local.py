"""Local field to susceptibility, regularised by total generalised variation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import centred, check_field_map, check_settings, data_weights
from ..grid import Grid
from ..numerics.fft import crop_to_mask
from .tgv import PrimalDual

Progress = Callable[[int, int], None]


def tgv_inversion(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    alpha1: float = 4e-4,
    alpha0: float = 1e-3,
    iterations: int = 40,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Inversion that lets susceptibility slope: plain total variation turns slopes into steps.

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
    alpha1
        Weight of |grad chi - w|, ppm mm.
    alpha0
        Weight of the symmetrised derivative of w, ppm mm^2; large values give total variation.
    iterations
        Steps of the solver.
    margin
        Room for sources around the mask, mm.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations).

    Returns
    -------
    NDArray
        Susceptibility, ppm, mean zero over the mask and zero outside.

    Raises
    ------
    NigraError
        A setting is out of range, the shapes differ, or the field is not finite in the mask.

    Notes
    -----
    Minimises 1/2 |W (D * chi + c - f)|^2 + alpha1 |grad chi - w|_1 + alpha0 |sym grad w|_1 over
    chi, w and a constant c (Bredies et al. 2010, doi 10.1137/090769521; for dipole fields
    Langkammer et al. 2015, doi 10.1016/j.neuroimage.2015.02.041), by the primal-dual steps of the
    one-step method. Differences are taken inside the mask alone: sources outside cost nothing and
    take up what background removal left over.
    """
    check_settings(
        ('alpha1', alpha1, bool(np.isfinite(alpha1)) and alpha1 > 0, 'be positive'),
        ('alpha0', alpha0, bool(np.isfinite(alpha0)) and alpha0 > 0, 'be positive'),
        ('iterations', iterations, iterations >= 1, 'be at least 1'),
        ('margin', margin, margin >= 0, 'not be negative'),
    )
    check_field_map(localfield, mask, grid)
    # a voxel of room at least: the solver's differences are not periodic, its transform is
    crop = crop_to_mask(mask, grid, margin=max(margin, *grid.voxel_size))
    solver = PrimalDual(
        crop.take(centred(localfield, mask)), crop.take(data_weights(noise, mask)),
        crop.take(mask), crop.grid, alpha1, alpha0, nthreads,
    )  # fmt: skip
    for iteration in range(iterations):
        solver.step()
        if progress:
            progress(iteration + 1, iterations)
    chi = crop.put(solver.chi)
    chi[mask] -= chi[mask].mean(dtype=np.float64).astype(np.float32)
    chi[~mask] = 0
    return chi
