"""Tell whether results are complete and match their inputs, so that runs can resume."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .files import remove_unfinished, save_json
from .unchanged import UntilChanged

PROGRESS = 'progress.tsv'
"""In the folder `logs`: every visit that has ended, one line each, complete or not."""
GROUP_COMPLETE, GROUP_FAILED = 'group_complete.json', 'group_failed.json'
"""In the folder `logs` of a comparison: its marker, and why the newest attempt at it failed."""


def marker_folder(root: Path) -> Path:
    """Folder of a derivative data set's markers; the participant level creates it."""
    return root / 'logs' / 'complete'


def finished_outputs(root: Path) -> set[Path] | None:
    """Outputs of finished visits; None where the derivatives have no markers."""
    names = _finished_names(root)
    return None if names is None else {root / name for name in names}


def _finished_names(root: Path) -> list[str] | None:
    folder = marker_folder(root)
    if not folder.is_dir():
        return None
    markers = [e.path for e in os.scandir(folder) if fnmatch.fnmatch(e.name, 'sub-*.json')]
    return [name for marker in markers for name in _sizes(_kept_marker(Path(marker)))]


def missing_outputs(root: Path, endings: tuple[str, ...], *, seconds: float = 60) -> list[Path]:
    """Outputs of finished visits that are not there, after some patience.

    Parameters
    ----------
    root
        Output folder.
    endings
        Of the names that matter.
    seconds
        To wait: a network file system may show another machine's files that late.
    """
    until = time.monotonic() + seconds
    named = {p for p in finished_outputs(root) or () if p.name.endswith(endings)}
    while missing := sorted(path for path in named if not path.is_file()):
        if time.monotonic() > until:
            break
        time.sleep(min(1.0, seconds / 20))
        for folder in {path.parent for path in missing if path.parent.is_dir()}:
            list(folder.iterdir())  # listing a folder makes a client ask the server again
    return missing


def find_outputs(root: Path, pattern: str) -> list[Path]:
    """Files of finished visits below a folder, sorted.

    Where there are nigra's markers of finished visits, other files do not count: they are left
    from before a failure. Files in hidden folders do not count either: they are left incomplete
    by a run that was stopped.

    Parameters
    ----------
    root
        Output folder.
    pattern
        `FOLDER/**/NAME`, both with wildcards.
    """
    finished = _finished_names(root)
    if finished is not None:
        # their names are known, so that no folder of thousands is walked through
        outer, name = pattern.split('/**/')
        matching = re.compile(f'{fnmatch.translate(outer)[:-2]}/(.*/)?{fnmatch.translate(name)}')
        named = (root / found for found in finished if matching.match(found))
        return sorted(path for path in named if path.is_file())
    return sorted(
        path
        for path in root.glob(pattern)
        if not any(part.startswith('.') for part in path.relative_to(root).parts)
    )


def fingerprint(files: Iterable[Path], options: Mapping[str, Any]) -> str:
    """Hash of the inputs' names, sizes and times of change, and of every option.

    Parameters
    ----------
    files
        Input files.
    options
        Everything else that decides the result; must be representable in JSON (other values
        are represented by their text).
    """
    inputs = []
    for path in sorted(files):
        status = path.stat()
        inputs.append([str(path), status.st_size, status.st_mtime_ns])
    text = json.dumps([inputs, options], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def mark_complete(marker: Path, key: str, outputs: Iterable[Path], root: Path) -> None:
    """Record that `outputs` (below `root`) are complete and belong to the inputs with `key`."""
    sizes = {
        path.relative_to(root).as_posix(): path.stat().st_size
        for path in sorted({Path(p) for p in outputs})
    }
    save_json({'Fingerprint': key, 'Outputs': sizes}, marker)


def begin(marker: Path, key: str, planned: Iterable[Path], root: Path) -> bool:
    """Record that results are being made anew, and remove those of other inputs or options.

    Old and new results so never stand beside each other, even after a run that was killed: what
    it had planned is recorded before it writes.

    Parameters
    ----------
    marker
        Of the visit or level; from here to `mark_complete` it names no finished output.
    key
        Fingerprint of the inputs and options.
    planned
        Files that are going to be written, below `root`.
    root
        Output folder.

    Returns
    -------
    bool
        Whether what was there is of other inputs or options.
    """
    paths = [Path(p) for p in planned]
    record = _read_marker(marker)
    other = record.get('Fingerprint', record.get('Begun')) != key
    if other:
        _remove(root, [*_sizes(record), *record.get('Planned', [])])
    names = sorted({path.relative_to(root).as_posix() for path in paths})
    save_json({'Begun': key, 'Outputs': {}, 'Planned': names}, marker)
    for path in paths:
        remove_unfinished(path)
    return other


def withdraw(marker: Path, key: str, root: Path) -> None:
    """Remove results of other inputs or options before their turn comes to be made anew.

    Parameters are those of `begin`, which follows when it is known what will be made.
    """
    record = _read_marker(marker)
    if record and record.get('Fingerprint', record.get('Begun')) != key:
        begin(marker, key, (), root)


def invalidate(marker: Path) -> bool:
    """Record that finished results no longer answer to the data; tell whether there were any."""
    record = _read_marker(marker)
    names = sorted(_sizes(record))
    if not names:
        return False
    save_json({'Begun': record.get('Fingerprint'), 'Outputs': {}, 'Planned': names}, marker)
    return True


def _read_marker(marker: Path) -> dict[str, Any]:
    try:
        record = json.loads(marker.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


_kept_marker = UntilChanged(_read_marker, 1 << 15)
"""For those who only read, and read all: several steps of the group level do."""


def _sizes(record: Mapping[str, Any]) -> dict[str, int]:
    """Finished outputs that a marker names, with their sizes."""
    sizes = record.get('Outputs')
    return sizes if isinstance(sizes, dict) else {}


def _remove(root: Path, names: Iterable[str]) -> None:
    """Remove files below a folder; a marker that somebody changed leads nowhere else."""
    for name in names:
        path = root / name
        if path.resolve().is_relative_to(root.resolve()):
            path.unlink(missing_ok=True)


def began_at(marker: Path) -> float | None:
    """When results were begun that are not finished; None where nobody has begun with them.

    Returns
    -------
    float or None
        Seconds since the epoch.
    """
    if not _read_marker(marker).get('Planned'):
        return None
    try:
        return marker.stat().st_mtime
    except OSError:
        return None


def is_complete(marker: Path, key: str, root: Path) -> bool:
    """Tell whether the marker has `key` and all its outputs exist with their recorded sizes."""
    return _read_marker(marker).get('Fingerprint') == key and is_whole(marker, root)


def is_whole(marker: Path, root: Path) -> bool:
    """Tell whether the marker is of finished results, and they exist with their recorded sizes."""
    record = _read_marker(marker)
    if 'Fingerprint' not in record or not isinstance(record.get('Outputs'), dict):
        return False
    try:
        return all((root / name).stat().st_size == size for name, size in _sizes(record).items())
    except OSError:
        return False
