"""Analysis of covariance per region, and the pairwise differences of groups within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm

from .stats import (
    MIN_GROUP,
    Covariates,
    Notes,
    adjust_families,
    design_matrix,
    formula_name,
    hedges_correction,
    large_groups,
)

MODEL_COLUMNS = (
    'measure', 'region', 'hemisphere', 'formula', 'n', 'n_excluded', 'statistic', 'df_num',
    'df_den', 'p', 'p_adjusted', 'partial_eta_squared', 'shapiro_p', 'levene_p',
)  # fmt: skip
"""Columns of the table of omnibus tests, in order."""

CONTRAST_COLUMNS = (
    'measure', 'region', 'hemisphere', 'contrast', 'n_a', 'n_b', 'estimate', 'ci_low', 'ci_high',
    'statistic', 'p', 'p_adjusted', 'effect_size',
)  # fmt: skip
"""Columns of the table of pairwise differences, in order."""

MIN_RESIDUAL_DF = 2
"""Fewest residual degrees of freedom with which a model is tested."""

_MAX_SHAPIRO = 5000  # beyond, the approximation of its p value is not valid


@dataclass(frozen=True)
class Sample:
    """Participants of one model.

    Attributes
    ----------
    frame
        Columns `value`, `group` and one per covariate, complete rows of groups that are large
        enough.
    sizes
        Participants with complete data by group, small groups included.
    n_excluded
        Participants of any group that are not in `frame`.
    """

    frame: pd.DataFrame
    sizes: dict[str, int]
    n_excluded: int


def model_formula(measure: str, group: str, covariates: Covariates) -> str:
    """Formula of a model in the names of the tables.

    Examples
    --------
    >>> people = pd.DataFrame({'age': [40.0], 'sex': ['F']})
    >>> model_formula('chi_mean', 'group', Covariates(('age', 'sex'), people))
    'chi_mean ~ C(group) + age + C(sex)'
    """
    terms = [f'C({formula_name(group)})']
    for name in covariates.names:
        shown = formula_name(name)
        terms.append(f'C({shown})' if covariates.is_categorical(name) else shown)
    return f'{measure} ~ {" + ".join(terms)}'


def pair_groups(groups: Sequence[str]) -> list[tuple[str, str]]:
    """Every pair of groups, the one that comes first in `groups` (the reference) second.

    Examples
    --------
    >>> pair_groups(['HC', 'NMO', 'RRMS'])
    [('NMO', 'HC'), ('RRMS', 'HC'), ('RRMS', 'NMO')]
    """
    return [(b, a) for a, b in combinations(groups, 2)]


def compare_groups(
    values: pd.DataFrame,
    members: pd.Series,
    *,
    groups: Sequence[str],
    covariates: Covariates,
    measures: Sequence[str],
    group_column: str = 'group',
    confidence: float = 0.95,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Analysis of covariance of every measure, region and hemisphere.

    Parameters
    ----------
    values
        One row per participant, region and hemisphere, with the measures as columns.
    members
        Group label by participant_id; missing for those not compared.
    groups
        Labels, the reference first.
    covariates
        From `prepare_covariates`.
    measures
        Columns of `values` to compare.
    group_column
        Name of the groups' column, for the formula shown.
    confidence
        Level of the intervals.

    Returns
    -------
    models
        `MODEL_COLUMNS`: F test of the group effect (type II: given the covariates), partial eta
        squared, and p of Shapiro-Wilk and Levene (about medians) on the residuals.
    contrasts
        `CONTRAST_COLUMNS`: adjusted differences, t intervals and tests from the same model (one
        residual variance), and Hedges' g from its residual SD. They are given whether or not the
        omnibus test is significant: the adjustment holds without that condition.
    notes
        Sentences on what was not tested, and why.

    Notes
    -----
    Groups with fewer than `MIN_GROUP` complete participants take no part in a model; their
    contrasts are rows without numbers, and the other groups are compared.
    """
    notes = Notes()
    pairs = pair_groups(groups)
    models: list[dict[str, Any]] = []
    contrasts: list[dict[str, Any]] = []
    for measure in measures:
        formula = model_formula(measure, group_column, covariates)
        for (region, hemisphere), rows in values.groupby(['region', 'hemisphere'], sort=False):
            key = {'measure': measure, 'region': region, 'hemisphere': hemisphere}
            place = f'{measure} of {region} ({hemisphere})'
            sample = take_sample(rows, measure, members, groups, covariates)
            for group, n in sample.sizes.items():
                if n < MIN_GROUP:
                    reason = f'Group {group!r} has only {n} participants with all values, so it'
                    notes.add_place(f'{reason} was not tested', place)
            model, differences, reason = fit_sample(sample, pairs, confidence=confidence)
            if reason is not None:
                notes.add_place(reason, place)
            models.append(key | {'formula': formula} | model)
            contrasts += [key | difference for difference in differences]
    return (
        adjust_families(pd.DataFrame(models, columns=list(MODEL_COLUMNS)), ['measure']),
        adjust_families(pd.DataFrame(contrasts, columns=list(CONTRAST_COLUMNS)), ['measure']),
        notes.all(),
    )


