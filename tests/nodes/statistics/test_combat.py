"""Scanners: told where they go along with groups, taken out by ComBat where that can be done."""

import numpy as np
import pandas as pd
import pytest
from toy_cohort import make_people, make_regions

from nigra.nodes.errors import InputError
from nigra.nodes.statistics.combat import association, site_warnings
from nigra.nodes.statistics.comparison import compare_groups
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.sample import make_sample

pytest.importorskip('combatlearn')


def study(sites, *, shift=30.0, stretch=2.0, sizes=None):
    people = make_people(sizes or {'NMO': 20, 'HC': 20})
    people = people.assign(site=sites(people))
    regions = make_regions(people, shifts={'NMO': 12.0})
    other = regions.site == 'B'
    middle = regions.chi_mean.mean()
    regions.loc[other, 'chi_mean'] = (
        middle + shift + stretch * (regions.chi_mean[other] - middle)
    )  # fmt: skip
    return regions


def alternating(people):
    return np.where(np.arange(len(people)) % 2, 'B', 'A')


def test_differences_of_mean_and_spread_go_and_the_effect_stays():
    regions = study(alternating)
    question = Question(covariates=(), harmonise='site')
    sample = make_sample(regions, question)
    site = regions.drop_duplicates('participant_id').set_index('participant_id').site
    values = sample.values['chi_mean']
    residuals = values - values.groupby(sample.labels).transform('mean')
    by_site = residuals.groupby(site)
    assert by_site.mean().diff().iloc[1].abs().max() < 3
    assert (by_site.std().loc['B'] / by_site.std().loc['A']).between(0.7, 1.4).all()
    plain = make_sample(regions, Question(covariates=('site',)))
    assert (plain.values['chi_mean'].groupby(site).mean().diff().iloc[1] > 20).all()
    rows = compare_groups(regions, question).contrasts
    row = rows[(rows.measure == 'chi_mean') & (rows.region == 'thalamus')
               & (rows.hemisphere == 'both')].iloc[0]  # fmt: skip
    assert row.estimate == pytest.approx(12 * 1.5, abs=5)  # the mean of what sites show
    assert row.p_adjusted < 0.01


def test_missing_values_stay_missing_and_others_do_not_care_much():
    regions = study(alternating)
    holes = (regions.participant_id == 'sub-004') & (regions.region == 'caudate')
    full = make_sample(regions, Question(harmonise='site')).values
    regions.loc[holes, 'chi_mean'] = np.nan
    found = make_sample(regions, Question(harmonise='site')).values
    assert found.loc['sub-004', ('chi_mean', 'caudate')].isna().all()
    assert found.drop(index='sub-004').notna().all(axis=None)
    rest = (found - full).drop(index='sub-004')
    assert rest.abs()['chi_mean'].max(axis=None) < 1.5


def test_who_has_no_site_is_left_out():
    regions = study(alternating)
    regions.loc[regions.participant_id == 'sub-007', 'site'] = np.nan
    found = compare_groups(regions, Question(harmonise='site'))
    assert found.exclusions.to_numpy().tolist() == [['sub-007', 'site n/a', 'all']]
    assert found.settings['harmonise'] == 'site'
    assert 'sub-007' not in set(found.values.participant_id)


def by_group(people):
    return np.where(people.group == 'NMO', 'B', 'A')


def one_rare(people):
    return np.where(np.arange(len(people)) < 2, 'B', 'A')


@pytest.mark.parametrize(
    ('sites', 'match'),
    [
        (by_group, r'cannot be told from group and covariates \(A: 20 HC; B: 20 NMO\)'),
        (one_rare, "has 2 participants with all covariates at 'B'"),
        (lambda people: np.full(len(people), 'A'), "holds only 'A'"),
    ],
)
def test_sites_that_cannot_be_taken_out(sites, match):
    with pytest.raises(InputError, match=match) as caught:
        make_sample(study(sites), Question(harmonise='site'))
    assert '--harmonise site' in str(caught.value)


@pytest.mark.parametrize('options', [{'group_column': 'site'}, {'covariates': ('site',)}])
def test_a_column_has_one_part(options):
    with pytest.raises(InputError, match='is also the group or a covariate; choose one'):
        make_sample(study(alternating), Question(harmonise='site', **options))


def test_confounding_is_told_even_where_nobody_asked():
    people = make_people({'NMO': 10, 'HC': 10})
    labels = people.group
    told = site_warnings(people.assign(Scanner_ID=by_group(people)), labels, ())
    assert any('no model takes into account' in w and 'Scanner_ID' in w for w in told)
    assert any('goes along with the group' in w and 'A: 10 HC; B: 10 NMO' in w for w in told)
    used = site_warnings(people.assign(site=alternating(people)), labels, ('site',))
    assert used == []


def test_association_by_hand():
    table = np.array([[12, 8], [5, 15]])
    expected = 40 * (12 * 15 - 8 * 5) ** 2 / (20 * 20 * 17 * 23)
    strength, _ = association(table)
    assert strength == pytest.approx(np.sqrt(expected / 40))


def test_numbers_as_sites():
    people = make_people({'NMO': 10, 'HC': 10}).assign(site=np.tile([1.0, 2.0], 10))
    (told,) = site_warnings(people, pd.Series(people.group), ())
    assert '1 10, 2 10' in told
