"""Tables of all models: every row in its place, corrections, missing values, small groups."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from toy_cohort import make_people, make_regions

from nigra.nodes.statistics.group_models import (
    CHECKS,
    CONTRAST_COLUMNS,
    MIN_BOOTSTRAP,
    MODEL_COLUMNS,
    group_tables,
)
from nigra.nodes.statistics.multiplicity import adjust_holm
from nigra.nodes.statistics.sample import make_sample


def test_tables_have_every_row_in_order():
    sample = make_sample(make_regions(make_people()))
    tables = group_tables(sample)
    models, contrasts = tables.models, tables.contrasts
    assert tuple(models.columns) == MODEL_COLUMNS
    assert tuple(contrasts.columns) == CONTRAST_COLUMNS
    places = [(m, r, h) for m in ('chi_mean', 'volume_normalised')
              for r in ('caudate', 'putamen', 'thalamus') for h in ('both', 'L', 'R')]  # fmt: skip
    keys = ['measure', 'region', 'hemisphere']
    assert list(models[keys].itertuples(index=False, name=None)) == places
    pairs = ['NMO - HC', 'RRMS - HC', 'NMO - RRMS']
    assert list(contrasts.contrast) == pairs * len(places)
    assert (contrasts.contrast == contrasts.group_a + ' - ' + contrasts.group_b).all()
    assert (contrasts.groupby('contrast').n_a.first()[pairs] == [5, 6, 5]).all()
    assert (models.formula == 'value ~ C(group) + age + C(sex)').all()
    assert (models.n == 16).all()
    assert (models.n_excluded == 0).all()


def test_effects_are_found_where_they_are():
    people = make_people({'NMO': 20, 'RRMS': 20, 'HC': 20})
    regions = make_regions(people, shifts={'RRMS': -12.0})
    contrasts = group_tables(make_sample(regions)).contrasts
    found = contrasts[contrasts.p_adjusted < 0.05]
    assert set(found.region) == {'thalamus'}
    assert set(found.contrast) == {'NMO - RRMS', 'RRMS - HC'}
    lowered = found[found.contrast == 'RRMS - HC']
    assert len(lowered) == 3
    assert ((lowered.estimate + 12).abs() < lowered.ci_high - lowered.ci_low).all()


def test_missing_values_leave_only_their_models():
    regions = make_regions(make_people())
    holes = (regions.participant_id == 'sub-001') & (regions.region == 'putamen')
    regions.loc[holes & (regions.hemisphere == 'L'), ['chi_mean', 'chi_median']] = np.nan
    tables = group_tables(make_sample(regions))
    models, contrasts = tables.models, tables.contrasts
    short = models[models.n_excluded > 0]
    assert list(zip(short.measure, short.region, short.hemisphere, strict=True)) == [
        ('chi_mean', 'putamen', 'L')
    ]
    sizes = contrasts[contrasts.contrast == 'NMO - HC'].set_index(
        ['measure', 'region', 'hemisphere']
    )
    assert sizes.n_a.loc['chi_mean', 'putamen', 'L'] == 4
    assert sizes.n_a.drop(('chi_mean', 'putamen', 'L')).eq(5).all()


def test_small_groups_are_rows_without_numbers():
    people = make_people({'NMO': 2, 'RRMS': 6, 'HC': 5})
    regions = make_regions(people)
    tables = group_tables(make_sample(regions))
    models, contrasts = tables.models, tables.contrasts
    assert models.statistic.notna().all()
    assert (models.df_num == 1).all()
    assert (models.n_excluded == 2).all()
    assert models.note.str.contains('fewer than 3 participants in NMO').all()
    tested = contrasts.statistic.notna()
    assert set(contrasts.contrast[tested]) == {'RRMS - HC'}
    assert (contrasts.n_a[contrasts.contrast == 'NMO - HC'] == 2).all()
    without = group_tables(make_sample(regions[regions.group != 'NMO'])).contrasts
    same = contrasts[tested].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, without)


def test_no_group_is_large_enough():
    tables = group_tables(make_sample(make_regions(make_people({'A': 2, 'B': 2}))))
    models, contrasts = tables.models, tables.contrasts
    assert models.statistic.isna().all()
    assert models.note.str.contains('not tested').all()
    assert contrasts[['estimate', 'p', 'p_adjusted']].isna().all(axis=None)


@pytest.fixture(scope='module')
def sample():
    people = make_people({'NMO': 8, 'RRMS': 9, 'HC': 7})
    regions = make_regions(people, shifts={'RRMS': -12.0})
    return make_sample(regions)


@pytest.fixture(scope='module')
def tables(sample):
    return group_tables(sample, permutations=400, seed=3)


def test_corrections_keep_their_order(tables):
    rows = tables.contrasts
    assert (rows.p_tukey >= rows.p - 1e-12).all()
    assert (rows.p_holm >= rows.p - 1e-12).all()
    assert (rows.p_max >= rows.p_permutation - 1e-12).all()
    thalamus = rows[(rows.region == 'thalamus') & (rows.measure == 'chi_mean')
                    & (rows.hemisphere == 'both')]  # fmt: skip
    np.testing.assert_allclose(thalamus.p_holm, adjust_holm(thalamus.p), equal_nan=False)
    assert stats.spearmanr(rows.p, rows.p_permutation).statistic > 0.97


def test_strong_effect_survives_the_strictest_correction(tables):
    rows = tables.contrasts.set_index(['measure', 'region', 'hemisphere', 'contrast'])
    hit = rows.loc[('chi_mean', 'thalamus', 'both', 'RRMS - HC')]
    assert hit.p_max <= 0.01
    assert hit.bayes_factor > 10
    assert (rows.p_max >= 1 / 400).all()


def test_permutations_repeat_for_a_seed_and_any_threads(sample, tables):
    again = group_tables(sample, permutations=400, seed=3, nthreads=2)
    pd.testing.assert_frame_equal(again.contrasts, tables.contrasts)
    other = group_tables(sample, permutations=400, seed=4)
    assert not other.contrasts.p_permutation.equals(tables.contrasts.p_permutation)


def test_without_permutations_their_columns_are_empty(sample):
    rows = group_tables(sample).contrasts
    assert rows[['p_permutation', 'p_max']].isna().all(axis=None)


def test_advice_names_the_counterpart():
    people = make_people({'A': 20, 'B': 20})
    regions = make_regions(people)
    wide = (regions.group == 'A') & (regions.region == 'putamen')
    regions.loc[wide, 'chi_mean'] = 40 + 12 * (regions.loc[wide, 'chi_mean'] - 40)
    models = group_tables(make_sample(regions)).models
    rows = models[(models.measure == 'chi_mean') & (models.region == 'putamen')]
    assert rows.advice.str.contains('unequal variances: see p_hc3').all()
    failed = rows.failed_checks.str.split()
    assert all('equal_variance' in codes for codes in failed)
    for check in CHECKS:
        doubtful = models[check.column] < 0.05
        told = [check.code in codes for codes in models.failed_checks.fillna('').str.split()]
        assert told == doubtful.tolist()


def test_means_have_a_row_per_group(tables, sample):
    assert len(tables.means) == 3 * len(tables.models)
    assert set(tables.means.group) == set(sample.groups)


@pytest.mark.parametrize(('least', 'known'), [(MIN_BOOTSTRAP, True), (MIN_BOOTSTRAP - 1, False)])
def test_bootstrap_intervals_need_groups_of_eight(least, known):
    sample = make_sample(make_regions(make_people({'A': least, 'B': 12})))
    ends = group_tables(sample, bootstraps=50).contrasts[['boot_low', 'boot_high']]
    assert (ends.notna().to_numpy() == known).all()
