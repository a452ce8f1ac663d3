"""What a data set's files have told, kept between runs, so that only those that changed are read.

The index lies with the derivatives, never with the data.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from .bids import Visit, find_visits
from .files import atomic_path
from .headers import Header, read_header
from .scans import GreScan
from .unchanged import State, state_of

WORTH = 50
"""Participants from which on an index is kept; fewer are read as quickly."""


class Index:
    """Visits of a data set's participants, of whom only those whose files changed are read anew.

    Parameters
    ----------
    bids_dir
        Root of the data set.
    path
        File of the index; what cannot be read there is made anew.
    sessions, filters
        As in `bids.find_visits`.
    version
        Of nigra.
    """

    def __init__(
        self,
        bids_dir: Path,
        path: Path,
        *,
        sessions: Sequence[str],
        filters: Mapping[str, Mapping[str, Any]],
        version: str,
    ) -> None:
        self._bids_dir, self._path = bids_dir, path
        self._asked: dict[str, Any] = {'sessions': sessions, 'filters': filters}
        above = [[name, *state] for name, state in _files(bids_dir, ending='.json')]
        text = json.dumps([str(bids_dir), version, self._asked, above])
        self._key = hashlib.sha256(text.encode()).hexdigest()
        self._kept = _read(path, self._key)
        self._changed = False

    def find(self, participant_id: str) -> tuple[Visit, ...]:
        """As `bids.find_visits`.

        Raises
        ------
        InputError
            As there; such a participant is read at every run.
        """
        states = dict(_images_and_sidecars(self._bids_dir / participant_id))
        stamp = hashlib.sha256(json.dumps(sorted(states.items())).encode()).hexdigest()
        kept = self._kept.get(participant_id, ('', ''))
        if kept[0] == stamp:
            return self._restore(json.loads(kept[1]), states)
        visits = find_visits(self._bids_dir, participant_id, **self._asked)
        self._kept[participant_id] = stamp, json.dumps(self._record(visits))
        self._changed = True
        return visits

    def save(self) -> None:
        """Write the index, if anything in it has changed."""
        if not self._changed:
            return
        with (
            atomic_path(self._path) as temporary,
            gzip.open(temporary, 'wt', compresslevel=1, encoding='utf-8') as stream,
        ):
            stream.write(f'{self._key}\n')
            stream.writelines(f'{who}\t{a}\t{b}\n' for who, (a, b) in sorted(self._kept.items()))
        self._changed = False

    def _record(self, visits: Sequence[Visit]) -> dict[str, Any]:
        """Visits and the headers that are asked for, with names below the data set."""
        paths = [path for v in visits for path in (v.t1w, *(s.phase[0] for s in v.scans))]
        headers = {self._name(path): read_header(path) for path in paths}
        return {
            'Visits': [_plain(asdict(visit), self._name) for visit in visits],
            'Headers': {
                name: [header.shape, header.affine.tolist(), header.apart_mm]
                for name, header in headers.items()
            },
        }

    def _restore(
        self, record: Mapping[str, Any], states: Mapping[str, State]
    ) -> tuple[Visit, ...]:
        for name, (shape, affine, apart) in record['Headers'].items():
            header = Header(tuple(shape), np.array(affine), apart)
            read_header.keep(self._path_of(name), states[self._path_of(name)], header)
        return tuple(self._visit(content) for content in record['Visits'])

    def _visit(self, content: Mapping[str, Any]) -> Visit:
        scans = [
            GreScan(**{
                **scan,
                'magnitude': tuple(Path(self._path_of(name)) for name in scan['magnitude']),
                'phase': tuple(Path(self._path_of(name)) for name in scan['phase']),
                'echo_times': tuple(scan['echo_times']),
                'warnings': tuple(scan['warnings']),
            })
            for scan in content['scans']
        ]  # fmt: skip
        visit = Visit(**{**content, 't1w': Path(self._path_of(content['t1w']))})
        return replace(visit, scans=tuple(scans), warnings=tuple(content['warnings']))

    def _name(self, path: Path) -> str:
        return path.relative_to(self._bids_dir).as_posix()

    def _path_of(self, name: str) -> str:
        return f'{self._bids_dir}/{name}'


def _plain(value: Any, name: Any) -> Any:
    """A value with names for the paths in it."""
    if isinstance(value, Path):
        return name(value)
    if isinstance(value, dict):
        return {key: _plain(inner, name) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, name) for inner in value]
    return value


def _read(path: Path, key: str) -> dict[str, tuple[str, str]]:
    """Stamp and record by participant; nothing of another question or from a damaged file."""
    try:
        with gzip.open(path, 'rt', encoding='utf-8') as stream:
            if stream.readline().rstrip('\n') != key:
                return {}
            lines = (line.rstrip('\n').split('\t') for line in stream)
            return {who: (stamp, record) for who, stamp, record in lines}
    except (OSError, EOFError, ValueError, zlib.error):
        return {}


def _files(folder: Path | str, ending: str = '') -> Iterator[tuple[str, State]]:
    """Paths of a folder's files, sorted, with their states; (-1, -1) of a link to nowhere."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.endswith(ending) and not entry.is_dir():
            try:
                yield entry.path, state_of(entry.stat())
            except OSError:
                yield entry.path, (-1, -1)


def _images_and_sidecars(folder: Path) -> Iterator[tuple[str, State]]:
    """All files of a participant that may tell of images, with their states."""
    try:
        sessions = [e.path for e in os.scandir(folder) if e.name.startswith('ses-')]
    except OSError:
        return
    for place in (str(folder), *sessions):
        yield from _files(place)
        yield from _files(f'{place}/anat')
