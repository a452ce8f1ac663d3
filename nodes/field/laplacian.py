"""Unwrapping by the Laplacian: smooth everywhere, exact nowhere."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..grid import Grid
from ..numerics.fft import crop_to_mask, half_shape, irfftn, rfftn
from ..parallel import run, slabs
from ..volumes import bounding_box, echo_volumes
from .unwrap import nearest


def unwrap_laplacian(
    phase: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    margin: float = 10.0,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """Smooth phase whose Laplacian is that of the wrapped phase.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo).
    mask
        Where it is wanted; differences leave no voxel of it.
    grid
        Geometry of one echo.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Phase without jumps, rad, float32, mean zero over the mask, zero outside. It does not
        differ from `phase` by whole turns: part of the harmonic phase is lost.

    Raises
    ------
    NigraError
        Shapes do not fit, or the mask is empty.

    Notes
    -----
    Schofield & Zhu 2003 (doi 10.1364/OL.28.001194). The Laplacian is the sum of the wrapped
    differences to the six neighbours in the mask, which does not know about wraps; its inverse is
    a division of spectra by the Laplacian of the grid.
    """
    if phase.ndim != 4 or mask.shape != phase.shape[:3] or grid.shape != mask.shape:
        raise NigraError(
            f'phase {phase.shape}, mask {mask.shape} and grid {grid.shape} do not fit together'
        )
    if not mask.any():
        raise NigraError('the mask is empty; check the brain mask and the signal')
    box = bounding_box(mask)
    inside, angle = np.ascontiguousarray(mask[box]), echo_volumes(phase, box, nthreads)
    unwrap_laplacian_volumes(angle, inside, grid.voxel_size, margin, nthreads)
    out = np.zeros(phase.shape, np.float32)
    for echo in range(phase.shape[3]):
        out[box][..., echo] = angle[echo]
    return out


def unwrap_laplacian_volumes(
    angle: NDArray[np.float32],
    inside: NDArray[np.bool_],
    voxel_size: tuple[float, float, float],
    margin: float,
    nthreads: int = 1,
) -> None:
    """Unwrap contiguous volumes (echo, x, y, z) in place."""
    nx, ny, nz = inside.shape
    crop = crop_to_mask(inside, Grid((nx, ny, nz), voxel_size), margin=margin)
    inverse = _inverse_laplacian(crop.grid)
    weights = (1.0 / np.square(voxel_size)).astype(np.float32)
    image = np.zeros(crop.grid.shape, np.float32)
    spectrum = np.empty(half_shape(crop.grid.shape), np.complex64)
    for volume in angle:
        image[...] = 0
        part = image[crop.target]
        cut, held = volume[crop.source], inside[crop.source]
        run(lambda s: _laplacian(cut, held, weights, part, s.start, s.stop),  # noqa: B023
            slabs(cut.shape[0]), nthreads)  # fmt: skip
        rfftn(image, spectrum, nthreads=nthreads)
        np.multiply(spectrum, inverse, out=spectrum)
        irfftn(spectrum, image, nthreads=nthreads)
        cut[...] = image[crop.target]
        cut -= cut[held].mean(dtype=np.float64).astype(np.float32)
        cut[~held] = 0


def _inverse_laplacian(grid: Grid) -> NDArray[np.float32]:
    """Reciprocal eigenvalues of the periodic seven-point Laplacian, zero at k = 0."""
    terms = []
    for axis, (n, h) in enumerate(zip(grid.shape, grid.voxel_size, strict=True)):
        k = np.fft.rfftfreq(n) if axis == 2 else np.fft.fftfreq(n)
        terms.append(-4 * np.sin(np.pi * k) ** 2 / h**2)
    total = terms[0][:, None, None] + terms[1][:, None] + terms[2]
    total[0, 0, 0] = np.inf
    return (1 / total).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _laplacian(phase, inside, weights, out, first, last):
    nx, ny, nz = phase.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if not inside[i, j, k]:
                    continue
                total = np.float32(0)
                for n in range(6):
                    axis, step = n // 2, 2 * (n % 2) - 1
                    a = i + step if axis == 0 else i
                    b = j + step if axis == 1 else j
                    c = k + step if axis == 2 else k
                    if a < 0 or b < 0 or c < 0 or a >= nx or b >= ny or c >= nz:
                        continue
                    if inside[a, b, c]:
                        total += weights[axis] * nearest(phase[a, b, c] - phase[i, j, k])
                out[i, j, k] = total
