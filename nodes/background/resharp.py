"""RESHARP: spherical mean values, undone by least squares with Tikhonov's penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import dot
from ..grid import Grid
from ..numerics.fft import convolver
from ..parallel import Progress
from .frame import Image, Mask, Stop, check, is_positive
from .solver import image_conjugate_gradients
from .spheres import OneBall, radius_setting


def resharp(
    totalfield: NDArray[Any],
    mask: Mask,
    grid: Grid,
    *,
    radius: float = 5.0,
    regularisation: float = 1e-4,
    iterations: int = 60,
    tolerance: float = 0.01,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[Image, Mask]:
    """Regularisation-enabled harmonic artefact reduction.

    Called like `ismv`, with one ball for all voxels and with a penalty on the local field.

    Parameters
    ----------
    regularisation
        Weight a of the local field's square; above 0.
    radius and all others
        As in `ismv`.

    Returns
    -------
    tuple
        Local field, and M as its mask.

    Notes
    -----
    Sun & Wilman 2014 (doi 10.1002/mrm.24765): minimise |M S (f - x)|^2 + a |x|^2, S the
    convolution with delta - ball, M the voxels about which the ball fits. The minimum is x = S M y
    with (M S S M + a) y = M S f, so a step on y costs one convolution instead of two.
    """
    stop = Stop(iterations, tolerance, progress)
    penalty = ('regularisation', regularisation, is_positive(regularisation), 'be positive')
    check(totalfield, mask, grid, radius_setting(radius), penalty, *stop.settings)
    ball = OneBall(totalfield, mask, grid, radius, nthreads)
    # S S in one convolution: its kernel is the square of delta - ball's
    twice = convolver(ball.kernel**2, ball.field.shape, nthreads=nthreads)

    def normal(y: Image, out: Image) -> None:
        """M S S M y + a y of a y that is zero outside M."""
        twice(y, out=out)
        out *= ball.fits
        out += np.float32(regularisation) * y

    y = image_conjugate_gradients(
        normal, ball.remains(ball.field), stop, dot=dot, nthreads=nthreads
    )
    # x = S M y, known where the ball fits
    return ball.put(ball.remains(y, out=y))
