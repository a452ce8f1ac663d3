"""How well registration and map came out, in numbers, and who stands apart from the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans

from ..errors import NigraError
from .similarity import dice

TISSUES = ('fluid', 'grey', 'white')
"""Classes of a T1w image, from dark to bright."""
LEAST_RUNS = 8
"""With fewer runs none is said to stand apart: their spread is not known. By eye."""
LEAST_MM3 = 150.0
"""Smaller regions are left out where sides are compared: their few voxels differ by chance. By
eye: one side has 38 mm3 of ventral tegmental area and 187 mm3 of compact substantia nigra."""
STANDS_APART = 3.5
"""Modified z from which a value stands apart (Iglewicz & Hoaglin 1993)."""
_LEVELS = 1000
"""Quantiles that stand for all voxels of an image in k-means."""
_START = (0.05, 0.4, 0.8)
"""Quantiles at which the tissues start in k-means, fluid being the least of them. By eye."""


def tissue_limits(image: NDArray[Any], mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Intensities between fluid and grey matter, and between grey and white matter.

    Parameters
    ----------
    image
        T1-weighted intensities, bias field removed, (x, y, z).
    mask
        Brain.

    Returns
    -------
    tuple
        Midpoints between the means of three classes, found by k-means on the quantiles of the
        intensities.

    Raises
    ------
    NigraError
        There are no three intensities in the mask.

    Examples
    --------
    >>> image = np.repeat([10.0, 60.0, 100.0], 9).reshape(3, 3, 3)
    >>> tissue_limits(image, image > 0)
    (35.0, 80.0)
    """
    values = np.sort(image[mask])  # of sorted values, all that follows takes little time
    if np.unique(values).size < 3:
        raise NigraError('the image has no three intensities in the brain; give a T1w image')
    # quantiles in place of voxels: as good for means of classes, and a thousand times fewer
    fractions = (np.arange(_LEVELS) + 0.5) / _LEVELS
    levels = np.quantile(values, fractions, method='inverted_cdf').astype(np.float64)
    start = np.quantile(levels, _START)
    # equal starts would leave a class empty
    fluid, grey, white = np.sort(kmeans(levels, np.unique(start))[0])[[0, 1, -1]]
    return float(fluid + grey) / 2, float(grey + white) / 2


def tissue_classes(
    image: NDArray[Any], mask: NDArray[np.bool_], limits: tuple[float, float]
) -> NDArray[np.uint8]:
    """1 in fluid, 2 in grey and 3 in white matter, 0 outside the mask."""
    classes = 1 + np.digitize(image, limits)
    return np.where(mask, classes, 0).astype(np.uint8)


def tissue_agreement(
    image: NDArray[Any], template: NDArray[Any], mask: NDArray[np.bool_], labels: NDArray[Any]
) -> dict[str, float]:
    """Overlap of the tissue classes of an image with those of the template registered to it.

    Parameters
    ----------
    image, template
        T1-weighted intensities, bias field removed, on one grid, (x, y, z).
    mask
        Brain of the image; only where the template has signal is compared.
    labels
        Deep grey labels, 0 outside.

    Returns
    -------
    dict
        `fluid_overlap`, `grey_overlap`, `white_overlap` (Dice), and `nuclei_in_fluid`, the
        fraction of the labelled voxels that are fluid in the image: labels that slid into the
        ventricles.

    Raises
    ------
    NigraError
        Shapes differ, or an image has no contrast.
    """
    shapes = {a.shape for a in (image, template, mask, labels)}
    if len(shapes) > 1:
        raise NigraError(f'image, template, mask and labels differ in shape: {sorted(shapes)}')
    both = mask & (template > 0)
    if not both.any():
        raise NigraError('brain and template have no voxel in common; look at the registration')
    inside = np.ones(int(np.count_nonzero(both)), bool)
    own, other = (
        tissue_classes(x[both], inside, tissue_limits(x, both)) for x in (image, template)
    )
    found = {
        f'{name}_overlap': dice(own == number, other == number)
        for number, name in enumerate(TISSUES, start=1)
    }
    # labels that slid into a ventricle are dark there
    nuclei = labels[both] > 0
    in_fluid = int(np.count_nonzero(nuclei & (own == 1))) / max(1, int(np.count_nonzero(nuclei)))
    return {**found, 'nuclei_in_fluid': float(in_fluid)}


