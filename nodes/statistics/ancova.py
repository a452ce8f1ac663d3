"""Analysis of covariance of one region's values between groups."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln

from ..errors import NigraError
from .covariates import Covariate, covariate_columns, group_columns
from .equivalence import bayes_factor, equivalence
from .multiplicity import tukey_p
from .permutation import Contrast
from .robust_tests import by_group, kruskal_wallis, rank_values, welch

EQUIVALENT = 0.5
"""Largest difference taken for none, in standard deviations of the residuals."""
CONFIDENCE = 0.95
_SHAPIRO_LIMIT = 5000  # Royston's approximation is made for samples up to this size
_FULL_LEVERAGE = 1e-10
"""How near to 1 a leverage counts as 1: rounding left 1.2e-14 at most in 200 drawn designs of 8 to
80 people, and no other leverage there was above .8."""


Side = str | Sequence[str]
"""Of a contrast: a group, or several whose adjusted means are averaged."""


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
    compared
        Whether the study has groups to compare; one group alone has means and regressions.
    """

    matrix: NDArray[np.float64]
    labels: NDArray[Any]
    groups: tuple[str, ...]
    compared: bool = True

    def weights(self, a: Side, b: Side) -> NDArray[np.float64]:
        """Weights of the coefficients in the difference of the adjusted means of two sides."""
        out = np.zeros(self.matrix.shape[1])
        for names, sign in ((_names(a), 1), (_names(b), -1)):
            for name in names:
                out[self.groups.index(name)] = sign / len(names)
        return out


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
        Levels to compare; those without a participant are passed over. A single one is a study
        of one group.
    covariates
        Columns of `people`.

    Raises
    ------
    NigraError
        A covariate is missing for someone.
    """
    # an absent group would be a column of zeros, which no contrast can be estimated with
    present = tuple(g for g in groups if (labels == g).any())
    if people[[c.name for c in covariates]].isna().any(axis=None):
        raise NigraError('covariates must be complete; leave out participants who miss one')
    compared = len(groups) > 1
    if not present:
        return Design(np.zeros((0, 0)), labels.to_numpy(), present, compared)
    columns = [group_columns(labels, present)]
    columns += [covariate_columns(people[c.name], c) for c in covariates]
    return Design(np.hstack(columns), labels.to_numpy(), present, compared)


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
        if design.compared and len(design.groups) < 2:
            raise NigraError('fewer than two groups have enough participants')
        if not design.groups:
            raise NigraError('there are not enough participants')
        # refused here, because least squares would pick one of many solutions without a word
        if np.linalg.matrix_rank(design.matrix) < k:
            raise NigraError('a covariate is constant or collinear among these participants')
        if n <= k:
            raise NigraError('no more participants than coefficients')
        self.design = design
        self.fit = OLS(np.asarray(values, float), design.matrix).fit()
        # residuals of rounding only (1e-12 of the values): F and t would be noise over noise
        if self.fit.ssr <= 1e-24 * max(float(np.sum(values**2)), np.finfo(float).tiny):
            raise NigraError('values do not vary within groups')

    @functools.cached_property
    def robust(self) -> Any:
        """The fit with covariance HC3; None where someone has leverage 1."""
        # HC3 divides each residual by 1 - h (Long and Ervin 2000)
        if (leverages(self.fit) < 1 - _FULL_LEVERAGE).all():
            return self.fit.get_robustcov_results('HC3')
        return None

    @functools.cached_property
    def ranked(self) -> Ancova | None:
        """The same model on ranks; None where they fit exactly, as in 1 2 3 and 4 4 4."""
        try:
            return Ancova(rank_values(np.asarray(self.fit.model.endog)), self.design)
        except NigraError:
            return None

    def omnibus(self) -> dict[str, float]:
        """Test of no difference between groups, adjusted for the covariates (type II).

        Without interactions, the type II test of the group is that its adjusted means are equal.
        One group has nothing to be tested against: NaN, with 0 degrees of freedom.
        """
        n_groups = len(self.design.groups)
        if n_groups < 2:
            nothing = dict.fromkeys(('statistic', 'p', 'partial_eta_squared'), np.nan)
            return {**nothing, 'df_num': 0, 'df_den': float(self.fit.df_resid)}
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
        # one restriction per group but the last: L b = 0
        hypothesis = np.zeros((n_groups - 1, self.design.matrix.shape[1]))
        hypothesis[:, : n_groups - 1] = np.eye(n_groups - 1)
        hypothesis[:, n_groups - 1] = -1
        return hypothesis

    def difference(self, a: Side, b: Side) -> dict[str, float]:
        """Difference of the adjusted means of two sides, with its interval and test."""
        test = self.fit.t_test(self.design.weights(a, b))
        low, high = np.squeeze(test.conf_int(alpha=1 - CONFIDENCE))
        return {
            'estimate': float(np.squeeze(test.effect)),
            'ci_low': float(low),
            'ci_high': float(high),
            'statistic': float(np.squeeze(test.tvalue)),
            'p': float(np.squeeze(test.pvalue)),
            'se': float(np.squeeze(test.sd)),
            'df': float(self.fit.df_resid),
        }

    def contrast(self, a: Side, b: Side) -> dict[str, float]:
        """`difference` with its size, further p values, and what speaks for none.

        `p_hc3` allows for unequal variances; `p_tukey` is that of single groups.
        """
        found = self.difference(a, b)
        t, error, df = found['statistic'], found['se'], found['df']
        pair = len(_names(a)) == len(_names(b)) == 1
        # bound and effect size take their unit from the residuals: people alike in covariates
        bound = EQUIVALENT * np.sqrt(self.fit.scale)
        robust = self.robust.t_test(self.design.weights(a, b)) if self.robust else None
        return {
            **found,
            'p_hc3': float(np.squeeze(robust.pvalue)) if robust else np.nan,
            'effect_size': hedges_g(found['estimate'], self.fit.scale, df),
            'p_tukey': tukey_p(t, len(self.design.groups), df) if pair else np.nan,
            # variance over squared standard error is n_a n_b / (n_a + n_b) without covariates
            'bayes_factor': bayes_factor(t, df, self.fit.scale / error**2),
            'p_equivalence': equivalence(found['estimate'], error, df, bound)['p'],
        }

    def hypothesis(self, a: Side, b: Side, who: NDArray[np.intp]) -> Contrast:
        """The same difference for a permutation test; `who` are positions in the study."""
        values = np.asarray(self.fit.model.endog)
        return Contrast(values, self.design.matrix, self.design.weights(a, b), who)

    def means(self) -> list[dict[str, Any]]:
        """Mean of each group, plain and adjusted to the average of the covariates of all."""
        matrix, groups = self.design.matrix, self.design.groups
        # least-squares means: every group at the covariates that all participants have on average
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
        """The group's test by methods with weaker assumptions.

        `p_hc3` allows for unequal variances (heteroscedasticity-consistent covariance HC3, Long &
        Ervin 2000, doi 10.1080/00031305.2000.10474549), `p_rank` replaces values by ranks (Conover
        & Iman 1982, doi 10.2307/2530051); both keep the covariates. Welch's and Kruskal and
        Wallis' tests do without covariates.
        """
        if len(self.design.groups) < 2:
            return dict.fromkeys(('p_hc3', 'p_rank', 'p_welch', 'p_kruskal'), np.nan)
        groups = by_group(np.asarray(self.fit.model.endog), self.design.labels)
        robust, ranked = self.robust, self.ranked
        return {
            # Wald's test of the same hypothesis with the sandwich covariance
            'p_hc3': float(robust.f_test(self._hypothesis()).pvalue) if robust else np.nan,
            'p_rank': ranked.omnibus()['p'] if ranked else np.nan,
            'p_welch': welch(groups)['p'],
            'p_kruskal': kruskal_wallis(groups)['p'],
        }

    def untested(self) -> list[str]:
        """Which of the tests beside the usual one cannot be made, and why."""
        reasons = []
        if self.robust is None:
            reasons.append('p_hc3 n/a: a participant has leverage 1')
        if len(self.design.groups) < 2:
            return reasons
        if self.ranked is None:
            reasons.append('p_rank n/a: the ranks do not vary within groups')
        groups = by_group(np.asarray(self.fit.model.endog), self.design.labels)
        constant = [name for name, values in groups.items() if np.ptp(values) == 0]
        if constant:
            reasons.append(f'p_welch n/a: values do not vary in {", ".join(constant)}')
        return reasons

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
            'equal_variance_p': _brown_forsythe(parts),
            'max_cooks_distance': float(np.nanmax(distance)) if known else np.nan,
            'most_influential': names[int(np.nanargmax(distance))] if known else None,
        }


def _brown_forsythe(parts: Sequence[NDArray[np.float64]]) -> float:
    """P of equal variances of several groups' residuals; NaN for one group or equal distances."""
    # Levene's test with medians, which skewed residuals mislead less
    distances = [np.abs(part - np.median(part)) for part in parts]
    largest = max(float(d.max()) for d in distances)
    # no group's distances vary (two values each, half of them above): F would divide by rounding
    if len(parts) < 2 or max(float(np.ptp(d)) for d in distances) <= 1e-9 * largest:
        return float('nan')
    return float(stats.levene(*parts, center='median').pvalue)


