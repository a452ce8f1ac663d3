"""Tables of the pages and their numbers as people write them; sorting is by the full value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from ..tables import readable

MINUS = '−'

THIN_SPACE = '\u202f'


@dataclass(frozen=True)
class Column:
    """How a column is shown.

    Attributes
    ----------
    title
        Heading.
    hint
        Explanation, shown when the pointer rests on the heading.
    show
        Formats a number; None for columns of text.
    words
        Whether text is one of nigra's own names, such as `red_nucleus`, to be written as words.
    """

    title: str
    hint: str = ''
    show: Callable[[float], str] | None = None
    words: bool = False


@dataclass(frozen=True)
class Cell:
    """One entry: what people read, what sorting compares, and where it leads."""

    text: str
    sort: str = ''
    css_class: str = ''
    href: str = ''


@dataclass(frozen=True)
class Table:
    """Headings and rows, ready for a template.

    Attributes
    ----------
    columns, rows, row_classes
        In order.
    lead
        How many columns are shown before the others are unfolded; 0 for all.
    rest
        How many rows more there are in the file.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    row_classes: tuple[str, ...] = field(default=())
    lead: int = 0
    rest: int = 0


def fixed(digits: int) -> Callable[[float], str]:
    """Formatter with a fixed number of decimals, a true minus sign and thousands set apart.

    Examples
    --------
    >>> fixed(1)(-3.14159), fixed(0)(-0.2)
    ('−3.1', '0')
    """

    def show(value: float) -> str:
        text = f'{value:,.{digits}f}'
        text = text.lstrip('-') if not text.strip('-0.,') else text
        return text.replace('-', MINUS).replace(',', THIN_SPACE)

    return show


def significant(digits: int) -> Callable[[float], str]:
    """Formatter with a number of significant digits, without exponents where they can be avoided.

    Examples
    --------
    >>> significant(3)(0.0123456), significant(3)(-123.45)
    ('0.0123', '−123')
    """

    def show(value: float) -> str:
        if value == 0:
            return '0'
        if 1e-4 <= abs(value) < 10**digits:
            return f'{value:.{digits}g}'.replace('-', MINUS)
        if 10**digits <= abs(value) < 1e7:
            return fixed(0)(value)
        return f'{value:.{digits - 1}e}'.replace('-', MINUS)

    return show


def together(*values: float) -> list[str]:
    """Numbers with one count of decimals, so that the largest has three significant digits.

    Examples
    --------
    >>> together(-6.391, -8.03, -4.75), together(0.0121, -0.1)
    (['−6.39', '−8.03', '−4.75'], ['0.012', '−0.100'])
    """
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    digits = 2 - math.floor(math.log10(largest)) if largest > 0 else 0
    show = fixed(min(max(digits, 0), 9))
    return [show(v) if math.isfinite(v) else 'n/a' for v in values]


def p_value(value: float) -> str:
    """P value as journals print it; below .05 never as .05.

    Examples
    --------
    >>> p_value(0.00002), p_value(0.0123), p_value(0.0497), p_value(0.5), p_value(1.0)
    ('<.001', '.012', '.0497', '.50', '1')
    """
    if value < 0.001:
        return '<.001'
    if value >= 0.995:
        return '1'
    digits = 3 if value < 0.1 else 2
    while value < 0.05 <= round(value, digits):
        digits += 1
    return f'{value:.{digits}f}'.removeprefix('0')


def percent(value: float) -> str:
    """A fraction as whole percent, without the sign.

    Examples
    --------
    >>> percent(0.974)
    '97'
    """
    return f'{100 * value:.0f}'


def counted(count: int, one: str, several: str = '') -> str:
    """A number with its noun; the plural adds an s unless it is given.

    Examples
    --------
    >>> counted(1, 'echo', 'echoes'), counted(0, 'run')
    ('1 echo', '0 runs')
    """
    return f'{count} {one if count == 1 else several or one + "s"}'


def make_table(
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    *,
    row_class: Callable[[Mapping[Any, Any]], str] = lambda row: '',
    cell_class: Callable[[str, Any], str] = lambda name, value: '',
    cell_href: Callable[[str, Mapping[Any, Any]], str] = lambda name, row: '',
    lead: int = 0,
    most: int | None = None,
) -> Table:
    """Choose, order and format the columns of a data frame; absent ones are left out.

    Parameters
    ----------
    frame
        Data.
    columns
        By name, in order.
    row_class, cell_class
        CSS classes from a row's or a cell's values.
    cell_href
        Where a cell leads, from its column and the row's values.
    lead
        As in `Table`.
    most
        Rows to show; all by default.
    """
    chosen = {name: column for name, column in columns.items() if name in frame.columns}
    records: Sequence[Mapping[Any, Any]] = frame.iloc[:most].to_dict('records')
    rows = tuple(
        tuple(
            replace(
                _cell(record[name], column, cell_class(name, record[name])),
                href=cell_href(name, record),
            )
            for name, column in chosen.items()
        )
        for record in records
    )
    classes = tuple(row_class(record) for record in records)
    lead = lead if lead < len(chosen) else 0
    return Table(tuple(chosen.values()), rows, classes, lead, len(frame) - len(records))


def _cell(value: Any, column: Column, css_class: str) -> Cell:
    if value is None or pd.isna(value):
        kind = 'missing' if column.show is None else 'missing number'
        return Cell('n/a', '', f'{css_class} {kind}'.strip())
    if column.show is None:
        return Cell(readable(value) if column.words else str(value), str(value), css_class)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return Cell(str(value), str(value), css_class)
    return Cell(column.show(number), repr(number), f'{css_class} number'.strip())


def flatten(values: Mapping[str, Any], prefix: str = '') -> list[tuple[str, str]]:
    """Nested settings as pairs of a dotted name and a text.

    Examples
    --------
    >>> flatten({'inversion': {'weight': 0.0004, 'steps': [1, 2]}})
    [('inversion.weight', '0.0004'), ('inversion.steps', '1, 2')]
    """
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f'{prefix}{key}'
        if isinstance(value, Mapping):
            pairs += flatten(value, f'{name}.')
        elif isinstance(value, list | tuple) and not any(isinstance(v, Mapping) for v in value):
            pairs.append((name, ', '.join(_as_text(v) for v in value)))
        else:
            pairs.append((name, _as_text(value)))
    return pairs


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, float):
        return significant(5)(value)
    return 'none' if value is None else str(value)
