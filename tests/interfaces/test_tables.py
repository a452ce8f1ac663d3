"""Tables on disk: what counts as missing, and what a user reads about a wrong one."""

import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.tables import read_table, save_table
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


def test_a_table_is_written_as_pandas_writes_it(tmp_path):
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=300) * 10.0 ** rng.integers(-300, 300, 300)
    numbers[:9] = np.nan, np.inf, -np.inf, 0.0, -0.0, 1e10, 12345678912.5, 1 / 3, 5e-324
    table = pd.DataFrame({
        'name': ['a b', None, 'quote " and tab', *map(str, range(297))], 'x': numbers,
        'single': np.clip(numbers, -1e9, 1e9).astype('float32'), 'count': range(300),
        'flag': numbers > 0,
        'mixed': [None, 1.5, 'x'] * 100, 'none': [None] * 300,
        'nullable': pd.array([1, None] * 150),
    })  # fmt: skip
    table.columns = [*table.columns[:-1], 'x']  # a name may come twice
    before = table.copy()
    for digits in (10, 4):
        path = save_table(table, tmp_path / 'new.tsv', digits=digits)
        options = {'sep': '\t', 'na_rep': 'n/a', 'index': False, 'float_format': f'%.{digits}g'}
        table.to_csv(tmp_path / 'pandas.tsv', **options)
        assert path.read_text() == (tmp_path / 'pandas.tsv').read_text()
    pd.testing.assert_frame_equal(table, before)
