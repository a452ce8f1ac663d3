"""Ratings of visits, as the forms of the pages save them, and whom they leave out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..nodes.errors import InputError
from ..nodes.statistics.values import name_some
from .tables import read_table

EXCLUDE = 'exclude'
RATINGS = {
    'accept': 'good enough for the comparison',
    'unsure': 'to be looked at by somebody else',
    EXCLUDE: 'not to be compared',
}
"""What a visit may be rated, and what that means."""
COLUMNS = ('participant_id', 'rating')
"""Columns that a table of ratings must have; session, reasons, rater and time may be there."""


def read_ratings(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read tables of ratings.

    Parameters
    ----------
    paths
        TSV files with the columns `COLUMNS`.

    Returns
    -------
    DataFrame
        `participant_id`, `session_id`, `rating`, `reasons` and `rater`; of each rater the last
        rating of a visit, in the order of `rated`.

    Raises
    ------
    InputError
        A file cannot be read, lacks a column, or holds what is no rating.
    """
    names = ('session_id', 'reasons', 'rater', 'rated')
    tables = []
    for path in paths:
        table = read_table(path, text=('rating', *names), needs=COLUMNS)
        for row in table.to_dict('records'):
            if row['rating'] not in RATINGS:
                raise InputError(
                    path,
                    f'rates {row["participant_id"]} {row["rating"]!r}',
                    f'give one of {", ".join(RATINGS)}',
                )
        if table['participant_id'].isna().any():
            raise InputError(path, 'rates somebody without participant_id', 'name whom, each row')
        tables.append(table.reindex(columns=[*COLUMNS, *names]))
    every = pd.concat(tables, ignore_index=True)
    every['participant_id'] = 'sub-' + every['participant_id'].str.removeprefix('sub-')
    every = every.sort_values('rated', kind='stable', na_position='first')
    return every.drop_duplicates(['participant_id', 'session_id', 'rater'], keep='last')


def excluded_visits(ratings: pd.DataFrame) -> dict[tuple[str, str | None], str]:
    """Why visits are left out, by participant and session; one rater who excludes is enough.

    A rating without a session is of all sessions of its participant, which then is None.
    """
    found = {}
    for row in ratings[ratings['rating'] == EXCLUDE].to_dict('records'):
        who = f' by {row["rater"]}' if pd.notna(row['rater']) else ''
        why = f' ({row["reasons"]})' if pd.notna(row['reasons']) else ''
        session = row['session_id'] if pd.notna(row['session_id']) else None
        found[(row['participant_id'], session)] = f'rated {EXCLUDE}{who}{why}'
    return found


def leave_out(
    regions: pd.DataFrame, ratings: Sequence[str | Path]
) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """Leave out the visits that are rated `exclude`.

    Parameters
    ----------
    regions
        Rows with `participant_id` and `session_id`.
    ratings
        Tables of ratings; nobody is left out if there are none.

    Returns
    -------
    tuple
        Rows of the visits that remain; why participants are left out of whom there are none; and
        warnings.

    Raises
    ------
    InputError
        Nobody remains, or a table is no table of ratings.
    """
    excluded = excluded_visits(read_ratings(ratings)) if ratings else {}
    kept, out = without_excluded(regions, excluded)
    if excluded and kept.empty:
        raise InputError('--exclude-rated', 'leaves nobody to compare', 'rate fewer as exclude')
    return kept, out, rating_warnings(excluded, set(regions['participant_id']), out)


def without_excluded(
    regions: pd.DataFrame, excluded: dict[tuple[str, str | None], str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Region rows of the visits that remain, and why participants are left out who have none.

    Parameters
    ----------
    regions
        Region tables with `participant_id` and `session_id`.
    excluded
        From `excluded_visits`.
    """
    reasons = [
        excluded.get((who, None))
        or excluded.get((who, None if pd.isna(session) else str(session)))
        for who, session in zip(regions['participant_id'], regions['session_id'], strict=True)
    ]
    out = pd.Series(reasons, index=regions.index, dtype=object).notna()
    kept = regions[~out]
    gone = regions.loc[out, 'participant_id']
    why = dict(zip(gone, (r for r in reasons if r), strict=True))
    return kept, {who: text for who, text in why.items() if who not in set(kept['participant_id'])}


def rating_warnings(
    excluded: Mapping[tuple[str, str | None], str], known: Collection[str], out: Collection[str]
) -> list[str]:
    """Sentences on whom ratings leave out.

    Parameters
    ----------
    excluded
        From `excluded_visits`.
    known
        Participants that there are.
    out
        Those of whom no visit is left.
    """
    rated = dict.fromkeys(who for who, _ in excluded)
    strange = [who for who in rated if who not in known]
    told = []
    if out:
        told.append(f'Left out as rated {EXCLUDE} ({len(out)}): {name_some(out)}.')
    if part := [who for who in rated if who in known and who not in out]:
        told.append(f'Some visits are left out as rated {EXCLUDE}, of {name_some(part)}.')
    if strange:
        told.append(f'Rated {EXCLUDE}, and in no region table: {name_some(strange)}.')
    return told
