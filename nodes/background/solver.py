"""Conjugate gradients on images, where `numerics.cg` has half spectra for its unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..numerics.multigrid import Stencils
from .frame import Image, Stop

Operator = Callable[[Image, Image], Any]
"""`apply(p, q)` writes A p into q."""


def image_conjugate_gradients(
    apply: Operator,
    right: Image,
    stop: Stop,
    *,
    dot: Callable[[Image, Image], float],
    precondition: Callable[[Image], Image] | None = None,
    by_residual: bool = False,
    nthreads: int = 1,
) -> Image:
    """Solve A x = b from x = 0 for a symmetric positive semidefinite A.

    Parameters
    ----------
    apply
        The operator A.
    right
        The right-hand side b; overwritten by the residual.
    stop
        When to stop.
    dot
        Scalar product in double precision.
    precondition
        About the inverse of A, symmetric and positive; it may return a buffer of its own.
    by_residual
        Whether the tolerance is one of |r|, as without a preconditioner M, or of r^T M r. Where
        M is close to the inverse of A, the latter is about the error's square as A weighs it.
    nthreads
        Threads; the result does not depend on them.

    Notes
    -----
    Hestenes & Stiefel 1952 (doi 10.6028/jres.049.044).
    """
    sweep = Stencils(right.shape, nthreads).sweep
    x, image, residual = np.zeros_like(right), np.zeros_like(right), right

    def conditioned() -> Image:
        return residual if precondition is None else precondition(residual)

    def left() -> float:
        return dot(residual, residual) if by_residual else square

    z = conditioned()
    step = z.copy()
    square = dot(residual, z)
    first = left()
    for iteration in range(stop.iterations):
        # r^T M r of 0 or less: solved as far as float32 can tell
        if left() <= stop.tolerance**2 * first or square <= 0:
            break
        apply(step, image)
        # along the step to the minimum of x^T A x / 2 - b^T x
        length = np.float32(square / dot(step, image))
        sweep(_advance, x, residual, step, image, length)
        z = conditioned()
        square, before = dot(residual, z), square
        # the next step is conjugate to all before it
        sweep(_redirect, step, z, np.float32(square / before))
        if stop.progress:
            stop.progress(iteration + 1, stop.iterations)
    return x


def _advance(
    x: Image, residual: Image, step: Image, image: Image, length: Any, first: int, last: int
) -> None:
    """Update x += length step and residual -= length image on a slab."""
    x[first:last] += length * step[first:last]
    residual[first:last] -= length * image[first:last]


def _redirect(step: Image, z: Image, factor: Any, first: int, last: int) -> None:
    """Update step = z + factor step on a slab."""
    step[first:last] *= factor
    step[first:last] += z[first:last]
