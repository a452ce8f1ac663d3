import numpy as np
import pytest

from nigra.nodes.grid import Grid
from nigra.nodes.numerics.cg import conjugate_gradients, weighted_dipole, with_constant
from nigra.nodes.numerics.fft import irfftn, rfftn
from nigra.nodes.numerics.kernels import dipole_kernel

SHAPES = [(6, 5, 8), (7, 8, 5), (4, 6, 7)]


def images(shape, count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


@pytest.mark.parametrize('shape', SHAPES)
def test_solution_of_a_dense_system(shape):
    kernel = with_constant(dipole_kernel(Grid(shape, (1, 1, 1.5), (0.3, -0.4, 0.8))))
    truth, weight = images(shape, 2)
    weight = np.abs(weight) + np.float32(0.2)
    damp = np.float32(0.05)
    dipole = weighted_dipole(kernel, weight)

    def apply(p, q):
        dipole(p, q)
        q += damp * p

    rhs = np.empty_like(rfftn(truth))
    apply(rfftn(truth), rhs)
    inverse = 1 / (kernel**2 * weight.mean() + damp)
    found = conjugate_gradients(apply, rhs, inverse, shape[2], iterations=200, tolerance=1e-6)
    assert np.allclose(irfftn(found, np.empty_like(truth)), truth, atol=2e-3)


@pytest.mark.parametrize('shape', SHAPES)
def test_weighted_dipole_is_symmetric(shape):
    kernel = dipole_kernel(Grid(shape, (1, 1, 1.5), (0.3, -0.4, 0.8)))
    x, y, weight = images(shape, 3)
    apply = weighted_dipole(kernel, np.abs(weight))

    def image(v):
        q = rfftn(v)
        apply(rfftn(v), q)
        return irfftn(q, np.empty_like(v))

    assert np.isclose(np.vdot(image(x), y), np.vdot(x, image(y)), rtol=1e-3, atol=1e-4)
    assert np.vdot(image(x), x) > 0


def test_solution_does_not_depend_on_threads():
    shape = (40, 12, 10)
    kernel = with_constant(dipole_kernel(Grid(shape)))
    x, weight = images(shape, 2)

    def solve(n):
        apply = weighted_dipole(kernel, np.abs(weight), nthreads=n)
        return conjugate_gradients(
            apply, rfftn(x), np.ones_like(kernel), 10, iterations=5, tolerance=0, nthreads=n
        )

    assert np.array_equal(solve(1), solve(3))


@pytest.mark.parametrize('size', [1.0, 0.0])
def test_steps_end_when_the_residual_has_shrunk_so_far(size):
    shape = (8, 7, 6)
    kernel = with_constant(dipole_kernel(Grid(shape)))
    x, weight = images(shape, 2)
    dipole = weighted_dipole(kernel, np.abs(weight) + np.float32(0.2))

    def apply(p, q):
        dipole(p, q)
        q += np.float32(0.05) * p

    taken = []
    for tolerance in (0.5, 0.05, 1e-3):
        steps, rhs = [], rfftn(np.float32(size) * x)
        before = np.linalg.norm(rhs)
        conjugate_gradients(
            apply, rhs, np.ones_like(kernel), 6, iterations=60, tolerance=tolerance,
            report=steps.append,
        )  # fmt: skip
        assert steps == list(range(1, len(steps) + 1))
        assert np.linalg.norm(rhs) <= 1.5 * tolerance * before
        taken.append(len(steps))
    if size:
        assert 1 <= taken[0] < taken[1] < taken[2] < 60
    else:
        assert taken == [0, 0, 0]  # nothing to solve
