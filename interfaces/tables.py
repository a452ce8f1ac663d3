"""Tables of the reports: columns by name, numbers for people, sorting by the full value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..nodes.errors import InputError, one_line
from .files import atomic_path

_FORMULA = re.compile("'*[=+@-]..*", re.DOTALL)
"""What a spreadsheet would compute on opening a table, with any apostrophes before it."""


def read_table(
    path: str | Path, *, text: Sequence[str] = (), needs: Sequence[str] = ()
) -> pd.DataFrame:
    """Read a TSV of nigra's own, in which only `n/a` and nothing at all are missing.

    Parameters
    ----------
    path
        The file.
    text
        Further columns that are never numbers.
    needs
        Columns that must be there.

    Raises
    ------
    InputError
        The file is absent, not a table, or lacks a column.
    """
    names = ('participant_id', 'session_id', 'run_id', 'region', 'hemisphere', 'atlas')
    try:
        frame = pd.read_csv(
            path,
            sep='\t',
            keep_default_na=False,
            na_values=['n/a', ''],
            dtype=dict.fromkeys((*names, *text), str),
            encoding='utf-8-sig',
        )
    except (OSError, ValueError) as error:
        raise InputError(path, f'cannot be read as a table ({error})', 'make it again') from error
    absent = [name for name in needs if name not in frame.columns]
    if absent:
        has = ', '.join(map(str, frame.columns))
        raise InputError(path, f'has no column {absent[0]!r}, only {has}', 'make it again')
    frame.columns = [plain(name) for name in frame.columns]
    return _in_text(frame, plain)


def readable(name: object) -> str:
    """Name of a region or hemisphere as people write it.

    Examples
    --------
    >>> readable('substantia_nigra'), readable('thalamus_whole'), readable('L')
    ('substantia nigra', 'whole thalamus', 'left')
    """
    special = {'thalamus_whole': 'whole thalamus', 'L': 'left', 'R': 'right'}
    text = str(name)
    return special.get(text, text.replace('_', ' '))


DIGITS = 10
"""Significant digits of numbers in tables."""


def as_saved(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its numbers as `save_table` writes them, so that both give one result.

    Examples
    --------
    >>> as_saved(pd.DataFrame({'x': [1 / 3]})).x.tolist()
    [0.3333333333]
    """
    numbers = table.select_dtypes('floating')
    return table.assign(**{
        name: [float(f'{value:.{DIGITS}g}') for value in column]
        for name, column in numbers.items()
    })  # fmt: skip


def save_table(table: pd.DataFrame, path: Path, *, digits: int = DIGITS) -> Path:
    """Save a table as BIDS wants it: tabs, n/a for what is missing; `digits` are significant.

    Texts are guarded against spreadsheets; `read_table` gives them back as they were.
    """
    written = _in_text(table.rename(columns=guarded), guarded)
    for place, kind in enumerate(written.dtypes):
        if isinstance(kind, np.dtype) and kind.kind == 'f':
            written.isetitem(place, _written(written.iloc[:, place].to_numpy(float), digits))
    with atomic_path(path) as temporary:
        written.to_csv(temporary, sep='\t', na_rep='n/a', index=False)
    return path


def _written(numbers: NDArray[np.float64], digits: int) -> NDArray[np.object_]:
    """Numbers as text, n/a for those that are missing; pandas takes ten times as long."""
    out = np.full(len(numbers), 'n/a', dtype=object)
    known = ~np.isnan(numbers)
    out[known] = [f'{number:.{digits}g}' for number in numbers[known].tolist()]
    return out


def _in_text(table: pd.DataFrame, change: Any) -> pd.DataFrame:
    """The table with all texts changed, those of mixed columns, too."""
    changed = {}
    for name, kind in table.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            words = table[name].astype(object).map(change, na_action='ignore')
            changed[str(name)] = words if kind == 'category' else words.astype(kind)
    return table.assign(**changed)


def guarded(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it.

    Numbers and single signs, which are no formulas, stay; so does whatever is no text.

    Examples
    --------
    >>> guarded('=1+1'), guarded('-1.5e3'), guarded('+'), guarded('sub-01')
    ("'=1+1", '-1.5e3', '+', 'sub-01')
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if _FORMULA.fullmatch(text) and not _is_number(text) else text


def plain(value: Any) -> Any:
    """Text without the apostrophe that `guarded` put before it.

    Examples
    --------
    >>> plain("'-x"), plain("'quoted'")
    ('-x', "'quoted'")
    """
    guards = isinstance(value, str) and value[:1] == "'" and _FORMULA.fullmatch(value)
    return value[1:] if guards else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
