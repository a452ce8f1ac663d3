"""V-SHARP: spherical mean values with balls that shrink towards the mask's edge.

SHARP (Schweser et al. 2011, doi 10.1016/j.neuroimage.2010.10.070): a harmonic background equals
its mean over a ball, so the convolution with delta - ball leaves only what comes of the local
field. Deconvolution with the same kernel, truncated where the kernel is small, brings the local
field back. Li et al. 2011 (doi 10.1016/j.neuroimage.2010.11.088) and Wu et al. 2012 (doi
10.1002/mrm.23000) give each voxel the largest ball that fits into the mask there, so that small
balls keep the edge and large ones keep slow local fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import LONGEST, check_field_map, check_settings
from ..grid import Grid
from ..numerics.fft import empty_spectrum, irfftn, rfftn
from ..parallel import Progress
from .dipole_part import Removal
from .frame import Image, Mask, Stop
from .spheres import NoBallError, Spheres


# The largest ball and the threshold go together: a wide ball takes slow local fields along, a
# small one with a high threshold, too. On `cal-3T` (`benchmarks/phantoms.py`, 2 ppb of noise)
# 12 mm and .05 leave 3.7 ppb and keep .86 and .90 of the scales of 4-8 and 8-16 voxels; 18 mm and
# .02, 3.9 ppb, .79 and .85; 6 mm and .05, 4.3 ppb, .76 and .32 (one pass each). `passes` 1, 6,
# 8 and 10: slope .934, .983, .986 and .988, error 3.74, 3.14, 3.14 and 3.15 ppb; three passes that
# do not go by blocks, .970 and 3.14, in half as much time again as 8 that do. A smallest
# ball of 2 mm keeps 84 % of the mask of the phantom of `background.frame`, 3 mm 76 %, 5 mm 64 %.
def vsharp(
    totalfield: NDArray[Any], mask: Mask, grid: Grid, *,
    radii: Sequence[float] = (12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0),
    threshold: float = 0.05, passes: int = 8,
    nthreads: int = 1, progress: Progress | None = None,
) -> tuple[Image, Mask]:  # fmt: skip
    """Sophisticated harmonic artefact reduction with balls that shrink towards the edge.

    Neighbouring radii should differ little: each jump of the kernel leaves a seam that the
    deconvolution with the largest ball's kernel spreads.

    Parameters
    ----------
    radii
        Radii of the balls, mm; each voxel uses the largest that fits into the mask there.
    threshold
        The deconvolution keeps frequencies at which the kernel exceeds this; 0 to 1.
    progress
        Called with (radii done in all passes, number of radii times `passes`).
    totalfield, mask, grid, passes, nthreads
        As in `background.frame`, which also lists the errors.

    Returns
    -------
    tuple
        Local field, and its mask: the voxels about which the smallest ball fits.

    Notes
    -----
    Schweser et al. 2011, Li et al. 2011, Wu et al. 2012; see the module's docstring.
    """
    ordered = sorted({float(r) for r in radii}, reverse=True)
    lengths = bool(ordered) and all(0 < r <= LONGEST for r in ordered)
    check_settings(
        ('radii', list(radii), lengths, f'be positive lengths up to {LONGEST:g} mm'),
        ('threshold', threshold, 0 < threshold < 1, 'lie between 0 and 1'),
    )
    stop = Stop(len(ordered), 0.0, progress, passes)
    check_field_map(totalfield, mask, grid)

    def build(mask: Mask, grid: Grid) -> tuple[Spheres, Removal, Mask]:
        # kernels are small here, and every pass needs all of them
        balls = _Balls(Spheres(None, mask, grid, ordered[0], nthreads), ordered, keep=True)
        return balls.spheres, _removal(balls, threshold), balls.kept

    balls = _Balls(Spheres(totalfield, mask, grid, ordered[0], nthreads), ordered)
    return balls.spheres.local_by_blocks(_removal(balls, threshold), balls.kept, build, stop)


def _removal(balls: _Balls, threshold: float) -> Removal:
    """R of V-SHARP in the arrays of its balls."""

    def remove(field: Image, stop: Stop) -> Image:
        filtered = balls.filtered(field, stop)
        # one kernel for all voxels, although those near the edge were filtered with smaller balls
        local = _deconvolved(filtered, balls.largest, threshold, balls.spheres.nthreads)
        local[~balls.kept] = 0
        return local

    return remove


def _deconvolved(filtered: Image, kernel: Image, threshold: float, nthreads: int) -> Image:
    """Divide by delta - ball in k-space, zero where it is small; overwrites `filtered`."""
    spectrum = rfftn(filtered, nthreads=nthreads)
    # the kernel vanishes towards k = 0, where division would amplify what the balls left over
    keep = np.abs(kernel) > threshold
    spectrum *= np.where(keep, 1 / np.where(keep, kernel, 1), 0)
    return irfftn(spectrum, filtered, nthreads=nthreads)


class _Balls:
    """The largest ball that fits, at each voxel.

    Attributes
    ----------
    spheres
        The field in its crop.
    kept
        Voxels about which some ball fits.
    largest
        Kernel of the largest ball that fits anywhere: larger ones on the list are passed over.

    Raises
    ------
    NoBallError
        No ball fits anywhere.
    """

    def __init__(self, spheres: Spheres, radii: Sequence[float], keep: bool = False) -> None:
        self.spheres, self._radii = spheres, radii
        self._removal = cache(spheres.removal) if keep else spheres.removal
        # number of the ball on the list, from 1
        self._ball = np.zeros(spheres.inside.shape, np.int16)
        for number, radius in enumerate(radii, 1):
            # radii fall, so a voxel that no larger ball had fits this one best
            self._ball[spheres.fits(radius, spheres.ball(radius)) & (self._ball == 0)] = number
        self.kept = self._ball > 0
        if not self.kept.any():
            raise NoBallError(
                f'no ball of {radii[-1]} to {radii[0]} mm fits into the mask; give smaller radii'
            )
        self.largest = spheres.removal(radii[int(self._ball[self.kept].min()) - 1])

    def filtered(self, field: Image, stop: Stop) -> Image:
        """(delta - ball) * field; each of the steps is one ball."""
        nthreads = self.spheres.nthreads
        spectrum = rfftn(field, nthreads=nthreads)
        product, image = empty_spectrum(field), np.empty_like(field)
        filtered = np.zeros_like(field)
        for number, radius in enumerate(self._radii, 1):
            chosen = self._ball == number
            if chosen.any():
                np.multiply(spectrum, self._removal(radius), out=product)
                irfftn(product, image, nthreads=nthreads)
                filtered[chosen] = image[chosen]
            if stop.progress:
                stop.progress(number, len(self._radii))
        return filtered
