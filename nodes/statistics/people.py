"""Who is compared and by which columns of the participants' table, before any value is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from ..errors import InputError
from .covariates import (
    Covariate,
    check_column,
    check_covariates,
    choose_covariates,
    choose_scores,
    one_spelling_of_sex,
    read_covariate,
)
from .doubts import doubtful_values
from .groups import MIN_GROUP, of_groups, order_groups
from .measures import MEASURES
from .question import Question
from .values import TABLE_COLUMNS


class Choice(NamedTuple):
    """Who is compared, and by which columns of the participants' table.

    Attributes
    ----------
    people
        Participants of the groups to compare, and all columns.
    labels
        Their group.
    groups
        Levels, the reference group last; a single one where nothing is compared.
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
    labels: pd.Series
    groups: tuple[str, ...]
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
    everyone, left_out = of_groups(everyone, question, source)
    people = one_spelling_of_sex(everyone)
    labels = people[column].astype(str)
    groups = order_groups(labels, question.reference_group, source, column)
    covariates, notes = choose_covariates(
        people, offered, question.covariates, column, source, question.interactions
    )
    covariates, idle = _useful(people, labels, covariates, question, source)
    scores, more = choose_scores(people, offered, question.scores, column, source)
    told = [*notes, *idle, *more, *_doubts(people, covariates, scores)]
    return Choice(people, labels, groups, left_out, offered, covariates, scores, told)


def _useful(
    people: pd.DataFrame, labels: pd.Series, covariates: Sequence[Covariate],
    question: Question, source: str,
) -> tuple[tuple[Covariate, ...], list[str]]:  # fmt: skip
    """Covariates that say something of their own, judged among those who can be tested at all.

    A group too small for a test is no reason to refuse: its own sex or site may be constant.
    """
    texts = (*(question.covariates or ()), *question.interactions)
    asked = [read_covariate(text)[0] for text in texts]
    kept: list[Covariate] = []
    warnings = []
    for covariate in covariates:
        complete = people[[c.name for c in (*kept, covariate)]].notna().all(axis=1)
        sizes = labels[complete].value_counts()
        used = complete & labels.isin(sizes.index[sizes >= MIN_GROUP])
        if labels[used].nunique() < min(2, labels.nunique()):
            kept.append(covariate)  # nothing can be tested with or without it
            continue
        try:
            check_covariates(people[used], labels[used], [*kept, covariate], source)
        except InputError:
            if covariate.name in asked:
                raise
            warnings.append(
                f'{covariate.name} adds nothing to the group and the covariates before it, so '
                'models do not adjust for it.'
            )
        else:
            kept.append(covariate)
    return tuple(kept), warnings


def _doubts(
    people: pd.DataFrame, covariates: Sequence[Covariate], scores: Sequence[str]
) -> list[str]:
    """Sentences on values of covariates and scores that look as if they informed and do not."""
    categories = [c.name for c in covariates if c.categorical]
    names = list(dict.fromkeys([*(c.name for c in covariates), *scores]))
    return [doubt.sentence for doubt in doubtful_values(people, names, categories=categories)]
