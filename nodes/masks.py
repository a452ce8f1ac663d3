"""Where the field can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .errors import NigraError
from .unwrap import bounding_box, wrap


def finite_mask(*images: NDArray[Any]) -> NDArray[np.bool_]:
    """Voxels at which every image (and every echo of it) is finite, (x, y, z).

    Examples
    --------
    >>> int(finite_mask(np.array([[[[1.0, np.nan], [1.0, 2.0]]]])).sum())
    1
    """
    inside = np.ones(images[0].shape[:3], bool)
    for image in images:
        good = np.isfinite(image)
        inside &= good.all(axis=3) if image.ndim == 4 else good
    return inside


def phase_roughness(
    phase: NDArray[Any], mask: NDArray[np.bool_], *, width: int = 3
) -> NDArray[np.float32]:
    """How far the phase is from growing evenly: 0 where smooth, about 1 in noise.

    Parameters
    ----------
    phase
        Wrapped phase of one echo, rad, (x, y, z).
    mask
        Where it is wanted; differences leave no voxel of it.
    width
        Edge of the box over which it is averaged, voxels.

    Returns
    -------
    NDArray
        Root mean square of the wrapped second differences along the three axes, divided by its
        expectation for uniform noise, pi / sqrt(3); zero outside the mask (after Abdul-Rahman et
        al. 2007, doi 10.1364/AO.46.006623).
    """
    box = bounding_box(mask)
    angle, inside = np.where(mask, phase, 0)[box].astype(np.float32), mask[box]
    total, count = np.zeros(angle.shape, np.float32), np.zeros(angle.shape, np.float32)
    for axis in range(3):
        if angle.shape[axis] < 3:
            continue
        first = np.moveaxis(wrap(np.diff(angle, axis=axis)), axis, 0)
        second = wrap(np.diff(first, axis=0)) ** 2
        within = np.moveaxis(inside, axis, 0)
        valid = within[2:] & within[1:-1] & within[:-2]
        np.moveaxis(total, axis, 0)[1:-1] += np.where(valid, second, 0)
        np.moveaxis(count, axis, 0)[1:-1] += valid
    total = ndimage.uniform_filter(total, width, mode='constant')
    count = ndimage.uniform_filter(count, width, mode='constant')
    mean = np.where(count > 1e-6, total / np.maximum(count, 1e-6), np.pi**2 / 3)
    out = np.zeros(mask.shape, np.float32)
    out[box] = np.where(inside, np.sqrt(np.maximum(mean, 0) * 3) / np.pi, 0)
    return out


def trusted_mask(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    brain_mask: NDArray[np.bool_],
    *,
    roughness: float = 0.5,
    signal: float = 0.1,
    echo: int | None = None,
) -> NDArray[np.bool_]:
    """Part of the brain mask in which phase is signal, not noise.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo).
    magnitude
        Magnitude, same shape.
    brain_mask
        Brain, (x, y, z).
    roughness
        Voxels whose `phase_roughness` exceeds this are dropped.
    signal
        Voxels darker than this share of the brain's median, averaged over 3 voxels, are dropped.
    echo
        Echo to judge; the second of several by default.

    Returns
    -------
    NDArray
        Boolean; the largest connected part and any other of at least a tenth of its size, with
        enclosed holes filled (deep nuclei are dark at high field yet needed; a noisy voxel there
        has a low weight later). Voxels that are not finite stay out.

    Raises
    ------
    NigraError
        Nothing is left.
    """
    if phase.ndim != 4 or phase.shape != magnitude.shape or brain_mask.shape != phase.shape[:3]:
        raise NigraError(
            f'phase {phase.shape}, magnitude {magnitude.shape} and mask {brain_mask.shape} do not '
            'fit together'
        )
    finite = finite_mask(phase, magnitude)
    inside = brain_mask & finite
    if not inside.any():
        raise NigraError('the brain mask holds no voxel with finite phase and magnitude')
    chosen = min(1, phase.shape[3] - 1) if echo is None else echo
    size = np.where(inside, magnitude[..., chosen], 0).astype(np.float32)
    share = ndimage.uniform_filter(inside.astype(np.float32), 3, mode='constant')
    local = ndimage.uniform_filter(size, 3, mode='constant') / np.maximum(share, 1e-3)
    bright = local > signal * float(np.median(size[inside]))
    even = phase_roughness(phase[..., chosen], inside) < roughness
    kept = _main_parts(inside & bright & even)
    if not kept.any():
        raise NigraError(
            'no voxel of the brain mask has coherent phase; check that phase and magnitude belong '
            'together'
        )
    # single voxels bitten out of the surface come back, enclosed holes too
    closed = ndimage.binary_closing(np.pad(kept, 2), iterations=2)[2:-2, 2:-2, 2:-2]
    filled = ndimage.binary_fill_holes(closed & brain_mask | kept)
    return np.asarray(filled & inside)


def _main_parts(mask: NDArray[np.bool_], share: float = 0.1) -> NDArray[np.bool_]:
    """Connected parts of at least `share` of the largest, thin bridges cut first."""
    opened = ndimage.binary_opening(mask)
    parts, count = ndimage.label(opened if opened.any() else mask)
    if count == 0:
        return np.zeros_like(mask)
    sizes = np.bincount(parts.ravel())[1:]
    keep = np.flatnonzero(sizes >= share * sizes.max()) + 1
    core = np.isin(parts, keep)
    # the opening rounded corners off; give those that touch the core back
    return np.asarray(ndimage.binary_dilation(core) & mask | core)
