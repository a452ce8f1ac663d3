"""Conjugate gradients on images, where `numerics.cg` has half spectra for its unknown.

Hestenes & Stiefel 1952 (doi 10.6028/jres.049.044), with a preconditioner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..parallel import Sweep
from .frame import Image, Stop


@dataclass(frozen=True)
class System:
    """A linear system A x = b with a symmetric positive semidefinite A.

    Attributes
    ----------
    apply
        `apply(p, q)` writes A p into q.
    dot
        Scalar product in double precision.
    sweep
        Runs a kernel on every slab of the images.
    precondition
        P, about the inverse of A, symmetric and positive; it may return a buffer of its own.
    by_residual
        Whether the tolerance is one of |r|, as it is without P, or of the root of r^T P r: about
        the error's norm, as A weighs it, where P is close to the inverse of A.
    """

    apply: Callable[[Image, Image], Any]
    dot: Callable[[Image, Image], float]
    sweep: Sweep
    precondition: Callable[[Image], Image] | None = None
    by_residual: bool = False

    def conditioned(self, residual: Image) -> Image:
        """P r, or r itself."""
        return residual if self.precondition is None else self.precondition(residual)

    def left(self, residual: Image, square: float) -> float:
        """What the tolerance is one of, squared; `square` is r^T P r."""
        return self.dot(residual, residual) if self.by_residual else square


def image_conjugate_gradients(system: System, right: Image, stop: Stop) -> Image:
    """Solve A x = b from x = 0; overwrites b, `right`, by the residual r = b - A x."""
    sweep, dot = system.sweep, system.dot
    x, image, residual = np.zeros_like(right), np.zeros_like(right), right
    z = system.conditioned(residual)
    step = z.copy()
    square = dot(residual, z)
    enough = stop.tolerance**2 * system.left(residual, square)
    for iteration in range(stop.iterations):
        # r^T P r of 0 or less: solved as far as float32 can tell
        if system.left(residual, square) <= enough or square <= 0:
            break
        system.apply(step, image)
        # alpha: as far along the step p as x^T A x / 2 - b^T x falls
        length = np.float32(square / dot(step, image))
        sweep(_advance, x, residual, step, image, length)
        z = system.conditioned(residual)
        square, before = dot(residual, z), square
        # beta makes the next step conjugate to this one, and so to all before it
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
