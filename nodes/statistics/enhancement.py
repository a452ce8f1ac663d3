"""Permutation tests of maps by threshold-free cluster enhancement, on any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ..parallel import run

_HEIGHTS = 100
"""Thresholds of a map, as in FSL and nilearn."""
_MOST_SEED = np.iinfo(np.int32).max - 1


def enhanced(scores: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Threshold-free cluster enhancement of a map, two-sided.

    Parameters
    ----------
    scores
        Student's t, (voxels of the mask,).
    mask
        (x, y, z).

    Returns
    -------
    NDArray
        (voxels,), of the scores' sign: the sum of extent^0.5 height^2 over 100 heights, extents
        by faces.

    Notes
    -----
    Smith & Nichols 2009, doi 10.1016/j.neuroimage.2008.03.061. As nilearn's `calculate_tfce`,
    which labels the whole volume at each height; here only voxels that are that high are visited.

    Examples
    --------
    >>> bool(enhanced(np.array([3.0, 3.0]), np.ones((2, 1, 1), bool))[0]
    ...      > enhanced(np.array([3.0, 0.0]), np.ones((2, 1, 1), bool))[0])
    True
    """
    wide = np.pad(mask, 1)
    places = np.flatnonzero(wide)
    steps = np.array(wide.strides) // wide.itemsize
    heights = np.linspace(0, np.nanmax(np.abs(scores)), _HEIGHTS + 1)[1:]
    out = np.zeros(len(scores))
    numbers = np.zeros(wide.size, np.intp)
    numbers[places] = np.arange(len(places))
    if not heights[-1] > 0:  # every voxel would be as high as what lies outside
        return out
    for sign in (1, -1):
        volume = np.zeros(wide.size)
        volume[places] = sign * scores
        total = np.zeros(wide.size)
        _add_clusters(volume, places, np.concatenate([steps, -steps]), heights, total)
        out += sign * total[places]
    return out


@numba.njit(cache=True, nogil=True)
def _add_clusters(volume, places, steps, heights, total):
    """Add to each voxel extent^0.5 height^2 of its cluster at every height that it reaches."""
    seen = np.zeros(volume.size, np.int32)
    queue = np.empty(places.size, np.intp)
    active = places.copy()
    count = places.size
    for level in range(1, heights.size + 1):
        height = heights[level - 1]
        kept = 0
        for place in active[:count]:
            if volume[place] >= height:
                active[kept] = place
                kept += 1
        count = kept
        for first in active[:count]:
            if seen[first] == level:
                continue
            seen[first], queue[0] = level, first
            done, found = 0, 1
            while done < found:
                for step in steps:
                    place = queue[done] + step
                    if volume[place] >= height and seen[place] != level:
                        seen[place], queue[found] = level, place
                        found += 1
                done += 1
            value = np.sqrt(found) * height**2
            for place in queue[:found]:
                total[place] += value


def enhancement_test(
    values: NDArray[np.floating],
    tested: NDArray[np.float64],
    rest: NDArray[np.float64],
    mask: NDArray[np.bool_],
    *,
    permutations: int,
    seed: int,
    nthreads: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Student's t of one coefficient in each voxel, and its family-wise p.

    Parameters
    ----------
    values
        (people, voxels of the mask).
    tested, rest
        Of a `VoxelTest`: a constant column tests the mean, by exchanging signs.
    mask
        (x, y, z).
    permutations
        Of the residuals (Freedman and Lane 1983, doi 10.1080/07350015.1983.10509354).
    seed
        Of the permutations, which are those of nilearn's `permuted_ols`.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        (voxels,) each; p against the largest enhancement of each permutation (`enhanced`).
    """
    others = linalg.orth(rest) if rest.size else np.zeros((len(tested), 0))
    residuals = _residuals(np.asarray(values, float), others)
    model = np.hstack([_residuals(tested, others), others])
    t = _student(residuals, model)
    own = np.abs(enhanced(t, mask))

    def largest(design: NDArray[np.float64]) -> float:
        return float(np.abs(enhanced(_student(residuals, design), mask)).max())

    signs = len(np.unique(tested)) == 1
    null = run(largest, _exchanged(model, permutations, seed, signs=signs), nthreads)
    below = np.searchsorted(np.sort(null), own)
    return t, (permutations + 1 - below) / (permutations + 1)


def _residuals(columns: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns less what an orthonormal basis explains of them, of length one."""
    left = columns - basis @ (basis.T @ columns)
    length = np.linalg.norm(left, axis=0)
    return left / np.where(length > 0, length, 1)


def _student(residuals: NDArray[np.float64], model: NDArray[np.float64]) -> NDArray[np.float64]:
    """T of the model's first column in each voxel; all columns are orthonormal."""
    shares = residuals.T @ model
    free = len(model) - model.shape[1]
    return shares[:, 0] * np.sqrt(free / (1 - (shares**2).sum(axis=1)))


def _exchanged(
    model: NDArray[np.float64], permutations: int, seed: int, *, signs: bool
) -> Iterator[NDArray[np.float64]]:
    """The model with its people in another order, or with signs exchanged, time and again."""
    random = np.random.RandomState(np.random.RandomState(seed).randint(1, _MOST_SEED))
    for _ in range(permutations):
        if signs:
            model = model * (random.randint(2, size=(len(model), 1)) * 2 - 1)
        else:
            model = model[random.permutation(len(model))]
        yield model
