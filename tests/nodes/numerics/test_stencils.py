"""Periodic differences against whole arrays; as plain Python, which refuses places outside."""

import numpy as np
import pytest

from nigra.nodes.numerics import stencils

SHAPE = (5, 4, 6)
STEPS = np.array([1.0, 0.5, 2.0])


def sweep(kernel, *arguments):
    for first, last in ((0, 2), (2, SHAPE[0])):
        kernel.py_func(*arguments, first, last)


def gradient(x):
    """Periodic forward differences."""
    return np.stack([(np.roll(x, -1, a) - x) * STEPS[a] for a in range(3)])


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_steps_are_reciprocal_lengths():
    assert stencils.reciprocal_steps((1.0, 2.0, 0.5)).tolist() == [1, 0.5, 2]


@pytest.mark.parametrize('relaxation', [1.0, 1.8])
def test_edges_are_projected_and_take_the_gradient(rng, relaxation):
    x, dual, weights = rng.normal(size=SHAPE), rng.normal(size=(3, *SHAPE)), rng.random(SHAPE)
    length, radius = np.sqrt((dual**2).sum(axis=0)), 2.5 * weights
    assert 0.2 < (length <= radius).mean() < 0.8
    projected = dual * np.minimum(1, radius / length)
    scales = np.empty(SHAPE)
    sweep(stencils.edge_scales, dual, weights, 2.5, scales)
    # z - u is what is left of p after the projection, less the projection
    assert scales * dual == pytest.approx(dual - 2 * projected, abs=1e-6)
    # z is what the projection leaves of p
    relaxed = relaxation * gradient(x) + (1 - relaxation) * (dual - projected)
    sweep(stencils.update_edges, x, dual, weights, relaxation * STEPS, 2.5, relaxation)
    assert dual == pytest.approx(projected + relaxed, abs=1e-6)


def test_differences_are_clipped_one_by_one_and_take_the_gradient(rng):
    x, dual = rng.normal(size=SHAPE), rng.normal(size=(3, *SHAPE))
    clipped, back = np.clip(dual, -0.6, 0.6), np.empty(SHAPE)
    assert 0.2 < (clipped == dual).mean() < 0.8
    sweep(stencils.adjoint_of_reflected, dual, 0.6, STEPS, back)
    # the adjoint of the gradient, on what is left of p after the clipping less what was clipped
    assert np.vdot(back, x) == pytest.approx(np.vdot(dual - 2 * clipped, gradient(x)))
    sweep(stencils.update_differences, x, dual, STEPS, 0.6)
    assert dual == pytest.approx(clipped + gradient(x), abs=1e-6)


def test_the_adjoint_of_the_scaled_gradient(rng):
    x, dual, scales = rng.normal(size=SHAPE), rng.normal(size=(3, *SHAPE)), rng.random(SHAPE)
    back = np.empty(SHAPE)
    sweep(stencils.adjoint_gradient, dual, scales, STEPS, back)
    assert np.vdot(back, x) == pytest.approx(np.vdot(scales * dual, gradient(x)))
    assert back.sum() == pytest.approx(0, abs=1e-9)  # periodic: what leaves one comes to another


def test_spectra_are_divided_voxel_by_voxel(rng):
    data, edges = (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE) for _ in range(2))
    kernel, denominator = rng.normal(size=SHAPE), rng.uniform(1, 2, SHAPE)
    expected = (kernel * data + 0.3 * edges) / denominator
    sweep(stencils.solve_spectra, data, edges, kernel, denominator, 0.3)
    assert edges == pytest.approx(expected)
    assert data == pytest.approx(kernel * expected)


def test_data_where_they_are_sure_and_the_model_elsewhere(rng):
    model, field = rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    weight = rng.choice([0, 0.5, 1], SHAPE)
    filled = model.copy()
    sweep(stencils.fill_field, filled, field, weight, 0.7)
    assert filled[weight == 1] == pytest.approx((field - 0.7)[weight == 1])
    assert filled == pytest.approx(weight * (field - 0.7) + (1 - weight) * model)
