"""Bootstrap intervals against scipy's, by leaving out one by one, and by how often they hold."""

import numpy as np
import pytest
from scipy import stats

from nigra.nodes.statistics.bootstrap import _jackknife, bootstrap_contrasts


def two_groups(rng, n=(20, 25), difference=1.0):
    strata = np.repeat([0, 1], n)
    age = rng.normal(size=len(strata))
    matrix = np.column_stack([strata == 0, strata == 1, age]).astype(float)
    values = rng.standard_normal((len(strata), 3)) + difference * strata[:, None] + age[:, None]
    return values, matrix, strata


WEIGHTS = np.array([[-1.0, 1.0, 0.0]])


def test_a_mean_has_the_interval_of_scipy():
    values = np.random.default_rng(1).exponential(size=(30, 1))
    found = bootstrap_contrasts(
        values, np.ones((30, 1)), np.zeros(30, int), np.ones((1, 1)), n_bootstraps=20000
    )
    scipy = stats.bootstrap((values[:, 0],), np.mean, n_resamples=20000, rng=3).confidence_interval
    assert float(found.low[0, 0]) == pytest.approx(scipy.low, abs=0.02)
    assert float(found.high[0, 0]) == pytest.approx(scipy.high, abs=0.02)
    skew = found.low[0, 0] + found.high[0, 0] - 2 * values.mean()
    assert skew > 0.02  # a percentile of t would be symmetric


def test_leaving_one_out_is_refitting():
    values, matrix, _ = two_groups(np.random.default_rng(2))
    found = _jackknife(values, matrix, WEIGHTS)
    for i in (0, 7, 44):
        kept = np.arange(len(values)) != i
        beta, rest, *_ = np.linalg.lstsq(matrix[kept], values[kept], rcond=None)
        estimate = WEIGHTS @ beta
        np.testing.assert_allclose(found[0, i], estimate, rtol=1e-9)
        spread = np.sqrt(rest / (len(values) - 1 - 3))
        np.testing.assert_allclose(found[1, i], estimate / spread, rtol=1e-9)


def test_threads_do_not_matter_but_the_seed_does():
    values, matrix, strata = two_groups(np.random.default_rng(3))
    one, two, other = (
        bootstrap_contrasts(values, matrix, strata, WEIGHTS, n_bootstraps=600, **options)
        for options in ({'nthreads': 1}, {'nthreads': 2}, {'seed': 2})
    )
    np.testing.assert_array_equal(one.low, two.low)
    np.testing.assert_array_equal(one.size_high, two.size_high)
    assert (one.low != other.low).any()


def test_values_do_not_see_each_other():
    values, matrix, strata = two_groups(np.random.default_rng(4))
    both = bootstrap_contrasts(values, matrix, strata, WEIGHTS, n_bootstraps=300)
    alone = bootstrap_contrasts(values[:, 1:2], matrix, strata, WEIGHTS, n_bootstraps=300)
    np.testing.assert_allclose(both.low[:, 1], alone.low[:, 0], rtol=1e-12)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(5)
    held = np.zeros(2)
    for seed in range(120):
        values, matrix, strata = two_groups(rng, difference=0.8)
        found = bootstrap_contrasts(values, matrix, strata, WEIGHTS, n_bootstraps=999, seed=seed)
        held[0] += np.mean((found.low <= 0.8) & (found.high >= 0.8))
        held[1] += np.mean((found.size_low <= 0.8) & (found.size_high >= 0.8))
    assert held / 120 == pytest.approx(0.94, abs=0.04)


def test_a_covariate_may_be_constant_in_a_resample():
    rng = np.random.default_rng(6)
    strata = np.repeat([0, 1], 10)
    man = np.arange(20) == 3
    matrix = np.column_stack([strata == 0, strata == 1, man]).astype(float)
    found = bootstrap_contrasts(
        rng.standard_normal((20, 2)), matrix, strata, WEIGHTS, n_bootstraps=500
    )
    assert np.isfinite([found.low, found.high, found.size_low, found.size_high]).all()
