"""What stands first on the group page: the question, the caution, effects counted once."""

import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.files import save_json
from nigra.interfaces.reports.group_data import GroupData
from nigra.interfaces.reports.group_sentences import (
    LEAST_DF,
    by_contrast,
    caution,
    findings,
    overview,
    what_the_sign_means,
    what_was_asked,
)
from nigra.interfaces.reports.provenance import Provenance, describe_study
from nigra.interfaces.reports.terms import explained


def data(*contrasts, sizes=(12, 12)):
    groups = [name for name, n in zip('AB', sizes, strict=True) for _ in range(n)]
    people = pd.DataFrame({
        'participant_id': [f'sub-{i}' for i in range(len(groups))], 'session_id': None,
        'run_id': None, 'region': 'putamen', 'hemisphere': 'both', 'group': groups,
    })  # fmt: skip
    row = {
        'measure': 'chi_mean', 'region': 'putamen', 'hemisphere': 'both', 'group_a': 'A',
        'group_b': 'B', 'n_a': sizes[0], 'n_b': sizes[1], 'estimate': 4.0, 'ci_low': 2.0,
        'ci_high': 6.0, 'p_adjusted': 0.01, 'effect_size': 19.8, 'df': 20.0,
        'estimate_at_equal_volume': 3.5, 'p_at_equal_volume': 0.02,
    }  # fmt: skip
    value = {'participant_id': 'sub-0', 'measure': 'chi_mean', 'group': 'A', 'value': 1.0}
    return GroupData({
        'regions': people, 'contrasts': pd.DataFrame([{**row, **c} for c in contrasts or [{}]]),
        'models': pd.DataFrame(columns=['measure', 'region', 'hemisphere']),
        'values': pd.DataFrame([{**value, 'region': 'putamen', 'hemisphere': 'both'}]),
        'exclusions': pd.DataFrame(columns=['participant_id', 'reason', 'scope']),
    }, {'covariates': ['age', 'sex']})  # fmt: skip


def test_what_was_not_tested_is_not_counted():
    """As where a group has too few people."""
    known = data({}, {'region': 'caudate', 'p_adjusted': np.nan}, sizes=(3, 1))
    left_out = pd.DataFrame(
        [('sub-3', 'fewer than 3', 'all')], columns=['participant_id', 'reason', 'scope']
    )
    numbers = dict(overview(GroupData({**known.tables, 'exclusions': left_out})))
    assert (numbers['groups'], numbers['differences tested']) == ('1', '1')
    assert numbers['participants compared'] == '3'


def test_the_question_is_told():
    assert what_was_asked(data()) == (
        'Do A and B differ in mean susceptibility of 1 region, adjusted for age and sex?'
    )


def test_a_whole_and_its_parts_are_one_effect():
    parts = [{'region': name} for name in ('thalamus_whole', 'thalamus', 'pulvinar')]
    found = findings(data(*parts, {'region': 'caudate'}))
    assert [len(f.parts) for f in found] == [2, 0]
    assert 'whole thalamus' in found[0].lead
    assert [lead.split(' was')[0].split('the ')[1] for lead, _ in found[0].parts] == [
        'thalamus', 'pulvinar'
    ]  # fmt: skip
    numbers = dict(overview(data(*parts)))
    assert numbers['differences tested'] == numbers['significant after adjustment'] == '3'
    assert numbers['findings: a nucleus and its parts count once'] == '1'
    assert found[0].within == 'thalamus and pulvinar'
    assert not found[1].within


def test_findings_stand_below_their_contrasts_in_the_order_of_the_table():
    pairs = [('A', 'C'), ('B', 'C'), ('A', 'B')]
    rows = [{'measure': measure, 'region': region, 'group_a': a, 'group_b': b}
            for measure in ('chi_mean', 'volume_normalised')
            for region in ('putamen', 'caudate') for a, b in pairs]  # fmt: skip
    rows[1]['p_adjusted'] = rows[4]['p_adjusted'] = 0.5
    rows[7]['p_adjusted'] = rows[10]['p_adjusted'] = np.nan
    known = data(*rows)
    blocks = by_contrast(findings(known), known)
    assert [name for name, _ in blocks] == [
        'A compared with C', 'B compared with C', 'A compared with B'
    ]  # fmt: skip
    assert [len(own) for _, own in blocks] == [4, 0, 4]
    assert by_contrast([], known) == []
    leads = [f.lead.split(' was')[0] for f in blocks[0][1]]
    assert leads == [f'{measure} of the {region}' for measure in
                     ('Mean susceptibility', 'Normalised volume')
                     for region in ('putamen', 'caudate')]  # fmt: skip


