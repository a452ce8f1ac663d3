"""One value per participant: which visit counts, and how volumes are normalised."""

import numpy as np
import pandas as pd
import pytest
from toy_cohort import make_people, make_regions, region_rows

from nigra.nodes.statistics.values import (
    brain_warnings,
    coverage_warnings,
    first_visits,
    measure_values,
    normalised_volume,
)


def visits(*pairs, person='sub-1', seed=0):
    rng = np.random.default_rng(seed)
    return pd.concat(
        [region_rows(person, rng, session=s, run=r) for s, r in pairs], ignore_index=True
    )


@pytest.mark.parametrize(
    ('pairs', 'expected'),
    [
        ([('ses-2', 'run-1'), ('ses-1', 'run-2'), ('ses-1', 'run-1')], ('ses-1', 'run-1')),
        ([('ses-10', 'n/a'), ('ses-9', 'n/a')], ('ses-9', 'n/a')),
        ([('n/a', 'run-10'), ('n/a', 'run-2')], ('n/a', 'run-2')),
        ([('ses-b', 'n/a'), ('n/a', 'n/a')], ('n/a', 'n/a')),
    ],
)
def test_first_session_and_run_counts(pairs, expected):
    table = visits(*pairs)
    kept, (warning,) = first_visits(table)
    assert set(zip(kept.session_id, kept.run_id, strict=True)) == {expected}
    wanted = table[(table.session_id == expected[0]) & (table.run_id == expected[1])]
    pd.testing.assert_frame_equal(kept, wanted)
    assert 'sub-1 (' in warning


def test_missing_keys_read_from_a_file_are_the_same():
    table = visits(('n/a', 'n/a'), ('n/a', 'run-1')).replace({'n/a': np.nan})
    kept, _ = first_visits(table)
    assert len(kept) == 10
    assert kept.run_id.isna().all()


def test_several_tables_of_one_visit():
    table = visits(('ses-1', 'n/a'), ('ses-1', 'n/a'))
    kept, (warning,) = first_visits(table)
    pd.testing.assert_frame_equal(kept, table[:10])
    assert 'several region tables for one session and run' in warning


def test_single_visits_need_no_words():
    table = make_regions(make_people())
    kept, warnings = first_visits(table)
    assert len(kept) == len(table)
    assert warnings == []


def test_volume_per_litre_of_brain():
    table = visits(('ses-1', 'n/a'), ('ses-2', 'n/a'))
    table.loc[table.region == 'brain', 'volume_mm3'] = [1.2e6, 2e6]
    table.loc[table.region == 'putamen', 'volume_mm3'] = 6000.0
    found = normalised_volume(table)
    assert found[(table.region == 'putamen') & (table.session_id == 'ses-1')].to_numpy() == (
        pytest.approx(5000)
    )
    assert found[(table.region == 'putamen') & (table.session_id == 'ses-2')].to_numpy() == (
        pytest.approx(3000)
    )


def test_no_voxel_is_no_volume():
    table = visits(('n/a', 'n/a'))
    table.loc[table.region == 'putamen', 'volume_mm3'] = 0.0
    found = normalised_volume(table)
    assert found[table.region == 'putamen'].isna().all()
    assert found[table.region == 'caudate'].notna().all()


def test_without_brain_nothing_is_normalised():
    table = visits(('n/a', 'n/a')).query('region != "brain"')
    assert normalised_volume(table).isna().all()
    assert 'sub-1' in brain_warnings(table)[0]
    assert brain_warnings(visits(('n/a', 'n/a'))) == []


def test_labels_without_a_brain_lack_none_where_nothing_is_divided_by_it():
    table = visits(('n/a', 'n/a'))
    table = table[table.region != 'brain']
    assert brain_warnings(table, asked=False) == []
    assert 'volume_mm3' in brain_warnings(table, asked=True)[0]
    lost = visits(('n/a', 'n/a'))
    lost.loc[lost.region == 'brain', 'volume_mm3'] = 0.0
    assert 'sub-1' in brain_warnings(lost, asked=False)[0]


def test_wide_values():
    regions = make_regions(make_people())
    wide = measure_values(regions)
    assert wide.shape == (16, 18)
    row = regions[(regions.participant_id == 'sub-004') & (regions.region == 'thalamus')
                  & (regions.hemisphere == 'R')]  # fmt: skip
    assert wide.loc['sub-004', ('chi_mean', 'thalamus', 'R')] == row.chi_mean.item()
    assert 'brain' not in wide.columns.get_level_values(1)


def test_low_coverage_is_told():
    table = visits(('n/a', 'n/a'))
    assert coverage_warnings(table) == []
    table.loc[(table.region == 'caudate') & (table.hemisphere == 'L'), 'coverage'] = 0.4
    assert 'sub-1 caudate L' in coverage_warnings(table)[0]
