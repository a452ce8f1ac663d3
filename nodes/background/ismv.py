"""Iterative spherical mean values: the background is what equals its mean over a ball.

Wen et al. 2014 (doi 10.1002/mrm.24998) replace the field f by its mean over a ball, S f, again and
again where the ball fits, M, and hold it elsewhere. The limit, the background b, has b = S b in M
and b = f elsewhere. So the local field u = f - b is the solution of M (1 - S) M u = M (1 - S) f;
conjugate gradients find it in fewer steps than the repetition. What further passes give back
(`dipole_part`) is held against harmonic fields instead, which multigrid finds sooner.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numpy.typing import NDArray

from ..fields import check_field_map, check_lengths
from ..grid import Grid
from ..numerics.multigrid import Multigrid
from ..parallel import Progress
from .frame import Image, Mask, Stop
from .lbv import without_harmonic
from .spheres import OneBall


# A wide ball costs mask and gains little: 4 mm keep 78 % of the mask of `cal-3T`
# (`benchmarks/phantoms.py`) with 2.7 ppb in its inside, 5 mm 73 % with 2.6, 3 mm 83 % with 2.8,
# but one of 3 mm is no ball on voxels of 2 mm. In the voxels that 5 mm leave of the head of
# `benchmarks/speed.py` the errors are .87 and .97 ppb; a tolerance of .01 leaves 1.02 there (one
# pass each). `passes` 1, 2 and 3 leave .98, .73 and .79 ppb of that head, 2.76, 2.60 and 2.54 of
# `cal-3T` with 2 ppb of noise. The mean over the ball in the second pass, too, would leave .75 and
# 2.61 ppb and take four times its time.
def ismv(
    totalfield: NDArray[Any], mask: Mask, grid: Grid, *,
    radius: float = 4.0, passes: int = 2,
    iterations: int = 60, tolerance: float = 0.001,
    nthreads: int = 1, progress: Progress | None = None,
) -> tuple[Image, Mask]:  # fmt: skip
    """Iterative spherical mean value method.

    The mean over one ball takes the field's place until nothing changes any more; there is no
    weight to choose.

    Parameters
    ----------
    radius
        Radius of the ball, mm; the mask shrinks by it.
    totalfield, mask, grid, passes, iterations, tolerance, nthreads, progress
        As in `background.frame`, which also lists the errors.

    Returns
    -------
    tuple
        Local field, and its mask: the voxels about which the ball fits.

    Notes
    -----
    Wen et al. 2014 (doi 10.1002/mrm.24998); the equations are in the module's docstring.
    """
    stop = Stop(iterations, tolerance, progress, passes)
    check_lengths(radius=radius)
    check_field_map(totalfield, mask, grid)
    ball = OneBall(totalfield, mask, grid, radius, nthreads)

    @cache
    def multigrid() -> Multigrid:
        return Multigrid(ball.fits, grid.voxel_size, nthreads)

    def remove(field: Image, stop: Stop) -> Image:
        # `remains` is M (1 - S); a step is zero outside M, so another M before it changes nothing
        return ball.solve(ball.remains, field, stop)

    def again(field: Image, stop: Stop) -> Image:
        # what equals its mean over balls is harmonic, and smooth fields of susceptibility tell one
        # ball from all of them least: what is given back goes by the Laplacian
        return without_harmonic(field, multigrid(), stop)

    return ball.local(remove, stop, again)
