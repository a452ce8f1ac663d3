import numpy as np
import pytest
from phantoms import ball, ball_field

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.numerics.fft import fast_shape, irfftn, rfftn
from nigra.nodes.numerics.kernels import (
    dipole_kernel,
    forward_field,
    frequencies,
    gradient_kernel,
    smv_kernel,
    voxel_dipole_kernel,
)

SHAPES = [(8, 8, 8), (7, 9, 5), (12, 7, 10), (11, 13, 8)]
DIRECTIONS = [(0, 0, 1), (1, 0, 0), (0.3, -0.4, 0.8)]


@pytest.mark.parametrize('b0_dir', DIRECTIONS)
@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_dipole_kernel_is_real_even_bounded_and_zero_at_dc(shape, b0_dir, dtype):
    grid = Grid(shape, (1.0, 1.2, 2.5), b0_dir)
    kernel = dipole_kernel(grid, dtype=dtype)
    assert kernel.dtype == dtype
    assert kernel[0, 0, 0] == 0
    assert kernel.min() >= -2 / 3 - 1e-6
    assert kernel.max() <= 1 / 3 + 1e-6
    # a real even kernel has a spectrum that survives the round trip through its image
    image = irfftn(kernel.astype(np.complex128), np.empty(shape))
    assert np.allclose(rfftn(image), kernel, atol=1e-6)
    mirrored = np.roll(image[::-1, ::-1, ::-1], 1, axis=(0, 1, 2))
    assert np.allclose(image, mirrored, atol=1e-7)


def test_dipole_kernel_knows_its_direction_and_voxel_size():
    grid = Grid((16, 16, 16), (1, 1, 3), (0.6, 0, 0.8))
    kernel = dipole_kernel(grid, dtype=np.float64)
    kx, ky, kz = np.broadcast_arrays(*frequencies(grid))
    at = (3, 14, 2)
    k = np.array([kx[at], ky[at], kz[at]])
    assert np.isclose(k[2], 2 / (16 * 3))
    assert np.isclose(kernel[at], 1 / 3 - (k @ np.array(grid.b0_dir)) ** 2 / (k @ k))


@pytest.mark.parametrize(
    ('shape', 'voxel_size', 'b0_dir'),
    [
        ((64, 64, 64), (1, 1, 1), (0, 0, 1)),
        ((64, 60, 51), (1, 1, 1.3), (0.3, -0.4, 0.8)),
        ((60, 61, 33), (1, 1, 2), (0, 0.5, 0.8)),
        ((64, 64, 64), (1, 1, 1), (0.5, -0.4, 0)),
    ],
)
def test_field_of_a_ball_meets_the_analytic_solution(shape, voxel_size, b0_dir):
    grid = Grid(shape, voxel_size, b0_dir)
    radius = 10.0
    field = forward_field(ball(grid, radius), grid)
    truth, r = ball_field(grid, radius)
    shell = 1.5 * max(voxel_size)
    outside, inside = r > radius + shell, r < radius - shell
    strongest = 2 / 3
    assert np.abs(field - truth)[outside].max() < 0.02 * strongest
    assert np.linalg.norm((field - truth)[outside]) < 0.02 * np.linalg.norm(truth[outside])
    assert np.abs(field[inside]).max() < 0.02 * strongest


def test_forward_field_does_not_wrap_around():
    grid = Grid((32, 32, 32))
    chi = ball(grid, 4, (11, 0, 0))
    truth, r = ball_field(grid, 4, (11, 0, 0))
    far = r > 18
    padded = np.abs(forward_field(chi, grid) - truth)[far].max()
    periodic = np.abs(forward_field(chi, grid, pad=1) - truth)[far].max()
    assert padded < 0.1 * periodic


