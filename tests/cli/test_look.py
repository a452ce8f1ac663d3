"""What the first look tells on the console, and when."""

import re

import pytest
from helpers import look, people


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == 'WARNING']


@pytest.mark.parametrize(
    ('levels', 'expected'), [(('participant',), False), (('participant', 'group'), True)]
)
def test_what_a_comparison_will_remark_is_told_where_one_is_asked_for(
    two, caplog, levels, expected
):
    caplog.set_level('INFO', 'nigra')
    people(two, 'sub-01\tA\t30\tF', 'sub-02\tA\t30\tF')
    _, _, problems = look(two, levels=levels)
    remarks = [text for _, about, text in problems if about == 'group']
    assert len(remarks) > 2  # one group, everybody of one age and sex, few
    assert any(text.startswith('group: ') for text in told(caplog)) == expected
    brief = f'group: a comparison would tell of {len(remarks)} more, which logs/problems.tsv lists'
    assert (brief in caplog.text) != expected


def test_what_keeps_a_comparison_from_being_made_is_told_before_hours_are_spent(two, caplog):
    people(two, 'sub-1\tA\t30\tF', 'sub-02\tB\t40\tM')
    status, _, _ = look(two)
    assert status == 0  # the participant level itself is not concerned
    (sentence,) = [text for text in told(caplog) if text.startswith('group: ')]
    assert 'it has sub-1 for sub-01; write the ids as the folders are called' in sentence


def room(caplog, two, *options):
    """Room for the working folder in MB, as the look tells it."""
    caplog.clear()
    look(two, *options)
    number, unit = re.search(r'([\d.]+) (MB|GB) of working folder', caplog.text).groups()
    return float(number) * {'MB': 1, 'GB': 1000}[unit]


def test_room_for_the_working_folder_is_of_those_at_once(two, caplog):
    caplog.set_level('INFO', 'nigra')
    alone, both = room(caplog, two, '--nprocs', '1'), room(caplog, two, '--nprocs', '2')
    assert alone < both
    assert room(caplog, two, '--nprocs', '1', '--keep-workdir') == both
