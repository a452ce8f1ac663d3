"""What became of everybody: from files alone, with a queue that a test makes."""

import json
import os

import pytest
from helpers import look

from nigra.cli.cluster.tell import study_lines
from nigra.cli.pace import Pace
from nigra.interfaces.claims import claim
from nigra.interfaces.cluster import states
from nigra.interfaces.cluster.records import (
    Submission,
    cluster_folder,
    new_folder,
    save_failures,
    save_submission,
)
from nigra.interfaces.cluster.schedulers import Queued
from nigra.interfaces.completion import GROUP_COMPLETE, begin, mark_complete, marker_folder
from nigra.nodes.errors import InputError, NigraError

LIMIT = (
    'slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***'
)
OOM = 'slurmstepd: error: Detected 1 oom_kill event in StepId=12.batch. Some of your processes ...'
MEMORY = (
    'slurmstepd: error: Exceeded job memory limit\nslurmstepd: error: JOB 12 CANCELLED AT 2026'
)
TASKS = (('sub-1',), ('sub-2_ses-a', 'sub-2_ses-b'), ('sub-3',))


@pytest.fixture
def queued(monkeypatch):
    """What the scheduler has; a test fills it."""
    found = {}
    monkeypatch.setattr(states, 'queue', lambda name, jobs: dict(found))
    return found


@pytest.fixture
def submitted(tmp_path, queued):
    made = Submission('slurm', TASKS, array='12', group='13', folder=new_folder(tmp_path))
    save_submission(made)
    return made


def write(made, name, *, started='n1', ended=None, log='', failed=None):
    for ending, text in (('started', started), ('ended', ended), ('log', log)):
        if text is not None:
            (made.folder / f'{name}.{ending}').write_text(f'{text}\n')
    if failed is not None:
        save_failures(failed, made.folder / f'{name}.json')


def finish(root, visit, content='x'):
    path = root / f'{visit}.html'
    path.write_text(content)
    mark_complete(marker_folder(root) / f'{visit}.json', 'key', [path], root)
    return path


def state_of(root, visit):
    found = states.study_states(root).states[visit]
    return found.state, found.reason


def test_nobody_is_nobody(tmp_path, queued):
    assert states.study_states(tmp_path) == states.Study({})


def test_the_queue_tells_who_waits_and_runs(tmp_path, submitted, queued):
    queued |= {('12', 1): Queued(True), ('12', 2): Queued(False, 'Priority'),
               ('13', None): Queued(False, 'Dependency')}  # fmt: skip
    write(submitted, 'task-1')
    study = states.study_states(tmp_path)
    assert [(s.name, s.state, s.reason) for s in study.states.values()] == [
        ('sub-1', 'running', 'on n1'), ('sub-2_ses-a', 'waiting', 'Priority'),
        ('sub-2_ses-b', 'waiting', 'Priority'),
        ('sub-3', 'failed', study.states['sub-3'].reason), ('group', 'waiting', 'Dependency'),
    ]  # fmt: skip
    assert 'never began' in study.states['sub-3'].reason
    assert study.jobs == ('12', '13')
    assert study.states['sub-2_ses-a'].job == '12_2'


@pytest.mark.parametrize(
    ('log', 'words'),
    [(LIMIT, 'its time limit'), (OOM, 'want of memory'), (MEMORY, 'want of memory'),
     ('slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-01-01', 'was cancelled'),
     ('[3/46] sub-1: anat', 'was killed')],
)  # fmt: skip
@pytest.mark.parametrize('ended', [None, '143'])
def test_a_killed_task_is_told_by_what_is_missing_and_what_slurm_wrote(
    tmp_path, submitted, log, words, ended
):
    write(submitted, 'task-1', log=log, ended=ended)
    state, reason = state_of(tmp_path, 'sub-1')
    assert state == 'failed'
    assert ('ended with status 143' if ended and 'killed' in words else words) in reason
    assert str(submitted.folder / 'task-1.log') in reason


def test_a_failure_is_told_in_the_sentence_of_the_visit(tmp_path, submitted):
    write(submitted, 'task-2', ended='1', failed={'sub-2_ses-b': ['no phase;', 'no T1w.']})
    write(submitted, 'task-1', ended='1', failed={'sub-1': ['bad']})
    write(submitted, 'task-3', ended='1', failed={'study': ['atlas is missing']})
    assert state_of(tmp_path, 'sub-1') == ('failed', 'bad')
    finish(tmp_path, 'sub-2_ses-a')
    assert state_of(tmp_path, 'sub-2_ses-a') == ('done', '')
    assert state_of(tmp_path, 'sub-2_ses-b') == ('failed', 'no phase; no T1w.')
    assert state_of(tmp_path, 'sub-3') == ('failed', 'atlas is missing')


