"""Which slices of a brain to show, and how much of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SliceBox = tuple[slice, slice, slice]
"""Part of a grid along x, y and z."""
View = tuple[int, int]
"""A slice: the axis that it cuts across, and its index there."""


def outline_box(mask: NDArray[np.bool_], zooms: Sequence[float], margin: float = 4.0) -> SliceBox:
    """Box around a mask, widened by `margin` mm on every side; everything where it is empty."""
    from scipy import ndimage

    found = ndimage.find_objects(np.asarray(mask, np.uint8))
    if not found:
        return (slice(0, mask.shape[0]), slice(0, mask.shape[1]), slice(0, mask.shape[2]))
    x, y, z = (
        slice(max(0, s.start - round(margin / zoom)), min(size, s.stop + round(margin / zoom)))
        for s, zoom, size in zip(found[0], zooms, mask.shape, strict=True)
    )
    return (x, y, z)


def even_slices(mask: NDArray[np.bool_], axis: int, count: int, trim: float = 0.08) -> list[View]:
    """Evenly spaced slices through a mask, the outermost `trim` left out."""
    found = np.flatnonzero(mask.any(axis=_other_axes(axis)))
    first, last = (found[0], found[-1]) if found.size else (0, mask.shape[axis] - 1)
    fractions = np.linspace(trim, 1 - trim, count) if count > 1 else np.array([0.5])
    places = np.rint(first + fractions * (last - first)).astype(int)
    # A thin mask gives some slices several times.
    return [(axis, int(i)) for i in dict.fromkeys(places.tolist())]


def middle_slices(mask: NDArray[np.bool_]) -> list[list[View]]:
    """Five axial, three coronal and two sagittal slices through the middle of a mask."""
    return [
        even_slices(mask, 2, 5, 0.22),
        even_slices(mask, 1, 3, 0.32) + even_slices(mask, 0, 2, 0.36),
    ]


def covering_slices(labels: NDArray[Any], axis: int, count: int, gap: int = 2) -> list[View]:
    """Slices that together show every label as largely as possible.

    Each step adds the slice that raises the sum over labels of the largest fraction of the label's
    widest cross-section seen so far the most.

    Parameters
    ----------
    labels
        Integers, (x, y, z).
    axis
        Across which to cut.
    count
        Most slices.
    gap
        Least distance between two slices, voxels.
    """
    present = [int(v) for v in np.unique(labels) if v]
    if not present:
        return even_slices(labels > 0, axis, count)
    box = outline_box(labels != 0, (1, 1, 1), 0)  # of the grid, all else is empty
    area = np.zeros((len(present), labels.shape[axis]))
    for row, value in zip(area, present, strict=True):
        row[box[axis]] = (labels[box] == value).sum(axis=_other_axes(axis))
    area /= area.max(axis=1, keepdims=True)
    seen = np.zeros(len(present))
    free = np.asarray(area.any(axis=0))
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        # The small second term breaks ties, and still chooses where every label is fully seen.
        gain = np.maximum(area - seen[:, None], 0).sum(axis=0) + 1e-3 * area.sum(axis=0)
        best = int(np.argmax(np.where(free, gain, -1)))
        chosen.append(best)
        seen = np.maximum(seen, area[:, best])
        free[max(0, best - gap + 1) : best + gap] = False
    return [(axis, i) for i in sorted(chosen)]


def _other_axes(axis: int) -> tuple[int, ...]:
    return tuple(a for a in range(3) if a != axis)
