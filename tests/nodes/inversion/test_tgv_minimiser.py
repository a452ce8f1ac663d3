"""Operators of one-step TGV and their adjoints, and its minimiser against textbook steps."""

import itertools

import numpy as np
import phantoms
import pytest
from inversion_checks import whole

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.tgv_laplace import (
    erode,
    negative_laplacian,
    solve_poisson,
    stencil_weights,
    wrapped_laplacian,
)
from nigra.nodes.inversion.tgv_solver import PrimalDual
from nigra.nodes.inversion.tgv_stencils import (
    add_derivative,
    add_gradient,
    descend_slopes,
    gradient_adjoint,
    limit_derivatives,
    mark_derivatives,
    mark_edges,
)
from nigra.nodes.numerics.kernels import dipole_kernel
from nigra.nodes.numerics.stencils import reciprocal_steps

SIZES = [(1.0, 1.0, 1.0), (1.0, 0.8, 2.0)]


def rough_mask(shape, rng):
    """A mask with holes, spikes and voxels on the array's faces."""
    return rng.random(shape) < 0.8


def marks_of(mask):
    edges, marks = np.zeros(mask.shape, np.int16), np.zeros(mask.shape, np.int16)
    mark_edges(mask, edges, 0, mask.shape[0])
    mark_derivatives(edges, marks, 0, mask.shape[0])
    return edges, marks


def slow_gradient(x, mask, h):
    out = np.zeros((3, *x.shape))
    for axis in range(3):
        here = [slice(None)] * 3
        there = [slice(None)] * 3
        here[axis], there[axis] = slice(None, -1), slice(1, None)
        here, there = tuple(here), tuple(there)
        both = mask[here] & mask[there]
        out[axis][here] = np.where(both, (x[there] - x[here]) / h[axis], 0)
    return out


# Operators


@pytest.mark.parametrize('size', SIZES)
def test_laplacian_is_right_for_quadratics_and_blind_to_harmonics(size):
    grid = Grid((9, 8, 7), size)
    x, y, z = phantoms.coordinates(grid)
    inside = erode(np.ones(grid.shape, bool))
    fields = {
        2 + 4 - 6: x**2 + 2 * y**2 - 3 * z**2 + 5 * x * y,
        12: x**2 + 2 * y**2 + 3 * z**2 - z + 4,
        # fourth order, harmonic: the plain 7-point sum gives 2 (h_x^2 + h_y^2) of it
        0.0: x**4 - 6 * x**2 * y**2 + y**4,
        0.5: x**4 - 6 * x**2 * z**2 + z**4 + 0.25 * y**2,
    }
    for expected, field in fields.items():
        found, trusted = wrapped_laplacian(
            field.astype(np.float32), inside, grid, limit=1e9, period=0
        )
        assert trusted[inside].all()
        scale = np.abs(field).max() / min(size) ** 2
        assert np.allclose(found[inside], expected, atol=1e-5 * scale)
        assert not found[~inside].any()


def test_laplacian_does_not_see_wraps_until_steps_are_too_long():
    grid = Grid((12, 11, 10), (1.0, 1.2, 1.5))
    x, y, z = phantoms.coordinates(grid)
    inside = erode(np.ones(grid.shape, bool))
    field = 1.1 * x - 0.9 * y + 0.05 * z**2 + 3
    for limit, fraction in ((2.0, 1.0), (1.0, 0.0)):
        wrapped = np.angle(np.exp(1j * field)).astype(np.float32)
        found, trusted = wrapped_laplacian(wrapped, inside, grid, limit=limit)
        assert np.allclose(found[inside], 0.1, atol=1e-4)
        assert trusted[inside].mean() == fraction
        assert not trusted[~inside].any()


def test_a_fault_of_the_phase_is_not_trusted():
    grid = Grid((11, 11, 11))
    phase = np.zeros(grid.shape, np.float32)
    phase[5, 5, 5] = 2.5
    _, trusted = wrapped_laplacian(phase, erode(np.ones(grid.shape, bool)), grid, limit=2.0)
    near = np.abs(np.indices(grid.shape) - 5)
    stencil = (near.max(axis=0) <= 1) & (near.sum(axis=0) <= 2)
    assert not trusted[stencil].any()
    assert trusted.sum() == 9**3 - stencil.sum()


