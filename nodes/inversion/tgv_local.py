"""Local field to susceptibility, regularised by total generalised variation.

Minimises 1/2 |W (D * chi + c - f)|^2 + alpha1 |grad chi - w|_1 + alpha0 |sym grad w|_1 over chi, w
and a constant c (Bredies et al. 2010, doi 10.1137/090769521; for dipole fields Langkammer et al.
2015, doi 10.1016/j.neuroimage.2015.02.041), by the primal-dual steps of the one-step method
(`tgv_solver`). Differences are taken inside the mask alone: sources outside cost nothing and take
up what background removal left over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import check_counts, check_positive
from ..grid import Grid
from ..parallel import Progress
from .problem import Image, prepare
from .tgv_solver import PrimalDual


def tgv_inversion(
    localfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    noise: NDArray[Any] | None = None, alpha1: float = 4e-4, alpha0: float = 1e-3,
    iterations: int = 40, margin: float = 10.0, nthreads: int = 1,
    progress: Progress | None = None,
) -> Image:  # fmt: skip
    """Inversion that lets susceptibility slope: plain total variation turns slopes into steps.

    Other parameters, result and errors are those of every inversion (`problem`); the map has mean
    zero over the mask.

    Parameters
    ----------
    alpha1
        Weight of |grad chi - w|, ppm mm.
    alpha0
        Weight of the symmetrised derivative of w, ppm mm^2; large values give total variation.
    """
    check_positive(alpha1=alpha1, alpha0=alpha0)
    check_counts(iterations=iterations)
    # a voxel of room at least: the solver's differences are not periodic, its transform is
    problem = prepare(
        localfield, mask, grid, noise=noise, margin=margin, nthreads=nthreads,
        least_margin=max(grid.voxel_size),
    )  # fmt: skip
    return PrimalDual(problem, alpha1, alpha0).solve(iterations, progress)
