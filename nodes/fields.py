"""Checks of settings and fields that every kernel makes before it begins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError
from .grid import Grid
from .volumes import check_mask


def dot(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Sum of products in double precision."""
    return float(np.einsum('ijk,ijk->', a, b, dtype=np.float64))


def check_settings(*settings: tuple[str, Any, bool, str]) -> None:
    """Raise for the first (name, value, whether it is right, what is right) that is wrong."""
    for name, value, right, wanted in settings:
        if not right:
            raise NigraError(f'{name} must {wanted}, got {value}')


def check_positive(**settings: float) -> None:
    """Raise for the first setting that is not above 0 and finite.

    Examples
    --------
    >>> check_positive(radius=5.0, threshold=0.0)
    Traceback (most recent call last):
    ...
    nigra.nodes.errors.NigraError: threshold must be positive, got 0.0
    """
    check_settings(
        *((n, v, bool(np.isfinite(v) and v > 0), 'be positive') for n, v in settings.items())
    )


def check_not_negative(**settings: float) -> None:
    """Raise for the first setting that is below 0 or not finite."""
    check_settings(
        *((n, v, bool(np.isfinite(v) and v >= 0), 'not be negative') for n, v in settings.items())
    )


def check_counts(**settings: int) -> None:
    """Raise for the first number of steps that is below 1."""
    check_settings(*((n, v, v >= 1, 'be at least 1') for n, v in settings.items()))


def check_fraction(**settings: float) -> None:
    """Raise for the first setting that is no fraction from 0 to 1."""
    check_settings(*((n, v, 0 <= v <= 1, 'lie between 0 and 1') for n, v in settings.items()))


def check_field(field: NDArray[Any], grid: Grid, name: str = 'the field') -> None:
    """Raise where a field, or another image by its name, does not fit its grid."""
    if field.shape != grid.shape:
        raise NigraError(f'{name} has shape {field.shape} but its grid {grid.shape}')


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
