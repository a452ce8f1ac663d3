"""The simulator against an independent one, `qsm-forward` (Stewart et al.), and its kernel."""

import numpy as np
import pytest
from phantoms import ball

from nigra.nodes.grid import Grid
from nigra.nodes.numerics.kernels import forward_field
from nigra.nodes.simulation.scanner import signal

qsm_forward = pytest.importorskip(
    'qsm_forward', reason='needs the independent simulator: pip install qsm-forward'
)


def smooth_sources(grid):
    """Balls with soft rims, so that both kernels' treatment of voxel edges agrees."""
    chi = np.zeros(grid.shape, np.float32)
    for value, radius, centre in ((0.1, 9, (8, 0, 0)), (-0.05, 8, (-9, 5, 4))):
        for shrink in np.linspace(0, 5, 11):
            chi += np.float32(value / 11) * ball(grid, radius - shrink, centre)
    return chi


@pytest.mark.parametrize(
    ('voxel_size', 'b0_dir'),
    [((1, 1, 1), (0, 0, 1)), ((1, 1, 2), (0, 0, 1)), ((1, 1, 1), (0.3, 0.2, 0.9))],
)
def test_field_of_susceptibility(voxel_size, b0_dir):
    grid = Grid((48, 48, 32), voxel_size, b0_dir)
    chi = smooth_sources(grid)
    theirs = qsm_forward.generate_field(
        chi.astype(float), voxel_size=list(grid.voxel_size), B0_dir=list(grid.b0_dir)
    )
    ours = forward_field(chi, grid)
    assert np.abs(ours - theirs).max() < 0.03 * np.abs(theirs).max()
    assert np.std(ours - theirs) < 0.02 * np.std(theirs)


def test_signal_of_one_tissue():
    rng = np.random.default_rng(0)
    field = rng.normal(0, 0.1, (5, 4, 3)).astype(np.float32)
    time, b0, rate = 0.02, 3.0, 30.0
    theirs = qsm_forward.generate_signal(
        field, B0=b0, TR=0.05, TE=time, flip_angle=15, R1=1.0, R2star=rate
    )
    steady = np.sin(np.deg2rad(15)) * (1 - np.exp(-0.05))
    steady /= 1 - np.cos(np.deg2rad(15)) * np.exp(-0.05)
    whole = np.full(field.shape, steady, np.float32)
    ours = signal(whole, np.full(field.shape, rate, np.float32), field, time, b0, (1, 1, 1))
    # they round gamma to 42.58 MHz/T: a few parts in 1e5 of the phase
    assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * steady)
