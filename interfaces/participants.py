"""Read `participants.tsv` as BIDS defines it, and refuse in words what cannot be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..nodes.errors import InputError
from ..nodes.statistics.groups import with_groups
from ..nodes.statistics.values import name_some
from .files import check_regular, read_json_object
from .spellings import same_people

MISSING = frozenset(['', 'n/a', 'na', 'nan', 'n.a.', '#n/a', '#na', '<na>', 'null', '.', '-', '?'])
"""How missing values are written, in lower case: as BIDS says, by programs, and by people."""
OLDEST = '89+'
"""How BIDS writes ages that privacy rules do not allow to be told."""

_WORKBOOKS = (b'PK\x03\x04', b'\xd0\xcf\x11\xe0')
"""First bytes of Excel's files, newer and older."""
_LIMITS = {'age': (0, 120, 'years'), 'edss': (0, 10, 'points')}


def read_participants(
    path: str | Path, *, group_column: str = 'group'
) -> tuple[pd.DataFrame, list[str]]:
    """Read the table of participants.

    A byte order mark and any line ends are accepted, as are participants without the key `sub-`;
    all of `MISSING` counts as missing.
    Columns of numbers become numbers; the group column stays text.

    Parameters
    ----------
    path
        `participants.tsv`; a JSON file of the same name beside it may list the `Levels` of the
        group column.
    group_column
        Column of groups; without that of the default everyone is of one group.

    Returns
    -------
    tuple
        Table in the file's order with `participant_id` first, and warnings.

    Raises
    ------
    InputError
        The file is missing, is no tab-separated table, names a participant twice or none, lacks
        a group column that was asked for, or holds a group, age or EDSS that cannot be.
    """
    path = Path(path)
    read = read_text_table(path)
    table, warnings = check_participants(read, path, group_column=group_column)
    if group_column in read:  # else the one group is not the table's
        _check_levels(table, path, group_column)
    return table, warnings


def check_participants(
    table: pd.DataFrame, path: Path, *, group_column: str = 'group'
) -> tuple[pd.DataFrame, list[str]]:
    """Check and tidy a table of participants whose cells are text.

    Parameters
    ----------
    table
        Cells as text, None where missing.
    path
        Where it comes from, for messages.
    group_column
        As in `read_participants`.

    Returns
    -------
    tuple
        As `read_participants`.

    Raises
    ------
    InputError
        As `read_participants`.
    """
    if 'participant_id' not in table:
        raise InputError(
            path,
            f'has no column participant_id but {", ".join(table.columns)}',
            'name the first column participant_id',
        )
    table, told = with_groups(table, group_column, str(path))
    offered = [c for c in table.columns if c != 'participant_id']
    table = table[['participant_id', *offered]].assign(
        participant_id=_full_ids(table.participant_id, path)
    )
    table, warnings = tidy_columns(table, path, text=('participant_id', group_column))
    return table, [*told, *warnings]


