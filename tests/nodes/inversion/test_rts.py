import numpy as np
import pytest

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.rts import _complete, _fit
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


def complete(blocks, iterations, watch=None, fidelity=1e4):
    _, good, spectrum = blocks
    return _complete(
        spectrum.copy(), good, GRID, np.float32(fidelity), np.float32(30), iterations, 0.0, 1,
        None, watch,
    )  # fmt: skip


def variation(x):
    slopes = [(np.roll(x, -1, a) - x) / h for a, h in enumerate(GRID.voxel_size)]
    return float(np.sqrt(sum(s.astype(np.float64) ** 2 for s in slopes)).sum())


def test_cone_of_a_piecewise_constant_map_is_filled(blocks):
    chi, _, spectrum = blocks
    cut = irfftn(spectrum.copy(), np.empty_like(chi))
    found = complete(blocks, 400)
    centred = chi - chi.mean()
    assert np.linalg.norm(found - centred) < 0.25 * np.linalg.norm(cut - centred)


def test_well_conditioned_part_stays(blocks):
    _, good, spectrum = blocks
    found = rfftn(complete(blocks, 100, fidelity=1e6))
    assert np.linalg.norm((found - spectrum)[good]) < 1e-2 * np.linalg.norm(spectrum[good])


def test_total_variation_falls_to_its_least(blocks):
    chi, good, spectrum = blocks
    costs = []

    def watch(x):
        misfit = irfftn((rfftn(x) - spectrum) * good, np.empty_like(chi))
        costs.append(variation(x) + 0.5e4 * float(np.vdot(misfit, misfit)))

    complete(blocks, 300, watch)
    # alternating directions may rise a little; over stretches of steps the objective falls
    best = np.minimum.accumulate(costs)
    assert costs[-1] < 0.8 * costs[0]
    assert np.all(np.array(costs[20:]) < 1.05 * best[20:])
    assert costs[-1] < 1.01 * best[-1]


def test_fit_approaches_least_squares_step_by_step():
    rng = np.random.default_rng(0)
    kernel = dipole_kernel(GRID)
    field = rng.standard_normal(GRID.shape).astype(np.float32)
    inside = np.zeros(GRID.shape, np.float32)
    inside[4:-4, 4:-4, 5:-5] = 1
    field *= inside
    everywhere = np.ones_like(field)
    misfits = []
    for steps in (1, 2, 4, 8):
        spectrum = _fit(field, inside, everywhere, kernel, 0.02, steps, 1)
        model = irfftn(spectrum * kernel, np.empty_like(field))
        gap = (field - model)[inside > 0]
        misfits.append(float(np.std(gap)))
    assert np.all(np.diff(misfits) < 0)
    assert misfits[-1] < 0.2 * np.std(field[inside > 0])
