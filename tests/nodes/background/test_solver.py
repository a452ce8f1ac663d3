import numpy as np
import pytest

from nigra.nodes.background.frame import Stop
from nigra.nodes.background.solver import System, image_conjugate_gradients
from nigra.nodes.fields import dot
from nigra.nodes.parallel import Sweep

SHAPE = (7, 3, 2)


@pytest.fixture(scope='module')
def matrix():
    """Symmetric and positive; its diagonal spans two decades."""
    rng, n = np.random.default_rng(5), int(np.prod(SHAPE))
    root = rng.standard_normal((n, n)) / n
    return root @ root.T + np.diag(np.geomspace(0.1, 10, n))


def system(matrix, nthreads=1, **settings):
    def apply(p, q):
        q[:] = (matrix @ p.ravel()).reshape(SHAPE)

    return System(apply, dot, Sweep(SHAPE[0], nthreads), **settings)


def by_diagonal(matrix):
    return lambda r: r / np.diag(matrix).reshape(SHAPE).astype(np.float32)


def solved(matrix, right, iterations=200, tolerance=1e-6, nthreads=1, **settings):
    """Solution and number of steps."""
    seen = []
    stop = Stop(iterations, tolerance, lambda step, steps: seen.append((step, steps)))
    x = image_conjugate_gradients(system(matrix, nthreads, **settings), right.copy(), stop)
    assert seen == [(i + 1, iterations) for i in range(len(seen))]
    return x, len(seen)


@pytest.mark.parametrize('preconditioned', [False, True])
@pytest.mark.parametrize('by_residual', [False, True])
def test_it_solves_the_system(matrix, preconditioned, by_residual):
    truth = np.random.default_rng(6).standard_normal(SHAPE).astype(np.float32)
    right = (matrix @ truth.ravel()).reshape(SHAPE).astype(np.float32)
    inverse = by_diagonal(matrix) if preconditioned else None
    x, steps = solved(matrix, right, precondition=inverse, by_residual=by_residual)
    again, _ = solved(matrix, right, nthreads=3, precondition=inverse, by_residual=by_residual)
    assert np.abs(x - truth).max() < 1e-3
    assert 1 < steps < 200
    assert np.array_equal(x, again)


def test_a_preconditioner_saves_steps_and_a_tolerance_too(matrix):
    right = np.random.default_rng(7).standard_normal(SHAPE).astype(np.float32)
    _, plain = solved(matrix, right)
    _, quick = solved(matrix, right, precondition=by_diagonal(matrix))
    _, rough = solved(matrix, right, tolerance=0.1)
    assert quick < 0.5 * plain
    assert rough < 0.5 * plain
    assert solved(matrix, right, iterations=3)[1] == 3


def test_nothing_is_solved_by_nothing(matrix):
    x, steps = solved(matrix, np.zeros(SHAPE, np.float32))
    assert steps == 0
    assert not x.any()
