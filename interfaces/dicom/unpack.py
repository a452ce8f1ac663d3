"""Files of an export, wherever they lie: in folders, behind links, in archives of archives."""

from __future__ import annotations

import errno
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...nodes.errors import InputError

_ARCHIVES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.xz', '.tar.bz2')
_SINGLE = ('.dcm.gz', '.ima.gz')
_OTHERS = ('.7z', '.rar', '.iso', '.tar.zst', '.tzst', '.tar.lz', '.tar.z', '.zipx')
"""Archives that Python's library does not unpack."""
_UNPACKING = (
    OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, tarfile.TarError,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What damaged, encrypted and unknown archives raise."""


@dataclass(frozen=True)
class Found:
    """A file of an export.

    Attributes
    ----------
    path
        Where it can be read; of what was unpacked a temporary place.
    shown
        Where the user finds it, archives on the way taken for folders.
    top
        First folder or archive below the export that holds it; empty where it lies directly there.
    """

    path: Path
    shown: Path
    top: str = ''


def find_files(folder: Path, scratch: Path) -> tuple[list[Found], list[InputError]]:
    """Files of a folder or archive, and what is wrong with archives that are left out.

    Parameters
    ----------
    folder
        Searched with all its folders; archives in it, and in these, are unpacked.
    scratch
        Where to.

    Returns
    -------
    list of Found
        All files, none of an archive that is not whole.
    list of InputError
        One for each archive that cannot be unpacked.

    Raises
    ------
    InputError
        There is nothing, or no room to unpack.
    """
    if not folder.exists():
        raise InputError(folder, 'does not exist', 'give a folder or archive of DICOM files')
    found: list[Found] = []
    left_out: list[InputError] = []
    for item, names in _files(folder, scratch, folder):
        if isinstance(item, InputError):
            left_out.append(item)
        else:
            found.append(Found(item, folder.joinpath(*names), names[0] if len(names) > 1 else ''))
    return found, left_out


def _files(
    place: Path, scratch: Path, shown: Path
) -> Iterator[tuple[Path | InputError, tuple[str, ...]]]:
    """Files, or errors, with the names that lead to them from a folder or an archive."""
    for path in [place] if place.is_file() else _below(place):
        names = () if path == place else path.relative_to(place).parts
        lower = path.name.casefold()
        here = shown.joinpath(*names)
        if lower.endswith((*_ARCHIVES, *_SINGLE)):
            target = Path(tempfile.mkdtemp(dir=scratch))
            try:
                inside = _unpack(path, target)
            except _UNPACKING as error:
                shutil.rmtree(target, ignore_errors=True)  # half of it would pass for the whole
                yield _refusal(error, here, scratch), names
                continue
            for item, deeper in _files(inside, scratch, here):
                yield item, names + deeper
        elif lower.endswith(_OTHERS):
            what = f'is an archive of a kind that is not unpacked here ({path.suffix})'
            yield InputError(here, what, 'unpack it and give its folder'), names
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
    if path.suffix.casefold() == '.zip':
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target)
    elif path.name.casefold().endswith(_ARCHIVES):
        with tarfile.open(path) as pack:
            pack.extractall(target, filter='data')
            _check_end(pack)
    else:
        target /= path.stem
        with gzip.open(path) as packed, target.open('wb') as plain:
            shutil.copyfileobj(packed, plain)
    return target


def _check_end(pack: tarfile.TarFile) -> None:
    """Raise where a tar does not end in zeros: a cut or damaged header passes for its end."""
    stream = pack.fileobj
    if stream is None:
        return
    whole = stream.tell() >= pack.offset + tarfile.BLOCKSIZE
    while rest := stream.read(1 << 20):
        whole &= not rest.strip(b'\0')
    if not whole:
        raise tarfile.ReadError('it is cut short, or damaged within')


def _refusal(error: Exception, shown: Path, scratch: Path) -> InputError:
    """Why an archive is left out; raises where no other could be unpacked, either."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise InputError(
            scratch, f'has no room to unpack {shown}', 'set TMPDIR to a folder with more'
        ) from error
    why = error.strerror if isinstance(error, OSError) and error.strerror else error
    fix = 'pack it again, or unpack it and give its folder'
    return InputError(shown, f'cannot be unpacked ({why})', fix)
