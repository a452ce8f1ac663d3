"""Images on disk: whether they can be read, and whether two files share one grid."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..nodes.errors import InputError

POSITION_TOLERANCE = 1e-2
"""Voxel centres of two images of one scan may differ by this much, mm (rounding in headers)."""


_DAMAGE = (OSError, EOFError, zlib.error, ValueError)


@dataclass(frozen=True)
class Header:
    """Shape and voxel-to-world matrix (mm) of an image on disk."""

    shape: tuple[int, ...]
    affine: np.ndarray


def read_header(path: Path) -> Header:
    """Shape and affine of a NIfTI file; trailing axes of length one are dropped.

    Raises
    ------
    InputError
        The file is missing, empty, a git-annex or LFS pointer, or not an image.
    """
    image = load_image(path)
    shape = tuple(image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return Header(shape, np.asarray(image.affine, float))


def load_image(path: str | Path) -> Any:
    """Nibabel image whose header is read; its voxels are not.

    Raises
    ------
    InputError
        The file is missing, empty, a git-annex or LFS pointer, or not an image.
    """
    import nibabel as nib

    _check_fetched(Path(path))
    try:
        return nib.load(path)
    except (nib.filebasedimages.ImageFileError, *_DAMAGE) as error:
        raise InputError(
            path, f'cannot be read as NIfTI ({_one_line(error)})', 'copy or convert it again'
        ) from error


def load_data(path: str | Path, *, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Scaled voxels of an image on disk.

    Parameters
    ----------
    path
        NIfTI file.
    dtype
        Of the result; as stored, or double precision where the header scales, if absent.

    Raises
    ------
    InputError
        As `load_image`; or the file ends too early or its compression is damaged.
    """
    image = load_image(path)
    try:
        return np.asanyarray(image.dataobj, dtype=dtype)
    except _DAMAGE as error:
        raise InputError(
            path, f'cannot be read to its end ({_one_line(error)})', 'copy or convert it again'
        ) from error


def _one_line(error: Exception) -> str:
    return ' '.join(str(error).split()).rstrip('.')


def check_same_grid(reference: Path, other: Path) -> None:
    """Raise InputError where two images differ in shape or position."""
    first, second = read_header(reference), read_header(other)
    if first.shape[:3] != second.shape[:3]:
        raise InputError(
            other,
            f'has shape {second.shape} but {reference.name} has {first.shape}',
            'give images of one acquisition, all of one shape',
        )
    # Both maps are affine, so no voxels lie further apart than those of a corner.
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in first.shape[:3]])).reshape(3, -1)
    homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
    apart = np.abs((first.affine - second.affine) @ homogeneous).max()
    if not apart <= POSITION_TOLERANCE:
        raise InputError(
            other,
            f'is up to {apart:.2f} mm from {reference.name}, although both have the same shape',
            'give images of one acquisition, all with one affine',
        )


def _check_fetched(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise InputError(
            path,
            'is a link to content that has not been downloaded',
            'download it with `datalad get` or `git annex get`',
        )
    try:
        size = path.stat().st_size
        with path.open('rb') as stream:
            start = stream.read(64)
    except OSError as error:
        raise InputError(path, f'cannot be opened ({error.strerror})', 'check the path') from error
    if size == 0:
        raise InputError(path, 'is empty', 'copy or convert it again')
    if start.startswith(b'version https://git-lfs') or b'annex/objects' in start:
        raise InputError(
            path,
            'is a pointer to an image that has not been downloaded',
            'download it with `git lfs pull` or `git annex get`',
        )
