"""Read and write files; a final name always means a complete file."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..nodes.errors import InputError

_GZIP = 16 + zlib.MAX_WBITS
"""Tells zlib to write the header of gzip, and to look back as far as it can."""
_RANDOM = 8
"""Letters that `tempfile` adds to a prefix."""


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Temporary path in the same folder that takes the final name when the block succeeds.

    The temporary name is hidden and keeps the suffix, so that writers that look at it (nibabel,
    ITK) choose the right format. After an exception the temporary file is gone and a file that
    had the final name before is untouched.

    Raises
    ------
    InputError
        The folder cannot be written to or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_unfinished(path), dir=path.parent))
    except OSError as error:
        raise cannot_write(path, error) from error
    temporary = folder / path.name
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unfinished(path: Path) -> str:
    """How the names of temporary folders for a file begin; they tell whose they are."""
    return f'.part-{path.name[:200]}-'


def make_private(folder: Path) -> None:
    """Create a folder for this user alone, or make sure that nobody else can change it.

    What Nipype keeps in its working folder is run when it is read (pickles).

    Raises
    ------
    InputError
        The folder is another user's or may be changed by others, or cannot be created.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir(mode=0o700)
            return
        except FileExistsError:
            there = folder.lstat()
        # what a new folder looks like here: some file systems know no owners and no permissions
        with tempfile.TemporaryDirectory(prefix='.part-', dir=folder.parent) as fresh:
            own = os.stat(fresh)
    except OSError as error:
        raise cannot_write(folder, error) from error
    owned = stat.S_ISDIR(there.st_mode) and there.st_uid == own.st_uid
    if not owned or there.st_mode & ~own.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InputError(
            folder,
            'may be changed by other users, and what lies in it would be run',
            'remove it, or give another --work-dir',
        )


def remove_unfinished(path: str | Path) -> None:
    """Remove what writers that were killed have left of a file; nobody may be writing it.

    Parameters
    ----------
    path
        Final path; its last part may be a pattern.
    """
    path = Path(path)
    for folder in path.parent.glob(_unfinished(path) + '?' * _RANDOM):
        shutil.rmtree(folder, ignore_errors=True)


def cannot_write(path: Path, error: OSError) -> InputError:
    """The error that tells why a file cannot be written."""
    reason = error.strerror or str(error)
    return InputError(path, f'cannot be written ({reason})', 'check permissions and free space')


def save_image(
    data: ArrayLike, affine: ArrayLike, path: str | Path, *, dtype: Any = np.float32,
    orientation: str = '', units: Sequence[str] = ('mm',), compression: int = 1,
) -> Path:  # fmt: skip
    """Save an array as NIfTI with unit scaling and both transforms set.

    The same content gives the same bytes: compressed files carry no time stamp and no name.

    Parameters
    ----------
    data
        Array (x, y, z) or (x, y, z, echo); booleans become uint8 by `dtype`.
    affine
        Voxel-to-world matrix, mm.
    path
        Final name, `.nii` or `.nii.gz`.
    dtype
        Type on disk.
    orientation
        Axis codes in which the array is stored, such as `LPS`; as it comes if empty.
    units
        Unit of length, and that of time if there is one.
    compression
        Level for `.nii.gz`, see `packed`: 1 is fast, 9 is small.
    """
    import nibabel as nib

    image = nib.Nifti1Image(np.asarray(data).astype(dtype, copy=False), np.asarray(affine, float))
    if orientation:
        target = nib.orientations.axcodes2ornt(orientation)
        stored = nib.io_orientation(image.affine)
        image = image.as_reoriented(nib.orientations.ornt_transform(stored, target))
    image.header.set_data_dtype(dtype)
    image.header.set_xyzt_units(*units)
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    with atomic_path(path) as temporary, temporary.open('wb') as stream:
        if temporary.suffix == '.gz':
            whole = io.BytesIO()
            image.to_stream(whole)
            stream.write(packed(whole.getbuffer(), compression))
        else:
            image.to_stream(stream)
    return Path(path)


def packed(content: bytes | memoryview, level: int = 1) -> bytes:
    """Bytes of an image as gzip, without a time stamp.

    Notes
    -----
    Level 1 looks for runs of one byte and for nothing else: maps, masks and labels, which repeat
    little but their background, get smaller than by gzip's own level 1, in half the time; a
    whole T1w image gets up to a sixth larger.
    """
    strategy = zlib.Z_RLE if level == 1 else zlib.Z_DEFAULT_STRATEGY
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP, zlib.DEF_MEM_LEVEL, strategy)
    return packer.compress(content) + packer.flush()


def sidecar_of(image: Path) -> Path:
    """The JSON file beside an image.

    Examples
    --------
    >>> sidecar_of(Path('sub-01_T1w.nii.gz')).name, sidecar_of(Path('phase.nii')).name
    ('sub-01_T1w.json', 'phase.json')
    """
    return image.with_name(image.name.removesuffix('.gz').removesuffix('.nii') + '.json')


def data_text(name: str) -> str:
    """Content of a file of the package, in `data`."""
    return (resources.files('nigra.data') / name).read_text(encoding='utf-8')


def check_regular(path: Path) -> None:
    """Refuse what is there and no file, such as a pipe, whose end a reader would wait for.

    Raises
    ------
    InputError
        It is a pipe, a socket or a device.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(path, 'is no file but a pipe or a device', 'put the file there')


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises
    ------
    InputError
        The file cannot be opened or is not JSON.
    """
    check_regular(path)
    try:
        return json.loads(path.read_text(encoding='utf-8-sig'))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f'cannot be read as JSON ({error})', 'correct the file') from error


def read_json_object(path: Path, fix: str) -> dict[str, Any]:
    """Content of a JSON file that must hold names and values; `fix` tells what to write there.

    Raises
    ------
    InputError
        As `read_json`, or it holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(path, 'is no JSON object', fix)
    return content


def read_to_end(stream: gzip.GzipFile) -> None:
    """Read what is left, so that the check sum at the end of a compressed file is looked at."""
    while stream.read(1 << 20):
        pass


def save_json(content: Mapping[str, Any], path: str | Path) -> Path:
    """Save a mapping as indented JSON; NumPy scalars, arrays and paths become plain values."""
    text = json.dumps(content, indent=2, default=_as_json, ensure_ascii=False)
    return save_text(text + '\n', path)


def save_text(text: str, path: str | Path) -> Path:
    """Save text as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
    return Path(path)


def copy_file(source: str | Path, path: str | Path) -> Path:
    """Copy a file to its final name."""
    with atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)
    return Path(path)


def _as_json(value: Any) -> Any:
    """Plain value of what the JSON writer does not know."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | set | frozenset):
        return list(value)
    return str(value)
