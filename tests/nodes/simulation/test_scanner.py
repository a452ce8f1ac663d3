import itertools

import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid, hz_per_ppm
from nigra.nodes.numerics.kernels import forward_field
from nigra.nodes.numerics.resample import block_mean
from nigra.nodes.simulation.scanner import (
    add_noise,
    anisotropic_field,
    majority,
    place_slab,
    remove_shim,
    scan_affine,
    shim_terms,
    signal,
    store_phase,
    upsample,
)


@pytest.mark.parametrize('tilt', [(0, 0, 0), (12, 0, 0), (-20, 15, 30)])
@pytest.mark.parametrize('factor', [(1, 1, 1), (2, 2, 2), (1, 1, 2), (3, 2, 1)])
def test_model_voxels_fill_the_scan_voxels(tilt, factor):
    shape, voxel = (10, 12, 8), (1.5, 1.0, 2.0)
    affine = scan_affine(shape, voxel, (3, -18, 6), tilt)
    corners = np.array([[-20.0, -30, -25], [25, 10, 30]])
    slab = place_slab(shape, affine, factor, corners)
    index = np.indices(slab.fine_shape, float)
    world = np.tensordot(slab.fine_affine[:3, :3], index, 1)
    world += slab.fine_affine[:3, 3, None, None, None]
    centres = np.stack([block_mean(w, factor) for w in world])[(slice(None), *slab.scan)]
    expected = np.tensordot(affine[:3, :3], np.indices(shape, float), 1)
    expected += affine[:3, 3, None, None, None]
    assert centres == pytest.approx(expected, abs=1e-9)
    assert slab.fine_grid.b0_dir == pytest.approx(Grid.from_affine(shape, affine).b0_dir)
    inverse = np.linalg.inv(slab.fine_affine)
    for corner in corners:
        inside = inverse[:3, :3] @ corner + inverse[:3, 3]
        assert np.all(inside >= -0.5)
        assert np.all(inside <= np.array(slab.fine_shape))


def test_fine_scan_is_the_scan():
    slab = place_slab((4, 4, 4), np.eye(4), (2, 2, 2), np.array([[-3.0, 0, 0], [9, 3, 3]]))
    image = np.arange(np.prod(slab.model_shape), dtype=np.float32).reshape(slab.model_shape)
    fine = image.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    assert np.array_equal(block_mean(fine[slab.fine_scan], (2, 2, 2)), image[slab.scan])
    assert image[slab.scan].shape == (4, 4, 4)


def test_upsample_keeps_a_linear_field_in_place():
    slab = place_slab((8, 8, 8), np.eye(4), (2, 1, 2), np.zeros((1, 3)))
    ramp = np.broadcast_to(np.arange(8, dtype=np.float32)[:, None, None], (8, 8, 8))
    fine = upsample(np.ascontiguousarray(ramp), slab)
    assert fine[2:-2, 3, 3] == pytest.approx(np.arange(16)[2:-2] / 2 - 0.25, abs=1e-5)


def vector_field_reference(moments, grid):
    """Field of magnetisation `moments` (3, x, y, z), periodic, written out in k-space."""
    k = np.stack(
        np.meshgrid(*(np.fft.fftfreq(n, h) for n, h in zip(grid.shape, grid.voxel_size,
                                                          strict=True)), indexing='ij')
    )  # fmt: skip
    square = (k**2).sum(axis=0)
    square[0, 0, 0] = 1
    h = np.asarray(grid.b0_dir)
    spectra = np.stack([np.fft.fftn(m) for m in moments])
    field = np.tensordot(h, spectra, 1) / 3
    field -= np.tensordot(h, k, 1) * (k * spectra).sum(axis=0) / square
    field[0, 0, 0] = 0
    return np.fft.ifftn(field).real


