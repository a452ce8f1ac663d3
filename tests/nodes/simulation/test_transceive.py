"""Phase at time zero of conducting bodies, against the sphere and the equation itself."""

import numpy as np
import pytest
from phantoms import ball, coordinates

from nigra.nodes.grid import MU0, Grid
from nigra.nodes.simulation.head import Material
from nigra.nodes.simulation.transceive import conductivity, transceive_phase

GRID = Grid((40, 44, 36), (4.0, 4.0, 4.5))


def test_a_sphere_has_the_parabola_of_its_conductivity():
    sigma = 0.6 * ball(GRID, 50)
    phase = transceive_phase(sigma, GRID, 3.0, pad=2.0)
    x, y, z = (1e-3 * axis for axis in coordinates(GRID))
    core = np.sqrt(x**2 + y**2 + z**2) < 0.042
    rows = np.stack([np.ones_like(x), x, y, z, x**2, y**2, z**2], -1)[core]
    fit = np.linalg.lstsq(rows, phase[core].astype(float), rcond=None)[0]
    expected = 2 * MU0 * 2 * np.pi * 127.73e6 * 0.6
    assert 2 * fit[4:].sum() == pytest.approx(expected, rel=0.02)
    # nearly round, but for the periodic images; lowest in the middle
    assert (fit[4:] > 0).all()
    assert np.ptp(fit[4:]) < 0.3 * fit[4:].mean()


@pytest.mark.parametrize('pad', [1.0, 1.7])
def test_the_laplacian_is_that_of_the_equation(pad):
    sigma = 0.6 * ball(GRID, 50) + 1.4 * ball(GRID, 18, (10, 0, 5))
    phase = transceive_phase(sigma, GRID, 1.5, pad=pad).astype(float)
    laplacian = sum(
        (np.roll(phase, 1, a) + np.roll(phase, -1, a) - 2 * phase) / (1e-3 * h) ** 2
        for a, h in enumerate(GRID.voxel_size)
    )
    scale = 2 * MU0 * 2 * np.pi * 63.87e6
    for part, value in (
        (ball(GRID, 10, (10, 0, 5)) == 1, 2.0),
        (ball(GRID, 12, (-28, 0, 0)) == 1, 0.6),
    ):
        assert laplacian[part].mean() == pytest.approx(scale * value, rel=0.04)


def test_fluid_conducts_best_and_brain_is_a_mixture():
    materials = np.full(4, Material.BRAIN, np.uint8)
    materials[3] = Material.AIR
    intensity = np.array([86.0, 64.0, 30.0, 0.0], np.float32)
    white, grey, fluid, air = conductivity(materials, intensity, 3.0)
    assert air == 0
    assert 0.3 < white < grey < 0.7
    assert 2 < fluid < 2.3
    lower = conductivity(materials, intensity, 1.5)
    assert (lower[:3] < [white, grey, fluid]).all()
