"""One person or session under two spellings, who would count twice."""

import pandas as pd
import pytest
from helpers import add_run, look, people, write_image
from toy_cohort import make_people, write_study

from nigra.interfaces.bids import list_participants
from nigra.interfaces.gather import gather_regions
from nigra.interfaces.spellings import people_twice, sessions_twice, spelt_alike
from nigra.nodes.errors import InputError


@pytest.mark.parametrize(
    ('names', 'alike'),
    [
        (['sub-01', 'sub-1'], True),
        (['sub-A1', 'sub-a1'], True),
        (['sub-P007', 'sub-p7'], True),
        (['ses-1', 'ses-01'], True),
        (['sub-01', 'sub-10'], False),
        (['sub-100', 'sub-1'], False),
        (['sub-01A', 'sub-01B'], False),
        (['sub-0', 'sub-00'], True),
        (['sub-1', 'sub-1'], False),
        (['sub-Ä1', 'sub-Ö1'], False),
    ],
)
def test_only_what_differs_in_spelling_alone_is_alike(names, alike):
    assert bool(spelt_alike(names)) == alike


def test_nobody_is_warned_of_whom_the_run_does_not_process():
    names = ['sub-01', 'sub-1', 'sub-2']
    assert people_twice(names, ['sub-2']) == []
    (told,) = people_twice(names, ['sub-1'])
    assert told.startswith('sub-01 and sub-1 differ only in spelling')


def test_sessions_are_told_with_those_who_have_them():
    rows = [('sub-01', 'ses-1'), ('sub-02', 'ses-01'), ('sub-03', 'ses-2'), ('sub-04', None)]
    (told,) = sessions_twice(pd.DataFrame(rows, columns=['participant_id', 'session_id']))
    assert 'ses-01 in sub-02; ses-1 in sub-01' in told
    assert 'ses-2' not in told


def again(raw, who):
    """The first participant under another spelling."""
    write_image(raw / who / 'anat' / f'{who}_T1w.nii.gz')
    add_run(raw / who / 'anat', who)


@pytest.mark.parametrize('levels', [('participant',), ('participant', 'group')])
def test_the_look_names_both_spellings_and_what_to_do(two, levels):
    again(two, 'sub-1')
    people(two, 'sub-01\tA\t30\tF', 'sub-1\tA\t30\tF', 'sub-02\tB\t40\tM')
    _, _, problems = look(two, levels=levels)
    (told,) = [text for _, _, text in problems if 'differ only in spelling' in text]
    assert 'sub-01 and sub-1' in told
    assert 'remove the folders and rows of all but one' in told


def test_the_look_tells_of_a_row_that_is_spelt_like_another(two):
    people(two, 'sub-01\tA\t30\tF', 'sub-1\tB\t33\tF', 'sub-02\tB\t40\tM')
    _, _, problems = look(two, levels=('participant', 'group'))
    assert any('sub-01 and sub-1 differ only in spelling' in text for _, _, text in problems)


def test_the_look_tells_of_sessions(two):
    for session in ('ses-1', 'ses-01'):
        folder = two / 'sub-03' / session / 'anat'
        write_image(folder / f'sub-03_{session}_T1w.nii.gz')
        add_run(folder, f'sub-03_{session}')
    _, _, problems = look(two)
    assert any('ses-01 in sub-03; ses-1 in sub-03' in text for _, _, text in problems)


def test_a_label_is_refused_with_the_spelling_that_is_there(raw):
    with pytest.raises(InputError, match=r'--participant-label 1: is not in .*; give sub-01'):
        list_participants(raw, ['1'])
    with pytest.raises(InputError, match=r'--participant-label 7: is not in .*; choose among'):
        list_participants(raw, ['7'])


@pytest.mark.parametrize(('other', 'told'), [('sub-02', 1), ('sub-2x', 0)])
def test_the_comparison_tells_of_both(tmp_path, other, told):
    known = make_people({'A': 3, 'B': 3})
    known.loc[0, 'participant_id'] = other  # beside sub-002
    file = write_study(tmp_path / 'out', known)
    warnings = gather_regions(tmp_path / 'out', file).warnings
    assert sum('sub-002 and sub-02 differ only' in text for text in warnings) == told
