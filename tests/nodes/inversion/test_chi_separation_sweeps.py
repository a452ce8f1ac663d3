"""Primal-dual sweeps of chi-separation against whole arrays, as plain Python."""

import numpy as np
import pytest

from nigra.nodes.grid import Grid
from nigra.nodes.inversion import chi_separation as cs
from nigra.nodes.inversion.chi_separation import _Sources

SHAPE = (5, 6, 7)
STEPS = np.array([1.0, 1.25, 0.5])


def sweep(kernel, *arguments):
    for first, last in ((0, 2), (2, SHAPE[0])):
        kernel.py_func(*arguments, first, last)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def inside(rng):
    return rng.random(SHAPE) < 0.8


def gradient(x, inside):
    """Forward differences between voxels of the mask, nothing elsewhere."""
    out = np.zeros((3, *SHAPE))
    for axis in range(3):
        near, far = [slice(None)] * 3, [slice(None)] * 3
        near[axis], far[axis] = slice(-1), slice(1, None)
        near, far = tuple(near), tuple(far)
        both = inside[near] & inside[far]
        out[axis][near] = both * (x[far] - x[near]) * STEPS[axis]
    return out


@pytest.mark.parametrize('limit', [0.5, 2.0, 1e6])
def test_the_dual_rises_by_both_gradients_into_one_ball(rng, inside, limit):
    ahead, x = rng.normal(size=(2, *SHAPE))
    edges = np.concatenate([gradient(np.arange(x.size).reshape(SHAPE), inside)] * 2) != 0
    dual = edges * rng.normal(size=(6, *SHAPE))
    rise = gradient(ahead, inside)
    raised = dual + 0.4 * np.concatenate([rise, rise - gradient(x, inside)])
    length = np.sqrt((raised**2).sum(axis=0))
    expected = raised * np.minimum(1, limit / np.maximum(length, 1e-30))
    sweep(cs._raise_edges, ahead, x, inside, STEPS, 0.4, limit, dual)
    assert dual == pytest.approx(expected, abs=1e-6)


def test_the_primal_falls_by_the_adjoint_above_its_bound(rng, inside):
    dual = np.concatenate([gradient(rng.normal(size=SHAPE), inside) for _ in range(2)])
    target, least, para, ahead = rng.normal(size=(4, *SHAPE))
    # minus the adjoint, from the inner product with unit images
    pull = np.zeros(SHAPE)
    for place in np.argwhere(inside):
        unit = np.zeros(SHAPE)
        unit[tuple(place)] = 1
        pull[tuple(place)] = -np.vdot(dual[:3] + dual[3:], gradient(unit, inside))
    tau, theta = 0.3, 0.8
    new = np.maximum(least, (para + tau * (pull + target)) / (1 + tau))
    old, before = para.copy(), ahead.copy()
    sweep(cs._lower, dual, target, least, inside, STEPS, tau, theta, para, ahead)
    assert para == pytest.approx(np.where(inside, new, old), abs=1e-6)
    assert ahead == pytest.approx(np.where(inside, new + theta * (new - old), before), abs=1e-6)


@pytest.mark.parametrize('rates', [(137.0, 137.0), (200.0, 80.0)])
def test_the_voxelwise_solution_meets_rate_and_sum(rng, inside, rates):
    para, dia = rng.uniform(0, 0.1, SHAPE), -rng.uniform(0, 0.1, SHAPE)
    x = np.where(inside, para + dia, 0).astype(np.float32)
    prime = (rates[0] * para - rates[1] * dia).astype(np.float32)
    found = _Sources.of(x, prime, inside, rates)
    assert found.target[inside] == pytest.approx(para[inside], abs=1e-6)
    assert not found.target[~inside].any()
    assert found.least == pytest.approx(np.maximum(x, 0))


def test_the_limit_is_the_noise_of_both_maps_over_a_voxel():
    rng = np.random.default_rng(1)
    shape = (40, 40, 40)
    inside = np.ones(shape, bool)
    x = 0.01 * rng.standard_normal(shape)
    target = 0.02 * rng.standard_normal(shape)
    sources = _Sources(x.astype(np.float32), target.astype(np.float32), x, inside)
    grid = Grid(shape, (1.0, 2.0, 4.0))
    noise = np.hypot(0.02, np.hypot(0.02, 0.01)) / np.sqrt(2)
    assert sources.limit(1.5, grid) == pytest.approx(1.5 * noise * 2, rel=0.05)
    assert sources.limit(0, grid) == 0


def test_what_is_not_finite_or_outside_is_zero():
    image = np.array([[[1.0, np.nan, np.inf, 4.0]]])
    inside = np.array([[[True, True, True, False]]])
    found = cs._inside(image, (slice(None),) * 3, inside, 0.5)
    assert found.ravel().tolist() == [1.5, 0.5, 0.5, 0]
