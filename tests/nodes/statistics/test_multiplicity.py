"""Adjusted p values against the paper's example and against arithmetic by hand."""

import numpy as np
import pandas as pd
import pytest

from nigra.nodes.statistics.multiplicity import adjust_families, adjust_fdr, adjust_holm

# Benjamini and Hochberg 1995, section 3.2: 15 p values of a trial of thrombolysis; at a rate of
# .05 their procedure rejects four hypotheses, Bonferroni's three.
THROMBOLYSIS = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240,
                0.4262, 0.5719, 0.6528, 0.7590, 1.0000]  # fmt: skip


def by_hand(p):
    p = np.asarray(p, float)
    return np.array([
        min(min(1.0, q * len(p) / np.sum(p <= q)) for q in p if q >= one) for one in p
    ])  # fmt: skip


def test_published_example():
    adjusted = adjust_fdr(THROMBOLYSIS)
    assert np.sum(adjusted <= 0.05) == 4
    assert adjusted[3] == pytest.approx(0.0095 * 15 / 4)


@pytest.mark.parametrize('seed', range(4))
def test_against_the_definition(seed):
    p = np.random.default_rng(seed).beta(0.5, 1, 24)
    p[3] = p[7]
    np.testing.assert_allclose(adjust_fdr(p), by_hand(p))


def test_missing_p_do_not_count():
    np.testing.assert_array_equal(adjust_fdr([np.nan, np.nan]), [np.nan, np.nan])
    found = adjust_fdr([0.04, np.nan, 0.01])
    np.testing.assert_allclose(found, [0.04, np.nan, 0.02])


def test_families_are_apart():
    rng = np.random.default_rng(2)
    keys = pd.MultiIndex.from_product([['a', 'b'], ['x', 'y', 'z'], ['both', 'L', 'R']])
    table = keys.to_frame(index=False, name=['measure', 'region', 'hemisphere'])
    table['p'] = rng.uniform(0, 0.2, len(table))
    adjusted = adjust_families(table)
    for measure in 'ab':
        for sides in (['both'], ['L', 'R']):
            rows = (table.measure == measure) & table.hemisphere.isin(sides)
            np.testing.assert_allclose(adjusted[rows], by_hand(table.p[rows]))


def test_without_rows():
    empty = pd.DataFrame({'measure': [], 'hemisphere': [], 'p': []})
    assert adjust_families(empty).empty


@pytest.mark.parametrize('seed', range(4))
def test_adjustments_are_those_of_statsmodels(seed):
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(seed).random(31) ** 3
    p[5] = p[9]
    np.testing.assert_allclose(adjust_holm(p), multipletests(p, method='holm')[1], rtol=1e-12)
    np.testing.assert_allclose(adjust_fdr(p), multipletests(p, method='fdr_bh')[1], rtol=1e-12)
    assert np.isnan(adjust_holm([np.nan, np.nan])).all()