@pytest.mark.parametrize('b0_dir', [(0, 0, 1), (0.2, -0.4, 0.9)])
def test_anisotropic_field_is_that_of_the_susceptibility_tensor(b0_dir):
    grid = Grid((27, 25, 32), (1.0, 1.5, 1.2), b0_dir)
    index = np.indices(grid.shape) - np.array([13, 12, 16])[:, None, None, None]
    fraction = np.exp(-(index**2).sum(axis=0) / (2 * 4**2)).astype(np.float32)
    vectors = np.stack([np.full(grid.shape, 0.6), np.sin(index[0] / 5), np.cos(index[2] / 7)])
    vectors = (vectors / np.sqrt((vectors**2).sum(axis=0))).astype(np.float32)
    h = np.asarray(grid.b0_dir)
    along = np.tensordot(h, vectors, 1)
    moments = 0.03 * fraction * (along * vectors - h[:, None, None, None] / 3)
    ours = anisotropic_field(vectors, fraction, grid, 0.03, pad=1.0)
    expected = vector_field_reference(moments, grid)
    assert np.std(ours - expected) < 0.03 * np.std(expected)


def test_shim_removes_what_coils_can_and_nothing_else():
    affine = scan_affine((20, 22, 18), (3, 3, 4), (5, -10, 0), (10, 0, 5))
    index = np.indices((20, 22, 18), float)
    x, y, z = np.tensordot(affine[:3, :3], index, 1) + affine[:3, 3, None, None, None]
    coils = 0.3 + 0.01 * x - 0.02 * z + 1e-4 * (x * y) + 2e-4 * (2 * z**2 - x**2 - y**2)
    local = np.zeros_like(coils)
    local[9:11, 10:12, 8:10] = 0.05
    mask = (x - 5) ** 2 + (y + 10) ** 2 + z**2 < 25**2
    field = (coils + local).astype(np.float32)
    left = remove_shim(field, shim_terms(field, mask, affine), affine)
    assert np.abs(left[mask] - local[mask]).max() < 0.02
    constant = shim_terms(field, mask, affine, order=0)
    assert constant == pytest.approx([field[mask].mean()], rel=1e-4)


def test_phase_is_two_pi_gamma_field_and_echo_time():
    field = np.full((4, 4, 4), 0.05, np.float32)
    ones = np.ones_like(field)
    image = signal(ones, 0 * ones, field, 0.020, 3.0, (2, 2, 2))
    turns = hz_per_ppm(3.0) * 0.05 * 0.020
    assert np.angle(image) == pytest.approx(np.full((2, 2, 2), 2 * np.pi * turns), abs=1e-5)
    assert np.abs(image) == pytest.approx(np.ones((2, 2, 2)), abs=1e-5)


def test_signal_decays_and_dephases_within_a_voxel():
    ones = np.ones((2, 2, 2), np.float32)
    decayed = signal(ones, 25 * ones, 0 * ones, 0.04, 1.5, (1, 1, 1))
    assert np.abs(decayed) == pytest.approx(np.exp(-1) * ones, rel=1e-5)
    split = np.zeros((2, 2, 2), np.float32)
    split[1] = 0.25 / (hz_per_ppm(1.5) * 0.04)
    image = signal(ones, 0 * ones, split, 0.04, 1.5, (2, 2, 2))
    assert abs(image[0, 0, 0]) == pytest.approx(np.cos(np.pi / 4), rel=1e-5)


