"""Preconditioned conjugate gradients on half spectra of real images.

Images are unknown through their spectra: a preconditioner that is a function of k then costs
nothing. Sums are taken over fixed slabs, in order, so that results do not depend on the threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..parallel import run, slabs
from .fft import irfftn, rfftn

Operator = Callable[[NDArray[Any], NDArray[Any]], None]


def conjugate_gradients(
    apply: Operator,
    rhs: NDArray[Any],
    inverse: NDArray[Any],
    length: int,
    *,
    iterations: int,
    tolerance: float,
    nthreads: int = 1,
    report: Callable[[int], None] | None = None,
) -> NDArray[Any]:
    """Solve A X = B from X = 0 for a symmetric positive semidefinite A.

    Parameters
    ----------
    apply
        `apply(p, q)` writes A p into q.
    rhs
        Half spectrum B; overwritten by the residual R.
    inverse
        The preconditioner M^-1, real half spectrum, about 1 / A; where it is 0, X stays 0.
    length
        Length of the image's last axis.
    iterations
        Most steps.
    tolerance
        Stop when the preconditioned residual has shrunk to this fraction of its first norm.
    report
        Called with the steps taken after each.
    """
    pieces = slabs(len(rhs))

    def inner(p: NDArray[Any], q: NDArray[Any]) -> float:
        return sum(run(lambda s: _inner(p[s], q[s], None, length), pieces, nthreads))

    def square(r: NDArray[Any]) -> float:
        return sum(run(lambda s: _inner(r[s], r[s], inverse[s], length), pieces, nthreads))

    def advance(kernel: Callable[..., Any], factor: float, *arguments: Any) -> None:
        run(lambda s: kernel(np.float32(factor), *(a[s] for a in arguments)), pieces, nthreads)

    x, direction, image = np.zeros_like(rhs), np.zeros_like(rhs), np.empty_like(rhs)
    first = previous = square(rhs)
    beta = 0.0
    for step in range(1, iterations + 1):
        if previous <= tolerance**2 * first or previous <= 0:
            break
        # P <- M^-1 R + beta P
        advance(_turn, beta, rhs, inverse, direction)
        apply(direction, image)
        curvature = inner(direction, image)
        if not curvature > 0:  # A is flat along P: rounding is all that is left
            break
        # X <- X + alpha P, R <- R - alpha A P
        advance(_advance, previous / curvature, direction, image, x, rhs)
        now = square(rhs)
        beta, previous = now / previous, now
        if report:
            report(step)
    return x


def with_constant(kernel: NDArray[Any]) -> NDArray[Any]:
    """Dipole kernel whose k = 0 is 1: the map's mean then stands for a constant in the field.

    Nothing else determines either; the caller drops it from the map.
    """
    out = kernel.copy()
    out[0, 0, 0] = 1
    return out


def weighted_dipole(kernel: NDArray[Any], weight: NDArray[Any], *, nthreads: int = 1) -> Operator:
    """Operator X -> D F W F^-1 D X on half spectra; W is a real image.

    The normal matrix of weighted least squares, if W is the square of the weights.
    """
    field = np.empty_like(weight)
    pieces = slabs(len(weight))

    def apply(p: NDArray[Any], q: NDArray[Any]) -> None:
        np.multiply(p, kernel, out=q)
        irfftn(q, field, nthreads=nthreads)
        run(lambda s: np.multiply(field[s], weight[s], out=field[s]), pieces, nthreads)
        rfftn(field, q, nthreads=nthreads)
        np.multiply(q, kernel, out=q)

    return apply


@numba.njit(cache=True, nogil=True)
def _inner(p, q, inverse, length):
    """<P, Q> or <P, M^-1 Q> over the whole spectra, of which the halves are given."""
    total = 0.0
    for i in range(p.shape[0]):
        for j in range(p.shape[1]):
            # rows in single precision, their sum in double: as exact as need be, and fast
            row = np.float32(0)
            for k in range(p.shape[2]):
                a, b = p[i, j, k], q[i, j, k]
                once = a.real * b.real + a.imag * b.imag
                if inverse is not None:
                    once *= inverse[i, j, k]
                # the half spectrum leaves out the conjugates of all but its planes of symmetry
                row += once if k == 0 or 2 * k == length else once + once
            total += row
    return total


@numba.njit(cache=True, nogil=True)
def _turn(beta, r, inverse, direction):
    """Replace P by M^-1 R + beta P."""
    for i in range(r.shape[0]):
        for j in range(r.shape[1]):
            for k in range(r.shape[2]):
                direction[i, j, k] = inverse[i, j, k] * r[i, j, k] + beta * direction[i, j, k]


@numba.njit(cache=True, nogil=True)
def _advance(alpha, direction, image, x, r):
    """X <- X + alpha P, and R <- R - alpha A P in the same sweep."""
    for i in range(r.shape[0]):
        for j in range(r.shape[1]):
            for k in range(r.shape[2]):
                x[i, j, k] += alpha * direction[i, j, k]
                r[i, j, k] -= alpha * image[i, j, k]
