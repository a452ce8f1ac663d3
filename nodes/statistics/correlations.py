"""Rank correlation of region values with clinical scores, within groups."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .covariates import covariate_columns
from .multiplicity import adjust_families
from .sample import MIN_GROUP, Sample
from .values import PLACE

CORRELATION_COLUMNS = (
    'measure', 'region', 'hemisphere', 'group', 'score', 'n', 'rho', 'ci_low', 'ci_high', 'p',
    'p_adjusted', 'rho_partial', 'p_partial', 'p_difference',
)  # fmt: skip
EXACT_LIMIT = 8
"""Up to this many participants the p value counts all orders, 40320 of them for eight."""


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
    # Pearson's correlation of the ranks, ties sharing their mean
    first, second = (stats.rankdata(v) for v in (x, y))
    n = first.size
    if n < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return out
    first, second = (_standard(v) for v in (first, second))
    rho = float(np.clip(first @ second, -1, 1))
    out.update(rho=rho, p=_p_value(first, second, rho))
    if n > 3 and abs(rho) < 1 - 1e-12:
        # half the width on Fisher's scale, by Bonett and Wright's variance for ranks
        z = stats.norm.ppf((1 + confidence) / 2) * math.sqrt((1 + rho**2 / 2) / (n - 3))
        out.update(ci_low=math.tanh(math.atanh(rho) - z), ci_high=math.tanh(math.atanh(rho) + z))
    return out


def partial_spearman(
    x: ArrayLike, y: ArrayLike, covariates: NDArray[np.float64]
) -> dict[str, float]:
    """Spearman's rank correlation of what covariates leave of both.

    Parameters
    ----------
    x, y
        Paired values, (n,), finite.
    covariates
        (n, k), finite: ranks of amounts, indicators of categories; constant columns are dropped.

    Returns
    -------
    dict
        `rho` and `p` (Student's t with n - 2 - k degrees of freedom); NaN where nothing is left.

    Notes
    -----
    Ranks are regressed on the covariates and the residuals correlated, which for one covariate is
    the formula of partial correlation on Spearman's coefficients.

    Examples
    --------
    >>> z = np.array([[3.0], [1], [2], [5], [4]])
    >>> round(partial_spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], z)['rho'], 6)
    0.721688
    """
    ranks = [stats.rankdata(v) for v in (x, y)]
    n = ranks[0].size
    varying = covariates[:, np.ptp(covariates, axis=0) > 0] if n else covariates
    # both lose what a regression on the covariates' ranks explains
    basis = np.linalg.qr(np.column_stack([np.ones(n), varying]))[0]
    first, second = (v - basis @ (basis.T @ v) for v in ranks)
    df = n - 1 - basis.shape[1]  # n - 2 - k, the basis holding the intercept too
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    if df < 1 or size <= 1e-9 * n:
        return {'rho': float('nan'), 'p': float('nan')}
    rho = float(np.clip(first @ second / size, -1, 1))
    t = abs(rho) * math.sqrt(df / max(1 - rho**2, np.finfo(float).eps))
    return {'rho': rho, 'p': 2 * float(stats.t.sf(t, df))}


def line_with_band(
    x: NDArray[np.float64], y: NDArray[np.float64], at: NDArray[np.float64], *,
    confidence: float = 0.95,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Least-squares line through points, and half the width of the confidence band of its mean.

    Parameters
    ----------
    x, y
        Paired values, (n,), n above 2 and x not constant.
    at
        Where the line is wanted.
    confidence
        Of the band, at each place.

    Examples
    --------
    >>> mean, half = line_with_band(np.arange(4.0), np.array([0.0, 1, 2, 3]), np.array([1.5]))
    >>> float(mean[0]), round(float(half[0]), 6)
    (1.5, 0.0)
    """
    centred = x - x.mean()
    spread = centred @ centred
    slope = centred @ y / spread
    mean = y.mean() + slope * (at - x.mean())
    rest = y - y.mean() - slope * centred
    variance = rest @ rest / (x.size - 2)
    error = np.sqrt(variance * (1 / x.size + (at - x.mean()) ** 2 / spread))
    return mean, float(stats.t.ppf((1 + confidence) / 2, x.size - 2)) * error


