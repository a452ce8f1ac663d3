"""The least-squares fit with which RTS and iLSQR begin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..numerics.cg import conjugate_gradients, weighted_dipole, with_constant
from ..numerics.fft import irfftn, rfftn
from .problem import Image, Problem


def least_squares(
    problem: Problem,
    *,
    damping: float,
    iterations: int,
    report: Callable[[int], None] | None = None,
) -> Image:
    """Map that fits the field, streaks and all: a few steps towards min |W (D * x + c - f)|^2.

    Parameters
    ----------
    problem
        The field and its weights.
    damping
        Added to D^2 in the preconditioner, so that the first steps leave out what D hardly shows.
    iterations
        Steps of conjugate gradients; the papers take LSQR or LSMR, which walk the same way.
    report
        Called with the steps done.
    """
    # k = 0 carries c, the constant of the field
    kernel, threads = with_constant(problem.kernel), problem.nthreads
    # normal equations D W^2 D x = D W^2 f
    rhs = rfftn(problem.weight * problem.field, nthreads=threads)
    rhs *= kernel
    inverse = 1 / (kernel**2 + np.float32(damping))
    fitted = conjugate_gradients(
        weighted_dipole(kernel, problem.weight, nthreads=threads), rhs, inverse,
        problem.grid.shape[2], iterations=iterations, tolerance=0.0, nthreads=threads,
        report=report,
    )  # fmt: skip
    fitted[0, 0, 0] = 0
    return irfftn(fitted, np.empty_like(problem.field), nthreads=threads)
