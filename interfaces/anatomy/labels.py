"""Atlas labels on the grid of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...nodes.anatomy.brain import bounding_box
from ...nodes.anatomy.regions import Fine
from ...nodes.errors import NigraError
from ...nodes.numerics.resample import block_fraction, cropped_affine, subdivided_affine, vote
from .atlas import Atlas
from .grids import box_of
from .itk import Engine, Volume, empty, write, write_grid

VOTING_MM = 1.1
"""Voxels larger than this are divided into an odd number of parts, which vote on the label. Labels
are drawn on voxels of 1 mm, so finer parts would tell nothing new; a tenth more is allowed."""


@dataclass(frozen=True)
class Drawn:
    """Atlas labels on the grid of an image.

    Attributes
    ----------
    labels
        Label that fills most of each voxel, 0 outside, (x, y, z).
    box
        Part of the grid that holds all labels.
    fractions
        By label, the fraction of each voxel of the box that it fills, 0 to 1.
    counts
        By label, how many voxels it has, those beyond the image included.
    """

    labels: NDArray[Any]
    box: tuple[slice, ...]
    fractions: dict[int, NDArray[np.float32]]
    counts: dict[int, int]


def labels_on(
    grid: Volume, atlas: Atlas, transforms: Sequence[Path], folder: Path, engine: Engine
) -> NDArray[Any]:
    """Atlas labels on the grid of an image, through one interpolation.

    Parameters
    ----------
    grid, atlas, transforms, folder, engine
        As in `draw_labels`.
    """
    return draw_labels(grid, atlas, transforms, folder, engine).labels


def draw_labels(
    grid: Volume, atlas: Atlas, transforms: Sequence[Path], folder: Path, engine: Engine, *,
    beyond_mm: float = 0.0,
) -> Drawn:  # fmt: skip
    """Atlas labels on the grid of an image, and how much of each voxel they fill.

    Parameters
    ----------
    grid, atlas
        Image whose grid is wanted; labels in template space.
    transforms
        From the template to the image, in ANTs' order.
    folder, engine
        For files; how to resample.
    beyond_mm
        How far around the image labels are counted, too.

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
    moving = write(Volume(labels, atlas.image.affine), folder / 'atlas.nii', dtype=labels.dtype)
    factors = [voting_parts(v) for v in grid.voxel_size]
    pad = [int(np.ceil(beyond_mm / v)) for v in grid.voxel_size]
    wide = _padded(grid, pad)
    box = box_of(moving, wide, transforms, folder, engine)
    fine = _subdivided(wide, box, factors)
    reference = write_grid(fine, folder / 'label_grid.nii')
    drawn = engine.resample(moving, reference, transforms, interpolator='genericLabel')
    check_labels(drawn, labels)
    drawn = drawn.astype(labels.dtype)
    won = vote(drawn, factors)
    values, counts = np.unique(won, return_counts=True)
    inner, own = _within(box, pad, grid.data.shape)
    out = np.zeros(grid.data.shape, labels.dtype)
    out[own] = won[inner]
    fractions = {v: part[inner] for v, part in _fractions(drawn, factors).items()}
    found = {int(v): int(n) for v, n in zip(values, counts, strict=True) if v}
    return Drawn(out, own, fractions, found)


def _fractions(drawn: NDArray[Any], factors: Sequence[int]) -> dict[int, NDArray[np.float32]]:
    """By label, the fraction of each block of voxels that it fills, sought where it lies only."""
    shape = [n // f for n, f in zip(drawn.shape, factors, strict=True)]
    found = {}
    for value in map(int, np.unique(drawn[drawn > 0])):
        filled = drawn == value
        places = list(zip(bounding_box(filled), factors, strict=True))
        blocks = tuple(slice(p.start // f, -(-p.stop // f)) for p, f in places)
        fine = tuple(slice(b.start * f, b.stop * f) for b, f in zip(blocks, factors, strict=True))
        found[value] = np.zeros(shape, np.float32)
        found[value][blocks] = block_fraction(filled[fine], factors)
    return found


def save_fractions(drawn: Drawn, path: Path) -> Path:
    """Keep what voxels alone do not tell of labels, compressed, as `.npz`."""
    labels = sorted(drawn.fractions)
    fractions = [drawn.fractions[v] for v in labels]
    np.savez_compressed(
        path,
        labels=np.array(labels, int),
        fractions=np.stack(fractions) if fractions else np.zeros((0, 1, 1, 1), np.float32),
        box=np.array([(b.start, b.stop) for b in drawn.box]),
        counts=np.array([drawn.counts.get(v, 0) for v in labels], int),
    )
    return path


def load_fractions(path: str | Path) -> Fine:
    """What `save_fractions` kept: fractions, their box and full counts."""
    with np.load(path) as kept:
        labels = kept['labels'].tolist()
        return Fine(
            fractions=dict(zip(labels, kept['fractions'], strict=True)),
            box=tuple(slice(int(a), int(b)) for a, b in kept['box']),
            counts=dict(zip(labels, kept['counts'].tolist(), strict=True)),
        )


def _subdivided(grid: Volume, box: Sequence[slice], factors: Sequence[int]) -> Volume:
    """Box of a grid, whose voxels are divided; its values are of no use."""
    shape = [(b.stop - b.start) * f for b, f in zip(box, factors, strict=True)]
    affine = subdivided_affine(cropped_affine(grid.affine, box), factors)
    return empty(shape, affine)


def _padded(grid: Volume, pad: Sequence[int]) -> Volume:
    """Grid widened by some voxels on every side; its values are of no use."""
    shape = tuple(n + 2 * p for n, p in zip(grid.data.shape, pad, strict=True))
    affine = grid.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ pad
    return empty(shape, affine)


def _within(
    box: Sequence[slice], pad: Sequence[int], shape: Sequence[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Part of a box of the padded grid that lies in the image: within the box, and in the image.

    Examples
    --------
    >>> _within([slice(1, 9)], [3], [10])
    ((slice(2, 8, None),), (slice(0, 6, None),))
    """
    inner, own = [], []
    for b, p, n in zip(box, pad, shape, strict=True):
        first, last = min(max(b.start - p, 0), n), min(max(b.stop - p, 0), n)
        own.append(slice(first, last))
        inner.append(slice(first + p - b.start, last + p - b.start))
    return tuple(inner), tuple(own)


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
