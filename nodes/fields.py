"""What every dipole inversion does to its local field, noise and magnitude first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError
from .grid import Grid
from .volumes import check_mask

_STEPS = 6
"""Steps of alternating directions below which small changes mean nothing."""


def data_weights(noise: NDArray[Any] | None, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """1 in the mask, less where the noise exceeds its median; 0 outside."""
    weight = mask.astype(np.float32)
    if noise is not None:
        values = noise[mask].astype(np.float64)
        good = np.isfinite(values) & (values > 0)
        if good.any():
            typical = float(np.median(values[good]))
            weight[mask] = np.where(
                good, np.minimum(1, (typical / np.where(good, values, 1)) ** 2), 0
            )
    return weight


def dot(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Sum of products in double precision."""
    return float(np.einsum('ijk,ijk->', a, b, dtype=np.float64))


def check_settings(*settings: tuple[str, Any, bool, str]) -> None:
    """Raise for the first (name, value, whether it is right, what is right) that is wrong."""
    for name, value, right, wanted in settings:
        if not right:
            raise NigraError(f'{name} must {wanted}, got {value}')


def settled(step: int, new: NDArray[Any], old: NDArray[Any], tolerance: float) -> bool:
    """Whether an alternating-direction scheme may stop after its step number `step`, from 1.

    Its first steps may hardly move the map, until the multipliers have grown to the shrinkage.
    """
    return step >= _STEPS and relative_change(new, old) < tolerance


def relative_change(new: NDArray[Any], old: NDArray[Any]) -> float:
    """Norm of the difference over the norm of the new image."""
    return float(np.linalg.norm(new - old) / max(float(np.linalg.norm(new)), 1e-30))


def edge_weights(
    magnitude: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, strength: float
) -> NDArray[np.float32]:
    """1 where the magnitude is flat, down to 1 - strength at its strongest edges."""
    image = np.where(mask, magnitude, 0).astype(np.float32)
    slope = np.zeros(image.shape, np.float32)
    for axis, h in enumerate(grid.voxel_size):
        inside = mask & np.roll(mask, -1, axis)
        slope += np.where(inside, (np.roll(image, -1, axis) - image) / h, 0) ** 2
    slope = np.sqrt(slope)
    typical = float(np.percentile(slope[mask], 90)) or 1.0
    return (1 - strength * slope**2 / (slope**2 + typical**2)).astype(np.float32)


def centred(field: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Field minus its mean over the mask, zero outside: k = 0 carries no information."""
    image = np.zeros(field.shape, np.float32)
    values = field[mask]
    image[mask] = values - values.mean(dtype=np.float64)
    return image


def check_field(field: NDArray[Any], grid: Grid) -> None:
    """Raise where a field does not fit its grid."""
    if field.shape != grid.shape:
        raise NigraError(f'the field has shape {field.shape} but its grid {grid.shape}')


def check_field_map(field: NDArray[Any], mask: NDArray[np.bool_], grid: Grid) -> None:
    """Raise where a field or its mask does not fit the grid, or values are missing in the mask.

    Raises
    ------
    NigraError
        Shapes differ, the mask is empty, or the field is not finite inside it.
    """
    check_field(field, grid)
    check_mask(mask, grid)
    missing = int(np.count_nonzero(~np.isfinite(field[mask])))
    if missing:
        raise NigraError(f'the field has {missing} values inside the mask that are not finite')
