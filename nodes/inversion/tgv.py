"""Phase to susceptibility in one step, regularised by total generalised variation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NigraError
from ..field.masks import finite_mask
from ..field.phase import remove_offsets
from ..grid import Grid, hz_per_ppm
from ..numerics.fft import crop_to_mask, empty_spectrum, irfftn, rfftn
from ..numerics.kernels import dipole_kernel, gradient_kernel
from ..numerics.stencils import reciprocal_steps
from ..parallel import run, slabs
from ..volumes import check_echoes, check_mask
from .tgv_laplace import erode, solve_poisson, wrapped_laplacian
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

Progress = Callable[[int, int], None]

_EDGE_STEP = 0.012
"""Step of the first-order multipliers: the penalty of the equivalent ADMM."""
_SLOPE_STEP = 12.5
"""Step of the second-order multipliers over that, voxels^2. The smaller,
the more steps until slopes of the map meet their limit; at 0.25 it had not settled after 70."""
_SHARE = 0.8
"""A voxel counts if the echoes trusted there hold this fraction of its weight."""
_CAP = 4.0
"""Voxels weigh the same up to twice the median noise: iron is dark, yet it is what matters."""


def tgv_phase(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    echo_times: ArrayLike,
    b0: float,
    alpha1: float = 4e-4,
    alpha0: float = 1e-3,
    erosions: int = 0,
    limit: float = 2.0,
    iterations: int = 40,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Susceptibility from wrapped phase: no unwrapping, no background removal.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo); one echo is enough.
    magnitude
        Magnitude, same shape.
    mask
        Where there is signal; voxels that are not finite are left out.
    grid
        Geometry.
    echo_times
        Echo times, s, rising.
    b0
        Main field, T.
    alpha1
        Weight of |grad chi - w|, ppm mm, for a field of median noise; above 0.
    alpha0
        Weight of the symmetrised derivative of w, ppm mm^2; above 0.
    erosions
        Layers of voxels taken off the mask beforehand; the Laplacian takes one more.
    limit
        A voxel of an echo counts if its phase differs from its neighbours', and theirs among
        each other, by no more than this, rad; up to pi.
    iterations
        Steps of the solver.
    margin
        Room for sources around the mask, mm.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations).

    Returns
    -------
    tuple
        Susceptibility, ppm, mean zero over its mask and zero outside; and that mask.

    Raises
    ------
    NigraError
        Shapes, echo times, `b0` or a setting do not fit, or no voxel is left.

    Notes
    -----
    Langkammer et al. 2015 (doi 10.1016/j.neuroimage.2015.02.041) minimise

        1/2 |v|^2 + alpha1 |grad chi - w|_1 + alpha0 |sym grad w|_1

    where v is what the phase's Laplacian leaves: lap v = lap phi - (lap / 3 - (b.grad)^2) chi in
    the mask. This holds just if v = f - D * chi - h, with f any field of that Laplacian, D the
    dipole kernel and h any harmonic function. Solving for that instead of for v keeps the
    Laplacian, whose condition number makes the usual iteration need a thousand steps, out of it:

    1. lap phi from wrapped differences; echoes are averaged with weight (magnitude TE)^2. Of one
       echo's phase at time zero only what is not harmonic enters; of several it is removed first
       (Eckstein 2018).
    2. f: one Poisson problem, zero outside the mask (conjugate gradients).
    3. h is the field of susceptibility outside the mask, which nothing penalises.
    4. chi, w: primal-dual steps (Condat 2013, doi 10.1007/s10957-012-0245-9; Vu 2013) whose
       metric for chi is D^2 + 2 sigma |E|^2, diagonal in k-space, E the gradient.

    |v|^2 is weighted by the echoes' weights, level above a quarter of their median.
    """
    times = check_echoes(phase, magnitude, echo_times, mask)
    check_mask(mask, grid)
    _check_settings(alpha1, alpha0, erosions, iterations, margin)
    if not 0 < limit <= np.pi:
        raise NigraError(f'limit must lie between 0 and pi rad, got {limit}')
    scale = 2 * np.pi * hz_per_ppm(b0)
    inside = mask & finite_mask(phase, magnitude)
    kept = _kept(inside, erosions)
    angle = np.where(inside[..., None], phase, 0).astype(np.float32)
    size = np.where(inside[..., None], magnitude, 0).astype(np.float32)
    if times.size > 1:
        angle, _ = remove_offsets(angle, size, times, inside, grid, nthreads=nthreads)
    laplacian, weight = _field_laplacian(
        angle, size, kept, grid, times, scale, limit=limit, nthreads=nthreads
    )
    return _reconstruct(
        laplacian, weight, kept, grid, alpha1, alpha0, iterations, margin, nthreads, progress
    )


