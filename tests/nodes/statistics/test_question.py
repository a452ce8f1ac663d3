"""What can be asked of the group level, and what is refused in words."""

import pytest
from pandas.testing import assert_frame_equal
from toy_cohort import make_people, make_regions

from nigra.interfaces.stats import plain_question, read_question
from nigra.nodes.errors import InputError
from nigra.nodes.statistics.group_models import group_tables
from nigra.nodes.statistics.question import Question, choose_contrasts, parse_contrast
from nigra.nodes.statistics.sample import make_sample


def test_all_pairs_by_default_those_with_the_reference_group_first():
    names = [c.name for c in choose_contrasts(None, ['NMO', 'PPMS', 'RRMS', 'HC'])]
    assert names == [
        'NMO - HC', 'PPMS - HC', 'RRMS - HC', 'NMO - PPMS', 'NMO - RRMS', 'PPMS - RRMS'
    ]  # fmt: skip


def test_what_is_asked_keeps_its_order():
    asked = ['NMO - RRMS', 'HC - NMO', 'RRMS - HC']
    assert [c.name for c in choose_contrasts(asked, ['NMO', 'RRMS', 'HC'])] == asked


@pytest.mark.parametrize(
    ('text', 'pair'), [('NMO - HC', True), ('NMO + RRMS - HC', False), ('NMO - RRMS + HC', False)]
)
def test_a_pair_is_one_group_on_either_side(text, pair):
    assert parse_contrast(text, ['NMO', 'RRMS', 'HC']).is_pair == pair


def test_names_may_hold_signs():
    found = parse_contrast(
        'pre-MS + A+B - H - C'.replace('H - C', 'H-C'), ['pre-MS', 'A+B', 'H-C']
    )
    assert found.first == ('pre-MS', 'A+B')
    assert found.second == ('H-C',)
    assert not found.is_pair


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('NMO', 'is not one side minus another'),
        ('NMO - HC - RRMS', 'is not one side minus another'),
        ('NMO - CTRL', "names 'CTRL', which is no group"),
        ('NMO - NMO', 'names a group twice'),
        ('NMO-HC', 'is not one side minus another'),
    ],
)
def test_contrasts_that_are_refused(text, match):
    with pytest.raises(InputError, match=match) as caught:
        choose_contrasts([text], ['NMO', 'RRMS', 'HC'])
    assert text in str(caught.value)


def test_unknown_measures_are_refused():
    with pytest.raises(InputError, match=r'--measures chi: is no measure.*chi_mean, chi_median'):
        Question(measures=('chi_mean', 'chi'))


@pytest.mark.parametrize(
    'name', ['groups', 'contrasts', 'covariates', 'interactions', 'scores', 'measures']
)
def test_what_is_given_twice_is_asked_once(name):
    twice = ('chi_mean', 'chi_median', 'chi_mean')
    assert getattr(Question(**{name: twice}), name) == ('chi_mean', 'chi_median')


def test_a_contrast_in_another_order_is_the_same():
    asked = ['NMO + RRMS - HC', 'RRMS + NMO - HC', 'NMO - HC']
    found = choose_contrasts(asked, ['NMO', 'RRMS', 'HC'])
    assert [c.first for c in found] == [('NMO', 'RRMS'), ('NMO',)]


def test_a_measure_that_no_table_has_is_named():
    regions = make_regions(make_people())
    with pytest.raises(InputError, match='--measures chi_pvc: is in no region table'):
        make_sample(regions, Question(measures=('chi_mean', 'chi_pvc')))


def test_a_node_carries_a_question_unchanged():
    question = Question(groups=('NMO', 'HC'), covariates=(), seed=7, harmonise='site')
    plain = plain_question(question)
    assert plain == {'groups': ['NMO', 'HC'], 'covariates': [], 'seed': 7, 'harmonise': 'site'}
    assert read_question(plain) == question


def test_some_groups_only():
    sample = make_sample(make_regions(make_people()), Question(groups=('NMO', 'HC')))
    assert sample.groups == ('NMO', 'HC')
    assert sample.exclusions.reason.unique().tolist() == ['group RRMS is not asked for']
    assert len(sample.labels) == 10
    with pytest.raises(InputError, match='--groups CIS: is no value of column'):
        make_sample(make_regions(make_people()), Question(groups=('NMO', 'CIS')))


def test_pooled_groups_count_alike():
    regions = make_regions(make_people({'NMO': 5, 'RRMS': 15, 'HC': 6}))
    question = Question(covariates=(), contrasts=('NMO + RRMS - HC',))
    tables = group_tables(make_sample(regions, question))
    means = tables.means.set_index(['measure', 'region', 'hemisphere', 'group'])[
        'mean'
    ].sort_index()
    for row in tables.contrasts.itertuples():
        m = means[row.measure, row.region, row.hemisphere]
        assert row.estimate == pytest.approx((m['NMO'] + m['RRMS']) / 2 - m['HC'])
        assert (row.n_a, row.n_b) == (20, 6)
    assert tables.contrasts.p_tukey.isna().all()


def test_derived_measures():
    regions = make_regions(make_people()).assign(iron_mean=float('nan'))
    asked = ('chi_total', 'chi_median', 'iron_mean')
    sample = make_sample(regions, Question(measures=asked))
    row = regions[(regions.participant_id == 'sub-003') & (regions.region == 'putamen')
                  & (regions.hemisphere == 'both')].iloc[0]  # fmt: skip
    found = sample.values.loc['sub-003', ('chi_total', 'putamen', 'both')]
    assert found == pytest.approx(row.chi_mean * row.volume_mm3 / 1000)
    assert sample.values['iron_mean'].isna().all(axis=None)


def test_numbers_do_not_depend_on_the_order_of_the_contrasts():
    regions = make_regions(make_people({'NMO': 9, 'RRMS': 9, 'HC': 9}))
    told = []
    for contrasts in (None, ('NMO - RRMS', 'NMO - HC', 'RRMS - HC')):
        sample = make_sample(regions, Question(contrasts=contrasts))
        found = group_tables(sample, permutations=99, bootstraps=50).contrasts
        told.append(found.set_index(['measure', 'region', 'hemisphere', 'contrast']).sort_index())
    assert_frame_equal(*told)
