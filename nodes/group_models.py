"""Analysis of covariance of one region's values between groups, and all regions' tables."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln

from .covariates import Covariate, covariate_columns, group_columns
from .errors import NigraError
from .multiplicity import adjust_families
from .sample import MIN_GROUP, Sample

MODEL_COLUMNS = (
    'measure', 'region', 'hemisphere', 'formula', 'n', 'n_excluded', 'statistic', 'df_num',
    'df_den', 'p', 'p_adjusted', 'partial_eta_squared', 'normality_p', 'equal_variance_p',
    'max_cooks_distance', 'most_influential', 'note',
)  # fmt: skip
CONTRAST_COLUMNS = (
    'measure', 'region', 'hemisphere', 'contrast', 'n_a', 'n_b', 'estimate', 'ci_low', 'ci_high',
    'statistic', 'p', 'p_adjusted', 'effect_size',
)  # fmt: skip
CONFIDENCE = 0.95
_SHAPIRO_LIMIT = 5000  # Royston's approximation is made for samples up to this size


@dataclass(frozen=True)
class Design:
    """Group means and covariates of the participants of one model.

    The groups have an indicator each and there is no intercept, so that a coefficient is a
    group's adjusted mean at the average of the covariates, and any group may be absent.

    Attributes
    ----------
    matrix
        (participants, groups + covariate columns).
    labels
        Group of each participant.
    groups
        Of the first columns.
    """

    matrix: NDArray[np.float64]
    labels: NDArray[Any]
    groups: tuple[str, ...]


def make_design(
    labels: pd.Series,
    people: pd.DataFrame,
    groups: Sequence[str],
    covariates: Sequence[Covariate] = (),
) -> Design:
    """Code groups and covariates as numbers.

    Parameters
    ----------
    labels
        Group of each participant.
    people
        Covariates of the same participants, none missing.
    groups
        Levels to compare; those without a participant are passed over.
    covariates
        Columns of `people`.

    Raises
    ------
    NigraError
        A covariate is missing for someone.
    """
    present = tuple(g for g in groups if (labels == g).any())
    if people[[c.name for c in covariates]].isna().any(axis=None):
        raise NigraError('covariates must be complete; leave out participants who miss one')
    if not present:
        return Design(np.zeros((0, 0)), labels.to_numpy(), present)
    columns = [group_columns(labels, present)]
    columns += [covariate_columns(people[c.name], c) for c in covariates]
    return Design(np.hstack(columns), labels.to_numpy(), present)


class Ancova:
    """Least-squares fit of one region's values.

    Parameters
    ----------
    values
        One per participant, finite.
    design
        Of the same participants.

    Raises
    ------
    NigraError
        The model cannot be tested; the message says why.

    Examples
    --------
    >>> labels = pd.Series(['A', 'A', 'A', 'B', 'B', 'B'])
    >>> fit = Ancova(np.array([1.0, 2, 3, 3, 4, 5]), make_design(labels, pd.DataFrame(), 'AB'))
    >>> round(fit.contrast('B', 'A')['estimate'], 9), round(fit.omnibus()['statistic'], 9)
    (2.0, 6.0)
    """

    def __init__(self, values: NDArray[np.float64], design: Design):
        from statsmodels.regression.linear_model import OLS

        n, k = design.matrix.shape
        if len(design.groups) < 2:
            raise NigraError(f'fewer than two groups have {MIN_GROUP} participants')
        if np.linalg.matrix_rank(design.matrix) < k:
            raise NigraError('a covariate is constant or collinear among these participants')
        if n <= k:
            raise NigraError('no more participants than coefficients')
        self.design = design
        self.fit = OLS(np.asarray(values, float), design.matrix).fit()
        if self.fit.ssr <= 1e-24 * max(float(np.sum(values**2)), np.finfo(float).tiny):
            raise NigraError('values do not vary within groups')

    def omnibus(self) -> dict[str, float]:
        """Test of no difference between groups, adjusted for the covariates (type II).

        Without interactions, the type II test of the group is that its adjusted means are equal.
        """
        n_groups = len(self.design.groups)
        hypothesis = np.zeros((n_groups - 1, self.design.matrix.shape[1]))
        hypothesis[:, : n_groups - 1] = np.eye(n_groups - 1)
        hypothesis[:, n_groups - 1] = -1
        test = self.fit.f_test(hypothesis)
        f, df_num, df_den = float(np.squeeze(test.fvalue)), n_groups - 1, float(test.df_denom)
        return {
            'statistic': f,
            'df_num': df_num,
            'df_den': df_den,
            'p': float(test.pvalue),
            'partial_eta_squared': f * df_num / (f * df_num + df_den),
        }

    def contrast(self, a: str, b: str) -> dict[str, float]:
        """Difference of adjusted means of groups a and b, with its interval, test and size."""
        groups = self.design.groups
        weights = np.zeros(self.design.matrix.shape[1])
        weights[groups.index(a)], weights[groups.index(b)] = 1, -1
        test = self.fit.t_test(weights)
        low, high = np.squeeze(test.conf_int(alpha=1 - CONFIDENCE))
        estimate = float(np.squeeze(test.effect))
        return {
            'estimate': estimate,
            'ci_low': float(low),
            'ci_high': float(high),
            'statistic': float(np.squeeze(test.tvalue)),
            'p': float(np.squeeze(test.pvalue)),
            'effect_size': hedges_g(estimate, self.fit.scale, self.fit.df_resid),
        }

    def checks(self, names: Sequence[Any]) -> dict[str, Any]:
        """How far the residuals keep to what the tests assume.

        Shapiro and Wilk's test of normality, Brown and Forsythe's of equal variances (both on
        residuals, so approximate in small samples), and the largest of Cook's distances.

        Parameters
        ----------
        names
            Of the participants, in the order of the values.
        """
        residuals = np.asarray(self.fit.resid)
        parts = [residuals[self.design.labels == g] for g in self.design.groups]
        normal = len(residuals) <= _SHAPIRO_LIMIT
        distance = cooks_distance(self.fit)
        known = np.isfinite(distance).any()
        return {
            'normality_p': float(stats.shapiro(residuals).pvalue) if normal else np.nan,
            'equal_variance_p': float(stats.levene(*parts, center='median').pvalue),
            'max_cooks_distance': float(np.nanmax(distance)) if known else np.nan,
            'most_influential': names[int(np.nanargmax(distance))] if known else None,
        }


def cooks_distance(fit: Any) -> NDArray[np.float64]:
    """How far each participant moves the fit; NaN for one whom the fit meets of necessity.

    Cook 1977, doi 10.1080/00401706.1977.10489493.

    Parameters
    ----------
    fit
        Least-squares result of statsmodels.
    """
    exog = np.asarray(fit.model.exog)
    leverage = np.einsum('ij,ji->i', exog, np.asarray(fit.model.pinv_wexog))
    free = np.where(leverage < 1 - 1e-10, 1 - leverage, np.nan)
    return fit.resid**2 * leverage / (exog.shape[1] * fit.scale * free**2)


def hedges_g(difference: float, variance: float, df: float) -> float:
    """Standardised difference without the bias of small samples.

    Parameters
    ----------
    difference
        Of adjusted means.
    variance
        Of the residuals, so that the unit is the spread between people who are alike in group
        and covariates.
    df
        Degrees of freedom of the variance.

    Notes
    -----
    Hedges 1981, doi 10.3102/10769986006002107, with the exact correction factor.

    Examples
    --------
    >>> round(hedges_g(1.0, 1.0, 10), 4)
    0.9227
    """
    if df <= 1:
        return float('nan')
    factor = np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2)
    return float(difference / np.sqrt(variance) * factor)


def group_tables(sample: Sample) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Omnibus tests and pairwise contrasts of every measure, region and hemisphere.

    A model leaves out participants without the value or a covariate, and groups of whom fewer
    than `MIN_GROUP` are left; what cannot be tested is a row of NaN with a note.

    Parameters
    ----------
    sample
        From `make_sample`.

    Returns
    -------
    tuple
        Tables with `MODEL_COLUMNS` and `CONTRAST_COLUMNS`.
    """
    models: list[dict[str, Any]] = []
    contrasts: list[dict[str, Any]] = []
    designs: dict[bytes, Design] = {}
    complete = sample.complete.to_numpy()
    for key in sample.values.columns:
        row = dict(zip(('measure', 'region', 'hemisphere'), key, strict=True))
        values = sample.values[key].to_numpy(float)
        usable = complete & np.isfinite(values)
        counts = sample.labels[usable].value_counts()
        enough = [g for g in sample.groups if counts.get(g, 0) >= MIN_GROUP]
        used = usable & sample.labels.isin(enough).to_numpy()
        signature = used.tobytes()
        if signature not in designs:
            designs[signature] = make_design(
                sample.labels[used], sample.people[used], enough, sample.covariates
            )
        model, fit = _model_row(sample, values[used], designs[signature], used)
        models.append({**row, **model})
        for a, b in itertools.combinations(sample.groups, 2):
            tested = fit.contrast(a, b) if fit and {a, b} <= set(enough) else {}
            sizes = {'n_a': int(counts.get(a, 0)), 'n_b': int(counts.get(b, 0))}
            contrasts.append({**row, 'contrast': f'{a} - {b}', **sizes, **tested})
    return _finish(models, MODEL_COLUMNS), _finish(contrasts, CONTRAST_COLUMNS)


def _model_row(
    sample: Sample, values: NDArray[np.float64], design: Design, used: NDArray[np.bool_]
) -> tuple[dict[str, Any], Ancova | None]:
    row: dict[str, Any] = {
        'formula': sample.formula,
        'n': int(used.sum()),
        'n_excluded': int((~used).sum()),
    }
    small = [g for g in sample.groups if g not in design.groups]
    note = f'fewer than {MIN_GROUP} participants in {", ".join(small)}' if small else None
    try:
        fit = Ancova(values, design)
    except NigraError as error:
        return {**row, 'note': f'not tested: {error}'}, None
    names = sample.labels.index[used]
    return {**row, **fit.omnibus(), **fit.checks(names), 'note': note}, fit


def _finish(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows).reindex(columns=list(columns))
    table['p_adjusted'] = adjust_families(table)
    return table
