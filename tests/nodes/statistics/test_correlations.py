"""Rank correlation against scipy, published numbers and counting."""

import itertools

import numpy as np
import pytest
from scipy import stats
from test_robust_tests import PLANT_GROWTH
from toy_cohort import make_people, make_regions

from nigra.nodes.statistics.correlations import (
    CORRELATION_COLUMNS,
    EXACT_LIMIT,
    correlation_table,
    difference_p,
    line_with_band,
    partial_spearman,
    spearman,
)
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.sample import make_sample


@pytest.mark.parametrize('seed', range(4))
def test_against_scipy_with_and_without_ties(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=30), rng.integers(0, 12, 30) / 2
    expected = stats.spearmanr(x, y)
    found = spearman(x, y)
    assert found['rho'] == pytest.approx(expected.statistic, abs=1e-12)
    assert found['p'] == pytest.approx(expected.pvalue, rel=1e-9)


def test_published_coefficient():
    # Intelligence and hours of television of ten people, the worked example of the article
    # "Spearman's rank correlation coefficient" in Wikipedia: rho = -29/165, p = .627188 by t.
    found = spearman([106, 100, 86, 101, 99, 103, 97, 113, 112, 110],
                     [7, 27, 2, 50, 28, 29, 20, 12, 6, 17])  # fmt: skip
    assert found['rho'] == pytest.approx(-29 / 165)
    assert found['p'] == pytest.approx(0.627188, abs=1e-6)


@pytest.mark.parametrize(('n', 'critical', 'p'), [(5, 1.0, 2 / 120), (6, 0.886, 24 / 720),
                                                  (7, 0.786, 0.048)])  # fmt: skip
def test_small_samples_follow_the_tables(n, critical, p):
    """Two-sided 5 % critical values as tabled (Zar, Biostatistical Analysis, table B.20)."""
    orders = (spearman(range(n), order) for order in itertools.permutations(range(n)))
    reached = next(f for f in orders if f['rho'] == pytest.approx(critical, abs=5e-4))
    assert reached['p'] == pytest.approx(p, abs=5e-4)


def test_interval_by_hand():
    x, y = np.arange(28.0), np.random.default_rng(1).permutation(28) + np.arange(28)
    found = spearman(x, y)
    rho = stats.spearmanr(x, y).statistic
    reach = 1.959963985 * np.sqrt((1 + rho**2 / 2) / 25)
    ends = np.tanh([np.arctanh(rho) - reach, np.arctanh(rho) + reach])
    assert (found['ci_low'], found['ci_high']) == pytest.approx(tuple(ends), rel=1e-8)


def test_interval_covers():
    rng = np.random.default_rng(3)
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # rank correlation of a normal pair with r = .6
    hits = 0
    for _ in range(600):
        x = rng.normal(size=40)
        found = spearman(x, 0.6 * x + 0.8 * rng.normal(size=40))
        hits += found['ci_low'] < truth < found['ci_high']
    assert hits / 600 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize('n', [3, 4, 8, 9, 12])
def test_perfect_agreement_is_never_certain(n):
    found = spearman(np.arange(n), np.arange(n) ** 3)
    assert found['rho'] == pytest.approx(1)
    assert found['p'] == pytest.approx(2 / np.prod(np.arange(1.0, n + 1)), rel=1e-6)
    assert np.isnan(found['ci_low'])


def test_undefined():
    assert all(np.isnan(v) for v in spearman([1, 2], [1, 2]).values())
    assert all(np.isnan(v) for v in spearman([1, 1, 1, 1], [1, 2, 3, 4]).values())


def test_p_is_uniform_where_nothing_is_related():
    rng = np.random.default_rng(4)
    p = [spearman(rng.normal(size=40), rng.normal(size=40))['p'] for _ in range(800)]
    assert stats.kstest(p, 'uniform').pvalue > 0.001


