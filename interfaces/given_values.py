"""Arguments of the functions in Python that are no images: numbers, names, tables of a sidecar."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nodes.errors import InputError
from .files import read_json_object
from .metadata import FIELD_RANGE_T

_ARGUMENTS = {'group-column': 'groups', 'groups': 'levels'}
"""Arguments in Python that the command has under other names."""


def take_times(value: Any) -> NDArray[np.float64]:
    """Echo times, s, (echo,).

    Raises
    ------
    InputError
        They are no numbers, or not what times in seconds are.
    """
    try:
        times = np.atleast_1d(np.asarray(value, float))
    except (TypeError, ValueError, OverflowError):
        times = np.array([np.nan])
    rising = times.ndim == 1 and (np.diff(times) > 0).all()
    if not rising or not (np.isfinite(times) & (times > 0) & (times < 1)).all():
        told = np.asarray(value).tolist() if isinstance(value, np.ndarray) else value
        raise InputError('echo_times', f'are {told}', 'give rising times in seconds')
    return times


def take_field_strength(value: Any) -> float:
    """Main field, T.

    Raises
    ------
    InputError
        It is no number, or out of range, as where it is given in MHz.
    """
    low, high = FIELD_RANGE_T
    try:
        b0 = float(np.asarray(value, float).reshape(()))
    except (TypeError, ValueError, OverflowError):
        b0 = np.nan
    if not low <= b0 <= high:
        raise InputError('b0', f'is {value!r}', f'give it in tesla, {low:g} to {high:g}')
    return b0


def take_count(name: str, value: Any, least: int, most: int | None = None) -> int:
    """A whole number, which may be a float.

    Raises
    ------
    InputError
        It is none, below the least or above the most.
    """
    kind = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    whole = kind and (isinstance(value, int) or float(value).is_integer())
    if not whole or value < least:
        raise InputError(name, f'is {value!r}', f'give a whole number from {least} on')
    if most is not None and value > most:
        raise InputError(name, f'is above {most}', f'give a whole number from {least} to {most}')
    return int(value)


def take_metadata(value: Any) -> Mapping[str, Any]:
    """A sidecar: mapping, or path of a JSON file; empty where there is none.

    Raises
    ------
    InputError
        It is neither.
    """
    if isinstance(value, str | Path):
        return read_json_object(Path(value).expanduser(), 'write {"Units": "rad"}')
    if value is None or isinstance(value, Mapping):
        return value or {}
    raise InputError(
        'metadata',
        f'is of type {type(value).__name__}',
        'give a mapping, or the path of a JSON file',
    )


def texts(value: Any) -> tuple[str, ...] | None:
    """Names in a tuple; one alone stands for itself.

    Examples
    --------
    >>> texts('age'), texts(['age', 'sex']), texts(None)
    (('age',), ('age', 'sex'), None)
    """
    if value is None or isinstance(value, str):
        return None if value is None else (value,)
    return tuple(value)


@contextlib.contextmanager
def in_python() -> Iterator[None]:
    """Errors that name options of the command name arguments in Python instead.

    Examples
    --------
    >>> with in_python():
    ...     raise InputError('--groups X', 'is no group', 'give --group-column another')
    Traceback (most recent call last):
    ...
    nigra.nodes.errors.InputError: levels X: is no group; give groups another.
    """
    try:
        yield
    except InputError as error:
        told = (_spoken(text) for text in (error.where, error.problem, error.fix))
        raise InputError(*told) from error


def _spoken(text: str) -> str:
    return re.sub(
        r'(?<!\S)--([a-z]+(?:-[a-z]+)*)',
        lambda found: _ARGUMENTS.get(found[1], found[1].replace('-', '_')),
        text,
    )
