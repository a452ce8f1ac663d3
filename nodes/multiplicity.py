"""Adjusting p values for the number of tests in a family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

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
    from statsmodels.stats.multitest import multipletests

    p = np.asarray(p, float)
    out = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    if known.any():
        out[known] = multipletests(p[known], method='fdr_bh')[1]
    return out


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
