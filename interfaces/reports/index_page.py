"""The page of the whole study: everyone with a picture, their state and what stands apart."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from ...nodes.anatomy.quality import LEAST_RUNS
from ...nodes.errors import NigraError
from ...nodes.statistics.values import VISIT
from ..completion import find_outputs, marker_folder
from ..files import read_json, save_text
from ..quality import PATTERN, gather_quality
from .cells import Column, counted
from .figure_files import FIGURES
from .persons import Persons, fill_in, read_persons
from .provenance import Provenance
from .quality_part import in_words, measures_in
from .report import PEOPLE, as_data, render_page, thumbnail_path
from .viewer_files import viewer_path

INDEX = 'index.html'
_STATES = {
    'finished': 'Everything was made',
    'failed': 'This run could not finish it; the log says why',
    'unfinished': 'Begun and not finished: being made now, or stopped',
    'waiting': 'In the table of participants, and not begun',
}
_COLUMNS = (
    Column('Participant'),
    Column('Group'),
    Column('Age, sex', 'As in the table of participants, or in that of the visit’s sessions'),
    Column('State', '; '.join(f'{name}: {words}' for name, words in _STATES.items())),
    Column('Problems', 'What the page of the run calls a problem'),
    Column(
        'Stands apart by',
        'Measures of quality that are far worse than in the other runs, with the modified z in '
        'brackets: the distance from their median in robust standard deviations',
    ),
)


def write_index(
    root: Path, *, study: Mapping[str, Any], group_column: str = 'group',
    failed: Mapping[str, Sequence[str]] | None = None, version: str = '',
    bids_dir: str | Path | None = None, people: Collection[str] | None = None,
) -> Path:  # fmt: skip
    """Write the page that leads to everybody's, and on everybody's who they are.

    Parameters
    ----------
    root
        Root of the derivatives.
    study
        From `provenance.describe_study`.
    group_column
        Of the table of participants.
    failed
        Sentences by visit or participant, of the run that has just ended.
    version
        Of nigra.
    bids_dir
        Data set that may have tables of sessions.
    people
        `sub-01` and others on whose pages it is written who they are; everybody by default.
    """
    persons = read_persons(root, group_column=group_column, bids_dir=bids_dir)
    rows = index_rows(root, persons, failed=failed or {})
    for visit in (row[0] for row in rows):
        if people is None or visit.split('_')[0] in people:
            for page in (root / f'{visit}.html', viewer_path(root, visit)):
                fill_in(page, persons.line(visit))
    states = pd.Series([row[3] for row in rows], dtype=str).value_counts()
    counts = [f'{states[name]} {name}' for name in _STATES if name in states]
    for column, word in ((4, 'with problems'), (5, 'standing apart')):
        marked = sum(bool(row[column]) for row in rows)
        counts += [f'{marked} {word}'] if marked else []
    context = {
        'chips': [counted(len(rows), 'visit'), *counts],
        'columns': _COLUMNS,
        'group': (root / 'group.html').is_file(),
        'compare': shlex.join(['nigra', str(bids_dir or 'BIDS_DIR'), str(root), 'group']),
        'beside': PEOPLE if (root / PEOPLE).is_file() else '',
        'viewers': any(row[8] for row in rows),
        'images': " 'self' file:",  # thumbnails lie beside the page, so that it stays small
        'data': as_data(rows),
        'apart': 'none' if _enough(root) else f'needs {LEAST_RUNS} runs',
        'measures': measures_in([row[5] for row in rows]),
        'sections': [],
        'ways': _group_pages(root),
    }  # fmt: skip
    html = render_page('index.html.j2', context, version=version, study=Provenance.now(study))
    return save_text(html, root / INDEX)


def _group_pages(root: Path) -> list[tuple[str, str]]:
    """Links to the page of the comparison and to those of further analyses, with their names."""
    pages = [('group.html', 'Groups'), (PEOPLE, 'Person by person')]
    first = [(name, title) for name, title in pages if (root / name).is_file()]
    others = sorted(root.glob('analyses/*/group.html'))
    return [
        *first,
        *((quote(page.relative_to(root).as_posix()), page.parent.name) for page in others),
    ]


def index_rows(
    root: Path, persons: Persons, *, failed: Mapping[str, Sequence[str]]
) -> list[list[str]]:
    """What a row has of everybody.

    Visit, group, age and sex, state, problems, what stands apart, page, thumbnail and viewer.

    Parameters
    ----------
    root, failed
        As in `write_index`.
    persons
        Everybody in the table of participants.
    """
    told = _quality(root)
    states = {path.stem: _state(path) for path in marker_folder(root).glob('sub-*.json')}
    begun = {visit.split('_')[0] for visit in states}
    named = {name.split('_')[0] for name in persons.known}
    states |= dict.fromkeys(named - begun, 'waiting')
    states |= {name: 'failed' for name in failed if name.startswith('sub-')}
    rows = []
    for visit in sorted(states):
        page, picture = root / f'{visit}.html', thumbnail_path(root, visit)
        viewer, person = viewer_path(root, visit), persons.of(visit)
        rows.append([
            visit, person.group, person.about, states[visit], *told.get(visit, ('', '')),
            quote(page.name) if page.is_file() else '',
            quote(f'{FIGURES}/{picture.name}') if picture.is_file() else '',
            quote(viewer.name) if viewer.is_file() else '',
        ])  # fmt: skip
    return rows


def _enough(root: Path) -> bool:
    """Whether there are runs enough to tell who stands apart."""
    return len(find_outputs(root, PATTERN)) >= LEAST_RUNS


def _state(marker: Path) -> str:
    try:
        return 'finished' if read_json(marker).get('Outputs') else 'unfinished'
    except (NigraError, AttributeError):
        return 'unfinished'


def _quality(root: Path) -> dict[str, tuple[str, str]]:
    """Problems, and what stands apart, by visit; runs of a visit together."""
    paths = find_outputs(root, PATTERN)
    if not paths:
        return {}
    try:
        table = gather_quality(paths)
    except NigraError:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for row in table.to_dict('records'):
        visit = '_'.join(str(row[key]) for key in VISIT[:2] if pd.notna(row[key]))
        problems, flags = (in_words(row[name]) for name in ('problems', 'flags'))
        before = found.get(visit, ('', ''))
        found[visit] = (_joined(before[0], problems), _joined(before[1], flags))
    return found


def _joined(*texts: str) -> str:
    return '; '.join(filter(None, texts))
