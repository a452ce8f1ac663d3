"""Pieces of a participant's page: facts, measures, rows of regions."""

import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.quality import quality_measures
from nigra.interfaces.reports.checks import LOW_COVERAGE
from nigra.interfaces.reports.participant_page import (
    fact_pairs,
    quality_pairs,
    region_rows,
    run_warnings,
)


def test_facts_are_told_in_the_units_that_people_use():
    facts = {
        'MagneticFieldStrength': 3.0, 'EchoTimes': [0.004, 0.0125], 'VoxelSize': [0.75, 0.75, 1.5],
        'B0Direction': [0.0, -0.1, 0.995], 'Shape': [256, 256, 80], 'Coil': 'head',
    }  # fmt: skip
    assert fact_pairs(facts) == [
        ('Field strength', '3 T'), ('Echo times', '4, 12.5 ms'),
        ('Voxel size', '0.75 × 0.75 × 1.5 mm'),
        ('B0 direction, voxel axes', '0.000, −0.100, 0.995'),
        ('Matrix', '256 × 256 × 80'), ('Coil', 'head'),
    ]  # fmt: skip
    assert fact_pairs({'Coil': 'head'}) == [('Coil', 'head')]


def test_measures_have_title_unit_and_meaning():
    name, measure = next((n, m) for n, m in quality_measures().items() if m.get('Units'))
    ((title, text, meaning), (other, plain, nothing)) = quality_pairs({name: 2.5, 'odd_one': 3})
    assert text == f'2.5 {measure["Units"]}'
    assert meaning == measure['Description']
    assert title[0].isupper()
    assert (other, plain, nothing) == ('Odd one', '3', '')


def test_warnings_are_told_once():
    run = {'load_warnings': ['a', 'b'], 'field_warnings': None, 'scan_warnings': ['c', 'a']}
    assert run_warnings(run) == ['a', 'b', 'c']


@pytest.mark.parametrize(
    ('coverage', 'mark'),
    [(LOW_COVERAGE, ''), (LOW_COVERAGE - 0.001, 'low'), (1.0, ''), (0.0, 'low')],
)
def test_rows_of_a_low_coverage_are_marked_and_volumes_told_in_parts(coverage, mark):
    rows = pd.DataFrame({
        'region': ['putamen', 'brain'], 'hemisphere': ['L', 'both'], 'coverage': [coverage, 1.0],
        'chi_mean': [40.0, 0.0], 'volume_mm3': [4500.0, 1.5e6], 'r2star_mean': [np.nan, np.nan],
    })  # fmt: skip
    table = region_rows(rows)
    assert list(table.row_classes) == [mark, 'together']
    titles = [column.title for column in table.columns]
    assert 'R2*, 1/s' not in titles  # of one echo
    shown = dict(zip(titles, [cell.text for cell in table.rows[0]], strict=True))
    assert (shown['Volume, mL'], shown['% of brain']) == ('4.50', '0.300')
    assert shown['Covered, %'] == f'{100 * coverage:.0f}'
    rates = region_rows(rows.assign(r2star_mean=[30.0, np.nan]))
    assert 'R2*, 1/s' in [column.title for column in rates.columns]
    alone = region_rows(rows.iloc[:1])
    assert dict(zip([c.title for c in alone.columns], [c.text for c in alone.rows[0]],
                    strict=True))['% of brain'] == 'n/a'  # fmt: skip
