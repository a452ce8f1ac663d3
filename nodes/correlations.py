"""Rank correlation of region values with clinical scores, within groups."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .multiplicity import adjust_families
from .sample import MIN_GROUP, Sample

CORRELATION_COLUMNS = (
    'measure', 'region', 'hemisphere', 'group', 'score', 'n', 'rho', 'ci_low', 'ci_high', 'p',
    'p_adjusted',
)  # fmt: skip
EXACT_LIMIT = 8
"""Up to this many participants the p value counts all orders."""


def spearman(x: ArrayLike, y: ArrayLike, *, confidence: float = 0.95) -> dict[str, float]:
    """Spearman's rank correlation with an interval and a two-sided test.

    Parameters
    ----------
    x, y
        Paired values, (n,), finite.
    confidence
        Of the interval.

    Returns
    -------
    dict
        `rho`, `ci_low`, `ci_high`, `p`; NaN where n < 3 or one of the two is constant, and the
        interval also where n < 4 or the ranks agree perfectly, where it has no width.

    Notes
    -----
    The interval is on Fisher's scale with the variance (1 + rho^2 / 2) / (n - 3) of Bonett and
    Wright 2000, doi 10.1007/BF02294183. The p value counts all n! orders up to `EXACT_LIMIT`
    participants, so that three people can never be significant; beyond, it follows Student's t,
    but never below the 2 / n! that the most extreme order has.

    Examples
    --------
    >>> round(spearman([1, 2, 3], [4, 5, 6])['p'], 6)  # two of six orders are as extreme
    0.333333
    """
    out = dict.fromkeys(('rho', 'ci_low', 'ci_high', 'p'), float('nan'))
    first, second = (stats.rankdata(v) for v in (x, y))
    n = first.size
    if n < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return out
    first, second = (_standard(v) for v in (first, second))
    rho = float(np.clip(first @ second, -1, 1))
    out.update(rho=rho, p=_p_value(first, second, rho))
    if n > 3 and abs(rho) < 1 - 1e-12:
        z = stats.norm.ppf((1 + confidence) / 2) * math.sqrt((1 + rho**2 / 2) / (n - 3))
        out.update(ci_low=math.tanh(math.atanh(rho) - z), ci_high=math.tanh(math.atanh(rho) + z))
    return out


def _standard(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = ranks - ranks.mean()
    return centred / np.linalg.norm(centred)


def _p_value(first: NDArray[np.float64], second: NDArray[np.float64], rho: float) -> float:
    n = first.size
    if n <= EXACT_LIMIT:
        others = second[_orders(n)] @ first
        return float(np.mean(np.abs(others) >= abs(rho) - 1e-9))
    t = abs(rho) * math.sqrt((n - 2) / max(1 - rho**2, np.finfo(float).eps))
    return max(2 * float(stats.t.sf(t, n - 2)), 2 * math.exp(-math.lgamma(n + 1)))


@functools.cache
def _orders(n: int) -> NDArray[np.intp]:
    return np.array(list(itertools.permutations(range(n))), dtype=np.intp)


def correlation_table(sample: Sample) -> tuple[pd.DataFrame, list[str]]:
    """Correlate every measure, region and hemisphere with every score within each group.

    Groups in whom nobody has the score (healthy people and their EDSS) or everybody the same
    have no rows; groups of fewer than `MIN_GROUP` have rows of NaN.

    Parameters
    ----------
    sample
        From `make_sample`.

    Returns
    -------
    tuple
        Table with `CORRELATION_COLUMNS`, and warnings.
    """
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    members = {g: (sample.labels == g).to_numpy() for g in sample.groups}
    scored = _varying_scores(sample, members, warnings)
    for key in sample.values.columns:
        values = sample.values[key].to_numpy(float)
        keys = dict(zip(('measure', 'region', 'hemisphere'), key, strict=True))
        for (score, group), points in scored.items():
            own = values[members[group]]
            used = np.isfinite(points) & np.isfinite(own)
            n = int(used.sum())
            result = spearman(own[used], points[used]) if n >= MIN_GROUP else {}
            rows.append({**keys, 'group': group, 'score': score, 'n': n, **result})
    table = pd.DataFrame(rows).reindex(columns=list(CORRELATION_COLUMNS))
    table['p_adjusted'] = adjust_families(table, ('measure', 'score'))
    return table, warnings


def _varying_scores(
    sample: Sample, members: dict[str, NDArray[np.bool_]], warnings: list[str]
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Scores of each group in whom they can be correlated."""
    scored = {}
    for score, group in itertools.product(sample.scores, sample.groups):
        points = sample.people.loc[members[group], score].to_numpy(float)
        known = points[np.isfinite(points)]
        if known.size >= MIN_GROUP and np.ptp(known) == 0:
            warnings.append(
                f'{score} is {known[0]:g} for everyone in {group}, so nothing is correlated with '
                'it there.'
            )
        elif known.size:
            scored[score, group] = points
    return scored
