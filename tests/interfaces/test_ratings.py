"""Ratings: whom they leave out, of which visit, and by whose word."""

import numpy as np
import pandas as pd
import pytest
from toy_cohort import make_people, region_rows, write_participants, write_study, write_visit

from nigra.cli.arguments import parse_settings
from nigra.interfaces.gather import gather_regions
from nigra.interfaces.ratings import excluded_visits, read_ratings, without_excluded
from nigra.nodes.errors import InputError


def rate(path, *rows):
    columns = ['participant_id', 'session_id', 'rating', 'reasons', 'rater', 'rated']
    pd.DataFrame(rows, columns=columns).to_csv(path, sep='\t', index=False, na_rep='n/a')
    return path


def test_the_last_word_of_each_rater_counts_and_one_is_enough(tmp_path):
    file = rate(
        tmp_path / 'a.tsv',
        ('sub-01', None, 'exclude', 'movement', 'A', '2026-01-02T10:00:00'),
        ('sub-01', None, 'accept', None, 'A', '2026-01-03T10:00:00'),
        ('sub-02', None, 'accept', None, 'A', '2026-01-02T10:00:00'),
    )
    other = rate(tmp_path / 'b.tsv', ('02', None, 'exclude', 'labels', 'B', None))
    found = excluded_visits(read_ratings([file, other]))
    assert found == {('sub-02', None): 'rated exclude by B (labels)'}


@pytest.mark.parametrize(
    ('content', 'problem'),
    [('participant_id\trating\nsub-01\tbad\n', "rates sub-01 'bad'.*accept, unsure, exclude"),
     ('participant_id\nsub-01\n', "has no column 'rating'"),
     ('participant_id\trating\nn/a\texclude\n', 'rates somebody without participant_id')],
)  # fmt: skip
def test_what_is_no_rating_is_named(tmp_path, content, problem):
    (tmp_path / 'r.tsv').write_text(content)
    with pytest.raises(InputError, match=rf'r\.tsv: {problem}'):
        read_ratings([tmp_path / 'r.tsv'])


def test_a_visit_is_left_out_and_its_participant_only_without_another():
    regions = pd.DataFrame({
        'participant_id': ['sub-1', 'sub-1', 'sub-2', 'sub-3'],
        'session_id': ['ses-a', 'ses-b', None, 'ses-a'],
    })  # fmt: skip
    excluded = {('sub-1', 'ses-a'): 'x', ('sub-2', None): 'y', ('sub-3', None): 'z'}
    kept, why = without_excluded(regions, excluded)
    assert list(kept.session_id) == ['ses-b']
    assert why == {'sub-2': 'y', 'sub-3': 'z'}


def test_the_group_level_leaves_out_who_is_rated_so(tmp_path):
    people = make_people({'NMO': 4, 'HC': 4})
    file = write_study(tmp_path, people)
    ratings = rate(
        tmp_path / 'r.tsv',
        ('sub-002', None, 'exclude', 'movement', None, None),
        ('sub-003', None, 'unsure', None, None, None),
        ('sub-999', None, 'exclude', None, None, None),
    )
    found = gather_regions(tmp_path, file, ratings=[ratings])
    assert set(found.regions.participant_id) == set(people.participant_id) - {'sub-002'}
    assert found.exclusions.values.tolist() == [['sub-002', 'rated exclude (movement)', 'all']]
    assert found.warnings == (
        'Left out as rated exclude (1): sub-002.',
        'Rated exclude, and in no region table: sub-999.',
    )
    everybody = [(who, None, 'exclude', None, None, None) for who in people.participant_id]
    with pytest.raises(InputError, match='--exclude-rated: leaves nobody'):
        gather_regions(tmp_path, file, ratings=[rate(tmp_path / 'all.tsv', *everybody)])


def test_another_visit_of_the_participant_is_compared(tmp_path):
    rng = np.random.default_rng(0)
    people = make_people({'NMO': 2, 'HC': 2})
    for who in people.participant_id:
        for session in ('ses-1', 'ses-2'):
            write_visit(tmp_path, region_rows(who, rng, session=session))
    file = write_participants(tmp_path / 'participants.tsv', people)
    ratings = rate(tmp_path / 'r.tsv', ('sub-001', 'ses-1', 'exclude', None, None, None))
    found = gather_regions(tmp_path, file, ratings=[ratings])
    own = found.regions[found.regions.participant_id == 'sub-001']
    assert set(own.session_id) == {'ses-2'}
    assert found.exclusions.empty
    assert any('Some visits are left out' in text for text in found.warnings)


def test_files_of_ratings_and_the_command_reach_the_settings(tmp_path):
    given = ['in', 'out dir', 'group', '--exclude-rated', str(tmp_path / 'a.tsv')]
    settings = parse_settings(given)
    assert settings.exclude_rated == (tmp_path / 'a.tsv',)
    assert settings.command == f"nigra in 'out dir' group --exclude-rated {tmp_path / 'a.tsv'}"
