"""Values beside those of the reference group: never beside oneself, and never without a spread."""

import numpy as np
import pandas as pd
import pytest
from toy_cohort import make_people, make_regions

from nigra.nodes.statistics.comparison import compare_groups
from nigra.nodes.statistics.deviations import (
    DEVIATION_COLUMNS,
    LEAST_OTHERS,
    UNUSUAL,
    chance_beyond,
    deviation_table,
)
from nigra.nodes.statistics.question import Question


def table(controls, patients=(), region='putamen'):
    values = [*controls, *patients]
    return pd.DataFrame({
        'participant_id': [f'sub-{i:02d}' for i in range(len(values))],
        'group': ['HC'] * len(controls) + ['MS'] * len(patients), 'measure': 'chi_mean',
        'region': region, 'hemisphere': 'both', 'value': np.array(values, float),
    })  # fmt: skip


def test_nobody_is_compared_with_themselves():
    rng = np.random.default_rng(3)
    # far from zero, where sums of squares would lose digits
    values = table(rng.normal(1e6, 3.0, 9), rng.normal(1e6, 5.0, 4))
    for row in deviation_table(values, 'HC').itertuples():
        inside = values.group.eq('HC') & values.participant_id.ne(row.participant_id)
        others = values.value[inside]
        expected = [len(others), others.mean(), others.std(), others.min(), others.max(),
                    (row.value - others.mean()) / others.std()]  # fmt: skip
        found = [row.n_reference, row.reference_mean, row.reference_sd, row.reference_low,
                 row.reference_high, row.sds_away]  # fmt: skip
        assert found == pytest.approx(expected, rel=1e-7)


def test_who_has_no_value_counts_for_nobody_and_stands_beside_the_others():
    values = table([1.0, 2, 3, 4, 5, np.nan], [np.nan])
    found = deviation_table(values, 'HC')
    assert found.n_reference.tolist() == [4] * 5 + [5] * 2
    assert found.reference_mean.iloc[5:].tolist() == [3.0, 3.0]
    assert found.sds_away.iloc[5:].isna().all()


def test_of_few_people_no_spread_is_told():
    found = deviation_table(table(np.arange(LEAST_OTHERS, dtype=float), [2.5]), 'HC')
    assert found.sds_away.notna().tolist() == [False] * LEAST_OTHERS + [True]
    assert found.reference_mean.notna().all()
    alone = deviation_table(table([1.0], [2.0]), 'HC')
    assert alone.n_reference.tolist() == [0, 1]
    assert np.isnan(alone.reference_low.iloc[0])
    assert alone.reference_low.iloc[1] == 1.0


def test_people_who_are_all_alike_have_no_spread():
    found = deviation_table(table([0.1 + 0.2] * 7, [0.3, 4.0]), 'HC')
    assert found.sds_away.isna().all()


def test_rows_keep_their_order_and_places_do_not_mix():
    both = pd.concat([table(range(6), [9.0]), table(range(100, 106), [90.0], 'caudate')])
    mixed = both.sample(frac=1, random_state=0).reset_index(drop=True)
    found = deviation_table(mixed, 'HC')
    assert tuple(found.columns) == DEVIATION_COLUMNS
    assert found[list(mixed.columns)].equals(mixed)
    assert (found.reference_mean[found.group == 'MS'] == [2.5, 102.5]).all() or (
        found.reference_mean[found.group == 'MS'] == [102.5, 2.5]
    ).all()
    assert deviation_table(mixed.iloc[:0], 'HC').columns.tolist() == list(DEVIATION_COLUMNS)


def test_chance_is_as_often_as_drawn():
    rng, n = np.random.default_rng(0), 8
    drawn = rng.normal(0, 1, (200_000, n + 1))
    others = drawn[:, :n]
    away = (drawn[:, n] - others.mean(axis=1)) / others.std(axis=1, ddof=1)
    assert chance_beyond(n) == pytest.approx(np.mean(np.abs(away) > UNUSUAL), abs=0.003)


def test_the_comparison_sets_everybody_beside_the_reference_group():
    people = make_people({'NMO': 6, 'HC': 7})
    regions = make_regions(people)
    found = compare_groups(regions, Question(reference_group='NMO')).deviations
    assert set(found.reference_group) == {'NMO'}
    assert found.participant_id.nunique() == 13
    one = compare_groups(regions[regions.group == 'HC'], Question(covariates=())).deviations
    assert set(one.reference_group) == {'HC'}
    assert set(one.n_reference) == {6}
