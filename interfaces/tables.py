"""Tables of the reports: columns by name, numbers for people, sorting by the full value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..nodes.errors import InputError
from .files import atomic_path


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
    return frame


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
    """Save a table as BIDS wants it: tabs, n/a for what is missing; `digits` are significant."""
    written = table.copy(deep=False)
    for place, kind in enumerate(table.dtypes):
        if isinstance(kind, np.dtype) and kind.kind == 'f':
            written.isetitem(place, _written(table.iloc[:, place].to_numpy(float), digits))
    with atomic_path(path) as temporary:
        written.to_csv(temporary, sep='\t', na_rep='n/a', index=False)
    return path


def _written(numbers: NDArray[np.float64], digits: int) -> NDArray[np.object_]:
    """Numbers as text, n/a for those that are missing; pandas takes ten times as long."""
    out = np.full(len(numbers), 'n/a', dtype=object)
    known = ~np.isnan(numbers)
    out[known] = [f'{number:.{digits}g}' for number in numbers[known].tolist()]
    return out
