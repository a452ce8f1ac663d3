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
    assert "has no column 'site' for --covariates; give --covariates one of" in error
    found = forecast(tmp_path, {'A': 4, 'B': 4}, covariates=('age,group',))
    assert 'write --covariates age group, with spaces between' in found.errors[0]


@pytest.mark.parametrize(
    ('options', 'missing'),
    [
        ({'scores': ('edss',)}, []),  # looked for unasked, so that it may be absent
        ({'scores': ('sdmt',)}, ['sdmt']),
        ({'scores': ('sdmt', 'edss')}, ['sdmt']),
        ({'covariates': ('edss',)}, ['edss']),
        ({'covariates': (), 'harmonise': 'site'}, ['site']),
        ({'covariates': ('age',), 'interactions': ('weight',)}, ['weight']),
        ({'covariates': ('age',)}, []),
    ],
)
def test_only_a_score_that_is_looked_for_unasked_may_be_absent(tmp_path, options, missing):
    found = forecast(tmp_path, {'A': 4, 'B': 4}, **options)
    assert len(found.errors) == len(missing)
    assert all(repr(name) in text for name, text in zip(missing, found.errors, strict=True))


def test_who_has_no_images_or_no_row_is_told(tmp_path):
    rows = [f'sub-{n}\t{"AB"[n % 2]}\t{40 + n}\tF' for n in range(8)]
    people(tmp_path, *rows)
    table, who = tmp_path / 'participants.tsv', [f'sub-{n}' for n in range(8)]
    plain = forecast_group(table, Question(covariates=()), who, who)
    assert not any('of whom there are no images' in text for text in plain.warnings)
    fewer = forecast_group(table, Question(covariates=()), who[:7], who[:7])
    assert any('names sub-7, of whom there are no images' in text for text in fewer.warnings)
    more = forecast_group(table, Question(covariates=()), [*who, 'sub-9'], [*who, 'sub-9'])
    assert 'sub-9' in more.errors[0]
