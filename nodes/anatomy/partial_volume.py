"""A region's own susceptibility, freed from what shares its voxels."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Fractions = Mapping[int, NDArray[np.float32]]
LEAST_FILLED = 5.0
"""Fewest voxels that a region must fill, fractions summed, to be told from its surroundings: as
many as `regions.MIN_VOXELS`. By eye."""
REACH = 1
"""How far the surroundings reach beyond the last voxel that a region touches, voxels. By
eye: on the first participant of `bids_example` a reach of 2 changes a region's value by .2 ppb
(median; 1.1 ppb at most), a reach of 3 by .3 (2.8) ppb."""
_EXACT = 1e-9
"""Residuals below this fraction of the largest value are rounding, by which nothing is weighed."""


def pvc_mean(
    image: NDArray[Any], mask: NDArray[np.bool_], fractions: Fractions, labels: Collection[int]
) -> float:
    """Value of a region's own tissue, estimated with that of its surroundings.

    Parameters
    ----------
    image
        Map, (x, y, z).
    mask
        Where the map is defined.
    fractions
        By label, the fraction of each voxel that it fills, 0 to 1, (x, y, z).
    labels
        Those that make the region.

    Returns
    -------
    float
        In the unit of the map; NaN where the region fills fewer than `LEAST_FILLED` voxels.

    Notes
    -----
    In the voxels that the region touches and their neighbours, the map is the sum of fractions
    times values: one value for the region, one for each other label there, one for the rest. The
    values follow by regression, as in the geometric transfer matrix of emission tomography
    (Rousset et al. 1998), here with fractions of voxels instead of a blurred response and with
    Huber's weights, since the rest is no single tissue. Where no voxel is shared it is
    the robust mean.

    Examples
    --------
    >>> fraction = np.zeros((6, 6, 6), np.float32)
    >>> fraction[2:4, 2:4, 1:4] = 1; fraction[2:4, 2:4, 4] = 0.25
    >>> image = 100 * fraction - 20 * (1 - fraction)
    >>> round(pvc_mean(image, fraction >= 0, {3: fraction}, [3]), 6)
    100.0
    """
    own = _total(fractions, labels, image.shape)
    if float(own[mask].sum(dtype=np.float64)) < LEAST_FILLED:
        return float('nan')
    zone = ndimage.binary_dilation(own > 0, iterations=REACH) & mask
    others = [fraction for label, fraction in fractions.items() if label not in labels]
    return _first_coefficient(image[zone].astype(float), _design(own, others, zone))


def _design(
    own: NDArray[np.float32], others: Iterable[NDArray[np.float32]], zone: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Fractions of voxels as columns: the region, other labels, the rest."""
    columns = [own[zone].astype(float)]
    for fraction in others:
        inside = fraction[zone]
        # what fills too little has no value of its own and is left to the rest
        if float(inside.sum()) >= LEAST_FILLED:
            columns.append(inside.astype(float))
    rest = 1 - np.sum(columns, axis=0)
    if float(rest.sum()) >= LEAST_FILLED:
        columns.append(rest)
    return np.column_stack(columns)


def _first_coefficient(values: NDArray[np.float64], design: NDArray[np.float64]) -> float:
    """Value of the first column's tissue by robust regression (Huber's weights)."""
    from statsmodels.robust.norms import HuberT
    from statsmodels.robust.robust_linear_model import RLM
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    start = np.linalg.lstsq(design, values, rcond=None)[0]
    spread = float(np.median(np.abs(values - design @ start)))
    if spread <= _EXACT * max(1e-12, float(np.abs(values).max())):
        return float(start[0])  # robust weights need a scale
    with warnings.catch_warnings():
        # weights that still change in the last digits are good enough
        warnings.simplefilter('ignore', ConvergenceWarning)
        own = float(RLM(values, design, M=HuberT()).fit(start_params=start).params[0])
    # each iteration's result refers to itself and keeps copies of the design until it is found
    gc.collect(0)
    return own


def _total(
    fractions: Fractions, labels: Collection[int], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Fraction of each voxel that several labels fill together."""
    out = np.zeros(shape, np.float32)
    for label in labels:
        if label in fractions:
            out += fractions[label]
    return out
