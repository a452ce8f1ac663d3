"""Files of an export, wherever they lie: in folders, behind links, in archives of archives."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ...nodes.errors import InputError

_ARCHIVES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.xz', '.tar.bz2')
_SINGLE = ('.dcm.gz', '.ima.gz')
_UNPACKING = (
    OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, tarfile.TarError,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What damaged, encrypted and unknown archives raise."""


def find_files(folder: Path, scratch: Path) -> list[tuple[Path, str]]:
    """Files of a folder or archive, and the first folder or archive below it that holds each.

    Parameters
    ----------
    folder
        Searched with all its folders; archives in it, and in these, are unpacked.
    scratch
        Where to.

    Returns
    -------
    list of tuple
        File, and the name of what holds it; empty where it lies directly below `folder`.

    Raises
    ------
    InputError
        There is nothing, or an archive cannot be read.
    """
    if not folder.exists():
        raise InputError(folder, 'does not exist', 'give a folder or archive of DICOM files')
    return [(p, names[0] if len(names) > 1 else '') for p, names in _files(folder, scratch)]


def _files(place: Path, scratch: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Files with the names that lead to them from a folder or an archive."""
    for path in [place] if place.is_file() else _below(place):
        names = () if path == place else path.relative_to(place).parts
        if path.name.casefold().endswith((*_ARCHIVES, *_SINGLE)):
            target = Path(tempfile.mkdtemp(dir=scratch))
            for inside, deeper in _files(_unpack(path, target), scratch):
                yield inside, names + deeper
        else:
            yield path, names


def _below(folder: Path) -> list[Path]:
    """Files in all folders below, also where links lead to these; each folder once."""
    found, seen = [], set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()  # of two ways to a folder always the same is taken
        found += [Path(here, name) for name in names]
    return sorted(path for path in found if path.is_file())


def _unpack(path: Path, target: Path) -> Path:
    """Folder of what an archive holds; the file where one alone is compressed."""
    try:
        if path.suffix.casefold() == '.zip':
            with zipfile.ZipFile(path) as archive:
                archive.extractall(target)
        elif path.name.casefold().endswith(_ARCHIVES):
            with tarfile.open(path) as pack:
                pack.extractall(target, filter='data')
        else:
            target /= path.stem
            with gzip.open(path) as packed, target.open('wb') as plain:
                shutil.copyfileobj(packed, plain)
    except _UNPACKING as error:
        raise InputError(
            path, f'cannot be unpacked ({error})', 'pack it again, or give its folder'
        ) from error
    return target