def _field_laplacian(
    phase: NDArray[np.float32],
    magnitude: NDArray[np.float32],
    kept: NDArray[np.bool_],
    grid: Grid,
    times: NDArray[np.float64],
    scale: float,
    *,
    limit: float,
    nthreads: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Laplacian of the field, ppm/mm^2, over the echoes that can be trusted, and its weight."""
    total, weight, most = (np.zeros(kept.shape, np.float32) for _ in range(3))
    for echo, time in enumerate(times):
        angle = np.ascontiguousarray(phase[..., echo])
        laplacian, trusted = wrapped_laplacian(angle, kept, grid, limit=limit, nthreads=nthreads)
        fraction = (magnitude[..., echo] * np.float32(time)) ** 2
        most += fraction
        fraction[~trusted] = 0
        total += fraction * laplacian / np.float32(scale * time)
        weight += fraction
    laplacian = np.divide(total, weight, out=total, where=weight > 0)
    weight[weight < _SHARE * most] = 0
    return laplacian, weight


def tgv(
    totalfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    alpha1: float = 4e-4,
    alpha0: float = 1e-3,
    erosions: int = 0,
    limit: float = 0.1,
    iterations: int = 40,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Susceptibility from an unwrapped total field, as `tgv_phase` finds it from phase.

    Parameters
    ----------
    totalfield
        Total field, ppm, (x, y, z).
    mask
        Where it holds; voxels that are not finite are left out.
    grid
        Geometry.
    noise
        Standard deviation of the field, ppm; voxels without one do not count. Weights the fit
        where given.
    alpha1, alpha0, erosions, iterations, margin, nthreads, progress
        As for `tgv_phase`.
    limit
        A voxel counts if the field differs from its neighbours' by no more than this, ppm, which
        leaves out faults of unwrapping and the brink of air; above 0.

    Returns
    -------
    tuple
        Susceptibility, ppm, mean zero over its mask and zero outside; and that mask.

    Raises
    ------
    NigraError
        Shapes or settings do not fit, or no voxel is left.
    """
    for name, image in (('totalfield', totalfield), ('noise', noise)):
        if image is not None and image.shape != grid.shape:
            raise NigraError(f'{name} has shape {image.shape} but its grid {grid.shape}')
    check_mask(mask, grid)
    _check_settings(alpha1, alpha0, erosions, iterations, margin)
    if not limit > 0:
        raise NigraError(f'limit must be above 0 ppm, got {limit}')
    kept = _kept(mask & np.isfinite(totalfield), erosions)
    field = np.nan_to_num(totalfield, posinf=0, neginf=0).astype(np.float32)
    laplacian, trusted = wrapped_laplacian(
        field, kept, grid, limit=limit, period=0, nthreads=nthreads
    )
    weight = trusted.astype(np.float32)
    if noise is not None:
        known = trusted & np.isfinite(noise) & (np.nan_to_num(noise) > 0)
        weight = np.where(known, 1 / np.where(known, noise, 1) ** 2, 0).astype(np.float32)
    return _reconstruct(
        laplacian, weight, kept, grid, alpha1, alpha0, iterations, margin, nthreads, progress
    )


def _kept(mask: NDArray[np.bool_], erosions: int) -> NDArray[np.bool_]:
    kept = erode(mask, erosions)
    if not kept.any():
        raise NigraError('the mask has no voxel left after erosion; give fewer erosions')
    return kept


def _check_settings(
    alpha1: float, alpha0: float, erosions: int, iterations: int, margin: float
) -> None:
    for name, value in (('alpha1', alpha1), ('alpha0', alpha0)):
        if not (np.isfinite(value) and value > 0):
            raise NigraError(f'{name} must be positive, got {value}')
    if erosions < 0:
        raise NigraError(f'erosions must not be negative, got {erosions}')
    if iterations < 1:
        raise NigraError(f'iterations must be at least 1, got {iterations}')
    if not margin >= 0:
        raise NigraError(f'margin must not be negative, got {margin}')


def _reconstruct(
    laplacian: NDArray[np.float32],
    weight: NDArray[np.float32],
    kept: NDArray[np.bool_],
    grid: Grid,
    alpha1: float,
    alpha0: float,
    iterations: int,
    margin: float,
    nthreads: int,
    progress: Progress | None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Map from the field's Laplacian, ppm/mm^2, and the weight of each voxel."""
    known = weight > 0
    if not known.any():
        raise NigraError('no voxel has a phase smooth enough to use; check the phase and the mask')
    weight = np.minimum(_CAP * weight / np.median(weight[known]), 1)
    crop = crop_to_mask(kept, grid, margin=margin + 2 * max(grid.voxel_size))
    inside, trusted = crop.take(kept), crop.take(known)
    field = solve_poisson(crop.take(laplacian), trusted, crop.grid, nthreads=nthreads)
    solver = PrimalDual(field, crop.take(weight), inside, crop.grid, alpha1, alpha0, nthreads)
    for iteration in range(iterations):
        solver.step()
        if progress:
            progress(iteration + 1, iterations)
    chi = crop.put(solver.chi)
    chi[kept] -= chi[kept].mean(dtype=np.float64).astype(np.float32)
    chi[~kept] = 0
    return chi, kept


class PrimalDual:
    """Primal-dual minimisation of 1/2 |f - D*chi - c|_W^2 + TGV(chi) over chi, w and c.

    Attributes
    ----------
    chi
        Susceptibility in the whole padded box, ppm.
    slopes
        w, the part of its gradient that may vary smoothly, ppm/mm, (3, x, y, z).
    """

    def __init__(
        self,
        field: NDArray[np.float32],
        weight: NDArray[np.float32],
        inside: NDArray[np.bool_],
        grid: Grid,
        alpha1: float,
        alpha0: float,
        nthreads: int,
    ) -> None:
        shape = field.shape
        self.field, self.weight, self.nthreads = field, weight, nthreads
        self.total = float(weight.sum(dtype=np.float64))
        self.limits = np.float32(alpha1), np.float32(alpha0)
        self.pieces, self.steps = slabs(shape[0]), reciprocal_steps(grid.voxel_size)
        edges, self.marks = np.zeros(shape, np.int16), np.zeros(shape, np.int16)
        self._sweep(mark_edges, inside, edges)
        self._sweep(mark_derivatives, edges, self.marks)
        # Steps: chi's metric and 1 / tau exceed what the multipliers' steps and the data ask for.
        norm = 4 * float(np.sum(np.asarray(grid.voxel_size) ** -2.0))
        sigma1, sigma0 = _EDGE_STEP, _SLOPE_STEP * _EDGE_STEP * 12 / norm
        self.sigmas = np.float32(sigma1), np.float32(sigma0)
        self.tau = np.float32(1 / (2 * sigma1 + sigma0 * norm))
        self.kernel = dipole_kernel(grid)
        self.metric = self.kernel**2 + np.float32(2 * sigma1) * gradient_kernel(grid)
        self.metric[0, 0, 0] = np.inf  # the mean of chi has no field
        np.divide(1, self.metric, out=self.metric)
        self.chi, self.ahead, self.model = (np.zeros_like(field) for _ in range(3))
        self.slopes, self.slopes_ahead, self.p = (
            np.zeros((3, *shape), np.float32) for _ in range(3)
        )
        self.q = np.zeros((6, *shape), np.float32)
        self.spectrum, self.data, self.prior = (empty_spectrum(field) for _ in range(3))
        self.spectrum[...] = 0

    def _sweep(self, kernel: Callable[..., Any], *arguments: Any) -> list[Any]:
        return run(lambda s: kernel(*arguments, s.start, s.stop), self.pieces, self.nthreads)

    def step(self) -> None:
        """One step down in chi and w, one up in the multipliers p and q."""
        threads, (sigma1, sigma0), (alpha1, alpha0) = self.nthreads, self.sigmas, self.limits
        # chi <- chi - metric^-1 [D W (D chi - f - c) + E^T p], with the best constant c
        gap = sum(self._sweep(weighted_sum, self.model, self.field, self.weight))
        constant = np.float32(gap / self.total)
        self._sweep(misfit, self.model, self.field, self.weight, constant)
        rfftn(self.model, self.data, nthreads=threads)
        self._sweep(gradient_adjoint, self.p, self.steps, self.model)
        rfftn(self.model, self.prior, nthreads=threads)
        self._sweep(
            descend_spectrum, self.spectrum, self.data, self.prior, self.kernel, self.metric
        )
        irfftn(self.data, self.model, nthreads=threads)
        self.chi, self.ahead = self.ahead, self.chi
        irfftn(self.prior, self.chi, nthreads=threads)
        # w <- w + tau (p - sym grad^T q)
        self._sweep(
            descend_slopes, self.slopes, self.slopes_ahead, self.p, self.q, self.marks,
            self.steps, self.tau,
        )  # fmt: skip
        # p <- proj(p + sigma1 (grad chi' - w')), q <- proj(q + sigma0 sym grad w'), extrapolated
        self._sweep(extrapolate, self.chi, self.ahead)
        self._sweep(
            add_gradient, self.ahead, self.slopes_ahead, self.marks, self.steps, sigma1, self.p
        )
        self._sweep(limit_edges, self.p, alpha1)
        self._sweep(add_derivative, self.slopes_ahead, self.marks, self.steps, sigma0, self.q)
        self._sweep(limit_derivatives, self.q, self.marks, alpha0)

    def objective(self) -> float:
        """Value of what is minimised at chi and w."""
        ones = np.float32(1)
        p, q = np.zeros_like(self.p), np.zeros_like(self.q)
        self._sweep(add_gradient, self.chi, self.slopes, self.marks, self.steps, ones, p)
        self._sweep(add_derivative, self.slopes, self.marks, self.steps, ones, q)
        gap = self.model.astype(np.float64) - self.field
        gap -= np.average(gap, weights=self.weight)
        data = 0.5 * float((self.weight * gap**2).sum())
        first = np.sqrt((p.astype(np.float64) ** 2).sum(axis=0)).sum()
        squares = q.astype(np.float64) ** 2
        second = np.sqrt(squares[:3].sum(axis=0) + 2 * squares[3:].sum(axis=0)).sum()
        return data + float(self.limits[0] * first + self.limits[1] * second)
