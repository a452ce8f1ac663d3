"""Grids of another spacing: coarser for registration, finer for votes between labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, sparse

from ..errors import NigraError

FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))


def spacing_of(affine: ArrayLike) -> NDArray[np.float64]:
    """Voxel size along each array axis of a 4 x 4 voxel-to-world matrix, mm."""
    return np.linalg.norm(np.asarray(affine, float)[:3, :3], axis=0)


def isotropic(
    data: NDArray[Any], affine: ArrayLike, spacing: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Image on cubic voxels over the same field of view, without aliasing.

    Parameters
    ----------
    data
        Image, (x, y, z).
    affine
        Its 4 x 4 voxel-to-world matrix, mm.
    spacing
        Edge of the new voxels, mm.

    Returns
    -------
    tuple
        Image and matrix. Axes keep their directions and the field of view its centre.

    Notes
    -----
    A Gaussian widens the old voxel's profile to the new one's before linear interpolation, so
    that an axis which is not coarsened is not blurred.
    """
    old = spacing_of(affine)
    sigma = np.sqrt(np.maximum(spacing**2 - old**2, 0)) * FWHM_TO_SIGMA / old
    step = spacing / old
    shape, moved = isotropic_grid(data.shape, affine, spacing)
    offset = _first_voxel(data.shape, shape, step)
    # smoothing and interpolation are one matrix for each axis, so that the later axes are small
    out = along_axes(
        np.asarray(data, np.float32),
        [
            between(n, o + d * np.arange(m)) @ _gaussian(n, s)
            for n, o, d, m, s in zip(data.shape, offset, step, shape, sigma, strict=True)
        ],
    )
    return out, moved


def isotropic_grid(
    shape: Sequence[int], affine: ArrayLike, spacing: float
) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Shape and voxel-to-world matrix of what `isotropic` makes of an image on a grid.

    Examples
    --------
    >>> isotropic_grid((4, 3, 2), np.eye(4), 2.0)[0]
    (2, 2, 1)
    """
    matrix = np.asarray(affine, float)
    step = spacing / spacing_of(matrix)
    # new voxels cover the old field of view, or a little more, about the same centre
    new = np.maximum(np.ceil(np.array(shape) / step - 1e-6), 1).astype(int)
    # voxel i of the new grid is voxel offset + step i of the old one
    moved = matrix.copy()
    moved[:3, :3] = matrix[:3, :3] * step
    moved[:3, 3] = matrix[:3, :3] @ _first_voxel(shape, new, step) + matrix[:3, 3]
    return tuple(int(n) for n in new), moved


def _first_voxel(
    old: Sequence[int], new: ArrayLike, step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where the first voxel of a grid with the same centre lies on the old grid, voxels."""
    return (np.array(old) - 1) / 2 - (np.asarray(new) - 1) / 2 * step


def between(size: int, positions: NDArray[np.float64]) -> sparse.csr_array:
    """Linear interpolation as a matrix.

    Parameters
    ----------
    size
        Samples there are, at 0, 1, ...
    positions
        Where values are wanted; beyond the ends the nearest sample holds.

    Returns
    -------
    sparse.csr_array
        (positions, size).

    Examples
    --------
    >>> between(3, np.array([0.25, 7.0])).toarray().tolist()
    [[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]
    """
    inside = np.clip(positions, 0, size - 1)
    low = np.minimum(inside.astype(int), max(size - 2, 0))
    part = inside - low
    rows = np.arange(len(positions))
    high = np.minimum(low + 1, size - 1)
    return sparse.csr_array(
        (np.r_[1 - part, part], (np.r_[rows, rows], np.r_[low, high])), (len(positions), size)
    )


def _gaussian(size: int, sigma: float) -> sparse.csr_array:
    """Smoothing of a line by a Gaussian as a matrix; beyond the ends the nearest sample holds."""
    if sigma == 0:
        return sparse.eye_array(size, format='csr')
    return sparse.csr_array(ndimage.gaussian_filter1d(np.eye(size), sigma, 0, mode='nearest'))


