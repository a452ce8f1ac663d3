"""Local field to susceptibility in two rapid steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..fields import centred, check_field_map, check_settings, data_weights, settled
from ..grid import Grid
from ..numerics.cg import conjugate_gradients, weighted_dipole, with_constant
from ..numerics.fft import crop_to_mask, irfftn, rfftn
from ..numerics.kernels import dipole_kernel, gradient_kernel
from ..numerics.stencils import adjoint_gradient, edge_scales, reciprocal_steps, update_edges
from ..parallel import run, slabs

Progress = Callable[[int, int], None]


def rts(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    threshold: float = 0.15,
    damping: float = 0.01,
    fit_iterations: int = 1,
    fidelity: float = 1e3,
    penalty: float = 30.0,
    iterations: int = 20,
    tolerance: float = 1e-2,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Rapid two-step inversion: least squares where D is large, total variation where it is not.

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
    threshold
        |D| above which k-space is well conditioned, 0 to 2/3.
    damping
        Added to D^2 in the fit's preconditioner: it decides what the first steps leave out.
    fit_iterations
        Steps of the least-squares fit; more of them fit noise.
    fidelity
        Weight of the fit's well-conditioned part against the total variation, 1/(ppm mm).
    penalty
        Weight of the splitting against the total variation, mm/ppm.
    iterations
        Most steps of the second part.
    tolerance
        It stops when the map's relative change in one step falls below this.
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
        A setting is out of range, or the shapes differ.

    Notes
    -----
    Kames et al. 2018 (doi 10.1016/j.neuroimage.2017.11.018). First min |W (D * x1 - f)|^2 by a few
    steps of conjugate gradients (the paper's LSMR), preconditioned by 1 / (D^2 + damping), so that
    one step does; then min TV(x) + fidelity/2 |F x - F x1|^2 over |D| > threshold.
    """
    check_settings(
        ('threshold', threshold, 0 < threshold < 2 / 3, 'lie between 0 and 2/3'),
        ('damping', damping, damping > 0, 'be positive'),
        ('fit_iterations', fit_iterations, fit_iterations >= 1, 'be at least 1'),
        ('fidelity', fidelity, fidelity > 0, 'be positive'),
        ('penalty', penalty, penalty > 0, 'be positive'),
        ('iterations', iterations, iterations >= 1, 'be at least 1'),
        ('tolerance', tolerance, tolerance >= 0, 'not be negative'),
        ('margin', margin, margin >= 0, 'not be negative'),
    )
    check_field_map(localfield, mask, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    kernel = dipole_kernel(crop.grid, nthreads=nthreads)
    inside = crop.take(mask.astype(np.float32))
    fitted = _fit(
        crop.take(centred(localfield, mask)), crop.take(data_weights(noise, mask)), inside,
        kernel, damping, fit_iterations, nthreads,
    )  # fmt: skip
    good = np.abs(kernel) > threshold
    chi = _complete(
        fitted, good, crop.grid, np.float32(fidelity), np.float32(penalty), iterations, tolerance,
        nthreads, progress,
    )  # fmt: skip
    full = crop.put(chi)
    full *= mask
    return full


def _fit(
    field: NDArray[np.float32],
    weight: NDArray[np.float32],
    inside: NDArray[np.float32],
    kernel: NDArray[np.float32],
    damping: float,
    iterations: int,
    nthreads: int,
) -> NDArray[np.complex64]:
    """Spectrum of the map that fits the field, streaks and all, cut to the mask."""
    kernel = with_constant(kernel)
    rhs = rfftn(weight * field, nthreads=nthreads)
    rhs *= kernel
    inverse = 1 / (kernel**2 + np.float32(damping))
    fitted = conjugate_gradients(
        weighted_dipole(kernel, weight, nthreads=nthreads), rhs, inverse,
        field.shape[2], iterations=iterations, tolerance=0.0, nthreads=nthreads,
    )  # fmt: skip
    fitted[0, 0, 0] = 0
    image = irfftn(fitted, np.empty_like(field), nthreads=nthreads)
    image *= inside
    return rfftn(image, fitted, nthreads=nthreads)


def _complete(
    fitted: NDArray[np.complex64],
    good: NDArray[np.bool_],
    grid: Grid,
    fidelity: np.float32,
    penalty: np.float32,
    iterations: int,
    tolerance: float,
    nthreads: int,
    progress: Progress | None,
    watch: Callable[[NDArray[np.float32]], None] | None = None,
) -> NDArray[np.float32]:
    """Fill the cone so that the total variation is least, by alternating directions.

    One vector field p = E x + u holds both the shrinkage z and the multiplier u (Moreau).
    """
    steps, pieces = reciprocal_steps(grid.voxel_size), slabs(grid.shape[0])
    divisor = penalty * gradient_kernel(grid)
    divisor[good] += fidelity
    divisor[0, 0, 0] = 1
    # (fidelity X1 + penalty E^H(z - u)) / (fidelity + penalty |E|^2)
    fitted *= np.where(good, fidelity, np.float32(0)) / divisor
    np.divide(penalty, divisor, out=divisor)
    ones, limit = np.ones(grid.shape, np.float32), np.float32(1) / penalty
    dual = np.zeros((3, *grid.shape), np.float32)
    x, work, previous = np.empty_like(ones), np.empty_like(ones), np.zeros_like(ones)
    spectrum = fitted.copy()

    def sweep(kernel: Callable[..., Any], *arguments: Any) -> None:
        run(lambda s: kernel(*arguments, s.start, s.stop), pieces, nthreads)

    for iteration in range(iterations):
        # x subproblem
        irfftn(spectrum, x, nthreads=nthreads)
        if progress:
            progress(iteration + 1, iterations)
        if watch:
            watch(x)
        if iteration + 1 == iterations or settled(iteration + 1, x, previous, tolerance):
            break
        previous[...] = x
        # z and u subproblems
        sweep(update_edges, x, dual, ones, steps, limit)
        sweep(edge_scales, dual, ones, limit, work)
        sweep(adjoint_gradient, dual, work, steps, x)
        rfftn(x, spectrum, nthreads=nthreads)
        sweep(_add_fitted, spectrum, divisor, fitted)
    return x


@numba.njit(cache=True, nogil=True)
def _add_fitted(spectrum, factor, fitted, first, last):
    for i in range(first, last):
        for j in range(spectrum.shape[1]):
            for k in range(spectrum.shape[2]):
                spectrum[i, j, k] = factor[i, j, k] * spectrum[i, j, k] + fitted[i, j, k]
