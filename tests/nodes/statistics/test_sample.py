"""Who is compared with what: groups, covariates, scores, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from toy_cohort import make_people, make_regions

from nigra.nodes.errors import InputError
from nigra.nodes.statistics.covariates import covariate_columns
from nigra.nodes.statistics.groups import EVERYONE, order_groups, with_groups
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.sample import make_sample


def sample_of(people, source='participants.tsv', **options):
    return make_sample(make_regions(people), Question(**options), source=source)


@pytest.mark.parametrize(
    ('levels', 'asked', 'expected'),
    [
        (['RRMS', 'HC', 'NMO'], None, ('NMO', 'RRMS', 'HC')),
        (['MS', 'Healthy Controls'], None, ('MS', 'Healthy Controls')),
        (['control', 'alpha'], None, ('alpha', 'control')),
        (['b', 'a', 'c'], None, ('b', 'c', 'a')),
        (['b', 'a', 'c'], 'b', ('a', 'c', 'b')),
        (['2', '1'], None, ('2', '1')),
        (['MS', 'MS'], None, ('MS',)),
    ],
)
def test_reference_group_is_last(levels, asked, expected):
    assert order_groups(pd.Series(levels * 2), asked, 'p.tsv') == expected


@pytest.mark.parametrize(
    ('levels', 'asked', 'match'),
    [
        ([], None, 'no group'),
        (['HC', 'MS'], 'NMO', 'reference-group NMO.*give one of HC, MS'),
        (['HC', 'hc', 'MS'], None, "both 'HC' and 'hc'"),
        (['HC', 'H C', 'MS'], None, "both 'H C' and 'HC'"),
        ([str(i) for i in range(21)], None, '21 values.*--group-column'),
    ],
)
def test_groups_that_cannot_be_compared(levels, asked, match):
    with pytest.raises(InputError, match=match):
        order_groups(pd.Series(levels, dtype=object), asked, 'p.tsv')


def test_defaults():
    sample = sample_of(make_people())
    assert [c.term for c in sample.covariates] == ['age', 'C(sex)']
    assert sample.scores == ('edss',)
    assert sample.reference_group == 'HC'
    assert sample.warnings == ()
    assert sample.exclusions.empty


def test_defaults_in_capitals():
    people = make_people().rename(columns={'age': 'Age', 'sex': 'Sex', 'edss': 'EDSS'})
    sample = sample_of(people)
    assert [c.term for c in sample.covariates] == ['Age', 'C(Sex)']
    assert sample.scores == ('EDSS',)


def test_defaults_that_are_absent_or_constant_are_left_out_with_a_word():
    people = make_people().drop(columns=['age', 'edss']).assign(sex='F')
    sample = sample_of(people, source='p.tsv')
    assert sample.covariates == ()
    assert sample.formula == 'value ~ C(group)'
    assert [w.split(',')[0] for w in sample.warnings] == [
        'p.tsv tells no age', 'sex is F for everyone', 'p.tsv tells no edss',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('age', 'told'), [(41.0, 'age is 41 for'), (41.5, 'age is 41.5 for'), (7, 'age is 7 for')]
)
def test_an_age_that_all_share_is_told_without_empty_decimals(age, told):
    sample = sample_of(make_people().assign(age=age))
    assert [w for w in sample.warnings if w.startswith(told)]


def test_spellings_of_sex_are_one():
    people = make_people()
    people['sex'] = ['F', 'f', 'female', 'M', 'male', 'm', 'Male', 'Female'] * 2
    sample = sample_of(people)
    assert set(sample.people.sex) == {'F', 'M'}


@pytest.mark.parametrize(
    ('asked', 'match'),
    [
        (['weight'], "no column 'weight'.*age, sex"),
        (['centre'], "covariate 'centre' has one value only"),
        (['empty'], "covariate 'empty' has no value"),
        (['age', 'months'], "covariate 'months' adds nothing"),
        (['site'], "covariate 'site' adds nothing"),
        (['group'], 'column of groups'),
        (['age', 'C(age)'], 'names a covariate again'),
        (['length'], "length of sub-002 is '1,75'"),
    ],
)
def test_covariates_that_are_refused(asked, match):
    people = make_people()
    people['centre'], people['empty'] = 'Prague', np.nan
    people['months'] = 12 * people.age
    people['site'] = people.group.map({'NMO': 'a', 'RRMS': 'b', 'HC': 'a'})
    people['length'] = ['1.70', '1,75', *['1.80'] * 14]
    with pytest.raises(InputError, match=match):
        sample_of(people, covariates=asked)


def test_constant_covariate_asked_for_is_refused():
    with pytest.raises(InputError, match="covariate 'sex' has one value only"):
        sample_of(make_people().assign(sex='F'), covariates=['age', 'sex'])


def test_no_covariates():
    sample = sample_of(make_people(), covariates=[])
    assert (sample.covariates, sample.formula) == ((), 'value ~ C(group)')


def test_odd_names_are_data():
    odd = {'group': 'patient type', 'age': '__import__("os")'}
    regions = make_regions(make_people()).rename(columns=odd)
    sample = make_sample(regions, Question(group_column='patient type', covariates=(odd['age'],)))
    assert sample.formula == 'value ~ C(Q("patient type")) + Q("__import__(\\"os\\")")'
    assert sample.groups == ('NMO', 'RRMS', 'HC')


def test_numbers_as_categories():
    people = make_people().assign(site=[1, 2, 3, 1] * 4)
    as_amount, as_names = (
        sample_of(people, covariates=[c]).covariates[0] for c in ('site', 'C(site)')
    )
    assert (as_amount.categorical, as_names.categorical) == (False, True)
    assert covariate_columns(people.site, as_names).shape == (16, 2)
    amounts = covariate_columns(people.site, as_amount)
    assert (amounts.mean(), amounts.std()) == pytest.approx((0, 1))


def test_missing_covariates_are_counted():
    people = make_people()
    people.loc[1, 'age'], people.loc[[1, 3], 'sex'] = np.nan, None
    people.loc[5, 'group'] = None
    sample = sample_of(people)
    assert sample.exclusions.to_numpy().tolist() == [
        ['sub-006', 'group is n/a', 'all'],
        ['sub-002', 'age and sex n/a', 'all'],
        ['sub-004', 'sex n/a', 'all'],
    ]
    assert 'sub-006' not in sample.labels.index
    assert sample.complete.sum() == 13


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        ({'group_column': 'diagnosis'}, "p.tsv: has no column 'diagnosis'.*group, age, sex, edss"),
        ({'scores': ['nine_hole_peg']}, "no column 'nine_hole_peg'"),
        ({'scores': ['sex']}, "sex of sub-001 is 'M', which is no score"),
    ],
)
def test_columns_that_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        sample_of(make_people(), source='p.tsv', **options)


def test_tiny_groups_do_not_make_covariates_look_collinear():
    sample = sample_of(make_people({'A': 1, 'B': 1, 'C': 1}))
    assert sample.sizes == {'A': 1, 'B': 1, 'C': 1}
    assert sample.large_groups == []


def test_regions_of_a_second_atlas_stand_beside_the_first():
    regions = make_regions(make_people())
    more = regions[regions.region == 'putamen'].assign(atlas='own', region='own.putamen')
    sample = make_sample(pd.concat([regions, more], ignore_index=True))
    for measure in ('chi_mean', 'volume_normalised'):
        np.testing.assert_array_equal(
            sample.values[measure, 'own.putamen', 'L'], sample.values[measure, 'putamen', 'L']
        )
    assert not [w for w in sample.warnings if 'several region tables' in w]


def test_one_group_is_a_study():
    sample = sample_of(make_people({'MS': 8}))
    assert sample.groups == ('MS',)
    assert (sample.compared, sample.reference_group, sample.contrasts) == (False, None, ())
    assert sample.formula == 'value ~ 1 + age + C(sex)'
    assert any("holds only 'MS'" in w and 'nothing is compared' in w for w in sample.warnings)


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        ({'interactions': ('age',)}, "--interactions age: needs groups that differ.*only 'MS'"),
        ({'contrasts': ('MS - HC',)}, "names 'HC', which is no group"),
        ({'reference_group': 'HC'}, 'reference-group HC'),
        ({'groups': ('HC',)}, 'groups HC'),
    ],
)
def test_what_needs_two_groups_is_refused_of_one(options, match):
    with pytest.raises(InputError, match=match):
        sample_of(make_people({'MS': 8}), **options)


def test_everyone_is_one_group_without_a_column():
    table = pd.DataFrame({'participant_id': ['sub-1', 'sub-2'], 'diagnosis': ['a', 'b']})
    found, (told,) = with_groups(table, 'group', 'p.tsv')
    assert list(found.group) == [EVERYONE] * 2
    assert "no column 'group'" in told
    assert '--group-column one of diagnosis' in told
    with pytest.raises(InputError, match=r"no column 'dx'.*diagnosis"):
        with_groups(table, 'dx', 'p.tsv')
    assert with_groups(table, 'diagnosis', 'p.tsv') == (table, [])


def test_a_default_covariate_that_goes_with_the_group_is_left_out():
    people = make_people({'A': 5, 'B': 5})
    people['sex'] = np.where(people.group == 'A', 'F', 'M')
    sample = sample_of(people)
    assert [c.name for c in sample.covariates] == ['age']
    assert any('sex adds nothing to the group' in w for w in sample.warnings)
    with pytest.raises(InputError, match="'sex' adds nothing"):  # somebody asked for it
        sample_of(people, covariates=('age', 'sex'))


def test_what_looks_like_a_sign_is_told():
    people = make_people({'A': 6, 'B': 6}).assign(edss=[2.0, 3, 2, 1, 4, 3, 2, 3, 4, 1, 2, 999])
    people['site'] = ['x'] * 11 + ['y']
    told = ' '.join(sample_of(people, covariates=('age', 'site')).warnings)
    assert 'edss is 999 for sub-012' in told
    assert 'sub-012 alone has y as site' in told
