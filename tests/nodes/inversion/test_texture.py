"""Noise and texture of a field from its spectrum."""

import numpy as np
import pytest
from inversion_checks import whole
from phantoms import ball
from scipy import ndimage

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.texture import add_texture, field_noise
from nigra.nodes.numerics.fft import irfftn, rfftn
from nigra.nodes.numerics.kernels import dipole_kernel


def test_noise_is_read_from_the_corners_of_k_space():
    grid = Grid((40, 38, 36))
    mask = ball(grid, 14) > 0.5
    rng = np.random.default_rng(1)
    image = np.where(mask, 0.002 * rng.standard_normal(grid.shape), 0).astype(np.float32)
    found = field_noise(rfftn(image), grid, int(mask.sum()))
    assert found == pytest.approx(0.002, rel=0.1)


def test_texture_comes_back_and_noise_does_not():
    """A fine random pattern that the sparse map missed, with noise a third of its field."""
    grid = Grid((40, 38, 36))
    inside = ball(grid, 15) > 0.5
    rng = np.random.default_rng(2)
    chi = np.where(inside, 0.02 * rng.standard_normal(grid.shape), 0).astype(np.float32)
    chi = np.where(inside, ndimage.gaussian_filter(chi, 1.0), 0).astype(np.float32)
    kernel = dipole_kernel(grid)
    field = irfftn(rfftn(chi) * kernel, np.empty_like(chi))
    noise = np.where(inside, rng.standard_normal(grid.shape), 0).astype(np.float32)
    noise *= field[inside].std() / 3
    none = np.zeros_like(chi)
    problem = whole(grid, np.where(inside, field + noise, 0), none + 1, inside)
    found = add_texture(problem, none, none, fraction=1.0, cone=(0.1, 0.2))
    assert np.corrcoef(found[inside], chi[inside])[0, 1] > 0.8
    assert np.std(found[inside] - chi[inside]) < 0.7 * chi[inside].std()
    # of noise alone next to nothing is believed
    problem = whole(grid, noise, none + 1, inside)
    invented = add_texture(problem, none, none, fraction=1.0, cone=(0.1, 0.2))
    assert invented[inside].std() < 0.5 * found[inside].std()


def test_texture_is_of_voxels_whatever_their_size():
    """The dipole field has no scale of its own."""
    shape = (24, 22, 20)
    rng = np.random.default_rng(3)
    field = (0.01 * rng.standard_normal(shape)).astype(np.float32)
    none, found = np.zeros_like(field), []
    for size in (1.0, 2.5):
        grid = Grid(shape, (size,) * 3)
        inside = np.ones(shape, bool)
        problem = whole(grid, ndimage.gaussian_filter(field, 1.0), none + 1, inside)
        found.append(add_texture(problem, none, none, fraction=1.0, cone=(0.1, 0.2)))
    assert found[0].std() > 1e-4
    assert np.allclose(*found, atol=1e-3 * found[0].std())
