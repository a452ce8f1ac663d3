"""Planning a study: spread and precision from files, power as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from ..nodes.errors import InputError
from ..nodes.power import Precision, contrast_power, draw_values, measured_spread
from ..nodes.simulation.cohort import GroupModel, RegionModel
from ..nodes.statistics.group_models import group_tables
from .group_tables import GROUP_TABLES
from .study import Study, read_study
from .tables import read_table

_HEADINGS = {
    'region': 'region', 'contrast': 'contrast', 'n_a': 'n a', 'n_b': 'n b', 'sd': 'spread',
    'detectable': 'detectable', 'detectable_family': '... in family', 'effect': 'effect',
    'power': 'power', 'power_family': '... in family', 'power_drawn': '... of studies drawn',
}  # fmt: skip


def load_precision() -> dict[str, Precision]:
    """Error of measurement by region, `data/precision.tsv` (its source stands in the docs)."""
    path = resources.files('nigra.data') / 'precision.tsv'
    with path.open(encoding='utf-8') as stream:
        table = pd.read_csv(stream, sep='\t').set_index('region')
    return {
        str(region): Precision(row.chi_slope, row.chi_error_ppb, row.volume_error_percent)
        for region, row in table.iterrows()
    }


def plan_power(
    *, study: str | Path, derivatives: Path | None = None, groups: Sequence[str] | None = None,
    effects: Sequence[str] = (), regions: Sequence[str] | None = None, n_covariates: int = 2,
    alpha: float = 0.05, chance: float = 0.8, repetitions: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Power of every region and pair of groups of a planned study.

    Parameters
    ----------
    study
        As in `study.read_study`.
    derivatives
        Folder of a finished group level, whose spread within groups is used.
    groups
        `NAME=N`, the reference group last; those of the study if None.
    effects
        `REGION:GROUP=PPB`; those of the study if empty and the groups are the study's.
    regions
        Some regions only.
    n_covariates, alpha, chance
        As in `power.contrast_power`.
    repetitions
        Studies to draw.

    Raises
    ------
    InputError
        An option cannot be read or names what is not there.
    """
    plan = read_study(study)
    sizes = {g.name: g.n for g in plan.groups.values()} if groups is None else _sizes(groups)
    if not alpha < chance < 1 or not 0 < alpha < 1:
        raise InputError(
            f'--alpha {alpha} --power {chance}', 'cannot be', 'give 0 < alpha < power < 1'
        )
    _check_sizes(sizes, n_covariates)
    precision = load_precision()
    slopes = {name: how.chi_slope for name, how in precision.items()}
    if derivatives is None:
        spreads = measured_spread(plan.regions, precision)
    else:
        spreads = spread_within_groups(derivatives / GROUP_TABLES['means'].files[0])
    chosen = _choose(spreads, regions)
    changes = _effects(effects, chosen, sizes) if effects else _of_study(plan, sizes, chosen)
    table = contrast_power(
        sizes, chosen, n_covariates=n_covariates, effects=changes or None, slopes=slopes,
        alpha=alpha, chance=chance,
    )  # fmt: skip
    if repetitions:  # of no effect at all, it tells how often one is found by chance
        models: Mapping[str, RegionModel] = plan.regions
        if derivatives is not None:
            models, precision = _as_measured(chosen, slopes)
        table['power_drawn'] = _drawn(
            _groups(plan, sizes, changes),
            {name: models[name] for name in chosen if name in models},
            precision, table, repetitions, plan.seed, alpha,
        )  # fmt: skip
    return table


def _as_measured(
    spreads: Mapping[str, float], slopes: Mapping[str, float]
) -> tuple[dict[str, RegionModel], dict[str, Precision]]:
    """People to draw whose measured spread is known: it holds the error of measurement already."""
    models = {
        name: RegionModel(0.0, chi_sd_ppb=sd / slopes.get(name, 1.0), side_sd_ppb=0.0)
        for name, sd in spreads.items()
    }
    return models, {name: Precision(slope) for name, slope in slopes.items()}


def _sizes(groups: Sequence[str]) -> dict[str, int]:
    sizes = {}
    for text in groups:
        name, _, number = text.rpartition('=')
        if not (name and number.isdecimal() and int(number) > 1):
            raise InputError(f'--groups {text}', 'is not NAME=N', 'write it as HC=20, N above 1')
        if name in sizes:
            raise InputError(f'--groups {text}', f'names {name} twice', 'give one size')
        sizes[name] = int(number)
    if len(sizes) < 2:
        raise InputError('--groups', 'names fewer than two groups', 'give at least two')
    return sizes


