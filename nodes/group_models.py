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

from .alternatives import by_group, kruskal_wallis, rank_values, welch
from .covariates import Covariate, covariate_columns, group_columns
from .errors import NigraError
from .evidence import bayes_factor, equivalence
from .multiplicity import adjust_families, adjust_holm, tukey_p
from .permutation import Contrast, permute_contrasts
from .sample import MIN_GROUP, Sample

MODEL_COLUMNS = (
    'measure', 'region', 'hemisphere', 'formula', 'n', 'n_excluded', 'statistic', 'df_num',
    'df_den', 'p', 'p_adjusted', 'partial_eta_squared', 'normality_p', 'equal_variance_p',
    'p_hc3', 'p_rank', 'p_welch', 'p_kruskal', 'advice', 'max_cooks_distance',
    'most_influential', 'note',
)  # fmt: skip
CONTRAST_COLUMNS = (
    'measure', 'region', 'hemisphere', 'contrast', 'n_a', 'n_b', 'estimate', 'ci_low', 'ci_high',
    'statistic', 'p', 'p_adjusted', 'effect_size', 'se', 'df', 'p_tukey', 'p_holm',
    'p_permutation', 'p_max', 'bayes_factor', 'p_equivalence',
)  # fmt: skip
MEAN_COLUMNS = (
    'measure', 'region', 'hemisphere', 'group', 'n', 'mean', 'sd', 'adjusted_mean', 'se',
    'ci_low', 'ci_high',
)  # fmt: skip
EQUIVALENT = 0.5
"""Largest difference taken for none, in standard deviations of the residuals."""
DOUBTFUL = 0.05
"""p of a check from which the counterpart that asks less is pointed at."""
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
        test = self.fit.f_test(self._hypothesis())
        f, df_num, df_den = float(np.squeeze(test.fvalue)), n_groups - 1, float(test.df_denom)
        return {
            'statistic': f,
            'df_num': df_num,
            'df_den': df_den,
            'p': float(test.pvalue),
            'partial_eta_squared': f * df_num / (f * df_num + df_den),
        }

    def _hypothesis(self) -> NDArray[np.float64]:
        """Each adjusted mean less the last, (groups - 1, coefficients)."""
        n_groups = len(self.design.groups)
        hypothesis = np.zeros((n_groups - 1, self.design.matrix.shape[1]))
        hypothesis[:, : n_groups - 1] = np.eye(n_groups - 1)
        hypothesis[:, n_groups - 1] = -1
        return hypothesis

    def contrast(self, a: str, b: str) -> dict[str, float]:
        """Difference of adjusted means of groups a and b, with its interval, test and size."""
        groups = self.design.groups
        test = self.fit.t_test(self.weights(a, b))
        low, high = np.squeeze(test.conf_int(alpha=1 - CONFIDENCE))
        estimate = float(np.squeeze(test.effect))
        t, error, df = (float(np.squeeze(v)) for v in (test.tvalue, test.sd, self.fit.df_resid))
        return {
            'estimate': estimate,
            'ci_low': float(low),
            'ci_high': float(high),
            'statistic': t,
            'p': float(np.squeeze(test.pvalue)),
            'effect_size': hedges_g(estimate, self.fit.scale, self.fit.df_resid),
            'se': error,
            'df': df,
            'p_tukey': tukey_p(t, len(groups), df),
            'bayes_factor': bayes_factor(t, df, self.fit.scale / error**2),
            'p_equivalence': equivalence(
                estimate, error, df, EQUIVALENT * np.sqrt(self.fit.scale)
            )['p'],
        }

    def weights(self, a: str, b: str) -> NDArray[np.float64]:
        """Weights of the coefficients in the difference of adjusted means of groups a and b."""
        out = np.zeros(self.design.matrix.shape[1])
        out[self.design.groups.index(a)], out[self.design.groups.index(b)] = 1, -1
        return out

    def hypothesis(self, a: str, b: str, who: NDArray[np.intp]) -> Contrast:
        """The same difference for a permutation test; `who` are positions in the study."""
        values = np.asarray(self.fit.model.endog)
        return Contrast(values, self.design.matrix, self.weights(a, b), who)

    def means(self) -> list[dict[str, Any]]:
        """Mean of each group, plain and adjusted to the average of the covariates of all."""
        matrix, groups = self.design.matrix, self.design.groups
        average = matrix[:, len(groups) :].mean(axis=0)
        values = np.asarray(self.fit.model.endog)
        rows = []
        for i, group in enumerate(groups):
            own = values[self.design.labels == group]
            weights = np.concatenate([np.arange(len(groups)) == i, average])
            test = self.fit.t_test(weights)
            low, high = np.squeeze(test.conf_int(alpha=1 - CONFIDENCE))
            rows.append({
                'group': group, 'n': own.size, 'mean': float(own.mean()),
                'sd': float(own.std(ddof=1)),
                'adjusted_mean': float(np.squeeze(test.effect)),
                'se': float(np.squeeze(test.sd)), 'ci_low': float(low), 'ci_high': float(high),
            })  # fmt: skip
        return rows

    def counterparts(self) -> dict[str, float]:
        """The group's test by methods that ask less of the data.

        `p_hc3` allows for unequal variances (heteroscedasticity-consistent covariance HC3, Long &
        Ervin 2000, doi 10.1080/00031305.2000.10474549), `p_rank` replaces values by ranks (Conover
        & Iman 1982, doi 10.2307/2530051); both keep the covariates. Welch's and Kruskal and
        Wallis' tests do without covariates.
        """
        values = np.asarray(self.fit.model.endog)
        groups = by_group(values, self.design.labels)
        p_hc3 = np.nan
        if (leverages(self.fit) < 1 - 1e-10).all():
            robust = self.fit.get_robustcov_results('HC3')
            p_hc3 = float(robust.f_test(self._hypothesis()).pvalue)
        return {
            'p_hc3': p_hc3,
            'p_rank': Ancova(rank_values(values), self.design).omnibus()['p'],
            'p_welch': welch(groups)['p'],
            'p_kruskal': kruskal_wallis(groups)['p'],
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
    leverage = leverages(fit)
    free = np.where(leverage < 1 - 1e-10, 1 - leverage, np.nan)
    return fit.resid**2 * leverage / (fit.model.exog.shape[1] * fit.scale * free**2)


def leverages(fit: Any) -> NDArray[np.float64]:
    """Diagonal of the hat matrix, 1 for a participant whom the fit meets of necessity."""
    exog, inverse = np.asarray(fit.model.exog), np.asarray(fit.model.pinv_wexog)
    return np.einsum('ij,ji->i', exog, inverse)


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


@dataclass(frozen=True)
class GroupTables:
    """Tables of all models: `MODEL_COLUMNS`, `CONTRAST_COLUMNS` and `MEAN_COLUMNS`."""

    models: pd.DataFrame
    contrasts: pd.DataFrame
    means: pd.DataFrame


def group_tables(
    sample: Sample, *, permutations: int = 0, seed: int = 1, nthreads: int = 1
) -> GroupTables:
    """Omnibus tests, pairwise contrasts and adjusted means of every measure, region, hemisphere.

    A model leaves out participants without the value or a covariate, and groups of whom fewer
    than `MIN_GROUP` are left; what cannot be tested is a row of NaN with a note.

    Parameters
    ----------
    sample
        From `make_sample`.
    permutations
        Of `p_permutation` and `p_max`, the order as observed included; 0 leaves them out.
    seed
        Of the permutations.
    nthreads
        Threads of the permutations; the result does not depend on them.
    """
    means: list[dict[str, Any]] = []
    permuted: list[Contrast | None] = []
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
        means += [{**row, **mean} for mean in fit.means()] if fit else []
        for a, b in itertools.combinations(sample.groups, 2):
            both = fit if fit and {a, b} <= set(enough) else None
            tested = both.contrast(a, b) if both else {}
            sizes = {'n_a': int(counts.get(a, 0)), 'n_b': int(counts.get(b, 0))}
            contrasts.append({**row, 'contrast': f'{a} - {b}', **sizes, **tested})
            permuted.append(both.hypothesis(a, b, np.flatnonzero(used)) if both else None)
    table = _finish(contrasts, CONTRAST_COLUMNS)
    table['p_holm'] = table.groupby(['measure', 'region', 'hemisphere'], sort=False)[
        'p'
    ].transform(adjust_holm)
    if permutations:
        _permute(table, permuted, len(sample.labels), permutations, seed, nthreads)
    return GroupTables(
        _finish(models, MODEL_COLUMNS),
        table,
        pd.DataFrame(means).reindex(columns=list(MEAN_COLUMNS)),
    )


def _permute(
    table: pd.DataFrame, contrasts: Sequence[Contrast | None], n_participants: int,
    permutations: int, seed: int, nthreads: int,
) -> None:  # fmt: skip
    """Fill `p_permutation` and `p_max`, family by family, as `adjust_families` draws them."""
    sides = (table.hemisphere != 'both').rename('side')
    for _, rows in table.groupby([table.measure, sides], sort=False):
        known = [i for i in rows.index if contrasts[i] is not None]
        family = [c for i in known if (c := contrasts[i]) is not None]
        if family:
            found = permute_contrasts(
                family, n_participants=n_participants, n_permutations=permutations, seed=seed,
                nthreads=nthreads,
            )  # fmt: skip
            table.loc[known, 'p_permutation'] = found.p
            table.loc[known, 'p_max'] = found.p_max


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
    checks = {**fit.checks(sample.labels.index[used]), **fit.counterparts()}
    return {**row, **fit.omnibus(), **checks, 'advice': _advice(checks), 'note': note}, fit


def _advice(checks: dict[str, Any]) -> str | None:
    """Which counterpart to read where a check fails."""
    found = []
    if checks['equal_variance_p'] < DOUBTFUL:
        found.append('unequal variances: see p_hc3')
    if checks['normality_p'] < DOUBTFUL:
        found.append('residuals not normal: see p_rank and p_permutation')
    return '; '.join(found) or None


def _finish(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows).reindex(columns=list(columns))
    table['p_adjusted'] = adjust_families(table)
    return table
