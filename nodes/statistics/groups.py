"""Which groups a study has: their column, their levels, who belongs to none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..errors import InputError
from .covariates import check_column
from .question import Question
from .values import name_some

CONTROL_NAMES = frozenset([
    'hc', 'hv', 'nc', 'cn', 'con', 'ctl', 'ctrl', 'control', 'controls', 'healthy', 'normal',
    'healthycontrol', 'healthycontrols', 'healthyvolunteer', 'healthyvolunteers',
])  # fmt: skip
"""Names that controls go by, in lower case and without anything but letters."""

MAX_GROUPS = 20
"""A column with more levels holds something else than groups."""

MIN_GROUP = 3
"""Fewest participants of a group that a test is made of; two have a spread with one degree of
freedom."""
EVERYONE = 'everyone'
"""Name of the one group of a study whose table has no column of groups."""


def with_groups(table: pd.DataFrame, column: str, source: str) -> tuple[pd.DataFrame, list[str]]:
    """The participants' table with its column of groups, and a warning where it had none.

    Parameters
    ----------
    table
        As read.
    column
        Column of groups. Without that of the default, everyone is one group.
    source
        For messages.

    Raises
    ------
    InputError
        A column that was asked for is not there.
    """
    offered = [c for c in table.columns if c != 'participant_id']
    if column in offered or column != Question.group_column:
        check_column(column, offered, '--group-column', source)
        return table, []
    told = f'{source} has no column {column!r}: everyone is of one group, and nothing is compared.'
    if offered:
        told += f' To compare groups, give --group-column one of {", ".join(offered)}.'
    return table.assign(**{column: EVERYONE}), [told]


def of_groups(
    everyone: pd.DataFrame, question: Question, source: str
) -> tuple[pd.DataFrame, dict[Any, str]]:
    """Participants of the groups to compare, and why the others are left out."""
    column = question.group_column
    labels = everyone[column].map(str, na_action='ignore')  # 1 is the group called '1'
    left_out: dict[Any, str] = {who: f'{column} is n/a' for who in labels.index[labels.isna()]}
    if question.groups is not None:
        for name in question.groups:
            if not (labels == name).any():
                raise InputError(
                    f'--groups {name}',
                    f'is no value of column {column!r} in {source}',
                    f'give some of {", ".join(sorted(labels.dropna().unique()))}',
                )
        # told apart from n/a: these people have a group, but not one of the question
        other = labels.notna() & ~labels.isin(question.groups)
        left_out |= {
            who: f'{column} {labels[who]} is not asked for' for who in labels.index[other]
        }
    return everyone[~everyone.index.isin(list(left_out))], left_out


def order_groups(
    labels: pd.Series, reference: str | None, source: str, column: str = 'group'
) -> tuple[str, ...]:
    """Levels in alphabetical order, the reference group last.

    Parameters
    ----------
    labels
        One per participant, text.
    reference
        Asked-for reference group; None looks for one named like controls, else takes the first.
    source, column
        For messages.

    Raises
    ------
    InputError
        There is no level, two differ only by letter case or spaces, or `reference` is none of
        them.

    Examples
    --------
    >>> order_groups(pd.Series(['RRMS', 'HC', 'NMO', 'HC']), None, 'participants.tsv')
    ('NMO', 'RRMS', 'HC')
    """
    levels = sorted(labels.unique())
    _check_levels(levels, source, column)
    if reference is None:
        # differences read best against healthy people, whatever a study calls them
        like = (g for g in levels if re.sub(r'[^a-z]', '', g.casefold()) in CONTROL_NAMES)
        reference = next(like, levels[0])
    if reference not in levels:
        raise InputError(
            f'--reference-group {reference}',
            f'is no value of column {column!r} in {source}',
            f'give one of {", ".join(levels)}',
        )
    return (*(g for g in levels if g != reference), reference)


def _check_levels(levels: Sequence[str], source: str, column: str) -> None:
    """Refuse a column that holds no group, something else than groups, or one spelt twice."""
    if not levels:
        raise InputError(
            source,
            f'column {column!r} holds no group among the participants with region tables',
            'write one for each; a study of one group needs no such column',
        )
    if len(levels) > MAX_GROUPS:
        raise InputError(
            source,
            f'column {column!r} holds {len(levels)} values ({name_some(levels, 3)})',
            'give --group-column the column that holds the groups',
        )
    # HC and hc, NMO AQP4 and NMO_AQP4, or 1 and 1.0: more often a slip than two groups
    alike: dict[str, str] = {}
    for level in levels:
        plain = re.sub(r'[\s_-]+|(?<=\d)\.0+$', '', level).casefold()
        other = alike.setdefault(plain, level)
        if other != level:
            raise InputError(
                source, f'column {column!r} holds both {other!r} and {level!r}', 'spell them alike'
            )


def one_group_warnings(groups: Sequence[str], question: Question, source: str) -> list[str]:
    """What a study of one group goes without; refuses what needs two."""
    if len(groups) > 1:
        return []
    if question.interactions:
        raise InputError(
            f'--interactions {question.interactions[0]}',
            f'needs groups that differ, but column {question.group_column!r} of {source} holds '
            f'only {groups[0]!r} among the participants with region tables',
            'leave it out; group_covariates.tsv tells how covariates act in one group',
        )
    if groups[0] == EVERYONE:
        return []  # told where the column was missing
    return [
        f'Column {question.group_column!r} of {source} holds only {groups[0]!r} among the '
        'participants with region tables: nothing is compared; means, regressions and '
        'correlations are those of one group.'
    ]
