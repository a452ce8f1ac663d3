"""Where libraries keep what they have compiled, where neither program nor home may be written."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def place_caches() -> None:
    """Give Numba and Matplotlib a temporary folder where they have no other.

    Numba refuses to work without one; what it compiles is kept for the next run of this user.
    Variables that are set (`NUMBA_CACHE_DIR`, `MPLCONFIGDIR`) stay as they are. A container names
    in `NIGRA_COMPILED` what its making has compiled; that is copied to the temporary folder, since
    Numba uses only what it may write to.
    """
    compiled_already = Path(os.environ.get('NIGRA_COMPILED', ''))
    if 'NUMBA_CACHE_DIR' not in os.environ and compiled_already.is_absolute():
        os.environ['NUMBA_CACHE_DIR'] = str(_copied(compiled_already))
    home = Path(os.environ.get('XDG_CACHE_HOME') or Path('~/.cache').expanduser())
    compiled = (_PACKAGE / 'nodes' / '__pycache__', home / 'numba')
    for variable, places in (
        ('NUMBA_CACHE_DIR', compiled),
        ('MPLCONFIGDIR', (home / 'matplotlib',)),
    ):
        if variable not in os.environ and not any(map(_writable, places)):
            os.environ[variable] = str(_temporary() / variable.lower())


def _copied(compiled: Path) -> Path:
    """The copy of what is compiled, one for each version of nigra; whole from the first moment."""
    from .. import __version__

    target = _temporary() / f'numba-{__version__}'
    if not target.exists() and compiled.is_dir():
        scratch = Path(tempfile.mkdtemp(dir=target.parent))
        shutil.copytree(compiled, scratch / 'numba', copy_function=shutil.copyfile)
        with contextlib.suppress(OSError):  # another process was faster
            (scratch / 'numba').rename(target)
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _temporary() -> Path:
    """A folder for this user alone: what lies in it will be run."""
    if not hasattr(os, 'getuid'):
        return Path(tempfile.mkdtemp(prefix='nigra-cache-'))
    version = f'{sys.version_info.major}.{sys.version_info.minor}'
    folder = Path(tempfile.gettempdir()) / f'nigra-cache-{os.getuid()}-{version}'
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if own and not status.st_mode & 0o077:
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix='nigra-cache-'))
