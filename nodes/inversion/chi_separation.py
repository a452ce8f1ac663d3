"""Susceptibility and R2* to what pulls each way: paramagnetic and diamagnetic sources.

Chi-separation (Shin et al. 2021, doi 10.1016/j.neuroimage.2021.118371) in the image:
x = para - |dia| and R2' = R2* - R2 = Dr+ para + Dr- |dia|, Dr 137 1/s/ppm at 3 T for both
signs, in proportion to the field. With the sum held to the chimap one unknown is left,
para_0 = (R2' + Dr- x) / (Dr+ + Dr-), and para >= max(x, 0). Clipping it voxel by voxel turns
noise into sources of both signs; so para minimises
|para - para_0|^2 / 2 + a sum |(grad para, grad dia)| under that bound: total variation of
both maps at once, by the accelerated primal-dual method (Chambolle & Pock 2011, doi
10.1007/s10851-010-0251-1), with differences inside the mask only; `a` is `smoothness` times
the mean noise of para_0 and dia_0 and the voxel length. A second round with what the first
one took away put back (Bregman iteration; Osher et al. 2005, Multiscale Model. Simul.
4:460) returns the contrast that total variation costs. Noise of the chimap that remains is
split between the two maps.

Limits. R2 is assumed unless measured: an error e of R2 (1/s) moves para and |dia| alike by
-e / (Dr+ + Dr-), 3.6 ppb per 1/s at 3 T and 7.3 at 1.5 T, and R2 itself rises with iron,
which the constant counts as sources of *both* signs (gradient-echo-only variants: Dimov et
al. 2022, doi 10.1111/jon.13014 and 10.3390/tomography8030127, use a larger Dr and no R2
instead). An error e of the offset moves para by e Dr- / (Dr+ + Dr-) and dia by the rest.
Dr is taken for one constant per sign, whatever the size and arrangement of the sources; the
dependence of R2* and susceptibility on the direction of fibres is left out, as are
macroscopic field gradients. Compare like with like: regions and groups, one protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..field.echoes import magnitude_noise
from ..fields import (
    LARGEST,
    check_counts,
    check_field,
    check_not_negative,
    check_positive,
    check_settings,
)
from ..grid import Grid, check_field_strength
from ..numerics.stencils import reciprocal_steps
from ..parallel import Progress, Sweep, follow
from ..volumes import bounding_box, check_mask
from .problem import Image, Mask

_ROUNDS = 2
"""The first and one Bregman round; more would bring back the noise with the contrast."""
_R2_ZERO_FIELD, _R2_SLOPE = 9.0, 1.2
"""R2 of brain tissue, 1/s: at zero field, and what a tesla adds; between grey and white. A rule of
thumb: the module's docstring says what an error of it costs."""


def typical_r2(b0: float) -> float:
    """R2 of average brain tissue without extra iron or myelin, 1/s: a rule of thumb.

    Examples
    --------
    >>> round(typical_r2(1.5), 1), round(typical_r2(3.0), 1)
    (10.8, 12.6)
    """
    return _R2_ZERO_FIELD + _R2_SLOPE * float(b0)


