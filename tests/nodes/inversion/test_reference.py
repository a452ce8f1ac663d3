"""Reference regions: which voxels they are, and what their mean being zero does."""

import numpy as np
import pytest
from phantoms import ball, fluid_brain

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.inversion.reference import _slow_decay, reference_to, ventricles


@pytest.mark.parametrize('noise', [0.5, 4.0])
def test_ventricles_are_found_and_nothing_else(noise):
    grid, mask, inside, rate = fluid_brain(noise)
    found = ventricles(rate, mask, grid)
    assert found.sum() > 0.15 * inside.sum()
    assert not found[~inside].any()
    for side in (slice(0, 30), slice(30, 60)):
        assert found[side].any()


def test_no_fluid_is_told():
    grid, mask, _, rate = fluid_brain()
    with pytest.raises(NigraError, match='fluid'):
        ventricles(np.where(rate < 10, 20, rate), mask, grid)
    with pytest.raises(NigraError, match='shape'):
        ventricles(rate[1:], mask, grid)


def test_failed_fits_are_no_fluid():
    grid, mask, _, rate = fluid_brain()
    holes = ball(grid, 6, (0, 20, 0)) > 0.5
    found = ventricles(np.where(holes, 0, rate), mask, grid)
    assert not found[holes].any()


def test_a_vein_in_the_ventricle_is_left_out():
    grid, mask, inside, rate = fluid_brain()
    middle = tuple(np.round(np.argwhere(inside & (rate > 0)).mean(0)).astype(int))
    vein = (slice(None), middle[1], middle[2])
    rate[vein] = np.where(inside[vein], 18, rate[vein])
    found = ventricles(rate, mask, grid)
    assert found.any()
    assert rate[found].max() < 15


def test_the_mean_is_taken_away():
    _, mask, inside, _ = fluid_brain()
    chi = np.where(mask, 0.01, 0).astype(np.float32)
    chi[inside] = 0.05
    out, offset = reference_to(chi, mask, inside)
    assert offset == pytest.approx(0.05)
    assert out[inside].mean() == pytest.approx(0, abs=1e-7)
    assert not out[~mask].any()


def test_reference_region():
    chi = np.array([[[0.1, 0.3, 5.0]]])
    mask = np.array([[[True, True, False]]])
    shifted, offset = reference_to(chi, mask, np.array([[[False, True, True]]]))
    assert np.isclose(offset, 0.3)
    assert np.allclose(shifted, [[[-0.2, 0, 0]]])
    with pytest.raises(NigraError, match='no voxel'):
        reference_to(chi, mask, ~mask)


def test_decay_is_judged_alike_at_the_mask_s_edge_and_within():
    """What lies outside the mask says nothing of the decay inside."""
    grid = Grid((14, 13, 12))
    mask = np.zeros(grid.shape, bool)
    mask[3:11, 3:10, 3:9] = True
    for rate, fluid in ((0.9 * 6, True), (1.1 * 6, False)):
        found = _slow_decay(np.where(mask, rate, 0.0), mask, grid, 6.0, 1.5)
        assert (found[mask] == fluid).all()
        assert not found[~mask].any()
