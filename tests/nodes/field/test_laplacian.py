import numpy as np
import pytest
from phantoms import coordinates, head, signal
from scipy import ndimage

from nigra.nodes.errors import NigraError
from nigra.nodes.field.echo_box import cut_echoes
from nigra.nodes.field.laplacian import unwrap_laplacian
from nigra.nodes.field.totalfield import laplacian_field
from nigra.nodes.field.wraps import wrap
from nigra.nodes.grid import Grid, hz_per_ppm

TIMES = (0.006, 0.014, 0.022)


def laplacian(image, voxel_size):
    """Seven-point Laplacian of the voxels that are not on the border."""
    total = 0
    for axis, h in enumerate(voxel_size):
        total = total + (np.roll(image, 1, axis) + np.roll(image, -1, axis) - 2 * image) / h**2
    return total[1:-1, 1:-1, 1:-1]


def unwrapped(phase, grid, **settings):
    """One echo's phase, (x, y, z), unwrapped over the whole array."""
    inside = np.ones(phase.shape, bool)
    echoes = cut_echoes(phase[..., None], np.ones((*phase.shape, 1)), [0.01], inside)
    unwrap_laplacian(echoes, grid.voxel_size, **settings)
    return echoes.angle[0]


@pytest.mark.parametrize('shape', [(24, 20, 22), (17, 23, 19)])
def test_laplacian_of_the_result_is_that_of_the_truth(shape):
    """Exact inside: only a harmonic part may be lost."""
    grid = Grid(shape, (1.0, 1.5, 2.0))
    x, y, z = coordinates(grid)
    truth = 0.05 * x**2 - 0.04 * y * z + 4 * np.exp(-(x**2 + y**2 + z**2) / 30)
    assert np.ptp(truth) > 2 * np.pi
    out = unwrapped(wrap(truth), grid)
    assert np.allclose(
        laplacian(out, grid.voxel_size), laplacian(truth, grid.voxel_size), atol=1e-3
    )
    assert abs(out.mean()) < 1e-4


def test_local_phase_comes_back_and_noise_cannot_break_it():
    grid = Grid((40, 40, 40))
    x, y, z = coordinates(grid)
    truth = 9 * np.exp(-(x**2 + y**2 + z**2) / 40)
    out = unwrapped(wrap(truth), grid)
    gap = out - truth
    assert np.abs(gap - gap.mean()).max() < 0.15
    noise = np.random.default_rng(0).uniform(-np.pi, np.pi, grid.shape)
    assert np.isfinite(unwrapped(noise, grid)).all()


def test_a_second_pass_brings_back_harmonic_phase():
    grid = Grid((32, 30, 34))
    x, y, z = coordinates(grid)
    truth = 40 / np.sqrt((x - 30) ** 2 + y**2 + z**2) * 20  # a charge beyond the border
    assert np.ptp(truth) > 6 * np.pi
    gaps = []
    for passes in (1, 2):
        gap = unwrapped(wrap(truth), grid, passes=passes) - truth
        gaps.append(np.std(gap))
    assert gaps[1] < 0.8 * gaps[0]


def test_field_differs_from_the_truth_by_a_smooth_part():
    phantom = head()
    magnitude, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(1))
    magnitude = magnitude + 100  # so that what is tested is the method, not the noise
    clean = 2 * np.pi * hz_per_ppm(3.0) * phantom['total'][..., None] * np.array(TIMES)
    angle = wrap(clean + 0.4).astype(np.float32)
    mask = phantom['mask']
    field, noise, *_ = laplacian_field(
        angle, magnitude, mask, phantom['grid'], echo_times=TIMES, b0=3.0
    )
    core = ndimage.binary_erosion(mask, iterations=4)[1:-1, 1:-1, 1:-1]
    rest = laplacian(field - phantom['total'], (2.0, 2.0, 2.0))[core]
    assert rest.std() < 0.02 * laplacian(phantom['total'], (2.0, 2.0, 2.0))[core].std()
    assert not field[~mask].any()
    assert (noise[mask] > 0).all()


def test_threads_change_nothing():
    phantom = head()
    magnitude, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(2))
    a, b = (
        laplacian_field(angle, magnitude, phantom['mask'], phantom['grid'], echo_times=TIMES,
                        b0=3.0, nthreads=n)
        for n in (1, 2)
    )  # fmt: skip
    assert np.array_equal(a[0], b[0])
    assert np.array_equal(a[1], b[1])


def test_input_that_does_not_fit_is_refused():
    grid = Grid((4, 4, 4))
    phase, mask = np.zeros((4, 4, 4, 1)), np.ones((4, 4, 4), bool)
    common = {'echo_times': [0.01], 'b0': 3.0}
    with pytest.raises(NigraError, match='share'):
        laplacian_field(phase[..., 0], phase[..., 0], mask, grid, **common)
    with pytest.raises(NigraError, match='empty'):
        laplacian_field(phase, phase, np.zeros_like(mask), grid, **common)
    with pytest.raises(NigraError, match='margin'):
        laplacian_field(phase, phase, mask, grid, margin=-1.0, **common)
