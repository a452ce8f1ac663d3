"""Where libraries keep what they have compiled, where neither program nor home may be written."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def place_caches() -> None:
    """Give Numba and Matplotlib a temporary folder where they have no other.

    Numba refuses to work without one; what it compiles is kept for the next run of this user.
    Variables that are set (`NUMBA_CACHE_DIR`, `MPLCONFIGDIR`) stay as they are.
    """
    home = Path(os.environ.get('XDG_CACHE_HOME') or Path('~/.cache').expanduser())
    compiled = (_PACKAGE / 'nodes' / '__pycache__', home / 'numba')
    for variable, places in (
        ('NUMBA_CACHE_DIR', compiled),
        ('MPLCONFIGDIR', (home / 'matplotlib',)),
    ):
        if variable not in os.environ and not any(map(_writable, places)):
            os.environ[variable] = str(_temporary() / variable.lower())


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
