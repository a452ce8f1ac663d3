"""What became of everybody: from markers, records of tasks, and the scheduler's queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...nodes.errors import NigraError
from .local import ACTIVE, State, is_group, with_local
from .records import GROUP, Mark, Submission, read_mark, read_submissions
from .schedulers import SCHEDULERS, Queued, Task, queue

_WHY = {
    'time': 'was ended by its time limit; give more (`time` of the profile, or --slurm-args)',
    'memory': 'was ended for want of memory; give more (`memory_gb` of the profile)',
    'cancelled': 'was cancelled, or its machine was taken away',
    None: 'was killed, by a limit of time or memory or with its machine',
}
"""What is said of a task without an end, by what its scheduler wrote into the log."""


@dataclass(frozen=True)
class Study:
    """Everybody's state.

    Attributes
    ----------
    states
        By name, the group level's last.
    jobs
        Ids of jobs that still wait or run.
    warnings
        What kept schedulers from being asked.
    """

    states: Mapping[str, State]
    jobs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def study_states(output_dir: Path) -> Study:
    """What became of everybody in a derivative data set.

    Parameters
    ----------
    output_dir
        Root of the derivatives.

    Raises
    ------
    InputError
        A record of a submission cannot be read.
    """
    submissions = read_submissions(output_dir)
    # asked before the files are read: what ends in between has ended by both
    queued, warnings = _queues(submissions)
    known: dict[str, State] = {}
    for submission in submissions:
        found = queued.get(submission.scheduler)
        known |= {state.name: state for state in _of_submission(submission, found)}
    known = with_local(known, output_dir)
    order = sorted(known, key=lambda name: (is_group(name), name))
    jobs = {job for found in queued.values() for job, _ in found or ()}
    return Study({name: known[name] for name in order}, tuple(sorted(jobs)), tuple(warnings))


def _queues(
    submissions: Sequence[Submission],
) -> tuple[dict[str, dict[Task, Queued] | None], list[str]]:
    """What schedulers say, by name; None where one cannot be asked."""
    found: dict[str, dict[Task, Queued] | None] = {}
    warnings = []
    for name in dict.fromkeys(submission.scheduler for submission in submissions):
        jobs = [job for s in submissions if s.scheduler == name for job in s.jobs]
        try:
            found[name] = queue(name, jobs)
        except NigraError as error:
            found[name] = None
            warnings.append(str(error))
    return found, warnings


def _of_submission(
    submission: Submission, queued: Mapping[Task, Queued] | None
) -> Iterator[State]:
    for who, sentences in (submission.left_out or {}).items():
        yield State(who, 'failed', ' '.join(sentences))
    jobs: list[tuple[str, str | None, int | None, tuple[str, ...]]] = [
        (f'task-{n}', submission.array, n, visits) for n, visits in enumerate(submission.tasks, 1)
    ]
    if submission.group is not None:
        jobs.append((GROUP, submission.group, None, (submission.comparison,)))
    patterns = SCHEDULERS[submission.scheduler].killed
    for stem, job, number, visits in jobs:
        mark = read_mark(submission.folder, stem, patterns)
        shown = f'{job}_{number}' if number else str(job)
        task = None if queued is None else queued.get((str(job), number))
        task = task or (queued or {}).get((str(job), None))  # an array of one is a job in PBS
        for visit in visits:
            state, reason = _of_task(visit, mark, task, asked=queued is not None)
            tried = submission.at if mark.host is None and state not in ACTIVE else None
            yield State(visit, state, reason, shown, tried)


def _of_task(visit: str, mark: Mark, task: Queued | None, *, asked: bool) -> tuple[str, str]:
    """State and reason of a visit by its task, where its results are not complete."""
    if task is not None:
        if task.running:
            return 'running', f'on {mark.host}' if mark.host else ''
        return 'waiting', task.reason
    names = dict.fromkeys((visit, GROUP if is_group(visit) else visit.split('_')[0], 'study'))
    own = [sentence for name in names for sentence in mark.failed.get(name, ())]
    if own:
        return 'failed', ' '.join(own)
    if is_group(visit) and mark.status == 0:
        return 'done', ''
    if mark.status is None and not asked:
        return 'unknown', ''
    if mark.host is None:
        return 'failed', f'never began; it was cancelled, or {mark.log} tells why'
    if mark.status is None or mark.killed:
        return 'failed', f'its task {_WHY[mark.killed]}; {mark.log} has what it printed'
    return 'failed', f'its task ended with status {mark.status}; {mark.log} tells why'