def _check_sizes(sizes: Mapping[str, int], n_covariates: int) -> None:
    """Refuse a study whose models would fit exactly."""
    if sum(sizes.values()) - len(sizes) - n_covariates < 1:
        shown = ' '.join(f'{name}={n}' for name, n in sizes.items())
        raise InputError(
            f'--groups {shown} --covariates {n_covariates}',
            'leave no degrees of freedom for a test',
            'plan more people or adjust for fewer columns',
        )


def _choose(spreads: Mapping[str, float], regions: Sequence[str] | None) -> dict[str, float]:
    for name in regions or ():
        if name not in spreads:
            raise InputError(
                f'--regions {name}', 'has no known spread', f'use some of {", ".join(spreads)}'
            )
    return {name: sd for name, sd in spreads.items() if not regions or name in regions}


def _effects(
    texts: Sequence[str], regions: Mapping[str, float], sizes: Mapping[str, int]
) -> dict[tuple[str, str], float]:
    found = {}
    for text in texts:
        place, _, number = text.rpartition('=')
        region, _, group = place.partition(':')
        try:
            value = float(number)
        except ValueError:
            value = float('nan')
        if region not in regions or group not in sizes or not np.isfinite(value):
            raise InputError(
                f'--effects {text}', 'is not REGION:GROUP=PPB',
                f'use regions {", ".join(regions)} and groups {", ".join(sizes)}',
            )  # fmt: skip
        found[region, group] = value
    return found


def _of_study(
    plan: Study, sizes: Mapping[str, int], regions: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    """The study's effects on the regions and groups in question."""
    return {
        (region, group.name): ppb
        for group in plan.groups.values()
        for region, ppb in group.chi_ppb.items()
        if group.name in sizes and region in regions
    }


def spread_within_groups(path: Path) -> dict[str, float]:
    """Standard deviation within groups, ppb, from the table of means of a finished study.

    Parameters
    ----------
    path
        Table `means` of `GROUP_TABLES`.

    Raises
    ------
    InputError
        It is missing, or holds no mean susceptibility.
    """
    table = read_table(path, text=('group', 'measure'), needs=('measure', 'region', 'n', 'sd'))
    own = table[(table.measure == 'chi_mean') & (table.hemisphere == 'both')]
    if own.empty:
        raise InputError(path, 'holds no chi_mean', 'run the group level with that measure')
    return {
        str(region): float(np.sqrt(((r.n - 1) * r.sd**2).sum() / (r.n - 1).sum()))
        for region, r in own.groupby('region', sort=False)
    }


def _groups(
    plan: Study, sizes: Mapping[str, int], effects: Mapping[tuple[str, str], float]
) -> list[GroupModel]:
    """Groups to draw: those of the study by name, else like its last, with the effects."""
    *_, usual = plan.groups.values()
    return [
        replace(
            plan.groups.get(name, replace(usual, name=name)),
            n=n, chi_ppb={r: v for (r, g), v in effects.items() if g == name},
            volume_percent={}, edss_ppb={},
        )
        for name, n in sizes.items()
    ]  # fmt: skip


def _drawn(
    groups: Sequence[GroupModel], regions: Mapping[str, RegionModel],
    precision: Mapping[str, Precision], table: pd.DataFrame, repetitions: int, seed: int,
    alpha: float,
) -> list[float]:  # fmt: skip
    """Fraction of drawn studies in which each contrast is significant after adjustment."""
    places = pd.MultiIndex.from_frame(table[['region', 'contrast']])
    hits = pd.Series(0, places)
    for number in range(repetitions):
        sample = draw_values(groups, regions, precision, seed + number)
        sample = replace(sample, values=sample.values[['chi_mean']])
        rows = group_tables(sample).contrasts.set_index(['region', 'contrast'])
        hits += (rows.p_adjusted < alpha).reindex(places).astype(int)
    return list(hits / repetitions)


def show_power(table: pd.DataFrame) -> str:
    """The table as text for a terminal, with what its numbers are."""
    shown = table.drop(columns=['group_a', 'group_b']).round(
        {'sd': 1, 'detectable': 1, 'detectable_family': 1, 'effect': 1, 'power': 2,
         'power_family': 2, 'power_drawn': 2}
    ).rename(columns=_HEADINGS)  # fmt: skip
    lines = [
        shown.to_string(index=False, na_rep=''),
        '',
        'spread: standard deviation between people of a group as measured, ppb. detectable: true',
        'difference found with the wanted chance, ppb, by one test alone, and where all regions',
        'and pairs form one family (Bonferroni; the corrections in use find at least as much).',
    ]
    return '\n'.join(lines)