def _names(groups: Side) -> tuple[str, ...]:
    return (groups,) if isinstance(groups, str) else tuple(groups)


def cooks_distance(fit: Any) -> NDArray[np.float64]:
    """How far each participant moves the fit; NaN for one with leverage 1.

    Cook 1977, doi 10.1080/00401706.1977.10489493.

    Parameters
    ----------
    fit
        Least-squares result of statsmodels.
    """
    leverage = leverages(fit)
    free = np.where(leverage < 1 - _FULL_LEVERAGE, 1 - leverage, np.nan)
    return fit.resid**2 * leverage / (fit.model.exog.shape[1] * fit.scale * free**2)


def leverages(fit: Any) -> NDArray[np.float64]:
    """Diagonal of the hat matrix; 1 for the only participant of a category, whose fit is exact."""
    # h_i = x_i' (X'X)^-1 x_i, with the pseudoinverse that the fit has computed already
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
    return float(difference / np.sqrt(variance) * hedges_factor(df))


def hedges_factor(df: float) -> float:
    """What takes the bias of small samples out of a standardised difference; NaN for df <= 1."""
    # J(m) = Gamma(m / 2) / (sqrt(m / 2) Gamma((m - 1) / 2)) (Hedges 1981)
    if df <= 1:
        return float('nan')
    return float(np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2))
