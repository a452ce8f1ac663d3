"""Sentinels and categories of one member are told, and nothing that fits among the others."""

import numpy as np
import pandas as pd
import pytest

from nigra.nodes.statistics.doubts import doubtful_values


def found(values, **options):
    frame = pd.DataFrame({'c': values}, [f's{i}' for i in range(len(values))])
    return [(d.kind, d.value, d.people) for d in doubtful_values(frame, ['c'], **options)]


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ([31.0, 45, 52, -999], [('sentinel', '-999', ('s3',))]),
        ([31.0, 45, 52, 999, 999], [('sentinel', '999', ('s3', 's4'))]),
        ([1.0, 2, 3, 2, -1], [('sentinel', '-1', ('s4',))]),
        ([1.0, 2, 1, 9, 999], [('sentinel', '999', ('s4',))]),
        ([1.0, 1, 1, 99], [('sentinel', '99', ('s3',))]),
        ([71.0, 80, 85, 88, 91], []),  # an age
        ([70.0, 75, 80, 85, 99], []),  # old, but not apart
        ([-2.0, -1, 0, 1, 2], []),  # -1 among its like
        ([0.0, 3, 5, 7, 9], []),
        ([np.nan] * 4, []),
        ([np.nan, 5.0, -999], []),  # too few others to tell
        # 5 spreads beyond the middle of numbers far from zero: a spread of 1.4826 about 1000
        ([999.0, 1000, 1000.5, 1001, 1002], []),
        ([1020.0, 1021, 1022, 999], [('sentinel', '999', ('s3',))]),
        (['F', 'F', 'M'], [('single', 'M', ('s2',))]),
        (['x', 'y', 'z'], []),  # names
        (['x', 'x', None], []),
    ],
)
def test_doubts(values, expected):
    assert found(values) == expected


def test_numbers_that_are_names():
    assert found([1.0, 1, 1, 2], categories=['c']) == [('single', '2.0', ('s3',))]


def test_sentences_name_value_column_and_people():
    frame = pd.DataFrame({'age': [31.0, 45, 52, -999], 'site': list('xxxy')}, list('abcd'))
    sign, single = (d.sentence for d in doubtful_values(frame, ['age', 'site']))
    assert sign.startswith('age is -999 for d,')
    assert 'write n/a' in sign
    assert 'd alone has y as site' in single
    assert 'leverage 1' in single
