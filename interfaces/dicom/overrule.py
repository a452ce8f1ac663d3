"""Roles of series that somebody has written down, to overrule how their headers are read."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ...nodes.errors import InputError
from ..files import read_json_object
from ..participants import read_text_table
from .people import Visit
from .roles import ROLES

_NARROWER = ('participant_id', 'session_id')


def read_map(path: Path | None) -> pd.DataFrame:
    """Series and their roles: TSV with the columns series and role, or JSON {series: role}.

    A series is its number, or its description, in which * stands for anything; columns
    `participant_id` and `session_id` narrow a row of a TSV. A row without role says nothing, so
    that the table of `--table` can be edited.

    Raises
    ------
    InputError
        The file cannot be read, lacks a column, or names an unknown role.
    """
    empty = pd.DataFrame(columns=[*_NARROWER, 'series', 'role'], dtype=object)
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
        A row fits no series.
    """
    out = {}
    for row in table.itertuples():
        hit = False
        for visit in visits:
            if any(getattr(row, n) not in (None, getattr(visit, n)) for n in _NARROWER):
                continue
            for one in visit.series:
                number, name = str(one.header.number), one.header.description
                if row.series == number or fnmatch.fnmatchcase(name, str(row.series)):
                    out[one.header.series] = str(row.role)
                    hit = True
        if not hit:
            known = sorted({str(s.header.number) for v in visits for s in v.series}, key=int)
            some = ', '.join(known[:10]) + (', ...' if len(known) > 10 else '')
            raise InputError(
                path, f'names series {row.series!r}, which is not there', f'choose among {some}'
            )
    return out
