"""Local field to susceptibility with the edges of the magnitude as prior."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NigraError
from ..fields import centred, check_field_map, check_settings, data_weights
from ..grid import Grid, hz_per_ppm
from ..numerics.cg import conjugate_gradients, with_constant
from ..numerics.fft import crop_to_mask, irfftn, rfftn
from ..numerics.kernels import dipole_kernel, gradient_kernel
from ..numerics.stencils import reciprocal_steps
from ..parallel import run, slabs
from .edge_terms import lagged_weights, weighted_laplacian

Progress = Callable[[int, int], None]
Image = NDArray[np.float32]


def medi(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    magnitude: NDArray[Any] | None = None,
    echo_times: ArrayLike | None = None,
    b0: float | None = None,
    regularisation: float = 1e-3,
    edges: float = 0.3,
    merit: bool = False,
    smoothing: float = 3e-3,
    iterations: int = 8,
    fit_iterations: int = 4,
    tolerance: float = 2e-2,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Morphology-enabled inversion: susceptibility may change where the magnitude does.

    Parameters
    ----------
    localfield
        Local field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    noise
        Standard deviation of the field, ppm; voxels noisier than the median weigh less.
    magnitude
        Magnitude image, (x, y, z); without it every edge costs.
    echo_times, b0
        Seconds and tesla: the last echo says how far the phase turns, and the data term compares
        signals, blind to whole turns. Without them it compares fields.
    regularisation
        Weight of the total variation, ppm mm.
    edges
        Fraction of the differences in the mask that are edges of the magnitude and cost nothing, 0
        to 1.
    merit
        Trust voxels less whose misfit stays beyond six times its root mean square.
    smoothing
        Slope below which the total variation is quadratic, ppm/mm.
    iterations
        Most Gauss-Newton steps.
    fit_iterations
        Conjugate-gradient steps in each.
    tolerance
        Stop when a step changes the map by less than this fraction.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations).

    Returns
    -------
    NDArray
        Susceptibility, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        A setting is out of range, only one of `echo_times` and `b0` is given, or shapes differ.

    Notes
    -----
    Liu et al. 2012 (doi 10.1016/j.neuroimage.2011.08.082), 2013 (doi 10.1002/mrm.24272): min
    1/2 |W (exp(i t D * x) - exp(i t f))|^2 / t^2 + lambda |M E x|_1, t the phase at the last echo
    per ppm. The division by t^2 makes lambda independent of the scan. The conjugate gradients
    run in k-space, where the part of the Hessian that is a function of k preconditions them.
    """
    check_settings(
        ('regularisation', regularisation, regularisation > 0, 'be positive'),
        ('edges', edges, 0 <= edges < 1, 'lie between 0 and 1'),
        ('smoothing', smoothing, smoothing > 0, 'be positive'),
        ('iterations', iterations, iterations >= 1, 'be at least 1'),
        ('fit_iterations', fit_iterations, fit_iterations >= 1, 'be at least 1'),
        ('tolerance', tolerance, tolerance >= 0, 'not be negative'),
        ('margin', margin, margin >= 0, 'not be negative'),
    )
    check_field_map(localfield, mask, grid)
    turn = _turn(echo_times, b0)
    crop = crop_to_mask(mask, grid, margin=margin)
    inside = crop.take(mask)
    image = None if magnitude is None else crop.take(_volume(magnitude, grid), np.float32)
    problem = _Problem(
        crop.take(centred(localfield, mask)), crop.take(data_weights(noise, mask)),
        _costly(image, inside, crop.grid, edges), crop.grid, turn, regularisation, smoothing,
        nthreads,
    )  # fmt: skip
    _gauss_newton(problem, iterations, fit_iterations, tolerance, merit, progress)
    chi = crop.put(problem.map - np.float32(problem.map.mean(dtype=np.float64)))
    chi *= mask
    return chi


def _turn(echo_times: ArrayLike | None, b0: float | None) -> float:
    """Phase at the last echo, rad/ppm; 0 for the linear data term."""
    if echo_times is None and b0 is None:
        return 0.0
    if echo_times is None or b0 is None:
        raise NigraError('the non-linear data term needs both echo_times and b0')
    last = float(np.max(np.atleast_1d(np.asarray(echo_times, float))))
    if not (np.isfinite(last) and last > 0):
        raise NigraError(f'echo_times must be positive and finite, got {echo_times}')
    return 2 * np.pi * hz_per_ppm(b0) * last


def _volume(magnitude: NDArray[Any], grid: Grid) -> NDArray[Any]:
    if magnitude.shape != grid.shape:
        raise NigraError(f'the magnitude has shape {magnitude.shape} but its grid {grid.shape}')
    return magnitude


