"""Images on disk: whether they can be read, and whether two files share one grid."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..nodes.errors import InputError
from .files import check_regular, read_to_end
from .unchanged import UntilChanged

POSITION_TOLERANCE = 1e-2
"""Voxel centres of two images of one scan may differ by this much, mm (rounding in headers)."""

TRANSFORMS_MM = 1.0
"""From here on it is told that sform and qform of an image contradict each other, mm (by eye)."""

_DAMAGE = (OSError, EOFError, zlib.error, ValueError)


VOXEL_MM = (0.1, 20.0)
"""Edge lengths of voxels, mm, outside of which a header is taken to be wrong."""
FARTHEST_MM = 1e4
"""No voxel lies farther from the scanner's centre, mm."""
MOST_COMPRESSED = 1032
"""Bytes that one byte of a compressed file holds at most (deflate, RFC 1951)."""
_LEAST_SOLID = 0.1
"""Least volume of a voxel as a part of that of a box with its edges; 1 where axes are at right
angles."""


@dataclass(frozen=True)
class Header:
    """Shape and voxel-to-world matrix (mm) of an image on disk.

    Attributes
    ----------
    shape
        Voxels along each axis.
    affine
        Voxel-to-world matrix, mm.
    apart_mm
        How far apart the header's two transforms put a voxel at most; 0 where it has one.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    apart_mm: float = 0.0

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Edge lengths of a voxel, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


def _read_header(path: Path) -> Header:
    """Shape and affine of a NIfTI file; trailing axes of length one are dropped.

    Raises
    ------
    InputError
        The file is missing, empty, a git-annex or LFS pointer, too short for its voxels, or not
        an image of plain numbers; or its header does not tell where left and right are, or how
        large voxels are.
    """
    image = load_image(path)
    shape = tuple(image.shape)
    if min(shape, default=0) < 1:
        raise InputError(path, f'has shape {shape} by its header', 'copy or convert it again')
    _check_kind(path, image)
    _check_size(path, image)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    apart = _check_transforms(path, image.header, shape)
    header = Header(shape, np.asarray(image.affine, float), apart)
    _check_voxels(path, header)
    return header


read_header = UntilChanged(_read_header, 1 << 17)
"""As `_read_header`, whose results stay known while the files do not change."""


def _check_kind(path: Path, image: Any) -> None:
    """Refuse voxels that are no plain numbers, of which reading would keep a part in silence."""
    kind = image.get_data_dtype().kind
    if kind == 'c':
        fix = 'save part-mag and part-phase, or part-real and part-imag, as images of their own'
        raise InputError(path, 'holds complex numbers', fix)
    if kind not in 'biuf':
        raise InputError(path, 'holds colours, not measured values', 'convert it from the scan')


def _check_size(path: Path, image: Any) -> None:
    """Refuse a file too short for the voxels of its header, before memory is asked for them."""
    most = {'.nii': 1, '.gz': MOST_COMPRESSED}.get(path.suffix)
    needed = math.prod(image.shape) * image.get_data_dtype().itemsize
    size = path.stat().st_size
    if most is not None and image.dataobj.offset + needed > most * size:
        raise InputError(
            path,
            f'has {size} bytes, too few for the shape {tuple(image.shape)} of its header',
            'copy or convert it again',
        )


def position_warnings(path: Path) -> list[str]:
    """Tell that a header has two transforms that contradict each other."""
    apart = read_header(path).apart_mm
    if not apart > TRANSFORMS_MM:
        return []
    return [
        f'{path.name}: sform and qform put its voxels up to {apart:.1f} mm apart; sform is used.'
    ]


def _check_transforms(path: Path, header: Any, shape: tuple[int, ...]) -> float:
    """How far apart sform and qform put a voxel, mm; an image with neither is refused."""
    from nibabel.spatialimages import HeaderDataError

    if not hasattr(header, 'get_sform'):
        raise InputError(path, 'is no NIfTI image', 'convert it again, to NIfTI')
    try:
        sform, qform = (read(coded=True)[0] for read in (header.get_sform, header.get_qform))
    except (ValueError, HeaderDataError) as error:
        raise InputError(
            path, f'has a damaged orientation ({_one_line(error)})', 'convert it again'
        ) from error
    if sform is None and qform is None:
        raise InputError(
            path,
            'has sform_code 0 and qform_code 0, so that nothing tells left from right',
            'convert it again from DICOM, or write its true orientation into the header',
        )
    if sform is None or qform is None:
        return 0.0
    return largest_distance(sform, qform, shape)


def _check_voxels(path: Path, header: Header) -> None:
    low, high = VOXEL_MM
    size = header.voxel_mm
    where = header.affine[:3, 3]
    if not (np.abs(where) < FARTHEST_MM).all():
        shown = ', '.join(f'{value:g}' for value in where)
        raise InputError(path, f'lies at {shown} mm by its header', 'convert it again')
    if not all(low <= edge <= high for edge in size):
        shown = ' x '.join(f'{edge:.3g}' for edge in size)
        raise InputError(
            path,
            f'has voxels of {shown} mm by its header',
            f'correct the header, {low:g} to {high:g} mm are possible',
        )
    if abs(np.linalg.det(header.affine[:3, :3])) < _LEAST_SOLID * np.prod(size):
        raise InputError(path, 'has axes that lie in one plane by its header', 'convert it again')


def largest_distance(first: NDArray[Any], second: NDArray[Any], shape: Sequence[int]) -> float:
    """How far apart two voxel-to-world matrices put a voxel at most, mm along one axis."""
    # Both maps are affine, so no voxels lie further apart than those of a corner.
    size = (*shape, 1, 1)[:3]
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in size])).reshape(3, -1)
    homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.abs((first - second) @ homogeneous).max())


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
    except (
        nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError, *_DAMAGE
    ) as error:  # fmt: skip
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
        if Path(path).suffix != '.gz':
            return np.asanyarray(image.dataobj, dtype=dtype)
        with gzip.open(path) as stream:
            data = np.asanyarray(type(image).from_stream(stream).dataobj, dtype=dtype)
            read_to_end(stream)  # nibabel stops at the last voxel
            return data
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
    apart = largest_distance(first.affine, second.affine, first.shape)
    if not apart <= POSITION_TOLERANCE:
        raise InputError(
            other,
            f'is up to {apart:.2f} mm from {reference.name}, although both have the same shape',
            'give images of one acquisition, all with one affine',
        )


def _is_nifti(start: bytes) -> bool:
    """Whether a file begins with the size of a NIfTI header, of either version or byte order."""
    return start[:4] in {n.to_bytes(4, order) for n in (348, 540) for order in ('little', 'big')}


def _check_fetched(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise InputError(
            path,
            'is a link to content that has not been downloaded',
            'download it with `datalad get` or `git annex get`',
        )
    check_regular(path)
    try:
        size = path.stat().st_size
        with path.open('rb') as stream:
            start = stream.read(64)
    except OSError as error:
        raise InputError(path, f'cannot be opened ({error.strerror})', 'check the path') from error
    if size == 0:
        raise InputError(path, 'is empty', 'copy or convert it again')
    packed = start.startswith(b'\x1f\x8b')
    named = {'.gz': True, '.nii': False}.get(path.suffix, packed)
    if packed != named and (packed or _is_nifti(start)):
        kind, suffix = ('compressed', '.nii.gz') if packed else ('not compressed', '.nii')
        raise InputError(path, f'is {kind}', f'let its name end in {suffix}')
    if start.startswith(b'version https://git-lfs') or b'annex/objects' in start:
        raise InputError(
            path,
            'is a pointer to an image that has not been downloaded',
            'download it with `git lfs pull` or `git annex get`',
        )
