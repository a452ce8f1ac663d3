"""Who enters the group comparison and with which values: the sample behind every model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .errors import InputError

REGION_COLUMNS = (
    'participant_id', 'session_id', 'run_id', 'atlas', 'region', 'hemisphere', 'n_voxels',
    'volume_mm3', 'coverage', 'chi_mean', 'chi_median', 'chi_sd', 'r2star_mean',
)  # fmt: skip
"""Columns of every region table."""

MEASURES = {'chi_mean': 'ppb', 'volume_normalised': 'mm^3 per litre of brain'}
"""What is compared, with its unit."""

HEMISPHERES = ('both', 'L', 'R')
BRAIN = 'brain'
MIN_GROUP = 3
"""Fewest participants of a group that a test is made of."""

LOW_COVERAGE = 0.5
DEFAULT_COVARIATES = ('age', 'sex')
DEFAULT_SCORES = ('edss',)
CONTROL_NAMES = frozenset([
    'hc', 'hv', 'nc', 'cn', 'con', 'ctl', 'ctrl', 'control', 'controls', 'healthy', 'normal',
    'healthycontrol', 'healthycontrols', 'healthyvolunteer', 'healthyvolunteers',
])  # fmt: skip
"""Names that controls go by, in lower case and without anything but letters."""

_ALWAYS_CATEGORICAL = ('sex', 'gender')


@dataclass(frozen=True)
class Covariate:
    """A column that the models adjust for.

    Attributes
    ----------
    name
        Column of the participants' table.
    categorical
        Whether its values are names rather than amounts.
    """

    name: str
    categorical: bool

    @property
    def term(self) -> str:
        """As it stands in a formula.

        Examples
        --------
        >>> Covariate('sex', True).term, Covariate('disease duration', False).term
        ('C(sex)', 'Q("disease duration")')
        """
        return formula_term(self.name, categorical=self.categorical)


def formula_term(name: str, *, categorical: bool) -> str:
    """Column name as a term of a model formula."""
    quoted = name if name.isidentifier() else f'Q("{name}")'
    return f'C({quoted})' if categorical else quoted


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
        `participant_id` and `reason` of those whom all models leave out.
    warnings
        Sentences.
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

    @property
    def reference_group(self) -> str:
        """The group that others are compared with."""
        return self.groups[-1]

    @property
    def complete(self) -> pd.Series:
        """Whether a participant has every covariate."""
        names = [c.name for c in self.covariates]
        return self.people[names].notna().all(axis=1)


def make_sample(
    regions: pd.DataFrame,
    *,
    group_column: str = 'group',
    covariates: Sequence[str] | None = None,
    scores: Sequence[str] | None = None,
    reference_group: str | None = None,
    source: str = 'participants.tsv',
) -> Sample:
    """Choose participants, visits, groups and covariates, and say what was left out.

    Parameters
    ----------
    regions
        Region tables of all participants with the columns of the participants' table.
    group_column
        Column of groups.
    covariates
        Columns to adjust for; `C(name)` treats numbers as categories. None stands for age and
        sex where they are present and vary.
    scores
        Clinical scores to correlate; None stands for `edss` where it is present.
    reference_group
        Level that others are compared with; a group named like controls, else the first.
    source
        Table of participants, for messages.

    Raises
    ------
    InputError
        A column or level is not there, there is one group only, or a covariate says nothing of
        its own.
    """
    atlases = regions.atlas.dropna().unique()
    if len(atlases) > 1:
        names = ', '.join(map(str, atlases))
        raise InputError('atlas', f'differs between region tables ({names})', 'keep to one')
    offered = [c for c in regions.columns if c not in (*REGION_COLUMNS, *MEASURES)]
    check_column(group_column, offered, '--group-column', source)
    regions, warnings = first_visits(regions)
    everyone = regions.drop_duplicates('participant_id').set_index('participant_id')
    people = everyone[everyone[group_column].notna()]
    labels = people[group_column].astype(str)
    groups = order_groups(labels, reference_group, source, group_column)
    chosen, notes = _choose_covariates(people, offered, covariates, group_column, source)
    present, more = _choose_scores(people, offered, scores, group_column, source)
    names = [c.name for c in chosen]
    left_out = {who: f'{group_column} is n/a' for who in everyone.index.difference(people.index)}
    for who, missing in people[names].isna().iterrows():
        if missing.any():
            left_out[who] = f'{" and ".join(map(str, missing.index[missing]))} n/a'
    terms = [formula_term(group_column, categorical=True), *(c.term for c in chosen)]
    sample = Sample(
        values=measure_values(regions).reindex(people.index),
        labels=labels,
        people=people[list(dict.fromkeys([*names, *present]))],
        groups=groups,
        covariates=chosen,
        scores=present,
        formula=f'value ~ {" + ".join(terms)}',
        exclusions=pd.DataFrame(left_out.items(), columns=['participant_id', 'reason']),
        warnings=(*warnings, *notes, *more, *_coverage_warnings(regions)),
    )
    _check_covariates(sample, source)
    return sample


def check_column(name: str, offered: Sequence[str], option: str, source: str) -> None:
    """Raise InputError where a column is not among those offered."""
    if name not in offered:
        raise InputError(
            source,
            f'has no column {name!r}',
            f'give {option} one of {", ".join(offered) or "its columns (it has none)"}',
        )


def first_visits(regions: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows of each participant's first session and run, and a warning that lists the others.

    Parameters
    ----------
    regions
        Region tables; sessions and runs are sorted with numbers as numbers. Of several tables
        with one session and run, the first counts.
    """
    keys = ['participant_id', 'session_id', 'run_id']
    visits = regions[keys].fillna('n/a').astype(str).drop_duplicates()
    order = sorted(
        range(len(visits)),
        key=lambda i: (visits.participant_id.iloc[i], _natural(' '.join(visits.iloc[i, 1:]))),
    )
    visits = visits.iloc[order]
    first = visits.drop_duplicates('participant_id')
    several = visits.participant_id[visits.participant_id.duplicated()].unique()
    warnings = []
    if len(several):
        shown = [
            f'{v.participant_id} ({_visit_name(v.session_id, v.run_id)})'
            for v in first[first.participant_id.isin(several)].itertuples()
        ]
        warnings.append(
            f'{len(several)} participants have several sessions or runs; models use the first '
            f'of each and all are kept in the table of regions: {name_some(shown)}.'
        )
    wanted = pd.MultiIndex.from_frame(first[keys])
    index = pd.MultiIndex.from_frame(regions[keys].fillna('n/a').astype(str))
    kept = regions[index.isin(wanted)]
    rows = ['participant_id', 'region', 'hemisphere']
    again = kept.duplicated(rows)
    if again.any():
        who = sorted(kept.participant_id[again].unique())
        warnings.append(
            f'{len(who)} participants have several region tables for one session and run; '
            f'models use the first: {name_some(who)}.'
        )
    return kept[~again], warnings


