"""Rank correlation of regional values with clinical scores within each patient group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .errors import NigraError
from .stats import MIN_GROUP, Notes, adjust_families, is_control

CORRELATION_COLUMNS = (
    'measure', 'region', 'hemisphere', 'group', 'score', 'n', 'rho', 'ci_low', 'ci_high', 'p',
    'p_adjusted',
)  # fmt: skip
"""Columns of the table of correlations, in order."""

_MAX_EXACT = 8  # 40,320 orders; beyond, the t approximation is close


def spearman(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Rank correlation and its two-sided p value.

    Up to 8 pairs p is exact: the share of all orders of `y`, ties kept, whose correlation is at
    least as far from zero (with three patients even a perfect order has p = 1/3, where the t
    approximation says 0). Beyond, p comes from Student's t.

    Parameters
    ----------
    x, y
        Pairs without missing values.

    Returns
    -------
    rho, p
        NaN where one of the two is constant.

    Raises
    ------
    NigraError
        Lengths differ or there are fewer than 3 pairs.

    Examples
    --------
    >>> rho, p = spearman([1, 2, 3], [5, 6, 9])
    >>> round(rho, 6), round(p, 4)
    (1.0, 0.3333)
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.shape != y.shape or x.size < 3:
        raise NigraError(f'spearman needs 3 pairs or more, got {x.size} and {y.size} values')
    u, v = stats.rankdata(x) - (x.size + 1) / 2, stats.rankdata(y) - (y.size + 1) / 2
    scale = np.sqrt((u @ u) * (v @ v))
    if scale == 0:
        return float('nan'), float('nan')
    rho = float(np.clip(u @ v / scale, -1, 1))
    if x.size <= _MAX_EXACT:
        orders = v[_orders(x.size)] @ u
        return rho, float(np.mean(np.abs(orders) >= abs(u @ v) - 1e-9))
    df = x.size - 2
    with np.errstate(divide='ignore'):
        t = abs(rho) * np.sqrt(df / max(1 - rho**2, 0.0))
    return rho, float(2 * stats.t.sf(t, df))


@lru_cache(maxsize=_MAX_EXACT)
def _orders(n: int) -> NDArray[np.intp]:
    return np.array(list(permutations(range(n))), np.intp)


def spearman_interval(rho: float, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a rank correlation.

    Bonett and Wright, Psychometrika 2000, doi 10.1007/BF02294183: Fisher's z with variance
    (1 + rho^2 / 2) / (n - 3).

    Returns
    -------
    low, high
        NaN for fewer than 4 pairs or a perfect correlation, where the formula fails.

    Examples
    --------
    >>> [round(float(v), 4) for v in spearman_interval(0.5, 28)]
    [0.1356, 0.7455]
    """
    if n < 4 or not abs(rho) < 1 - 1e-12:
        return float('nan'), float('nan')
    reach = stats.norm.ppf((1 + confidence) / 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    z = np.arctanh(rho)
    return float(np.tanh(z - reach)), float(np.tanh(z + reach))


def correlate_scores(
    values: pd.DataFrame,
    members: pd.Series,
    scores: pd.DataFrame,
    *,
    groups: Sequence[str],
    measures: Sequence[str],
    confidence: float = 0.95,
) -> tuple[pd.DataFrame, list[str]]:
    """Correlate every measure and region with every score, within each patient group.

    Patient groups are those not called like controls in which anybody has the score.

    Parameters
    ----------
    values
        One row per participant, region and hemisphere, with the measures as columns.
    members
        Group label by participant_id.
    scores
        One column per score, numbers, indexed by participant_id.
    groups
        Labels in the order wanted.
    measures
        Columns of `values`.
    confidence
        Level of the intervals.

    Returns
    -------
    correlations
        `CORRELATION_COLUMNS`.
    notes
        Sentences on what was not computed, and why.
    """
    notes = Notes()
    table: list[dict[str, Any]] = []
    wanted = score_groups(members, scores, groups)
    for measure in measures:
        for (region, hemisphere), rows in values.groupby(['region', 'hemisphere'], sort=False):
            regional = pd.Series(rows[measure].to_numpy(float), index=rows['participant_id'])
            for score, patients in wanted.items():
                for group in patients:
                    pairs = pd.DataFrame(
                        {'x': scores[score].reindex(regional.index), 'y': regional}
                    )
                    pairs = pairs[(members.reindex(pairs.index) == group).to_numpy()].dropna()
                    row, reason = _correlate(pairs, confidence)
                    if reason is not None:
                        place = f'{measure} of {region} ({hemisphere})'
                        notes.add_place(f'{score} in {group!r} {reason}', place)
                    key = {'measure': measure, 'region': region, 'hemisphere': hemisphere}
                    table.append(key | {'group': group, 'score': score} | row)
    frame = pd.DataFrame(table, columns=list(CORRELATION_COLUMNS))
    return adjust_families(frame, ['measure', 'score']), notes.all()


def score_groups(
    members: pd.Series, scores: pd.DataFrame, groups: Sequence[str]
) -> Mapping[str, list[str]]:
    """Patient groups in which anybody has a score, by score."""
    labels = members.reindex(scores.index)
    return {
        str(score): [
            group
            for group in groups
            if not is_control(group) and scores.loc[labels == group, score].notna().any()
        ]
        for score in scores
    }


def _correlate(pairs: pd.DataFrame, confidence: float) -> tuple[dict[str, Any], str | None]:
    row: dict[str, Any] = {'n': len(pairs)}
    if len(pairs) < MIN_GROUP:
        return row, f'was not tested, as only {len(pairs)} have both values'
    rho, p = spearman(pairs['x'], pairs['y'])
    if not np.isfinite(rho):
        return row, 'was not tested, as all have the same value'
    low, high = spearman_interval(rho, len(pairs), confidence=confidence)
    return row | {'rho': rho, 'ci_low': low, 'ci_high': high, 'p': p}, None