def separate_sources(
    chimap: NDArray[Any], r2star: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    b0: float, dr_para: float = 137.0, dr_dia: float = 137.0, r2: NDArray[Any] | None = None,
    r2_constant: float = 0.0, chi_offset: float = 0.0, smoothness: float = 1.0,
    iterations: int = 40, nthreads: int = 1, progress: Progress | None = None,
) -> tuple[Image, Image]:  # fmt: skip
    """Positive and negative susceptibility that share a voxel.

    Shapes, `nthreads` and `progress` are as for inversions (`problem`).

    Parameters
    ----------
    chimap, r2star
        Susceptibility, ppm, and R2*, 1/s.
    b0, dr_para, dr_dia
        Main field, T, and R2' per ppm of positive and of negative susceptibility **at 3 T**,
        1/s/ppm; scaled with `b0`.
    r2, r2_constant
        R2, 1/s: its map, if it was measured, or that of every voxel; zero for `typical_r2(b0)`.
    chi_offset
        Added to the chimap first, ppm. Its zero must be tissue without sources (like water):
        where the map is relative to a region of susceptibility s, give s.
    smoothness
        Weight of the total variation, in noise of the voxelwise solution; 0 is voxel by voxel.
    iterations
        Primal-dual steps in each of two rounds.

    Returns
    -------
    tuple
        Positive (0 or more) and negative (0 or less) susceptibility, ppm, zero outside the
        mask. Their sum is chimap + `chi_offset`.
    """
    check_positive(dr_para=dr_para, dr_dia=dr_dia)
    check_not_negative(r2_constant=r2_constant, smoothness=smoothness)
    fits = abs(chi_offset) <= LARGEST
    check_settings(('chi_offset', chi_offset, fits, 'be a susceptibility in ppm'))
    check_counts(iterations=iterations)
    check_field_strength(b0)
    _check_images(mask, grid, chimap=chimap, r2star=r2star, r2=r2)
    box = bounding_box(mask)
    inside = np.ascontiguousarray(mask[box])
    x = _inside(chimap, box, inside, chi_offset)
    # R2' = R2* - R2
    prime = _inside(r2star, box, inside, 0.0)
    prime -= _inside(r2, box, inside, 0.0) if r2 is not None else r2_constant or typical_r2(b0)
    sources = _Sources.of(x, prime, inside, (dr_para * b0 / 3.0, dr_dia * b0 / 3.0))
    para = np.maximum(sources.target, sources.least)
    limit = sources.limit(smoothness, grid)
    if limit > 0:
        steps = reciprocal_steps(grid.voxel_size)
        maps = _smooth(sources, para, steps, np.float32(limit), iterations, nthreads)
        para = follow(maps, progress, iterations * _ROUNDS)
    positive, negative = (np.zeros(mask.shape, np.float32) for _ in range(2))
    positive[box], negative[box] = para, np.minimum(x - para, 0)
    return positive, negative


def _check_images(mask: Mask, grid: Grid, **images: NDArray[Any] | None) -> None:
    """Raise where an image that is there does not fit the grid."""
    for name, image in images.items():
        if image is not None:
            check_field(image, grid, name)
    check_mask(mask, grid)


