"""How often the group comparison finds what is there, and what is not.

    python benchmarks/group.py [--repetitions 200] [--null-repetitions 2000] [--permutations 500]

draws studies of the size and effects of `pudlac2020` (20 NMO, 40 RRMS, 20 HC) as region values,
without images, and analyses each as the group level does.

* Without any effect: how often a study finds anything at all (family-wise error) by each
  correction, for each family that it is made for, and whether single p values are uniform.
* With the study's effects: how often each published finding is made, on the true values and on
  values with the error of measurement in `data/precision.tsv`.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from nigra.interfaces.power import load_precision
from nigra.interfaces.study import read_study
from nigra.nodes.power import Precision, draw_values
from nigra.nodes.statistics.correlations import correlation_table
from nigra.nodes.statistics.group_models import group_tables

CHI, VOLUME = 'chi_mean', 'volume_normalised'
FINDINGS: Sequence[tuple[str, str, str, int]] = (
    (CHI, 'substantia_nigra', 'NMO - HC', 1),
    (CHI, 'thalamus', 'RRMS - HC', -1),
    (CHI, 'thalamus', 'NMO - RRMS', 1),
    (VOLUME, 'thalamus', 'RRMS - HC', -1),
    (VOLUME, 'thalamus', 'NMO - RRMS', 1),
    (VOLUME, 'pulvinar', 'RRMS - HC', -1),
    (VOLUME, 'pulvinar', 'NMO - RRMS', 1),
    (VOLUME, 'putamen', 'RRMS - HC', -1),
    (VOLUME, 'putamen', 'NMO - RRMS', 1),
)
"""Published differences and their signs; the correlation with EDSS comes on top."""
EDSS = (CHI, 'putamen', 'RRMS')
TRUE_TOO = {(CHI, 'substantia_nigra', 'NMO - RRMS')}
"""Present in the simulation without being among the published findings."""
REGION, ALL = 'pairs of a region', 'all regions and pairs'
CORRECTIONS = {'p_tukey': REGION, 'p_holm': REGION, 'p_adjusted': ALL, 'p_max': ALL}


def without_effects(group: Any) -> Any:
    """A group that differs from the others by nothing but its size."""
    usual = read_study('pudlac2020').groups['HC']
    return replace(
        group, chi_ppb={}, volume_percent={}, edss_ppb={}, age=usual.age, female_percent=50
    )


def null_study(seed: int, *, permutations: int) -> pd.DataFrame:
    """Contrasts of a study in which nothing differs."""
    study = read_study('pudlac2020')
    groups = [without_effects(g) for g in study.groups.values()]
    sample = draw_values(groups, study.regions, load_precision(), 10_000 + seed)
    sample = replace(sample, values=sample.values[[CHI]])
    return group_tables(sample, permutations=permutations, seed=seed).contrasts.assign(study=seed)


def full_study(seed: int, *, precision: Mapping[str, Precision]) -> list[dict[str, Any]]:
    """Which findings one study makes, published and others."""
    study = read_study('pudlac2020')
    sample = draw_values(
        list(study.groups.values()), study.regions, precision, 20_000 + seed,
        reference_age=study.reference_age,
    )  # fmt: skip
    rows = group_tables(sample).contrasts
    hits = {
        (r.measure, r.region, r.contrast): int(np.sign(r.estimate))
        for r in rows[rows.p_adjusted < 0.05].itertuples()
    }
    table, _ = correlation_table(sample)
    table = table[table.p_adjusted < 0.05]
    related = {(r.measure, r.region, r.group): r.rho for r in table.itertuples()}
    found = [
        {'finding': f'{m} {region} {contrast}', 'hit': hits.get((m, region, contrast)) == sign}
        for m, region, contrast, sign in FINDINGS
    ]
    found.append({'finding': 'EDSS with putamen in RRMS', 'hit': related.get(EDSS, 0) > 0})
    true = {f[:3] for f in FINDINGS} | TRUE_TOO
    wrong = [k for k in hits if k not in true] + [k for k in related if k != EDSS]
    found.append({'finding': '(anything else)', 'hit': bool(wrong)})
    return [{**row, 'study': seed} for row in found]


def null_table(found: pd.DataFrame) -> pd.DataFrame:
    """Family-wise error of every correction with its binomial standard error."""
    rows = []
    for column, family in CORRECTIONS.items():
        hit = found[column] < 0.05
        keys = [found.study, found.region] if family == REGION else [found.study]
        rate = hit.groupby(keys).any()
        rows.append({
            'correction': column, 'family': family, 'error': rate.mean(),
            'se': rate.groupby('study').mean().sem(),
        })  # fmt: skip
    return pd.DataFrame(rows).set_index('correction')


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repetitions', type=int, default=200)
    parser.add_argument('--null-repetitions', type=int, default=2000)
    parser.add_argument('--permutations', type=int, default=500)
    parser.add_argument('--processes', type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        powers = {}
        for name, precision in (('true values', {}), ('measured', load_precision())):
            task = functools.partial(full_study, precision=precision)
            rows = [row for rows in pool.map(task, range(arguments.repetitions)) for row in rows]
            powers[name] = pd.DataFrame(rows).groupby('finding', sort=False).hit.mean()
        table = pd.DataFrame(powers)
        table['difference'] = table['measured'] - table['true values']
        print(f'\nFraction of {arguments.repetitions} studies that find it (FDR, alpha .05)')
        print(table.round(3).to_string(), flush=True)
        task = functools.partial(null_study, permutations=arguments.permutations)
        nothing = pd.concat(pool.map(task, range(arguments.null_repetitions), chunksize=10))
    print(f'\nNo effect, {arguments.null_repetitions} studies: fraction with any finding')
    print(null_table(nothing).round(4).to_string())
    # one test of each study, so that tests of uniformity see independent values
    single = nothing.groupby('study').nth(4)
    for column in ('p', 'p_permutation'):
        d = stats.kstest(single[column], 'uniform')
        print(f'{column} uniform: Kolmogorov-Smirnov p {d.pvalue:.3f}, gap {d.statistic:.3f}')


if __name__ == '__main__':
    main()
