"""Group tests with weaker assumptions: unequal variances (Welch), ranks (Kruskal-Wallis, Dunn)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from .multiplicity import adjust_holm

Grouped = Mapping[str, NDArray[np.float64]]
"""Values by group."""


def welch(groups: Grouped) -> dict[str, float]:
    """Welch's analysis of variance: equal means where variances may differ.

    Parameters
    ----------
    groups
        Values by group, two or more each, not all equal within a group.

    Returns
    -------
    dict
        `statistic`, `df_num`, `df_den` and `p`; NaN where a group does not vary.

    Notes
    -----
    Welch 1951, doi 10.1093/biomet/38.3-4.330.
    """
    from statsmodels.stats.oneway import anova_oneway

    values = [np.asarray(v, float) for v in groups.values()]
    if len(values) < 2 or any(v.size < 2 or np.ptp(v) == 0 for v in values):
        return dict.fromkeys(('statistic', 'df_num', 'df_den', 'p'), np.nan)
    # the correction is the denominator of Welch's F, which makes it follow F more closely
    found = anova_oneway(values, use_var='unequal', welch_correction=True)
    return {
        'statistic': float(found.statistic),
        'df_num': float(found.df_num),
        'df_den': float(found.df_denom),
        'p': float(found.pvalue),
    }


def kruskal_wallis(groups: Grouped) -> dict[str, float]:
    """Kruskal and Wallis' test that no group tends to larger values.

    Parameters
    ----------
    groups
        Values by group.

    Returns
    -------
    dict
        `statistic`, `df_num` and `p` (chi squared, ties corrected); NaN where all values agree.
    """
    values = [np.asarray(v, float) for v in groups.values()]
    pooled = np.concatenate(values)
    if len(values) < 2 or np.ptp(pooled) == 0:
        return dict.fromkeys(('statistic', 'df_num', 'p'), np.nan)
    found = stats.kruskal(*values)
    return {
        'statistic': float(found.statistic),
        'df_num': float(len(values) - 1),
        'p': float(found.pvalue),
    }


def dunn(groups: Grouped) -> pd.DataFrame:
    """Dunn's comparison of all pairs after Kruskal and Wallis' test.

    Parameters
    ----------
    groups
        Values by group.

    Returns
    -------
    DataFrame
        `a`, `b`, `difference` (of mean ranks), `statistic` (normal), `p` and `p_holm`.

    Notes
    -----
    Dunn 1964, doi 10.1080/00401706.1964.10490181: z = (R_a - R_b) / sqrt((N (N + 1) / 12 -
    T) (1 / n_a + 1 / n_b)), R the mean ranks among all N values, T = sum(t^3 - t) / (12 (N - 1))
    over ties of t values.

    Examples
    --------
    >>> table = dunn({'A': np.array([1.0, 2, 3]), 'B': np.array([4.0, 5, 6])})
    >>> float(table.statistic[0].round(4)), float(table.p[0].round(4))
    (-1.964, 0.0495)
    """
    names = list(groups)
    sizes = [len(groups[name]) for name in names]
    pooled = np.concatenate([np.asarray(groups[name], float) for name in names])
    # R: all values ranked together, whatever their group
    ranks = np.split(stats.rankdata(pooled), np.cumsum(sizes)[:-1])
    n = pooled.size
    # N (N + 1) / 12 - T
    ties = np.unique(pooled, return_counts=True)[1].astype(float)
    variance = n * (n + 1) / 12 - float(np.sum(ties**3 - ties)) / (12 * (n - 1))
    rows = []
    for i, j in itertools.combinations(range(len(names)), 2):
        difference = float(ranks[i].mean() - ranks[j].mean())
        error = np.sqrt(variance * (1 / sizes[i] + 1 / sizes[j]))
        z = difference / error if error > 0 else np.nan
        rows.append((names[i], names[j], difference, z, 2 * float(stats.norm.sf(abs(z)))))
    table = pd.DataFrame(rows, columns=['a', 'b', 'difference', 'statistic', 'p'])
    return table.assign(p_holm=adjust_holm(table.p))


def rank_values(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks of values, ties sharing their mean, for an analysis of covariance on ranks.

    Conover & Iman 1982, doi 10.2307/2530051; amounts among the covariates are ranked alike.
    """
    return stats.rankdata(np.asarray(values, float))


def by_group(
    values: NDArray[np.float64], labels: Sequence[Any] | NDArray[Any]
) -> dict[str, NDArray[np.float64]]:
    """Values by their labels, labels in the order of their first appearance."""
    own = np.asarray(labels)
    return {str(name): values[own == name] for name in dict.fromkeys(labels)}
