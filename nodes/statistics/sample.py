"""Who enters the group comparison and with which values: the sample behind every model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import InputError
from .combat import check_sites, harmonise, site_labels, site_warnings
from .covariates import (
    Covariate,
    check_column,
    formula_term,
    read_covariate,
)
from .groups import MIN_GROUP, one_group_warnings
from .people import choose_people
from .question import GroupContrast, Question, choose_contrasts
from .values import (
    DERIVED,
    brain_warnings,
    coverage_warnings,
    first_visits,
    measure_values,
)

EXCLUSION_COLUMNS = ('participant_id', 'reason', 'scope')
EVERY_MODEL = 'all'
"""Scope of an exclusion from all models; another scope is the measure whose models it concerns."""


@dataclass(frozen=True)
class Sample:
    """One value per participant, measure, region and hemisphere, and who the participants are.

    Attributes
    ----------
    values
        Rows: participants; columns: measure, region, hemisphere. NaN where there is none.
    labels
        Same rows: group.
    people
        Same rows: covariates and scores.
    groups
        Levels, the reference group last.
    covariates
        What models adjust for.
    scores
        Clinical scores present.
    formula
        Of the models, for people.
    exclusions
        `EXCLUSION_COLUMNS` of those whom all models leave out.
    warnings
        Sentences.
    contrasts
        Differences to test; all pairs of groups by default.
    volumes
        Normalised volume of each region and hemisphere, columns as in `values`; None where
        nothing is adjusted for it.
    interactions
        Covariates whose effect may differ between groups.
    """

    values: pd.DataFrame
    labels: pd.Series
    people: pd.DataFrame
    groups: tuple[str, ...]
    covariates: tuple[Covariate, ...]
    scores: tuple[str, ...]
    formula: str
    exclusions: pd.DataFrame
    warnings: tuple[str, ...]
    contrasts: tuple[GroupContrast, ...] = ()
    volumes: pd.DataFrame | None = None
    interactions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.contrasts:
            object.__setattr__(self, 'contrasts', choose_contrasts(None, self.groups))

    @property
    def compared(self) -> bool:
        """Whether there are groups to compare; one alone has means, regressions, correlations."""
        return len(self.groups) > 1

    @property
    def reference_group(self) -> str | None:
        """The group that others are compared with; None where there is one only."""
        return self.groups[-1] if self.compared else None

    @property
    def complete(self) -> pd.Series:
        """Whether a participant has every covariate."""
        names = [c.name for c in self.covariates]
        return self.people[names].notna().all(axis=1)

    def with_values(self, values: NDArray[np.float64]) -> tuple[NDArray[np.bool_], dict[str, int]]:
        """Participants of one model, and the sizes of all groups among those with values.

        Parameters
        ----------
        values
            One per participant; NaN where there is none.

        Returns
        -------
        tuple
            Participants with value and covariates whose group has `MIN_GROUP` of them; and how
            many of each group have both, however few.
        """
        known = self.complete.to_numpy() & np.isfinite(values)
        sizes = self.labels[known].value_counts()
        # counted anew for each model: a region that few have may leave a group too small
        counts = {group: int(sizes.get(group, 0)) for group in self.groups}
        enough = [group for group, n in counts.items() if n >= MIN_GROUP]
        return known & self.labels.isin(enough).to_numpy(), counts

    @property
    def sizes(self) -> dict[str, int]:
        """Participants with all covariates, by group."""
        labels = self.labels[self.complete]
        return {group: int((labels == group).sum()) for group in self.groups}

    @property
    def large_groups(self) -> list[str]:
        """Groups that can be tested."""
        return [group for group, size in self.sizes.items() if size >= MIN_GROUP]


def make_sample(
    regions: pd.DataFrame, question: Question | None = None, *, source: str = 'participants.tsv'
) -> Sample:
    """Choose participants, visits, groups and covariates, and say what was left out.

    Parameters
    ----------
    regions
        Region tables of all participants with the columns of the participants' table.
    question
        Who is compared, in what; the default by default.
    source
        Table of participants, for messages.

    Raises
    ------
    InputError
        A column, level or measure is not there, nobody has a group, or a covariate that was
        asked for adds nothing of its own.

    Notes
    -----
    One group alone is a study of its own: nothing is compared, all else is done. A covariate of
    the default that adds nothing is left out with a warning, since nobody asked for it.
    """
    question = question or Question()
    _check_measured(regions, question.measures)
    column = question.group_column
    regions, warnings = first_visits(regions)
    # the participants' columns are the same in all rows of a person
    everyone = regions.drop_duplicates('participant_id').set_index('participant_id')
    chosen = choose_people(everyone, question, source=source)
    people, labels, groups, left_out, offered, covariates, scores, notes = chosen
    warnings += one_group_warnings(groups, question, source)
    # they stay in the sample, since correlations need no covariates
    left_out |= _without_covariates(people, covariates)
    names = [c.name for c in covariates]
    group = formula_term(column, categorical=True) if len(groups) > 1 else '1'
    terms = [group, *(c.term for c in covariates)]
    sample = Sample(
        values=measure_values(regions, question.measures).reindex(people.index),
        labels=labels,
        people=people[list(dict.fromkeys([*names, *scores]))],
        groups=groups,
        contrasts=choose_contrasts(question.contrasts, groups),
        covariates=covariates,
        scores=scores,
        formula=f'value ~ {" + ".join(terms)}',
        exclusions=exclusion_table(left_out.items()),
        warnings=(*warnings, *notes,
                  *site_warnings(people[offered], labels, (*names, question.harmonise)),
                  *coverage_warnings(regions),
                  *brain_warnings(regions, asked='volume_normalised' in question.measures)),
        volumes=measure_values(regions, ['volume_normalised']).reindex(people.index),
        interactions=tuple(read_covariate(text)[0] for text in question.interactions),
    )  # fmt: skip
    if question.harmonise is None:
        return sample
    check_column(question.harmonise, offered, '--harmonise', source)
    return _harmonised(sample, people[question.harmonise], question)


def _check_measured(regions: pd.DataFrame, measures: Sequence[str]) -> None:
    """Refuse measures that no region table has."""
    for name in measures:
        if name not in regions and name not in DERIVED:
            raise InputError(
                f'--measures {name}',
                'is in no region table, as another version of nigra made them',
                'process the participants again, or compare others',
            )


def exclusion_table(reasons: Iterable[tuple[Any, str]]) -> pd.DataFrame:
    """Table of those whom every model leaves out, from participants and reasons."""
    rows = [(who, reason, EVERY_MODEL) for who, reason in reasons]
    return pd.DataFrame(rows, columns=list(EXCLUSION_COLUMNS))


def _without_covariates(people: pd.DataFrame, covariates: Sequence[Covariate]) -> dict[Any, str]:
    """Why participants are left out who lack a covariate: models need all of them."""
    missing = people[[c.name for c in covariates]].isna()
    return {
        who: f'{" and ".join(map(str, lacks.index[lacks]))} n/a'
        for who, lacks in missing.iterrows()
        if lacks.any()
    }


def _harmonised(sample: Sample, column: pd.Series, question: Question) -> Sample:
    """The sample with values freed of differences between sites; who has no site is left out."""
    name = str(question.harmonise)
    if name in [question.group_column, *(c.name for c in sample.covariates)]:
        raise InputError(f'--harmonise {name}', 'is also the group or a covariate', 'choose one')
    sites = site_labels(column)
    known = sites.notna()
    more = [(who, f'{name} n/a') for who in sites.index[~known & sample.complete]]
    # a site is estimated from people whom the models use, so that nobody else moves their values
    used = known & sample.complete & sample.labels.isin(sample.large_groups)
    sites, labels, people = sites[used], sample.labels[used], sample.people[used]
    check_sites(sites, labels, people, sample.covariates, name)

    def freed(values: pd.DataFrame) -> pd.DataFrame:
        found = harmonise(values[used], sites, labels, people, sample.covariates)
        return found.reindex(values.index[known])

    return replace(
        sample,
        values=freed(sample.values),
        labels=sample.labels[known],
        people=sample.people[known],
        volumes=None if sample.volumes is None else freed(sample.volumes),
        exclusions=pd.concat([sample.exclusions, exclusion_table(more)], ignore_index=True),
    )
