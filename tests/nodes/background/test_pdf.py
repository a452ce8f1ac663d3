"""The projection against dense algebra, its classical form and its own objective."""

import numpy as np
import pytest
from phantoms import coordinates, head
from scipy import ndimage
from scipy.linalg import null_space

from nigra.nodes.background.pdf import pdf
from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.numerics.fft import convolver, crop_to_mask
from nigra.nodes.numerics.kernels import voxel_dipole_kernel

EXACT = {'iterations': 400, 'tolerance': 1e-7, 'passes': 1}


@pytest.fixture(scope='module')
def phantom():
    return head(b0_dir=(0.2, 0, 1))


def blob(shape, seed=0):
    """A smooth random mask with a hole and a stray voxel."""
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.standard_normal(shape), 2.2) > -0.02
    mask[tuple(n // 2 for n in shape)] = False
    mask[0, 0, :] = [True] + [False] * (shape[2] - 1)
    return mask


def dense_laplacian(mask, voxel_size):
    """Rows: voxels whose neighbours lie in the mask; columns: the mask's voxels."""
    number = np.full(np.add(mask.shape, 2), -1)
    number[1:-1, 1:-1, 1:-1][mask] = np.arange(mask.sum())
    rows = []
    for voxel in np.argwhere(number >= 0):
        row, whole = np.zeros(mask.sum()), True
        for axis, h in enumerate(voxel_size):
            for side in (-1, 1):
                near = voxel.copy()
                near[axis] += side
                column = number[tuple(near)]
                whole &= column >= 0
                if column >= 0:
                    row[column] += 1 / h**2
                    row[number[tuple(voxel)]] -= 1 / h**2
        if whole:
            rows.append(row)
    return np.array(rows)


def weights(mask, voxel_size, noise=None, rim=15.0):
    """Reciprocal variances inside the mask: local field, its growth with depth, and noise."""
    filled = ndimage.binary_fill_holes(np.pad(mask, 1))
    depths = ndimage.distance_transform_edt(filled, sampling=voxel_size)[1:-1, 1:-1, 1:-1]
    variance = 1 + (depths[mask] / rim) ** 2
    return 1 / (variance if noise is None else variance + (noise[mask] / 0.006) ** 2)


@pytest.mark.parametrize('voxel_size', [(1, 1, 1), (0.8, 1, 2.3)])
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('rim', [200, 1.5])
def test_it_is_the_projection_onto_harmonic_fields(voxel_size, weighted, rim):
    mask, rng = blob((11, 12, 9)), np.random.default_rng(1)
    field = rng.standard_normal(mask.shape)
    noise = rng.uniform(0.002, 0.02, mask.shape) if weighted else None
    harmonic = null_space(dense_laplacian(mask, voxel_size))
    weight = weights(mask, voxel_size, noise, rim)
    root = np.sqrt(weight)[:, None]
    fit = np.linalg.lstsq(root * harmonic, root[:, 0] * field[mask], rcond=None)[0]
    local = pdf(field, mask, Grid(mask.shape, voxel_size), noise=noise, rim=rim, **EXACT)
    assert harmonic.shape[1] < 0.9 * mask.sum()
    assert np.abs(local[mask] - (field[mask] - harmonic @ fit)).max() < 1e-4


def test_sources_outside_explain_no_more_than_the_projection(phantom):
    """Liu's iteration on sources comes close to the projection's residual."""
    mask, total = phantom['mask'], phantom['total']
    crop = crop_to_mask(mask, phantom['grid'], margin=30)
    inside, field = crop.take(mask), crop.take(np.where(mask, total, 0), np.float64)
    field[inside] -= field[inside].mean()
    kernel = voxel_dipole_kernel(crop.grid, dtype=np.float64)
    convolve = convolver(kernel, crop.grid.shape)
    x = np.zeros_like(field)
    residual = convolve(field) * ~inside
    step, square = residual.copy(), np.vdot(residual, residual)
    for _ in range(80):
        image = convolve(convolve(step) * inside) * ~inside
        length = square / np.vdot(step, image)
        x += length * step
        residual -= length * image
        square, before = np.vdot(residual, residual), square
        step = residual + square / before * step
    classical = crop.put((field - convolve(x)) * inside)
    local = pdf(total, mask, phantom['grid'], rim=200, **EXACT)
    deep = ndimage.binary_erosion(mask, iterations=3)
    gap = (local - classical)[deep]
    assert gap.std() < 0.1 * phantom['local'][deep].std()


def test_the_objective_falls_with_every_step(phantom):
    """Dual objective 1/2 |W^-1 L^T g|^2 - g^T L f, seen from the local field."""
    rng, mask = np.random.default_rng(2), phantom['mask']
    noise = rng.uniform(0.001, 0.03, mask.shape)
    field = phantom['total'] - np.median(phantom['total'][mask])
    values = []
    for iterations in (1, 2, 3, 5, 8, 12):
        local = pdf(
            field, mask, phantom['grid'], noise=noise, iterations=iterations, tolerance=0, passes=1
        )
        weight = weights(mask, phantom['grid'].voxel_size, noise)
        values.append((weight * (0.5 * local[mask] ** 2 - local[mask] * field[mask])).sum())
    assert (np.diff(values) < 0).all()


def test_noise_weights_shield_from_a_wild_voxel(phantom):
    rng = np.random.default_rng(3)
    total, noise = phantom['total'].copy(), np.full(phantom['mask'].shape, 1e-3, np.float32)
    bad = phantom['mask'] & (rng.random(total.shape) < 0.02)
    total[bad] += rng.normal(0, 0.5, bad.sum()).astype(np.float32)
    good = phantom['mask'] & ~bad
    plain = pdf(total, phantom['mask'], phantom['grid']) - phantom['local']
    for value in (0.5, np.inf, np.nan, 0):
        noise[bad] = value
        weighted = pdf(total, phantom['mask'], phantom['grid'], noise=noise) - phantom['local']
        assert weighted[good].std() < 0.5 * plain[good].std()


def test_noise_that_is_nowhere_known_weighs_nothing(phantom):
    first = pdf(phantom['total'], phantom['mask'], phantom['grid'])
    again = pdf(phantom['total'], phantom['mask'], phantom['grid'], noise=0 * first)
    assert np.array_equal(first, again)


@pytest.mark.parametrize(('order', 'highest'), [(0, 1), (1, 1), (2, 2), (3, 3)])
def test_offset_polynomials_are_taken_away_up_to_their_order(phantom, order, highest):
    x, y, z = (axis / 40 for axis in coordinates(phantom['grid']))
    offset = {1: x - 2 * z, 2: x**2 + 0.5 * z**2 + x * y, 3: x**3 - y * z**2 + 2 * y**2}
    settings = {'offset_order': order, 'iterations': 60, 'tolerance': 1e-5}
    arguments = phantom['mask'], phantom['grid']
    first = pdf(phantom['total'], *arguments, **settings)
    for degree, shape in offset.items():
        local = pdf(phantom['total'] + 0.1 * shape, *arguments, **settings)
        gap = np.abs(local - first)[phantom['mask']].max()
        assert gap < 1e-3 if degree <= highest else gap > 5e-3


def test_a_mask_without_interior_is_refused():
    mask = np.zeros((9, 9, 9), bool)
    mask[:, :, 3:5] = True
    with pytest.raises(NigraError, match='three voxels thick'):
        pdf(np.zeros(mask.shape), mask, Grid(mask.shape))
