"""Schedulers by name: how jobs are handed to them, and what they say of jobs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ...nodes.errors import InputError, NigraError
from ..files import data_text

_PATIENCE = 120
"""Seconds that a scheduler may take to answer."""


@dataclass(frozen=True)
class Scheduler:
    """A scheduler, as `data/schedulers.toml` describes it."""

    title: str
    tried: bool
    directive: str
    submit: tuple[str, ...]
    cancel: str
    job_id: str
    task: str
    log: str
    joint: str
    options: tuple[str, ...]
    killed: Mapping[str, str]


def _load() -> dict[str, Scheduler]:
    tables: dict[str, dict[str, Any]] = tomllib.loads(data_text('schedulers.toml'))
    for entry in tables.values():
        entry |= {name: tuple(entry[name]) for name in ('submit', 'options')}
    return {name: Scheduler(**entry) for name, entry in tables.items()}


SCHEDULERS = _load()

Task = tuple[str, int | None]
"""Job, and number of the task inside it; None for a job that is no array."""


@dataclass(frozen=True)
class Queued:
    """A task that a scheduler has.

    Attributes
    ----------
    running
        Whether it has begun.
    reason
        Why it waits, in the scheduler's words.
    """

    running: bool
    reason: str = ''


def submit(name: str, script: Path) -> str:
    """Hand a script to a scheduler; return the job's id.

    Parameters
    ----------
    name
        Of the scheduler.
    script
        Its folder is that of the logs.

    Raises
    ------
    NigraError
        The scheduler is not there or refuses.
    """
    scheduler = SCHEDULERS[name]
    told = _ask([*scheduler.submit, script.name], scheduler.title, cwd=script.parent)
    found = re.search(scheduler.job_id, told.stdout.strip(), re.MULTILINE)
    if told.returncode or not found:
        words = ' '.join((told.stderr or told.stdout).split()) or f'status {told.returncode}'
        raise InputError(
            script, f'was refused by {scheduler.title} ({words})', 'correct profile or arguments'
        )
    return found.group(1)


def queue(name: str, jobs: Collection[str]) -> dict[Task, Queued]:
    """Those tasks of some jobs that wait or run.

    Parameters
    ----------
    name
        Of the scheduler.
    jobs
        Ids as `submit` gave them.

    Raises
    ------
    NigraError
        The scheduler is not there or does not answer.
    """
    if not jobs:
        return {}
    return {
        task: found for task, found in _QUEUES[name](sorted(jobs)).items() if task[0] in set(jobs)
    }


def array_limit() -> int | None:
    """Tasks that an array may have by Slurm's configuration; None where it does not tell."""
    if shutil.which('scontrol') is None:
        return None
    told = _ask(['scontrol', 'show', 'config'], 'Slurm')
    found = re.search(r'^MaxArraySize\s*=\s*(\d+)', told.stdout, re.MULTILINE)
    return int(found.group(1)) - 1 if found else None  # the size counts from task 0


def _ask(
    command: Sequence[str], title: str, *, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise InputError(
            command[0], f'is not installed here, so that {title} cannot be reached',
            'use a machine from which jobs can be submitted',
        ) from error  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NigraError(
            f'{command[0]} has not answered within {_PATIENCE} s; try again later.'
        ) from error


def _answer(command: Sequence[str], title: str, *, unknown: str) -> str:
    """What a scheduler says; nothing where it no longer knows any of the jobs."""
    told = _ask(command, title)
    if told.returncode and not re.search(unknown, told.stderr):
        raise NigraError(f'{title} does not tell of jobs ({" ".join(told.stderr.split())})')
    return told.stdout


def _slurm(jobs: Sequence[str]) -> dict[Task, Queued]:
    text = _answer(
        ['squeue', '--noheader', '--array', f'--jobs={",".join(jobs)}', '--format=%F|%K|%T|%r'],
        'Slurm', unknown='Invalid job id',
    )  # fmt: skip
    found = {}
    for line in text.splitlines():
        job, index, state, reason = line.strip().split('|', 3)
        task = (job, int(index) if index.isdigit() else None)
        found[task] = Queued(state != 'PENDING', '' if reason == 'None' else reason)
    return found


def _sge(jobs: Sequence[str]) -> dict[Task, Queued]:
    text = _answer(['qstat', '-u', '*', '-g', 'd', '-xml'], 'SGE', unknown='$.')
    found = {}
    for entry in ElementTree.fromstring(text).iter('job_list'):
        state, index = entry.findtext('state', ''), entry.findtext('tasks', '')
        task = (entry.findtext('JB_job_number', ''), int(index) if index.isdigit() else None)
        waits = 'the scheduler holds it in error' if 'E' in state else 'its turn has not come'
        found[task] = Queued('q' not in state, waits if 'q' in state else '')
    return found


def _pbs(jobs: Sequence[str]) -> dict[Task, Queued]:
    text = _answer(
        ['qstat', '-t', '-f', '-F', 'json', *jobs], 'PBS', unknown='Unknown Job|has finished'
    )
    found = {}
    entries: Mapping[str, Mapping[str, Any]] = json.loads(text or '{}').get('Jobs', {})
    for name, entry in entries.items():
        index = re.search(r'\[(\d+)\]', name)
        if entry.get('job_state') in ('F', 'X') or '[]' in name:
            continue
        task = (re.sub(r'\[\d+\]', '[]', name), int(index.group(1)) if index else None)
        found[task] = Queued(entry.get('job_state') in ('R', 'E', 'S', 'U'),
                             str(entry.get('comment', '')))  # fmt: skip
    return found


_QUEUES: dict[str, Callable[[Sequence[str]], dict[Task, Queued]]] = {
    'slurm': _slurm, 'pbs': _pbs, 'sge': _sge,
}  # fmt: skip
