"""Noise and texture of a field from its spectrum."""

import numpy as np
import pytest
from phantoms import ball

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.texture import field_noise
from nigra.nodes.numerics.fft import rfftn


def test_noise_is_read_from_the_corners_of_k_space():
    grid = Grid((40, 38, 36))
    mask = ball(grid, 14) > 0.5
    rng = np.random.default_rng(1)
    image = np.where(mask, 0.002 * rng.standard_normal(grid.shape), 0).astype(np.float32)
    found = field_noise(rfftn(image), grid, int(mask.sum()))
    assert found == pytest.approx(0.002, rel=0.1)
