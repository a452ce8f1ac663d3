"""Folders of submissions: what was handed to a scheduler, and what its tasks wrote."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...nodes.errors import InputError
from ..files import save_json

GROUP = 'group'
"""Name of the job of the group level, and stem of its files."""
_RECORD = 'submission.json'
_TAIL = 20_000
"""Bytes at the end of a log in which a scheduler's own words are looked for."""


@dataclass(frozen=True)
class Submission:
    """What was submitted at once.

    Attributes
    ----------
    scheduler
        Its name.
    tasks
        Visits (`sub-01_ses-1`) of each task of the array, from the first.
    array, group
        Ids of the jobs; None where there is none.
    left_out
        Why participants were not submitted, by participant.
    analysis
        Name of the comparison of the group's job; None where it has none of its own.
    folder
        Of scripts, logs and records; not written.
    at
        When it was handed over, s since the epoch by the clock of the file system; not written.
    """

    scheduler: str
    tasks: tuple[tuple[str, ...], ...] = ()
    array: str | None = None
    group: str | None = None
    left_out: Mapping[str, Sequence[str]] | None = None
    analysis: str | None = None
    folder: Path = Path()
    at: float = 0.0

    @property
    def comparison(self) -> str:
        """What the state of the group's job goes by: `group`, or `group NAME`."""
        return f'{GROUP} {self.analysis}' if self.analysis else GROUP

    @property
    def jobs(self) -> list[str]:
        """Ids of its jobs."""
        return [job for job in (self.array, self.group) if job is not None]


@dataclass(frozen=True)
class Mark:
    """What the files of a task tell.

    Attributes
    ----------
    host
        Where it began; None where it has not.
    status
        With which it ended; None where it has not, or was killed.
    failed
        Sentences by visit or level.
    killed
        What its scheduler says of ending it: `time`, `memory` or `cancelled`.
    log
        What it printed.
    """

    host: str | None
    status: int | None
    failed: Mapping[str, Sequence[str]]
    killed: str | None
    log: Path


def cluster_folder(output_dir: Path) -> Path:
    """Folder of all submissions of a derivative data set."""
    return output_dir / 'logs' / 'cluster'


def new_folder(output_dir: Path) -> Path:
    """Folder of a submission that is about to be made; a second one in a second has a number."""
    base = cluster_folder(output_dir) / time.strftime('%Y-%m-%dT%H-%M-%S')
    names = (base if n == 1 else base.with_name(f'{base.name}-{n}') for n in range(1, 1000))
    return next(path for path in names if not path.exists())


def save_submission(submission: Submission) -> None:
    """Keep what was submitted in its folder."""
    content = {k: v for k, v in asdict(submission).items() if k not in ('folder', 'at')}
    save_json(content, submission.folder / _RECORD)


def read_submissions(output_dir: Path) -> list[Submission]:
    """All submissions of a derivative data set, the first first.

    Raises
    ------
    InputError
        A record cannot be read.
    """
    found = []
    for path in sorted(cluster_folder(output_dir).glob(f'*/{_RECORD}')):
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
            content['tasks'] = tuple(map(tuple, content['tasks']))
            at = path.stat().st_mtime
            found.append(Submission(**content, folder=path.parent, at=at))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(path, f'cannot be read ({error})', 'remove its folder') from error
    return found


def read_mark(folder: Path, name: str, patterns: Mapping[str, str]) -> Mark:
    """What the files of a task tell.

    Parameters
    ----------
    folder
        Of the submission.
    name
        `task-1` and so on, or `group`.
    patterns
        Of what the scheduler writes when it ends a task, by reason; the first that is found.
    """
    status = _text(folder / f'{name}.ended')
    log = folder / f'{name}.log'
    return Mark(
        host=_text(folder / f'{name}.started'),
        status=int(status) if status and status.isdigit() else None,
        failed=read_failures(folder / f'{name}.json'),
        killed=_reason(log, patterns) if status != '0' else None,
        log=log,
    )


def save_failures(failed: Mapping[str, Sequence[str]], path: Path) -> None:
    """Keep what failed in a run, by visit or level, for whoever asks what became of it."""
    save_json({'Failed': {name: list(sentences) for name, sentences in failed.items()}}, path)


def read_failures(path: Path) -> dict[str, list[str]]:
    """What `save_failures` has kept; nothing where there is no such file."""
    try:
        told = dict(json.loads(path.read_text(encoding='utf-8'))['Failed'])
    except (OSError, ValueError, TypeError, KeyError):
        return {}  # it has not come to its end
    return {name: list(map(str, own)) for name, own in told.items() if isinstance(own, list)}


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding='utf-8').strip()
    except OSError:
        return None


def _reason(log: Path, patterns: Mapping[str, str]) -> str | None:
    try:
        with log.open('rb') as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL))
            text = stream.read().decode('utf-8', errors='replace')
    except OSError:
        return None
    return next((why for why, pattern in patterns.items() if re.search(pattern, text)), None)