def test_voxel_kernel_agrees_with_the_dipole_kernel_at_low_frequency():
    grid = Grid((40, 40, 40), (1, 1, 2), (0.3, -0.4, 0.8))
    near = np.s_[1:4, 1:4, 1:3]
    assert np.allclose(
        voxel_dipole_kernel(grid, dtype=np.float64)[near],
        dipole_kernel(grid, dtype=np.float64)[near],
        atol=0.02,
    )


def test_smv_keeps_harmonic_fields_and_sums_to_one():
    grid = Grid((40, 40, 40), (1, 1, 1.5))
    kernel = smv_kernel(grid, 5)
    assert np.isclose(kernel[0, 0, 0], 1, atol=1e-6)
    field, r = ball_field(grid, 3, (0, 0, 20))
    spectrum = rfftn(field.astype(np.float32))
    smooth = irfftn(spectrum * kernel, np.empty(grid.shape, np.float32))
    away = np.zeros(grid.shape, bool)
    away[8:-8, 8:-8, 6:-12] = True
    away &= r > 12
    assert np.abs(smooth - field)[away].max() < 0.01 * np.abs(field[away]).max()


@pytest.mark.parametrize('radius', [0, -1, np.nan, 30])
def test_smv_refuses_impossible_radii(radius):
    with pytest.raises(NigraError):
        smv_kernel(Grid((16, 16, 16)), radius)


def test_gradient_kernel_is_the_square_of_differences():
    grid = Grid((9, 8, 7), (1, 2, 3))
    image = np.random.default_rng(0).standard_normal(grid.shape)
    energy = sum(
        np.sum(((np.roll(image, -1, axis) - image) / h) ** 2)
        for axis, h in enumerate(grid.voxel_size)
    )
    full = np.abs(np.fft.fftn(image)) ** 2
    half = gradient_kernel(grid, dtype=np.float64)
    weights = np.full(half.shape[2], 2.0)
    weights[0] = 1
    assert np.isclose((full[..., : half.shape[2]] * half * weights).sum() / image.size, energy)


@pytest.mark.parametrize('shape', [(16, 12, 10), (7, 11, 13), (33, 8, 31)])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_transforms_match_numpy_and_ignore_the_thread_count(shape, dtype):
    image = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    spectra = [rfftn(image, nthreads=n) for n in (1, 2, 3)]
    assert np.allclose(spectra[0], np.fft.rfftn(image), atol=1e-3 if dtype == np.float32 else 1e-9)
    backs = [
        irfftn(s.copy(), np.empty_like(image), nthreads=n) for n, s in enumerate(spectra, start=1)
    ]
    for spectrum, back in zip(spectra[1:], backs[1:], strict=True):
        assert np.array_equal(spectra[0], spectrum)
        assert np.array_equal(backs[0], back)
    assert np.allclose(backs[0], image, atol=1e-5)


def test_fast_shape_never_shrinks():
    assert all(f >= n for f, n in zip(fast_shape((101, 97, 59)), (101, 97, 59), strict=True))


def test_forward_field_refuses_other_shapes():
    with pytest.raises(NigraError, match='shape'):
        forward_field(np.zeros((4, 4, 4)), Grid((4, 4, 5)))


@pytest.mark.parametrize(
    ('shape', 'voxel_size', 'radius', 'fits'),
    [
        ((16, 16, 16), (1, 1, 1), 7, True),
        ((16, 16, 16), (1, 1, 1), 7.1, False),
        ((30, 30, 8), (1, 1, 3), 9, True),
        ((30, 30, 8), (1, 1, 3), 9.1, False),
        ((40, 40, 40), (0.5, 0.5, 0.5), 9.5, True),
        ((40, 40, 40), (0.5, 0.5, 0.5), 9.6, False),
    ],
)
def test_a_ball_fits_by_its_millimetres(shape, voxel_size, radius, fits):
    grid = Grid(shape, voxel_size)
    if fits:
        assert np.isclose(smv_kernel(grid, radius)[0, 0, 0], 1, atol=1e-5)
    else:
        with pytest.raises(NigraError, match='does not fit'):
            smv_kernel(grid, radius)