def test_table_of_patient_groups():
    people = make_people({'NMO': 8, 'RRMS': 9, 'HC': 5})
    regions = make_regions(people)
    edss = regions.edss.where(regions.group == 'RRMS')
    putamen = regions.region == 'putamen'
    regions.loc[putamen & edss.notna(), 'chi_mean'] = 20 + 3 * edss
    table, warnings = correlation_table(make_sample(regions))
    assert tuple(table.columns) == CORRELATION_COLUMNS
    assert set(table.group) == {'NMO', 'RRMS'}
    assert len(table) == 2 * 3 * 3 * 2
    assert list(table.group[:2]) == ['NMO', 'RRMS']
    rows = table[(table.group == 'RRMS') & (table.measure == 'chi_mean')]
    assert rows[rows.region == 'putamen'].rho.to_numpy() == pytest.approx(1)
    assert (rows[rows.region == 'putamen'].p_adjusted < 0.05).all()
    assert not warnings


def test_scores_that_cannot_be_correlated():
    people = make_people({'NMO': 2, 'RRMS': 6, 'HC': 5})
    people.loc[people.group == 'HC', 'edss'] = 0.0
    table, warnings = correlation_table(make_sample(make_regions(people)))
    small = table[table.group == 'NMO']
    assert (small.n == 2).all()
    assert small[['rho', 'p', 'p_adjusted']].isna().all(axis=None)
    assert 'HC' not in set(table.group)
    assert warnings == ['edss is 0 for everyone in HC, so nothing is correlated with it there.']


def test_no_score_at_all():
    regions = make_regions(make_people()).drop(columns='edss')
    table, _ = correlation_table(make_sample(regions))
    assert tuple(table.columns) == CORRELATION_COLUMNS
    assert table.empty


def test_partial_correlation_as_pingouin_has_it():
    """pingouin 0.7.0, partial_corr by Spearman, on PlantGrowth's three groups as x, y, z."""
    x, y, z = PLANT_GROWTH.values()
    found = partial_spearman(x, y, stats.rankdata(z)[:, None])
    assert found == pytest.approx({'rho': -0.6642640244, 'p': 0.0510013592}, rel=1e-8)


def test_partial_correlation_by_the_formula_of_two_covariates():
    rng = np.random.default_rng(8)
    x, y, a, b = rng.standard_normal((4, 25))
    ranks = np.array([stats.rankdata(v) for v in (x, y, a, b)])
    inverse = np.linalg.inv(np.corrcoef(ranks))
    expected = -inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
    found = partial_spearman(x, y, ranks[2:].T)
    assert found['rho'] == pytest.approx(expected, rel=1e-10)
    t = expected * np.sqrt(21 / (1 - expected**2))
    assert found['p'] == pytest.approx(2 * stats.t.sf(abs(t), 21), rel=1e-10)


def test_partial_correlation_without_and_with_useless_covariates():
    rng = np.random.default_rng(9)
    x, y = rng.standard_normal((2, 20))
    plain = spearman(x, y)
    for covariates in (np.zeros((20, 0)), np.ones((20, 2))):
        found = partial_spearman(x, y, covariates)
        assert found['rho'] == pytest.approx(plain['rho'])
        assert found['p'] == pytest.approx(plain['p'])
    everything = partial_spearman(x, y, stats.rankdata(x)[:, None])
    assert np.isnan(everything['rho'])


def test_difference_of_correlations_is_uniform_where_there_is_none():
    rng = np.random.default_rng(10)
    found = []
    for _ in range(400):
        pairs = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], size=(2, 40))
        rho = [spearman(*pair.T)['rho'] for pair in pairs]
        found.append(difference_p(rho, [40, 40]))
    assert stats.kstest(found, 'uniform').pvalue > 0.01
    assert difference_p([0.9, -0.5], [40, 40]) < 1e-6
    assert np.isnan(difference_p([1.0, 0.2], [40, 40]))


def test_table_has_partial_correlations_and_differences():
    people = make_people({'NMO': 10, 'RRMS': 12, 'HC': 8})
    table, _ = correlation_table(make_sample(make_regions(people)))
    assert set(table.group) == {'NMO', 'RRMS'}
    assert table.rho_partial.notna().all()
    pairs = table.pivot_table(index=['measure', 'region', 'hemisphere'], columns='group',
                              values='p_difference')  # fmt: skip
    np.testing.assert_allclose(pairs.NMO, pairs.RRMS, equal_nan=False)
    plain, _ = correlation_table(make_sample(make_regions(people), Question(covariates=())))
    assert plain.rho_partial.isna().all()


