"""Adjusting p values for the number of tests in a family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

ADJUSTMENT = 'fdr_bh'
"""Method of `p_adjusted`, by its name in statsmodels and R."""
FAMILY = (
    'p_adjusted is by Benjamini and Hochberg (false discovery rate) over all tests of one measure '
    'in the table (regions times contrasts, or regions times groups of one score); rows of both '
    'hemispheres together form one family, rows of L and R another'
)
"""What a family is, in words."""


def adjust_fdr(p: ArrayLike) -> NDArray[np.float64]:
    """Benjamini and Hochberg's adjusted p values; NaN stays NaN and does not count as a test.

    The rate of false discoveries is held where tests are independent or positively dependent
    (neighbouring nuclei, a whole and its parts), and where no effect exists at all the chance of
    any discovery is below the same level.

    Parameters
    ----------
    p
        p values, (n,).

    Notes
    -----
    Benjamini and Hochberg 1995, doi 10.1111/j.2517-6161.1995.tb02031.x; Benjamini and Yekutieli
    2001, doi 10.1214/aos/1013699998.

    Examples
    --------
    >>> adjust_fdr([0.01, 0.04, np.nan, 0.03]).round(4).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    out, known = _known(p)
    if known.any():
        out[known] = stats.false_discovery_control(np.asarray(p, float)[known])
    return out


def tukey_p(t: float, groups: int, df: float) -> float:
    """P of a difference of two of several means, adjusted for all pairs of them.

    Parameters
    ----------
    t, df
        Student's t of the difference and its degrees of freedom.
    groups
        Number of means.

    Notes
    -----
    The studentised range, after Tukey and Kramer (Kramer 1956, doi 10.2307/3001469); exact for
    groups of one size without covariates, slightly strict otherwise (Hayter 1984).

    Examples
    --------
    >>> round(tukey_p(-3.1027871779, 3, 27), 6)  # R's PlantGrowth, trt1 and trt2
    0.012006
    """
    # with two means the studentised range is |t| sqrt(2), and its p that of t
    if groups == 2:
        return 2 * float(stats.t.sf(abs(t), df))
    return float(stats.studentized_range.sf(abs(t) * np.sqrt(2), groups, df))


def adjust_holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p values, for every dependence of the tests; NaN as in `adjust_fdr`.

    Holm 1979, Scandinavian Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> adjust_holm([0.01, 0.04, np.nan, 0.03]).round(4).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    # statsmodels' multipletests collects garbage at each call, which takes most of the time
    out, known = _known(p)
    values = np.asarray(p, float)[known]
    order = np.argsort(values)
    # the smallest p times m, the next times m - 1, ..., and never below an earlier one
    steps = values[order] * np.arange(values.size, 0, -1)
    adjusted = np.empty(values.size)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    out[known] = adjusted
    return out


def _known(p: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where to put adjusted values, and which of the p values are known."""
    p = np.asarray(p, float)
    return np.full(p.shape, np.nan), np.isfinite(p)


def adjust_families(table: pd.DataFrame, by: Sequence[str] = ('measure',)) -> pd.Series:
    """Adjust column `p` of a table within its families.

    The two hemispheres together and the single sides answer the same question twice, so `both`
    is one family and `L` with `R` another; neither is made to pay for the other.

    Parameters
    ----------
    table
        With `p`, `hemisphere` and the columns of `by`.
    by
        Columns whose values set families apart, beside the hemispheres.
    """
    keys = [table[column] for column in by]
    sides = (table.hemisphere != 'both').rename('side')
    return table.p.astype(float).groupby([*keys, sides], group_keys=False).transform(adjust_fdr)
