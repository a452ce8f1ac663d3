"""Files of a BIDS data set, chosen by the entities in their names; filters that users give."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from .files import read_json
from .names import io_spec


@dataclass(frozen=True)
class BidsFile:
    """A file and the entities in its name, written as they stand there (`run-01` keeps its 0)."""

    path: Path
    entities: Mapping[str, str]

    def get(self, entity: str) -> str | None:
        """Value of an entity by its short name; None where the file's name lacks it."""
        return self.entities.get(entity)

    def labelled(self, entity: str) -> str | None:
        """An entity with its key, such as `ses-1`; None where the file's name lacks it."""
        value = self.get(entity)
        return f'{entity}-{value}' if value else None

    @property
    def run_prefix(self) -> str:
        """The name up to the entities of a single echo or part, such as `sub-01_ses-1_run-1`."""
        return '_'.join(filter(None, map(self.labelled, io_spec()['run_entities'])))


def list_files(folder: Path, places: Sequence[str] = ('anat', 'ses-*/anat')) -> list[BidsFile]:
    """Images in the `anat` folders of a participant, or in other places, sorted by path."""
    import bids2table

    # bids2table could index whole data sets, but rejects a folder with a dot in its name. Hidden
    # files are no images: macOS leaves `._NAME` beside each on drives of other systems.
    paths = sorted(p for place in places for p in folder.glob(f'{place}/[!.]*.nii*'))
    return [BidsFile(path, bids2table.parse_bids_entities(path)) for path in paths]


def select(files: Iterable[BidsFile], query: str, extra: Mapping[str, Any]) -> list[BidsFile]:
    """Files that match a query of `io_spec` and further entities.

    Parameters
    ----------
    files
        To choose from.
    query
        Its name in `io_spec`.
    extra
        Values by short entity name: one value, a list of alternatives, or None for "absent".
        Numbers match whatever their leading zeros.
    """
    wanted = {**io_spec()['queries'][query], **extra}
    return [f for f in files if all(_matches(f.get(key), value) for key, value in wanted.items())]


def _matches(value: str | None, wanted: Any) -> bool:
    if wanted is None:
        return value is None
    options = wanted if isinstance(wanted, list) else [wanted]
    return value in options or (
        value is not None
        and value.isdigit()
        and any(str(o).isdigit() and int(o) == int(value) for o in options)
    )


def load_filters(path: Path | None) -> dict[str, dict[str, Any]]:
    """Read a BIDS filter file: `{"t1w": {...}, "gre": {...}}`, entities by long or short name.

    Raises
    ------
    InputError
        The file is not JSON, has another structure, or names an entity that BIDS does not know.
    """
    if path is None:
        return {}
    filters = read_json(path)
    queries = io_spec()['queries']
    valid = isinstance(filters, dict) and all(
        name in queries and isinstance(query, dict) for name, query in filters.items()
    )
    if not valid:
        raise InputError(
            path,
            f'contains {json.dumps(filters)[:80]}',
            f'write one JSON object whose keys are among {", ".join(queries)}, '
            'each with an object of entities',
        )
    return {name: _short_names(path, name, query) for name, query in filters.items()}


def _short_names(path: Path, name: str, query: Mapping[str, Any]) -> dict[str, Any]:
    names = io_spec()['entity_names']
    for key in query:
        if key not in names and key not in names.values():
            known = (s if s == long else f'{s} ({long})' for long, s in names.items())
            raise InputError(
                path,
                f'has under "{name}" the unknown entity "{key}"',
                f'use one of {", ".join(known)}',
            )
    return {names.get(key, key): value for key, value in query.items()}


def with_key(key: str, labels: Sequence[str]) -> list[str]:
    """Labels as users give them, with or without their key, as keyed labels.

    Examples
    --------
    >>> with_key('sub', ['01', 'sub-02'])
    ['sub-01', 'sub-02']
    """
    return [f'{key}-{label.removeprefix(f"{key}-")}' for label in labels]
