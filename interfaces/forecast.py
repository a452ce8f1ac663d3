"""What the group level will say of the participants' table, before anybody is processed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..nodes.anatomy.regions import BRAIN
from ..nodes.errors import InputError, NigraError
from ..nodes.statistics.covariates import DEFAULT_SCORES, read_covariate, what_to_give
from ..nodes.statistics.question import Question
from ..nodes.statistics.sample import MIN_GROUP, make_sample
from ..nodes.statistics.values import REGION_COLUMNS, TABLE_COLUMNS, name_some
from .participants import check_known, read_participants
from .spellings import people_twice


@dataclass(frozen=True)
class Forecast:
    """What the group level will say.

    Attributes
    ----------
    errors
        What keeps it from running.
    warnings
        What it will tell.
    groups
        Group by participant, as far as the table could be read.
    """

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    groups: dict[str, str] | None = None


def forecast_group(
    path: Path, question: Question, people: Sequence[str], everyone: Sequence[str]
) -> Forecast:
    """Ask of the table of participants all that the group level will ask of it.

    Parameters
    ----------
    path
        Table of participants.
    question
        What will be compared.
    people
        Those who will be compared.
    everyone
        All who have images or results.
    """
    try:
        table, warnings = read_participants(path, group_column=question.group_column)
    except NigraError as error:
        return Forecast((str(error),))
    groups = dict(table.set_index('participant_id')[question.group_column].dropna())
    errors = [str(error) for error in _missing_columns(table, question, path)]
    try:
        check_known(people, list(table.participant_id), path, question.group_column)
    except NigraError as error:
        errors.append(str(error))
    there = set(everyone)  # some of whose names may be no text that pandas takes
    absent = [who for who in table.participant_id if who not in there]
    if absent:
        warnings.append(
            f'{path.name} names {name_some(absent)}, of whom there are no images or results; they '
            'will be left out of the comparison.'
        )
    warnings += people_twice(table.participant_id, absent)
    if not errors:
        try:
            warnings += _sample_warnings(table, question, people, path)
        except NigraError as error:
            errors.append(str(error))
    return Forecast(tuple(errors), tuple(warnings), groups)


def _missing_columns(table: pd.DataFrame, question: Question, path: Path) -> list[InputError]:
    """A refusal for every column that is asked for and not there."""
    asked = {
        'covariates': question.covariates or (),
        'interactions': question.interactions,
        'scores': question.scores or (),
        'harmonise': [question.harmonise] if question.harmonise else (),
    }
    found = []
    for option, names in asked.items():
        for name in names:
            column, _ = read_covariate(name)
            default = option == 'scores' and column in DEFAULT_SCORES
            if column not in table.columns and not default:
                found.append(InputError(
                    path,
                    f'has no column {column!r} for --{option}',
                    what_to_give(column, [str(c) for c in table.columns], f'--{option}'),
                ))  # fmt: skip
    return found


def _sample_warnings(
    table: pd.DataFrame, question: Question, people: Sequence[str], path: Path
) -> list[str]:
    """Warnings of the sample that these people will make, whose values are not known yet."""
    present = table[table.participant_id.isin(people)]
    regions = pd.DataFrame(
        [_row(who, region) for who in present.participant_id for region in ('thalamus', BRAIN)],
        columns=list(REGION_COLUMNS),
    )
    columns = [c for c in present if c == 'participant_id' or c not in TABLE_COLUMNS]
    # scanners are harmonised by values, which are not there yet
    asked = replace(question, measures=('chi_mean',), regions=None, harmonise=None)
    joined = regions.merge(present[columns], on='participant_id')
    sample = make_sample(joined, asked, source=str(path))
    small = [group for group, size in sample.sizes.items() if size < MIN_GROUP]
    told = [
        f'Groups with fewer than {MIN_GROUP} participants with all covariates will not be tested: '
        f'{name_some(small)}.'
    ]
    return [*sample.warnings, *(told if small else [])]


def _row(who: str, region: str) -> tuple[Any, ...]:
    """A row of a region table that nothing is remarkable about."""
    given = {'participant_id': who, 'region': region, 'hemisphere': 'both', 'atlas': 'dgm'}
    nothing = dict.fromkeys(('session_id', 'run_id', 'r2star_mean'))
    return tuple({**nothing, **given}.get(name, 1.0) for name in REGION_COLUMNS)