def asymmetries(regions: pd.DataFrame) -> dict[str, float]:
    """Largest differences between the sides of a participant's regions.

    Parameters
    ----------
    regions
        Rows of one run with `region`, `hemisphere`, `volume_mm3` and `chi_mean` (ppb).

    Returns
    -------
    dict
        `volume_asymmetry`, the largest difference over the mean of both sides, and
        `chi_asymmetry_ppb`, the largest difference of the means; NaN without pairs.

    Examples
    --------
    >>> rows = [('putamen', 'L', 900.0, 40.0), ('putamen', 'R', 1100.0, 45.0)]
    >>> columns = ['region', 'hemisphere', 'volume_mm3', 'chi_mean']
    >>> asymmetries(pd.DataFrame(rows, columns=columns))
    {'volume_asymmetry': 0.2, 'chi_asymmetry_ppb': 5.0}
    """
    sides = regions[regions.hemisphere.isin(('L', 'R'))]
    wide = sides.pivot_table(index='region', columns='hemisphere',
                             values=['volume_mm3', 'chi_mean'], dropna=False)  # fmt: skip
    wide = wide.reindex(
        columns=pd.MultiIndex.from_product((('volume_mm3', 'chi_mean'), ('L', 'R')))
    )
    volume, chi = wide['volume_mm3'], wide['chi_mean']
    # difference over the mean of both sides
    relative = 2 * (volume.L - volume.R).abs() / (volume.L + volume.R)
    large = (volume.L + volume.R) / 2 >= LEAST_MM3
    return {
        'volume_asymmetry': float(relative[large].max()),
        'chi_asymmetry_ppb': float((chi.L - chi.R).abs()[large].max()),
    }


def iron_contrast(regions: pd.DataFrame) -> float:
    """How much more paramagnetic the pallidum is than the thalamus, ppb.

    Parameters
    ----------
    regions
        Rows of one run with `region`, `hemisphere` and `chi_mean` (ppb).

    Returns
    -------
    float
        Difference of the means of both sides; NaN where one is not known. Iron makes it positive
        in adults (Hallgren & Sourander 1958, doi 10.1111/j.1471-4159.1958.tb12607.x), unless the
        phase has the wrong sign.
    """
    both = regions[regions.hemisphere == 'both'].set_index('region')['chi_mean']
    pallidum, thalamus = both.get('pallidum', np.nan), both.get('thalamus', np.nan)
    return float(pallidum) - float(thalamus)


def modified_z(values: NDArray[Any]) -> NDArray[np.float64]:
    """Distance from the median over the scaled median absolute deviation.

    Parameters
    ----------
    values
        One per person; NaN where not known.

    Returns
    -------
    NDArray
        .6745 (x - median) / MAD (Iglewicz & Hoaglin 1993, How to Detect and Handle Outliers). NaN
        where unknown, with fewer than `LEAST_RUNS` values, or where half of them are equal.

    Examples
    --------
    >>> modified_z(np.array([1, 2, 3, 4, 5, 6, 7, 30.0])).round(2).tolist()
    [-1.18, -0.84, -0.51, -0.17, 0.17, 0.51, 0.84, 8.6]
    """
    x = np.asarray(values, np.float64)
    known = x[np.isfinite(x)]
    out = np.full(x.shape, np.nan)
    if known.size < LEAST_RUNS:
        return out
    middle = np.median(known)
    spread = np.median(np.abs(known - middle))
    if spread > 0:
        # .6745 MAD is the standard deviation of normal data
        out = 0.6745 * (x - middle) / spread
    return out


def standing_apart(table: pd.DataFrame, worse: Mapping[str, str]) -> pd.DataFrame:
    """Who is worse than the others, by measure.

    Parameters
    ----------
    table
        One row per run, one column per measure.
    worse
        By measure, the direction that is bad: `low`, `high` or `both`.

    Returns
    -------
    DataFrame
        As `table`, True where a value lies `STANDS_APART` or more on the bad side of the median.
    """
    out = pd.DataFrame(False, index=table.index, columns=table.columns)
    for name in table.columns:
        z = modified_z(table[name].to_numpy(float))
        # distance to the bad side; where both are bad, to either
        bad = {'low': -z, 'high': z}.get(worse[name], np.abs(z))
        out[name] = np.nan_to_num(bad, nan=0.0) >= STANDS_APART
    return out
