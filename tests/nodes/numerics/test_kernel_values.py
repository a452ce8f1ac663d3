"""Kernels frequency by frequency, and balls voxel by voxel."""

import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.numerics import kernels
from nigra.nodes.numerics.fft import rfftn
from nigra.nodes.numerics.kernels import dipole_kernel

SHAPE, SIZE = (6, 7, 8), (1.0, 1.5, 2.0)


def spectrum():
    """Frequencies of a half spectrum, 1/mm."""
    return np.meshgrid(
        np.fft.fftfreq(6, 1.0), np.fft.fftfreq(7, 1.5), np.fft.rfftfreq(8, 2.0), indexing='ij'
    )


@pytest.mark.parametrize('b', [(0, 0, 1), (0.6, 0, 0.8), (0.48, -0.6, 0.64)])
def test_the_dipole_is_its_formula_below_the_nyquist_frequency(b):
    kx, ky, kz = spectrum()
    square = kx**2 + ky**2 + kz**2
    square[0, 0, 0] = 1
    expected = 1 / 3 - (kx * b[0] + ky * b[1] + kz * b[2]) ** 2 / square
    expected[0, 0, 0] = 0
    found = dipole_kernel(Grid(SHAPE, SIZE, b), dtype=np.float64)
    below = (np.arange(6) != 3)[:, None, None] & (np.arange(5) != 4)
    assert found[np.broadcast_to(below, found.shape)] == pytest.approx(
        expected[np.broadcast_to(below, found.shape)]
    )
    # at it, where +k and -k are one frequency, the kernel is the mean of both
    mirrored = 1 / 3 - (-kx * b[0] + ky * b[1] + kz * b[2]) ** 2 / square
    assert found[3, :, 1] == pytest.approx((expected + mirrored)[3, :, 1] / 2)


def folded(k, b, size):
    """Sum over repetitions, one frequency at a time."""
    total = 0.0
    for m in np.ndindex(3, 3, 3):
        q = k + (np.array(m) - 1) / size
        if q.any():
            weight = np.prod(np.sinc(q * size))
            total += weight * (1 / 3 - (q @ b) ** 2 / (q @ q))
    return total


def test_the_dipole_of_voxels_is_folded_with_their_shape():
    b, size = np.array([0.48, -0.6, 0.64]), np.array(SIZE)
    found = kernels.voxel_dipole_kernel(Grid(SHAPE, SIZE, tuple(b)), dtype=np.float64)
    k = np.stack(spectrum(), axis=-1)
    expected = np.array([folded(q, b, size) for q in k.reshape(-1, 3)]).reshape(k.shape[:3])
    assert found == pytest.approx(expected)
    # plain Python for the parts: one line of it
    shifted, weights = kernels._repetitions.py_func(np.array([0.0, 0.1]), 2.0)
    assert shifted == pytest.approx(np.array([[-0.5, 0, 0.5], [-0.4, 0.1, 0.6]]))
    assert weights == pytest.approx(np.sinc(2 * shifted))


@pytest.mark.parametrize('fine', [7, 4])
@pytest.mark.parametrize(('size', 'radius'), [((1.0, 1.0, 1.0), 2.5), ((1.0, 0.8, 2.0), 3.1)])
def test_balls_are_counted_by_points_of_their_voxels(size, radius, fine):
    ball = kernels._ball(size, radius, fine)
    half = [n // 2 for n in ball.shape]
    at = (np.arange(fine) + 0.5) / fine - 0.5
    counts = np.zeros(ball.shape)
    for place in np.ndindex(ball.shape):
        x, y, z = (((p - h + at) * s) ** 2 for p, h, s in zip(place, half, size, strict=True))
        counts[place] = (x[:, None, None] + y[:, None] + z <= radius**2 + 1e-12).sum()
    assert ball.sum() == pytest.approx(1)
    assert ball == pytest.approx(counts / counts.sum(), abs=2e-5)
    # no voxel that the ball reaches is left out
    assert all((h + 0.5) * s >= radius for h, s in zip(half, size, strict=True))
    assert all((h - 0.5) * s < radius for h, s in zip(half, size, strict=True))


@pytest.mark.parametrize(('radius', 'fits'), [(4.0, True), (4.01, False), (0.0, False),
                                              (-1.0, False)])  # fmt: skip
def test_balls_that_fit_into_the_grid(radius, fits):
    grid = Grid((10, 12, 14))  # 8 voxels, less one at either side
    if fits:
        kernel = kernels.smv_kernel(grid, radius, dtype=np.float64)
        assert kernel[0, 0, 0] == pytest.approx(1)
        assert np.abs(kernel).max() <= 1 + 1e-9
    else:
        with pytest.raises(NigraError, match=r'radius_mm must|does not fit'):
            kernels.smv_kernel(grid, radius)


def test_the_mean_over_a_ball_is_centred():
    """Of a plane wave with real amplitude at the origin, the kernel's factor is real."""
    grid = Grid((12, 14, 16), (1.0, 1.2, 1.5))
    kernel = kernels.smv_kernel(grid, 3.0, dtype=np.float64)
    image = np.zeros(grid.shape)
    ball = kernels._ball(grid.voxel_size, 3.0)
    for place in np.ndindex(ball.shape):
        at = tuple((p - n // 2) % m for p, n, m in zip(place, ball.shape, grid.shape, strict=True))
        image[at] = ball[place]
    spectrum = rfftn(image)
    assert kernel == pytest.approx(spectrum.real)
    assert np.abs(spectrum.imag).max() < 1e-9


def test_differences_have_the_spectrum_of_their_images():
    grid = Grid(SHAPE, SIZE)
    squares = kernels.second_differences(grid, dtype=np.float64)
    x = np.random.default_rng(0).standard_normal(SHAPE)
    spectrum = np.abs(rfftn(x.copy())) ** 2
    for axis, square in enumerate(squares):
        rise = (np.roll(x, -1, axis) - x) / SIZE[axis]
        expected = np.abs(rfftn(rise)) ** 2
        assert spectrum * square == pytest.approx(expected, abs=1e-8)
    whole = kernels.gradient_kernel(grid, dtype=np.float64)
    assert whole == pytest.approx(squares[0] + squares[1] + squares[2])
