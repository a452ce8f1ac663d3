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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import LONGEST, check_field_map, check_settings
from ..grid import Grid
from ..numerics.fft import empty_spectrum, irfftn, rfftn
from ..parallel import Progress
from .frame import Image, Mask
from .spheres import Spheres


# The largest ball and the threshold go together: a wide ball takes slow local fields along, a
# small one with a high threshold, too. On `cal-3T` (`benchmarks/phantoms.py`, 2 ppb of noise)
# 12 mm and .05 leave 3.7 ppb and keep .86 and .90 of the scales of 4-8 and 8-16 voxels; 18 mm and
# .02, 3.9 ppb, .79 and .85; 6 mm and .05, 4.3 ppb, .76 and .32. A smallest ball of 2 mm keeps 84 %
# of the mask of the phantom of `background.frame`, 3 mm 76 %, 5 mm 64 %.
def vsharp(
    totalfield: NDArray[Any], mask: Mask, grid: Grid, *,
    radii: Sequence[float] = (12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0),
    threshold: float = 0.05,
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
        Called with (radii done, number of radii).
    totalfield, mask, grid, nthreads
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
    check_field_map(totalfield, mask, grid)
    spheres = Spheres(totalfield, mask, grid, ordered[0], nthreads)
    filtered, kept, largest = _filtered_by_balls(spheres, ordered, progress)
    if largest is None:
        raise NigraError(
            f'no ball of {ordered[-1]} to {ordered[0]} mm fits into the mask; give smaller radii'
        )
    # one kernel for all voxels, although those near the edge were filtered with smaller balls
    local = _deconvolved(filtered, largest, threshold, nthreads)
    local[~kept] = 0
    return spheres.crop.put(local), spheres.crop.put(kept)


def _deconvolved(filtered: Image, kernel: Image, threshold: float, nthreads: int) -> Image:
    """Divide by delta - ball in k-space, zero where it is small; overwrites `filtered`."""
    spectrum = rfftn(filtered, nthreads=nthreads)
    # the kernel vanishes towards k = 0, where division would amplify what the balls left over
    keep = np.abs(kernel) > threshold
    spectrum *= np.where(keep, 1 / np.where(keep, kernel, 1), 0)
    return irfftn(spectrum, filtered, nthreads=nthreads)


def _filtered_by_balls(
    spheres: Spheres, radii: Sequence[float], progress: Progress | None
) -> tuple[Image, Mask, Image | None]:
    """(delta - ball) * field with the largest ball that fits, and the largest ball's kernel."""
    field, nthreads = spheres.field, spheres.nthreads
    spectrum = rfftn(field, nthreads=nthreads)
    product, image = empty_spectrum(field), np.empty_like(field)
    filtered, kept, largest = np.zeros_like(field), np.zeros_like(spheres.inside), None
    for index, radius in enumerate(radii):
        removal, fits = spheres.removal(radius)
        # radii fall, so a voxel that no larger ball had fits this one best
        new = fits & ~kept
        if new.any():
            # the largest ball that fits anywhere: larger ones on the list are passed over
            largest = removal if largest is None else largest
            np.multiply(spectrum, removal, out=product)
            irfftn(product, image, nthreads=nthreads)
            filtered[new] = image[new]
            kept |= new
        if progress:
            progress(index + 1, len(radii))
    return filtered, kept, largest
