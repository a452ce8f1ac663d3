"""Local field to susceptibility in two rapid steps.

Kames et al. 2018 (doi 10.1016/j.neuroimage.2017.11.018). First min |W (D * x1 - f)|^2 by a few
steps of conjugate gradients (the paper's LSMR), preconditioned by 1 / (D^2 + damping), so that one
step does; then min TV(x) + fidelity/2 |F x - F x1|^2 over |D| > threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..fields import check_counts, check_not_negative, check_positive, check_settings
from ..grid import Grid
from ..numerics.fft import irfftn, rfftn
from ..numerics.kernels import gradient_kernel
from ..parallel import Progress, follow
from .least_squares import least_squares
from .problem import Image, Problem, Spectrum, prepare
from .splitting import EdgeSplitting, settled


# A tolerance of .025 takes 7 to 9 steps, .01 10 to 12, which hold less: on `cal-3T` and `cal-1.5T`
# of `benchmarks/phantoms.py` means of nuclei have slopes .878 and .872, and .870 and .864.
def rts(
    localfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    noise: NDArray[Any] | None = None, threshold: float = 0.15, damping: float = 0.002,
    fit_iterations: int = 1, fidelity: float = 1e3, penalty: float = 30.0,
    iterations: int = 20, tolerance: float = 0.025, margin: float = 10.0,
    nthreads: int = 1, progress: Progress | None = None,
) -> Image:  # fmt: skip
    """Rapid two-step inversion: least squares where D is large, total variation where it is not.

    Other parameters, result and errors are those of every inversion (`problem`).

    Parameters
    ----------
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
    iterations, tolerance
        Of the second part.
    """
    check_settings(('threshold', threshold, 0 < threshold < 2 / 3, 'lie between 0 and 2/3'))
    check_positive(damping=damping, fidelity=fidelity, penalty=penalty)
    check_counts(fit_iterations=fit_iterations, iterations=iterations)
    check_not_negative(tolerance=tolerance)
    problem = prepare(localfield, mask, grid, noise=noise, margin=margin, nthreads=nthreads)
    fitted = least_squares(problem, damping=damping, iterations=fit_iterations)
    # what the fit puts outside the mask is streaks: the second part starts without them
    fitted *= problem.inside
    maps = _fill_cone(
        problem, rfftn(fitted, nthreads=nthreads), np.abs(problem.kernel) > threshold,
        np.float32(fidelity), np.float32(penalty), iterations, tolerance,
    )  # fmt: skip
    return problem.put_back(follow(maps, progress, iterations))


def _fill_cone(
    problem: Problem, fitted: Spectrum, good: NDArray[np.bool_], fidelity: np.float32,
    penalty: np.float32, iterations: int, tolerance: float,
) -> Iterator[Image]:  # fmt: skip
    """Map of least total variation that keeps the good part of a spectrum, after each step.

    `fitted` is overwritten; the map stands in one buffer.
    """
    grid, threads = problem.grid, problem.nthreads
    splitting = EdgeSplitting(
        grid, np.ones(grid.shape, np.float32), np.float32(1) / penalty, threads
    )
    divisor = penalty * gradient_kernel(grid)
    divisor[good] += fidelity
    divisor[0, 0, 0] = 1
    # both terms of X = (fidelity X1 + penalty E^H(z - u)) / (fidelity + penalty |E|^2)
    fitted *= np.where(good, fidelity, np.float32(0)) / divisor
    factor = np.divide(penalty, divisor, out=divisor)
    x, scales, previous = (np.zeros(grid.shape, np.float32) for _ in range(3))
    spectrum = fitted.copy()
    for step in range(1, iterations + 1):
        # x subproblem
        irfftn(spectrum, x, nthreads=threads)
        yield x
        if step == iterations or settled(step, x, previous, tolerance):
            return
        previous[...] = x
        # z and u subproblems; the cone, which has no X1, is filled by E^H(z - u) alone
        splitting.update(x, scales, x)
        rfftn(x, spectrum, nthreads=threads)
        problem.sweep(_add_fitted, spectrum, factor, fitted)


@numba.njit(cache=True, nogil=True)
def _add_fitted(spectrum, factor, fitted, first, last):
    """Replace the spectrum of E^H(z - u) by that of the map."""
    for i in range(first, last):
        for j in range(spectrum.shape[1]):
            for k in range(spectrum.shape[2]):
                spectrum[i, j, k] = factor[i, j, k] * spectrum[i, j, k] + fitted[i, j, k]
