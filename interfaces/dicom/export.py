"""All images of an export, and what of it cannot be read and is left out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...nodes.errors import InputError, NigraError, one_line
from .headers import read_frames
from .series import Frame
from .unpack import find_files


@dataclass(frozen=True)
class LeftOut:
    """An archive or files of a folder that cannot be read, or a person who is left out.

    Attributes
    ----------
    name
        Its place below the export, with the number of others of its folder.
    reason
        Why.
    sentence
        All of it, with what to do.
    """

    name: str
    reason: str
    sentence: str

    @classmethod
    def somebody(cls, error: InputError) -> LeftOut:
        """A person, of whom an error tells."""
        return cls(one_line(error.where), one_line(error.problem), f'{error} Left out until then.')


@dataclass(frozen=True)
class Export:
    """What an export holds.

    Attributes
    ----------
    frames
        All images.
    left_out
        What cannot be read.
    places
        Where the user finds each file, by where it can be read.
    """

    frames: Sequence[Frame]
    left_out: Sequence[LeftOut]
    places: Mapping[str, Path]

    def shown(self, error: NigraError) -> NigraError:
        """An error that names a file where the user finds it, not where it was unpacked."""
        if isinstance(error, InputError) and error.where in self.places:
            return InputError(self.places[error.where], error.problem, error.fix)
        return error


def read_export(dicom_dir: Path, scratch: Path, tell: Callable[[str], None]) -> Export:
    """Headers of all images of a folder or archive.

    Parameters
    ----------
    dicom_dir
        Searched with all below it.
    scratch
        Folder for what is unpacked.
    tell
        Called with a sentence on what is done or passed over.

    Raises
    ------
    InputError
        There are no images.
    """
    unpacked = scratch / 'unpacked'
    unpacked.mkdir()
    files, broken = find_files(dicom_dir, unpacked)
    tell(f'reading the headers of {len(files)} files')
    frames: list[Frame] = []
    passed: list[Path] = []
    damaged = {Path(error.where): [error] for error in broken}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of values that break rules of DICOM, as many do
        for file in files:
            try:
                held = read_frames(file.path, file.top)
            except InputError as error:
                shown = InputError(file.shown, error.problem, error.fix)
                damaged.setdefault(file.shown.parent, []).append(shown)
                continue
            frames += held
            if not held:
                passed.append(file.path)
    if not frames:
        _refuse(dicom_dir, len(files), passed, damaged)
    if passed:
        names = _some(passed)
        tell(f'passed over, as they hold no DICOM image with a position: {len(passed)} ({names})')
    left_out = [_left_out(errors, dicom_dir) for errors in damaged.values()]
    return Export(frames, left_out, {str(file.path): file.shown for file in files})


def _refuse(
    dicom_dir: Path, count: int, passed: Sequence[Path], damaged: Mapping[Path, list[InputError]]
) -> None:
    for errors in damaged.values():
        raise errors[0]
    raise InputError(
        dicom_dir,
        f'has {count} files but no DICOM images ({_some(passed)})',
        'give the folder of the export, unpacked',
    )


def _left_out(errors: Sequence[InputError], dicom_dir: Path) -> LeftOut:
    """The first of some errors of one folder, and how many there are."""
    first, more = errors[0], len(errors) - 1
    where = Path(first.where)
    name = where.relative_to(dicom_dir) if where != dicom_dir else Path(where.name)
    others = f' (+{more})' if more else ''
    told = (
        f'It is left out, and so are {more} others of its folder.' if more else 'It is left out.'
    )
    return LeftOut(one_line(f'{name}{others}'), one_line(first.problem), f'{first} {told}')


def _some(paths: Sequence[Path]) -> str:
    """Names of the first of many files."""
    names = [path.name for path in paths]
    return one_line(', '.join(names[:3])) + (', ...' if len(names) > 3 else '')
