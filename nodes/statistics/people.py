"""Who is compared and by which columns of the participants' table, before any value is known."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from ..errors import InputError
from .covariates import (
    Covariate,
    check_column,
    choose_covariates,
    choose_scores,
    one_spelling_of_sex,
)
from .measures import MEASURES
from .question import Question
from .values import TABLE_COLUMNS


class Choice(NamedTuple):
    """Who is compared, and by which columns of the participants' table.

    Attributes
    ----------
    people
        Participants of the groups to compare, and all columns.
    left_out
        Why the others are left out.
    offered
        Columns of the participants' table.
    covariates, scores
        What models adjust for; clinical scores.
    warnings
        Sentences.
    """

    people: pd.DataFrame
    left_out: dict[Any, str]
    offered: list[str]
    covariates: tuple[Covariate, ...]
    scores: tuple[str, ...]
    warnings: list[str]


def choose_people(everyone: pd.DataFrame, question: Question, *, source: str) -> Choice:
    """Choose participants, covariates and scores, which needs no region value.

    Parameters
    ----------
    everyone
        One row per participant, with the columns of the participants' table.
    question, source
        As in `make_sample`.

    Raises
    ------
    InputError
        A column or level is not there, or a column cannot serve.
    """
    column = question.group_column
    offered = [c for c in everyone.columns if c not in (*TABLE_COLUMNS, *MEASURES)]
    check_column(column, offered, '--group-column', source)
    everyone, left_out = _of_groups(everyone, question, source)
    people = one_spelling_of_sex(everyone)
    covariates, notes = choose_covariates(
        people, offered, question.covariates, column, source, question.interactions
    )
    scores, more = choose_scores(people, offered, question.scores, column, source)
    return Choice(people, left_out, offered, covariates, scores, [*notes, *more])


def _of_groups(
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