def tidy_columns(
    table: pd.DataFrame, path: Path, *, text: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Numbers as numbers and ages as BIDS writes them, in a table with `participant_id`.

    Parameters
    ----------
    table
        Cells as text.
    path
        For messages.
    text
        Columns that stay text.

    Raises
    ------
    InputError
        An age or EDSS cannot be.
    """
    table = table.copy()
    warnings = _clean_ages(table, path)
    offered = [c for c in table.columns if c not in text]
    for name in offered:
        table[name] = numbers_where_possible(table[name])
    for name in offered:
        if name.lower() in _LIMITS:
            _check_limits(table, name, path)
    return table, warnings


def as_text_table(frame: pd.DataFrame) -> pd.DataFrame:
    """A data frame with cells as `read_text_table` has them.

    Examples
    --------
    >>> as_text_table(pd.DataFrame({'age': [41.0, float('nan')]})).age.tolist()
    ['41', None]
    """
    if frame.index.name is not None and frame.index.name not in frame:
        frame = frame.reset_index()
    cells = {str(name): [_as_text(value) for value in column] for name, column in frame.items()}
    return pd.DataFrame(cells, dtype=object)


def _as_text(value: Any) -> str | None:
    if pd.isna(value):
        return None
    whole = isinstance(value, float) and value.is_integer()
    text = str(int(value) if whole else value).strip()
    return None if text.casefold() in MISSING else text


def read_text_table(path: Path) -> pd.DataFrame:
    """Cells as text, None where missing; refuses what is no tab-separated table."""
    check_regular(path)
    try:
        text = path.read_text(encoding='utf-8-sig')
    except FileNotFoundError as error:
        raise InputError(
            path, 'is missing', 'add it with the columns participant_id and group'
        ) from error
    except UnicodeDecodeError as error:
        if path.read_bytes().startswith(_WORKBOOKS):
            fix = 'save its sheet as text separated by tabs'
            raise InputError(path, 'is a workbook of Excel', fix) from error
        raise InputError(path, 'is not UTF-8 text', 'save it as UTF-8') from error
    except OSError as error:
        raise InputError(path, f'cannot be read ({error.strerror})', 'check the path') from error
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise InputError(path, 'holds no participants', 'add a row for each')
    for sign, word in ((',', 'commas'), (';', 'semicolons')):
        if '\t' not in lines[0] and sign in lines[0]:
            raise InputError(path, f'is separated by {word}', 'save it separated by tabs')
    if '\t' not in lines[0] and ' ' in lines[0].strip():
        raise InputError(path, 'is separated by spaces', 'save it separated by tabs')
    header, *rows = [[_unquote(cell) for cell in line.split('\t')] for line in lines]
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise InputError(path, f'has the column {min(twice)!r} twice', 'rename one')
    for row in rows:
        if len(row) != len(header):
            raise InputError(
                path,
                f'has {len(row)} cells in the row of {row[0]!r} but {len(header)} columns',
                'separate all cells by one tab and write n/a where a value is missing',
            )
    cells = [[None if cell.casefold() in MISSING else cell for cell in row] for row in rows]
    return pd.DataFrame(cells, columns=header, dtype=object)


def _unquote(cell: str) -> str:
    """Cell without spaces around it and without the quotes that spreadsheets add.

    Examples
    --------
    >>> _unquote(' "a ""b"" c" '), _unquote('5"')
    ('a "b" c', '5"')
    """
    cell = cell.strip()
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"').strip()
    return cell


def _full_ids(ids: pd.Series, path: Path) -> pd.Series:
    if ids.isna().any():
        raise InputError(path, 'has a row without participant_id', 'add it or remove the row')
    full = 'sub-' + ids.astype(str).str.removeprefix('sub-')
    twice = full[full.duplicated()].unique()
    if len(twice):
        raise InputError(path, f'names {name_some(twice)} more than once', 'keep one row for each')
    return full


def check_known(people: Sequence[str], table: Sequence[str], where: Path, column: str) -> None:
    """Refuse people whom the participants' table does not name.

    Parameters
    ----------
    people
        Those with images or results, with `sub-`.
    table
        Those of the table.
    where
        The table.
    column
        Of the groups.

    Raises
    ------
    InputError
        Somebody is not in the table; where the table has them by another spelling, it is named.
    """
    unknown = sorted(set(people) - set(table))
    if not unknown:
        return
    missing = f'has no row for {name_some(unknown)}, of whom there are region tables or images'
    pairs = same_people(unknown, sorted(set(table) - set(people)))
    if pairs:
        shown = name_some((f'{written} for {folder}' for folder, written in pairs), 3)
        raise InputError(
            where,
            f'{missing}; it has {shown}',
            'write the ids as the folders are called',
        )
    raise InputError(
        where, missing, f'add a row for each, with n/a as {column} for those not to be compared'
    )


def _check_levels(table: pd.DataFrame, path: Path, group_column: str) -> None:
    levels = read_dictionary(path).get(group_column, {}).get('Levels')
    if not isinstance(levels, dict | list):
        return
    for who, group in zip(table.participant_id, table[group_column], strict=True):
        if group is not None and group not in [str(level) for level in levels]:
            raise InputError(
                path,
                f'{group_column} of {who} is {group!r}, which {path.with_suffix(".json").name} '
                f'does not list',
                f'write one of {", ".join(map(str, levels))}, or add it there',
            )


def levels_of(dictionary: Mapping[str, Any], column: str) -> dict[str, str] | None:
    """What the values of a column stand for, by value; None where it is not told.

    Examples
    --------
    >>> levels_of({'sex': {'Levels': {'F': 'female', 'M': 1}}}, 'sex'), levels_of({}, 'sex')
    ({'F': 'female'}, None)
    """
    levels = dictionary.get(column, {}).get('Levels')
    if not isinstance(levels, dict):
        return None
    return {str(value): words for value, words in levels.items() if isinstance(words, str)}


def read_dictionary(path: Path) -> dict[str, Any]:
    """Column descriptions from the JSON file beside a table; empty where there is none.

    Raises
    ------
    InputError
        The file is not JSON.
    """
    sidecar = path.with_suffix('.json')
    if not sidecar.exists():
        return {}
    content = read_json_object(sidecar, 'describe each column by its name')
    return {k: v for k, v in content.items() if isinstance(v, dict)}


def _clean_ages(table: pd.DataFrame, path: Path) -> list[str]:
    warnings = []
    for name in [c for c in table.columns if c.lower() == 'age']:
        oldest = table[name] == OLDEST
        if oldest.any():
            table.loc[oldest, name] = OLDEST.rstrip('+')
            who = table.participant_id[oldest]
            warnings.append(
                f'{name} is {OLDEST} for {name_some(who)} in {path.name}; models take it as 89.'
            )
    return warnings


def numbers_where_possible(column: pd.Series) -> pd.Series:
    """Numbers where all known cells are finite numbers, else the text."""
    numbers = pd.to_numeric(column, errors='coerce').astype(float)
    finite = numbers.abs() < float('inf')
    if (finite | column.isna()).all() and finite.any():
        return numbers
    return column


def _check_limits(table: pd.DataFrame, name: str, path: Path) -> None:
    low, high, unit = _LIMITS[name.lower()]
    numbers = pd.to_numeric(table[name], errors='coerce')
    bad = table[name].notna() & ~numbers.between(low, high)
    if bad.any():
        first = table[bad].iloc[0]
        shown = f'{first[name]:g}' if isinstance(first[name], float) else repr(first[name])
        raise InputError(
            path,
            f'{name} of {first.participant_id} is {shown}',
            f'give {low} to {high} {unit}, or n/a where unknown',
        )
