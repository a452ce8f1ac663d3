"""V-SHARP: spherical mean values with balls that shrink towards the mask's edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import check_field_map
from ..grid import Grid
from ..numerics.fft import empty_spectrum, irfftn, rfftn
from .spheres import Image, Spheres

Progress = Callable[[int, int], None]


def vsharp(
    totalfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    radii: Sequence[float] = (
        18.0, 16.0, 14.0, 12.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0,
    ),
    threshold: float = 0.02,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[Image, NDArray[np.bool_]]:  # fmt: skip
    """Sophisticated harmonic artefact reduction with balls that shrink towards the edge.

    Parameters
    ----------
    totalfield
        Total field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    radii
        Radii of the balls, mm; each voxel uses the largest that fits into the mask there.
    threshold
        The deconvolution keeps frequencies at which the kernel exceeds this; 0 to 1.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (radius index, number of radii).

    Returns
    -------
    tuple
        Local field, ppm, zero outside its mask; and that mask, eroded by the smallest ball.

    Raises
    ------
    NigraError
        Shapes differ, no radius is given, no ball fits into the mask, or the field is not finite
        in it.

    Notes
    -----
    Schweser et al. 2011 (doi 10.1016/j.neuroimage.2010.10.070), Li et al. 2011 (doi
    10.1016/j.neuroimage.2010.11.088), Wu et al. 2012 (doi 10.1002/mrm.23000). Neighbouring radii
    differ little, since each jump of the kernel leaves a seam that the deconvolution with the
    largest ball's kernel spreads.
    """
    check_field_map(totalfield, mask, grid)
    if not 0 < threshold < 1:
        raise NigraError(f'threshold must lie between 0 and 1, got {threshold}')
    ordered = sorted({float(r) for r in radii}, reverse=True)
    if not ordered or not all(np.isfinite(r) and r > 0 for r in ordered):
        raise NigraError(f'radii must be positive lengths in mm, got {list(radii)}')
    spheres = Spheres(totalfield, mask, grid, ordered[0], nthreads)
    filtered, kept, largest = _filtered_by_balls(spheres, ordered, progress)
    if largest is None:
        raise NigraError(
            f'no ball of {ordered[-1]} to {ordered[0]} mm fits into the mask; give smaller radii'
        )
    # Deconvolution with the largest ball's kernel, truncated where it is small.
    spectrum = rfftn(filtered, nthreads=nthreads)
    keep = np.abs(largest) > threshold
    spectrum *= np.where(keep, 1 / np.where(keep, largest, 1), 0)
    local = irfftn(spectrum, filtered, nthreads=nthreads)
    local[~kept] = 0
    return spheres.crop.put(local), spheres.crop.put(kept)


def _filtered_by_balls(
    spheres: Spheres, radii: Sequence[float], progress: Progress | None
) -> tuple[Image, NDArray[np.bool_], Image | None]:
    """(delta - ball) * field with the largest ball that fits, and the largest ball's kernel."""
    field, nthreads = spheres.field, spheres.nthreads
    spectrum = rfftn(field, nthreads=nthreads)
    product, image = empty_spectrum(field), np.empty_like(field)
    filtered, kept, largest = np.zeros_like(field), np.zeros_like(spheres.inside), None
    for index, radius in enumerate(radii):
        removal, fits = spheres.removal(radius)
        new = fits & ~kept
        if new.any():
            largest = removal if largest is None else largest
            np.multiply(spectrum, removal, out=product)
            irfftn(product, image, nthreads=nthreads)
            filtered[new] = image[new]
            kept |= new
        if progress:
            progress(index + 1, len(radii))
    return filtered, kept, largest
