"""Who works on what: two runs at once never process one participant in one folder."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from .files import cannot_write

_FOLDER = 'running'
_BEAT = 15.0
"""Seconds between two signs of life."""
_DEAD = 180.0
"""Seconds without a sign of life after which a run on another machine counts as dead; network
file systems may show a change a minute late."""


@dataclass(frozen=True)
class Claim:
    """What a run may work on.

    Attributes
    ----------
    taken
        Names that are now this run's.
    busy
        By name, which run has it, in words.
    """

    taken: frozenset[str]
    busy: dict[str, str]


@contextlib.contextmanager
def claim(folder: Path, names: Collection[str]) -> Iterator[Claim]:
    """Take what no other run in a folder works on; at the block's end it is free again.

    Every run has a file below `folder` that names what it works on. It is locked, and the system
    takes the lock away when the process ends, however it ends. Where locks do not reach (another
    machine, a file system without them) the file's time of change tells: a thread keeps it new.

    Parameters
    ----------
    folder
        That two runs may share: output or working folder.
    names
        What this run wants to work on.

    Raises
    ------
    InputError
        The folder cannot be written to.
    """
    own = folder / _FOLDER / f'{_machine()}-{os.getpid()}-{time.time_ns()}.json'
    ended = threading.Event()
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        with _alone(own.parent / '.lock'):
            busy = _others(own.parent)
            taken = frozenset(names) - set(busy)
            descriptor = _write_own(own, taken)
    except OSError as error:
        raise cannot_write(own.parent, error) from error
    threading.Thread(target=_live, args=(own, ended), daemon=True).start()
    try:
        yield Claim(taken, {name: busy[name].words for name in busy if name in names})
    finally:
        ended.set()
        own.unlink(missing_ok=True)
        os.close(descriptor)


def leave(folder: Path) -> bool:
    """Remove what claims have left in a folder; False where a run that lives works in it."""
    own = folder / _FOLDER
    if not own.is_dir():
        return True
    with _alone(own / '.lock'):
        if _others(own):
            return False
        (own / '.lock').unlink()
    with contextlib.suppress(OSError):  # a run has just come
        own.rmdir()
    return True


@dataclass(frozen=True)
class Owner:
    """A run that lives.

    Attributes
    ----------
    words
        For people.
    since
        Seconds since the epoch, by its machine's clock.
    """

    words: str
    since: float


def working(folder: Path) -> dict[str, Owner]:
    """What runs that live work on in a folder, each with that run."""
    return _others(folder / _FOLDER)


def _write_own(path: Path, taken: Collection[str]) -> int:
    record = {'Host': socket.gethostname(), 'Process': os.getpid(), 'Machine': _machine(),
              'Since': time.strftime('%Y-%m-%d %H:%M:%S'), 'Names': sorted(taken)}  # fmt: skip
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    _lock(descriptor)
    os.write(descriptor, json.dumps(record).encode())
    return descriptor


def _others(folder: Path) -> dict[str, Owner]:
    """Names that runs which live work on, each with that run; files of dead runs go."""
    found: dict[str, Owner] = {}
    for path in folder.glob('*.json'):
        try:
            begun = int(path.stem.rpartition('-')[2]) / 1e9
            lives = _lives(path)
            record = json.loads(path.read_text(encoding='utf-8') or '{}')
        except (OSError, ValueError):
            continue  # it has just ended, or is of another program
        if not lives:
            path.unlink(missing_ok=True)
            continue
        names = record.get('Names') if isinstance(record, dict) else None
        if not isinstance(names, list):
            continue  # of another program
        who = f'process {record.get("Process")} on {record.get("Host")}'
        owner = Owner(f'{who}, since {record.get("Since")}', begun)
        found.update(dict.fromkeys(map(str, names), owner))
    return found


def _lives(path: Path) -> bool:
    """Tell whether the run that wrote a file is still there."""
    with path.open('r+b') as stream:
        locked = _lock(stream.fileno())
        if locked is False:
            return True
        machine, process, _ = path.stem.split('-')
        if machine == _machine() and (locked or not _process_exists(int(process))):
            return False  # if it lived, this system would hold its lock or know it
    with tempfile.NamedTemporaryFile(dir=path.parent) as now:  # by the file server's clock
        return os.fstat(now.fileno()).st_mtime - path.stat().st_mtime < _DEAD


def _process_exists(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _lock(descriptor: int) -> bool | None:
    """Lock a file; False where another has it, None where the file system knows no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a file's lock for some milliseconds, so that two runs do not claim at once."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while _lock(descriptor) is False:
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _live(path: Path, ended: threading.Event) -> None:
    while not ended.wait(_BEAT):
        with contextlib.suppress(OSError):
            os.utime(path)


@functools.cache
def _machine() -> str:
    """The machine since it was started: the boot's number, or the host's name without one."""
    try:
        text = Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii')
    except OSError:
        text = socket.gethostname()
    return ''.join(c for c in text if c.isalnum())