def take_sample(
    rows: pd.DataFrame,
    measure: str,
    members: pd.Series,
    groups: Sequence[str],
    covariates: Covariates,
) -> Sample:
    """Participants with value, group and covariates, of groups that are large enough."""
    frame = covariates.frame.reindex(rows['participant_id'])
    frame.columns = [f'x{i}' for i in range(frame.shape[1])]
    codes = {label: f'g{i:02d}' for i, label in enumerate(groups)}
    labels = members.reindex(frame.index)
    frame.insert(0, 'group', labels.map(codes).astype(object))
    frame.insert(0, 'value', rows[measure].to_numpy(float))
    n_people = int(labels.notna().sum())
    frame = frame[np.isfinite(frame['value']) & frame.notna().all(axis=1)]
    counts = frame['group'].value_counts()
    sizes = {label: int(counts.get(code, 0)) for label, code in codes.items()}
    frame = frame[large_groups(frame['group'])] if len(frame) else frame
    return Sample(frame, sizes, n_people - len(frame))


def fit_sample(
    sample: Sample, pairs: Sequence[tuple[str, str]], *, confidence: float = 0.95
) -> tuple[dict[str, Any], list[dict[str, Any]], str | None]:
    """Fit one model; return its omnibus test, its contrasts, and why there is none."""
    model: dict[str, Any] = {'n': len(sample.frame), 'n_excluded': sample.n_excluded}
    sizes = sample.sizes
    rows: list[dict[str, Any]] = [
        {'contrast': f'{a} - {b}', 'n_a': sizes[a], 'n_b': sizes[b]} for a, b in pairs
    ]
    reason = _untestable(sample.frame)
    if reason is not None:
        return model, rows, reason
    frame = sample.frame
    terms = [
        name if pd.api.types.is_numeric_dtype(frame[name]) else f'C({name})'
        for name in frame.columns.drop(['value', 'group'])
    ]
    fit = smf.ols(' + '.join(['value ~ C(group)', *terms]), frame).fit()
    if fit.ssr <= 1e-12 * fit.centered_tss:
        return model, rows, 'Not tested, as the values have no spread'
    model |= _omnibus(fit) | _check_residuals(fit.resid, frame['group'])
    codes = {label: f'g{i:02d}' for i, label in enumerate(sizes)}
    for row, (a, b) in zip(rows, pairs, strict=True):
        if min(sizes[a], sizes[b]) >= MIN_GROUP:
            row |= _contrast(fit, codes[a], codes[b], confidence)
    return model, rows, None


def _untestable(frame: pd.DataFrame) -> str | None:
    if frame['group'].nunique() < 2:
        return f'Not tested, as fewer than two groups have {MIN_GROUP} participants'
    design = design_matrix(frame['group'], frame.drop(columns=['value', 'group']))
    if len(frame) - design.shape[1] < MIN_RESIDUAL_DF:
        return 'Not tested, as there are too few participants for so many covariates'
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return 'Not tested, as among those with values a covariate is constant or collinear'
    if np.ptp(frame['value'].to_numpy()) == 0:
        return 'Not tested, as the values have no spread'
    return None


def _omnibus(fit: Any) -> dict[str, Any]:
    table = anova_lm(fit, typ=2)
    group = table.loc['C(group)']
    return {
        'statistic': group['F'],
        'df_num': int(group['df']),
        'df_den': int(fit.df_resid),
        'p': group['PR(>F)'],
        'partial_eta_squared': group['sum_sq'] / (group['sum_sq'] + fit.ssr),
    }


def _check_residuals(residuals: pd.Series, group: pd.Series) -> dict[str, float]:
    parts = [part.to_numpy() for _, part in residuals.groupby(group.to_numpy())]
    shapiro = stats.shapiro(residuals).pvalue if len(residuals) <= _MAX_SHAPIRO else np.nan
    return {'shapiro_p': shapiro, 'levene_p': stats.levene(*parts, center='median').pvalue}


def _contrast(fit: Any, a: str, b: str, confidence: float) -> dict[str, Any]:
    """Difference a - b as a linear hypothesis on the coefficients (treatment coding)."""
    names = list(fit.model.exog_names)
    weights = np.zeros(len(names))
    for code, sign in ((a, 1.0), (b, -1.0)):
        name = f'C(group)[T.{code}]'
        if name in names:  # the reference group of the fit has no coefficient
            weights[names.index(name)] = sign
    test = fit.t_test(weights)
    low, high = np.ravel(test.conf_int(alpha=1 - confidence))
    estimate = np.ravel(test.effect)[0]
    g = estimate / np.sqrt(fit.mse_resid) * hedges_correction(fit.df_resid)
    return {
        'estimate': estimate,
        'ci_low': low,
        'ci_high': high,
        'statistic': np.ravel(test.tvalue)[0],
        'p': np.ravel(test.pvalue)[0],
        'effect_size': g,
    }
