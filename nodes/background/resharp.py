"""RESHARP: spherical mean values, undone by least squares with Tikhonov's penalty.

Sun & Wilman 2014 (doi 10.1002/mrm.24765) minimise |M S (f - x)|^2 + a |x|^2, f the total and x the
local field, S the convolution with delta - ball, M the voxels about which the ball fits. The
minimum is x = S M y with (M S S M + a) y = M S f, so a step on y costs one convolution instead of
two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import check_field_map, check_lengths, check_positive
from ..grid import Grid
from ..numerics.fft import convolver
from ..parallel import Progress
from .dipole_part import Removal
from .frame import Image, Mask, Stop
from .spheres import OneBall, Spheres


# The defaults on the phantom of `background.frame`: a penalty of 1e-4 has slope .971; 1e-6 has
# .974, 1e-3 .944 and .01 .791. A tolerance of .01 takes 27 steps; .1 takes 8, slope .889, and .001
# takes 70, slope .973. Radii between 4 and 8 mm have slopes between .968 and .971 (one pass each).
# `passes` 1 and 4 on `cal-3T` of `benchmarks/phantoms.py` with 2 ppb of noise: slope .863 and
# .923, error 3.22 and 2.68 ppb; three passes that do not go by blocks, .927 and 2.67, in more than
# twice the time of 4 that do. A tolerance of .05 in further passes leaves 1.11 ppb in place of .70
# of the head of `benchmarks/speed.py`.
def resharp(
    totalfield: NDArray[Any], mask: Mask, grid: Grid, *,
    radius: float = 5.0, regularisation: float = 1e-4, passes: int = 4,
    iterations: int = 60, tolerance: float = 0.01,
    nthreads: int = 1, progress: Progress | None = None,
) -> tuple[Image, Mask]:  # fmt: skip
    """Regularisation-enabled harmonic artefact reduction.

    One ball for all voxels, like `ismv`, and a penalty on the local field.

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
    Sun & Wilman 2014 (doi 10.1002/mrm.24765); the equations are in the module's docstring.
    """
    stop = Stop(iterations, tolerance, progress, passes)
    check_lengths(radius=radius)
    check_positive(regularisation=regularisation)
    check_field_map(totalfield, mask, grid)

    def build(mask: Mask, grid: Grid) -> tuple[Spheres, Removal, Mask]:
        ball = OneBall(None, mask, grid, radius, nthreads)
        return ball.spheres, _removal(ball, regularisation), ball.fits

    ball = OneBall(totalfield, mask, grid, radius, nthreads)
    remove = _removal(ball, regularisation)
    return ball.spheres.local_by_blocks(remove, ball.fits, build, stop)


def _removal(ball: OneBall, regularisation: float) -> Removal:
    """R of RESHARP in the arrays of a ball."""
    # S S in one convolution: its kernel is the square of delta - ball's
    twice = convolver(ball.kernel**2, ball.fits.shape, nthreads=ball.spheres.nthreads)

    def normal(y: Image, out: Image) -> None:
        # y is zero outside M from the first step on, so M before S S changes nothing
        twice(y, out=out)
        out *= ball.fits
        out += np.float32(regularisation) * y

    def remove(field: Image, stop: Stop) -> Image:
        y = ball.solve(normal, field, stop)
        # x = S M y, known where the ball fits
        return ball.remains(y, out=y)

    return remove
