"""Quality of all runs on the group page: what stands apart first, each leading to its own page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ...nodes.anatomy.quality import LEAST_RUNS
from ...nodes.statistics.values import VISIT
from ..quality import quality_measures
from ..tables import read_table, readable
from .cells import MINUS, Column, Table, make_table, significant

MOST_ROWS = 200
"""Rows of one table on a page that must not grow with the study; files and index have all."""


def quality_table(path: str | Path, home: str = '') -> Table | None:
    """Quality of every run, what stands apart marked and on top; None where nothing is known.

    Parameters
    ----------
    path
        Table of `quality.gather_quality`.
    home
        Way from the page to the folder of people's pages: empty, or ends in a slash.
    """
    words = ('problems', 'flags')
    table = read_table(path, text=words, needs=(*VISIT, *words))
    if table.empty:
        return None
    flagged = table[list(words)].notna()
    table = table.assign(flags=table['flags'].map(in_words, na_action='ignore'))
    if len(table) >= LEAST_RUNS:  # of fewer nothing is told, which is another thing than nobody
        table['flags'] = table['flags'].astype(object).fillna('none')
    table = table.assign(flagged=flagged.any(axis=1), worst=flagged.problems).sort_values(
        ['worst', 'flagged'], ascending=False, kind='stable'
    )
    named = [c for c in ('session_id', 'run_id') if table[c].notna().any()]
    columns = {'participant_id': Column('participant'), **{c: Column(readable(c)) for c in named}}
    if table['problems'].notna().any():
        columns['problems'] = Column(
            'problems', 'what the page of the run calls a problem', words=True
        )
    columns['flags'] = Column(
        'stands apart by', 'measures, with the modified z in brackets', words=True
    )
    lead = len(columns) + 3
    # those that answer a question of everybody stand before the button that shows the others
    for name, measure in sorted(quality_measures().items(), key=lambda m: 'asks' not in m[1]):
        unit = f' ({measure["Units"]})' if 'Units' in measure else ''
        if name in table and table[name].notna().any():
            columns[name] = Column(measure['title'] + unit, measure['Description'], significant(3))
    return make_table(
        table, columns, lead=lead, most=MOST_ROWS,
        row_class=lambda row: 'flagged problem' if row['worst'] else 'flagged' * row['flagged'],
        cell_href=lambda name, row: home + page_name(row) if name == 'participant_id' else '',
    )  # fmt: skip


def what_stands_out(table: Table) -> str:
    """How many scans have problems, and how many more stand apart; empty where none does.

    Parameters
    ----------
    table
        From `quality_table`.

    Examples
    --------
    >>> rows = ((),) * 9
    >>> what_stands_out(Table((), rows, ('flagged problem', 'flagged', 'flagged', *[''] * 6)))
    '1 of 9 scans has a problem and 2 stand apart from the others'
    >>> what_stands_out(Table((), rows, ('flagged', *[''] * 8)))
    '1 of 9 scans stands apart from the others'
    """
    problems, apart = (table.row_classes.count(kind) for kind in ('flagged problem', 'flagged'))
    told = [
        f'{number} {one if number == 1 else several}'
        for number, one, several in (
            (problems, 'has a problem', 'have a problem'),
            (apart, 'stands apart from the others', 'stand apart from the others'),
        )
        if number
    ]
    scans = f'{len(table.rows) + table.rest} scans'
    return ' and '.join(told).replace(' ', f' of {scans} ', 1)


def in_words(names: Any) -> str:
    """Names of problems or flags as people write them.

    Examples
    --------
    >>> [in_words(names) for names in ('iron_contrast', 'shift_mm (+4.1)', 'snr (-4)', None)]
    ['iron contrast', 'shift (+4.1)', 'SNR (−4)', '']
    """
    if pd.isna(names):
        return ''
    text = str(names)
    for name, measure in quality_measures().items():
        text = text.replace(f'{name} (', f'{measure["title"]} (')
    return text.replace('_', ' ').replace('(-', f'({MINUS}')


def measures_in(texts: Iterable[str]) -> dict[str, str]:
    """What the measures mean that texts of `in_words` name.

    Examples
    --------
    >>> measures_in(['slice steps (+6.7)', ''])
    {'slice steps': 'Median jump of the stored phase from slice to slice'}
    """
    whole = f'; {"; ".join(texts)}'
    return {
        measure['title']: measure['Description']
        for measure in quality_measures().values()
        if f'; {measure["title"]} (' in whole
    }


def page_name(row: Mapping[Any, Any]) -> str:
    """File of a visit's page, from a row with participant and session.

    Examples
    --------
    >>> page_name({'participant_id': 'sub-01', 'session_id': None})
    'sub-01.html'
    """
    parts = (row['participant_id'], row.get('session_id'))
    return '_'.join(str(part) for part in parts if pd.notna(part)) + '.html'
