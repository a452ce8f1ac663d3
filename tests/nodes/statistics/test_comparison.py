"""The group comparison as a whole: what is left out and what is told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from toy_cohort import make_people, make_regions

from nigra.nodes.statistics.comparison import compare_groups
from nigra.nodes.statistics.group_models import group_tables
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.sample import make_sample


def test_everything_that_was_decided_is_told():
    found = compare_groups(make_regions(make_people()))
    expected = {
        'group_column': 'group', 'reference_group': 'HC', 'covariates': ['age', 'sex'],
        'scores': ['edss'], 'formulae': ['value ~ C(group) + age + C(sex)'],
        'adjustment': 'fdr_bh', 'confidence': 0.95,
    }  # fmt: skip
    assert expected.items() <= found.settings.items()
    assert found.exclusions.empty


def test_a_comparison_is_shown_in_a_line():
    found = compare_groups(make_regions(make_people()))
    told = repr(replace(found, warnings=('one',)))
    assert told.startswith('<GroupComparison of NMO, RRMS, HC; rows of models 18, contrasts 54, ')
    assert told.endswith('; 1 warning>')
    assert 'exclusions' not in told  # nobody is left out
    assert repr(replace(found, warnings=())).endswith('; 0 warnings>')


def test_who_is_left_out_and_why():
    people = make_people({'NMO': 2, 'RRMS': 6, 'HC': 5})
    people.loc[3, 'age'] = np.nan
    regions = make_regions(people)
    who = regions.participant_id == 'sub-006'
    regions.loc[who & (regions.region == 'caudate') & (regions.hemisphere != 'L'),
                'chi_mean'] = np.nan  # fmt: skip
    regions.loc[who & (regions.region == 'brain'), 'volume_mm3'] = np.nan
    found = compare_groups(regions)
    assert found.exclusions.to_numpy().tolist() == [
        ['sub-001', 'fewer than 3 participants in group NMO', 'all'],
        ['sub-002', 'fewer than 3 participants in group NMO', 'all'],
        ['sub-004', 'age n/a', 'all'],
        ['sub-006', 'no chi_mean in caudate (both, R): left out of these models', 'chi_mean'],
        ['sub-006', 'no volume_normalised in caudate (both, L, R), putamen (both, L, R), thalamus '
                    '(both, L, R): left out of these models', 'volume_normalised'],
    ]  # fmt: skip
    assert any('not tested: NMO (2)' in w for w in found.warnings)
    assert any('volumes of sub-006 are missing' in w for w in found.warnings)


def test_what_nobody_has_is_told_once():
    regions = make_regions(make_people())
    regions.loc[regions.region == 'brain', 'volume_mm3'] = np.nan
    found = compare_groups(regions)
    assert found.exclusions.empty
    (told,) = (w for w in found.warnings if 'not tested' in w)
    assert told.startswith('9 of 18 models were not tested')
    assert found.models.p[found.models.measure == 'volume_normalised'].isna().all()
    assert found.models.p[found.models.measure == 'chi_mean'].notna().all()


def test_doubtful_models_are_told():
    regions = make_regions(make_people({'NMO': 30, 'HC': 30}))
    rows = (regions.participant_id == 'sub-007') & (regions.region == 'putamen')
    regions.loc[rows, 'chi_mean'] = 900.0
    warnings = compare_groups(regions, Question(covariates=())).warnings
    assert any('far from normal' in w for w in warnings)


def test_longitudinal_data_are_not_averaged():
    people = make_people()
    regions = make_regions(people).assign(session_id='ses-1')
    later = make_regions(people, seed=9).assign(session_id='ses-2')
    once = compare_groups(regions)
    both = compare_groups(pd.concat([later, regions]))
    pd.testing.assert_frame_equal(both.contrasts, once.contrasts)
    assert 'several sessions or runs (16)' in both.warnings[0]


def test_order_of_rows_does_not_matter():
    regions = make_regions(make_people())
    first = compare_groups(regions)
    order = np.random.default_rng(0).permutation(regions.participant_id.unique())
    shuffled = pd.concat([regions[regions.participant_id == who] for who in order])
    second = compare_groups(shuffled)
    pd.testing.assert_frame_equal(first.contrasts, second.contrasts)
    pd.testing.assert_frame_equal(first.correlations, second.correlations)


def test_family_wise_error_where_nothing_differs():
    """With no effect at all, any discovery in a family is false: at most 5 % of studies."""
    sample = make_sample(make_regions(make_people({'A': 8, 'B': 8})).query('hemisphere == "both"'))
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(120):
        drawn = sample.values.loc[:, ['chi_mean']] * 0
        drawn += rng.normal(40, 5, drawn.shape)
        contrasts = group_tables(replace(sample, values=drawn)).contrasts
        hits += (contrasts.p_adjusted < 0.05).any()
    assert stats.binomtest(int(hits), 120, 0.05, alternative='greater').pvalue > 0.001


@pytest.mark.parametrize('scores', [[], ['edss', 'age']])
def test_scores_by_name(scores):
    found = compare_groups(
        make_regions(make_people()), Question(covariates=('sex',), scores=tuple(scores))
    )
    assert list(dict.fromkeys(found.correlations.score)) == scores
