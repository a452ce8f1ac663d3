"""Cells: how numbers are written, and that nothing is lost."""

import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.reports.cells import (
    Column,
    counted,
    fixed,
    flatten,
    make_table,
    p_value,
    percent,
    significant,
    together,
)


def back(text):
    return float(text.replace('−', '-').replace('\u202f', ''))


def test_numbers_are_rounded_not_changed():
    rng = np.random.default_rng(1)
    for value in rng.normal(size=300) * 10 ** rng.uniform(-5, 6, 300):
        assert back(fixed(2)(value)) == pytest.approx(value, abs=0.005 + 1e-9)
        assert back(significant(4)(value)) == pytest.approx(value, rel=5.1e-4)
        assert '-' not in fixed(2)(value)
    assert fixed(1)(-0.01) == '0.0'
    assert fixed(0)(1925078.2) == '1\u202f925\u202f078'


def test_numbers_shown_together_share_their_decimals():
    rng = np.random.default_rng(2)
    for values in rng.normal(size=(100, 3)) * 10 ** rng.uniform(-4, 4, (100, 1)):
        texts = together(*values)
        assert len({len(t.partition('.')[2]) for t in texts}) == 1
        largest = np.abs(values).max()
        for text, value in zip(texts, values, strict=True):
            assert back(text) == pytest.approx(value, abs=largest * 6e-3 + 0.5 * (largest > 999))
    assert together(np.nan, 1.0) == ['n/a', '1.00']
    assert together(0.0) == ['0']


@pytest.mark.parametrize(
    ('p', 'text'),
    [(0, '<.001'), (0.00099, '<.001'), (0.001, '.001'), (0.0496, '.0496'), (0.2, '.20'), (1, '1')],
)
def test_p_values(p, text):
    assert p_value(p) == text


def test_cells_sort_by_full_values_and_missing_ones_last():
    frame = pd.DataFrame(
        {'region': ['red_nucleus', 'b'], 'x': [1 / 3, np.nan], 'own': ['a_b', 'c']}
    )
    columns = {
        'region': Column('Region', words=True), 'absent': Column('?'),
        'x': Column('X', '', fixed(1)), 'own': Column('Own'),
    }  # fmt: skip
    table = make_table(frame, columns, row_class=lambda row: 'low' if row['x'] < 1 else '')
    assert [c.title for c in table.columns] == ['Region', 'X', 'Own']
    assert [c.text for c in table.rows[0]] == ['red nucleus', '0.3', 'a_b']
    assert float(table.rows[0][1].sort) == 1 / 3
    assert (table.rows[1][1].text, table.rows[1][1].sort) == ('n/a', '')
    assert table.row_classes == ('low', '')


def test_nested_settings_are_flattened():
    pairs = dict(flatten({'a': {'b': 1, 'c': {'d': None}}, 'e': [0.5, 'x'], 'f': True}))
    assert pairs == {'a.b': '1', 'a.c.d': 'none', 'e': '0.5, x', 'f': 'yes'}


def test_what_is_missing_stands_where_the_numbers_do():
    columns = {'size': Column('Size', '', fixed(1)), 'name': Column('Name')}
    frame = pd.DataFrame({'size': [1.0, None], 'name': ['a', None]})
    _, absent = make_table(frame, columns).rows
    assert [cell.css_class for cell in absent] == ['missing number', 'missing']


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0, '0'), (1e-4, '0.0001'), (9.99e-5, '9.99e−05'), (999, '999'), (999.4, '999'),
     (1000, '1\u202f000'), (9_999_999, '9\u202f999\u202f999'), (1e7, '1.00e+07'),
     (-0.05, '−0.05')],
)  # fmt: skip
def test_where_numbers_go_over_into_exponents(value, text):
    assert significant(3)(value) == text


@pytest.mark.parametrize(
    ('p', 'text'),
    [(0.0999, '.100'), (0.1, '.10'), (0.994, '.99'), (0.995, '1'), (0.9949, '.99')],
)
def test_p_values_at_their_limits(p, text):
    assert p_value(p) == text


def test_numbers_together_have_at_most_nine_decimals():
    assert together(1e-12) == ['0.000000000']
    assert together(2e-9, 1e-9) == ['0.000000002', '0.000000001']
    assert together(12345.0, 1.0) == ['12\u202f345', '1']


@pytest.mark.parametrize(('most', 'shown', 'rest'), [(None, 3, 0), (2, 2, 1), (3, 3, 0)])
def test_rows_that_are_not_shown_are_counted(most, shown, rest):
    frame = pd.DataFrame({'a': [1.0, np.nan, 3.0], 'b': list('xyz'), 'c': ['n', None, 'm']})
    columns = {name: Column(name, show=fixed(1) if name == 'a' else None) for name in 'abc'}
    for lead, kept in ((2, 2), (3, 0), (4, 0)):
        table = make_table(frame, columns, most=most, lead=lead)
        assert (len(table.rows), table.rest, table.lead) == (shown, rest, kept)
    assert table.rows[1][0].css_class == 'missing number'
    assert table.rows[1][2].css_class == 'missing'
    assert table.rows[0][0].css_class == 'number'
    assert [cell.text for cell in table.rows[0]] == ['1.0', 'x', 'n']


def test_lists_of_tables_are_told_whole_and_lists_of_numbers_by_commas():
    told = dict(flatten({'a': {'b': (1, 2.5, True)}, 'c': [{'d': 1}], 'e': None}))
    assert told == {'a.b': '1, 2.5, yes', 'c': "[{'d': 1}]", 'e': 'none'}


def test_fractions_are_told_in_percent_and_nouns_in_their_number():
    assert [percent(v) for v in (0.0, 0.126, 1.0)] == ['0', '13', '100']
    assert [counted(n, 'run') for n in (0, 1, 2)] == ['0 runs', '1 run', '2 runs']
    assert counted(3, 'echo', 'echoes') == '3 echoes'
