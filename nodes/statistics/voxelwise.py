"""Voxel-wise comparison: what a map's smoothing, model and clusters are, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import NigraError

CLUSTER_COLUMNS = (
    'contrast', 'cluster', 'sign', 'p', 'statistic', 'x', 'y', 'z', 'volume_mm3', 'regions',
)  # fmt: skip
LEAST_SHARE = 0.5
"""Fraction of a voxel's neighbourhood that must be known for its smoothed value to count."""
_NAMED = 0.05


def smooth_known(
    values: NDArray[np.floating], known: NDArray[np.floating], sigma: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Gaussian mean of the known part of each voxel's neighbourhood.

    Parameters
    ----------
    values
        Map, (x, y, z); what it holds outside `known` does not matter.
    known
        Fraction of each voxel that is known, 0 to 1.
    sigma
        Standard deviation along each axis, voxels; zeros leave the map as it is.

    Returns
    -------
    ndarray
        NaN where less than `LEAST_SHARE` of the neighbourhood is known.

    Notes
    -----
    Normalised convolution (Knutsson and Westin 1993): what lies outside the mask neither dilutes
    the border nor leaks into it.

    Examples
    --------
    >>> known = np.zeros((9, 9, 9)); known[2:7, 2:7, 2:7] = 1
    >>> out = smooth_known(np.where(known > 0, 3.0, 99.0), known, (1.0, 1.0, 1.0))
    >>> float(out[4, 4, 4]), float(out[2, 4, 4]), bool(np.isnan(out[0, 0, 0]))
    (3.0, 3.0, True)
    """
    weight = np.asarray(known, np.float64)
    inside = np.where(weight > 0, np.nan_to_num(values), 0.0) * weight
    fraction = ndimage.gaussian_filter(weight, sigma, mode='constant')
    total = ndimage.gaussian_filter(inside, sigma, mode='constant')
    enough = fraction >= LEAST_SHARE
    return np.where(enough, total / np.where(enough, fraction, 1), np.nan).astype(np.float32)


def partition_design(
    matrix: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One column whose coefficient is a contrast, and columns for all that is not tested.

    Parameters
    ----------
    matrix
        Design, (people, coefficients), of full rank.
    weights
        Contrast of the coefficients, (coefficients,), not all zero.

    Returns
    -------
    tuple
        Tested column (people, 1) and the others (people, coefficients - 1). Together they span
        the design, and the coefficient of the first is the contrast.

    Notes
    -----
    With beta = c gamma / (c'c) + Q delta, Q a basis of what is orthogonal to c, gamma is c' beta.

    Examples
    --------
    >>> x = np.repeat([[1.0, 0.0], [0.0, 1.0]], 2, axis=0)
    >>> tested, rest = partition_design(x, np.array([1.0, -1.0]))
    >>> tested.ravel().tolist()
    [0.5, 0.5, -0.5, -0.5]
    """
    c = np.asarray(weights, float)
    if not c.any():
        raise NigraError('a contrast must weigh something')
    full = np.linalg.svd(c[None])[2]
    return matrix @ (c / (c @ c))[:, None], matrix @ full[1:].T


def cluster_table(
    contrast: str, statistic: NDArray[np.floating], p: NDArray[np.floating],
    affine: NDArray[np.float64], labels: NDArray[np.integer], names: Mapping[int, str], *,
    alpha: float = 0.05,
) -> pd.DataFrame:  # fmt: skip
    """Clusters of significant voxels of one sign, largest statistic first.

    Parameters
    ----------
    contrast
        Its name.
    statistic
        Student's t, (x, y, z).
    p
        Family-wise p of each voxel; NaN where nothing was tested.
    affine
        Voxel to world, mm.
    labels
        Region of each voxel on the same grid.
    names
        Of the regions, by label.
    alpha
        Level.

    Returns
    -------
    DataFrame
        `CLUSTER_COLUMNS`; `regions` tells which fraction of the cluster lies in which region.
    """
    rows: list[dict[str, Any]] = []
    volume = float(abs(np.linalg.det(affine[:3, :3])))
    significant = np.nan_to_num(p, nan=1.0) < alpha
    for sign, word in ((1, 'higher'), (-1, 'lower')):
        found, count = ndimage.label(significant & (sign * statistic > 0), np.ones((3, 3, 3)))
        for i in range(1, count + 1):
            inside = found == i
            peak = np.unravel_index(
                np.argmax(np.where(inside, np.abs(statistic), -1)), statistic.shape
            )
            x, y, z = (affine @ [*peak, 1.0])[:3]
            rows.append({
                'contrast': contrast, 'sign': word, 'p': float(np.min(p[inside])),
                'statistic': float(statistic[peak]), 'x': x, 'y': y, 'z': z,
                'volume_mm3': float(inside.sum() * volume),
                'regions': _regions_of(labels[inside], names),
            })  # fmt: skip
    rows.sort(key=lambda row: -abs(row['statistic']))
    table = pd.DataFrame(rows).reindex(columns=list(CLUSTER_COLUMNS))
    return table.assign(cluster=range(1, len(table) + 1))


def _regions_of(labels: NDArray[np.integer], names: Mapping[int, str]) -> str:
    values, counts = np.unique(labels, return_counts=True)
    fractions: dict[str, float] = {}
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        name = names.get(value, 'outside the nuclei')
        fractions[name] = fractions.get(name, 0.0) + count / labels.size
    ordered = sorted(fractions.items(), key=lambda item: -item[1])
    return ', '.join(f'{name} {fraction:.0%}' for name, fraction in ordered if fraction >= _NAMED)
