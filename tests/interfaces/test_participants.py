"""The table of participants: what is read, and what is refused in which words."""

import json

import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.participants import as_text_table, read_participants
from nigra.nodes.errors import InputError

GOOD = 'participant_id\tgroup\tage\tsex\tedss\nsub-01\tHC\t34\tF\tn/a\nsub-02\tMS\t51.5\tM\t3.5\n'


def write(tmp_path, text, encoding='utf-8'):
    path = tmp_path / 'participants.tsv'
    path.write_bytes(text.encode(encoding))
    return path


def test_types_follow_the_cells(tmp_path):
    table, warnings = read_participants(write(tmp_path, GOOD))
    assert list(table.columns) == ['participant_id', 'group', 'age', 'sex', 'edss']
    assert table.age.tolist() == [34, 51.5]
    assert np.isnan(table.edss[0])
    assert table.sex.tolist() == ['F', 'M']
    assert warnings == []


@pytest.mark.parametrize(
    'change',
    [
        lambda t: t.replace('\n', '\r\n'),
        lambda t: '\ufeff' + t,
        lambda t: t.replace('sub-', ''),
        lambda t: t + '\n\n',
        lambda t: t.replace('HC', ' "HC" '),
        lambda t: t.replace('n/a', ''),
    ],
)
def test_harmless_variants_read_alike(tmp_path, change):
    expected, _ = read_participants(write(tmp_path, GOOD))
    found, _ = read_participants(write(tmp_path, change(GOOD)))
    assert found.equals(expected)


def test_groups_stay_text(tmp_path):
    text = 'participant_id\tgroup\nsub-1\t1\nsub-2\tNAWM\nsub-3\tn/a\nsub-4\t1.0\n'
    table, _ = read_participants(write(tmp_path, text))
    assert table.group.tolist() == ['1', 'NAWM', None, '1.0']


def test_oldest_age(tmp_path):
    table, (warning,) = read_participants(write(tmp_path, GOOD.replace('34', '89+')))
    assert table.age.tolist() == [89, 51.5]
    assert '89+' in warning
    assert 'sub-01' in warning


@pytest.mark.parametrize(
    ('change', 'match'),
    [
        (lambda t: t.replace('\t', ','), 'separated by commas; save it separated by tabs'),
        (lambda t: t.replace('\t', ';'), 'separated by semicolons'),
        (lambda t: t.replace('sub-02', 'sub-01'), 'names sub-01 more than once'),
        (lambda t: t.replace('sub-02', '01'), 'names sub-01 more than once'),
        (lambda t: t.replace('sub-02', 'n/a'), 'a row without participant_id'),
        (lambda t: t.replace('participant_id', 'subject'), 'no column participant_id but subject'),
        (lambda t: t.replace('edss', 'age'), "column 'age' twice"),
        (lambda t: t.replace('3.5', '10.5'), 'edss of sub-02 is 10.5; give 0 to 10 points'),
        (lambda t: t.replace('3.5', '-1'), 'edss of sub-02 is'),
        (lambda t: t.replace('3.5', 'mild'), "edss of sub-02 is 'mild'"),
        (lambda t: t.replace('51.5', '51,5'), "age of sub-02 is '51,5'.*0 to 120 years"),
        (lambda t: t.replace('51.5', '515'), 'age of sub-02 is'),
        (lambda t: t.replace('51.5', 'inf'), 'age of sub-02 is'),
        (lambda t: t.replace('\tM\t', '\t'), "4 cells in the row of 'sub-02' but 5 columns"),
        (lambda t: t.split('\n')[0], 'holds no participants'),
        (lambda t: '', 'holds no participants'),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path, change, match):
    path = write(tmp_path, change(GOOD))
    with pytest.raises(InputError, match=match) as caught:
        read_participants(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_wrong_encoding(tmp_path):
    with pytest.raises(InputError, match='is missing'):
        read_participants(tmp_path / 'participants.tsv')
    path = write(tmp_path, GOOD.replace('MS', 'Sclérose'), encoding='latin-1')
    with pytest.raises(InputError, match='not UTF-8'):
        read_participants(path)


def test_levels_of_the_dictionary_find_slips(tmp_path):
    path = write(tmp_path, GOOD.replace('MS', 'SM'))
    levels = {'HC': 'healthy', 'MS': 'multiple sclerosis'}
    path.with_suffix('.json').write_text(json.dumps({'group': {'Levels': levels}}))
    with pytest.raises(InputError, match=r"group of sub-02 is 'SM'.*write one of HC, MS"):
        read_participants(path)
    path.with_suffix('.json').write_text('{')
    with pytest.raises(InputError, match=r'participants\.json: cannot be read as JSON'):
        read_participants(path)


def test_other_columns_are_kept(tmp_path):
    text = GOOD.replace('edss', 'NfL pg/mL').replace('n/a', '<0.1')
    table, _ = read_participants(write(tmp_path, text))
    assert table['NfL pg/mL'].tolist() == ['<0.1', '3.5']


def test_without_a_column_of_groups_everyone_is_one(tmp_path):
    path = write(tmp_path, GOOD.replace('group', 'diagnosis'))
    table, (told,) = read_participants(path)
    assert set(table.group) == {'everyone'}
    assert '--group-column one of diagnosis, age, sex, edss' in told
    with pytest.raises(InputError, match=r"no column 'cohort'.*diagnosis, age, sex, edss"):
        read_participants(path, group_column='cohort')


def test_groups_that_only_the_description_knows_are_not_asked_of_a_table_without(tmp_path):
    path = write(tmp_path, GOOD.replace('group', 'diagnosis'))
    path.with_suffix('.json').write_text('{"group": {"Levels": {"A": "first", "B": "second"}}}')
    assert set(read_participants(path)[0].group) == {'everyone'}


def test_an_index_counts_as_a_column_where_it_has_a_name_of_its_own():
    plain = pd.DataFrame({'participant_id': ['sub-01', 'sub-02'], 'age': [41.0, np.nan]})
    text = as_text_table(plain)
    assert text.columns.tolist() == ['participant_id', 'age']
    assert text.age.tolist() == ['41', None]
    assert as_text_table(plain.set_index('participant_id')).equals(text)
    both = plain.set_index('participant_id', drop=False)
    assert as_text_table(both).equals(text)
