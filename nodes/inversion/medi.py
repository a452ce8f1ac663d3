"""Local field to susceptibility with the edges of the magnitude as prior.

Liu et al. 2012 (doi 10.1016/j.neuroimage.2011.08.082), 2013 (doi 10.1002/mrm.24272): min
1/2 |W (exp(i t D * x) - exp(i t f))|^2 / t^2 + lambda |M E x|_1, t the phase at the last echo per
ppm, M zero at edges of the magnitude. The division by t^2 makes lambda independent of the scan.
The conjugate gradients run in k-space, where the part of the Hessian that is a function of k
preconditions them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NigraError
from ..fields import (
    check_counts,
    check_field,
    check_not_negative,
    check_positive,
    check_settings,
)
from ..grid import Grid, hz_per_ppm
from ..numerics.cg import conjugate_gradients, with_constant
from ..numerics.fft import irfftn, rfftn
from ..numerics.kernels import gradient_kernel
from ..numerics.stencils import reciprocal_steps
from ..parallel import Progress, follow
from .edge_terms import lagged_weights, weighted_laplacian
from .problem import Image, Mask, Problem, Spectrum, prepare, without_constant


def medi(
    localfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    noise: NDArray[Any] | None = None, magnitude: NDArray[Any] | None = None,
    echo_times: ArrayLike | None = None, b0: float | None = None, regularisation: float = 1.5e-4,
    edges: float = 0.3, merit: bool = False, smoothing: float = 1e-3, iterations: int = 8,
    fit_iterations: int = 4, tolerance: float = 2e-2, margin: float = 10.0, nthreads: int = 1,
    progress: Progress | None = None,
) -> Image:  # fmt: skip
    """Morphology-enabled inversion: susceptibility may change where the magnitude does.

    Other parameters, result and errors are those of every inversion (`problem`).

    Parameters
    ----------
    magnitude
        Without it every edge costs.
    echo_times, b0
        Seconds and tesla, both or neither: the last echo says how far the phase goes, and the
        data term compares signals, blind to wraps. Without them it compares fields.
    regularisation
        Weight of the total variation, ppm mm.
    edges
        Fraction of the differences in the mask that are edges of the magnitude and cost nothing, 0
        to 1.
    merit
        Trust voxels less whose misfit stays beyond six times its root mean square.
    smoothing
        Slope below which the total variation is quadratic, ppm/mm.
    iterations, fit_iterations
        Most Gauss-Newton steps, and conjugate-gradient steps in each.
    """
    check_positive(regularisation=regularisation, smoothing=smoothing)
    check_settings(('edges', edges, 0 <= edges < 1, 'lie between 0 and 1'))
    check_counts(iterations=iterations, fit_iterations=fit_iterations)
    check_not_negative(tolerance=tolerance)
    phase = _phase_per_ppm(echo_times, b0)
    problem = prepare(localfield, mask, grid, noise=noise, margin=margin, nthreads=nthreads)
    image = None
    if magnitude is not None:
        check_field(magnitude, grid, 'the magnitude')
        image = problem.crop.take(magnitude, np.float32)
    keep = _costly(image, problem.inside, problem.grid, edges)
    objective = _Objective(problem, keep, phase, regularisation, smoothing)
    follow(
        _gauss_newton(objective, iterations, fit_iterations, tolerance, merit),
        progress, iterations,
    )  # fmt: skip
    return problem.put_back(without_constant(objective.map))


def _phase_per_ppm(echo_times: ArrayLike | None, b0: float | None) -> float:
    """Phase at the last echo, rad/ppm; 0 for the linear data term."""
    if echo_times is None and b0 is None:
        return 0.0
    if echo_times is None or b0 is None:
        raise NigraError('the non-linear data term needs both echo_times and b0')
    last = float(np.max(np.atleast_1d(np.asarray(echo_times, float))))
    if not (np.isfinite(last) and last > 0):
        raise NigraError(f'echo_times must be positive and finite, got {echo_times}')
    return 2 * np.pi * hz_per_ppm(b0) * last


def _costly(
    magnitude: Image | None, inside: Mask, grid: Grid, fraction: float
) -> NDArray[np.uint8]:
    """Bits 1, 2 and 4 where a difference along x, y or z costs: M of the paper."""
    keep = np.full(inside.shape, 7, np.uint8)
    if magnitude is None or fraction == 0:
        return keep
    image = np.where(inside, magnitude, 0).astype(np.float32)
    slopes = []
    for axis, step in enumerate(reciprocal_steps(grid.voxel_size)):
        both = inside & np.roll(inside, -1, axis)
        slope = np.abs(np.roll(image, -1, axis) - image) * step
        slopes.append(np.where(both, slope, 0))
    # one threshold for all directions, so that long voxels do not have more edges
    threshold = np.percentile(np.stack([s[inside] for s in slopes]), 100 * (1 - fraction))
    for axis, slope in enumerate(slopes):
        keep[slope > threshold] &= np.uint8(7 - (1 << axis))
    return keep


class _Objective:
    """The objective about a map, its gradient and its Gauss-Newton step.

    Attributes
    ----------
    map, model
        The present map x, ppm, and its field D * x.
    weight
        W^2; `distrust` lowers it.
    """

    def __init__(
        self, problem: Problem, keep: NDArray[np.uint8], phase: float, regularisation: float,
        smoothing: float,
    ) -> None:  # fmt: skip
        field, grid = problem.field, problem.grid
        self.field, self.weight, self.keep = field, problem.weight, keep
        self.phase = np.float32(phase)
        self.regularisation, self.smoothing = np.float32(regularisation), np.float32(smoothing)
        self.nthreads, self.sweep = problem.nthreads, problem.sweep
        self.steps = reciprocal_steps(grid.voxel_size)
        # the map's mean stands for a constant of the field
        self.kernel = with_constant(problem.kernel)
        self.gradient_square = gradient_kernel(grid)
        self.map, self.model = np.zeros_like(field), np.zeros_like(field)
        self.edge_weights = np.empty((3, *field.shape), np.float32)
        self.work, self.image = np.empty_like(field), np.empty_like(field)
        self.first, self.second = rfftn(field), rfftn(field)

    def linearise(self) -> float:
        """Objective, with the edge weights about the map and the residual in `work`."""
        data = self.sweep(_residual, self.model, self.field, self.weight, self.phase, self.work)
        # V = M / |M E x| makes a quadratic of the total variation (lagged diffusivity)
        norm = self.sweep(
            lagged_weights, self.map, self.keep, self.steps, self.smoothing, self.edge_weights
        )
        return float(sum(data)) + float(self.regularisation) * float(sum(norm))

    def normal(self, field: Image, edges: Image, out: Spectrum) -> None:
        """Half spectrum D F field + lambda F edges."""
        rfftn(field, out, nthreads=self.nthreads)
        rfftn(edges, self.second, nthreads=self.nthreads)
        self.sweep(_combine, out, self.second, self.kernel, self.regularisation)

    def gradient(self, out: Spectrum) -> None:
        """Gradient at the map after `linearise`: D W^2 sin(t r) / t + lambda E^H V E x."""
        self.sweep(weighted_laplacian, self.map, self.edge_weights, self.steps, self.image)
        self.normal(self.work, self.image, out)

    def hessian(self, p: Spectrum, q: Spectrum) -> None:
        """D W^2 D p + lambda E^H V E p, an upper bound of the curvature along any direction."""
        # data term; cos(t r) of the exact curvature is replaced by 1
        np.multiply(p, self.kernel, out=q)
        irfftn(q, self.work, nthreads=self.nthreads)
        self.work *= self.weight
        # total variation
        self.second[...] = p
        irfftn(self.second, self.image, nthreads=self.nthreads)
        edges = np.empty_like(self.image)
        self.sweep(weighted_laplacian, self.image, self.edge_weights, self.steps, edges)
        self.normal(self.work, edges, q)

    def step(self, fit_iterations: int) -> float:
        """One Gauss-Newton step; relative change of the map."""
        self.gradient(self.first)
        np.negative(self.first, out=self.first)
        # with V and W^2 at their means the Hessian is this function of k
        typical = np.float32(self.regularisation * self.edge_weights.mean(dtype=np.float64))
        fraction = np.float32(self.weight.mean(dtype=np.float64))
        inverse = 1 / (fraction * self.kernel**2 + typical * self.gradient_square)
        change = conjugate_gradients(
            self.hessian, self.first, inverse, self.field.shape[2], iterations=fit_iterations,
            tolerance=1e-3, nthreads=self.nthreads,
        )  # fmt: skip
        # x <- x + dx, and D * x with it
        self.first[...] = change
        irfftn(self.first, self.work, nthreads=self.nthreads)
        length = float(np.linalg.norm(self.work))
        self.map += self.work
        change *= self.kernel
        irfftn(change, self.work, nthreads=self.nthreads)
        self.model += self.work
        return length / max(float(np.linalg.norm(self.map)), 1e-30)

    def distrust(self) -> None:
        """Divide weights by the square of the misfit beyond six root mean squares (MERIT)."""
        misfit = np.sqrt(self.weight) * np.abs(self.model - self.field)
        excess = misfit / np.float32(6 * np.sqrt(np.mean(misfit[self.weight > 0] ** 2)) or 1.0)
        self.weight = (self.weight / np.maximum(excess, 1) ** 2).astype(np.float32)


def _gauss_newton(
    objective: _Objective, iterations: int, fit_iterations: int, tolerance: float, merit: bool
) -> Iterator[float]:
    """Take the steps; the objective before each."""
    for _ in range(iterations):
        cost = objective.linearise()
        change = objective.step(fit_iterations)
        yield cost
        if change < tolerance:
            return
        if merit:
            objective.distrust()


@numba.njit(cache=True, nogil=True)
def _residual(model, field, weight, phase, out, first, last):
    """Slope w sin(t r) / t at the residual r; sum of w (1 - cos(t r)) / t^2; t = 0: linear."""
    total = 0.0
    for i in range(first, last):
        for j in range(model.shape[1]):
            row = np.float32(0)
            for k in range(model.shape[2]):
                w = weight[i, j, k]
                if w == 0:
                    out[i, j, k] = 0
                    continue
                r = model[i, j, k] - field[i, j, k]
                if phase == 0:  # the limits w r and w r^2 / 2
                    out[i, j, k] = w * r
                    row += w * r * r / 2
                else:
                    # 1 - cos(t r) = 2 sin^2(t r / 2), without the cancellation
                    half = np.sin(phase * r / 2) / phase
                    out[i, j, k] = w * np.sin(phase * r) / phase
                    row += 2 * w * half * half
            total += row
    return total


@numba.njit(cache=True, nogil=True)
def _combine(data, edges, kernel, strength, first, last):
    """D data + strength edges, into data."""
    for i in range(first, last):
        for j in range(data.shape[1]):
            for k in range(data.shape[2]):
                data[i, j, k] = kernel[i, j, k] * data[i, j, k] + strength * edges[i, j, k]
