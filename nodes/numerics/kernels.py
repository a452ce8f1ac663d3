"""Convolution kernels of susceptibility mapping, as real half spectra of a grid."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import NigraError
from ..grid import Grid
from ..parallel import run, slabs
from .fft import convolver, fast_shape, half_shape, rfftn


def frequencies(grid: Grid) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Spatial frequencies of the half spectrum along each axis, cycles/mm, broadcastable."""
    nx, ny, nz = grid.shape
    hx, hy, hz = grid.voxel_size
    return (
        np.fft.fftfreq(nx, hx)[:, None, None],
        np.fft.fftfreq(ny, hy)[None, :, None],
        np.fft.rfftfreq(nz, hz)[None, None, :],
    )


def _without_nyquist(k: NDArray[Any], length: int) -> NDArray[Any]:
    """Frequencies for products that change their sign with k: zero where k and -k are one."""
    odd = k.copy()
    if length % 2 == 0:
        odd.reshape(-1)[length // 2] = 0
    return odd


def dipole_kernel(grid: Grid, *, dtype: DTypeLike = np.float32, nthreads: int = 1) -> NDArray[Any]:
    """Field of a unit point susceptibility: 1/3 - (k.b)^2 / k^2, zero at k = 0.

    Parameters
    ----------
    grid
        Shape, voxel size and main field direction b; k is in cycles/mm, so anisotropic voxels
        and oblique slabs are right.
    dtype
        float32 or float64.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Half spectrum, shape `half_shape(grid.shape)`, values within [-2/3, 1/3].

    Notes
    -----
    Salomir et al. 2003 (doi 10.1002/cmr.b.10083); Marques & Bowtell 2005 (doi
    10.1002/cmr.b.20034). The sampled kernel must be even for the field to be real. At an even
    axis' Nyquist frequency +k and -k are one sample, whose two values differ in the cross terms
    k_i k_j b_i b_j when b is oblique; their mean, which has no such term, stands there.

    Examples
    --------
    >>> kernel = dipole_kernel(Grid((4, 4, 4)))
    >>> kernel.shape, float(kernel[0, 0, 0])
    ((4, 4, 3), 0.0)
    """
    k = [axis.ravel() for axis in frequencies(grid)]
    odd = [_without_nyquist(axis, n) for axis, n in zip(k, grid.shape, strict=True)]
    b = np.array(grid.b0_dir)
    kernel = np.empty(half_shape(grid.shape), dtype)
    run(lambda s: _dipole(k[0][s], k[1], k[2], odd[0][s], odd[1], odd[2], b, kernel[s]),
        slabs(k[0].size), nthreads)  # fmt: skip
    # undefined; the mean of a map has no field
    kernel[0, 0, 0] = 0
    return kernel


@numba.njit(cache=True, nogil=True)
def _dipole(kx, ky, kz, odd_x, odd_y, odd_z, b, out):
    """1/3 - (k.b)^2 / k^2, its square multiplied out."""
    for i in range(kx.size):
        for j in range(ky.size):
            # k^2 and (k.b)^2 of the plane; cross terms take the odd frequencies
            across = kx[i] * kx[i] + ky[j] * ky[j]
            along = (kx[i] * b[0]) ** 2 + (ky[j] * b[1]) ** 2
            along += 2 * b[0] * b[1] * odd_x[i] * odd_y[j]
            mixed = 2 * b[2] * (b[0] * odd_x[i] + b[1] * odd_y[j])
            for n in range(kz.size):
                square = across + kz[n] * kz[n]
                projected = along + (kz[n] * b[2]) ** 2 + mixed * odd_z[n]
                out[i, j, n] = 1.0 / 3.0 - projected / (square if square > 0 else 1.0)


def voxel_dipole_kernel(
    grid: Grid, *, dtype: DTypeLike = np.float32, nthreads: int = 1
) -> NDArray[Any]:
    """Dipole kernel of uniform voxels: the field at their centres, free of ringing.

    Parameters and result are those of `dipole_kernel`.

    Notes
    -----
    A susceptibility that is constant in each voxel has the spectrum X(k) prod sinc(k_i h_i),
    repeated with the period 1/h_i; sampling its field at the voxel centres folds the repetitions,
    so the kernel is the sum of D(k + m/h) prod sinc(k_i h_i + m_i) over integers m; -1, 0 and 1
    suffice. Unlike D itself the sum is continuous across the Nyquist
    frequency for an oblique field, where D alone rings by some per cent of the field.
    """
    k = [axis.ravel() for axis in frequencies(grid)]
    kernel = np.empty(half_shape(grid.shape), dtype)
    size, b = np.array(grid.voxel_size), np.array(grid.b0_dir)
    run(lambda s: _folded_dipole(k[0][s], k[1], k[2], size, b, kernel[s]), slabs(k[0].size),
        nthreads)  # fmt: skip
    return kernel


@numba.njit(cache=True, nogil=True)
def _repetitions(k: NDArray[Any], h: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each frequency and its two nearest repetitions, with their sinc weights."""
    shifted, weights = np.empty((k.size, 3)), np.empty((k.size, 3))
    for i in range(k.size):
        for m in range(3):
            shifted[i, m] = k[i] + (m - 1) / h
            x = np.pi * shifted[i, m] * h
            weights[i, m] = 1.0 if x == 0 else np.sin(x) / x
    return shifted, weights


@numba.njit(cache=True, nogil=True)
def _folded_dipole(kx, ky, kz, size, b, out):
    """Sum of D(k + m/h) prod sinc(k_i h_i + m_i) over m in {-1, 0, 1}^3."""
    qx, wx = _repetitions(kx, size[0])
    qy, wy = _repetitions(ky, size[1])
    qz, wz = _repetitions(kz, size[2])
    for i in range(kx.size):
        for j in range(ky.size):
            for n in range(kz.size):
                total = 0.0
                # m counts in base 3: a digit per axis
                for m in range(27):
                    p, q, r = m // 9, (m // 3) % 3, m % 3
                    x, y, z = qx[i, p], qy[j, q], qz[n, r]
                    square = x * x + y * y + z * z
                    if square > 0:  # k = 0 has no field
                        along = x * b[0] + y * b[1] + z * b[2]
                        weight = wx[i, p] * wy[j, q] * wz[n, r]
                        total += weight * (1.0 / 3.0 - along * along / square)
                out[i, j, n] = total


def smv_kernel(
    grid: Grid, radius_mm: float, *, dtype: DTypeLike = np.float32, nthreads: int = 1
) -> NDArray[Any]:
    """Mean over a ball (spherical mean value) as a half spectrum; 1 at k = 0.

    Parameters
    ----------
    grid
        Shape and voxel size.
    radius_mm
        Radius of the ball; voxels on its surface count by the fraction inside.
    dtype
        float32 or float64.

    Raises
    ------
    NigraError
        The radius is not positive, or the ball does not fit into the grid.

    Notes
    -----
    Li & Leigh 2001 (doi 10.1006/jmre.2000.2267): a harmonic field equals its mean over any ball.
    """
    if not radius_mm > 0:
        raise NigraError(f'radius_mm must be positive, got {radius_mm}')
    if any(2 * radius_mm > (n - 2) * h for n, h in zip(grid.shape, grid.voxel_size, strict=True)):
        raise NigraError(f'a ball of {radius_mm} mm does not fit into a grid of {grid.shape}')
    # centred on voxel (0, 0, 0), so that its spectrum is real
    ball = _ball(grid.voxel_size, radius_mm)
    image = np.zeros(grid.shape, dtype)
    image[tuple(slice(0, n) for n in ball.shape)] = ball
    image = np.roll(image, [-(n // 2) for n in ball.shape], axis=(0, 1, 2))
    return np.ascontiguousarray(rfftn(image, nthreads=nthreads).real)


def _ball(voxel_size: tuple[float, float, float], radius: float, fine: int = 7) -> NDArray[Any]:
    """Fraction of each voxel inside a ball about the centre voxel, summing to one."""
    # each voxel is cut into fine^3 points, of which those inside are counted
    half = [int(np.ceil(radius / h - 0.5)) for h in voxel_size]
    offsets = (np.arange(fine) - (fine - 1) / 2) / fine
    squares = [
        (((np.arange(-n, n + 1)[:, None] + offsets) * h) ** 2).ravel()
        for n, h in zip(half, voxel_size, strict=True)
    ]
    x2, y2, z2 = squares
    inside = x2[:, None, None] + y2[None, :, None] + z2[None, None, :] <= radius**2
    counts = inside.reshape(
        2 * half[0] + 1, fine, 2 * half[1] + 1, fine, 2 * half[2] + 1, fine
    ).sum(axis=(1, 3, 5), dtype=float)
    return counts / counts.sum()


def second_differences(grid: Grid, *, dtype: DTypeLike = np.float32) -> list[NDArray[Any]]:
    """|E|^2 of the periodic forward differences per mm along each axis, broadcastable."""
    # the difference x(i + 1) - x(i) over h has the spectrum (exp(2 pi i k h) - 1) / h
    return [
        ((2 * np.sin(np.pi * k * h) / h) ** 2).astype(dtype)
        for k, h in zip(frequencies(grid), grid.voxel_size, strict=True)
    ]


def gradient_kernel(grid: Grid, *, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Squared magnitude |E|^2 of periodic forward differences per mm, as a half spectrum."""
    total = np.zeros(half_shape(grid.shape), dtype)
    for square in second_differences(grid, dtype=dtype):
        total += square
    return total


def forward_field(
    chi: NDArray[Any], grid: Grid, *, pad: float = 2.0, nthreads: int = 1
) -> NDArray[np.float32]:
    """Field that a susceptibility distribution adds to the main field, zero-padded.

    Parameters
    ----------
    chi
        Susceptibility, ppm, shape `grid.shape`; zero outside the array.
    grid
        Geometry.
    pad
        Length of the padded array over that of the given one, at least 1; 2 keeps the field of
        the periodic images out.

    Returns
    -------
    NDArray
        Field, ppm, shape `grid.shape`, float32.

    Raises
    ------
    NigraError
        The shapes differ or `pad` is below 1.
    """
    if chi.shape != grid.shape:
        raise NigraError(f'chi has shape {chi.shape} but its grid {grid.shape}')
    if not pad >= 1:
        raise NigraError(f'pad must be at least 1, got {pad}')
    shape = fast_shape(tuple(int(np.ceil(n * pad)) for n in chi.shape))
    padded = np.zeros(shape, np.float32)
    inside = tuple(slice(0, n) for n in chi.shape)
    padded[inside] = chi
    padded_grid = Grid(shape, grid.voxel_size, grid.b0_dir)
    # of uniform voxels: an oblique field would ring with the dipole kernel itself
    kernel = voxel_dipole_kernel(padded_grid, nthreads=nthreads)
    convolver(kernel, shape, nthreads=nthreads)(padded, out=padded)
    return padded[inside].copy()
