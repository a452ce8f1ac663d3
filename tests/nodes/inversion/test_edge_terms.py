import numpy as np
import pytest

from nigra.nodes.inversion.edge_terms import lagged_weights, weighted_laplacian
from nigra.nodes.numerics.stencils import reciprocal_steps

SHAPES = [(6, 5, 8), (7, 8, 5), (4, 6, 7)]
STEPS = reciprocal_steps((1.0, 2.0, 0.5))


def images(shape, count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


@pytest.mark.parametrize('shape', SHAPES)
def test_weighted_laplacian_is_the_gradient_of_its_energy(shape):
    x, y = images(shape, 2)
    weights = np.abs(images(shape, 3, 1))

    def apply(v):
        out = np.empty_like(v)
        weighted_laplacian(v, weights, STEPS, out, 0, shape[0])
        return out

    def slopes(v):
        return np.stack([(np.roll(v, -1, a) - v) * STEPS[a] for a in range(3)])

    assert np.isclose(np.vdot(apply(x), y), np.vdot(weights * slopes(x), slopes(y)), rtol=1e-3)


def test_lagged_weights_touch_the_norm_from_above():
    shape = (5, 6, 7)
    x, y = images(shape, 2)
    keep = np.random.default_rng(3).integers(0, 8, shape).astype(np.uint8)
    weights, other = np.empty((3, *shape), np.float32), np.empty((3, *shape), np.float32)
    smoothing = np.float32(0.3)
    norm = lagged_weights(x, keep, STEPS, smoothing, weights, 0, 5)

    def energy(v):
        out = np.empty_like(v)
        weighted_laplacian(v, weights, STEPS, out, 0, 5)
        return float(np.vdot(v, out)) / 2

    for scale in (0.01, 0.3, 1.0):
        moved = x + np.float32(scale) * y
        cost = lagged_weights(moved, keep, STEPS, smoothing, other, 0, 5)
        assert cost <= norm + energy(moved) - energy(x) + 1e-3
    still = lagged_weights(0 * x, keep, STEPS, smoothing, other, 0, 5)
    assert np.isclose(still, 0.3 * x.size, rtol=1e-5)


@pytest.mark.parametrize('size', [(2.0, 3.0, 0.5), (0.5, 2.0, 3.0), (3.0, 0.5, 2.0)])
def test_lagged_weights_are_one_over_the_rounded_slope_per_mm(size):
    shape, smoothing = (5, 6, 7), np.float32(0.2)
    (x,) = images(shape, 1)
    keep = np.random.default_rng(4).integers(0, 8, shape).astype(np.uint8)
    kept = np.stack([(keep >> axis) & 1 for axis in range(3)])
    slopes = kept * np.stack([(np.roll(x, -1, a) - x) / size[a] for a in range(3)])
    length = np.sqrt((slopes**2).sum(axis=0) + smoothing**2)
    weights = np.empty((3, *shape), np.float32)
    norm = lagged_weights(x, keep, reciprocal_steps(size), smoothing, weights, 0, 5)
    assert norm == pytest.approx(length.sum(), rel=1e-5)
    assert weights == pytest.approx(kept / length, rel=1e-5)
