import numpy as np
import pytest
from phantoms import coordinates, head
from scipy import ndimage

from nigra.nodes.background.lbv import lbv
from nigra.nodes.grid import Grid


@pytest.fixture(scope='module')
def phantom():
    return head(b0_dir=(0.2, 0, 1))


@pytest.mark.parametrize('shape', [(23, 29, 19), (24, 16, 31)])
def test_lbv_removes_discretely_harmonic_fields_to_rounding(shape):
    grid = Grid(shape, (1, 1.5, 2))
    x, y, z = (axis / 20 for axis in coordinates(grid))
    field = 0.2 * (x * y * z + x**2 - z**2 + 3 * x - y)
    local, _ = lbv(field, np.ones(shape, bool), grid, tolerance=1e-6, peel=0)
    assert np.abs(local).max() < 1e-5


def test_lbv_solves_its_equation(phantom):
    """The background has no Laplacian inside and equals the field on the boundary."""
    local, kept = lbv(phantom['total'], phantom['mask'], phantom['grid'], tolerance=1e-6, passes=1)
    background = np.where(phantom['mask'], phantom['total'], 0).astype(np.float64) - local
    curvature = sum(
        np.roll(background, 1, axis) + np.roll(background, -1, axis) - 2 * background
        for axis in range(3)
    )
    assert np.abs(curvature[kept]).max() < 1e-5


def test_the_mask_loses_its_boundary_and_what_is_peeled(phantom):
    total, mask, grid = phantom['total'], phantom['mask'], phantom['grid']
    once = ndimage.binary_erosion(mask)
    assert np.array_equal(lbv(total, mask, grid, peel=0)[1], once)
    assert np.array_equal(lbv(total, mask, grid, peel=1)[1], ndimage.binary_erosion(once))
