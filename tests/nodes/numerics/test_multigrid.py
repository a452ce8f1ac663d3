"""Poisson in a mask: each sweep against a matrix made another way, and the cycle as a whole.

Sweeps run as plain Python here, which refuses places outside of an array.
"""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from nigra.nodes.numerics import multigrid as mg
from nigra.nodes.numerics.multigrid import Box, Multigrid, Stencils, interior, laplacian

SHAPE = (6, 9, 7)
SIZE = (1.0, 0.8, 2.0)
WEIGHTS = np.asarray(SIZE) ** -2.0


def sweep(kernel, *arguments, planes=SHAPE[0]):
    """A kernel on two slabs, one after the other."""
    for first, last in ((0, 2), (2, planes)):
        kernel.py_func(*arguments, first, last)


def case(seed=0):
    """A rough mask with an empty border, and two images, one of which is zero outside it."""
    rng = np.random.default_rng(seed)
    inside = np.pad(rng.random([n - 2 for n in SHAPE]) < 0.8, 1).astype(float)
    return inside, inside * rng.standard_normal(SHAPE), rng.standard_normal(SHAPE)


def minus_laplacian(x):
    """The seven-point sum by correlation, with nothing beyond the array."""
    out = np.zeros_like(x)
    for axis, weight in enumerate(WEIGHTS):
        out -= weight * ndimage.correlate1d(x, [1, -2, 1], axis, mode='constant')
    return out


def test_laplacian_is_scaled_voxel_by_voxel_and_leaves_the_border_alone():
    _, _, x = case()
    scale = np.random.default_rng(1).uniform(0.5, 2, SHAPE)
    out = np.full(SHAPE, 7.0)
    sweep(laplacian, x, scale, WEIGHTS, out)
    inner = (slice(1, -1),) * 3
    assert out[inner] == pytest.approx((-scale * minus_laplacian(x))[inner])
    out[inner] = 7
    assert (out == 7).all()


def test_sweeps_are_those_of_damped_jacobi():
    inside, x, f = case()
    centre = 2 * WEIGHTS.sum()
    gap = f - minus_laplacian(x)
    for kernel, arguments, expected in (
        (mg._first_sweep, (f, inside, WEIGHTS, 0.7), 0.7 / centre * f),
        (mg._jacobi, (x, f, inside, WEIGHTS, 0.7), x + 0.7 / centre * gap),
        (mg._residual, (x, f, inside, WEIGHTS), gap),
    ):
        out = np.zeros(SHAPE)
        sweep(kernel, *arguments, out)
        assert out == pytest.approx(inside * expected), kernel.__name__


def full_weighting(n, factor):
    """Matrix that takes a line of n voxels to the coarse level; the line's ends are empty."""
    if factor == 1:
        return np.eye(n)
    coarse = np.zeros((len(range(0, n, 2)) + 1, n))
    for k in range(1, coarse.shape[0] - 1):
        for fine, weight in ((2 * k - 1, 0.25), (2 * k, 0.5), (2 * k + 1, 0.25)):
            if fine < n:
                coarse[k, fine] = weight
    return coarse


@pytest.mark.parametrize('factors', list(itertools.product((1, 2), repeat=3)))
def test_levels_exchange_full_weights_and_linear_interpolation(factors):
    inside, fine, _ = case(2)
    lines = [full_weighting(n, f) for n, f in zip(SHAPE, factors, strict=True)]

    def along(image, matrices):
        return np.einsum('ax,by,cz,xyz->abc', *matrices, image)

    smaller = mg._coarsened(inside > 0, np.array(factors)).astype(float)
    assert smaller.shape == tuple(line.shape[0] for line in lines)
    assert not (smaller - np.pad(smaller[1:-1, 1:-1, 1:-1], 1)).any()  # an empty border
    out = np.zeros(smaller.shape)
    sweep(mg._restrict, fine, factors, smaller, out, planes=smaller.shape[0])
    assert out == pytest.approx(smaller * along(fine, lines), abs=1e-6)
    # interpolation is the adjoint but for the voxel's volume, and is added to what is there
    coarse = smaller * np.random.default_rng(3).standard_normal(smaller.shape)
    x = fine.copy()
    sweep(mg._prolong, coarse, factors, inside, x)
    raised = np.prod(factors) * along(coarse, [line.T for line in lines])
    assert x == pytest.approx(fine + inside * raised, abs=1e-6)


