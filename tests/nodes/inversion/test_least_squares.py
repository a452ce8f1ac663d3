import numpy as np
from inversion_checks import whole

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.least_squares import least_squares
from nigra.nodes.numerics.fft import irfftn, rfftn
from nigra.nodes.numerics.kernels import dipole_kernel

GRID = Grid((24, 20, 27), (1.0, 1.2, 1.5), (0.3, -0.4, 0.8))


def test_fit_approaches_least_squares_step_by_step():
    rng = np.random.default_rng(0)
    kernel = dipole_kernel(GRID)
    field = rng.standard_normal(GRID.shape).astype(np.float32)
    inside = np.zeros(GRID.shape, np.float32)
    inside[4:-4, 4:-4, 5:-5] = 1
    field *= inside
    problem, misfits = whole(GRID, field, inside, inside > 0), []
    for steps in (1, 2, 4, 8):
        fitted = least_squares(problem, damping=0.02, iterations=steps)
        model = irfftn(rfftn(fitted) * kernel, np.empty_like(field))
        gap = (field - model)[inside > 0]
        misfits.append(float(np.std(gap)))
    assert np.all(np.diff(misfits) < 0)
    assert misfits[-1] < 0.2 * np.std(field[inside > 0])
