"""Deformations of images: how far they move and how much they stretch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..numerics.resample import FWHM_TO_SIGMA, spacing_of


def jacobian(displacement: NDArray[np.float32], spacing: float) -> NDArray[np.float32]:
    """Jacobian determinant of x -> x + displacement(x), by central differences.

    Parameters
    ----------
    displacement
        Along the array's axes, (3, x, y, z), in the unit of `spacing`.
    spacing
        Edge of the cubic voxels.

    Examples
    --------
    >>> x = np.indices((4, 4, 4)).astype(np.float32)
    >>> float(jacobian(0.5 * x, 1.0).max())
    3.375
    """
    rows = [np.gradient(component, spacing) for component in displacement]
    # rows a, b, c of the Jacobian matrix: identity plus the gradient of each component
    a, b, c = ([g + (i == j) for j, g in enumerate(row)] for i, row in enumerate(rows))
    # written out: np.linalg.det would need the nine fields as one array of matrices, in float64
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )  # fmt: skip


def deformation_range(
    displacement: NDArray[np.float32], mask: NDArray[np.bool_], affine: ArrayLike
) -> dict[str, float]:
    """Length of a displacement and range of the volume change within a mask.

    Parameters
    ----------
    displacement
        In world directions, mm, (3, x, y, z).
    mask
        Where it is judged, (x, y, z); not empty.
    affine
        Voxel to world; voxels are cubes.

    Returns
    -------
    dict
        `displacement_mm` (mean), `jacobian_min` and `jacobian_max`; zero or less is a fold.

    Examples
    --------
    >>> x = np.indices((4, 4, 4)).astype(np.float32)
    >>> found = deformation_range(0.5 * x, np.ones((4, 4, 4), bool), np.eye(4))
    >>> found['jacobian_min'], found['jacobian_max']
    (3.375, 3.375)
    """
    axes = np.asarray(affine, float)[:3, :3]
    spacing = float(spacing_of(affine)[0])
    # derivatives are taken along the array's axes, so vectors must be given along them, too
    along_axes = np.einsum('ij,j...->i...', axes.T / spacing, displacement)
    volume_change = jacobian(along_axes.astype(np.float32), spacing)[mask]
    length = np.sqrt((displacement**2).sum(axis=0))[mask]
    return {
        'displacement_mm': float(length.mean()),
        'jacobian_min': float(volume_change.min()),
        'jacobian_max': float(volume_change.max()),
    }


def blurred_to(
    image: NDArray[Any], voxel_size: Sequence[float], spacing: float
) -> NDArray[np.float32]:
    """Image blurred for resampling to a coarser spacing, on its own grid.

    Parameters
    ----------
    image
        (x, y, z).
    voxel_size
        mm.
    spacing
        Edge of the voxels that it will be resampled to, mm; finer axes than that are blurred as by
        `numerics.resample.isotropic`, others are left.
    """
    old = np.array(voxel_size)
    sigma = np.sqrt(np.maximum(spacing**2 - old**2, 0)) * FWHM_TO_SIGMA / old
    return ndimage.gaussian_filter(image, sigma, mode='nearest')
