"""Brain masks: tissue intensities sharpen a mask that registration has placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..errors import NigraError
from ..numerics.distances import distances
from ..volumes import bounding_box

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
    return np.asarray(distances(~mask, voxel_size, radius) <= radius)


def erode_mm(mask: Mask, radius: float, voxel_size: Sequence[float]) -> Mask:
    """Mask shrunk by a ball of `radius` mm; the edge of the array does not count as outside."""
    if mask.all():
        return mask.copy()  # the distance transform needs something outside
    return np.asarray(distances(mask, voxel_size, radius) > radius)


def largest_part(mask: Mask) -> Mask:
    """Largest part that hangs together through voxel faces."""
    parts, count = ndimage.label(mask)
    if count <= 1:
        return mask.copy()
    # part 0 is the background
    return np.asarray(parts == np.bincount(parts.ravel())[1:].argmax() + 1)


@dataclass(frozen=True)
class Tissue:
    """T1-weighted intensities that tell tissue from what surrounds it.

    Attributes
    ----------
    fluid
        Fluid, or what is as dark.
    typical
        Middle of grey and white matter.
    bright
        More than any white matter shows: fat, vessels.
    """

    fluid: float
    typical: float
    bright: float

    def above(self, fraction: float) -> float:
        """Intensity of a voxel that holds this fraction of tissue, the rest being fluid."""
        return self.fluid + fraction * (self.typical - self.fluid)


def tissue_intensities(image: NDArray[Any], prior: Mask, certain: Mask) -> Tissue:
    """Find the intensities of tissue in a T1-weighted image.

    Parameters
    ----------
    image
        T1-weighted intensities, bias field removed.
    prior
        Roughly the brain, fluid in its sulci included.
    certain
        Well within the brain.

    Raises
    ------
    NigraError
        A mask is empty or the image has no contrast in it.

    Notes
    -----
    Quantiles, not classes: a young brain has too little fluid well inside it for a class of its
    own. Fluid is the darkest hundredth of the prior, but at most a quarter of the median; bright
    begins above the 98th percentile by a quarter of its distance from fluid. The quantiles and
    quarters are set by eye.

    Examples
    --------
    >>> image = np.repeat([10.0, 60.0, 80.0], 9).reshape(3, 3, 3)
    >>> tissue_intensities(image, image > 0, image > 50)
    Tissue(fluid=10.0, typical=70.0, bright=97.5)
    """
    if not (prior.any() and certain.any()):
        raise NigraError('the brain mask is empty; give a mask of the brain')
    inside = np.asarray(image[certain], np.float64)
    typical, white = (float(v) for v in np.percentile(inside, [50, 98]))
    # a prior that is too small has no fluid in its darkest hundredth
    fluid = min(float(np.percentile(image[prior], 1)), 0.25 * typical)
    if not (white > fluid and float(inside.max()) > float(inside.min())):
        raise NigraError(f'the image is {typical:g} everywhere in the brain; give a T1w image')
    return Tissue(fluid, typical, white + (white - fluid) / 4)


@dataclass(frozen=True)
class MaskReach:
    """Distances by which `refine_brain_mask` works, mm.

    Attributes
    ----------
    outside
        Tissue may be found up to this far outside the prior.
    core
        What lies this deep inside the prior is brain whatever its intensity.
    neck
        Bridges to skull and meninges thinner than twice this are cut.
    sulcus
        Gaps between tissue up to twice this wide are filled.
    rim
        The outermost voxels share their volume with fluid: those up to this far out, or one voxel
        where voxels are larger, are taken in if tissue seems to fill a fifth of them.

    Notes
    -----
    Set by eye. On the first participant of `bids_example` (1.6 mm, coarsest preset), half or one
    and a half times `core` changes the volume by 2 or -1 per cent, any other by less than 0.6 per
    cent.
    """

    outside: float = 4.0
    core: float = 5.0
    neck: float = 2.5
    sulcus: float = 5.0
    rim: float = 1.0


def refine_brain_mask(
    image: NDArray[Any], prior: Mask, voxel_size: Sequence[float], reach: MaskReach | None = None
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
        Distances other than those of `MaskReach`.

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
    Voxels that tissue more than half fills (see `Tissue`) are tissue; an opening cuts what hangs
    on by thin bridges and a closing takes in the sulci: the classical morphological scheme
    (Atkins and Mackiewich 1998, doi 10.1109/42.668699), with a registered template in place of
    its heuristics for the start.
    """
    if image.shape != prior.shape:
        raise NigraError(f'image {image.shape} and mask {prior.shape} differ in shape')
    if not prior.any():
        raise NigraError('the brain mask from registration is empty; check the T1w image')
    reach = reach or MaskReach()
    # room for the closing, so that the edge of the box is not taken for the edge of the head
    margin = [int(np.ceil((reach.outside + reach.sulcus) / v)) + 1 for v in voxel_size]
    box = padded_box(prior, margin)
    out = np.zeros(prior.shape, bool)
    data = np.asarray(image[box], np.float32)
    out[box] = _tissue_mask(data, prior[box], voxel_size, reach)
    return out