@pytest.mark.parametrize(('measure', 'more'), [('chi_mean', 'higher'), ('volume_mm3', 'larger')])
def test_the_sign_is_told_in_words(measure, more):
    told = what_the_sign_means(data({'measure': measure}), measure)
    assert told.startswith('A − B is A less B: above zero, ')
    assert told.endswith(f' is {more} in A')
    assert what_the_sign_means(data(), 'chi_median') == ''


@pytest.mark.parametrize(
    'other', [{'estimate': -4.0}, {'group_a': 'C'}, {'measure': 'volume_normalised'}]
)
def test_parts_that_differ_otherwise_are_effects_of_their_own(other):
    found = findings(data({'region': 'thalamus_whole'}, {'region': 'pulvinar', **other}))
    assert [f.parts for f in found] == [[], []]


@pytest.mark.parametrize(('sizes', 'few'), [((9, 30), True), ((10, 10), False)])
def test_few_people_are_told_first_and_with_every_effect_size(sizes, few):
    known = data(sizes=sizes)
    assert bool(caution(known)) == few
    assert (f'{sizes[0]} in A and {sizes[1]} in B' in caution(known)) == few
    (finding,) = findings(known)
    assert 'effect size 19.80' in finding.details
    assert ('too few people' in finding.details) == few


@pytest.mark.parametrize(
    ('estimate', 'told'),
    [(4.0, '2 of 3 in A above the median of B'), (-4.0, '1 of 3 in A below the median of B')],
)
def test_in_whom_a_difference_is_seen_is_told(estimate, told):
    known = data({'estimate': estimate})
    values = {'A': [7.0, 8.0, 1.0], 'B': [2.0, 3.0, None]}
    rows = [(f'{g}{i}', g, v) for g, found in values.items() for i, v in enumerate(found)]
    frame = pd.DataFrame(rows, columns=['participant_id', 'group', 'value'])
    frame = frame.assign(measure='chi_mean', region='putamen', hemisphere='both')
    (finding,) = findings(GroupData({**known.tables, 'values': frame}, known.settings))
    assert f'; {told}' in finding.details
    assert finding.anchor == 'measure-1-putamen'


def test_a_volume_is_told_as_a_part_of_what_the_others_have():
    known = data({'measure': 'volume_normalised', 'estimate': -50.0})
    rows = [('A', 150.0), ('B', 190.0), ('B', 210.0)]
    values = pd.DataFrame(rows, columns=['group', 'value']).assign(
        participant_id='sub-0', measure='volume_normalised', region='putamen', hemisphere='both'
    )
    (finding,) = findings(GroupData({**known.tables, 'values': values}, known.settings))
    assert 'a difference of 0.005 % of the brain, 25 % of the mean of B' in finding.details


def test_where_values_are_not_known_nobody_is_counted():
    (finding,) = findings(data({'region': 'caudate'}))
    assert 'median' not in finding.details
    assert finding.anchor == ''


@pytest.mark.parametrize(('df', 'told'), [(LEAST_DF, True), (LEAST_DF - 1, False)])
def test_equal_volume_is_told_only_where_there_is_room_for_it(df, told):
    ((_, details, *_),) = findings(data({'df': df}))
    assert ('at equal volume' in details) == told


@pytest.mark.parametrize(
    ('measure', 'shown'),
    [('volume_mm3', '0.25 mL'), ('volume_normalised', '0.025 % of the brain')],
)
def test_volumes_are_told_in_what_people_know_them_by(measure, shown):
    ((_, details, *_),) = findings(data({'estimate': 250.0, 'measure': measure}))
    assert shown in details


@pytest.mark.parametrize(
    ('about', 'expected'),
    [({'Name': 'x (simulated)', 'GeneratedBy': [{'Name': 'nigra-simulate'}]}, ('x', True)),
     ({'Name': 'y', 'GeneratedBy': 'by hand'}, ('y', False)), (None, ('', False))],
)  # fmt: skip
def test_simulated_data_are_called_so(tmp_path, about, expected):
    if about:
        save_json(about, tmp_path / 'dataset_description.json')
    found = Provenance.now(describe_study(tmp_path, 'nigra x'))
    assert (found.data_set, found.simulated) == expected
    assert found.command == 'nigra x'
    assert found.made


def test_terms_carry_hints_once_and_text_stays_text():
    marked = str(explained('<b> adjusted p = .04; adjusted p; QSM mask; ppbs'))
    assert marked.startswith('&lt;b&gt; <abbr title="')
    assert marked.count('>adjusted p</abbr>') == 1
    assert '>QSM mask</abbr>' in marked
    assert marked.endswith('; ppbs')