@pytest.mark.parametrize('size', SIZES)
def test_poisson_finds_the_field_that_vanishes_outside(size):
    rng = np.random.default_rng(1)
    grid = Grid((14, 13, 11), size)
    inside = np.zeros(grid.shape, bool)
    inside[2:-2, 2:-3, 2:-2] = rough_mask((10, 8, 7), rng)
    truth = np.where(inside, rng.standard_normal(grid.shape), 0).astype(np.float32)
    laplacian, _ = wrapped_laplacian(truth, inside, grid, limit=1e9, period=0)
    found = solve_poisson(laplacian, inside, grid, tolerance=1e-6)
    assert np.abs(found - truth).max() < 1e-3


@pytest.mark.parametrize('size', SIZES)
def test_negative_laplacian_is_symmetric_and_positive(size):
    rng = np.random.default_rng(2)
    shape = (9, 10, 8)
    inside = np.zeros(shape, bool)
    inside[1:-1, 1:-1, 1:-1] = rough_mask((7, 8, 6), rng)
    a, b = (np.where(inside, rng.standard_normal(shape), 0) for _ in range(2))
    images = [np.zeros(shape), np.zeros(shape)]
    for image, p in zip(images, (a, b), strict=True):
        assert negative_laplacian(p, inside, *stencil_weights(size), image, 0, 9) > 0
    assert np.vdot(b, images[0]) == pytest.approx(np.vdot(a, images[1]), rel=1e-6)


def test_derivative_of_a_linear_slope_is_its_symmetric_matrix():
    grid = Grid((6, 7, 8), (1.0, 0.8, 2.0))
    x, y, z = phantoms.coordinates(grid)
    matrix = np.random.default_rng(5).standard_normal((3, 3))
    w = np.einsum('ab,bxyz->axyz', matrix, np.stack([x, y, z]))
    _, marks = marks_of(np.ones(grid.shape, bool))
    q = np.zeros((6, *grid.shape))
    add_derivative(w, marks, reciprocal_steps(grid.voxel_size).astype(float), 1.0, q, 0, 6)
    expected = (matrix + matrix.T) / 2
    inner = q[:, 1:-1, 1:-1, 1:-1].reshape(6, -1)
    for n, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))):
        assert np.allclose(inner[n], expected[a, b])


# The minimiser


def small_problem(shape=(9, 10, 8), size=(1.0, 1.2, 1.5), b0_dir=(0.3, 0.0, 0.95)):
    """A noisy field known everywhere, so that the minimum is reached in a test's time."""
    rng = np.random.default_rng(6)
    grid = Grid(shape, size, b0_dir)
    chi = 0.1 * phantoms.ball(grid, 2.2)
    kernel = dipole_kernel(grid, dtype=np.float64)
    field = np.fft.irfftn(kernel * np.fft.rfftn(chi), shape, (0, 1, 2)) + 0.02
    field += 2e-3 * rng.standard_normal(shape)
    inside = rng.random(shape) < 0.95
    weight = rng.uniform(0.3, 1, shape)
    return grid, inside, field.astype(np.float32), weight.astype(np.float32)


