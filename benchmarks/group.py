"""How often the group comparison finds what is there, and what is not.

    python benchmarks/group.py [--repetitions 300] [--permutations 400] [--processes 2]

simulates region means of the study's size (20 NMO, 40 RRMS, 20 HC; nine regions that go together,
age and sex), without any effect and with the study's, and prints for every correction how often a
study finds anything that is not there (family-wise error), and how often it finds what is. All
values are ppb; the spread between people and the errors are assumptions, named below.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd
from scipy import stats

from nigra.nodes.covariates import Covariate
from nigra.nodes.group_models import group_tables
from nigra.nodes.sample import Sample

SIZES = {'NMO': 20, 'RRMS': 40, 'HC': 20}
REGIONS = ('caudate', 'putamen', 'pallidum', 'thalamus', 'pulvinar', 'thalamus_whole',
           'substantia_nigra', 'red_nucleus', 'accumbens')  # fmt: skip
SPREAD_PPB, SHARED = 12.0, 0.4
"""Standard deviation between people, and the share of its variance that all regions have."""
EFFECTS: Mapping[tuple[str, str], float] = {
    ('substantia_nigra', 'NMO'): 15.0,
    ('thalamus', 'RRMS'): -12.0,
    ('thalamus_whole', 'RRMS'): -10.0,
}
"""Assumed, for the published tables could not be read: about one standard deviation."""
CORRECTIONS = ('p', 'p_tukey', 'p_holm', 'p_adjusted', 'p_max')


def study(seed: int, effects: Mapping[tuple[str, str], float]) -> Sample:
    """One study's region means."""
    rng = np.random.default_rng([2020, seed])
    labels = np.repeat(list(SIZES), list(SIZES.values()))
    n = len(labels)
    people = pd.DataFrame({'age': rng.normal(45, 12, n), 'sex': rng.choice(['F', 'M'], n)})
    shared = rng.standard_normal(n)[:, None] * np.sqrt(SHARED)
    own = rng.standard_normal((n, len(REGIONS))) * np.sqrt(1 - SHARED)
    values = 50 + SPREAD_PPB * (shared + own) + 0.2 * (people.age.to_numpy()[:, None] - 45)
    for (region, group), effect in effects.items():
        values[labels == group, REGIONS.index(region)] += effect
    index = pd.Index([f'sub-{i:03d}' for i in range(n)])
    columns = pd.MultiIndex.from_product([['chi_mean'], REGIONS, ['both']])
    return Sample(
        values=pd.DataFrame(values, index, columns),
        labels=pd.Series(labels, index),
        people=people.set_axis(index),
        groups=tuple(SIZES),
        covariates=(Covariate('age', False), Covariate('sex', True)),
        scores=(),
        formula='value ~ C(group) + age + C(sex)',
        exclusions=pd.DataFrame(),
        warnings=(),
    )


def one(seed: int, *, permutations: int, effects: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Contrasts of one study."""
    tables = group_tables(study(seed, effects), permutations=permutations, seed=seed)
    return tables.contrasts.assign(study=seed)


def _true(row: pd.Series, effects: Mapping[tuple[str, str], float]) -> bool:
    first, second = row.contrast.split(' - ')
    return effects.get((row.region, first), 0) != effects.get((row.region, second), 0)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repetitions', type=int, default=300)
    parser.add_argument('--permutations', type=int, default=400)
    parser.add_argument('--processes', type=int, default=2)
    arguments = parser.parse_args()
    for name, effects in (('No effect', {}), ("The study's effects", EFFECTS)):
        task = functools.partial(one, permutations=arguments.permutations, effects=effects)
        with ProcessPoolExecutor(arguments.processes) as pool:
            found = pd.concat(pool.map(task, range(arguments.repetitions)))
        there = found.apply(_true, axis=1, effects=effects)
        rows = {}
        for column in CORRECTIONS:
            hit = found[column] < 0.05
            false = hit[~there].groupby(found.study[~there]).any()
            rows[column] = {'any false finding': false.mean()}
            if there.any():
                rows[column]['true findings'] = hit[there].mean()
                rows[column]['all of them'] = hit[there].groupby(found.study[there]).all().mean()
        print(
            f'\n{name}, {arguments.repetitions} studies\n', pd.DataFrame(rows).T.round(3), sep=''
        )
        if not there.any():
            uniform = {c: stats.kstest(found[c].iloc[::27], 'uniform').pvalue
                       for c in ('p', 'p_permutation')}  # fmt: skip
            print('p of uniformity:', {k: round(v, 3) for k, v in uniform.items()})


if __name__ == '__main__':
    main()