def test_scalar_products_are_shared_out_and_of_double_precision():
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((2, 70, 80, 90)).astype(np.float32)
    for nthreads in (1, 3):
        found = Stencils(a.shape, nthreads).dot(a, b)
        assert found == pytest.approx(np.vdot(a.astype(float), b.astype(float)), rel=1e-12)
    assert mg._dot.py_func(a[:3], b[:3], 1, 2) == pytest.approx(np.vdot(a[1], b[1]), rel=1e-4)


def test_only_large_boxes_are_shared_out():
    small, large = Stencils((60, 60, 60), 4).sweep, Stencils((70, 70, 70), 4).sweep
    assert (len(small.pieces), small.nthreads) == (1, 1)
    assert (len(large.pieces), large.nthreads) == (8, 4)


@pytest.mark.parametrize('border', [1, 2])
def test_a_box_takes_the_mask_and_gives_it_back(border):
    mask = np.zeros((9, 12, 10), bool)
    mask[2:5, 3:10, 1:9] = np.random.default_rng(5).random((3, 7, 8)) < 0.7
    mask[2, 3, 1] = mask[4, 9, 8] = True
    image = np.random.default_rng(6).standard_normal(mask.shape).astype(np.float32)
    box = Box.around(mask, border)
    assert box.mask.shape == tuple(n + 2 * border for n in (3, 7, 8))
    assert box.mask.sum() == mask.sum()
    taken = box.take(image)
    assert taken[border, border, border] == image[2, 3, 1]
    assert not taken[~box.mask].any()
    np.testing.assert_array_equal(box.put(taken), np.where(mask, image, 0))


def test_the_interior_has_six_neighbours_in_the_mask():
    mask = np.pad(np.random.default_rng(7).random((7, 6, 5)) < 0.9, 1)
    np.testing.assert_array_equal(interior(mask), ndimage.binary_erosion(mask))
    assert 0 < interior(mask).sum() < mask.sum()


@pytest.mark.parametrize(
    ('size', 'factors'),
    [((1, 1, 1), (2, 2, 2)), ((1, 1, 1.49), (2, 2, 2)), ((1, 1, 1.5), (2, 2, 1)),
     ((3, 1, 0.5), (1, 1, 2))],
)  # fmt: skip
def test_axes_whose_voxels_are_long_wait_for_the_others(size, factors):
    levels = Multigrid(Box.around(np.ones((20, 20, 20), bool)).mask, size)
    assert tuple(levels.factors) == factors
    spacing = np.asarray(size, float) * factors
    assert levels.coarse.weights == pytest.approx(spacing**-2)
    while levels.coarse:
        assert levels.coarse.inside.size < levels.inside.size
        levels = levels.coarse
    assert levels.inside.sum() <= 30  # few enough for sweeps alone


@pytest.mark.parametrize('shape', [(23, 29, 19), (24, 16, 31), (3, 17, 5)])
@pytest.mark.parametrize('voxel_size', [(1, 1, 1), (1, 1, 2), (0.5, 3, 1)])
def test_multigrid_is_symmetric_positive_and_contracts(shape, voxel_size):
    rng = np.random.default_rng(4)
    inside = interior(Box.around(np.ones(shape, bool)).mask)
    inside &= rng.random(inside.shape) > 0.001
    multigrid = Multigrid(inside, voxel_size)

    def minus_laplacian(image):
        out = np.zeros_like(image)
        multigrid.stencils.sweep(laplacian, image, -multigrid.inside, multigrid.weights, out)
        return out

    a, b = (inside * rng.standard_normal(inside.shape).astype(np.float32) for _ in range(2))
    image_a, image_b = multigrid(a).copy(), multigrid(b).copy()
    size = np.sqrt(np.vdot(image_a, a) * np.vdot(image_b, b))
    assert np.vdot(image_a, a) > 0
    assert abs(np.vdot(image_a, b) - np.vdot(image_b, a)) < 1e-4 * size
    error = a.copy()
    for _ in range(4):
        error -= multigrid(minus_laplacian(error))
    assert np.linalg.norm(error) < 0.005 * np.linalg.norm(a)
