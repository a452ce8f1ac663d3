"""Permutation tests against all orders by hand, exactness under the null, and threads."""

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from nigra.nodes.errors import NigraError
from nigra.nodes.statistics.permutation import Contrast, permute_contrasts


def two_groups(n, rng, covariates=1):
    group = np.arange(n) % 2
    columns = [group == 0, group == 1, *rng.standard_normal((covariates, n))]
    return np.column_stack(columns).astype(float)


def difference(y, x, who=None):
    weights = np.zeros(x.shape[1])
    weights[:2] = 1, -1
    return Contrast(y, x, weights, np.arange(len(y)) if who is None else who)


def test_statistic_is_students_t_of_the_full_model():
    rng = np.random.default_rng(0)
    x = two_groups(14, rng, 2)
    y = rng.standard_normal(14) + 3 * x[:, 2]
    result = permute_contrasts([difference(y, x)], n_participants=14, n_permutations=2)
    expected = OLS(y, x).fit().t_test([1, -1, 0, 0]).tvalue
    assert result.statistic[0] == pytest.approx(float(np.squeeze(expected)), rel=1e-10)


def test_p_without_covariates_is_that_of_all_orders():
    """Six values in two groups of three: 20 ways, counted by scipy's t for each."""
    y = np.array([1.0, 5.0, 2.5, 9.0, 4.0, 10.0])
    x = np.column_stack([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]).astype(float)
    t = abs(stats.ttest_ind(y[:3], y[3:]).statistic)
    others = [
        abs(stats.ttest_ind(y[list(a)], np.delete(y, list(a))).statistic)
        for a in itertools.combinations(range(6), 3)
    ]
    exact = np.mean(np.array(others) >= t - 1e-9)
    found = permute_contrasts([difference(y, x)], n_participants=6, n_permutations=20000).p[0]
    assert found == pytest.approx(exact, abs=0.012)


def test_covariate_of_any_size_changes_nothing():
    """Freedman and Lane take the covariate out before they permute."""
    rng = np.random.default_rng(1)
    x = two_groups(16, rng)
    y = rng.standard_normal(16)
    plain, shifted = (
        permute_contrasts([difference(v, x)], n_participants=16, n_permutations=500)
        for v in (y, y + 1000 * x[:, 2])
    )
    np.testing.assert_allclose(plain.statistic, shifted.statistic, rtol=1e-6, equal_nan=False)
    np.testing.assert_allclose(plain.p, shifted.p, equal_nan=False)


def family(rng, n=20, m=6, missing=False):
    x = two_groups(n, rng)
    shared = rng.standard_normal(n)
    contrasts = []
    for region in range(m):
        y = shared + rng.standard_normal(n)
        who = np.arange(n) if not missing else np.flatnonzero(np.arange(n) != region)
        contrasts.append(difference(y[who], x[who], who))
    return contrasts


@pytest.mark.parametrize('missing', [False, True])
def test_family_wise_error_is_kept_under_the_null(missing):
    rng = np.random.default_rng(5)
    hits, alone = 0, []
    for repetition in range(300):
        result = permute_contrasts(family(rng, missing=missing), n_participants=20,
                                   n_permutations=200, seed=repetition)  # fmt: skip
        hits += result.p_max.min() <= 0.05
        alone.append(result.p[0])
    assert stats.binomtest(hits, 300, 0.05).pvalue > 0.01
    assert stats.kstest(alone, 'uniform').pvalue > 0.01


def test_largest_statistic_is_less_strict_than_bonferroni_for_regions_that_go_together():
    rng = np.random.default_rng(2)
    n = 24
    x = two_groups(n, rng)
    shared = rng.standard_normal(n) + 1.2 * x[:, 0]
    contrasts = [difference(shared + 0.1 * rng.standard_normal(n), x) for _ in range(8)]
    result = permute_contrasts(contrasts, n_participants=n, n_permutations=4000)
    assert (result.p_max < 3 * result.p).all()
    assert (result.p_max >= result.p).all()


def test_step_down_p_values_follow_the_order_of_the_statistics():
    rng = np.random.default_rng(3)
    result = permute_contrasts(family(rng), n_participants=20, n_permutations=500)
    order = np.argsort(-np.abs(result.statistic))
    assert (np.diff(result.p_max[order]) >= 0).all()
    single = permute_contrasts(family(np.random.default_rng(3))[:1], n_participants=20,
                               n_permutations=500)  # fmt: skip
    assert single.p[0] == single.p_max[0]


def test_threads_and_the_order_of_contrasts_change_nothing():
    rng = np.random.default_rng(4)
    contrasts = family(rng)
    one, two = (
        permute_contrasts(contrasts, n_participants=20, n_permutations=1200, nthreads=n)
        for n in (1, 2)
    )
    for name in ('statistic', 'p', 'p_max'):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    back = permute_contrasts(contrasts[::-1], n_participants=20, n_permutations=1200)
    np.testing.assert_array_equal(back.p_max[::-1], one.p_max)


def test_bad_settings_are_sentences():
    x = two_groups(8, np.random.default_rng(0))
    with pytest.raises(NigraError, match='at least 2, got 1'):
        permute_contrasts([difference(np.arange(8.0), x)], n_participants=8, n_permutations=1)
    with pytest.raises(NigraError, match='do not vary'):
        permute_contrasts([difference(x[:, 2], x)], n_participants=8)
