"""Robust tests against other libraries' results on a textbook's data."""

import numpy as np
import pytest

from nigra.nodes.statistics.robust_tests import by_group, dunn, kruskal_wallis, rank_values, welch

PLANT_GROWTH = {
    'ctrl': np.array([4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14]),
    'trt1': np.array([4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69]),
    'trt2': np.array([6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26]),
}
"""R's data set of that name (Dobson 1983)."""


def test_welch_as_pingouin_has_it():
    """pingouin 0.7.0, welch_anova."""
    found = welch(PLANT_GROWTH)
    expected = {'statistic': 5.1809724081, 'df_num': 2, 'df_den': 17.1284186166, 'p': 0.0173928215}
    assert found == pytest.approx(expected, rel=1e-8)


def test_kruskal_wallis_as_pingouin_has_it():
    """pingouin 0.7.0, kruskal; one tie."""
    expected = {'statistic': 7.9882287494, 'df_num': 2, 'p': 0.0184237557}
    assert kruskal_wallis(PLANT_GROWTH) == pytest.approx(expected, rel=1e-8)


def test_dunn_as_scikit_posthocs_has_it():
    """scikit-posthocs 0.17.1, posthoc_dunn, plain and Holm."""
    table = dunn(PLANT_GROWTH)
    assert table[['a', 'b']].agg(' '.join, axis=1).tolist() == [
        'ctrl trt1', 'ctrl trt2', 'trt1 trt2',
    ]  # fmt: skip
    np.testing.assert_allclose(
        table.p, [0.2636842679, 0.0911639440, 0.0050002904], rtol=1e-8, equal_nan=False
    )
    np.testing.assert_allclose(
        table.p_holm, [0.2636842679, 0.1823278881, 0.0150008711], rtol=1e-8, equal_nan=False
    )
    assert (table.difference < 0).tolist() == [False, True, True]


def test_welch_of_two_groups_is_welchs_t_squared():
    from scipy import stats

    a, b = PLANT_GROWTH['ctrl'], 3 * PLANT_GROWTH['trt1']
    t = stats.ttest_ind(a, b, equal_var=False)
    found = welch({'a': a, 'b': b})
    assert found['statistic'] == pytest.approx(t.statistic**2)
    assert found['p'] == pytest.approx(t.pvalue)


def test_what_does_not_vary_is_not_tested():
    constant = {'a': np.ones(4), 'b': np.ones(4)}
    assert np.isnan(welch({'a': np.ones(4), 'b': np.arange(4.0)})['p'])
    assert np.isnan(kruskal_wallis(constant)['p'])
    assert dunn(constant)[['p', 'p_holm']].isna().all(axis=None)


def test_ranks_and_groups():
    assert rank_values(np.array([3.0, 1.0, 3.0])).tolist() == [2.5, 1.0, 2.5]
    parts = by_group(np.array([1.0, 2.0, 3.0]), ['b', 'a', 'b'])
    assert {k: v.tolist() for k, v in parts.items()} == {'b': [1.0, 3.0], 'a': [2.0]}
