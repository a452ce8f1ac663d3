"""Iterative spherical mean values: the background is what equals its mean over a ball."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..fields import dot
from ..grid import Grid
from ..parallel import Progress
from .frame import Image, Mask, Stop, check
from .solver import image_conjugate_gradients
from .spheres import OneBall, radius_setting


def ismv(
    totalfield: NDArray[Any],
    mask: Mask,
    grid: Grid,
    *,
    radius: float = 5.0,
    iterations: int = 60,
    tolerance: float = 0.01,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[Image, Mask]:
    """Iterative spherical mean value method.

    One ball, for which the field is replaced by its mean until nothing changes any more; no
    setting trades background against local field.

    Parameters
    ----------
    radius
        Radius of the ball, mm; the mask shrinks by it.
    totalfield, mask, grid, iterations, tolerance, nthreads, progress
        As in `background.frame`, which also lists the errors.

    Returns
    -------
    tuple
        Local field, and its mask: the voxels about which the ball fits.

    Notes
    -----
    Wen et al. 2014 (doi 10.1002/mrm.24998) replace the field by its mean over a ball again and
    again where the ball fits, M, holding it elsewhere. The limit b = S b in M, b = f elsewhere, is
    the solution of M (1 - S) M u = M (1 - S) f, u = f - b; conjugate gradients find it in fewer
    steps.
    """
    stop = Stop(iterations, tolerance, progress)
    check(totalfield, mask, grid, radius_setting(radius), *stop.settings)
    ball = OneBall(totalfield, mask, grid, radius, nthreads)
    # `remains` is M (1 - S); every step is zero outside M, so another M before it changes nothing
    u = image_conjugate_gradients(
        ball.remains, ball.remains(ball.field), stop, dot=dot, nthreads=nthreads
    )
    return ball.put(u)
