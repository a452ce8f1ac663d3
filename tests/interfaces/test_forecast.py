"""What the group level will say, asked of the table alone."""

import pytest
from helpers import people

from nigra.interfaces.forecast import forecast_group
from nigra.nodes.statistics.question import Question


def forecast(root, sizes, **options):
    rows, who = [], []
    for group, size in sizes.items():
        for n in range(size):
            who.append(f'sub-{group}{n}')
            rows.append(f'{who[-1]}\t{group}\t{40 + 3 * n % 7 + n}\t{"FM"[n % 2]}')
    people(root, *rows)
    return forecast_group(root / 'participants.tsv', Question(**options), who, who)


@pytest.mark.parametrize(
    ('sizes', 'small'),
    [({'A': 4, 'B': 4}, []), ({'A': 4, 'B': 2, 'C': 5}, ['B']), ({'A': 2, 'B': 2}, ['B', 'A'])],
)
def test_groups_too_small_to_be_tested_are_named_and_no_others(tmp_path, sizes, small):
    found = forecast(tmp_path, sizes, covariates=())
    assert found.errors == ()
    told = [text for text in found.warnings if text.startswith('Groups with fewer than 3')]
    assert [text.rpartition(': ')[2] for text in told] == (
        [', '.join(small) + '.'] if small else []
    )
    assert set(found.groups.values()) == set(sizes)


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path):
    found = forecast(tmp_path, {'A': 4, 'B': 4}, covariates=('age', 'site'))
    (error,) = found.errors
    assert "has no column 'site' for --covariates; use one of participant_id, group, age" in error