def _natural(text: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key with numbers as numbers; n/a comes first."""
    parts = re.split(r'(\d+)', text.replace('n/a', ''))
    return tuple((0, int(p)) if p.isdigit() else (1, p) for p in parts if p)


def _visit_name(session: str, run: str) -> str:
    return ' '.join(v for v in (session, run) if v != 'n/a') or 'without session'


def name_some(names: Iterable[object], limit: int = 10) -> str:
    """First names of a list, and how many more there are.

    Examples
    --------
    >>> name_some(['a', 'b', 'c'], limit=2)
    'a, b and 1 more'
    """
    names = list(map(str, names))
    more = f' and {len(names) - limit} more' if len(names) > limit else ''
    return ', '.join(names[:limit]) + more


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
        There is one level or none, two differ only by letter case or spaces, or `reference` is
        none of them.

    Examples
    --------
    >>> order_groups(pd.Series(['RRMS', 'HC', 'NMO', 'HC']), None, 'participants.tsv')
    ('NMO', 'RRMS', 'HC')
    """
    levels = sorted(labels.unique())
    if len(levels) < 2:
        found = f'only {levels[0]!r}' if levels else 'no group'
        raise InputError(
            source,
            f'column {column!r} holds {found} among the participants with region tables',
            'a comparison needs at least two groups',
        )
    alike: dict[str, str] = {}
    for level in levels:
        other = alike.setdefault(re.sub(r'[\s_-]+', '', level).casefold(), level)
        if other != level:
            raise InputError(
                source, f'column {column!r} holds both {other!r} and {level!r}', 'spell them alike'
            )
    if reference is None:
        like = (g for g in levels if re.sub(r'[^a-z]', '', g.casefold()) in CONTROL_NAMES)
        reference = next(like, levels[0])
    if reference not in levels:
        raise InputError(
            f'--reference-group {reference}',
            f'is no value of column {column!r} in {source}',
            f'give one of {", ".join(levels)}',
        )
    return (*(g for g in levels if g != reference), reference)


def _choose_covariates(
    people: pd.DataFrame, offered: Sequence[str], asked: Sequence[str] | None,
    group_column: str, source: str,
) -> tuple[tuple[Covariate, ...], list[str]]:  # fmt: skip
    if asked is None:
        return _default_covariates(people, offered, group_column, source)
    chosen = []
    for text in asked:
        explicit = re.fullmatch(r'C\((.+)\)', text)
        name = explicit[1] if explicit else text
        check_column(name, offered, '--covariates', source)
        if name == group_column or name in [c.name for c in chosen]:
            raise InputError(
                f'--covariates {text}', 'is the column of groups or given twice', 'leave it out'
            )
        varies = people[name].nunique() > 1
        if not varies:
            found = 'no value' if people[name].isna().all() else 'one value only'
            raise InputError(
                source, f'covariate {name!r} has {found}', 'give --covariates without it'
            )
        chosen.append(Covariate(name, bool(explicit) or _is_categorical(people, name, source)))
    return tuple(chosen), []


def _default_covariates(
    people: pd.DataFrame, offered: Sequence[str], group_column: str, source: str
) -> tuple[tuple[Covariate, ...], list[str]]:
    chosen, warnings = [], []
    for name in DEFAULT_COVARIATES:
        if name == group_column:
            continue
        if name not in offered or people[name].isna().all():
            warnings.append(f'{source} tells no {name}, so models do not adjust for it.')
        elif people[name].nunique() == 1:
            value = people[name].dropna().iloc[0]
            warnings.append(f'{name} is {value} for everyone, so models do not adjust for it.')
        else:
            chosen.append(Covariate(name, _is_categorical(people, name, source)))
    return tuple(chosen), warnings


def _is_categorical(people: pd.DataFrame, name: str, source: str) -> bool:
    """Text columns hold categories, unless they are numbers with a slip of the pen."""
    if name in _ALWAYS_CATEGORICAL:
        return True
    if pd.api.types.is_numeric_dtype(people[name]):
        return False
    known = people[name].dropna()
    numbers = pd.to_numeric(known, errors='coerce')
    wrong = known[numbers.isna()]
    if numbers.notna().sum() > len(known) / 2 and len(wrong):
        raise InputError(
            source,
            f'{name} of {wrong.index[0]} is {wrong.iloc[0]!r}, which is no number',
            f'give a number or n/a, or ask for C({name}) if its values are categories',
        )
    return True


def _choose_scores(
    people: pd.DataFrame, offered: Sequence[str], asked: Sequence[str] | None,
    group_column: str, source: str,
) -> tuple[tuple[str, ...], list[str]]:  # fmt: skip
    names = DEFAULT_SCORES if asked is None else tuple(dict.fromkeys(asked))
    warnings = []
    for name in names:
        if name not in offered and name in DEFAULT_SCORES:
            warnings.append(f'{source} has no column {name!r}, so nothing is correlated with it.')
            continue
        check_column(name, offered, '--scores', source)
        known = people[name].dropna()
        if name == group_column or not (known.empty or pd.api.types.is_numeric_dtype(known)):
            bad = pd.to_numeric(known, errors='coerce').isna()
            who = known.index[bad][0] if bad.any() else known.index[0]
            raise InputError(
                source,
                f'{name} of {who} is {known[who]!r}, which is no score',
                'give numbers or n/a',
            )
    return tuple(n for n in names if n in offered), warnings


def measure_values(regions: pd.DataFrame) -> pd.DataFrame:
    """Measures in wide form: participants by (measure, region, hemisphere).

    Parameters
    ----------
    regions
        One visit per participant; the rows of `brain` only serve for normalising.
    """
    regions = regions.assign(volume_normalised=normalised_volume(regions))
    order = [r for r in regions.region.drop_duplicates() if r != BRAIN]
    wide = regions.pivot(
        index='participant_id', columns=['region', 'hemisphere'], values=list(MEASURES)
    )
    columns = pd.MultiIndex.from_product([MEASURES, order, HEMISPHERES])
    return wide.reindex(columns=columns[columns.isin(wide.columns)]).astype(float)


def normalised_volume(regions: pd.DataFrame) -> pd.Series:
    """Volume of each row over the brain volume of its visit, mm^3 per litre of brain.

    A region without any voxel (outside the field of view) has no volume rather than none of it.

    Parameters
    ----------
    regions
        Region tables with their `brain` rows.
    """
    keys = ['participant_id', 'session_id', 'run_id']
    visit = pd.MultiIndex.from_frame(regions[keys].fillna('n/a').astype(str))
    brain = (regions.region == BRAIN) & (regions.hemisphere == 'both')
    litres = pd.Series(regions.volume_mm3[brain].to_numpy(float) / 1e6, visit[brain])
    litres = litres[~litres.index.duplicated()].where(lambda v: v > 0)
    volume = regions.volume_mm3.where(regions.volume_mm3 > 0).to_numpy(float)
    return pd.Series(volume / litres.reindex(visit).to_numpy(), regions.index)


def _coverage_warnings(regions: pd.DataFrame) -> list[str]:
    low = regions[
        (regions.coverage < LOW_COVERAGE) & (regions.region != BRAIN) & regions.chi_mean.notna()
    ]
    low = low[low.hemisphere != 'both']
    if low.empty:
        return []
    shown = [f'{r.participant_id} {r.region} {r.hemisphere}' for r in low.itertuples()]
    return [
        f'In {len(low)} regions less than half of the voxels lie where the map holds, and their '
        f'means enter the models all the same: {name_some(shown)}.'
    ]


def _check_covariates(sample: Sample, source: str) -> None:
    """Raise InputError where a covariate adds nothing to the group and those before it."""
    people, labels = sample.people[sample.complete], sample.labels[sample.complete]
    matrix = group_columns(labels, [g for g in sample.groups if (labels == g).any()])
    for covariate in sample.covariates:
        added = covariate_columns(people[covariate.name], covariate)
        wider = np.hstack([matrix, added])
        if not added.any() or np.linalg.matrix_rank(wider) < wider.shape[1]:
            raise InputError(
                source,
                f'covariate {covariate.name!r} says nothing beyond the group and the covariates '
                f'before it among the {len(people)} participants who have all of them',
                'give --covariates without it',
            )
        matrix = wider


def group_columns(labels: pd.Series, groups: Sequence[str]) -> np.ndarray:
    """Indicator of each group, (participants, groups)."""
    return np.column_stack([(labels == g).to_numpy(float) for g in groups])


def covariate_columns(values: pd.Series, covariate: Covariate) -> np.ndarray:
    """Columns of a design matrix: standardised amounts, or indicators of all but one level."""
    if covariate.categorical:
        levels = sorted(values.astype(str).unique())[1:]
        columns = [(values.astype(str) == level).to_numpy(float) for level in levels]
        return np.column_stack(columns) if columns else np.zeros((len(values), 0))
    amounts = values.to_numpy(float)
    spread = amounts.std() or 1.0  # scale does not change any test, only the rounding
    return ((amounts - amounts.mean()) / spread)[:, None]
