"""The group comparison as a whole: region tables in, models, contrasts and correlations out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import pandas as pd

from .ancova import CONFIDENCE
from .correlations import correlation_table
from .covariates import Covariate, read_covariate
from .deviations import deviation_table
from .group_models import CHECKS, group_tables
from .hemispheres import side_table
from .interactions import interaction_table
from .multiplicity import ADJUSTMENT, FAMILY
from .question import Question
from .regressions import covariate_table
from .sample import EXCLUSION_COLUMNS, MIN_GROUP, Sample, exclusion_table, make_sample
from .values import PLACE, name_some

CLEARLY_FAILED = 0.001
"""p of a check below which a warning counts its model. Of the fifty and more models of a study,
.05 would count two or three where nothing is wrong."""
INFLUENTIAL = 1
"""Cook's distance above which a warning names the participant, a usual rule."""


@dataclass(frozen=True, repr=False)
class GroupComparison:
    """Results of the group level.

    Attributes
    ----------
    models, contrasts, means, covariates, sides, interactions, correlations
        Tables in long form.
    values
        What entered the models (harmonised where that was asked for), in long form.
    deviations
        The same beside the values of the reference group, or of the one group there is.
    exclusions
        `EXCLUSION_COLUMNS`.
    warnings
        Sentences.
    settings
        What was decided, for report and methods text: groups, reference group, covariates and
        scores as they were chosen, formulae, adjustment, and what was asked for besides.
    """

    models: pd.DataFrame
    contrasts: pd.DataFrame
    means: pd.DataFrame
    covariates: pd.DataFrame
    sides: pd.DataFrame
    interactions: pd.DataFrame
    correlations: pd.DataFrame
    exclusions: pd.DataFrame
    values: pd.DataFrame
    deviations: pd.DataFrame
    warnings: tuple[str, ...]
    settings: dict[str, Any]

    def __repr__(self) -> str:
        """Groups and tables; all rows would fill the page of a notebook."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        tables = [f'{name} {len(table)}' for name, table in found.items()
                  if isinstance(table, pd.DataFrame) and len(table)]  # fmt: skip
        groups = ', '.join(map(str, self.settings.get('groups', ())))
        told = f'{len(self.warnings)} warning{"s" * (len(self.warnings) != 1)}'
        return f'<GroupComparison of {groups}; rows of {", ".join(tables)}; {told}>'

    def with_warnings(self, before: Sequence[str]) -> GroupComparison:
        """The same results with further sentences before its own."""
        return replace(self, warnings=(*before, *self.warnings))


def compare_groups(
    regions: pd.DataFrame,
    question: Question | None = None,
    *,
    source: str = 'participants.tsv',
    nthreads: int = 1,
) -> GroupComparison:
    """Compare groups in every region, measure and hemisphere, or describe one group.

    Parameters
    ----------
    regions, question, source
        As in `make_sample`.
    nthreads
        Threads of permutations and resamples; the result does not depend on them.

    Raises
    ------
    InputError
        The tables or options do not allow a comparison.

    Notes
    -----
    Volumes are compared as mm^3 of region per litre of brain, from the rows of `brain`.
    """
    question = question or Question()
    sample = make_sample(regions, question, source=source)
    tables = group_tables(
        sample, permutations=question.permutations, bootstraps=question.bootstraps,
        seed=question.seed, nthreads=nthreads,
    )  # fmt: skip
    correlations, notes = correlation_table(sample)
    values = _long(sample)
    return GroupComparison(
        models=tables.models,
        contrasts=tables.contrasts,
        means=tables.means,
        covariates=covariate_table(sample),
        sides=side_table(sample),
        interactions=interaction_table(sample, question.group_column),
        correlations=correlations,
        exclusions=_exclusions(sample),
        values=values,
        deviations=deviation_table(values, sample.groups[-1]),
        warnings=(
            *sample.warnings,
            *_group_warnings(sample),
            *notes,
            *_model_warnings(tables.models),
        ),
        settings=_settings(question, sample),
    )


def describe_question(
    question: Question, covariates: Sequence[Covariate], scores: Sequence[str]
) -> dict[str, Any]:
    """What a question asks for, with the covariates and scores that were chosen for it."""
    asked: dict[str, Any] = {}
    if question.regions is not None:
        asked['regions'] = list(question.regions)
    if question.voxelwise:
        asked |= {'voxelwise': question.voxelwise, 'smoothing': question.smoothing}
    return {
        'group_column': question.group_column,
        'measures': list(question.measures),
        'covariates': [c.name for c in covariates],
        'interactions': [read_covariate(text)[0] for text in question.interactions],
        'scores': list(scores),
        'harmonise': question.harmonise,
        'sums_of_squares': 'type II',
        'adjustment': ADJUSTMENT,
        'adjustment_family': FAMILY,
        'permutations': question.permutations,
        'bootstraps': question.bootstraps,
        **asked,
        'random_seed': question.seed,
        'confidence': CONFIDENCE,
        'alpha': 0.05,
    }


def _settings(question: Question, sample: Sample) -> dict[str, Any]:
    """What was decided, for the report and the methods text."""
    return {
        'groups': list(sample.groups),
        'reference_group': sample.reference_group,
        'contrasts': [c.name for c in sample.contrasts],
        'formulae': [sample.formula],
        **describe_question(question, sample.covariates, sample.scores),
    }


def _exclusions(sample: Sample) -> pd.DataFrame:
    """Whom all models leave out, and whom single ones do, by participant."""
    table = pd.concat([sample.exclusions, _missing_values(sample), _small_groups(sample)])
    return table.sort_values('participant_id', kind='stable').reset_index(drop=True)


def _long(sample: Sample) -> pd.DataFrame:
    """Values that entered the models, one row each."""
    wide = sample.values.set_axis(
        pd.MultiIndex.from_tuples(sample.values.columns, names=PLACE), axis=1
    )
    long = wide.rename_axis('participant_id').stack(list(PLACE), future_stack=True)
    long = long.rename('value').reset_index()
    return long.assign(group=long.participant_id.map(sample.labels))[
        ['participant_id', 'group', *PLACE, 'value']
    ]


def _group_warnings(sample: Sample) -> list[str]:
    small = [f'{g} ({n})' for g, n in sample.sizes.items() if n < MIN_GROUP]
    if not small:
        return []
    return [
        f'Groups with fewer than {MIN_GROUP} participants with all covariates are not tested: '
        f'{", ".join(small)}.'
    ]


def _small_groups(sample: Sample) -> pd.DataFrame:
    who = sample.labels[~sample.labels.isin(sample.large_groups) & sample.complete]
    return exclusion_table(
        (p, f'fewer than {MIN_GROUP} participants in group {g}') for p, g in who.items()
    )


def _missing_values(sample: Sample) -> pd.DataFrame:
    """Participants whom single models leave out, one row per participant and measure."""
    missing = sample.values[sample.complete].isna()
    missing = missing.loc[:, ~missing.all()]  # what nobody has is told once, by the models
    rows: list[tuple[Any, str, str]] = []
    # few patterns of absence in many people (a slab cuts the same regions in all of a protocol)
    reasons: dict[tuple[bool, ...], dict[str, str]] = {}
    for who, absent in zip(missing.index, missing.to_numpy().tolist(), strict=True):
        pattern = tuple(absent)
        # volumes of a missing brain lack everywhere: one row per measure, not one per region
        if any(pattern):
            if pattern not in reasons:
                reasons[pattern] = _absent_values(missing.columns[list(pattern)].to_list())
            rows += [(who, reason, measure) for measure, reason in reasons[pattern].items()]
    return pd.DataFrame(rows, columns=list(EXCLUSION_COLUMNS))


def _absent_values(keys: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """A reason by measure, naming regions and hemispheres without a value."""
    reasons = {}
    for measure in dict.fromkeys(key[0] for key in keys):
        places: dict[str, list[str]] = {}
        for _, region, hemisphere in (key for key in keys if key[0] == measure):
            places.setdefault(region, []).append(hemisphere)
        shown = name_some(f'{region} ({", ".join(sides)})' for region, sides in places.items())
        reasons[measure] = f'no {measure} in {shown}: left out of these models'
    return reasons


def _model_warnings(models: pd.DataFrame) -> list[str]:
    """Models that could not be tested, by reason; and those whose assumptions look doubtful."""
    # fifty models often fail for one reason, which is one sentence
    untested = models[models.df_den.isna()]  # one group alone has no statistic either
    warnings = []
    for reason, rows in untested.groupby('note', sort=False):
        places = [f'{r.measure} {r.region} {r.hemisphere}' for r in rows.itertuples()]
        warnings.append(
            f'{len(rows)} of {len(models)} models were {reason}: {name_some(places, limit=6)}.'
        )
    influential = models[models.max_cooks_distance > INFLUENTIAL]
    if not influential.empty:
        who = influential.most_influential.value_counts()
        shown = [f'{name} ({count})' for name, count in who.items()]
        warnings.append(
            f'Single participants carry much of some models (Cook’s distance above {INFLUENTIAL}; '
            f'number of models in brackets): {name_some(shown)}.'
        )
    checks = [check.column for check in CHECKS]
    doubtful = int((models[checks].min(axis=1) < CLEARLY_FAILED).sum())
    if doubtful:
        warnings.append(
            f'In {doubtful} of {len(models)} models the residuals are far from normal or of '
            f'unequal variance (p < {CLEARLY_FAILED:g}; columns normality_p and equal_variance_p).'
        )
    return warnings
