"""Outlines for the pictures of the brain: nuclei in fixed colours, borders between tissues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..region_colours import region_colours
from ..tables import readable
from .figures import Outline
from .layers import robust_range
from .slices import outline_box


def merge_labels(
    labels: NDArray[Any], names: Mapping[int, str]
) -> tuple[NDArray[np.uint8], list[str]]:
    """Give left and right of a region one number, 1 for the first region and so on.

    Parameters
    ----------
    labels
        Integers, 0 outside.
    names
        Region of each label; unknown labels are named by their number.
    """
    present = [int(v) for v in np.unique(labels) if v]
    regions = list(dict.fromkeys(names.get(v, f'label {v}') for v in present))
    merged = np.zeros(labels.shape, np.uint8)
    box = outline_box(labels != 0, (1, 1, 1), 0)  # labels lie in a small part of the grid
    for value in present:
        number = 1 + regions.index(names.get(value, f'label {value}'))
        merged[box][labels[box] == value] = number
    return merged, regions


def tissue_outlines(
    data: NDArray[Any], within: NDArray[np.bool_], *, only_within: bool = False
) -> list[Outline]:
    """Lines at the two intensities that best divide a T1w image into three tissues (Otsu 1979).

    Parameters
    ----------
    data
        T1w image, (x, y, z).
    within
        Brain; its intensities set the levels.
    only_within
        Whether lines end at the border of the brain.
    """
    from scipy import ndimage

    # Slight smoothing keeps the noise of single voxels out of the lines.
    smooth = ndimage.gaussian_filter(np.asarray(data, np.float32), 0.7)
    dark, bright = two_thresholds(smooth[within])
    if only_within:
        smooth[~ndimage.binary_dilation(within, iterations=2)] = np.nan
    return [
        Outline(smooth, '#F0E442', 'outer border of grey matter', dark),
        Outline(smooth, '#E8602C', 'border of white matter', bright),
    ]


def two_thresholds(values: NDArray[Any], bins: int = 96) -> tuple[float, float]:
    """Thresholds that maximise the variance between three classes (Otsu 1979)."""
    low, high = robust_range(values, 0.5, 99.5)
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    weight = np.concatenate([[0.0], np.cumsum(counts, dtype=float)])
    total = np.concatenate([[0.0], np.cumsum(counts * (edges[:-1] + edges[1:]) / 2)])

    # The variance between classes is, up to constants, the sum of their squared sums over their
    # weights; cumulative sums give it for all pairs of thresholds at once.
    def between(start: NDArray[Any], stop: NDArray[Any]) -> NDArray[np.float64]:
        n, s = weight[stop] - weight[start], total[stop] - total[start]
        return np.where(n > 0, s**2 / np.maximum(n, 1), 0.0)

    first, second = np.triu_indices(bins - 1, 1)
    first, second = first + 1, second + 1
    nothing = np.zeros_like(first)
    spread = between(nothing, first) + between(first, second) + between(second, nothing + bins)
    best = int(np.argmax(spread))
    return float(edges[first[best]]), float(edges[second[best]])


def label_outlines(merged: NDArray[np.uint8], regions: Sequence[str]) -> list[Outline]:
    """Outline of each region, as `merge_labels` gives them, in its colour."""
    colours = region_colours(regions)
    return [
        Outline(merged, colours[region], readable(region), equals=value)
        for value, region in enumerate(regions, start=1)
    ]
