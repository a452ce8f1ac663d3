import numpy as np
import pytest
from inversion_checks import whole

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.rts import _fill_cone
from nigra.nodes.numerics.fft import irfftn, rfftn
from nigra.nodes.numerics.kernels import dipole_kernel

GRID = Grid((24, 20, 27), (1.0, 1.2, 1.5), (0.3, -0.4, 0.8))


@pytest.fixture(scope='module')
def blocks():
    """Two boxes, cut off where D is small."""
    chi = np.zeros(GRID.shape, np.float32)
    chi[8:14, 6:12, 9:16] = 0.1
    chi[14:18, 10:15, 8:14] = -0.05
    good = np.abs(dipole_kernel(GRID)) > 0.15
    spectrum = rfftn(chi)
    spectrum *= good
    return chi, good, spectrum


def complete(blocks, iterations, fidelity=1e4, tolerance=0.0):
    """Copies of the map after each step."""
    _, good, spectrum = blocks
    ones = np.ones(GRID.shape, np.float32)
    steps = _fill_cone(
        whole(GRID, 0 * ones, ones, ones > 0), spectrum.copy(), good, np.float32(fidelity),
        np.float32(30), iterations, tolerance,
    )  # fmt: skip
    return (x.copy() for x in steps)


def variation(x):
    slopes = [(np.roll(x, -1, a) - x) / h for a, h in enumerate(GRID.voxel_size)]
    return float(np.sqrt(sum(s.astype(np.float64) ** 2 for s in slopes)).sum())


def test_cone_of_a_piecewise_constant_map_is_filled(blocks):
    chi, _, spectrum = blocks
    cut = irfftn(spectrum.copy(), np.empty_like(chi))
    *_, found = complete(blocks, 400)
    centred = chi - chi.mean()
    assert np.linalg.norm(found - centred) < 0.25 * np.linalg.norm(cut - centred)


def test_well_conditioned_part_stays(blocks):
    _, good, spectrum = blocks
    *_, last = complete(blocks, 100, fidelity=1e6)
    found = rfftn(last)
    assert np.linalg.norm((found - spectrum)[good]) < 1e-2 * np.linalg.norm(spectrum[good])


def test_total_variation_falls_to_its_least(blocks):
    chi, good, spectrum = blocks
    costs = []
    for x in complete(blocks, 300):
        misfit = irfftn((rfftn(x) - spectrum) * good, np.empty_like(chi))
        costs.append(variation(x) + 0.5e4 * float(np.vdot(misfit, misfit)))
    # alternating directions may rise a little; over stretches of steps the objective falls
    best = np.minimum.accumulate(costs)
    assert costs[-1] < 0.8 * costs[0]
    assert np.all(np.array(costs[20:]) < 1.05 * best[20:])
    assert costs[-1] < 1.01 * best[-1]


@pytest.mark.parametrize('iterations', [1, 5])
def test_as_many_steps_as_asked_for(blocks, iterations):
    assert len(list(complete(blocks, iterations))) == iterations
    assert len(list(complete(blocks, iterations + 20, tolerance=1e9))) < iterations + 20


def test_it_ends_where_the_map_has_settled(blocks):
    assert len(list(complete(blocks, 40))) == 40
    early = list(complete(blocks, 40, tolerance=0.05))
    assert 1 < len(early) < 40
