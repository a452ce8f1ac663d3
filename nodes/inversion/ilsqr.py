"""Local field to susceptibility by least squares, then streaks estimated and taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import centred, check_field_map, check_settings, data_weights
from ..grid import Grid
from ..numerics.cg import conjugate_gradients, weighted_dipole, with_constant
from ..numerics.fft import crop_to_mask, irfftn, rfftn
from ..numerics.kernels import dipole_kernel, gradient_kernel
from ..numerics.stencils import reciprocal_steps
from ..parallel import run, slabs
from .edge_terms import weighted_laplacian

Progress = Callable[[int, int], None]
Image = NDArray[np.float32]

_FAST = 0.2
"""|D| above which the fast map divides."""


def ilsqr(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    threshold: float = 0.1,
    damping: float = 0.02,
    fit_iterations: int = 8,
    fit_percentiles: tuple[float, float] = (90.0, 100.0),
    edge_percentiles: tuple[float, float] = (80.0, 95.0),
    iterations: int = 25,
    tolerance: float = 1e-2,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Least squares and removal of streaks, as in iLSQR.

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
        |D| below which k-space is ill conditioned and may hold streaks, 0 to 2/3.
    damping
        Added to D^2 in the fit's preconditioner: it decides what the first steps leave out.
    fit_iterations
        Steps of the least-squares fit.
    fit_percentiles
        Percentiles of the field's Laplacian between which a voxel's weight in the fit falls from
        1 to 0.
    edge_percentiles
        Percentiles of the fast map's gradient between which a difference turns into an edge.
    iterations
        Most steps of the estimate of the streaks.
    tolerance
        It stops when its residual has shrunk to this fraction.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations), over the fit and the streaks.

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
    Li et al. 2015 (doi 10.1016/j.neuroimage.2014.12.043). Four steps: weighted least squares
    (LSQR; here conjugate gradients on half spectra, preconditioned); a fast map from the sign of
    D, joined in k-space to the division where |D| is large; weights from the fast map's gradient;
    and streaks, the content of the cone that explains the gradient of the fit wherever the fast
    map has none.
    """
    check_settings(
        ('threshold', threshold, 0 < threshold < 2 / 3, 'lie between 0 and 2/3'),
        ('damping', damping, damping > 0, 'be positive'),
        ('fit_iterations', fit_iterations, fit_iterations >= 1, 'be at least 1'),
        ('iterations', iterations, iterations >= 1, 'be at least 1'),
        ('tolerance', tolerance, tolerance >= 0, 'not be negative'),
        ('margin', margin, margin >= 0, 'not be negative'),
        _rising('fit_percentiles', fit_percentiles),
        _rising('edge_percentiles', edge_percentiles),
    )
    check_field_map(localfield, mask, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    field, inside = crop.take(centred(localfield, mask)), crop.take(mask)
    weight = crop.take(data_weights(noise, mask))
    weight *= _field_weight(field, inside, crop.grid, fit_percentiles)
    kernel = dipole_kernel(crop.grid, nthreads=nthreads)
    count = fit_iterations + iterations

    def report(step: int, _: Any = None) -> None:
        if progress:
            progress(step, count)

    fitted = _fit(field, weight, kernel, damping, fit_iterations, nthreads, report)
    fitted *= inside
    fast = _fast_map(field, inside, kernel, nthreads)
    flat = _flat(fast, inside, crop.grid, edge_percentiles)
    streaks = _streaks(
        fitted, flat, np.abs(kernel) < threshold, crop.grid, iterations, tolerance, nthreads,
        lambda step, _: report(fit_iterations + step),
    )  # fmt: skip
    chi = crop.put(fitted - streaks)
    chi *= mask
    return chi


def _rising(name: str, pair: tuple[float, float]) -> tuple[str, Any, bool, str]:
    right = len(pair) == 2 and 0 <= pair[0] < pair[1] <= 100
    return name, pair, right, 'be two rising percentiles'


def _fall(image: Image, low: float, high: float) -> Image:
    """1 below `low`, 0 above `high`, linear between."""
    return np.clip((high - image) / max(high - low, 1e-30), 0, 1).astype(np.float32)


def _field_weight(
    field: Image, inside: NDArray[np.bool_], grid: Grid, percentiles: tuple[float, float]
) -> Image:
    """Weight in the fit: less where the field's Laplacian is large."""
    ones = np.zeros((3, *field.shape), np.float32)
    for axis in range(3):
        ones[axis] = inside & np.roll(inside, -1, axis)
    size = np.empty_like(field)
    weighted_laplacian(field, ones, reciprocal_steps(grid.voxel_size), size, 0, field.shape[0])
    np.abs(size, out=size)
    return _fall(size, *np.percentile(size[inside], percentiles))


def _fit(
    field: Image, weight: Image, kernel: Image, damping: float, iterations: int, nthreads: int,
    watch: Callable[[int, Any], None] | None = None,
) -> Image:  # fmt: skip
    """Step 1: min |W (D * x - f)|^2."""
    kernel = with_constant(kernel)
    rhs = rfftn(weight * field, nthreads=nthreads)
    rhs *= kernel
    inverse = 1 / (kernel**2 + np.float32(damping))
    spectrum = conjugate_gradients(
        weighted_dipole(kernel, weight, nthreads=nthreads), rhs, inverse, field.shape[2],
        iterations=iterations, tolerance=0.0, nthreads=nthreads, watch=watch,
    )  # fmt: skip
    spectrum[0, 0, 0] = 0
    return irfftn(spectrum, np.empty_like(field), nthreads=nthreads)


def _fast_map(field: Image, inside: NDArray[np.bool_], kernel: Image, nthreads: int) -> Image:
    """Step 2: sign(D) F, cut to the mask, scaled to F / D, which stands where |D| is large."""
    spectrum = rfftn(field, nthreads=nthreads)
    image = irfftn(spectrum * np.sign(kernel), np.empty_like(field), nthreads=nthreads)
    image *= inside
    filled = rfftn(image, nthreads=nthreads)
    good = np.abs(kernel) > _FAST
    divided = spectrum[good] / kernel[good]
    near = filled[good]
    filled *= np.float32(np.vdot(near, divided).real / max(float(np.vdot(near, near).real), 1e-30))
    filled[good] = divided
    irfftn(filled, image, nthreads=nthreads)
    image *= inside
    return image


def _flat(
    image: Image, inside: NDArray[np.bool_], grid: Grid, percentiles: tuple[float, float]
) -> Image:
    """Step 3: square weights (3, x, y, z), 1 where the map is flat and 0 across its edges."""
    out = np.zeros((3, *image.shape), np.float32)
    for axis, step in enumerate(reciprocal_steps(grid.voxel_size)):
        both = inside & np.roll(inside, -1, axis)
        slope = np.abs(np.roll(image, -1, axis) - image) * step
        if both.any():  # else the mask is one voxel thick and has no edge to find
            out[axis] = _fall(slope, *np.percentile(slope[both], percentiles)) ** 2 * both
    return out


def _streaks(
    fitted: Image,
    flat: Image,
    cone: NDArray[np.bool_],
    grid: Grid,
    iterations: int,
    tolerance: float,
    nthreads: int,
    watch: Callable[[int, Any], None] | None = None,
) -> Image:
    """Step 4: min |w E (x - s)|^2 over s whose spectrum lies in the cone."""
    steps, pieces = reciprocal_steps(grid.voxel_size), slabs(grid.shape[0])
    image, edges = np.empty_like(fitted), np.empty_like(fitted)

    def normal(x: Image, out: NDArray[np.complex64]) -> None:
        run(lambda s: weighted_laplacian(x, flat, steps, edges, s.start, s.stop), pieces, nthreads)
        rfftn(edges, out, nthreads=nthreads)
        out *= cone

    def apply(p: NDArray[np.complex64], q: NDArray[np.complex64]) -> None:
        q[...] = p
        normal(irfftn(q, image, nthreads=nthreads), q)

    square = gradient_kernel(grid)
    square[0, 0, 0] = 1
    rhs = rfftn(fitted, nthreads=nthreads)
    normal(fitted, rhs)
    spectrum = conjugate_gradients(
        apply, rhs, cone / square, grid.shape[2], iterations=iterations, tolerance=tolerance,
        nthreads=nthreads, watch=watch,
    )  # fmt: skip
    return irfftn(spectrum, image, nthreads=nthreads)
