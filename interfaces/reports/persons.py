"""Who a visit is of: group, age and sex, as the tables of participants and sessions have them.

A person's pages are made once and stay, while the tables change. So a page has a place for this,
of one length, which every run fills anew at its end: markers of finished visits know the sizes of
their files, and no page tells of another group than the index does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from ...nodes.errors import NigraError
from ..participants import levels_of, read_dictionary, read_text_table
from ..sessions import find_session_tables, session_folders

LOGGER = logging.getLogger('nigra')

PLACE = '<p class="person">'
"""How the place of a person begins on a page."""
_ROOM = 1400
"""Bytes of the place, its ends included; three values of `_LONGEST` fit in the worst spelling."""
_LONGEST = 48
"""Characters of a value that are shown."""
_HEAD = 1 << 16
"""Bytes of a page among which the place is: the style sheet, some 20 thousand, comes before."""


@dataclass(frozen=True)
class Person:
    """Group, age and sex as text; empty where not known."""

    group: str = ''
    age: str = ''
    sex: str = ''

    def told(self, levels: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
        """What is known in words; `levels` says what the values of a field mean."""
        for name, value in (('group', self.group), ('age', self.age), ('sex', self.sex)):
            if value:
                meaning = levels.get(name, {}).get(value, '')
                more = f' ({meaning[:_LONGEST]})' if meaning and meaning != value else ''
                yield f'{name} {value[:_LONGEST]}{more}'

    @property
    def about(self) -> str:
        """Age and sex in a cell of a table."""
        return ', '.join(filter(None, (self.age, self.sex)))


@dataclass(frozen=True)
class Persons:
    """Everybody in the tables.

    Attributes
    ----------
    known
        By `sub-01`, and by `sub-01_ses-a` where a session has values of its own.
    levels
        What the values of `group` and `sex` mean, where the table's JSON file says it.
    """

    known: Mapping[str, Person]
    levels: Mapping[str, Mapping[str, str]]

    def of(self, visit: str) -> Person:
        """The person of a visit; nothing is known of somebody whom no table names."""
        who, session = _keys(visit)
        return self.known.get(session) or self.known.get(who, Person())

    def line(self, visit: str) -> bytes:
        """The place on the pages of a visit, always of one length."""
        told = ' · '.join(self.of(visit).told(self.levels))
        more = ' and the table of sessions' if _keys(visit)[1] in self.known else ''
        text = Markup('{}<b>{}</b> in participants.tsv{} when nigra last ran here').format(
            Markup(PLACE), told, more
        )
        content = (text if told else Markup(PLACE)) + Markup('</p>')
        return str(content).encode().ljust(_ROOM)


def _keys(visit: str) -> tuple[str, str]:
    """Names under which a person and the session of a visit are known; empty without session."""
    who, *more = visit.split('_')
    return who, f'{who}_{more[0]}' if more and more[0].startswith('ses-') else ''


def empty_place() -> Markup:
    """The place of a person whom nobody has told of yet."""
    return Markup(Persons({}, {}).line('').decode())


def read_persons(root: Path, *, group_column: str, bids_dir: str | Path | None = None) -> Persons:
    """Everybody whom the table kept with the derivatives names; nobody where it cannot be read.

    Parameters
    ----------
    root
        Root of the derivatives.
    group_column
        Of the table.
    bids_dir
        Data set whose tables of sessions count, too.
    """
    table = root / 'participants.tsv'
    try:
        rows = read_text_table(table)
        people = {f'sub-{str(who).removeprefix("sub-")}': _named(row, group_column)
                  for who, row in _rows(rows, 'participant_id')}  # fmt: skip
        levels = _levels(table, rows, group_column)
    except NigraError:
        return Persons({}, {})
    known = {who: Person(**values) for who, values in people.items()}
    for who, path in find_session_tables(session_folders(table, bids_dir), people).items():
        try:
            sessions = read_text_table(path)
        except NigraError:
            continue
        for session, row in _rows(sessions, 'session_id'):
            own = _named(row, group_column)
            if own:
                name = f'{who}_ses-{str(session).removeprefix("ses-")}'
                known[name] = Person(**people[who] | own)
    return Persons(known, levels)


def _rows(table: pd.DataFrame, key: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a table that have a key, without what is missing."""
    for row in table.to_dict('records'):
        if row.get(key) is not None:
            yield row[key], {str(name): str(v) for name, v in row.items() if v is not None}


def _named(row: Mapping[str, str], group_column: str) -> dict[str, str]:
    """Values of a row that pages show, by field of `Person`."""
    fields = {group_column: 'group'}
    plain = {name: name.casefold() for name in row if name.casefold() in ('age', 'sex')}
    return {field: row[name] for name, field in (plain | fields).items() if name in row}


def _levels(table: Path, rows: pd.DataFrame, group_column: str) -> dict[str, dict[str, str]]:
    found = {}
    words = read_dictionary(table)
    for name, field in {**{c: c.casefold() for c in rows}, group_column: 'group'}.items():
        levels = levels_of(words, name)
        if field in ('group', 'sex') and levels is not None:
            found[field] = levels
    return found


def fill_in(page: Path, line: bytes) -> None:
    """Write who a page is of into its place, where it has one and something else stands there.

    The file keeps its size, and a page that is being made anew by somebody else meanwhile is not
    brought back. A page of another version, whose place has another length, stays as it is.

    Parameters
    ----------
    page
        HTML file, which may be absent.
    line
        From `Persons.line`.
    """
    try:
        for mode in ('rb', 'r+b'):  # most pages stay as they are, and may be read-only
            with page.open(mode) as file:
                start = _outdated(file.read(_HEAD), line)
                if start is None:
                    return
                if mode == 'r+b':
                    file.seek(start)
                    file.write(line)
    except FileNotFoundError:
        return
    except OSError as error:
        LOGGER.warning(
            '%s keeps an older line on its person (%s); make it writable and give the same '
            'command again',
            page, error.strerror,
        )  # fmt: skip


def _outdated(head: bytes, line: bytes) -> int | None:
    """Where the place begins in the head of a page; None where there is nothing to be written."""
    start = head.find(PLACE.encode())
    place = head[start : start + len(line)]
    if start < 0 or place == line or len(place) < len(line):
        return None
    return start if not place.partition(b'</p>')[2].strip() else None
