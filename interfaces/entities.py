"""Whether names of folders and images are such that names of results can be made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..nodes.errors import InputError
from .queries import BidsFile

_FOLDER = re.compile(r'(sub|ses)-[A-Za-z0-9]+')
_LABEL = re.compile(r'[A-Za-z0-9+]+')
_NUMBER = re.compile(r'[0-9]+')
_LONGEST = 160
"""Letters of a run's entities, so that what follows them in names of results has room in the 255
that file systems allow."""


def check_entities(folder: Path, files: Iterable[BidsFile]) -> None:
    """Refuse names that BIDS does not allow, and images that lie with another participant.

    Parameters
    ----------
    folder
        Of the participant.
    files
        Its images that are going to be used.

    Raises
    ------
    InputError
        A label has other characters than letters and digits, an entity stands twice, the
        entities are too long, or a name contradicts the folder.
    """
    _check_folder(folder, folder)
    for file in files:
        session = next((p for p in file.path.relative_to(folder).parts if p[:4] == 'ses-'), None)
        if session:
            _check_folder(folder / session, file.path)
        _check_name(file)
        for entity, own in (('sub', folder.name), ('ses', session)):
            if file.labelled(entity) != own:
                raise InputError(
                    file.path,
                    f'has {file.labelled(entity) or f"no {entity}-"} in its name but lies in '
                    f'{own or folder.name}',
                    'move it to where it belongs, or rename it',
                )


def _check_folder(folder: Path, where: Path) -> None:
    if not _FOLDER.fullmatch(folder.name):
        raise InputError(
            where,
            f'has the label {folder.name.split("-", 1)[-1]!r}',
            'use letters and digits only, in the folder and in all names of images',
        )


def _check_name(file: BidsFile) -> None:
    name = file.path.name
    for entity, value in file.entities.items():
        if entity in ('datatype', 'suffix', 'ext'):
            continue
        number = entity in ('echo', 'run')
        if not (_NUMBER if number else _LABEL).fullmatch(value):
            kind = 'digits' if number else 'letters and digits'
            raise InputError(file.path, f'has {entity}-{value} in its name', f'use {kind} only')
        if len(re.findall(rf'(?:^|_){re.escape(entity)}-', name)) > 1:
            raise InputError(file.path, f'has {entity}- twice in its name', 'take one out')
    if len(file.run_prefix) > _LONGEST:
        raise InputError(
            file.path,
            f'has entities of {len(file.run_prefix)} letters, too many for names of results',
            f'shorten its labels, to {_LONGEST} in all',
        )