def _costly(
    magnitude: Image | None, inside: NDArray[np.bool_], grid: Grid, fraction: float
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
    threshold = np.percentile(np.stack([s[inside] for s in slopes]), 100 * (1 - fraction))
    for axis, slope in enumerate(slopes):
        keep[slope > threshold] &= np.uint8(7 - (1 << axis))
    return keep


class _Problem:
    """Objective, gradient and Gauss-Newton step about the present map."""

    def __init__(
        self, field: Image, weight: Image, keep: NDArray[np.uint8], grid: Grid, turn: float,
        regularisation: float, smoothing: float, nthreads: int,
    ) -> None:  # fmt: skip
        self.field, self.weight, self.keep, self.turn = field, weight, keep, np.float32(turn)
        self.regularisation, self.smoothing = np.float32(regularisation), np.float32(smoothing)
        self.nthreads, self.pieces = nthreads, slabs(grid.shape[0])
        self.steps = reciprocal_steps(grid.voxel_size)
        self.kernel = with_constant(dipole_kernel(grid, nthreads=nthreads))
        self.gradient_square = gradient_kernel(grid)
        self.map, self.model = np.zeros_like(field), np.zeros_like(field)
        self.edge_weights = np.empty((3, *field.shape), np.float32)
        self.work, self.image = np.empty_like(field), np.empty_like(field)
        self.first, self.second = rfftn(field), rfftn(field)

    def over(self, kernel: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Results of a stencil on each slab of planes, in order."""
        return run(lambda s: kernel(*arguments, s.start, s.stop), self.pieces, self.nthreads)

    def linearise(self) -> float:
        """Objective, with the edge weights about the map and the residual in `work`."""
        data = self.over(_residual, self.model, self.field, self.weight, self.turn, self.work)
        norm = self.over(
            lagged_weights, self.map, self.keep, self.steps, self.smoothing, self.edge_weights
        )
        return float(sum(data)) + float(self.regularisation) * float(sum(norm))

    def normal(self, field: Image, edges: Image, out: NDArray[np.complex64]) -> None:
        """Half spectrum D F field + lambda F edges."""
        rfftn(field, out, nthreads=self.nthreads)
        rfftn(edges, self.second, nthreads=self.nthreads)
        self.over(_combine, out, self.second, self.kernel, self.regularisation)

    def gradient(self, out: NDArray[np.complex64]) -> None:
        """Gradient at the map after `linearise`."""
        self.over(weighted_laplacian, self.map, self.edge_weights, self.steps, self.image)
        self.normal(self.work, self.image, out)

    def hessian(self, p: NDArray[np.complex64], q: NDArray[np.complex64]) -> None:
        """D W D p + lambda E^H V E p, an upper bound of the curvature along any direction."""
        np.multiply(p, self.kernel, out=q)
        irfftn(q, self.work, nthreads=self.nthreads)
        self.work *= self.weight
        self.second[...] = p
        irfftn(self.second, self.image, nthreads=self.nthreads)
        edges = np.empty_like(self.image)
        self.over(weighted_laplacian, self.image, self.edge_weights, self.steps, edges)
        self.normal(self.work, edges, q)

    def step(self, fit_iterations: int) -> float:
        """One Gauss-Newton step; relative change of the map."""
        self.gradient(self.first)
        np.negative(self.first, out=self.first)
        typical = np.float32(self.regularisation * self.edge_weights.mean(dtype=np.float64))
        fraction = np.float32(self.weight.mean(dtype=np.float64))
        inverse = 1 / (fraction * self.kernel**2 + typical * self.gradient_square)
        change = conjugate_gradients(
            self.hessian, self.first, inverse, self.field.shape[2], iterations=fit_iterations,
            tolerance=1e-3, nthreads=self.nthreads,
        )  # fmt: skip
        self.first[...] = change
        irfftn(self.first, self.work, nthreads=self.nthreads)
        size = float(np.linalg.norm(self.work))
        self.map += self.work
        change *= self.kernel
        irfftn(change, self.work, nthreads=self.nthreads)
        self.model += self.work
        return size / max(float(np.linalg.norm(self.map)), 1e-30)

    def distrust(self) -> None:
        """Divide weights by the square of the misfit beyond six root mean squares (MERIT)."""
        misfit = np.sqrt(self.weight) * np.abs(self.model - self.field)
        excess = misfit / np.float32(6 * np.sqrt(np.mean(misfit[self.weight > 0] ** 2)) or 1.0)
        self.weight = (self.weight / np.maximum(excess, 1) ** 2).astype(np.float32)


def _gauss_newton(
    problem: _Problem,
    iterations: int,
    fit_iterations: int,
    tolerance: float,
    merit: bool,
    progress: Progress | None,
    watch: Callable[[float], None] | None = None,
) -> None:
    for iteration in range(iterations):
        cost = problem.linearise()
        if watch:
            watch(cost)
        change = problem.step(fit_iterations)
        if progress:
            progress(iteration + 1, iterations)
        if change < tolerance:
            break
        if merit:
            problem.distrust()


@numba.njit(cache=True, nogil=True)
def _residual(model, field, weight, turn, out, first, last):
    """Residual r to w sin(t r) / t; sum of w (1 - cos(t r)) / t^2; t = 0: linear."""
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
                if turn == 0:
                    out[i, j, k] = w * r
                    row += w * r * r / 2
                else:
                    half = np.sin(turn * r / 2) / turn
                    out[i, j, k] = w * np.sin(turn * r) / turn
                    row += 2 * w * half * half
            total += row
    return total


@numba.njit(cache=True, nogil=True)
def _combine(data, edges, kernel, strength, first, last):
    for i in range(first, last):
        for j in range(data.shape[1]):
            for k in range(data.shape[2]):
                data[i, j, k] = kernel[i, j, k] * data[i, j, k] + strength * edges[i, j, k]
