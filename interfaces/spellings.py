"""Ids that people spell in several ways: one person or session that looks like two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from ..nodes.statistics.values import name_some


def same_people(folders: Sequence[str], table: Sequence[str]) -> list[tuple[str, str]]:
    """Ids that differ only in spelling: upper case, leading zeros, signs, a doubled key.

    Examples
    --------
    >>> same_people(['sub-01', 'sub-P2'], ['sub-1', 'sub-SUB-p02', 'sub-7'])
    [('sub-01', 'sub-1'), ('sub-P2', 'SUB-p02')]
    """
    spelt = {_plain_id(who): who for who in table}
    known = [(who, spelt.get(_plain_id(who))) for who in folders]
    # a label has no hyphen: what still has one was written with another key
    return [
        (who, other.removeprefix('sub-') if other.count('-') > 1 else other)
        for who, other in known
        if other is not None
    ]


def spelt_alike(names: Iterable[str]) -> list[list[str]]:
    """Ids of which several differ only in spelling.

    Examples
    --------
    >>> spelt_alike(['sub-01', 'sub-1', 'sub-10', 'sub-A', 'sub-a'])
    [['sub-01', 'sub-1'], ['sub-A', 'sub-a']]
    """
    alike: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        alike.setdefault(_plain_id(name), []).append(name)
    return [found for found in alike.values() if len(found) > 1]


def _plain_id(who: str) -> str:
    """An id without what people spell differently."""
    plain = re.sub(r'[\W_]|^sub(?=-)', '', who.casefold())
    return re.sub(r'(?<!\d)0+(?=\d)', '', plain.removeprefix('sub'))


def people_twice(names: Iterable[str], chosen: Iterable[str] | None = None) -> list[str]:
    """Warnings of people who are there under two spellings of an id, and would count twice.

    Parameters
    ----------
    names
        All who are there.
    chosen
        Those whom it is asked of; everybody by default.
    """
    asked = None if chosen is None else set(chosen)
    return [
        f'{" and ".join(found)} differ only in spelling: if they are one person, who would count '
        'as several, remove the folders and rows of all but one; if not, give them labels that '
        'nobody mistakes.'
        for found in spelt_alike(names)
        if asked is None or asked & set(found)
    ]


def sessions_twice(rows: pd.DataFrame) -> list[str]:
    """Warnings of sessions that are spelt in several ways, within a person or across people.

    Parameters
    ----------
    rows
        Columns `participant_id` and `session_id`, missing where there is none.
    """
    people = rows.dropna(subset=['session_id']).groupby('session_id').participant_id
    told = []
    for found in spelt_alike(people.groups):
        shown = [f'{name} in {name_some(people.get_group(name).unique(), 3)}' for name in found]
        told.append(
            f'Sessions differ only in spelling: {"; ".join(shown)}. If they are one, '
            '--session-label takes only one spelling, and who has both counts twice; rename '
            'folders and files alike.'
        )
    return told
