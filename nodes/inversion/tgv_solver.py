"""Total generalised variation of a dipole field's sources, by primal-dual steps.

Minimises 1/2 |W (f - D * chi - c)|^2 + alpha1 |grad chi - w|_1 + alpha0 |sym grad w|_1 over chi, w
and a constant c (Condat 2013, doi 10.1007/s10957-012-0245-9; Vu 2013). The metric of chi is
D^2 + 2 sigma |E|^2, diagonal in k-space, E the gradient: steps of one length would wait for the
frequencies where D is small.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..numerics.fft import empty_spectrum, irfftn, rfftn
from ..numerics.kernels import gradient_kernel
from ..numerics.stencils import reciprocal_steps
from ..parallel import Progress, follow
from .problem import Image, Problem
from .tgv_stencils import (
    add_derivative,
    add_gradient,
    descend_slopes,
    descend_spectrum,
    extrapolate,
    gradient_adjoint,
    limit_derivatives,
    limit_edges,
    mark_derivatives,
    mark_edges,
    misfit,
    weighted_sum,
)

_EDGE_STEP = 0.012
"""Step of the first-order multipliers: the penalty of the equivalent ADMM. Half and twice as much
move the error of the means of nuclei by .15 ppb of 8 to 13 (`tgv2` on iso-3T and iso-1.5T of
`benchmarks/phantoms.py`)."""
_SLOPE_STEP = 12.5
"""Step of the second-order multipliers over that, voxels^2. The smaller, the more steps until
slopes of the map meet their limit; at 0.25 it had not settled after 70."""


class PrimalDual:
    """Primal-dual steps on a problem from zero.

    Attributes
    ----------
    chi
        Susceptibility in the whole padded box, ppm.
    slopes
        w, the part of its gradient that may vary smoothly, ppm/mm, (3, x, y, z).
    p, q
        Multipliers of grad chi - w and of sym grad w.
    """

    def __init__(self, problem: Problem, alpha1: float, alpha0: float) -> None:
        self.problem, self.sweep = problem, problem.sweep
        field, grid, shape = problem.field, problem.grid, problem.field.shape
        self.total = float(problem.weight.sum(dtype=np.float64))
        self.limits = np.float32(alpha1), np.float32(alpha0)
        self.steps = reciprocal_steps(grid.voxel_size)
        edges, self.marks = np.zeros(shape, np.int16), np.zeros(shape, np.int16)
        self.sweep(mark_edges, problem.inside, edges)
        self.sweep(mark_derivatives, edges, self.marks)
        # the steps converge if chi's metric and 1 / tau exceed what the multipliers' steps and the
        # data ask for; `norm` bounds the squared norm of either difference operator
        norm = 4 * float(np.sum(np.asarray(grid.voxel_size) ** -2.0))
        sigma1, sigma0 = _EDGE_STEP, _SLOPE_STEP * _EDGE_STEP * 12 / norm
        self.sigmas = np.float32(sigma1), np.float32(sigma0)
        self.tau = np.float32(1 / (2 * sigma1 + sigma0 * norm))
        self.metric = problem.kernel**2 + np.float32(2 * sigma1) * gradient_kernel(grid)
        self.metric[0, 0, 0] = np.inf  # the mean of chi has no field
        np.divide(1, self.metric, out=self.metric)
        self.chi, self.ahead, self.model = (np.zeros_like(field) for _ in range(3))
        self.slopes, self.slopes_ahead, self.p = (
            np.zeros((3, *shape), np.float32) for _ in range(3)
        )
        self.q = np.zeros((6, *shape), np.float32)
        self.spectrum, self.data, self.prior = (empty_spectrum(field) for _ in range(3))
        self.spectrum[...] = 0

    def step(self) -> None:
        """One step down in chi and w, one up in the multipliers p and q."""
        self._descend_chi()
        # w <- w + tau (p - sym grad^T q)
        self.sweep(
            descend_slopes, self.slopes, self.slopes_ahead, self.p, self.q, self.marks,
            self.steps, self.tau,
        )  # fmt: skip
        # chi' = 2 chi - (chi of the step before); w' likewise, of the sweep above
        self.sweep(extrapolate, self.chi, self.ahead)
        self._ascend()

    def _descend_chi(self) -> None:
        """Chi <- chi - metric^-1 [D W^2 (D chi - f - c) + E^T p], with the best constant c."""
        field, weight, threads = self.problem.field, self.problem.weight, self.problem.nthreads
        gap = sum(self.sweep(weighted_sum, self.model, field, weight))
        constant = np.float32(gap / self.total)
        self.sweep(misfit, self.model, field, weight, constant)
        rfftn(self.model, self.data, nthreads=threads)
        self.sweep(gradient_adjoint, self.p, self.steps, self.model)
        rfftn(self.model, self.prior, nthreads=threads)
        self.sweep(
            descend_spectrum, self.spectrum, self.data, self.prior, self.problem.kernel,
            self.metric,
        )  # fmt: skip
        # back from k-space: D * chi for the next step, and chi; the old one is kept
        irfftn(self.data, self.model, nthreads=threads)
        self.chi, self.ahead = self.ahead, self.chi
        irfftn(self.prior, self.chi, nthreads=threads)

    def _ascend(self) -> None:
        """Step up at the extrapolated chi' and w'."""
        (sigma1, sigma0), (alpha1, alpha0) = self.sigmas, self.limits
        # p <- proj(p + sigma1 (grad chi' - w')), onto balls of radius alpha1
        self.sweep(
            add_gradient, self.ahead, self.slopes_ahead, self.marks, self.steps, sigma1, self.p
        )
        self.sweep(limit_edges, self.p, alpha1)
        # q <- proj(q + sigma0 sym grad w'), onto balls of radius alpha0
        self.sweep(add_derivative, self.slopes_ahead, self.marks, self.steps, sigma0, self.q)
        self.sweep(limit_derivatives, self.q, self.marks, alpha0)

    def solve(self, iterations: int, progress: Progress | None) -> Image:
        """Map of the whole scan after some steps, mean zero over the mask."""
        follow(self._take(iterations), progress, iterations)
        chi, mask = self.problem.put_back(self.chi), self.problem.mask
        chi[mask] -= chi[mask].mean(dtype=np.float64).astype(np.float32)
        return chi

    def _take(self, iterations: int) -> Iterator[None]:
        for _ in range(iterations):
            self.step()
            yield
