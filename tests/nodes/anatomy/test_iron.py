"""Iron from susceptibility: only where it holds, with its uncertainty."""

import math

import numpy as np
import pytest

from nigra.nodes.anatomy.iron import IRON_RICH, IronCalibration, iron_from_chi
from nigra.nodes.anatomy.regions import Maps, Region, measure_regions
from nigra.nodes.errors import NigraError


def test_the_published_line():
    iron, spread = iron_from_chi(194.0, 'pallidum')
    assert iron == pytest.approx(200)
    assert spread == pytest.approx(200 * 0.15 / 0.97)


def test_uncertainties_add_in_squares():
    sharp = IronCalibration(slope_ppb=1.0, slope_sd_ppb=0.0)
    assert iron_from_chi(50, 'putamen', chi_sd_ppb=3, calibration=sharp) == (50, 3)
    both = iron_from_chi(40, 'putamen', chi_sd_ppb=3, calibration=IronCalibration(1.0, 0.1))[1]
    assert both == pytest.approx(5)


def test_simulated_uncertainty():
    rng = np.random.default_rng(0)
    line = IronCalibration(1.0, 0.05)
    drawn = rng.normal(100, 4, 200_000) / rng.normal(1.0, 0.05, 200_000)
    assert iron_from_chi(100, 'caudate', chi_sd_ppb=4, calibration=line)[1] == pytest.approx(
        np.std(drawn), rel=0.03
    )


@pytest.mark.parametrize('region', ['thalamus', 'pulvinar', 'thalamus_whole', 'brain', 'unknown'])
def test_no_iron_where_myelin_takes_part(region):
    assert all(math.isnan(v) for v in iron_from_chi(30, region))


def test_region_rows_carry_it():
    chi = np.full((6, 6, 6), 0.097, np.float32)
    labels = np.ones((6, 6, 6), int)
    labels[3:] = 2
    regions = [Region('pallidum', 'L', (1,)), Region('thalamus', 'L', (2,))]
    rows = measure_regions(Maps(chi, labels > 0, 1.0), labels, regions)
    by_name = {(r['region'], r['hemisphere']): r for r in rows}
    assert by_name['pallidum', 'L']['iron_mean'] == pytest.approx(100, rel=1e-5)
    assert by_name['pallidum', 'both']['iron_sd'] == pytest.approx(15.5, rel=0.01)
    assert math.isnan(by_name['thalamus', 'L']['iron_mean'])


def test_bad_numbers_are_refused():
    with pytest.raises(NigraError, match='slope'):
        IronCalibration(slope_ppb=0)
    with pytest.raises(NigraError, match='chi_sd_ppb'):
        iron_from_chi(1, IRON_RICH[0], chi_sd_ppb=-1)
