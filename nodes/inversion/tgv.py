"""Phase to susceptibility in one step, regularised by total generalised variation.

Langkammer et al. 2015 (doi 10.1016/j.neuroimage.2015.02.041) minimise

    1/2 |v|^2 + alpha1 |grad chi - w|_1 + alpha0 |sym grad w|_1

where v is what the phase's Laplacian leaves: lap v = lap phi - (lap / 3 - (b.grad)^2) chi in
the mask. This holds just if v = f - D * chi - h, with f any field of that Laplacian, D the
dipole kernel and h any harmonic function. Solving for that instead of for v keeps the
Laplacian, whose condition number makes the usual iteration need a thousand steps, out of it:

1. lap phi from wrapped differences; echoes are averaged with weight (magnitude TE)^2. The phase
   at time zero is removed first (Eckstein 2018; of one echo its parabola, `field.parabola`); what
   is harmonic of it never enters.
2. f: one Poisson problem, zero outside the mask (conjugate gradients).
3. h is the field of susceptibility outside the mask, which nothing penalises.
4. chi, w: the primal-dual steps of `tgv_solver`.

|v|^2 is weighted by the echoes' weights, level above a quarter of their median.

`tgv_phase` and `tgv`, which takes an unwrapped total field, share these settings; `iterations`,
`margin`, `nthreads` and `progress` are those of every inversion (`problem`).

alpha1
    Weight of |grad chi - w|, ppm mm, for a field of median noise; above 0.
alpha0
    Weight of the symmetrised derivative of w, ppm mm^2; above 0.
erosions
    Layers of voxels taken off the mask beforehand; the Laplacian takes one more.

Both return the susceptibility, ppm, mean zero over its mask and zero outside, and that mask;
`tgv_phase` also the Laplacian of the phase at time zero, rad/m^2. They
raise `NigraError` where shapes, echo times, `b0` or a setting do not fit, or no voxel is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NigraError
from ..field.masks import finite_mask
from ..field.offsets import remove_offsets
from ..fields import (
    MOST_LAYERS,
    check_counts,
    check_field,
    check_margin,
    check_positive,
    check_settings,
)
from ..grid import Grid, hz_per_ppm
from ..numerics.fft import crop_to_mask
from ..parallel import Progress
from ..volumes import check_echoes, check_mask
from .problem import Image, Mask, Problem
from .tgv_laplace import erode, solve_poisson, wrapped_laplacian
from .tgv_solver import PrimalDual

_TRUSTED = 0.8
"""A voxel counts if the echoes trusted there hold this fraction of its weight. By eye."""
_CAP = 4.0
"""Voxels weigh the same up to twice the median noise: iron is dark, yet it is what matters. 1
costs contrast (slope of nuclei .950 instead of .966); 16 changes nothing (`tgv` on iso-3T of
`benchmarks/phantoms.py`)."""


@dataclass(frozen=True)
class _Solver:
    """Settings of what comes after the field's Laplacian."""

    alpha1: float
    alpha0: float
    iterations: int
    margin: float
    erosions: int
    nthreads: int
    progress: Progress | None

    def __post_init__(self) -> None:
        check_positive(alpha1=self.alpha1, alpha0=self.alpha0)
        check_counts(iterations=self.iterations)
        check_margin(self.margin)
        check_counts(0, MOST_LAYERS, erosions=self.erosions)

    def eroded(self, mask: Mask) -> Mask:
        """The mask less the layers that are taken off it."""
        kept = erode(mask, self.erosions)
        if not kept.any():
            raise NigraError('the mask has no voxel left after erosion; give fewer erosions')
        return kept

    def reconstruct(self, laplacian: Image, weight: Image, kept: Mask, grid: Grid) -> Image:
        """Map from the field's Laplacian, ppm/mm^2, and the weight of each voxel."""
        known = weight > 0
        if not known.any():
            raise NigraError(
                'no voxel has a phase smooth enough to use; check the phase and the mask'
            )
        weight = np.minimum(_CAP * weight / np.median(weight[known]), 1)
        # two voxels more: Poisson's equation wants a border, and the map's differences another
        crop = crop_to_mask(kept, grid, margin=self.margin + 2 * max(grid.voxel_size))
        field = solve_poisson(
            crop.take(laplacian), crop.take(known), crop.grid, nthreads=self.nthreads
        )
        problem = Problem(field, crop.take(weight), crop, kept, self.nthreads)
        return PrimalDual(problem, self.alpha1, self.alpha0).solve(self.iterations, self.progress)


