"""Finite differences: the gradient and its adjoint."""

import numpy as np

from nigra.nodes.numerics.stencils import adjoint_gradient, reciprocal_steps, update_edges


def test_gradient_stencils_are_adjoint():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6, 5, 7)).astype(np.float32)
    field = rng.standard_normal((3, *x.shape)).astype(np.float32)
    steps = reciprocal_steps((1.0, 2.0, 0.5))
    gradient = np.zeros_like(field)
    update_edges(x, gradient, np.ones_like(x), steps, np.float32(1), 0, 6)
    back = np.empty_like(x)
    adjoint_gradient(field, np.ones_like(x), steps, back, 0, 6)
    assert np.isclose(np.vdot(gradient, field), np.vdot(x, back), rtol=1e-4)
