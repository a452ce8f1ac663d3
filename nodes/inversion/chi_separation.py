"""Susceptibility and R2* to what pulls each way: paramagnetic and diamagnetic sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..field.echoes import magnitude_noise
from ..grid import Grid
from ..numerics.stencils import reciprocal_steps
from ..parallel import run, slabs
from ..volumes import bounding_box, check_mask

Progress = Callable[[int, int], None]
_ROUNDS = 2
_R2_ZERO_FIELD, _R2_SLOPE = 9.0, 1.2
"""R2 of brain tissue, 1/s: at zero field, and what a tesla adds; between grey and white."""


def typical_r2(b0: float) -> float:
    """R2 of average brain tissue without extra iron or myelin, 1/s: a rule of thumb.

    Examples
    --------
    >>> round(typical_r2(1.5), 1), round(typical_r2(3.0), 1)
    (10.8, 12.6)
    """
    return _R2_ZERO_FIELD + _R2_SLOPE * float(b0)


def separate_sources(
    chimap: NDArray[Any],
    r2star: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    b0: float,
    dr_para: float = 137.0,
    dr_dia: float = 137.0,
    r2: NDArray[Any] | None = None,
    r2_constant: float = 0.0,
    chi_offset: float = 0.0,
    smoothness: float = 1.0,
    iterations: int = 40,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Positive and negative susceptibility that share a voxel.

    Parameters
    ----------
    chimap
        Susceptibility, ppm, (x, y, z).
    r2star
        R2*, 1/s, same shape.
    mask
        Where both hold.
    grid
        Geometry.
    b0
        Main field, T.
    dr_para, dr_dia
        R2' per ppm of positive and of negative susceptibility **at 3 T**, 1/s/ppm; scaled with
        `b0`.
    r2
        R2, 1/s, if it was measured.
    r2_constant
        R2 of every voxel where there is no map, 1/s. Zero: `typical_r2(b0)`.
    chi_offset
        Added to the chimap first, ppm. Its zero must be tissue without sources (like water):
        where the map is relative to a region of susceptibility s, give s.
    smoothness
        Weight of the total variation, in noise of the voxelwise solution; 0 is voxel by voxel.
    iterations
        Primal-dual steps in each of two rounds.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with steps done and steps in all.

    Returns
    -------
    tuple
        Positive (0 or more) and negative (0 or less) susceptibility, ppm, zero outside the
        mask. Their sum is chimap + `chi_offset`.

    Raises
    ------
    NigraError
        Shapes or settings do not fit.

    Notes
    -----
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
    rates = _check(chimap, r2star, mask, grid, b0, dr_para, dr_dia)
    _check_settings(r2, mask, r2_constant, chi_offset, smoothness, iterations)
    box = bounding_box(mask)
    inside = np.ascontiguousarray(mask[box])
    x = _inside(chimap, box, inside, chi_offset)
    prime = _inside(r2star, box, inside, 0.0)
    prime -= _inside(r2, box, inside, 0.0) if r2 is not None else r2_constant or typical_r2(b0)
    target = np.multiply(
        (prime + np.float32(rates[1]) * x) / np.float32(sum(rates)), inside, dtype=np.float32
    )
    limit = 0.0
    if smoothness > 0:
        sd = np.hypot(magnitude_noise(target, inside), magnitude_noise(target - x, inside))
        limit = smoothness * float(sd) / np.sqrt(2) * grid.voxel_volume ** (1 / 3)
    least = np.maximum(x, 0)
    para = np.maximum(target, least)
    if limit > 0:
        para = _smooth(para, target, x, least, inside, grid, limit, iterations, nthreads, progress)
    maps = np.zeros((2, *mask.shape), np.float32)
    maps[0][box] = para
    maps[1][box] = np.minimum(x - para, 0)
    return maps[0], maps[1]


def _inside(
    image: NDArray[Any], box: tuple[slice, ...], inside: NDArray[np.bool_], offset: float
) -> NDArray[np.float32]:
    """Crop of an image plus an offset, zero where it is not finite or outside the mask."""
    crop = np.nan_to_num(image[box].astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    return np.where(inside, crop + np.float32(offset), np.float32(0))


def _smooth(
    para: NDArray[np.float32],
    target: NDArray[np.float32],
    x: NDArray[np.float32],
    least: NDArray[np.float32],
    inside: NDArray[np.bool_],
    grid: Grid,
    limit: float,
    iterations: int,
    nthreads: int,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Primal-dual steps; the objective is strongly convex, so their lengths adapt."""
    steps = reciprocal_steps(grid.voxel_size)
    pieces = slabs(para.shape[0])
    ahead, dual, data = para.copy(), np.zeros((6, *para.shape), np.float32), target.copy()
    cap = np.float32(limit)

    def step(rise: np.float32, fall: np.float32, lead: np.float32) -> None:
        run(lambda s: _raise_edges(ahead, x, inside, steps, rise, cap, dual, s.start, s.stop),
            pieces, nthreads)  # fmt: skip
        run(lambda s: _lower(dual, data, least, inside, steps, fall, lead, para, ahead,
                             s.start, s.stop), pieces, nthreads)  # fmt: skip

    for start in range(0, iterations * _ROUNDS, iterations):
        if start:  # Bregman: what the last round took away goes back into the data
            data += target - para
        # two copies of the gradient, each of squared norm up to 4 / h^2 along an axis
        tau = sigma = 1.0 / np.sqrt(8.0 * float((steps.astype(np.float64) ** 2).sum()))
        for done in range(start, start + iterations):
            theta = 1.0 / np.sqrt(1.0 + 2.0 * tau)
            step(np.float32(sigma), np.float32(tau), np.float32(theta))
            tau, sigma = tau * theta, sigma / theta
            if progress is not None:
                progress(done + 1, iterations * _ROUNDS)
    return para


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _raise_edges(ahead, x, inside, steps, sigma, limit, dual, first, last):
    """Dual step: q <- projection of q + sigma (grad para, grad para - grad x)."""
    nx, ny, nz = ahead.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if not inside[i, j, k]:
                    continue
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
                old = para[i, j, k]
                new = max(least[i, j, k], (old + tau * pull) * shrink)
                para[i, j, k] = new
                ahead[i, j, k] = new + theta * (new - old)