def difference_p(correlations: Sequence[float], sizes: Sequence[int]) -> float:
    """P of independent groups having one rank correlation, on Fisher's scale.

    Parameters
    ----------
    correlations
        Spearman's, of each group.
    sizes
        People behind each.

    Notes
    -----
    Hedges and Olkin's (1985) homogeneity statistic Q = sum of w (z - mean z)^2 with the variances
    1 / w that `spearman`'s intervals have, chi squared with one degree of freedom less than
    groups; for two groups the square of the usual z. NaN where a group has fewer than four
    people, or a perfect correlation.

    Examples
    --------
    >>> round(difference_p([0.6, 0.1], [30, 30]), 4)
    0.0372
    """
    r, n = np.asarray(correlations, float), np.asarray(sizes, float)
    if r.size < 2 or n.min() < 4 or not (np.abs(r) < 1).all():
        return float('nan')
    # inverse variances of Fisher's z, Bonett and Wright's as in the intervals
    z, weight = np.arctanh(r), (n - 3) / (1 + r**2 / 2)
    spread = weight @ (z - (weight @ z) / weight.sum()) ** 2
    return float(stats.chi2.sf(spread, r.size - 1))


def _standard(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = ranks - ranks.mean()
    return centred / np.linalg.norm(centred)


def _p_value(first: NDArray[np.float64], second: NDArray[np.float64], rho: float) -> float:
    n = first.size
    if n <= EXACT_LIMIT:
        # every order of one of the two is as likely; equal ones may differ by rounding
        others = second[_orders(n)] @ first
        return float(np.mean(np.abs(others) >= abs(rho) - 1e-9))
    # Student's t would undercut 2 / n!, the least that any order can have
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
    adjusting = {g: _covariates(sample, inside) for g, inside in members.items()}
    for key in sample.values.columns:
        values = sample.values[key].to_numpy(float)
        keys = dict(zip(PLACE, key, strict=True))
        for (score, group), points in scored.items():
            own = values[members[group]]
            used = np.isfinite(points) & np.isfinite(own)
            n = int(used.sum())
            result: dict[str, float] = {}
            if n >= MIN_GROUP:
                result = spearman(own[used], points[used])
                result |= _partial(own, points, adjusting[group], used)
            rows.append({**keys, 'group': group, 'score': score, 'n': n, **result})
        _compare(rows[-len(scored) :])  # the rows of this region, all groups and scores
    table = pd.DataFrame(rows).reindex(columns=list(CORRELATION_COLUMNS))
    table['p_adjusted'] = adjust_families(table, ('measure', 'score'))
    return table, warnings


def _covariates(sample: Sample, members: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Covariates of a group's members, (members, columns): amounts ranked; NaN where missing."""
    columns = [np.zeros((int(members.sum()), 0))]
    for covariate in sample.covariates:
        values = sample.people.loc[members, covariate.name]
        known = values.notna().to_numpy()
        if not known.any():
            columns.append(np.full((len(values), 1), np.nan))
            continue
        found = covariate_columns(values[known], covariate)
        full = np.full((len(values), found.shape[1]), np.nan)
        # ranks for amounts, since the correlation is one of ranks
        full[known] = found if covariate.categorical else stats.rankdata(found)[:, None]
        columns.append(full)
    return np.hstack(columns)


def _partial(
    own: NDArray[np.float64], points: NDArray[np.float64], covariates: NDArray[np.float64],
    used: NDArray[np.bool_],
) -> dict[str, float]:  # fmt: skip
    """Partial correlation with the sample's covariates; empty where there are none."""
    complete = used & np.isfinite(covariates).all(axis=1)
    if not covariates.shape[1] or not complete.any():
        return {}
    found = partial_spearman(own[complete], points[complete], covariates[complete])
    return {'rho_partial': found['rho'], 'p_partial': found['p']}


def _compare(rows: list[dict[str, Any]]) -> None:
    """Add the p of no difference between the groups that have a score."""
    for score in dict.fromkeys(row['score'] for row in rows):
        known = [r for r in rows if r['score'] == score and 'rho' in r]
        p = difference_p([r['rho'] for r in known], [r['n'] for r in known]) if known else np.nan
        for row in known:
            row['p_difference'] = p


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
