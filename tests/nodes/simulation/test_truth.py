"""True values of regions, on a brain of few voxels whose values are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from nigra.nodes.grid import Grid
from nigra.nodes.simulation.truth import tissue_values


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
