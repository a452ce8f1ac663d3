"""Sentences of the group page, one fact at a time."""

import pandas as pd
import pytest
from test_first_screen import data

from nigra.interfaces.reports.group_data import GroupData
from nigra.interfaces.reports.group_sentences import (
    FEW,
    _beside,
    _in_other_units,
    _in_whom,
    _too_few,
    caution,
    equals,
    findings,
    more_findings,
    relations,
    what_was_asked,
)
from nigra.nodes.statistics.group_models import CHECKS
from nigra.nodes.statistics.hemispheres import GROUP_BY_SIDE, SIDE

ROW = {'measure': 'chi_mean', 'region': 'putamen', 'group_a': 'A', 'group_b': 'B',
       'estimate': 4.0}  # fmt: skip


def with_tables(known=None, **tables):
    known = known or data()
    return GroupData({**known.tables, **tables}, known.settings)


def values(*rows):
    frame = pd.DataFrame(rows, columns=['group', 'value'])
    return frame.assign(
        participant_id=[f's{i}' for i in range(len(rows))], measure='chi_mean', region='putamen',
        hemisphere='both',
    )  # fmt: skip


@pytest.mark.parametrize(
    ('rows', 'told'),
    [
        ([('A', 5.0), ('A', 1.0), ('B', 2.0)], '1 of 2 in A above the median of B'),
        ([('A', 2.0), ('B', 2.0)], '0 of 1 in A above the median of B'),
        ([('A', 5.0), ('A', 1.0)], ''),
        ([('B', 5.0), ('B', 1.0)], ''),
    ],
)
def test_people_beyond_a_median_are_counted_where_both_groups_are_known(rows, told):
    assert _in_whom(ROW, 1, with_tables(values=values(*rows))) == told


@pytest.mark.parametrize(
    ('sizes', 'few'),
    [({'n_a': FEW, 'n_b': FEW}, False), ({'n_a': FEW - 1, 'n_b': 99}, True),
     ({'n_a': 99, 'n_b': FEW - 1}, True), ({'n_a': None, 'n_b': FEW - 1}, True), ({}, False)],
)  # fmt: skip
def test_effects_of_few_people_are_not_relied_on(sizes, few):
    assert bool(_too_few(sizes)) == few


@pytest.mark.parametrize('sizes', [(FEW, FEW), (FEW - 1, FEW), (FEW, FEW - 1)])
def test_the_smallest_group_decides_on_the_caution(sizes):
    assert bool(caution(data(sizes=sizes))) == (min(sizes) < FEW)


@pytest.mark.parametrize(
    ('row', 'told'),
    [({'measure': 'chi_mean', 'estimate': 250.0}, ''),
     ({'measure': 'volume_mm3', 'estimate': -1500.0}, 'a difference of 1.5 mL'),
     ({'measure': 'volume_normalised', 'estimate': 300.0}, 'a difference of 0.03 % of the brain')],
)  # fmt: skip
def test_volumes_are_told_in_other_units(row, told):
    assert _in_other_units({**ROW, **row}, data()) == told


@pytest.mark.parametrize(
    ('row', 'turned', 'told'),
    [
        ({'df': 20.0, 'p_at_equal_volume': 0.02, 'estimate_at_equal_volume': -3.5}, -1,
         ['at equal volume 3.50 ppb, p =\u00a0.020']),
        ({'df': 20.0, 'p_at_equal_volume': 0.02, 'estimate_at_equal_volume': -3.5}, 1,
         ['at equal volume −3.50 ppb, p =\u00a0.020']),
        ({'df': 20.0, 'p_at_equal_volume': None}, 1, []),
        ({'p_at_equal_volume': 0.02, 'estimate_at_equal_volume': 1.0}, 1,
         ['at equal volume 1.00 ppb, p =\u00a0.020']),
    ],
)  # fmt: skip
def test_what_is_left_at_equal_volume_is_told_in_the_sentence_s_direction(row, turned, told):
    assert _beside(row, 'ppb', (), turned) == told


