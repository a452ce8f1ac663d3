"""Bootstrap intervals against scipy's, by leaving out one by one, and by how often they hold."""

import numpy as np
import pytest
from scipy import stats

from nigra.nodes.statistics.bootstrap import (
    _BATCH,
    _bca,
    _jackknife,
    _replicates,
    _resample,
    bootstrap_contrasts,
)


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
        np.testing.assert_allclose(found[0, i], estimate, rtol=1e-9, equal_nan=False)
        spread = np.sqrt(rest / (len(values) - 1 - 3))
        np.testing.assert_allclose(found[1, i], estimate / spread, rtol=1e-9, equal_nan=False)


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
    np.testing.assert_allclose(both.low[:, 1], alone.low[:, 0], rtol=1e-12, equal_nan=False)


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


def test_resamples_keep_the_sizes_of_the_groups():
    strata = np.array([0, 1, 1, 0, 2, 1, 1])
    counts = _resample(strata, 4000, np.random.default_rng(7))
    for stratum in range(3):
        inside = strata == stratum
        assert (counts[:, inside].sum(axis=1) == inside.sum()).all()
        assert counts[:, inside].mean(axis=0) == pytest.approx(1, abs=0.06)


def test_a_resample_is_a_fit_of_the_people_drawn():
    values, matrix, strata = two_groups(np.random.default_rng(8), (6, 7))
    values += 1e3  # what is left must not be lost in the mean
    counts = _resample(strata, 5, np.random.default_rng(9))
    found = _replicates(values, matrix, WEIGHTS, counts)
    for number, row in enumerate(counts.astype(int)):
        drawn = np.repeat(np.arange(len(values)), row)
        beta, rest, *_ = np.linalg.lstsq(matrix[drawn], values[drawn], rcond=None)
        estimate = WEIGHTS @ beta
        assert found[0, number] == pytest.approx(estimate, rel=1e-6)
        spread = np.sqrt(rest / (len(values) - 3))
        assert found[1, number] == pytest.approx(estimate / spread, rel=1e-6)


def bca(drawn, observed, left_out, confidence):
    """Efron's interval of one statistic, step by step."""
    n = len(drawn)
    below = (drawn < observed).sum() + (drawn == observed).sum() / 2
    z0 = stats.norm.ppf(min(max(below / n, 0.5 / n), 1 - 0.5 / n))
    away = left_out.mean() - left_out
    a = (away**3).sum() / (6 * (away**2).sum() ** 1.5) if (away**2).sum() else 0
    ends = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = z0 + stats.norm.ppf(tail)
        level = stats.norm.cdf(z0 + z / (1 - a * z))
        # the k-th of n ordered values stands at k / (n + 1)
        ends.append(np.interp(level, np.arange(1, n + 1) / (n + 1), np.sort(drawn)))
    return ends


@pytest.mark.parametrize('confidence', [0.5, 0.9, 0.999])
def test_intervals_are_efron_s(confidence):
    rng = np.random.default_rng(10)
    drawn = rng.gamma(2.0, size=(201, 2, 3))
    drawn[::5] = np.round(drawn[::5])
    observed = np.array([[1.0, 2.0, 99.0], [0.5, -1.0, 3.0]])
    left_out = rng.gamma(1.0, size=(12, 2, 3))
    left_out[:, 1, 2] = 4.0  # no acceleration
    found = _bca(drawn, observed, left_out, confidence)
    for place in np.ndindex(2, 3):
        one = (slice(None), *place)
        expected = bca(drawn[one], observed[place], left_out[one], confidence)
        assert found[one] == pytest.approx(expected, rel=1e-6)


def test_the_number_of_resamples_is_the_one_asked_for():
    values, matrix, strata = two_groups(np.random.default_rng(11), (6, 7))
    for n in (1, _BATCH, _BATCH + 3):
        found = bootstrap_contrasts(values, matrix, strata, WEIGHTS, n_bootstraps=n)
        assert np.isfinite(found.low).all()
    few = bootstrap_contrasts(values, matrix, strata, WEIGHTS, n_bootstraps=1)
    np.testing.assert_array_equal(few.low, few.high)  # of one, both ends are that one


def test_someone_whom_the_fit_must_meet_is_passed_over():
    rng = np.random.default_rng(12)
    matrix = np.column_stack([np.ones(8), np.arange(8) == 3]).astype(float)
    values = rng.standard_normal((8, 2))
    found = _jackknife(values, matrix, np.array([[1.0, 0.0]]))
    assert found.shape == (2, 7, 1, 2)
    others = np.delete(values, 3, axis=0)
    for number, row in enumerate(range(7)):
        kept = np.delete(others, row, axis=0)
        assert found[0, number, 0] == pytest.approx(kept.mean(axis=0))
