"""Images as people have them in Python: arrays, paths, or images of nibabel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..nodes.errors import InputError
from .headers import POSITION_TOLERANCE, largest_distance, load_data, load_image, read_header


@dataclass(frozen=True)
class Given:
    """An image that was given.

    Attributes
    ----------
    name
        Of the argument, or of its file; for messages.
    data
        Its voxels, a copy.
    affine
        Voxel-to-world matrix, mm; None where an array was given.
    """

    name: str
    data: NDArray[Any]
    affine: NDArray[np.float64] | None = None


def take(name: str, value: Any, *, dtype: Any = np.float32) -> Given:
    """Voxels and geometry of an image.

    Parameters
    ----------
    name
        Of the argument.
    value
        Array, path of a NIfTI file, or image of nibabel; or a list of these, one an echo, which
        become the last axis.
    dtype
        Of the voxels; as stored if None.

    Raises
    ------
    InputError
        It is nothing of these, a file cannot be read, or images of a list differ in shape or
        place.
    """
    if isinstance(value, Iterator):
        value = list(value)
    several = isinstance(value, list | tuple)
    if (several and value and not np.isscalar(value[0])) or _are_paths(value):
        return _stacked(name, [take(name, each, dtype=dtype) for each in value])
    if isinstance(value, str | Path):
        path = Path(value).expanduser()
        header = read_header(path)
        data = load_data(path, dtype=dtype)
        data = np.array(data.reshape(header.shape))
        return Given(path.name, data, np.asarray(load_image(path).affine, float))
    if hasattr(value, 'dataobj'):
        data = _numbers(name, value.dataobj, dtype)
        return Given(name, data, None if value.affine is None else as_nifti(value.affine))
    return Given(name, _numbers(name, value, dtype))


def _numbers(name: str, value: Any, dtype: Any) -> NDArray[Any]:
    """A copy of real numbers; raises InputError where there are others."""
    fix = 'give an array, a path, or an image of nibabel'
    if value is None:
        raise InputError(name, 'is not given', fix)
    try:
        data = np.asarray(value)
        if data.dtype.kind not in 'biufc':
            data = np.asarray(data, float)
    except (TypeError, ValueError) as error:
        raise InputError(
            name, f'is of type {type(value).__name__}, which holds no image of numbers', fix
        ) from error
    if data.dtype.kind == 'c':
        raise InputError(
            name, 'holds complex numbers', 'give numpy.abs() of them as magnitude, and '
            'numpy.angle() as phase',
        )  # fmt: skip
    return np.array(data, dtype=dtype)


def _are_paths(value: Any) -> bool:
    several = isinstance(value, list | tuple) and bool(value)
    return several and all(isinstance(each, str | Path) for each in value)


def _stacked(name: str, images: Sequence[Given]) -> Given:
    """Echoes side by side."""
    for image in images[1:]:
        check_together(images[0], image)
    for image in images:
        if image.data.ndim != 3:
            raise InputError(
                image.name, f'has shape {image.data.shape}', 'give one image of three axes an echo'
            )
    first = images[0]
    label = first.name if first.affine is not None else name
    return Given(label, np.stack([image.data for image in images], axis=-1), first.affine)


def check_together(first: Given, second: Given) -> None:
    """Raise InputError where two images differ in shape or, where both have one, in place."""
    shape, other = first.data.shape[:3], second.data.shape[:3]
    if shape != other:
        raise InputError(
            second.name, f'has shape {other} but {first.name} has {shape}',
            'give images of one acquisition, all of one shape',
        )  # fmt: skip
    if first.affine is None or second.affine is None:
        return
    apart = largest_distance(first.affine, second.affine, shape)
    if not apart <= POSITION_TOLERANCE:
        raise InputError(
            second.name, f'is up to {apart:.2f} mm from {first.name}',
            'give images of one acquisition, all with one affine',
        )  # fmt: skip


def geometry(affine: ArrayLike | None, *images: Given | None) -> NDArray[np.float64] | None:
    """Voxel-to-world matrix (mm) that was given, else that of the first image that has one.

    Raises
    ------
    InputError
        It is no 4 x 4 matrix of numbers, or an image has another one.
    """
    placed = next((i for i in images if i is not None and i.affine is not None), None)
    known = placed.affine if placed else None
    if affine is None:
        return known
    try:
        matrix = np.asarray(affine, float)
    except (TypeError, ValueError):
        raise InputError('affine', f'is {affine!r}', 'give 4 x 4 numbers, mm') from None
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        told = (
            f'has shape {matrix.shape}'
            if matrix.shape != (4, 4)
            else 'holds values that are no numbers'
        )
        raise InputError('affine', told, 'give 4 x 4 numbers, mm')
    matrix = as_nifti(matrix)
    if placed is not None and known is not None:
        apart = largest_distance(known, matrix, placed.data.shape[:3])
        if not apart <= POSITION_TOLERANCE:
            told = f'is up to {apart:.2f} mm from {placed.name}'
            raise InputError('affine', told, 'leave it out')
    return matrix


def as_nifti(affine: ArrayLike) -> NDArray[np.float64]:
    """The matrix as NIfTI stores it, so that an array and its file give the same map."""
    return np.asarray(affine, np.float32).astype(np.float64)


def take_volume(name: str, value: Any, *, dtype: Any = np.float32) -> Given:
    """What `take` gives, of three axes; a fourth of length 1 is left away.

    Raises
    ------
    InputError
        As `take`, or it has other axes.
    """
    given = take(name, value, dtype=dtype)
    data = given.data
    if data.ndim == 4 and data.shape[3] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise InputError(given.name, f'has shape {data.shape}', 'give an image of three axes')
    return Given(given.name, data, given.affine)


def take_mask(name: str, value: Any) -> Given:
    """A mask as booleans.

    Raises
    ------
    InputError
        It holds values other than 0 and 1, or has more than three axes.
    """
    given = take_volume(name, value, dtype=None)
    data = given.data
    if data.dtype != bool and not np.isin(np.unique(data), (0, 1)).all():
        raise InputError(given.name, 'holds values other than 0 and 1', 'give a binary mask')
    return Given(given.name, data.astype(bool), given.affine)


def four_axes(given: Given) -> Given:
    """An image of one echo, or of several, as (x, y, z, echo).

    Raises
    ------
    InputError
        It has neither three nor four axes.
    """
    data = given.data[..., None] if given.data.ndim == 3 else given.data
    if data.ndim != 4:
        raise InputError(given.name, f'has shape {given.data.shape}', 'give (x, y, z, echo)')
    return Given(given.name, data, given.affine)