@pytest.mark.filterwarnings('error')
def test_a_group_without_any_covariate_has_plain_correlations():
    people = make_people({'NMO': 10, 'RRMS': 12, 'HC': 9})
    people['age'] = people.age.where(people.group != 'NMO')
    table, _ = correlation_table(make_sample(make_regions(people)))
    rows = table[table.group == 'NMO']
    assert rows.rho.notna().all()
    assert rows.rho_partial.isna().all()


@pytest.mark.parametrize('confidence', [0.9, 0.95])
def test_the_line_and_its_band_are_those_of_regression(confidence):
    import statsmodels.api as sm

    rng = np.random.default_rng(6)
    x = rng.uniform(40, 60, 15)
    y = 3 + 0.5 * x + rng.normal(size=15)
    at = np.linspace(30, 70, 5)
    fit = sm.OLS(y, sm.add_constant(x)).fit().get_prediction(sm.add_constant(at))
    mean, half = line_with_band(x, y, at, confidence=confidence)
    assert mean == pytest.approx(fit.predicted_mean)
    low, high = fit.conf_int(alpha=1 - confidence).T
    assert mean - half == pytest.approx(low)
    assert mean + half == pytest.approx(high)


def test_difference_by_hand_for_unequal_groups():
    r, n = np.array([0.7, -0.2, 0.3]), np.array([12, 30, 9])
    variance = (1 + r**2 / 2) / (n - 3)
    z = np.arctanh(r)
    mean = (z / variance).sum() / (1 / variance).sum()
    expected = stats.chi2.sf(((z - mean) ** 2 / variance).sum(), 2)
    assert difference_p(r, n) == pytest.approx(expected, rel=1e-12)
    # two groups are compared by z, whichever comes first
    gap = (z[0] - z[1]) / np.sqrt(variance[:2].sum())
    assert difference_p(r[:2], n[:2]) == pytest.approx(2 * stats.norm.sf(abs(gap)), rel=1e-9)
    assert difference_p(r[1::-1], n[1::-1]) == pytest.approx(difference_p(r[:2], n[:2]))


@pytest.mark.parametrize(
    ('r', 'n', 'known'),
    [([0.5], [30], False), ([0.5, 0.1], [4, 30], True), ([0.5, 0.1], [3, 30], False),
     ([0.5, -1.0], [30, 30], False), ([0.5, -0.99], [30, 30], True)],
)  # fmt: skip
def test_what_allows_no_difference(r, n, known):
    assert np.isfinite(difference_p(r, n)) == known


def test_a_partial_correlation_needs_a_degree_of_freedom():
    rng = np.random.default_rng(11)
    x, y, z = rng.standard_normal((3, 4))
    one = partial_spearman(x, y, stats.rankdata(z)[:, None])
    assert np.isfinite(one['p'])  # 4 - 2 - 1
    two = partial_spearman(x, y, np.column_stack([stats.rankdata(z), [0, 1, 1, 0]]))
    assert np.isnan(two['rho'])
    assert np.isnan(two['p'])


@pytest.mark.parametrize('n', [EXACT_LIMIT, EXACT_LIMIT + 1])
def test_the_exact_test_goes_over_into_student_s(n):
    """Counting and t differ by little where one takes over from the other."""
    rng = np.random.default_rng(12)
    for _ in range(5):
        x = np.arange(n)
        y = x + 3 * rng.standard_normal(n)
        found = spearman(x, y)
        t = stats.spearmanr(x, y).pvalue
        assert found['p'] == pytest.approx(t, abs=0.05)
        assert (found['p'] == pytest.approx(t, rel=1e-9)) == (n > EXACT_LIMIT)


def test_three_people_have_a_coefficient_but_no_interval():
    found = spearman([1, 2, 3], [1, 3, 2])
    assert found['rho'] == pytest.approx(0.5)
    assert np.isnan(found['ci_low'])
    four = spearman([1, 2, 3, 4], [1, 3, 2, 4])
    assert four['ci_low'] < four['rho'] < four['ci_high']
