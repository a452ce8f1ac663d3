"""Atlas labels on the grid of an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nodes.brain import padded_box
from ..nodes.errors import NigraError
from ..nodes.resample import cropped_affine, subdivided_affine, vote
from .atlas import Atlas
from .itk import Engine, Volume, write

VOTING_MM = 1.1
"""Voxels larger than this are divided into an odd number of parts, which vote on the label."""


def labels_on(
    grid: Volume, atlas: Atlas, transforms: Sequence[Path], folder: Path, engine: Engine
) -> NDArray[np.uint8]:
    """Atlas labels on the grid of an image, through one interpolation.

    Parameters
    ----------
    grid
        Image whose grid is wanted.
    atlas
        Labels in template space.
    transforms
        From the template to the image, in ANTs' order.
    folder
        For files.
    engine
        How to resample.

    Raises
    ------
    NigraError
        A value came out that the atlas does not have.

    Notes
    -----
    A voxel larger than `VOTING_MM` is divided, and the label that fills most of it wins; a point
    sample at its centre would make thin nuclei ragged. The number of parts is odd, for draws
    would have to favour either label or background and so bias every volume.
    """
    labels = np.asarray(atlas.image.dataobj)
    moving = write(Volume(labels, atlas.image.affine), folder / 'atlas.nii', dtype=np.uint8)
    factors = [voting_parts(v) for v in grid.voxel_size]
    box = _label_box(moving, grid, transforms, folder, engine)
    fine_shape = [(b.stop - b.start) * f for b, f in zip(box, factors, strict=True)]
    fine = Volume(
        np.zeros(fine_shape, np.uint8),
        subdivided_affine(cropped_affine(grid.affine, box), factors),
    )
    reference = write(fine, folder / 'label_grid.nii', dtype=np.uint8)
    drawn = engine.resample(moving, reference, transforms, interpolator='genericLabel')
    check_labels(drawn, labels)
    out = np.zeros(grid.data.shape, np.uint8)
    out[box] = vote(drawn.astype(np.uint8), factors)
    return out


def voting_parts(length: float) -> int:
    """Parts into which an edge of a voxel (mm) is divided: the least odd number that suffices.

    Examples
    --------
    >>> [voting_parts(v) for v in (0.5, 1.0, 1.5, 3.0, 5.0)]
    [1, 1, 3, 3, 5]
    """
    parts = int(np.ceil(length / VOTING_MM))
    return parts + 1 - parts % 2


def check_labels(drawn: NDArray[Any], labels: NDArray[Any]) -> None:
    """Raise NigraError if resampling made a value that the atlas does not have."""
    new = np.setdiff1d(np.unique(drawn), np.unique(labels))
    if new.size:
        raise NigraError(
            f'resampling made label values {new[:5].tolist()} that the atlas lacks; report this '
            'with the atlas and the version of antspyx'
        )


def _label_box(
    moving: Path, grid: Volume, transforms: Sequence[Path], folder: Path, engine: Engine
) -> tuple[slice, ...]:
    """Part of a grid in which labels can be: found on coarse voxels, with a border of two."""
    spacing = 3.0
    step = [max(1, round(spacing / v)) for v in grid.voxel_size]
    affine = grid.affine.copy()
    affine[:3, :3] *= step
    affine[:3, 3] += grid.affine[:3, :3] @ ((np.array(step) - 1) / 2)
    shape = [int(np.ceil(n / s)) for n, s in zip(grid.data.shape, step, strict=True)]
    coarse = write(Volume(np.zeros(shape, np.uint8), affine), folder / 'box.nii', dtype=np.uint8)
    found = engine.resample(moving, coarse, transforms, interpolator='nearestNeighbor') > 0
    if not found.any():
        return (slice(0, 1),) * 3
    return tuple(
        slice(max(0, (b.start - 2) * s), min(n, (b.stop + 2) * s))
        for b, s, n in zip(padded_box(found, (0, 0, 0)), step, grid.data.shape, strict=True)
    )
