"""Rank correlation against scipy, published numbers and counting."""

import itertools

import numpy as np
import pytest
from scipy import stats
from toy_cohort import make_people, make_regions

from nigra.nodes.correlations import CORRELATION_COLUMNS, correlation_table, spearman
from nigra.nodes.sample import make_sample


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
