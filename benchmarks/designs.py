"""Small and awkward designs: the group level always ends, with tables or with one sentence.

    python benchmarks/designs.py [NUMBER]

draws so many studies (500 by default) of 2 to 12 people in one to four groups, with ties, missing
values, empty cells, constant and collinear covariates, one side or both and one region or three,
and prints how they ended.
"""

from __future__ import annotations

import collections
import sys
import warnings

import numpy as np
import pandas as pd

from nigra.nodes.errors import InputError
from nigra.nodes.statistics.comparison import compare_groups
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.values import REGION_COLUMNS

TABLES = ('models', 'contrasts', 'means', 'covariates', 'sides', 'interactions', 'correlations')


def draw_people(rng: np.random.Generator) -> pd.DataFrame:
    """Participants of a small study whose columns may hold anything that a table may."""
    n = int(rng.integers(2, 13))
    levels = [['A'], ['A', 'B'], ['A', 'B', 'HC'], ['NMO AQP4+', '1', 'HC', 'x (y)']]
    group = rng.choice(levels[rng.integers(4)], n).astype(object)
    ages = [rng.integers(20, 80, n), np.resize([30, 60], n), np.full(n, 40)]
    age = ages[rng.choice(3, p=[0.6, 0.3, 0.1])]
    people = pd.DataFrame({
        'participant_id': [f'sub-{i:02d}' for i in range(n)],
        'group': group, 'age': age.astype(float),
        'sex': [rng.choice(['F', 'M'], n), np.where(group == 'A', 'F', 'M'), np.full(n, 'F')][
            rng.choice(3, p=[0.6, 0.2, 0.2])
        ],
        'site': rng.choice(['1', '2', '3'], n).astype(object),
        'edss': rng.integers(0, 4, n).astype(float),
    })  # fmt: skip
    people['months'] = people.age * 12  # collinear with age
    for name in ('group', 'age', 'sex', 'site', 'edss'):
        gone = rng.random(n) < rng.choice([0, 0, 0.2])
        people.loc[gone, name] = None
    return people


def draw_values(rng: np.random.Generator, people: pd.DataFrame) -> np.ndarray:
    """One region's values: noise, few levels, ranks that fit the groups, constants."""
    n = len(people)
    steps = pd.factorize(people.group)[0]
    kind = rng.integers(5)
    values = [
        rng.normal(40, 5, n), rng.integers(0, 2, n), steps * 10.0, np.full(n, 7.0),
        steps + rng.integers(0, 2, n) * 1e-9,
    ][kind].astype(float)  # fmt: skip
    values[rng.random(n) < rng.choice([0, 0.2])] = np.nan
    return values


def draw_regions(rng: np.random.Generator) -> pd.DataFrame:
    """Region tables of a small study with the participants' columns."""
    people = draw_people(rng)
    names = ['thalamus', 'putamen', 'caudate'][: rng.choice([1, 3])]
    sides = [['L', 'R', 'both'], ['L'], ['both']][rng.integers(3)]
    rows = []
    for region in names:
        for side in sides:
            chi, volume = draw_values(rng, people), np.abs(draw_values(rng, people)) * 100
            rows += [
                (who, 'n/a', 'n/a', 'dgm', region, side, 9, v, 1.0, c, c, 1.0, np.nan)
                for who, c, v in zip(people.participant_id, chi, volume, strict=True)
            ]
    rows += [
        (who, 'n/a', 'n/a', 'dgm', 'brain', 'both', 9, 1.3e6, 1.0, 0.0, 0.0, 1.0, np.nan)
        for who in people.participant_id
    ]
    return pd.DataFrame(rows, columns=list(REGION_COLUMNS)).merge(people, on='participant_id')


def draw_question(rng: np.random.Generator) -> Question:
    """Something that a user may ask."""
    covariates = [None, (), ('age',), ('age', 'months'), ('C(site)', 'sex'), ('C(age)',)]
    return Question(
        covariates=covariates[rng.integers(len(covariates))],
        interactions=('age',) if rng.random() < 0.1 else (),
        scores=('edss', 'months') if rng.random() < 0.3 else None,
        permutations=20 * int(rng.integers(2)), bootstraps=20 * int(rng.integers(2)),
    )  # fmt: skip


def end(seed: int) -> str:
    """How a drawn study ends: `tables`, or the sentence of a refusal; all else is raised."""
    rng = np.random.default_rng(seed)
    regions, question = draw_regions(rng), draw_question(rng)
    try:
        result = compare_groups(regions, question)
    except InputError as error:
        return str(error)
    for name in TABLES:
        table = getattr(result, name)
        p = table.p.dropna().astype(float) if 'p' in table else pd.Series(dtype=float)
        if not p.between(0, 1).all():
            raise ValueError(f'{name}: p outside 0 to 1')
        # what was not tested says why
        if name == 'models':
            untold = table.df_den.isna() & table.note.isna()
            if untold.any():
                raise ValueError(f'no reason for {table[untold].iloc[0].to_dict()}')
    return 'tables'


def main(number: int = 500) -> int:
    """Draw, count and print; returns the number of studies that neither ended nor were refused."""
    ends: collections.Counter[str] = collections.Counter()
    broken = []
    for seed in range(number):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('error')
                found = end(seed)
        except Exception as error:  # whatever it is, it is counted
            broken.append(f'seed {seed}: {type(error).__name__}: {error}')
        else:
            ends['tables' if found == 'tables' else 'refused in a sentence'] += 1
    for what, count in ends.most_common():
        print(f'{count:5d}  {what}')
    print(f'{len(broken):5d}  broken')
    print('\n'.join(broken[:20]))
    print(f'{number - len(broken)} of {number} ended as they should')
    return len(broken)


if __name__ == '__main__':
    sys.exit(bool(main(*map(int, sys.argv[1:2]))))
