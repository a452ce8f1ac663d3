"""Small analytic objects that tests of the reconstruction share."""

import numpy as np

from nigra.nodes.grid import Grid, hz_per_ppm
from nigra.nodes.numerics.kernels import forward_field


def coordinates(grid):
    """Distance of each voxel centre from the middle voxel along each axis, mm."""
    axes = [(np.arange(n) - n // 2) * h for n, h in zip(grid.shape, grid.voxel_size, strict=True)]
    return np.meshgrid(*axes, indexing='ij')


def ball(grid, radius, centre=(0, 0, 0), fine=5):
    """Fraction of each voxel inside a ball; centre and radius in mm from the middle voxel."""
    offsets = (np.arange(fine) - (fine - 1) / 2) / fine
    squares = [
        (((np.arange(n) - n // 2)[:, None] + offsets) * h - c).ravel() ** 2
        for n, h, c in zip(grid.shape, grid.voxel_size, centre, strict=True)
    ]
    inside = squares[0][:, None, None] + squares[1][:, None] + squares[2] <= radius**2
    nx, ny, nz = grid.shape
    return inside.reshape(nx, fine, ny, fine, nz, fine).mean(axis=(1, 3, 5)).astype(np.float32)


def ball_field(grid, radius, centre=(0, 0, 0)):
    """Field outside a ball of unit susceptibility, zero inside (with Lorentz correction)."""
    x = [axis - c for axis, c in zip(coordinates(grid), centre, strict=True)]
    r = np.sqrt(sum(axis**2 for axis in x))
    along = sum(axis * b for axis, b in zip(x, grid.b0_dir, strict=True))
    with np.errstate(divide='ignore', invalid='ignore'):
        outside = (radius / r) ** 3 / 3 * (3 * (along / r) ** 2 - 1)
    return np.where(r > radius, outside, 0), r


def head(shape=(48, 44, 40), voxel_size=(2.0, 2.0, 2.0), b0_dir=(0, 0, 1)):
    """A round brain with three nuclei, air near it: susceptibility, fields and mask."""
    grid = Grid(shape, voxel_size, b0_dir)
    reach = 0.33 * min(n * h for n, h in zip(shape, voxel_size, strict=True))
    mask = ball(grid, reach) > 0.5
    chi = 0.12 * ball(grid, 6, (10, 0, 0)) + 0.06 * ball(grid, 7, (-10, 4, 2))
    chi -= 0.03 * ball(grid, 8, (0, -10, -8))
    local = forward_field(chi, grid)
    x, y, _ = coordinates(grid)
    background = 9.0 * ball_field(grid, 20, (0, reach + 40, -20))[0] + 0.012 * (x + 0.5 * y)
    return {
        'grid': grid,
        'mask': mask,
        'chi': np.where(mask, chi, 0),
        'local': np.where(mask, local, 0).astype(np.float32),
        'background': background.astype(np.float32),
        'total': (local + background).astype(np.float32),
        'nuclei': {
            'one': ball(grid, 5, (10, 0, 0)) > 0.9,
            'two': ball(grid, 6, (-10, 4, 2)) > 0.9,
            'three': ball(grid, 7, (0, -10, -8)) > 0.9,
        },
    }


def real_head(shape=(56, 64, 48), size=(3.0, 3.0, 3.0), b0_dir=(0, 0, 1)):
    """A head of tissue with a sinus, and the field that it makes in its brain, ppm."""
    grid = Grid(shape, size, b0_dir)
    x, y, z = coordinates(grid)
    tissue = (x / 70) ** 2 + (y / 85) ** 2 + (z / 90) ** 2 < 1
    tissue &= ball(grid, 16, (0, 60, -25)) < 0.5
    mask = (x / 58) ** 2 + (y / 70) ** 2 + ((z - 8) / 50) ** 2 < 1
    mask &= ball(grid, 24, (0, 60, -25)) < 0.5
    local = 0.12 * ball(grid, 8, (15, 0, 5)) + 0.12 * ball(grid, 8, (-15, 0, 5))
    field = forward_field(-9.4 * tissue.astype(np.float32) + local, grid)
    shims = 0.3 + 0.004 * x - 0.003 * z + 4e-5 * x * y - 3e-5 * z**2
    noise = 0.004 * np.random.default_rng(0).standard_normal(shape)
    return {
        'totalfield': np.where(mask, field + shims + noise, 0).astype(np.float32),
        'magnitude': tissue.astype(np.float32),
        'mask': mask,
        'grid': grid,
    }


def signal(phantom, echo_times, b0, rng, *, snr=50, offset=True, r2star=20.0):
    """Magnitude and wrapped phase of a phantom's total field, with noise and phase offset."""
    x, y, z = (axis / 60 for axis in coordinates(phantom['grid']))
    start = 1.0 + 1.5 * x - y + 0.8 * z if offset else 0 * x
    times = np.asarray(echo_times)
    turn = 2 * np.pi * hz_per_ppm(b0)
    angle = start[..., None] + turn * phantom['total'][..., None] * times
    size = np.where(phantom['mask'][..., None], np.exp(-r2star * times), 0.0)
    noise = rng.standard_normal((2, *angle.shape)) / snr
    complex_signal = size * np.exp(1j * angle) + noise[0] + 1j * noise[1]
    return (
        np.abs(complex_signal).astype(np.float32),
        np.angle(complex_signal).astype(np.float32),
        start,
    )


def fluid_brain(noise=0.5):
    """A brain of 20 1/s with two ventricles of 2.5 1/s, and a cistern of the same far out."""
    grid = Grid((60, 60, 50), (2.0, 2.0, 2.0))
    mask = ball(grid, 45) > 0.5
    inside = (ball(grid, 9, (-12, 0, 6)) > 0.5) | (ball(grid, 9, (12, 0, 6)) > 0.5)
    cistern = ball(grid, 8, (0, -38, -10)) > 0.5
    rng = np.random.default_rng(0)
    rate = np.where(inside | cistern, 2.5, 20) + rng.normal(0, noise, grid.shape)
    return grid, mask, inside, np.where(mask, np.maximum(rate, 0), 0).astype(np.float32)
