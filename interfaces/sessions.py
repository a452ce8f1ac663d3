"""Values of single sessions, as BIDS keeps them: `sub-XX/sub-XX_sessions.tsv`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..nodes.errors import InputError
from ..nodes.statistics.measures import MEASURES
from ..nodes.statistics.values import TABLE_COLUMNS, name_some
from .participants import numbers_where_possible, read_text_table, tidy_columns
from .spellings import spelt_alike

VISIT = ['participant_id', 'session_id']


def find_session_tables(folders: Iterable[Path], people: Iterable[str]) -> dict[str, Path]:
    """The table of each person who has one, from the first folder that holds it.

    Parameters
    ----------
    folders
        Roots of data sets.
    people
        With the key `sub-`.
    """
    roots = list(dict.fromkeys(folders))
    found = {}
    for who in dict.fromkeys(people):
        paths = (root / who / f'{who}_sessions.tsv' for root in roots)
        path = next((p for p in paths if p.is_file()), None)
        if path is not None:
            found[who] = path
    return found


def read_sessions(tables: dict[str, Path], *, group_column: str = 'group') -> pd.DataFrame:
    """All values of sessions, one row each, text and numbers as in the table of participants.

    Parameters
    ----------
    tables
        From `find_session_tables`.
    group_column
        Column of groups, which stays text.

    Raises
    ------
    InputError
        A table cannot be read, lacks `session_id`, names a session twice, or holds an age or EDSS
        that cannot be.
    """
    read = [_read_one(who, path, group_column) for who, path in tables.items()]
    return pd.concat(read, ignore_index=True) if read else pd.DataFrame(columns=VISIT)


def _read_one(who: str, path: Path, group_column: str) -> pd.DataFrame:
    table = read_text_table(path)
    if 'session_id' not in table:
        raise InputError(
            path,
            f'has no column session_id but {", ".join(table.columns)}',
            'name the first column session_id',
        )
    if table.session_id.isna().any():
        raise InputError(path, 'has a row without session_id', 'add it or remove the row')
    full = 'ses-' + table.session_id.astype(str).str.removeprefix('ses-')
    twice = full[full.duplicated()].unique()
    if len(twice):
        raise InputError(path, f'names {name_some(twice)} more than once', 'keep one row for each')
    taken = [c for c in table if c in (*TABLE_COLUMNS, *MEASURES)]
    table = table.drop(columns=taken).assign(participant_id=who, session_id=full)
    tidy, _ = tidy_columns(table[[*VISIT, *table.columns.difference(VISIT, sort=False)]], path,
                           text=(*VISIT, group_column))  # fmt: skip
    return tidy


def use_sessions(regions: pd.DataFrame, sessions: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Region rows with the values of their own session where it has some, and what was done.

    Parameters
    ----------
    regions
        Region tables with the participants' columns.
    sessions
        From `read_sessions`; a value that is missing there leaves that of the participant.
    """
    if sessions.empty:
        return regions, []
    rows = pd.MultiIndex.from_frame(regions[VISIT])
    own = sessions.set_index(VISIT).dropna(axis=1, how='all')
    changed = {}
    for name in own:
        values = pd.Series(own[name].reindex(rows).to_numpy(), regions.index, dtype=object)
        before = regions[name] if name in regions else pd.Series(None, regions.index, dtype=object)
        mixed = values.where(values.notna(), before.astype(object))
        changed[name] = mixed if values.isna().all() else numbers_where_possible(mixed)
        if name in regions and not pd.api.types.is_numeric_dtype(regions[name]):
            changed[name] = mixed
    return regions.assign(**changed), _told(regions, own)


def _told(regions: pd.DataFrame, own: pd.DataFrame) -> list[str]:
    """Which columns come from the sessions, and whose tables name no measured session."""
    measured = set(regions[VISIT].dropna().itertuples(index=False, name=None))
    matched = [visit for visit in own.index if visit in measured]
    people = dict.fromkeys(who for who, _ in matched)
    told = []
    if matched:
        told.append(
            f'Values of single sessions come from sub-*_sessions.tsv, of {len(people)} '
            f'participants: {", ".join(own.columns)}.'
        )
    idle = [w for w in dict.fromkeys(own.index.get_level_values(0)) if w not in people]
    if idle:
        told.append(
            f'The sessions.tsv of {name_some(idle)} names no session that was measured and is '
            'not used.'
        )
    return told + _spelt_otherwise(measured, own.index)


def _spelt_otherwise(measured: Iterable[tuple[str, str]], written: Iterable[Any]) -> list[str]:
    """A warning of sessions that tables call otherwise than the results."""
    of_each: dict[str, set[str]] = {}
    for who, session in (*measured, *written):
        of_each.setdefault(who, set()).add(session)
    found = [
        f'{" and ".join(names)} of {who}'
        for who, sessions in sorted(of_each.items())
        for names in spelt_alike(sessions)
    ]
    if not found:
        return []
    return [
        f'Tables of sessions and results spell sessions differently ({name_some(found, 3)}), so '
        'that the values of the tables are not used; spell them as the folders do.'
    ]


def session_folders(participants_file: Path, bids_dir: str | Path | None) -> Sequence[Path]:
    """Where tables of sessions may lie: beside the participants' table, and in the data set."""
    return [participants_file.parent, *([Path(bids_dir)] if bids_dir else [])]
