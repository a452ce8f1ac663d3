"""What has been read of a file or folder stays known until that changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar('Value')
State = tuple[int, int]
"""Size and time of change (ns)."""
_SETTLED = 2.0
"""Seconds for which a change may be followed by another that bears the same time."""


def state_of(status: os.stat_result) -> State:
    """By what a change is noticed."""
    return status.st_size, status.st_mtime_ns


class UntilChanged(Generic[Value]):
    """Function of a path whose results are kept until the file or folder changes.

    Parameters
    ----------
    read
        What is called where nothing is kept; its result must not be changed by anybody.
    size
        How many results are kept.
    """

    def __init__(self, read: Callable[[Path], Value], size: int) -> None:
        self._read, self._size = read, size
        self._kept: dict[str, tuple[State, Value]] = {}

    def __call__(self, path: Path) -> Value:
        """What `read` returns or has returned."""
        try:
            status = os.stat(path)
        except OSError:
            return self._read(path)  # which tells what is wrong
        kept = self._kept.get(os.fspath(path))
        if kept is not None and kept[0] == state_of(status):
            return kept[1]
        value = self._read(path)
        if time.time() - status.st_mtime > _SETTLED:
            self.keep(path, state_of(status), value)
        return value

    def keep(self, path: str | Path, state: State, value: Value) -> None:
        """Take what has been read of a file in this state."""
        if len(self._kept) >= self._size:
            self._kept.clear()
        self._kept[os.fspath(path)] = state, value
