"""Truncated division: exact where the kernel is large, unbiased where asked for."""

import numpy as np

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.tkd import tkd
from nigra.nodes.numerics.fft import convolver
from nigra.nodes.numerics.kernels import dipole_kernel


def test_truncated_division_undoes_the_kernel_where_it_is_large():
    grid = Grid((32, 32, 32))
    rng = np.random.default_rng(2)
    kernel = dipole_kernel(grid, dtype=np.float64)
    spectrum = np.fft.rfftn(rng.standard_normal(grid.shape)) * (np.abs(kernel) > 0.1)
    chi = np.fft.irfftn(spectrum, grid.shape, axes=(0, 1, 2))
    field = np.fft.irfftn(np.fft.rfftn(chi) * kernel, grid.shape, axes=(0, 1, 2))
    everywhere = np.ones(grid.shape, bool)
    back = tkd(field.astype(np.float32), everywhere, grid, threshold=0.1, margin=0)
    assert np.abs(back - chi).max() < 1e-4 * np.abs(chi).max()


def test_correction_restores_a_point_source():
    grid = Grid((24, 25, 27), (1.0, 1.0, 1.3), (0, 0.2, 1))
    point = np.zeros(grid.shape, np.float32)
    point[12, 12, 13] = 1
    everywhere = np.ones(grid.shape, bool)
    field = convolver(dipole_kernel(grid), grid.shape)(point)
    plain, corrected = (
        tkd(field, everywhere, grid, threshold=0.2, margin=0, unbiased=u)[12, 12, 13]
        for u in (False, True)
    )
    assert plain < 0.97
    assert np.isclose(corrected, 1, atol=2e-3)