def plain_minimum(grid, inside, field, weight, alpha1, alpha0, iterations):
    """Lowest objective of textbook primal-dual steps of one length (Chambolle & Pock 2011)."""
    kernel = dipole_kernel(grid, dtype=np.float64)
    _, marks = marks_of(inside)
    steps = reciprocal_steps(grid.voxel_size).astype(float)
    n = grid.shape[0]

    def convolve(x):
        return np.fft.irfftn(kernel * np.fft.rfftn(x), grid.shape, (0, 1, 2))

    def gap(x):
        r = convolve(x) - field
        return r - np.average(r, weights=weight)

    norm = np.sqrt(4 * float((steps**2).sum()) + 1 + 1)
    tau, sigma = 5 * 0.8 / norm, 0.8 / norm / 5
    x, w = np.zeros(grid.shape), np.zeros((3, *grid.shape))
    p, q, back = np.zeros_like(w), np.zeros((6, *grid.shape)), np.zeros(grid.shape)
    ahead, best = np.zeros_like(w), np.inf
    for iteration in range(iterations):
        gradient_adjoint(p, steps, back, 0, n)
        new = x - tau * (convolve(weight * gap(x)) + back)
        descend_slopes(w, ahead, p, q, marks, steps, tau, 0, n)
        add_gradient(2 * new - x, ahead, marks, steps, sigma, p, 0, n)
        p /= np.maximum(1, np.sqrt((p**2).sum(axis=0)) / alpha1)
        add_derivative(ahead, marks, steps, sigma, q, 0, n)
        limit_derivatives(q, marks, alpha0, 0, n)
        x = new
        if iteration % 50 == 49:
            first, second = slow_gradient(x, inside, 1 / steps) - w, np.zeros_like(q)
            add_derivative(w, marks, steps, 1.0, second, 0, n)
            value = 0.5 * (weight * gap(x) ** 2).sum()
            value += alpha1 * np.sqrt((first**2).sum(axis=0)).sum()
            squares = second**2
            value += alpha0 * np.sqrt((squares[:3] + 2 * squares[3:]).sum(axis=0)).sum()
            best = min(best, value)
    return best


def objective(solver):
    """Value of what is minimised at chi and w."""
    field, weight = solver.problem.field, solver.problem.weight
    n, one = field.shape[0], np.float32(1)
    p, q = np.zeros_like(solver.p), np.zeros_like(solver.q)
    add_gradient(solver.chi, solver.slopes, solver.marks, solver.steps, one, p, 0, n)
    add_derivative(solver.slopes, solver.marks, solver.steps, one, q, 0, n)
    gap = solver.model.astype(np.float64) - field
    gap -= np.average(gap, weights=weight)
    data = 0.5 * float((weight * gap**2).sum())
    first = np.sqrt((p.astype(np.float64) ** 2).sum(axis=0)).sum()
    squares = q.astype(np.float64) ** 2
    second = np.sqrt(squares[:3].sum(axis=0) + 2 * squares[3:].sum(axis=0)).sum()
    return data + float(solver.limits[0] * first + solver.limits[1] * second)


def test_minimiser_is_that_of_textbook_steps():
    problem = small_problem()
    plain = plain_minimum(*problem, 1e-3, 2e-3, 4000)
    grid, inside, field, weight = problem
    solver = PrimalDual(whole(grid, field, weight, inside), 1e-3, 2e-3)
    for _ in range(1000):
        solver.step()
    assert objective(solver) == pytest.approx(plain, rel=1e-3)


def test_objective_falls():
    grid, inside, field, weight = small_problem()
    solver = PrimalDual(whole(grid, field, weight, inside), 1e-3, 2e-3)
    values = []
    for _ in range(60):
        solver.step()
        values.append(objective(solver))
    tens = [min(values[n : n + 10]) for n in range(0, 60, 10)]
    assert all(b <= a * (1 + 1e-4) for a, b in itertools.pairwise(tens))
    assert values[-1] < 0.7 * values[0]


def test_a_linear_map_costs_nothing_and_total_variation_would():
    """Second order: w takes the slope, so that neither term remains."""
    grid = Grid((10, 10, 10))
    x, y, _ = phantoms.coordinates(grid)
    inside = np.ones(grid.shape, bool)
    still = whole(grid, np.zeros(grid.shape, np.float32), inside.astype(np.float32), inside)
    solver = PrimalDual(still, 1e-3, 1e-3)
    solver.chi = (0.3 * x - 0.2 * y).astype(np.float32)
    flat = objective(solver)
    solver.slopes[0][:-1], solver.slopes[1][:, :-1] = 0.3, -0.2
    assert objective(solver) < 1e-6 * flat