def test_a_group_job_that_ended_well_is_done(tmp_path, submitted):
    write(submitted, 'group', ended='1')
    assert state_of(tmp_path, 'group')[0] == 'failed'
    write(submitted, 'group', ended='0')
    assert state_of(tmp_path, 'group') == ('done', '')


def compared(root, when):
    """A comparison that was complete then."""
    page = root / 'group.html'
    page.parent.mkdir(exist_ok=True, parents=True)
    page.write_text('x')
    marker = root / 'logs' / GROUP_COMPLETE
    mark_complete(marker, 'key', [page], root)
    os.utime(marker, (when, when))


def test_a_group_job_that_never_began_is_not_done_by_an_older_comparison(
    tmp_path, submitted, queued
):
    at = (submitted.folder / 'submission.json').stat().st_mtime
    compared(tmp_path, at - 60)
    state, reason = state_of(tmp_path, 'group')
    assert state == 'failed'
    assert reason.startswith('never began; it was cancelled, or ')
    assert reason.endswith('; what is there is of an earlier run')
    queued['13', None] = Queued(False, 'Dependency')
    assert state_of(tmp_path, 'group') == ('waiting', 'Dependency')
    del queued['13', None]
    compared(tmp_path, at + 60)  # by a run without the scheduler
    assert state_of(tmp_path, 'group') == ('done', '')
    compared(tmp_path, at - 60)  # the job found nothing to do
    write(submitted, 'group', ended='0')
    assert state_of(tmp_path, 'group') == ('done', '')


def test_an_older_comparison_is_not_done_where_the_scheduler_cannot_be_asked(
    tmp_path, submitted, monkeypatch
):
    def unreachable(name, jobs):
        raise NigraError('no answer')

    monkeypatch.setattr(states, 'queue', unreachable)
    compared(tmp_path, submitted.folder.stat().st_mtime - 60)
    assert state_of(tmp_path, 'group') == ('unknown', 'what is there is of an earlier run')


def test_the_job_of_a_comparison_with_a_name_tells_of_no_other(tmp_path, queued):
    made = Submission('slurm', group='13', analysis='age', folder=new_folder(tmp_path))
    save_submission(made)
    old = (made.folder / 'submission.json').stat().st_mtime - 60
    compared(tmp_path, old)
    compared(tmp_path / 'analyses' / 'age', old)
    found = states.study_states(tmp_path).states
    assert {name: state.state for name, state in found.items()} == {
        'group': 'done', 'group age': 'failed',
    }  # fmt: skip
    write(made, 'group', ended='1', failed={'group': ['nobody is finished']})
    (tmp_path / 'analyses' / 'age' / 'group.html').unlink()
    assert state_of(tmp_path, 'group age') == ('failed', 'nobody is finished')


def test_a_limit_that_an_earlier_try_met_is_past(tmp_path, submitted):
    write(submitted, 'task-1', ended='0', log=LIMIT)
    assert 'ended with status 0' in state_of(tmp_path, 'sub-1')[1]


def test_the_last_submission_counts(tmp_path, submitted, queued):
    write(submitted, 'task-1', ended='1', failed={'sub-1': ['old']})
    again = Submission('slurm', (('sub-1',),), array='20', folder=new_folder(tmp_path))
    assert again.folder != submitted.folder
    save_submission(again)
    queued['20', 1] = Queued(True)
    assert state_of(tmp_path, 'sub-1')[0] == 'running'
    assert state_of(tmp_path, 'group')[0] == 'failed'


def test_what_is_deleted_is_not_done(tmp_path, submitted):
    write(submitted, 'task-1', ended='0')
    path = finish(tmp_path, 'sub-1')
    assert state_of(tmp_path, 'sub-1')[0] == 'done'
    path.unlink()
    assert state_of(tmp_path, 'sub-1')[0] == 'failed'


def test_a_finished_visit_that_is_submitted_anew_waits(tmp_path, submitted, queued):
    finish(tmp_path, 'sub-1')
    queued['12', 1] = Queued(False)
    assert state_of(tmp_path, 'sub-1')[0] == 'waiting'


def test_who_was_left_out_is_named(tmp_path, queued):
    save_submission(Submission('slurm', left_out={'sub-9': ['no T1w.']},
                               folder=new_folder(tmp_path)))  # fmt: skip
    assert state_of(tmp_path, 'sub-9') == ('failed', 'no T1w.')


def test_without_the_scheduler_nothing_is_called_killed(tmp_path, submitted, monkeypatch):
    def unreachable(name, jobs):
        raise NigraError('no answer')

    monkeypatch.setattr(states, 'queue', unreachable)
    write(submitted, 'task-1')
    write(submitted, 'task-3', ended='1', failed={'sub-3': ['bad']})
    study = states.study_states(tmp_path)
    assert study.warnings == ('no answer',)
    assert [study.states[n].state for n in ('sub-1', 'sub-3')] == ['unknown', 'failed']


def start(root, visit):
    """What a run leaves when it begins with a visit."""
    begin(marker_folder(root) / f'{visit}.json', 'key', [root / f'{visit}.html'], root)


