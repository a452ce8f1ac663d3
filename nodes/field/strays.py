"""Stored values that are no phase: single voxels, or the filling of a background, far from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 200_000
"""Voxels with signal from whose values the bulk is found."""
_GAP = 0.1
"""Part of the bulk's width that lies empty between it and a stray. Of a scanner's steps none is
that wide: a thousand voxels of noise leave no gap above .01 of a wrap."""
_RARE = 0.005
"""Fraction of the voxels with signal up to which values beyond a gap are strays. Phase close to
half a turn lies at both ends of the range with a gap between, in equal parts."""
_REACH = 20
"""Widths of the bulk on either side in which gaps are looked for; beyond it all is stray."""
_BINS = 8192
"""Of the histogram in which gaps are looked for; a gap has twenty."""


def value_limits(values: NDArray[Any], signal: NDArray[np.bool_]) -> tuple[float, float]:
    """Lowest and highest stored value of the phase, strays left out.

    Parameters
    ----------
    values
        Phase as stored, (x, y, z) or (x, y, z, echo); what is not finite does not count.
    signal
        Voxels with signal, (x, y, z).

    Returns
    -------
    tuple
        Limits between which all values are phase. Beyond them lie strays only: values apart from
        the bulk of those with signal, which are rare where there is signal or one and the same
        value. Noise in air belongs to the phase, as it fills the wrap without a gap.

    Examples
    --------
    >>> phase = np.tile(np.arange(4096.0), 8).reshape(32, 32, 32)
    >>> phase[0, 0, :3] = 8191
    >>> value_limits(phase, phase >= 0)
    (0.0, 4095.0)
    """
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(known.max())
    inside = values[signal]
    inside = inside[np.isfinite(inside)]
    if not inside.size or low == high:
        return low, high
    first, last = _bulk(np.sort(inside[:: max(1, inside.size // _SAMPLE)], axis=None))
    width = last - first
    if width == 0:
        return low, high
    first, last = _without_gap(known, first, last, _REACH * width)
    lower, upper = known[known < first], known[known > last]
    if _are_strays(lower, inside < first):
        low = float(known[known >= first].min())
    if _are_strays(upper, inside > last):
        high = float(known[known <= last].max())
    return low, high


def _bulk(values: NDArray[Any]) -> tuple[float, float]:
    """Ends of the sorted values that lie about the median without a gap."""
    low, high = np.quantile(values, (0.01, 0.99))
    gap = _GAP * float(high - low)
    wide = np.flatnonzero(np.diff(values.astype(np.float64)) > gap)
    middle = values.size // 2
    start = wide[wide < middle].max(initial=-1) + 1
    stop = wide[wide >= middle].min(initial=values.size - 1)
    return float(values[start]), float(values[stop])


def _without_gap(
    values: NDArray[Any], first: float, last: float, reach: float
) -> tuple[float, float]:
    """Ends of the bulk, moved outwards as far as other values follow without a gap."""
    count, edges = np.histogram(values, _BINS, (first - reach, last + reach))
    filled = np.flatnonzero(count)
    empty = _GAP * (last - first) / (edges[1] - edges[0])
    wide = np.flatnonzero(np.diff(filled) > empty)
    middle = int(np.searchsorted(filled, np.searchsorted(edges, (first + last) / 2)))
    start = wide[wide < middle].max(initial=-1) + 1
    stop = wide[wide >= middle].min(initial=filled.size - 1)
    # the ends as found count where the bins say no more than they
    return min(first, float(edges[filled[start]])), max(last, float(edges[filled[stop] + 1]))


def _are_strays(values: NDArray[Any], beyond: NDArray[np.bool_]) -> bool:
    """Whether values beyond a gap are rare among those with signal, or one and the same."""
    if not values.size:
        return False
    return bool(np.mean(beyond) <= _RARE or values.min() == values.max())
