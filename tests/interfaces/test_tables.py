"""Tables on disk: what counts as missing, and what a user reads about a wrong one."""

import pytest

from nigra.interfaces.tables import read_table
from nigra.nodes.errors import InputError


def write(path, text):
    path.write_text(text, encoding='utf-8')
    return path


def test_only_na_in_lower_case_and_nothing_are_missing(tmp_path):
    path = write(tmp_path / 'x.tsv', '\ufeffgroup\tx\nNA\t1.5\nNone\tn/a\nnan\t\n')
    frame = read_table(path, text=('group',))
    assert frame['group'].tolist() == ['NA', 'None', 'nan']
    assert frame['x'].isna().tolist() == [False, True, True]


def test_labels_that_look_like_numbers_stay_text(tmp_path):
    path = write(tmp_path / 'x.tsv', 'participant_id\tgroup\n001\t01\n')
    frame = read_table(path, text=('group',))
    assert frame.iloc[0].tolist() == ['001', '01']


def test_bad_tables_are_named(tmp_path):
    with pytest.raises(InputError, match=r'gone\.tsv: cannot be read'):
        read_table(tmp_path / 'gone.tsv')
    with pytest.raises(InputError, match=r'empty\.tsv: cannot be read'):
        read_table(write(tmp_path / 'empty.tsv', ''))
    with pytest.raises(InputError, match=r"x\.tsv: has no column 'p', only a, b"):
        read_table(write(tmp_path / 'x.tsv', 'a\tb\n1\t2\n'), needs=('a', 'p'))
