"""Brain masks: tissue intensities sharpen a mask that registration has placed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .errors import NigraError

Mask = NDArray[np.bool_]


def dilate_mm(mask: Mask, radius: float, voxel_size: Sequence[float]) -> Mask:
    """Mask grown by a ball of `radius` mm, whatever the voxel size.

    Examples
    --------
    >>> point = np.zeros((5, 5, 5), bool); point[2, 2, 2] = True
    >>> dilate_mm(point, 1.0, (0.5, 1, 2)).sum(axis=(1, 2)).tolist()
    [1, 1, 3, 1, 1]
    """
    if not mask.any():
        return mask.copy()
    return np.asarray(distance_mm(~mask, voxel_size) <= radius)


def erode_mm(mask: Mask, radius: float, voxel_size: Sequence[float]) -> Mask:
    """Mask shrunk by a ball of `radius` mm; the edge of the array does not count as outside."""
    if mask.all():
        return mask.copy()
    return np.asarray(distance_mm(mask, voxel_size) > radius)


def distance_mm(mask: Mask, voxel_size: Sequence[float]) -> NDArray[np.float32]:
    """Distance of each voxel inside a mask to the nearest voxel outside it, mm."""
    return ndimage.distance_transform_edt(mask, sampling=voxel_size).astype(np.float32)


def largest_part(mask: Mask) -> Mask:
    """Largest part that hangs together through voxel faces."""
    parts, count = ndimage.label(mask)
    if count <= 1:
        return mask.copy()
    return np.asarray(parts == np.bincount(parts.ravel())[1:].argmax() + 1)


def tissue_levels(image: NDArray[Any], mask: Mask) -> tuple[float, float, float]:
    """Typical T1-weighted intensity of fluid, grey and white matter.

    Parameters
    ----------
    image
        T1-weighted intensities, bias field removed.
    mask
        Where brain is certain, ventricles and some sulci included.

    Returns
    -------
    tuple
        Centres of three classes by k-means, ascending.

    Raises
    ------
    NigraError
        The mask is empty or the image has no contrast in it.

    Examples
    --------
    >>> image = np.repeat([10.0, 50.0, 80.0], 9).reshape(3, 3, 3)
    >>> tissue_levels(image, image > 0)
    (10.0, 50.0, 80.0)
    """
    values = np.sort(np.asarray(image[mask], np.float64))
    if values.size < 3:
        raise NigraError(f'the brain mask holds {values.size} voxels; give a mask of the brain')
    low, high = np.percentile(values, [1, 99])
    if not high > low:
        raise NigraError(f'the image is {low:g} everywhere in the brain; give one with contrast')
    values = values[(values >= low) & (values <= high)]
    sums = np.concatenate([[0.0], np.cumsum(values)])
    centres = np.percentile(values, [2, 35, 80])
    for _ in range(100):
        borders = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], borders, [values.size]])
        counts = np.diff(edges)
        moved = np.where(counts > 0, np.diff(sums[edges]) / np.maximum(counts, 1), centres)
        if np.allclose(moved, centres, rtol=1e-6, atol=0):
            break
        centres = moved
    return float(centres[0]), float(centres[1]), float(centres[2])


def refine_brain_mask(
    image: NDArray[Any],
    prior: Mask,
    voxel_size: Sequence[float],
    *,
    reach: float = 4.0,
    core: float = 5.0,
    neck: float = 2.5,
    sulcus: float = 5.0,
    rim: float = 1.0,
) -> Mask:
    """Brain mask that ends where brain tissue ends, from one that lies roughly right.

    Parameters
    ----------
    image
        T1-weighted intensities, bias field removed, (x, y, z); with or without skull.
    prior
        Template brain pulled back by registration, (x, y, z).
    voxel_size
        mm.
    reach
        Tissue may be found up to this far outside the prior, mm.
    core
        What lies this deep inside the prior is brain whatever its intensity, mm.
    neck
        Bridges to skull and meninges thinner than twice this are cut, mm.
    sulcus
        Gaps between tissue up to twice this wide are filled, mm.
    rim
        The outermost voxels share their volume with fluid and are darker than tissue: the mask
        takes in this much more, mm, or one voxel where voxels are larger.

    Returns
    -------
    NDArray
        One connected part without holes.

    Raises
    ------
    NigraError
        Shapes differ, the prior is empty, or there is no contrast.

    Notes
    -----
    Voxels brighter than half-way from fluid to grey matter and not much brighter than white
    matter are tissue; an opening cuts what hangs on by thin bridges and a closing takes in the
    sulci: the classical morphological scheme (Atkins and Mackiewich 1998,
    doi 10.1109/42.668696), with a registered template in place of its heuristics for the start.
    """
    if image.shape != prior.shape:
        raise NigraError(f'image {image.shape} and mask {prior.shape} differ in shape')
    if not prior.any():
        raise NigraError('the brain mask from registration is empty; check the T1w image')
    margin = [int(np.ceil((reach + sulcus) / v)) + 1 for v in voxel_size]
    box = padded_box(prior, margin)
    inner, data = prior[box], np.asarray(image[box], np.float32)
    depth = distance_mm(inner, voxel_size) - distance_mm(~inner, voxel_size)
    certain = depth > core
    fluid, grey, white = tissue_levels(data, certain if certain.any() else inner)
    too_bright = data > white + (white - fluid) / 2
    tissue = (data > (fluid + grey) / 2) & ~too_bright
    tissue = ndimage.binary_opening(tissue) & (depth > -reach) | certain
    kept = largest_part(erode_mm(tissue, neck, voxel_size) | certain)
    kept = dilate_mm(kept, neck + max(voxel_size), voxel_size) & tissue
    wide = np.pad(kept, 1)
    grown = dilate_mm(wide, sulcus + max(rim, *voxel_size), voxel_size)
    closed = erode_mm(grown, sulcus, voxel_size)[1:-1, 1:-1, 1:-1]
    closed &= ~too_bright
    out = np.zeros(prior.shape, bool)
    out[box] = ndimage.binary_fill_holes(largest_part(closed | certain))
    return out


def padded_box(mask: Mask, margin: Sequence[int]) -> tuple[slice, ...]:
    """Slices of the smallest box around a mask, grown by a margin within the array, voxels."""
    slices = []
    for axis in range(mask.ndim):
        line = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        start, stop = int(line[0]) - margin[axis], int(line[-1]) + 1 + margin[axis]
        slices.append(slice(max(start, 0), min(stop, mask.shape[axis])))
    return tuple(slices)