def _check(
    chimap: NDArray[Any],
    r2star: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    b0: float,
    dr_para: float,
    dr_dia: float,
) -> tuple[float, float]:
    """Raise where images or constants do not fit; return Dr at this field, 1/s/ppm."""
    for name, image in (('chimap', chimap), ('r2star', r2star)):
        if image.shape != grid.shape:
            raise NigraError(f'{name} has shape {image.shape} but its grid {grid.shape}')
    check_mask(mask, grid)
    for name, value in (('b0', b0), ('dr_para', dr_para), ('dr_dia', dr_dia)):
        if not (np.isfinite(value) and value > 0):
            raise NigraError(f'{name} must be a positive number, got {value}')
    return dr_para * b0 / 3.0, dr_dia * b0 / 3.0


def _check_settings(
    r2: NDArray[Any] | None,
    mask: NDArray[np.bool_],
    r2_constant: float,
    chi_offset: float,
    smoothness: float,
    iterations: int,
) -> None:
    if r2 is not None and r2.shape != mask.shape:
        raise NigraError(f'r2 has shape {r2.shape} but the mask {mask.shape}')
    if not np.isfinite(chi_offset):
        raise NigraError(f'chi_offset must be a finite number of ppm, got {chi_offset}')
    for name, value in (('r2_constant', r2_constant), ('smoothness', smoothness)):
        if not (np.isfinite(value) and value >= 0):
            raise NigraError(f'{name} must be 0 or more, got {value}')
    if iterations < 1:
        raise NigraError(f'iterations must be at least 1, got {iterations}')
