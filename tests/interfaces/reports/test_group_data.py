"""What the group page reads from columns: scopes, sides of contrasts, measures of any name."""

import pandas as pd
import pytest

from nigra.interfaces.reports.group_data import GroupData, capital, measure_words, score_name
from nigra.interfaces.reports.group_page import _effect, people_table
from nigra.interfaces.reports.group_sentences import findings

CONTRAST = {
    'measure': 'chi_mean', 'region': 'putamen', 'hemisphere': 'both', 'estimate': -4.0,
    'ci_low': -6.0, 'ci_high': -2.0, 'p_adjusted': 0.01, 'p_hc3': 0.02, 'p_permutation': 0.03,
}  # fmt: skip


def data(contrast=None, failed=None, exclusions=()):
    people = pd.DataFrame({
        'participant_id': ['sub-1', 'sub-2', 'sub-3'], 'session_id': None, 'run_id': None,
        'region': 'putamen', 'hemisphere': 'both', 'group': list('AAB'),
    })  # fmt: skip
    model = {'measure': 'chi_mean', 'region': 'putamen', 'failed_checks': failed}
    value = {'participant_id': 'sub-1', 'measure': 'chi_mean', 'region': 'putamen'}
    return GroupData({
        'regions': people,
        'contrasts': pd.DataFrame([{**CONTRAST, **(contrast or {})}]),
        'models': pd.DataFrame([{**model, 'hemisphere': 'both'}]),
        'values': pd.DataFrame([{**value, 'group': 'A', 'hemisphere': 'both', 'value': 1.0}]),
        'exclusions': pd.DataFrame(exclusions, columns=['participant_id', 'reason', 'scope']),
    })  # fmt: skip


def test_whom_single_models_lack_is_compared():
    left_out = [('sub-1', 'in any words', 'all'), ('sub-2', 'in any words', 'chi_mean')]
    assert list(data(exclusions=left_out).compared.participant_id) == ['sub-2', 'sub-3']


def test_people_are_those_of_the_visit_that_is_compared():
    rows = [('sub-1', 'ses-10', 60.0), ('sub-1', 'ses-2', 50.0), ('sub-2', 'ses-2', 40.0)]
    people = pd.DataFrame(rows, columns=['participant_id', 'session_id', 'age'])
    people = people.assign(run_id=None, region='putamen', hemisphere='both', group='A')
    assert list(GroupData({'regions': people}).people.age) == [50.0, 40.0]


@pytest.mark.parametrize(
    ('a', 'b'), [('A', 'B'), ('x-y - z', 'NA'), ('NMO + RRMS', 'HC'), ('1', '01')]
)
def test_sides_come_from_columns(a, b):
    ((lead, details, *_),) = findings(data({'group_a': a, 'group_b': b, 'contrast': 'any name'}))
    assert lead == (
        f'Mean susceptibility of the putamen was lower in {a} than in {b}, by 4.00 ppb.'
    )
    assert '95 % CI 2.00 to 6.00' in details


@pytest.mark.parametrize(
    ('failed', 'there', 'absent'),
    [
        (None, [], ['allowing', 'by permutation']),
        ('equal_variance', ['allowing for unequal variances p'], ['by permutation']),
        ('equal_variance normality', ['allowing for unequal', 'by permutation p'], []),
    ],
)
def test_failed_checks_choose_the_tests_beside_a_finding(failed, there, absent):
    ((_, details, *_),) = findings(data({'group_a': 'A', 'group_b': 'B'}, failed))
    assert all(words in details for words in there)
    assert not any(words in details for words in absent)


@pytest.mark.parametrize(
    ('settings', 'shown'),
    [
        ({}, ['age', 'edss']),
        ({'covariates': [], 'scores': []}, []),
        ({'covariates': ['dose'], 'scores': []}, ['dose']),
    ],
)
def test_no_covariates_are_none_and_not_the_default(settings, shown):
    known = data()
    people = known['regions'].assign(age=30.0, edss=1.0, dose=2.0)
    page = GroupData({**known.tables, 'regions': people}, settings)
    assert [c.title for c in people_table(page).columns][2:] == [
        capital(score_name(n)) for n in shown
    ]


def test_labels_and_columns_are_told_as_their_table_describes_them():
    known = data()
    people = known['regions'].assign(age=30.0, dose=2.0, site=1.0)
    told = {'age': {'Units': 'year'}, 'dose': {'Units': 'mg'}, 'site': {'Units': ['m', 's']},
            'group': {'Levels': {'A': 'patients', 'B': 'B'}}}  # fmt: skip
    settings = {'covariates': ['age', 'dose', 'site'], 'scores': []}
    table = people_table(GroupData({**known.tables, 'regions': people}, settings, told))
    assert [c.title for c in table.columns] == [
        'Group', 'n', 'Age, years', 'Dose, mg', 'Site'
    ]  # fmt: skip
    assert [row[0].text for row in table.rows] == ['A (patients)', 'B']


def test_measures_without_a_row_have_a_name():
    assert measure_words('myelin_water').title == 'myelin water'
    assert measure_words('volume_mm3').page_unit == 'mm³'


@pytest.mark.parametrize(('p', 'filled'), [(0.049, True), (0.051, False), (float('nan'), False)])
def test_a_mark_is_filled_only_below_the_level(p, filled):
    row = {'region': 'red_nucleus', 'group_a': 'NMO', 'group_b': 'HC', 'estimate': 4.0,
           'ci_low': 2.0, 'ci_high': 6.0, 'p_adjusted': p, 'effect_size': 0.8}  # fmt: skip
    effect = _effect(row, GroupData({}, {'alpha': 0.05}))
    assert effect.significant == filled
    assert (', ' in effect.text.partition(']')[2]) == (p == p)  # a p only where one is known
    assert _effect(row, GroupData({}, {'alpha': 0.06})).significant == (p < 0.06)
