"""From region tables to one value per participant: first visits, brain-normalised volumes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from ..anatomy.regions import BRAIN, COLUMNS
from .measures import DEFAULT_MEASURES

REGION_COLUMNS = (
    'participant_id', 'session_id', 'run_id', 'atlas', 'region', 'hemisphere', 'n_voxels',
    'volume_mm3', 'coverage', 'chi_mean', 'chi_median', 'chi_sd', 'r2star_mean',
)  # fmt: skip
"""Columns that every region table must have."""
TABLE_COLUMNS = tuple(dict.fromkeys((*REGION_COLUMNS[:4], *COLUMNS, *REGION_COLUMNS)))
"""All that region tables may have; other columns come from the participants' table."""

PLACE = ('measure', 'region', 'hemisphere')
"""Columns that tell what a row of the group tables is about; levels of wide values."""
VISIT = ('participant_id', 'session_id', 'run_id')
"""Columns that tell one visit from another."""
HEMISPHERES = ('both', 'L', 'R')
WARN_COVERAGE = 0.5
"""Fraction of a region under the map below which a warning names it: the smaller part."""


def first_visits(regions: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows of each participant's first session and run, and a warning that lists the others.

    Parameters
    ----------
    regions
        Region tables; sessions and runs are sorted with numbers as numbers. Of several tables
        with one session and run, the first counts.
    """
    keys = list(VISIT)
    visits = regions[keys].fillna('n/a').astype(str).drop_duplicates()
    # ses-2 comes before ses-10, which plain text would turn round
    ranks = [(who, _natural(f'{session} {run}')) for who, session, run in visits.to_numpy()]
    visits = visits.iloc[sorted(range(len(ranks)), key=ranks.__getitem__)]
    first = visits.drop_duplicates('participant_id')
    several = visits.participant_id[visits.participant_id.duplicated()].unique()
    warnings = []
    if len(several):
        shown = [
            f'{v.participant_id} ({_visit_name(v.session_id, v.run_id)})'
            for v in first[first.participant_id.isin(several)].itertuples()
        ]
        warnings.append(
            f'Participants with several sessions or runs ({len(several)}), of whom models use the '
            f'first while the table of regions keeps all: {name_some(shown)}.'
        )
    wanted = pd.MultiIndex.from_frame(first[keys])
    index = pd.MultiIndex.from_frame(regions[keys].fillna('n/a').astype(str))
    kept = regions[index.isin(wanted)]
    # the same region twice would make two values of one person
    rows = ['participant_id', 'region', 'hemisphere']
    again = kept.duplicated(rows)
    if again.any():
        who = sorted(kept.participant_id[again].unique())
        warnings.append(
            f'Participants with several region tables for one session and run ({len(who)}), of '
            f'whom models use the first: {name_some(who)}.'
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
    words = [str(name) for name in names]
    more = f' and {len(words) - limit} more' if len(words) > limit else ''
    return ', '.join(words[:limit]) + more


def measure_values(
    regions: pd.DataFrame, measures: Sequence[str] = DEFAULT_MEASURES
) -> pd.DataFrame:
    """Measures in wide form: participants by (measure, region, hemisphere).

    Parameters
    ----------
    regions
        One visit per participant; the rows of `brain` only serve for normalising.
    measures
        Of `measures.MEASURES`; one without a column is NaN for all (`sample` refuses it).
    """
    derived = {name: DERIVED[name](regions) for name in measures if name in DERIVED}
    regions = regions.assign(**derived)
    # regions in the order of the tables, hemispheres always in the same
    order = [r for r in regions.region.drop_duplicates() if r != BRAIN]
    present = regions.reindex(columns=list(dict.fromkeys([*regions.columns, *measures])))
    wide = present.pivot(
        index='participant_id', columns=['region', 'hemisphere'], values=list(measures)
    )
    columns = pd.MultiIndex.from_product([measures, order, HEMISPHERES])
    return wide.reindex(columns=columns[columns.isin(wide.columns)]).astype(float)


def normalised_volume(regions: pd.DataFrame) -> pd.Series:
    """Volume of each row over the brain volume of its visit, mm^3 per litre of brain.

    A region without any voxel (outside the field of view) has no volume rather than none of it.

    Parameters
    ----------
    regions
        Region tables with their `brain` rows.
    """
    visit = pd.MultiIndex.from_frame(regions[list(VISIT)].fillna('n/a').astype(str))
    brain = (regions.region == BRAIN) & (regions.hemisphere == 'both')
    litres = pd.Series(regions.volume_mm3[brain].to_numpy(float) / 1e6, visit[brain])
    # two atlases may both have measured the brain of a visit
    litres = litres[~litres.index.duplicated()].where(lambda v: v > 0)
    volume = known_volume(regions).to_numpy(float)
    return pd.Series(volume / litres.reindex(visit).to_numpy(), regions.index)


def known_volume(regions: pd.DataFrame) -> pd.Series:
    """Volume of each row, mm^3; NaN where not a voxel was found, which is no volume of 0."""
    return regions.volume_mm3.where(regions.volume_mm3 > 0)


def total_susceptibility(regions: pd.DataFrame) -> pd.Series:
    """Mean times volume, ppb mL; of either sign, since the mean is relative to a reference."""
    return regions.chi_mean * regions.volume_mm3 / 1000  # mm^3 to mL


DERIVED: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = MappingProxyType(
    {
        'chi_total': total_susceptibility,
        'volume_mm3': known_volume,
        'volume_normalised': normalised_volume,
    }
)
"""Measures that region tables do not hold as they are compared: each row's, from the tables."""


def coverage_warnings(regions: pd.DataFrame) -> list[str]:
    """Name the regions of which the map covers less than half."""
    low = regions[
        (regions.coverage < WARN_COVERAGE) & (regions.region != BRAIN) & regions.chi_mean.notna()
    ]
    low = low[low.hemisphere != 'both']  # which only repeats its two sides
    if low.empty:
        return []
    shown = [f'{r.participant_id} {r.region} {r.hemisphere}' for r in low.itertuples()]
    return [
        f'Regions of which the map covers less than half ({len(low)}), whose means enter the '
        f'models all the same: {name_some(shown)}.'
    ]


def brain_warnings(regions: pd.DataFrame, *, asked: bool = True) -> list[str]:
    """Name the participants whose volumes cannot be normalised.

    Where normalised volumes are not `asked` for, and labels hold no brain at all, nothing is told.
    """
    if not asked and not (regions.region == BRAIN).any():
        return []
    volume = regions.assign(known=normalised_volume(regions).notna())
    without = volume.groupby('participant_id').known.any()
    who = without.index[~without]
    if not len(who):
        return []
    return [
        f'Brain or region volumes of {name_some(who)} are missing or 0: not normalised; '
        'volume_mm3 is the measure that needs none of the brain.'
    ]