def test_noise_has_the_deviation_asked_for_in_each_part():
    noisy = add_noise(np.random.default_rng(1), np.zeros((40, 40, 40), np.complex64), 2.5)
    assert [noisy.real.std(), noisy.imag.std()] == pytest.approx([2.5, 2.5], rel=0.02)
    assert abs(np.corrcoef(noisy.real.ravel(), noisy.imag.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize(
    ('code', 'low', 'high', 'slope', 'intercept'),
    [
        ('0..4095', 0, 4095, 2 * np.pi / 4096, -np.pi),
        ('-4096..4094', -4096, 4094, np.pi / 4096, 0),
    ],
)
def test_stored_phase_decodes_to_itself(code, low, high, slope, intercept):
    phase = np.random.default_rng(0).uniform(-np.pi, np.pi, 20000).astype(np.float32)
    stored = store_phase(phase, code)
    assert stored.dtype == np.int16
    assert (stored.min(), stored.max()) == (low, high)
    wrong = np.angle(np.exp(1j * (stored * slope + intercept - phase)))
    assert np.abs(wrong).max() <= np.pi / 4096 * 1.01
    assert abs(wrong.mean()) < 1e-4


def test_empty_voxels_store_zero_and_unknown_codes_are_refused():
    empty = np.array([True, False])
    assert store_phase(np.array([1.0, 1.0], np.float32), '0..4095', empty=empty)[0] == 0
    assert store_phase(np.array([1.0], np.float32), 'rad').dtype == np.float32
    with pytest.raises(NigraError, match='degrees'):
        store_phase(np.zeros(2, np.float32), 'degrees')


def test_field_of_a_sphere_on_the_fine_grid_averages_to_the_analytic_one():
    affine = scan_affine((24, 24, 12), (2, 2, 4), (0, 0, 0), (18, -9, 0))
    slab = place_slab((24, 24, 12), affine, (2, 2, 4), np.zeros((1, 3)))
    index = np.indices(slab.fine_shape, float)
    world = np.tensordot(slab.fine_affine[:3, :3], index, 1)
    world += slab.fine_affine[:3, 3, None, None, None]
    radius = np.sqrt((world**2).sum(axis=0))
    ball = (radius < 9).astype(np.float32)
    field = block_mean(forward_field(ball, slab.fine_grid, pad=2), (2, 2, 4))
    volume = ball.sum() * slab.fine_grid.voxel_volume
    with np.errstate(divide='ignore', invalid='ignore'):
        exact = volume / (4 * np.pi) * (3 * world[2] ** 2 / radius**2 - 1) / radius**3
    exact = np.where(radius > 9, exact, 0)
    away = block_mean((radius > 11).astype(np.float32), (2, 2, 4)) == 1
    inside = block_mean((radius < 7).astype(np.float32), (2, 2, 4)) == 1
    error = np.abs(field - block_mean(exact, (2, 2, 4)))
    assert error[away].max() < 0.02 * (2 / 3)
    assert error[inside].max() < 0.02 * (2 / 3)


@pytest.mark.parametrize('factor', [(2, 2, 2), (1, 1, 2), (3, 2, 1)])
def test_majority_keeps_volumes_of_shells(factor):
    """Ties are frequent where blocks are even, and must not all fall to one side."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        grid = np.indices([32 * f for f in factor]).astype(float)
        centre = rng.uniform(14, 18, 3)
        r2 = sum(((grid[a] + 0.5) / factor[a] - centre[a]) ** 2 for a in range(3))
        labels = majority(np.select([r2 < 16, r2 < 36], [3, 1], 0).astype(np.uint8), factor)
        found.append([(labels == 3).sum() / 4**3, (labels > 0).sum() / 6**3])
    np.testing.assert_allclose(
        np.mean(found, axis=0) / (4 / 3 * np.pi), 1, atol=0.02, equal_nan=False
    )


def test_majority_takes_the_label_that_fills_most():
    fine = np.zeros((4, 2, 2), np.uint8)
    fine[:2] = 5
    fine[0, 0, 0] = 2
    fine[2, 0, 0] = 7
    assert majority(fine, (2, 2, 2)).ravel().tolist() == [5, 0]


@pytest.mark.parametrize('shape', [(8, 9, 4), (3, 3, 3)])
@pytest.mark.parametrize('tilt', [(0, 0, 0), (20, -10, 5)])
def test_a_slab_turns_about_its_middle(shape, tilt):
    affine = scan_affine(shape, (1.0, 1.5, 3.0), (5.0, -10.0, 20.0), tilt)
    corners = np.array(list(itertools.product(*((0, n - 1) for n in shape))), float)
    world = corners @ affine[:3, :3].T + affine[:3, 3]
    assert world.mean(axis=0) == pytest.approx([5, -10, 20])
    assert np.linalg.norm(affine[:3, :3], axis=0) == pytest.approx([1, 1.5, 3])
