"""Images and transforms on the grids on which registration works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...nodes.anatomy.brain import dilate_mm, padded_box
from ...nodes.anatomy.deformation import deformation_range
from ...nodes.anatomy.pose import world_points
from ...nodes.numerics.resample import cropped_affine
from .atlas import load_template
from .itk import Engine, Volume, empty, write, write_grid

_SEARCH_MM = 3.0
"""Voxels on which the box that holds an image is sought; two more of them are added on every
side. The smallest label of the built-in atlas, the ventral tegmental area, spans 4 mm or more in
each direction."""


@dataclass(frozen=True)
class Pair:
    """Transforms between two spaces, each a file that ANTs reads.

    Attributes
    ----------
    forward
        Resamples the moving image onto the fixed grid.
    inverse
        The other way.
    """

    forward: Path
    inverse: Path


def template_volume() -> Volume:
    """T1w template without skull."""
    image = load_template()
    return Volume(np.asarray(image.dataobj, np.float32), image.affine)


def crop(volume: Volume, box: Sequence[slice]) -> Volume:
    """Part of a volume, in its place in the world."""
    return Volume(volume.data[tuple(box)], cropped_affine(volume.affine, box))


def working_grid(
    mask: Volume, spacing: float, margin_mm: float, border_mm: float
) -> tuple[Volume, tuple[slice, ...]]:
    """Mask widened by a margin on cubic voxels, cropped with a border, and the crop's box."""
    coarse = mask.isotropic(spacing)
    wide = dilate_mm(coarse.data > 0.5, margin_mm, coarse.voxel_size)
    border = round(border_mm / spacing)
    box = padded_box(wide, (border,) * 3)
    return crop(Volume(wide.astype(np.float32), coarse.affine), box), box


def warped_file(
    moving: Path, fixed: Path, grid: Volume, chain: Sequence[Path], engine: Engine
) -> Path:
    """File `*_box.nii` beside an image: its values on the grid of `fixed`, which is `grid`."""
    warped = engine.resample(moving, fixed, chain)
    return write(Volume(warped, grid.affine), moving.with_name(f'{moving.stem}_box.nii'))


def box_of(
    moving: Path, grid: Volume, transforms: Sequence[Path], folder: Path, engine: Engine
) -> tuple[slice, ...]:
    """Part of a grid where an image is not zero: found on coarse voxels, with a border of two."""
    step = [max(1, round(_SEARCH_MM / v)) for v in grid.voxel_size]
    affine = grid.affine.copy()
    affine[:3, :3] *= step
    affine[:3, 3] += grid.affine[:3, :3] @ ((np.array(step) - 1) / 2)
    shape = [int(np.ceil(n / s)) for n, s in zip(grid.data.shape, step, strict=True)]
    coarse = write_grid(empty(shape, affine), folder / 'box.nii')
    found = engine.resample(moving, coarse, transforms, interpolator='nearestNeighbor') > 0
    if not found.any():
        return (slice(0, 1),) * 3
    return tuple(
        slice(b.start * s, min(n, b.stop * s))
        for b, s, n in zip(padded_box(found, (2, 2, 2)), step, grid.data.shape, strict=True)
    )


def carried(
    moving: Path, grid: Volume, transforms: Sequence[Path], folder: Path, engine: Engine
) -> NDArray[np.float32]:
    """Image on a grid by linear interpolation, only done where it is not zero."""
    box = box_of(moving, grid, transforms, folder, engine)
    reference = write_grid(crop(grid, box), folder / 'carried_grid.nii')
    out = np.zeros(grid.data.shape, np.float32)
    out[box] = engine.resample(moving, reference, transforms)
    return out


def moved_points(
    transform: Path, mask: Volume, folder: Path, engine: Engine
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """World coordinates of a mask's voxels, and where a transform takes them, (n, 3), mm."""
    vectors = engine.displacement([transform], write(mask, folder / 'points_grid.nii'))
    inside = mask.data > 0.5
    points = world_points(inside, mask.affine)
    return points, points + vectors[:, inside].T


def deformation(transform: Path, mask: Volume, folder: Path, engine: Engine) -> dict[str, float]:
    """Numbers of `deformation_range` for a transform file, within a mask of cubic voxels."""
    vectors = engine.displacement([transform], write(mask, folder / 'displacement_grid.nii'))
    return deformation_range(vectors, mask.data > 0.5, mask.affine)