def tgv_phase(
    phase: NDArray[Any], magnitude: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    echo_times: ArrayLike, b0: float, alpha1: float = 4e-4, alpha0: float = 1e-3,
    erosions: int = 0, limit: float = 2.0, iterations: int = 40, margin: float = 10.0,
    nthreads: int = 1, progress: Progress | None = None,
) -> tuple[Image, Mask, float]:  # fmt: skip
    """Susceptibility from wrapped phase: no unwrapping, no background removal.

    Other settings, results and errors stand in this module's docstring.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo); one echo is enough.
    magnitude
        Magnitude, same shape.
    mask
        Where there is signal; voxels that are not finite are left out.
    echo_times, b0
        Rising echo times, s, and main field, T.
    limit
        A voxel of an echo counts if its phase differs from its neighbours', and theirs among
        each other, by no more than this, rad; up to pi.
    """
    solver = _Solver(alpha1, alpha0, iterations, margin, erosions, nthreads, progress)
    check_settings(('limit', limit, 0 < limit <= np.pi, 'lie between 0 and pi rad'))
    times = check_echoes(phase, magnitude, echo_times, mask)
    check_mask(mask, grid)
    scale = 2 * np.pi * hz_per_ppm(b0)
    inside = mask & finite_mask(phase, magnitude)
    kept = solver.eroded(inside)
    angle, signal = (
        np.where(inside[..., None], image, 0).astype(np.float32) for image in (phase, magnitude)
    )
    angle, _, curvature = remove_offsets(
        angle, signal, times, inside, grid, b0=b0, nthreads=nthreads
    )
    # weight of an echo's field: phase noise falls with the magnitude, and the field's with TE
    weights = (signal * times.astype(np.float32)) ** 2
    laplacian, weight = _field_laplacian(
        angle, weights, kept, grid, scale * times, limit=limit, nthreads=nthreads
    )
    return solver.reconstruct(laplacian, weight, kept, grid), kept, curvature


def _field_laplacian(
    phase: Image, weights: Image, kept: Mask, grid: Grid, scales: NDArray[np.float64], *,
    limit: float, nthreads: int,
) -> tuple[Image, Image]:  # fmt: skip
    """Laplacian of the field, ppm/mm^2, over the echoes that can be trusted, and its weight.

    `scales` are the phases per ppm at the echoes, rad.
    """
    total, weight, most = (np.zeros(kept.shape, np.float32) for _ in range(3))
    for echo, scale in enumerate(scales):
        angle = np.ascontiguousarray(phase[..., echo])
        laplacian, trusted = wrapped_laplacian(angle, kept, grid, limit=limit, nthreads=nthreads)
        fraction = weights[..., echo].copy()
        most += fraction
        fraction[~trusted] = 0
        total += fraction * laplacian / np.float32(scale)
        weight += fraction
    laplacian = np.divide(total, weight, out=total, where=weight > 0)
    # where late echoes are not trusted, the early ones alone are too noisy
    weight[weight < _TRUSTED * most] = 0
    return laplacian, weight


def tgv(
    totalfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    noise: NDArray[Any] | None = None, alpha1: float = 4e-4, alpha0: float = 1e-3,
    erosions: int = 0, limit: float = 0.1, iterations: int = 40, margin: float = 10.0,
    nthreads: int = 1, progress: Progress | None = None,
) -> tuple[Image, Mask]:  # fmt: skip
    """Susceptibility from an unwrapped total field, as `tgv_phase` finds it from phase.

    Other settings, results and errors stand in this module's docstring.

    Parameters
    ----------
    totalfield
        Total field, ppm, (x, y, z).
    mask
        Voxels that count; those that are not finite are left out.
    noise
        Standard deviation of the field, ppm; voxels without one do not count. Weights the fit
        where given.
    limit
        A voxel counts if the field differs from its neighbours' by no more than this, ppm, which
        leaves out faults of unwrapping and the brink of air; above 0.
    """
    solver = _Solver(alpha1, alpha0, iterations, margin, erosions, nthreads, progress)
    check_positive(limit=limit)
    for name, image in (('totalfield', totalfield), ('noise', noise)):
        if image is not None:
            check_field(image, grid, name)
    check_mask(mask, grid)
    kept = solver.eroded(mask & np.isfinite(totalfield))
    field = np.nan_to_num(totalfield, posinf=0, neginf=0).astype(np.float32)
    laplacian, trusted = wrapped_laplacian(
        field, kept, grid, limit=limit, period=0, nthreads=nthreads
    )
    weight = trusted.astype(np.float32)
    if noise is not None:
        known = trusted & np.isfinite(noise) & (np.nan_to_num(noise) > 0)
        weight = np.where(known, 1 / np.where(known, noise, 1) ** 2, 0).astype(np.float32)
    return solver.reconstruct(laplacian, weight, kept, grid), kept
