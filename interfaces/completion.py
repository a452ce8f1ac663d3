"""Tell whether results are complete and match their inputs, so that runs can resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .files import save_json


def marker_folder(root: Path) -> Path:
    """Folder of a derivative data set's markers; the participant level creates it."""
    return root / 'logs' / 'complete'


def finished_outputs(root: Path) -> set[Path] | None:
    """Outputs of finished visits; None where the derivatives have no markers."""
    folder = marker_folder(root)
    if not folder.is_dir():
        return None
    found: set[Path] = set()
    for marker in folder.glob('sub-*.json'):
        try:
            names = json.loads(marker.read_text(encoding='utf-8'))['Outputs']
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found.update(root / name for name in names)
    return found


def find_outputs(root: Path, pattern: str) -> list[Path]:
    """Files of finished visits below a folder, sorted.

    Where there are nigra's markers of finished visits, other files do not count: they are left
    from before a failure. Files in hidden folders do not count either: they are left incomplete
    by a run that was stopped.
    """
    finished = finished_outputs(root)
    return sorted(
        path
        for path in root.glob(pattern)
        if not any(part.startswith('.') for part in path.relative_to(root).parts)
        and (finished is None or path in finished)
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


def is_complete(marker: Path, key: str, root: Path) -> bool:
    """Tell whether the marker has `key` and all its outputs exist with their recorded sizes."""
    try:
        record = json.loads(marker.read_text(encoding='utf-8'))
        return record['Fingerprint'] == key and all(
            (root / name).stat().st_size == size for name, size in record['Outputs'].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False
