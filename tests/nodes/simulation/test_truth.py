"""True values of regions, on a brain of few voxels whose values are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from nigra.nodes.grid import Grid
from nigra.nodes.simulation.tissue import DEEP_GREY, R2STAR_PER_PPM_TESLA
from nigra.nodes.simulation.truth import scan_values, tissue_values


def test_volumes_are_in_mm3_and_susceptibility_is_relative_to_the_brain():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:2] = 1
    labels[0, 0, 0] = 2
    brain = np.ones(labels.shape, bool)
    chi = np.where(labels == 1, 0.1, 0.0).astype(np.float32)
    slab = SimpleNamespace(
        fine_scan=(slice(0, 1), slice(None), slice(None)),
        fine_grid=Grid((4, 4, 4), (0.5, 0.5, 2.0)),
    )
    fine = SimpleNamespace(brain=brain, labels=labels)
    parts = {('caudate', 'L'): (1,), ('brain', 'both'): ()}
    found = tissue_values(fine, chi, slab, 3.0, parts)
    caudate, whole = found[('caudate', 'L')], found[('brain', 'both')]
    assert (caudate['n_voxels'], whole['n_voxels']) == (31, 64)
    assert caudate['volume_mm3'] == pytest.approx(15.5)
    assert whole['volume_mm3'] == pytest.approx(32.0)
    assert caudate['coverage'] == pytest.approx(15 / 31)
    assert caudate['chi_mean'] == pytest.approx(100 - 100 * 31 / 64, abs=1e-3)
    assert whole['chi_mean'] == pytest.approx(0, abs=1e-3)
    assert caudate['r2star_mean'] > 0
    assert np.isnan(whole['r2star_mean'])


def test_the_true_rate_has_the_iron_of_all_voxels_whatever_their_sign():
    labels = np.ones((2, 2, 2), np.uint8)
    chi = np.full(labels.shape, 0.1, np.float32)
    chi[0] = -0.3
    slab = SimpleNamespace(fine_scan=(slice(None),) * 3, fine_grid=Grid((2, 2, 2)))
    fine = SimpleNamespace(brain=labels > 0, labels=labels)
    found = tissue_values(fine, chi, slab, 3.0, {('x', 'L'): (1,)})['x', 'L']
    base = DEEP_GREY.r2star + 3 * DEEP_GREY.r2star_slope
    assert found['r2star_mean'] == pytest.approx(base + R2STAR_PER_PPM_TESLA * 3 * 0.2)
    assert found['chi_sd'] == pytest.approx(200, rel=1e-4)
    assert found['chi_median'] == pytest.approx(0, abs=1e-3)  # both are 200 ppb from the mean


def test_values_of_a_scan_are_those_of_its_voxels():
    labels = np.array([[[1, 1, 2, 0]]], np.uint8)
    brain = np.array([[[True, True, True, False]]])
    chi = np.array([[[0.01, 0.03, 0.1, 9.0]]], np.float32)
    rate = np.array([[[20.0, 30.0, 50.0, 9.0]]], np.float32)
    parts = {('a', 'L'): (1,), ('ab', 'L'): (1, 2), ('brain', 'both'): (), ('none', 'L'): (7,)}
    own = {key: {'volume_mm3': 5.5, 'coverage': 0.5} for key in parts}
    found = scan_values(chi, rate, labels, brain, own, parts)
    a, both, whole, none = found.values()
    assert (a['n_voxels'], both['n_voxels'], whole['n_voxels'], none['n_voxels']) == (2, 3, 3, 0)
    assert a['chi_mean'] == pytest.approx(20)
    assert a['r2star_mean'] == pytest.approx(25)
    assert both['r2star_mean'] == pytest.approx(100 / 3)
    assert np.isnan(whole['r2star_mean'])
    assert whole['chi_mean'] == pytest.approx(140 / 3, rel=1e-5)
    assert np.isnan(none['chi_mean'])
    assert np.isnan(none['r2star_mean'])
    assert all(row['volume_mm3'] == 5.5 for row in found.values())