def test_a_run_on_this_machine_tells_who_waits_runs_has_failed_and_is_done(tmp_path, queued):
    finish(tmp_path, 'sub-1')
    start(tmp_path, 'sub-2')  # of an earlier run, which ended
    for visit in ('sub-2', 'sub-6'):
        marker = marker_folder(tmp_path) / f'{visit}.json'
        start(tmp_path, visit)
        os.utime(marker, (1e9, 1e9))
    pace = Pace(3, tmp_path / 'logs' / 'progress.tsv')
    with claim(tmp_path / 'logs', ['sub-3', 'sub-4', 'sub-5', 'sub-6', 'sub-7']):
        for visit in ('sub-3', 'sub-4', 'sub-5'):
            start(tmp_path, visit)
        finish(tmp_path, 'sub-4')
        pace.ended('sub-4', complete=True)
        pace.ended('sub-5', complete=False)
        found = states.study_states(tmp_path).states
    assert {n: s.state for n, s in found.items()} == {
        'sub-1': 'done', 'sub-2': 'failed', 'sub-3': 'running', 'sub-4': 'done',
        'sub-5': 'failed', 'sub-6': 'waiting', 'sub-7': 'waiting',
    }  # fmt: skip
    assert found['sub-3'].reason.startswith('process ')
    assert found['sub-7'].reason.startswith('for its turn in process ')


def test_what_an_earlier_run_did_not_finish_is_no_failure_of_this_one(tmp_path, queued):
    log = tmp_path / 'logs' / 'progress.tsv'
    log.parent.mkdir()
    log.write_text('ended\tvisit\tstate\tminutes\n2001-01-01 00:00:00\tsub-1\tended\t1.0\n')
    with claim(tmp_path / 'logs', ['sub-1']):
        assert state_of(tmp_path, 'sub-1')[0] == 'waiting'


def test_a_comparison_with_a_name_runs_and_is_nobody(tmp_path, queued):
    finish(tmp_path, 'sub-1')
    with claim(tmp_path / 'logs', ['group age']):
        study = states.study_states(tmp_path)
    assert study_lines(study)[-1] == '1 done; group age level running'
    assert list(study.states) == ['sub-1', 'group age']


def test_the_group_level_is_counted_apart(tmp_path, submitted, queued):
    for visit in ('sub-1', 'sub-2_ses-a', 'sub-2_ses-b'):
        finish(tmp_path, visit)
    queued |= {('12', 3): Queued(True), ('13', None): Queued(False, 'Dependency')}
    counts = study_lines(states.study_states(tmp_path))[-1]
    assert counts == '3 done, 1 running; group level waiting'


def test_who_was_left_out_or_not_begun_on_this_machine_is_named(two):
    out = two.parent / 'out'
    (two / 'sub-01' / 'anat' / 'sub-01_part-phase_T2starw.nii.gz').unlink()
    look(two)
    found = states.study_states(out).states
    assert found['sub-01'].state == 'failed'
    assert 'has no part-phase image' in found['sub-01'].reason
    assert found['sub-02_ses-a'].state == 'not begun'
    finish(out, 'sub-02_ses-a')
    assert state_of(out, 'sub-02_ses-a') == ('done', '')


def test_somebody_finished_on_a_cluster_whom_a_later_look_leaves_out_is_not_done(two, queued):
    out = two.parent / 'out'
    look(two)
    first = Submission('slurm', (('sub-01',),), array='12', folder=new_folder(out))
    save_submission(first)
    write(first, 'task-1', ended='0')
    finish(out, 'sub-01')
    assert state_of(out, 'sub-01') == ('done', '')
    (two / 'sub-01' / 'anat' / 'sub-01_part-phase_T2starw.nii.gz').unlink()
    look(two)
    os.utime(out / 'logs' / 'look.tsv', (2e9, 2e9))
    state, reason = state_of(out, 'sub-01')
    assert state == 'failed'
    assert 'has no part-phase image' in reason
    assert reason.endswith('What is there is of an earlier run.')
    queued['12', 1] = Queued(True)  # submitted anew
    assert state_of(out, 'sub-01')[0] == 'running'


def test_a_look_that_cannot_be_read_tells_nothing(tmp_path, queued):
    finish(tmp_path, 'sub-1')
    for name in ('look.tsv', 'problems.tsv', 'progress.tsv'):
        (tmp_path / 'logs' / name).write_text('of an earlier version')
    assert list(states.study_states(tmp_path).states) == ['sub-1']


def test_a_record_that_is_no_record_is_named(tmp_path, submitted):
    path = submitted.folder / 'submission.json'
    path.write_text(json.dumps({'tasks': []}))
    with pytest.raises(InputError, match=r'submission.json: cannot be read'):
        states.study_states(tmp_path)
    assert cluster_folder(tmp_path) in path.parents
