"""Both hemispheres in one mixed model: groups, sides, and whether sides differ between groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ..errors import NigraError
from .ancova import CONFIDENCE, Ancova, Design, make_design
from .multiplicity import adjust_fdr
from .question import GroupContrast
from .sample import Sample

SIDE_COLUMNS = (
    'measure', 'region', 'effect', 'group_a', 'group_b', 'n', 'estimate', 'ci_low', 'ci_high',
    'statistic', 'df_num', 'df_den', 'p', 'p_adjusted', 'icc', 'note',
)  # fmt: skip
GROUP, SIDE, GROUP_BY_SIDE = 'group', 'side', 'group x side'
"""Names of the effects that are no contrast; a contrast's row names its two sides beside it."""


def side_table(sample: Sample) -> pd.DataFrame:
    """Mixed models of both sides of every region and measure.

    value ~ group * side + covariates + (1 | participant), of people with both sides: the random
    intercept makes two measurements of one person alike. With two sides for everyone the model
    falls apart into two least-squares fits without loss: groups and covariates act on a person's
    mean of both sides, sides and their interaction with the group on the difference. Its tests
    are those of the mixed model fitted by restricted likelihood, with the exact degrees of
    freedom (a split-plot design; Searle, Casella & McCulloch 1992, Variance Components, chapter
    4).

    Parameters
    ----------
    sample
        With hemispheres `L` and `R`.

    Returns
    -------
    DataFrame
        `SIDE_COLUMNS`, a row for the test of the group, one for each contrast, one for the side
        (left less right, the mean of all groups, each counting alike) and one for the interaction;
        of one group only that of the side.
        Adjusted p values are by false discovery rate over the regions of one measure and kind of
        effect.
    """
    rows: list[dict[str, Any]] = []
    pairs = dict.fromkeys(key[:2] for key in sample.values.columns if key[2] != 'both')
    for measure, region in pairs:
        sides = [(measure, region, side) for side in 'LR']
        if all(side in sample.values for side in sides):
            left, right = (sample.values[side].to_numpy(float) for side in sides)
            found = _one_region(sample, left, right)
            rows += [{'measure': measure, 'region': region, **row} for row in found]
    table = pd.DataFrame(rows).reindex(columns=list(SIDE_COLUMNS))
    # all contrasts of a measure are one family, each other effect is one of its own
    contrast = table.group_a.notna()
    kind = table.effect.where(~contrast, 'contrast')
    table['p_adjusted'] = (
        table.p.astype(float)
        .groupby([table.measure, kind], group_keys=False)
        .transform(adjust_fdr)
    )
    return table


def _one_region(
    sample: Sample, left: NDArray[np.float64], right: NDArray[np.float64]
) -> list[dict[str, Any]]:
    # the mean of both sides carries groups and covariates, the difference carries the sides
    mean = (left + right) / 2
    used, _ = sample.with_values(mean)
    n = int(used.sum())
    try:
        labels, people = sample.labels[used], sample.people[used]
        between = Ancova(mean[used], make_design(labels, people, sample.groups, sample.covariates))
        within = Ancova((left - right)[used], make_design(labels, people, sample.groups))
    except NigraError as error:
        effects = [_named(SIDE)]
        if sample.compared:
            effects = [_named(GROUP), *map(_named, sample.contrasts), _named(SIDE),
                       _named(GROUP_BY_SIDE)]  # fmt: skip
        return [{**effect, 'n': n, 'note': f'not tested: {error}'} for effect in effects]
    # between-person and within-person residual variances give the two variance components
    icc = intraclass(between.fit.scale, within.fit.scale)
    rows = [{**_named(GROUP), **_test(between.omnibus())}] if sample.compared else []
    for contrast in sample.contrasts:
        row = _named(contrast)
        if contrast.groups <= set(between.design.groups):
            found = between.difference(contrast.first, contrast.second)
            row |= {k: found[k] for k in ('estimate', 'ci_low', 'ci_high', 'statistic', 'p')}
            row |= {'df_num': 1, 'df_den': found['df']}
        rows.append(row)
    # without covariates: what is constant within a person cancels in the difference
    rows.append({**_named(SIDE), **_laterality(within.fit, within.design)})
    if sample.compared:
        rows.append({**_named(GROUP_BY_SIDE), **_test(within.omnibus())})
    return [{**row, 'n': n, 'icc': icc} for row in rows]


def _named(effect: str | GroupContrast) -> dict[str, Any]:
    """Columns that name an effect."""
    if isinstance(effect, str):
        return {'effect': effect}
    columns = effect.columns
    return {'effect': columns.pop('contrast'), **columns}


def intraclass(mean_variance: float, difference_variance: float) -> float:
    """Fraction of the variance of a single side that both sides of a person have in common.

    Parameters
    ----------
    mean_variance, difference_variance
        Of the residuals of a person's mean of both sides, and of their difference.

    Notes
    -----
    With variance s of persons and e of sides within them the mean has s + e / 2 and the difference
    2 e, so that s / (s + e) follows; negative where sides of a person differ more than chance has
    it.

    Examples
    --------
    >>> round(intraclass(9.5, 2.0), 4)  # s = 9, e = 1
    0.9
    """
    within = difference_variance / 2
    person = mean_variance - within / 2
    return float(person / (person + within))


def _test(found: dict[str, float]) -> dict[str, float]:
    return {k: found[k] for k in ('statistic', 'df_num', 'df_den', 'p')}


def _laterality(fit: Any, design: Design) -> dict[str, float]:
    """Left less right, the mean of the groups' means."""
    test = fit.t_test(np.full(len(design.groups), 1 / len(design.groups)))
    low, high = np.squeeze(test.conf_int(alpha=1 - CONFIDENCE))
    t, df = float(np.squeeze(test.tvalue)), float(fit.df_resid)
    return {
        'estimate': float(np.squeeze(test.effect)), 'ci_low': float(low), 'ci_high': float(high),
        'statistic': t, 'df_num': 1, 'df_den': df, 'p': 2 * float(stats.t.sf(abs(t), df)),
    }  # fmt: skip
