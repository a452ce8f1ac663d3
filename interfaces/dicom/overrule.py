"""Roles of series that somebody has written down, to overrule how their headers are read."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ...nodes.errors import InputError
from ..files import read_json_object
from ..participants import read_text_table
from .people import Visit
from .roles import ROLES
from .series import Header

_NARROWER = ('participant_id', 'session_id')


def read_map(path: Path | None) -> pd.DataFrame:
    """Series and their roles: TSV with the columns series and role, or JSON {series: role}.

    A series is its number, its SeriesInstanceUID, or its description, in which * stands for
    anything; columns `participant_id`, `session_id` and `series_uid` narrow a row of a TSV. A row
    without role says nothing, so that the table of `--table` can be edited.

    Raises
    ------
    InputError
        The file cannot be read, lacks a column, or names an unknown role.
    """
    empty = pd.DataFrame(columns=[*_NARROWER, 'series_uid', 'series', 'role'], dtype=object)
    if path is None:
        return empty
    if path.suffix == '.json':
        content = read_json_object(path, 'write {"7": "phase"}')
        table = pd.DataFrame({'series': list(content), 'role': list(content.values())})
    else:
        table = read_text_table(path)
    for name in ('series', 'role'):
        if name not in table:
            raise InputError(path, f'has no column {name}', 'write the columns series and role')
    table = table.reindex(columns=empty.columns).astype(object)
    table = table[table.role.notna() & table.series.notna()]
    for series, role in zip(table.series, table.role, strict=True):
        if role not in ROLES:
            raise InputError(
                path, f'calls series {series} {role!r}', f'choose among {", ".join(ROLES)}'
            )
    return table.where(table.notna(), None)


def forced_roles(
    table: pd.DataFrame, visits: Sequence[Visit], path: Path | None
) -> dict[str, str]:
    """Role by series identifier.

    Raises
    ------
    InputError
        A row fits no series, or its number is that of two in a visit.
    """
    out: dict[str, str] = {}
    for row in table.itertuples():
        found: list[Header] = []
        for visit in visits:
            if any(getattr(row, n) not in (None, getattr(visit, n)) for n in _NARROWER):
                continue
            meant = [one.header for one in visit.series if _is_meant(one.header, row)]
            _check_numbers(meant, str(row.series), visit, path)
            found += meant
        if not found:
            known = sorted({str(s.header.number) for v in visits for s in v.series}, key=int)
            some = ', '.join(known[:10]) + (', ...' if len(known) > 10 else '')
            raise InputError(
                path, f'names series {row.series!r}, which is not there', f'choose among {some}'
            )
        out |= {header.series: str(row.role) for header in found}
    return out


def series_uids(visit: Visit) -> list[str | None]:
    """UID of each series whose number another of the visit has, too; None of all others."""
    uids: dict[int, set[str]] = {}
    for one in visit.series:
        uids.setdefault(one.header.number, set()).add(one.header.series)
    headers = [one.header for one in visit.series]
    return [h.series if len(uids[h.number]) > 1 else None for h in headers]


def _is_meant(header: Header, row: Any) -> bool:
    """Whether a row of the map names this series."""
    name = str(row.series)
    named = name in (str(header.number), header.series)
    named |= fnmatch.fnmatchcase(header.description, name)
    return named and row.series_uid in (None, header.series)


def _check_numbers(meant: Sequence[Header], name: str, visit: Visit, path: Path | None) -> None:
    """Refuse a number that two series of a visit have, as after a second registration."""
    alike = {h.series: h.description for h in meant if str(h.number) == name}
    if len(alike) > 1:
        told = ' and '.join(f'{uid} ({description})' for uid, description in alike.items())
        raise InputError(
            path,
            f'names series {name!r}, which {visit.prefix} has {len(alike)} times: {told}',
            'write the UID instead of the number, or correct the table that --table saves, which '
            'has it in its column series_uid',
        )
