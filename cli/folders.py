"""Whether output and working folder can serve, before anything is computed."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from ..nodes.errors import InputError, one_line
from .checks import is_own_output
from .settings import Settings

_NOT_FOR_ANTS = ',[]'
"""What ANTs cannot read in a path, nor Nipype where it looks for what it has cached."""
_STEERING = ('Cc', 'Cs', 'Zl', 'Zp')
"""Unicode's classes of line breaks, control characters and broken letters."""
_TOLERATED = {'logs', 'work', 'lost+found', 'Thumbs.db', 'desktop.ini'}
"""What may lie in a new output folder: made by schedulers and file systems."""


def check_places(settings: Settings) -> None:
    """Refuse an output folder with the files of others, and a working folder ANTs cannot use.

    Raises
    ------
    InputError
        One of them; nothing has been written.
    """
    for name, folder in (('OUTPUT_DIR', settings.output_dir), ('--work-dir', settings.scratch)):
        _check_signs(name, folder)
    if 'participant' in settings.levels:
        _check_empty(settings)
    bad = sorted(set(_NOT_FOR_ANTS) & set(str(settings.scratch.resolve())))
    if bad:
        raise InputError(
            f'working folder {settings.scratch}',
            f'has {" ".join(bad)} in its path, which ANTs cannot read',
            'give a --work-dir without (the other folders may keep it)',
        )


def _check_signs(name: str, folder: Path) -> None:
    """Refuse a path with line breaks and the like, at which tables, logs and programs break."""
    bad = [sign for sign in str(folder) if unicodedata.category(sign) in _STEERING]
    if bad:
        raise InputError(
            f'{name} {folder}',
            f'has {one_line(bad[0])} in its path, a line break or other sign that does not print',
            'give a folder without',
        )


def _check_empty(settings: Settings) -> None:
    """An output folder is new, empty or of an earlier run."""
    folder = settings.output_dir
    if not folder.is_dir() or is_own_output(folder):
        return
    own = {*_TOLERATED, *_below(settings.scratch, folder)}
    foreign = [p.name for p in folder.iterdir() if p.name not in own and p.name[0] != '.']
    if foreign and not is_own_output(folder):  # another run may have described it meanwhile
        first, others = min(foreign), len(foreign) - 1
        raise InputError(
            folder,
            f'holds files that nigra did not make ({first}{f" and {others} more" * bool(others)})',
            'give a new or empty folder, or that of an earlier run',
        )


def _below(path: Path, folder: Path) -> tuple[str, ...]:
    """First part of a path inside a folder; nothing outside."""
    path, folder = path.resolve(), folder.resolve()
    return path.relative_to(folder).parts[:1] if path.is_relative_to(folder) else ()
