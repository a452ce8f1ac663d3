"""Susceptibility is relative: the region whose mean is zero, and the ventricles as one.

Liu et al. 2018 (doi 10.1002/mrm.26946) take the largest parts below 5 1/s within 3 cm of the
brain's centre as a reference in the inversion; here it is one after it. Noise of a few 1/s
would break the ventricles into crumbs, so R2* is smoothed first; a voxel whose own rate is
three times the limit, such as a vein's, is left out all the same. R2* is zero where the fit
has failed, which is no fluid, but also where noise has turned fluid's decay into growth: a
voxel counts where most of its neighbours have a decay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import NigraError
from ..grid import Grid

FLUID_R2STAR = 5.0
"""R2* below which a voxel is taken for fluid, 1/s (Liu et al. 2018)."""


def reference_to(
    chimap: NDArray[Any], mask: NDArray[np.bool_], region: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], float]:
    """Shift a map so that its mean over a region is zero.

    Parameters
    ----------
    chimap
        Susceptibility, ppm, (x, y, z).
    mask
        Voxels of the map; it is zero elsewhere.
    region
        Reference region; the whole mask by default.

    Returns
    -------
    tuple
        Referenced map, ppm, float32, zero outside the mask; and the mean that was taken away,
        ppm.

    Raises
    ------
    NigraError
        Shapes differ, or no voxel of the region lies in the mask.

    Examples
    --------
    >>> mask = np.array([[[True, True, False]]])
    >>> chi, offset = reference_to(np.array([[[1.0, 3.0, 9.0]]]), mask)
    >>> chi.tolist(), offset
    ([[[-1.0, 1.0, 0.0]]], 2.0)
    """
    if chimap.shape != mask.shape or (region is not None and region.shape != mask.shape):
        raise NigraError('the map, its mask and the reference region must share one shape')
    inside = mask if region is None else mask & region
    if not inside.any():
        raise NigraError('no voxel of the reference region lies in the mask')
    offset = float(chimap[inside].mean(dtype=np.float64))
    out = np.where(mask, chimap.astype(np.float64) - offset, 0).astype(np.float32)
    return out, offset


def ventricles(
    r2star: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    reach: float = 30.0,
    limit: float = FLUID_R2STAR,
    smoothing: float = 1.0,
    least_ml: float = 0.5,
) -> NDArray[np.bool_]:
    """Fluid of the lateral ventricles, from its slow decay in the middle of the brain.

    Parameters
    ----------
    r2star
        Effective transverse relaxation rate, 1/s, (x, y, z).
    mask
        Voxels of the susceptibility map.
    grid
        Geometry.
    reach
        Farthest from the mask's centre, mm.
    limit
        Highest R2* of fluid, 1/s.
    smoothing
        Standard deviation of the Gaussian that takes noise off R2*, mm; 0.8 voxels at least.
    least_ml
        Smallest volume that is taken for ventricles, ml.

    Returns
    -------
    NDArray
        Boolean; connected parts of at least a tenth of the largest, less their outer voxels
        where enough remains, so that no vessel or tissue of the wall takes part.

    Raises
    ------
    NigraError
        Shapes differ, or too little fluid is found.
    """
    if not r2star.shape == mask.shape == grid.shape:
        raise NigraError('the R2* map, its mask and their grid must share one shape')
    fluid = _slow_decay(r2star, mask, grid, limit, smoothing) & _near_centre(mask, grid, reach)
    # without thin bridges between parts and single voxels
    kept = _large_parts(ndimage.binary_opening(fluid))
    volume = kept.sum() * grid.voxel_volume / 1000
    if volume < least_ml:
        raise NigraError(
            f'only {volume:.2f} ml of fluid is found in the middle of the brain; choose another '
            'reference, such as the brain'
        )
    core = ndimage.binary_erosion(kept)
    return np.asarray(core if core.sum() * grid.voxel_volume / 1000 >= least_ml else kept)


def _slow_decay(
    r2star: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, limit: float, smoothing: float
) -> NDArray[np.bool_]:
    """Voxels whose neighbourhood decays as slowly as fluid."""
    inside, rate = mask.astype(np.float32), np.where(mask, r2star, 0).astype(np.float32)
    # below 0.8 voxels a Gaussian hardly averages
    sigma = [max(smoothing / h, 0.8) for h in grid.voxel_size]
    fraction, smooth, decays = (
        ndimage.gaussian_filter(image, sigma, truncate=2.5)
        for image in (inside, rate, (rate > 0).astype(np.float32))
    )
    # means over the neighbours inside the mask, most of which must have a decay
    fluid = mask & (smooth < limit * fraction) & (decays > 0.5 * fraction)
    # a vein's own rate gives it away among fluid; three times is by eye
    return fluid & (rate < 3 * limit)


def _near_centre(mask: NDArray[np.bool_], grid: Grid, reach: float) -> NDArray[np.bool_]:
    """Voxels within a distance of the mask's centre, mm."""
    centre = np.array(ndimage.center_of_mass(mask)) if mask.any() else np.zeros(3)
    square = np.zeros(mask.shape, np.float32)
    for axis, (n, h) in enumerate(zip(mask.shape, grid.voxel_size, strict=True)):
        shape = [-1 if a == axis else 1 for a in range(3)]
        square += ((((np.arange(n) - centre[axis]) * h) ** 2).astype(np.float32)).reshape(shape)
    return square < reach**2


def _large_parts(fluid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected parts of at least a tenth of the largest (by eye): both ventricles, no crumbs."""
    parts, count = ndimage.label(fluid)
    sizes = np.bincount(parts.ravel())[1:] if count else np.zeros(1, int)
    return np.isin(parts, np.flatnonzero(sizes >= 0.1 * sizes.max()) + 1) & fluid
