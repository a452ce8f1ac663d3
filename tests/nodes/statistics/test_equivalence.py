"""Equivalence and Bayes factors against other formulations and another library."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from nigra.nodes.errors import NigraError
from nigra.nodes.statistics.equivalence import bayes_factor, equivalence


def other_form(t, df, n, scale):
    """The same factor by the likelihood of t: noncentral t averaged over a Cauchy prior."""

    def weighed(delta):
        return stats.nct.pdf(t, df, delta * np.sqrt(n)) * stats.cauchy.pdf(delta, scale=scale)

    edges = [-8, -2, -0.5, 0, 0.5, 2, 8]
    parts = [integrate.quad(weighed, a, b)[0] for a, b in itertools.pairwise(edges)]
    return sum(parts) / stats.t.pdf(t, df)


@pytest.mark.parametrize(('t', 'df', 'n'), [(0.3, 38, 10.0), (2.5, 38, 10.0), (-1.8, 20, 4.0)])
def test_factor_is_that_of_a_cauchy_prior(t, df, n):
    assert bayes_factor(t, df, n) == pytest.approx(other_form(t, df, n, np.sqrt(0.5)), rel=1e-4)


@pytest.mark.parametrize(
    ('t', 'n_a', 'n_b', 'expected'),
    [(2.5, 20, 20, 3.337919), (0, 20, 20, 0.308830), (-1.2, 20, 40, 0.498425)],
)
def test_factor_as_pingouin_has_it(t, n_a, n_b, expected):
    """pingouin 0.7.0, bayesfactor_ttest, whose own integration is good to four digits."""
    found = bayes_factor(t, n_a + n_b - 2, n_a * n_b / (n_a + n_b))
    assert found == pytest.approx(expected, rel=2e-4)


def test_factor_favours_no_difference_more_in_larger_samples_and_never_overflows():
    factors = [bayes_factor(0.0, 2 * n - 2, n / 2) for n in (5, 20, 100, 1000)]
    assert factors == sorted(factors, reverse=True)
    assert bayes_factor(40.0, 78, 13.3) > 1e30
    assert np.isnan(bayes_factor(np.nan, 10, 5.0))


def test_equivalence_as_pingouin_has_it():
    """pingouin 0.7.0, tost, on PlantGrowth's ctrl and trt2 with a bound of 1."""
    from test_robust_tests import PLANT_GROWTH

    a, b = PLANT_GROWTH['ctrl'], PLANT_GROWTH['trt2']
    pooled = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    found = equivalence(a.mean() - b.mean(), pooled * np.sqrt(2 / 10), 18, 1.0)
    assert found['p'] == pytest.approx(0.0211410556, rel=1e-8)
    assert -1 < found['ci_low'] < found['ci_high'] < 1


def test_equivalence_agrees_with_its_interval():
    for estimate in (0.0, 0.8, 1.0, 1.2):
        found = equivalence(estimate, 0.5, 30, 2.0)
        inside = found['ci_low'] > -2 and found['ci_high'] < 2
        assert (found['p'] < 0.05) == inside


def test_bound_must_be_positive():
    with pytest.raises(NigraError, match='must be positive, got 0'):
        equivalence(0.0, 1.0, 10, 0)