def along_axes(
    data: NDArray[np.float32], matrices: Sequence[sparse.csr_array]
) -> NDArray[np.float32]:
    """Apply one matrix along each axis of a volume, the one that shrinks it most first.

    Examples
    --------
    >>> along_axes(np.ones((2, 2, 2), np.float32), [between(2, np.zeros(1))] * 3).tolist()
    [[[1.0]]]
    """
    order = sorted(range(len(matrices)), key=lambda a: matrices[a].shape[0] / matrices[a].shape[1])
    for axis in order:
        moved = np.moveaxis(data, axis, 0)
        lines = np.ascontiguousarray(moved).reshape(len(moved), -1)
        new = matrices[axis].astype(np.float32) @ lines
        data = np.moveaxis(new.reshape(-1, *moved.shape[1:]), 0, axis)
    return np.ascontiguousarray(data)


def cropped_affine(affine: ArrayLike, box: Sequence[slice]) -> NDArray[np.float64]:
    """Voxel-to-world matrix of the part of an image that a box of slices cuts out."""
    matrix = np.array(affine, float)
    matrix[:3, 3] += matrix[:3, :3] @ [s.start or 0 for s in box]
    return matrix


def subdivided_affine(affine: ArrayLike, factors: Sequence[int]) -> NDArray[np.float64]:
    """Voxel-to-world matrix after each voxel is cut into `factors` parts along its axes.

    Examples
    --------
    >>> subdivided_affine(np.diag([2.0, 2, 2, 1]), (2, 1, 1))[0].tolist()
    [1.0, 0.0, 0.0, -0.5]
    """
    matrix = np.array(affine, float)
    # the first part's centre lies (1 - 1 / parts) / 2 voxels before the whole one's
    parts = np.asarray(factors, float)
    matrix[:3, 3] += matrix[:3, :3] @ ((1 / parts - 1) / 2)
    matrix[:3, :3] /= parts
    return matrix


def vote(labels: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Label that fills the largest part of each block of voxels.

    Parameters
    ----------
    labels
        Non-negative labels on a subdivided grid; each axis a multiple of its factor.
    factors
        Voxels per block along each axis.

    Returns
    -------
    NDArray
        One label per block, of the same type; of equals the smallest, so that background wins
        a draw.

    Raises
    ------
    NigraError
        The shape is no multiple of the factors.

    Examples
    --------
    >>> vote(np.array([[[0, 3, 3, 3, 0, 5]]]), (1, 1, 3)).tolist()
    [[[3, 0]]]
    """
    if any(n % f for n, f in zip(labels.shape, factors, strict=True)):
        raise NigraError(f'labels of shape {labels.shape} do not divide into blocks {factors}')
    shape = tuple(n // f for n, f in zip(labels.shape, factors, strict=True))
    split = [size for pair in zip(shape, factors, strict=True) for size in pair]
    blocks = labels.reshape(split)
    winner = np.zeros(shape, labels.dtype)
    # background first: a label must have more parts than it, not as many
    most = np.count_nonzero(blocks == 0, axis=(1, 3, 5)).astype(np.int32)
    for value in np.unique(labels):
        if value:
            count = np.count_nonzero(blocks == value, axis=(1, 3, 5))
            better = count > most
            winner[better], most[better] = value, count[better]
    return winner


def block_mean(image: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Mean over blocks of voxels; keeps float32 and complex64.

    Parameters
    ----------
    image
        On a subdivided grid; each axis a multiple of its factor.
    factors
        Voxels per block along each axis.

    Examples
    --------
    >>> block_mean(np.arange(8, dtype=np.float32).reshape(2, 2, 2), (2, 2, 2)).tolist()
    [[[3.5]]]
    """
    nx, ny, nz = (n // f for n, f in zip(image.shape, factors, strict=True))
    blocks = image.reshape(nx, factors[0], ny, factors[1], nz, factors[2])
    return blocks.mean(axis=(1, 3, 5))


def block_fraction(mask: NDArray[np.bool_], factors: Sequence[int]) -> NDArray[np.float32]:
    """Fraction of each block of voxels that a mask fills; as `block_mean`.

    Examples
    --------
    >>> block_fraction(np.array([[[True, True, False, False]]]), (1, 1, 4)).tolist()
    [[[0.5]]]
    """
    return block_mean(mask.astype(np.float32), factors)