def _tissue_mask(
    data: NDArray[np.float32], prior: Mask, voxel_size: Sequence[float], reach: MaskReach
) -> Mask:
    """The steps of `refine_brain_mask` in a box around the prior."""
    certain = distances(prior, voxel_size, reach.core) > reach.core
    reached = distances(~prior, voxel_size, reach.outside) < reach.outside
    levels = tissue_intensities(data, prior, certain if certain.any() else prior)
    dim = data < levels.bright
    # more than half full of tissue; single voxels of noise go by the opening
    tissue = (data > levels.above(0.5)) & dim
    tissue = ndimage.binary_opening(tissue) & reached | certain
    brain = _without_bridges(tissue, certain, voxel_size, reach.neck)
    brain = _with_sulci(brain, voxel_size, reach.sulcus)
    # the rim: at least one voxel, for the outermost are those that are partly fluid
    near = dilate_mm(brain, max(reach.rim, *voxel_size), voxel_size)
    brain |= near & (data > levels.above(0.2))
    brain &= dim  # the closing may have taken in fat or vessels
    return np.asarray(ndimage.binary_fill_holes(largest_part(brain | certain)))


def _without_bridges(
    tissue: Mask, certain: Mask, voxel_size: Sequence[float], neck: float
) -> Mask:
    """Tissue that stays connected with the brain after an erosion by `neck` mm."""
    kept = largest_part(erode_mm(tissue, neck, voxel_size) | certain)
    # one voxel more than was eroded, since the distance transform counts from voxel centres
    return dilate_mm(kept, neck + max(voxel_size), voxel_size) & tissue


def _with_sulci(brain: Mask, voxel_size: Sequence[float], sulcus: float) -> Mask:
    """Closing by a ball of `sulcus` mm, as if the array went on with nothing beyond its edge."""
    wide = dilate_mm(np.pad(brain, 1), sulcus, voxel_size)
    return erode_mm(wide, sulcus, voxel_size)[1:-1, 1:-1, 1:-1]


def padded_box(mask: Mask, margin: Sequence[int]) -> tuple[slice, ...]:
    """Slices of the smallest box around a mask, grown by a margin within the array, voxels."""
    return tuple(
        slice(max(b.start - m, 0), min(b.stop + m, n))
        for b, m, n in zip(bounding_box(mask), margin, mask.shape, strict=True)
    )


def on_other_grid(mask: Mask, affine: ArrayLike, target: ArrayLike, shape: Sequence[int]) -> Mask:
    """Mask on another grid in the same world, by the nearest voxel; False outside its own.

    Parameters
    ----------
    mask
        (x, y, z).
    affine, target
        Voxel-to-world matrices of the mask and of the grid that is wanted, 4 x 4.
    shape
        Of that grid.

    Examples
    --------
    >>> moved = np.eye(4); moved[0, 3] = 1
    >>> on_other_grid(np.array([[[True]], [[False]]]), np.eye(4), moved, (2, 1, 1)).tolist()
    [[[False]], [[False]]]
    """
    to_mask = np.linalg.inv(np.asarray(affine, float)) @ np.asarray(target, float)
    drawn = ndimage.affine_transform(
        mask.astype(np.uint8), to_mask[:3, :3], to_mask[:3, 3], tuple(shape), order=0
    )
    return np.asarray(drawn > 0)
