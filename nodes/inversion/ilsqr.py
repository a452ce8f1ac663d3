"""Local field to susceptibility by least squares, then streaks estimated and taken away.

Li et al. 2015 (doi 10.1016/j.neuroimage.2014.12.043). Four steps: weighted least squares (LSQR;
here conjugate gradients on half spectra, preconditioned); a fast map from the sign of D, joined in
k-space to the division where |D| is large; weights from the fast map's gradient; and streaks, the
content of the cone that explains the gradient of the fit wherever the fast map has none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import check_counts, check_not_negative, check_positive, check_settings
from ..grid import Grid
from ..numerics.cg import conjugate_gradients
from ..numerics.fft import irfftn, rfftn
from ..numerics.kernels import gradient_kernel
from ..numerics.stencils import reciprocal_steps
from ..parallel import Progress
from .edge_terms import weighted_laplacian
from .least_squares import least_squares
from .problem import Image, Mask, Problem, Spectrum, prepare

_FAST = 0.2
"""|D| above which the fast map divides. .1 to .3 move the error of the means of nuclei by .1 ppb
of 11.9 (iso-3T of `benchmarks/phantoms.py`) and by 1.1 of 6.8 (iso-1.5T, where .2 is best)."""


def ilsqr(
    localfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    noise: NDArray[Any] | None = None, threshold: float = 0.1, damping: float = 0.02,
    fit_iterations: int = 8, fit_percentiles: tuple[float, float] = (90.0, 100.0),
    edge_percentiles: tuple[float, float] = (80.0, 95.0), iterations: int = 25,
    tolerance: float = 1e-2, margin: float = 10.0, nthreads: int = 1,
    progress: Progress | None = None,
) -> Image:  # fmt: skip
    """Least squares and removal of streaks, as in iLSQR.

    Other parameters, result and errors are those of every inversion (`problem`).

    Parameters
    ----------
    threshold
        |D| below which k-space is ill conditioned and may hold streaks, 0 to 2/3.
    damping, fit_iterations
        Of the fit: added to D^2 in its preconditioner, and its steps (`least_squares`).
    fit_percentiles
        Percentiles of the field's Laplacian between which a voxel's weight in the fit falls from
        1 to 0.
    edge_percentiles
        Percentiles of the fast map's gradient between which a difference turns into an edge.
    iterations
        Most steps of the estimate of the streaks.
    tolerance
        It stops when its residual has shrunk to this fraction.
    """
    check_settings(
        ('threshold', threshold, 0 < threshold < 2 / 3, 'lie between 0 and 2/3'),
        _rising('fit_percentiles', fit_percentiles),
        _rising('edge_percentiles', edge_percentiles),
    )
    check_positive(damping=damping)
    check_counts(fit_iterations=fit_iterations, iterations=iterations)
    check_not_negative(tolerance=tolerance)
    problem = prepare(localfield, mask, grid, noise=noise, margin=margin, nthreads=nthreads)

    def report(step: int) -> None:
        if progress:
            progress(step, fit_iterations + iterations)

    weight = problem.weight * _field_weight(problem, fit_percentiles)
    fitted = least_squares(
        dataclasses.replace(problem, weight=weight),
        damping=damping, iterations=fit_iterations, report=report,
    )  # fmt: skip
    fitted *= problem.inside
    flat = _flat(_fast_map(problem), problem.inside, edge_percentiles)
    streaks = _streaks(
        problem, fitted, flat, np.abs(problem.kernel) < threshold, iterations, tolerance,
        lambda step: report(fit_iterations + step),
    )  # fmt: skip
    return problem.put_back(fitted - streaks)


def _rising(name: str, pair: tuple[float, float]) -> tuple[str, Any, bool, str]:
    right = len(pair) == 2 and 0 <= pair[0] < pair[1] <= 100
    return name, pair, right, 'be two rising percentiles'


def _fall(image: Image, low: float, high: float) -> Image:
    """1 below `low`, 0 above `high`, linear between."""
    return np.clip((high - image) / max(high - low, 1e-30), 0, 1).astype(np.float32)


def _field_weight(problem: Problem, percentiles: tuple[float, float]) -> Image:
    """Weight in the fit: less where the field's Laplacian is large."""
    field, inside = problem.field, problem.inside
    ones = np.zeros((3, *field.shape), np.float32)
    for axis in range(3):
        # the field ends at the mask: a difference across its border says nothing
        ones[axis] = inside & np.roll(inside, -1, axis)
    laplacian = np.empty_like(field)
    problem.sweep(
        weighted_laplacian, field, ones, reciprocal_steps(problem.grid.voxel_size), laplacian
    )
    np.abs(laplacian, out=laplacian)
    return _fall(laplacian, *np.percentile(laplacian[inside], percentiles))


def _fast_map(problem: Problem) -> Image:
    """Step 2: sign(D) F, cut to the mask, scaled to F / D, which stands where |D| is large."""
    inside, kernel, threads = problem.inside, problem.kernel, problem.nthreads
    spectrum = rfftn(problem.field, nthreads=threads)
    image = irfftn(spectrum * np.sign(kernel), np.empty_like(problem.field), nthreads=threads)
    # the cut convolves k-space with the mask's spectrum, which fills the cone
    image *= inside
    filled = rfftn(image, nthreads=threads)
    good = np.abs(kernel) > _FAST
    divided = spectrum[good] / kernel[good]
    near = filled[good]
    # least-squares scale between both where both are known
    filled *= np.float32(np.vdot(near, divided).real / max(float(np.vdot(near, near).real), 1e-30))
    filled[good] = divided
    irfftn(filled, image, nthreads=threads)
    image *= inside
    return image


def _flat(image: Image, inside: Mask, percentiles: tuple[float, float]) -> Image:
    """Step 3: square weights (3, x, y, z), 1 where the map is flat and 0 across its edges."""
    out = np.zeros((3, *image.shape), np.float32)
    for axis in range(3):
        both = inside & np.roll(inside, -1, axis)
        # of one axis all steps are of one length, which percentiles of them do not see
        slope = np.abs(np.roll(image, -1, axis) - image)
        if both.any():  # else the mask is one voxel thick and has no edge to find
            out[axis] = _fall(slope, *np.percentile(slope[both], percentiles)) ** 2 * both
    return out


def _streaks(
    problem: Problem, fitted: Image, flat: Image, cone: NDArray[np.bool_], iterations: int,
    tolerance: float, report: Callable[[int], None] | None = None,
) -> Image:  # fmt: skip
    """Step 4: min |w E (x - s)|^2 over s whose spectrum lies in the cone."""
    grid, threads = problem.grid, problem.nthreads
    steps = reciprocal_steps(grid.voxel_size)
    image, edges = np.empty_like(fitted), np.empty_like(fitted)

    def normal(x: Image, out: Spectrum) -> None:
        # M F E^H w^2 E x, with M the cone
        problem.sweep(weighted_laplacian, x, flat, steps, edges)
        rfftn(edges, out, nthreads=threads)
        out *= cone

    def apply(p: Spectrum, q: Spectrum) -> None:
        q[...] = p
        normal(irfftn(q, image, nthreads=threads), q)

    # were all of the map flat, the normal matrix would be |E|^2 in the cone
    square = gradient_kernel(grid)
    square[0, 0, 0] = 1
    rhs = rfftn(fitted, nthreads=threads)
    normal(fitted, rhs)
    spectrum = conjugate_gradients(
        apply, rhs, cone / square, grid.shape[2], iterations=iterations, tolerance=tolerance,
        nthreads=threads, report=report,
    )  # fmt: skip
    return irfftn(spectrum, image, nthreads=threads)