def _inside(image: NDArray[Any], box: tuple[slice, ...], inside: Mask, offset: float) -> Image:
    """Crop of an image plus an offset, zero where it is not finite or outside the mask."""
    crop = np.nan_to_num(image[box].astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    return np.where(inside, crop + np.float32(offset), np.float32(0))


@dataclass(frozen=True, eq=False)
class _Sources:
    """Voxelwise solution in the box around the mask.

    Attributes
    ----------
    x
        Susceptibility, ppm.
    target
        para_0, which the data ask for.
    least
        max(x, 0), below which dia would be positive.
    inside
        The mask.
    """

    x: Image
    target: Image
    least: Image
    inside: Mask

    @classmethod
    def of(cls, x: Image, prime: Image, inside: Mask, rates: tuple[float, float]) -> _Sources:
        """para_0 = (R2' + Dr- x) / (Dr+ + Dr-)."""
        target = np.multiply(
            (prime + np.float32(rates[1]) * x) / np.float32(sum(rates)), inside, dtype=np.float32
        )
        return cls(x, target, np.maximum(x, 0), inside)

    def limit(self, smoothness: float, grid: Grid) -> float:
        """`a` of the objective, ppm mm."""
        if smoothness == 0:
            return 0.0
        para, dia = (
            magnitude_noise(image, self.inside) for image in (self.target, self.target - self.x)
        )
        noise = float(np.hypot(para, dia))
        return smoothness * noise / np.sqrt(2) * grid.voxel_volume ** (1 / 3)


def _smooth(
    sources: _Sources, para: Image, steps: Image, limit: np.float32, iterations: int, nthreads: int
) -> Iterator[Image]:
    """Take primal-dual steps; the objective is strongly convex, so their lengths adapt."""
    x, least, inside = sources.x, sources.least, sources.inside
    sweep = Sweep(para.shape[0], nthreads)
    ahead, dual = para.copy(), np.zeros((6, *para.shape), np.float32)
    data = sources.target.copy()
    for this in range(_ROUNDS):
        if this:  # Bregman: what the last round took away goes back into the data
            data += sources.target - para
        # two copies of the gradient, each of squared norm up to 4 / h^2 along an axis
        tau = sigma = 1.0 / np.sqrt(8.0 * float((steps.astype(np.float64) ** 2).sum()))
        for _ in range(iterations):
            # Chambolle & Pock, algorithm 2, with strong convexity 1
            theta = 1.0 / np.sqrt(1.0 + 2.0 * tau)
            sweep(_raise_edges, ahead, x, inside, steps, np.float32(sigma), limit, dual)
            sweep(
                _lower, dual, data, least, inside, steps, np.float32(tau), np.float32(theta),
                para, ahead,
            )  # fmt: skip
            tau, sigma = tau * theta, sigma / theta
            yield para


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _raise_edges(ahead, x, inside, steps, sigma, limit, dual, first, last):
    """Dual step: q <- projection of q + sigma (grad para, grad para - grad x)."""
    nx, ny, nz = ahead.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if not inside[i, j, k]:
                    continue
                # rises of para, and of -dia = para - x; none across the mask's border
                p0, x0 = ahead[i, j, k], x[i, j, k]
                a0 = a1 = a2 = b0 = b1 = b2 = np.float32(0)
                if i + 1 < nx and inside[i + 1, j, k]:
                    rise = (ahead[i + 1, j, k] - p0) * steps[0]
                    a0 = dual[0, i, j, k] + sigma * rise
                    b0 = dual[3, i, j, k] + sigma * (rise - (x[i + 1, j, k] - x0) * steps[0])
                if j + 1 < ny and inside[i, j + 1, k]:
                    rise = (ahead[i, j + 1, k] - p0) * steps[1]
                    a1 = dual[1, i, j, k] + sigma * rise
                    b1 = dual[4, i, j, k] + sigma * (rise - (x[i, j + 1, k] - x0) * steps[1])
                if k + 1 < nz and inside[i, j, k + 1]:
                    rise = (ahead[i, j, k + 1] - p0) * steps[2]
                    a2 = dual[2, i, j, k] + sigma * rise
                    b2 = dual[5, i, j, k] + sigma * (rise - (x[i, j, k + 1] - x0) * steps[2])
                # both gradients share one ball: an edge that both maps have is paid once
                length = np.sqrt(a0 * a0 + a1 * a1 + a2 * a2 + b0 * b0 + b1 * b1 + b2 * b2)
                scale = np.float32(1) if length <= limit else limit / length
                dual[0, i, j, k], dual[3, i, j, k] = a0 * scale, b0 * scale
                dual[1, i, j, k], dual[4, i, j, k] = a1 * scale, b1 * scale
                dual[2, i, j, k], dual[5, i, j, k] = a2 * scale, b2 * scale


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _lower(dual, target, least, inside, steps, tau, theta, para, ahead, first, last):
    """Primal step: para <- max(least, (para + tau (div q + target)) / (1 + tau))."""
    _, ny, nz = para.shape
    shrink = np.float32(1) / (np.float32(1) + tau)
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if not inside[i, j, k]:
                    continue
                # minus the adjoint of both gradients, each of which holds para once
                e0 = dual[0, i, j, k] + dual[3, i, j, k]
                e1 = dual[1, i, j, k] + dual[4, i, j, k]
                e2 = dual[2, i, j, k] + dual[5, i, j, k]
                if i > 0:
                    e0 -= dual[0, i - 1, j, k] + dual[3, i - 1, j, k]
                if j > 0:
                    e1 -= dual[1, i, j - 1, k] + dual[4, i, j - 1, k]
                if k > 0:
                    e2 -= dual[2, i, j, k - 1] + dual[5, i, j, k - 1]
                pull = e0 * steps[0] + e1 * steps[1] + e2 * steps[2] + target[i, j, k]
                # proximal map of |para - target|^2 / 2 under the bound
                old = para[i, j, k]
                new = max(least[i, j, k], (old + tau * pull) * shrink)
                para[i, j, k] = new
                ahead[i, j, k] = new + theta * (new - old)
