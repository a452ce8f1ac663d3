"""What became of everybody by what runs leave in OUTPUT_DIR, on whatever machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ...nodes.errors import NigraError
from ..claims import Owner, working
from ..completion import (
    GROUP_COMPLETE,
    GROUP_FAILED,
    PROGRESS,
    began_at,
    is_whole,
    marker_folder,
)
from ..survey import LEFT_OUT, LOOK, PROBLEMS
from ..tables import read_table
from .records import GROUP, read_failures

ACTIVE = ('waiting', 'running')
"""States of those whom a scheduler, or a run on this machine, has."""
NOT_BEGUN = 'not begun'
"""State of those whom no run has that lives, and who have no results."""


@dataclass(frozen=True)
class State:
    """What became of a visit, or of the group level.

    Attributes
    ----------
    name
        `sub-01_ses-1`, or `group`.
    state
        `done`, `running`, `waiting`, `failed`, `not begun`, or `unknown` where the scheduler
        cannot be asked.
    reason
        Why it failed or waits, or where it runs.
    job
        Of the last task that had it, as the scheduler names it.
    tried
        When that was handed over, s since the epoch, where it has not begun and is not known to
        wait: what is older is not its work.
    """

    name: str
    state: str
    reason: str = ''
    job: str = ''
    tried: float | None = None


def is_group(name: str) -> bool:
    """Whether a name is that of a comparison and of nobody's visit."""
    return name.split(' ')[0] == GROUP


def with_local(known: Mapping[str, State], output_dir: Path) -> dict[str, State]:
    """States with what no scheduler knows: what is complete, has begun, waits or was left out.

    Parameters
    ----------
    known
        What submissions tell, by name.
    output_dir
        Root of the derivatives.
    """
    logs = output_dir / 'logs'
    looked = {state.name: state for state in _of_look(logs)}
    states = looked | dict(known)
    busy, ended = working(logs), _ended(logs)
    markers = {path.stem: path for path in marker_folder(output_dir).glob('sub-*.json')}
    roots = _comparisons(output_dir)
    markers |= {name: root / 'logs' / GROUP_COMPLETE for name, root in roots.items()}
    markers |= {n: marker_folder(output_dir) / f'{n}.json' for n in set(busy) - set(markers)}
    for name, marker in markers.items():
        state = states.get(name)
        whole = is_whole(marker, roots.get(name, output_dir))
        why = _refused(name, marker, logs, looked.get(name))
        if name in busy and not whole:
            job = state.job if state else ''
            states[name] = _of_run(name, busy[name], began_at(marker), ended.get(name), job)
        elif state and state.state in ACTIVE:
            continue
        elif why:
            old = ' What is there is of an earlier run.' if whole else ''
            states[name] = replace(state or State(name, ''), state='failed', reason=why + old)
        elif whole and state and _is_older(marker, state.tried):
            old = 'what is there is of an earlier run'
            states[name] = replace(state, reason='; '.join(filter(None, (state.reason, old))))
        elif whole:
            states[name] = replace(state or State(name, ''), state='done', reason='')
        elif name not in known and marker.is_file():
            left_out = state is not None and state.state == 'failed'
            begun = State(name, 'failed', 'was begun and did not come to its end')
            states[name] = state if state and left_out else begun
    return states


def _comparisons(output_dir: Path) -> dict[str, Path]:
    """Folders of the group level and of comparisons with names of their own, by name."""
    named = {f'{GROUP} {path.name}': path for path in sorted(output_dir.glob('analyses/*'))}
    return {GROUP: output_dir, **named}


def _refused(name: str, marker: Path, logs: Path, looked: State | None) -> str:
    """Why the newest attempt at a visit or comparison did not come to results, if it was so."""
    if is_group(name):
        sentences = read_failures(marker.with_name(GROUP_FAILED)).get(GROUP, ())
        return ' '.join(map(str, sentences))
    if looked is None or looked.state != 'failed':
        return ''
    try:
        return looked.reason if (logs / LOOK).stat().st_mtime > marker.stat().st_mtime else ''
    except OSError:
        return ''


def _is_older(marker: Path, tried: float | None) -> bool:
    """Whether results were complete before a job was handed over that has not begun."""
    try:
        return tried is not None and marker.stat().st_mtime < tried
    except OSError:
        return False


def _of_run(name: str, owner: Owner, begun: float | None, ended: float | None, job: str) -> State:
    """State of what a run that lives has taken, by when it was begun and has ended, s."""
    if ended is not None and ended >= int(owner.since):
        return State(name, 'failed', 'has ended without all of its results', job)
    if is_group(name) or (begun is not None and begun >= int(owner.since)):
        return State(name, 'running', owner.words, job)
    return State(name, 'waiting', f'for its turn in {owner.words}', job)


def _of_look(logs: Path) -> Iterator[State]:
    """Whom the last look has left out, and whom a run was going to process."""
    try:
        rows = read_table(logs / LOOK, text=('visit',), needs=('visit', 'state'))
        told = read_table(logs / PROBLEMS, text=('about',), needs=('level', 'about', 'problem'))
    except NigraError:  # there was none, or one of an earlier version
        return
    errors = told[told.level == 'error'].groupby('about').problem.agg(' '.join)
    for visit, state in rows.drop_duplicates('visit')[['visit', 'state']].itertuples(index=False):
        if state == LEFT_OUT:
            yield State(visit, 'failed', errors.get(visit, 'was left out by the look'))
        else:
            yield State(visit, NOT_BEGUN)


def _ended(logs: Path) -> dict[str, float]:
    """When visits last ended without all of their results, s since the epoch."""
    try:
        rows = read_table(logs / PROGRESS, text=('ended', 'visit', 'state'), needs=('visit',))
        last = rows.drop_duplicates('visit', keep='last')
        return {
            row.visit: datetime.fromisoformat(row.ended).timestamp()
            for row in last.itertuples()
            if row.state != 'complete'
        }
    except (NigraError, ValueError, AttributeError, TypeError):  # of other programs, or cut short
        return {}
