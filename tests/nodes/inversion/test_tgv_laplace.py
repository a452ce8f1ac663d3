"""The 19-point Laplacian and its Poisson problem against a sum over neighbours made another way.

Sweeps run as plain Python here, which refuses places outside of an array.
"""

import numpy as np
import pytest
from scipy import ndimage

from nigra.nodes.grid import Grid
from nigra.nodes.inversion import tgv_laplace as tl

SHAPE = (6, 8, 7)
SIZE = (1.0, 0.8, 2.0)


def sweep(kernel, *arguments):
    """A kernel on two slabs; their results."""
    return [kernel.py_func(*arguments, first, last) for first, last in ((0, 3), (3, SHAPE[0]))]


def nineteen_points(size):
    """The stencil as 27 weights: second differences, and products of two."""
    line, one = np.array([1.0, -2, 1]), np.array([0, 1.0, 0])
    out = np.zeros((3, 3, 3))
    squares = np.asarray(size) ** 2
    for a in range(3):
        out += np.einsum('i,j,k', *(line if n == a else one for n in range(3))) / squares[a]
        b = (a + 1) % 3
        both = np.einsum('i,j,k', *(line if n in (a, b) else one for n in range(3)))
        out += both * (squares[a] + squares[b]) / (12 * squares[a] * squares[b])
    return out


def inner_mask():
    mask = np.random.default_rng(0).random([n - 2 for n in SHAPE]) < 0.8
    return np.pad(mask, 1)


def test_weights_make_the_stencil_of_fourth_order():
    axes, corners = tl.stencil_weights(SIZE)
    whole = nineteen_points(SIZE)
    assert axes == pytest.approx([whole[0, 1, 1], whole[1, 0, 1], whole[1, 1, 0]])
    assert corners == pytest.approx([whole[0, 0, 1], whole[0, 1, 0], whole[1, 0, 0]])
    centre = 2 * axes.sum() + 4 * corners.sum()
    assert centre == pytest.approx(-whole[1, 1, 1], rel=1e-6)


@pytest.mark.parametrize('period', [0.0, 2 * np.pi])
def test_the_laplacian_of_short_steps_is_the_sum_and_of_wrapped_ones_too(period):
    rng = np.random.default_rng(1)
    truth = 0.4 * rng.standard_normal(SHAPE) + 0.9 * np.arange(SHAPE[0])[:, None, None]
    phase = np.angle(np.exp(1j * truth)) if period else truth
    inside, out, trusted = inner_mask(), np.zeros(SHAPE), np.zeros(SHAPE, bool)
    axes, corners = tl.stencil_weights(SIZE)
    sweep(tl._laplacian, phase, inside, 3.0, period, axes, corners, out, trusted)
    expected = ndimage.correlate(truth, nineteen_points(SIZE), mode='nearest')
    assert out == pytest.approx(np.where(inside, expected, 0), abs=1e-5)
    # trusted where no step between neighbours of the stencil is longer
    np.testing.assert_array_equal(trusted, inside & (longest_step(truth) <= 3))


def longest_step(image):
    """Longest difference among those by which a voxel's 18 neighbours are reached."""
    best = np.zeros(image.shape)
    for place in np.ndindex(3, 3, 3):
        way = np.array(place) - 1
        used = np.flatnonzero(way)
        if len(used) == 2:
            for first in used:
                step = np.eye(3, dtype=int)[first] * way
                there, far = (np.roll(image, -w, (0, 1, 2)) for w in (step, way))
                best = np.maximum(best, np.maximum(abs(there - image), abs(far - there)))
    return best


def test_a_step_at_the_limit_is_trusted():
    phase = np.zeros(SHAPE)
    phase[3, 3, 3] = 1.5
    inside = inner_mask() | True
    inside[[0, -1]] = inside[:, [0, -1]] = inside[:, :, [0, -1]] = False
    axes, corners = tl.stencil_weights(SIZE)
    for limit, all_trusted in ((1.5, True), (1.499, False)):
        out, trusted = np.zeros(SHAPE), np.zeros(SHAPE, bool)
        sweep(tl._laplacian, phase, inside, limit, 0.0, axes, corners, out, trusted)
        assert trusted[inside].all() == all_trusted


def test_the_matrix_is_the_stencil_with_nothing_outside():
    inside = inner_mask()
    p = np.where(inside, np.random.default_rng(2).standard_normal(SHAPE), 0)
    out = np.zeros(SHAPE)
    products = sweep(tl.negative_laplacian, p, inside, *tl.stencil_weights(SIZE), out)
    expected = -ndimage.correlate(p, nineteen_points(SIZE), mode='constant')
    assert out == pytest.approx(np.where(inside, expected, 0), abs=1e-5)
    assert sum(products) == pytest.approx(np.vdot(p, out))


def test_steps_of_conjugate_gradients():
    rng = np.random.default_rng(3)
    x, residual, step, image = rng.standard_normal((4, *SHAPE))
    new_x, new_residual = x + 0.3 * step, residual - 0.3 * image
    squares = sweep(tl._advance, x, residual, step, image, 0.3)
    assert x == pytest.approx(new_x)
    assert residual == pytest.approx(new_residual)
    assert sum(squares) == pytest.approx((new_residual**2).sum())
    turned = residual + 0.6 * step
    sweep(tl._turn, step, residual, 0.6)
    assert step == pytest.approx(turned)


def test_conjugate_gradients_stop_when_the_residual_has_shrunk():
    grid, inside = Grid(SHAPE, SIZE), inner_mask()
    truth = np.where(inside, np.random.default_rng(4).standard_normal(SHAPE), 0)
    right = ndimage.correlate(truth, nineteen_points(SIZE), mode='constant')
    right = np.where(inside, right, 7).astype(np.float32)  # what stands outside does not count

    def left(tolerance, iterations=300):
        x = tl.solve_poisson(right, inside, grid, tolerance=tolerance, iterations=iterations)
        image = ndimage.correlate(x.astype(float), nineteen_points(SIZE), mode='constant')
        return x, np.linalg.norm((right - image)[inside]) / np.linalg.norm(right[inside])

    residuals = [left(t)[1] for t in (0.3, 0.03, 1e-4)]
    assert residuals[0] > 0.03 > residuals[1] > 1e-4 > residuals[2] * 0.9
    assert all(r <= 1.1 * t for r, t in zip(residuals, (0.3, 0.03, 1e-4), strict=True))
    assert left(1e-6)[0] == pytest.approx(truth, abs=1e-4)
    assert not left(1e-6, iterations=0)[0].any()


@pytest.mark.parametrize('voxels', [0, 1, 2])
def test_erosion_takes_layers_and_what_the_stencil_needs(voxels):
    """Around a hole: layers of six neighbours, then one of eighteen."""
    mask = np.ones((15, 15, 15), bool)
    mask[7, 7, 7] = False
    lost = ~mask
    for structure in [1] * voxels + [2]:
        lost = ndimage.binary_dilation(lost, ndimage.generate_binary_structure(3, structure))
    assert lost.sum() == {0: 19, 1: 57, 2: 123}[voxels]
    rim = voxels + 1
    expected = np.zeros(mask.shape, bool)
    expected[rim:-rim, rim:-rim, rim:-rim] = True
    np.testing.assert_array_equal(tl.erode(mask, voxels), expected & ~lost)