def test_other_tests_are_told_where_their_check_failed_and_they_are_known():
    for check in CHECKS:
        row = {check.instead: 0.03}
        (told,) = _beside(row, 'ppb', (check.code,), 1)
        assert told == f'{check.words} p =\u00a0.030'
        assert _beside(row, 'ppb', (), 1) == []
        assert _beside({check.instead: None}, 'ppb', (check.code,), 1) == []


@pytest.mark.parametrize(('p', 'text'), [(0.0001, '<\u00a0.001'), (0.2, '=\u00a0.20')])
def test_p_values_have_their_sign(p, text):
    assert equals(p) == text


@pytest.mark.parametrize(('p', 'count'), [(0.049, 1), (0.05, 0), (float('nan'), 0)])
def test_only_what_is_below_the_level_is_a_finding(p, count):
    assert len(findings(data({'p_adjusted': p}))) == count
    sides = pd.DataFrame([{'measure': 'chi_mean', 'region': 'putamen', 'effect': SIDE,
                           'estimate': 3.0, 'ci_low': 1.0, 'ci_high': 5.0, 'p_adjusted': p},
                          {'measure': 'chi_mean', 'region': 'putamen', 'effect': GROUP_BY_SIDE,
                           'p_adjusted': p}])  # fmt: skip
    joint = pd.DataFrame([{'measure': 'chi_mean', 'region': 'putamen', 'hemisphere': 'both',
                           'covariate': 'age', 'p_adjusted': p}])  # fmt: skip
    told = more_findings(with_tables(sides=sides, interactions=joint))
    assert len(told) == 3 * count
    score = pd.DataFrame([{'measure': 'chi_mean', 'region': 'putamen', 'hemisphere': 'both',
                           'group': 'A', 'score': 'edss', 'rho': 0.5, 'n': 12,
                           'p_adjusted': p}])  # fmt: skip
    assert len(relations(with_tables(correlations=score))) == count


@pytest.mark.parametrize(('estimate', 'side'), [(3.0, 'left'), (-3.0, 'right')])
def test_sides_are_told_with_the_one_that_has_more(estimate, side):
    row = {'measure': 'chi_mean', 'region': 'putamen', 'effect': SIDE, 'estimate': estimate,
           'ci_low': estimate - 1, 'ci_high': estimate + 1, 'p_adjusted': 0.01}  # fmt: skip
    empty = pd.DataFrame(columns=['hemisphere', 'p_adjusted'])
    ((lead, _),) = more_findings(with_tables(sides=pd.DataFrame([row]), interactions=empty))
    assert f'on the {side}, by 3.00 ppb' in lead


@pytest.mark.parametrize(
    ('estimate', 'words'),
    [(4.0, 'higher in A than in B, by 4.00 ppb'), (-4.0, 'lower in A than in B, by 4.00 ppb')],
)
def test_differences_are_told_positive_with_their_interval_turned(estimate, words):
    ends = sorted((1.5 * estimate, 0.5 * estimate))
    row = {'estimate': estimate, 'ci_low': ends[0], 'ci_high': ends[1]}
    (finding,) = findings(data(row))
    assert words in finding.lead
    assert '95 % CI 2.00 to 6.00' in finding.details


@pytest.mark.parametrize(('rho', 'words'), [(0.5, 'higher mean'), (-0.5, 'lower mean')])
def test_correlations_are_told_by_their_sign(rho, words):
    row = {'measure': 'chi_mean', 'region': 'putamen', 'hemisphere': 'both', 'group': 'A',
           'score': 'edss', 'rho': rho, 'n': 12, 'p_adjusted': 0.01}  # fmt: skip
    ((lead, details),) = relations(with_tables(correlations=pd.DataFrame([row])))
    assert words in lead
    assert details.endswith('n = 12')


def test_one_group_is_asked_how_it_varies():
    assert what_was_asked(data(sizes=(12, 0))).startswith('How do')
