"""Whether a covariate acts differently in the groups, each in a model of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import NigraError
from .ancova import CONFIDENCE, Ancova, Design, make_design
from .covariates import Covariate, covariate_columns, formula_term
from .multiplicity import adjust_families
from .sample import Sample
from .values import PLACE

INTERACTION_COLUMNS = (
    'measure', 'region', 'hemisphere', 'covariate', 'group', 'formula', 'n', 'slope', 'ci_low',
    'ci_high', 'statistic', 'df_num', 'df_den', 'p', 'p_adjusted', 'note',
)  # fmt: skip


def interaction_table(sample: Sample, group_column: str = 'group') -> pd.DataFrame:
    """Test the interaction of the group with every covariate asked for.

    Parameters
    ----------
    sample
        With `interactions`.
    group_column
        For the formula.

    Returns
    -------
    DataFrame
        `INTERACTION_COLUMNS`. A row without group is the F test that the covariate acts alike in
        all groups, comparing the models with and without the products; rows with a group hold the
        slope there (per unit of an amount, or the second level of a category less the first).
        Only the F tests are adjusted for their number.
    """
    rows: list[dict[str, Any]] = []
    for key in sample.values.columns:
        place = dict(zip(PLACE, key, strict=True))
        values = sample.values[key].to_numpy(float)
        for name in sample.interactions:
            covariate = next(c for c in sample.covariates if c.name == name)
            product = f'{formula_term(group_column, categorical=True)}:{covariate.term}'
            shared = {**place, 'covariate': name, 'formula': f'{sample.formula} + {product}'}
            rows += [{**shared, **row} for row in _one(sample, values, covariate)]
    table = pd.DataFrame(rows).reindex(columns=list(INTERACTION_COLUMNS))
    # slopes describe what the joint test found; they are not tests of their own
    joint = table.group.isna()
    table['p_adjusted'] = np.nan
    if joint.any():
        table.loc[joint, 'p_adjusted'] = adjust_families(table[joint], ('measure', 'covariate'))
    return table


def _one(
    sample: Sample, values: NDArray[np.float64], covariate: Covariate
) -> list[dict[str, Any]]:
    used, counts = sample.with_values(values)
    row: dict[str, Any] = {'n': int(used.sum())}
    try:
        design, slopes, scale = _with_products(sample, used, covariate)
        fit = Ancova(values[used], design).fit
    except NigraError as error:
        return [{**row, 'note': f'not tested: {error}'}]
    hypothesis = _equal_slopes(slopes, design.matrix.shape[1])
    test = fit.f_test(hypothesis)
    rows = [{
        **row, 'statistic': float(np.squeeze(test.fvalue)), 'df_num': float(len(hypothesis)),
        'df_den': float(test.df_denom), 'p': float(test.pvalue),
    }]  # fmt: skip
    if slopes.shape[1] > 1:
        return rows  # a category of three levels has no single slope
    for i, group in enumerate(design.groups):
        weights = np.zeros(design.matrix.shape[1])
        weights[slopes[i, 0]] = 1 / scale  # per year rather than per standard deviation
        own = fit.t_test(weights)
        low, high = np.squeeze(own.conf_int(alpha=1 - CONFIDENCE))
        rows.append({
            'group': group, 'n': counts[group], 'slope': float(np.squeeze(own.effect)),
            'ci_low': float(low), 'ci_high': float(high),
            'statistic': float(np.squeeze(own.tvalue)), 'df_num': 1.0,
            'df_den': float(fit.df_resid), 'p': float(np.squeeze(own.pvalue)),
        })  # fmt: skip
    return rows


def _equal_slopes(slopes: NDArray[np.intp], n_coefficients: int) -> NDArray[np.float64]:
    """Each group's slopes less the first group's, (restrictions, coefficients)."""
    lines = []
    for own, first in ((slopes[i, j], slopes[0, j]) for i, j in np.ndindex(slopes.shape) if i):
        line = np.zeros(n_coefficients)
        line[own], line[first] = 1, -1
        lines.append(line)
    return np.array(lines)


def _with_products(
    sample: Sample, used: NDArray[np.bool_], covariate: Covariate
) -> tuple[Design, NDArray[np.intp], float]:
    """Design with a slope for each group, positions of the slopes, and the covariate's unit."""
    labels, people = sample.labels[used], sample.people[used]
    if labels.nunique() < 2:
        raise NigraError('fewer than two groups have enough participants')
    others = [c for c in sample.covariates if c != covariate]
    design = make_design(labels, people, sample.groups, others)
    columns = covariate_columns(people[covariate.name], covariate)
    if not columns.any():
        raise NigraError(f'{covariate.name} is constant among these participants')
    scale = 1.0
    if not covariate.categorical:
        scale = float(people[covariate.name].to_numpy(float).std()) or 1.0
    indicators = np.column_stack([(labels == g).to_numpy(float) for g in design.groups])
    # a slope for each group in place of one for all: the same model as main effect and products
    own = np.hstack([indicators[:, [i]] * columns for i in range(len(design.groups))])
    start, levels = design.matrix.shape[1], columns.shape[1]
    places = start + np.arange(len(design.groups) * levels).reshape(len(design.groups), levels)
    matrix = np.hstack([design.matrix, own])
    return Design(matrix, design.labels, design.groups), places, scale
