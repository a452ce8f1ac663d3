"""Checks of settings and fields that every kernel makes before it begins."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError, SettingError
from .grid import Grid
from .volumes import check_mask


def dot(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Sum of products in double precision."""
    return float(np.einsum('ijk,ijk->', a, b, dtype=np.float64))


LARGEST = 1e9
"""Weights and amounts up to it, and positive ones down to its reciprocal, may be squared and
divided in float32. Far beyond what has a meaning for any method."""
LONGEST = 200.0
"""The longest margin, radius or width, mm: a head's. Longer ones fill the memory with zeros."""
MOST_STEPS = 100_000
"""The most steps of an iteration: none takes a hundredth of them to converge."""
MOST_DIGITS = sys.float_info.max_10_exp
"""The most digits of a whole number that is surely one of floating point, too."""
MOST_LAYERS = 100
"""The most layers of voxels to take off a mask, of which nothing is left long before."""


KINDS = {
    bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a word',
    tuple: 'numbers separated by commas',
}  # fmt: skip
"""What a setting must be, by the type of its default."""


def as_setting(name: str, value: Any, usual: Any) -> Any:
    """A setting as a value of Python of its default's type.

    Parameters
    ----------
    name, value
        Of the setting; NumPy's values are taken, 60.0 for 60, and a number for a row of one.
    usual
        Its default.

    Raises
    ------
    SettingError
        It is of another kind.

    Examples
    --------
    >>> as_setting('iterations', np.float32(60), 80), as_setting('radii', np.array([3, 2]), (5.0,))
    (60, (3.0, 2.0))
    """
    plain = (
        value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value
    )
    kind = type(usual)
    check_digits(name, plain)
    if kind is tuple and is_number(plain):
        plain = [plain]
    if kind is tuple and isinstance(plain, list | tuple | np.ndarray):
        return tuple(as_setting(name, one, 0.0) for one in plain)
    if kind in (bool, str) and isinstance(plain, kind):
        return plain
    if kind is int and is_number(plain) and plain == plain // 1:
        return int(plain)
    if kind is float and is_number(plain):
        return float(plain)
    raise SettingError(name, f'be {KINDS[kind]}', repr(value))


def check_digits(name: str, value: Any) -> None:
    """Raise for a whole number of which no float can be made, nor always a text.

    Examples
    --------
    >>> check_digits('iterations', 10**400)
    Traceback (most recent call last):
    ...
    nigra.nodes.errors.SettingError: iterations must be of at most 308 digits, got one of 401
    """
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        digits = int(math.log10(abs(value))) + 1
        raise SettingError(name, f'be of at most {MOST_DIGITS} digits', f'one of {digits}')


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a real number, which a truth value is not."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(
        value, bool
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_settings(*settings: tuple[str, Any, bool, str]) -> None:
    """Raise for the first (name, value, whether it is right, what is right) that is wrong.

    Raises
    ------
    SettingError
        As all checks of settings here do.
    """
    for name, value, right, wanted in settings:
        if not right:
            raise SettingError(name, wanted, value)


def check_positive(**settings: float) -> None:
    """Raise for the first setting that is not above 0, or out of the range of numbers.

    Examples
    --------
    >>> check_positive(radius=5.0, threshold=0.0)
    Traceback (most recent call last):
    ...
    nigra.nodes.errors.SettingError: threshold must be positive, from 1e-09 to 1e+09, got 0.0
    """
    wanted = f'be positive, from {1 / LARGEST:g} to {LARGEST:g}'
    check_settings(*((n, v, is_number(v) and 1 / LARGEST <= v <= LARGEST, wanted)
                     for n, v in settings.items()))  # fmt: skip


def check_not_negative(**settings: float) -> None:
    """Raise for the first setting that is below 0, or out of the range of numbers."""
    wanted = f'not be negative, nor above {LARGEST:g}'
    check_settings(
        *((n, v, is_number(v) and 0 <= v <= LARGEST, wanted) for n, v in settings.items())
    )


def check_counts(least: int = 1, most: int = MOST_STEPS, **settings: int) -> None:
    """Raise for the first number of steps or layers that is none."""
    wanted = f'be a whole number from {least} to {most}'
    for name, value in settings.items():
        given = f'the float {value}' if isinstance(value, float | np.floating) else value
        check_settings((name, given, _is_whole(value) and least <= value <= most, wanted))


def check_fraction(**settings: float) -> None:
    """Raise for the first setting that is no fraction from 0 to 1."""
    wanted = 'lie between 0 and 1'
    check_settings(*((n, v, is_number(v) and 0 <= v <= 1, wanted) for n, v in settings.items()))


def check_lengths(**settings: float) -> None:
    """Raise for the first setting that is no length above 0 that fits into a head."""
    wanted = f'be a positive length up to {LONGEST:g} mm'
    check_settings(
        *((n, v, is_number(v) and 0 < v <= LONGEST, wanted) for n, v in settings.items())
    )


def check_margin(margin: float) -> None:
    """Raise where the empty border around a mask is no length."""
    wanted = f'be a length from 0 to {LONGEST:g} mm'
    check_settings(('margin', margin, is_number(margin) and 0 <= margin <= LONGEST, wanted))


def check_choice(choices: Collection[str], **settings: str) -> None:
    """Raise for the first setting that is none of the words."""
    wanted = f'be one of {", ".join(choices)}'
    check_settings(
        *((n, v, isinstance(v, str) and v in choices, wanted) for n, v in settings.items())
    )


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
