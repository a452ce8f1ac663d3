"""How well two images or masks agree."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Overlap of two masks: twice the common volume over the sum of volumes (Dice 1945).

    Examples
    --------
    >>> round(dice(np.array([True, True, False]), np.array([True, False, False])), 3)
    0.667
    """
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else float('nan')


def correlation(first: NDArray[Any], second: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """Pearson correlation of two images inside a mask; NaN where one of them is constant."""
    a, b = (np.asarray(x[mask], np.float64) for x in (first, second))
    if a.size < 2 or not (a.std() > 0 and b.std() > 0):
        return float('nan')
    return float(np.corrcoef(a, b)[0, 1])


def normalised_mutual_information(
    first: NDArray[Any], second: NDArray[Any], mask: NDArray[np.bool_], *, bins: int = 32
) -> float:
    """Agreement of two images of different contrast: (H(A) + H(B)) / H(A, B), 1 to 2.

    Parameters
    ----------
    first, second
        Images on one grid.
    mask
        Where they are compared.
    bins
        Of each axis of the joint histogram, from the 1st to the 99th percentile.

    Returns
    -------
    float
        1 where they are independent or the mask holds too little, 2 where one tells the other.

    Raises
    ------
    NigraError
        Shapes differ.

    Notes
    -----
    Studholme et al. 1999, doi 10.1016/S0031-3203(98)00091-0: unlike mutual information it does
    not reward a smaller overlap.
    """
    if not first.shape == second.shape == mask.shape:
        raise NigraError(f'shapes differ: {first.shape}, {second.shape} and mask {mask.shape}')
    # bins of equal width between robust ends, each image by its own contrast
    a, b = (_binned(np.asarray(x[mask], np.float64), bins) for x in (first, second))
    if a.size < bins:
        return 1.0  # too little to fill the histogram's margins
    joint = np.bincount(a * bins + b, minlength=bins * bins).reshape(bins, bins) / a.size
    both = _entropy(joint)
    return (_entropy(joint.sum(0)) + _entropy(joint.sum(1))) / both if both > 0 else 1.0


def _binned(values: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    if values.size == 0:
        return np.zeros(0, np.int64)
    low, high = np.percentile(values, [1, 99])
    # the largest value belongs to the last bin, not to one beyond it
    scale = (bins - 1e-9) / (high - low) if high > low else 0.0
    return np.clip((values - low) * scale, 0, bins - 1).astype(np.int64)


def _entropy(fraction: NDArray[np.float64]) -> float:
    positive = fraction[fraction > 0]  # 0 log 0 is 0
    return float(-(positive * np.log(positive)).sum())
