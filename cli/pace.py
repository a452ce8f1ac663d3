"""How far a run is: steps now and then, everybody as they end, and a line for each in a log."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

LOGGER = logging.getLogger('nigra')
COLUMNS = ('ended', 'visit', 'state', 'minutes')
"""Of the log: date and time, who, `complete` or `ended`, and how long the run had taken then."""
_EVERY_S = 15.0
"""Least time between two steps that are told (by eye): some take a part of a second."""


class Pace:
    """Tells how far a run is, with the time gone and about how long the rest takes.

    Parameters
    ----------
    total
        Visits that are going to be processed.
    log
        TSV to which a line is added for each of them; runs side by side may share it.
    everything
        Whether each step is told, however fast they follow each other.
    clock
        Seconds, rising.
    """

    def __init__(
        self, total: int, log: Path, *, everything: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._total, self._log, self._everything, self._clock = total, log, everything, clock
        self._start = clock()
        self._told, self._done, self._lock = -_EVERY_S + self._start, 0, threading.Lock()

    def step(self, text: str) -> None:
        """Take a step that has ended; told where the last one told is some seconds old."""
        with self._lock:
            now = self._clock()
            if self._everything or now - self._told >= _EVERY_S:
                self._told = now
                LOGGER.info('%s', text)

    def ended(self, name: str, *, complete: bool) -> None:
        """Tell that a visit has ended and how long those that are left will take."""
        with self._lock:
            self._done += 1
            gone = self._clock() - self._start
            left = gone / self._done * (self._total - self._done)
        state = 'complete' if complete else 'ended'
        rest = f', about {in_words(left)} left' if left else ''
        LOGGER.info('%s %s (%d of %d, after %s%s)', name,
                    'is complete' if complete else 'has ended without all of its results',
                    self._done, self._total, in_words(gone), rest)  # fmt: skip
        with contextlib.suppress(OSError):  # a full disk is told by what needs it
            self._note((datetime.now().isoformat(' ', 'seconds'), name, state, f'{gone / 60:.1f}'))

    def _note(self, cells: tuple[str, ...]) -> None:
        """Add a line in one go, after the heading where there is none yet."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        handle = os.open(self._log, flags, 0o666)
        try:
            lines = [cells] if os.fstat(handle).st_size else [COLUMNS, cells]
            os.write(handle, ''.join('\t'.join(line) + '\n' for line in lines).encode())
        finally:
            os.close(handle)


def in_words(seconds: float) -> str:
    """A duration as people say it.

    Examples
    --------
    >>> [in_words(s) for s in (4, 95, 3600 * 2.5, 3600 * 50)]
    ['4 s', '2 min', '2 h 30 min', '2 d 2 h']
    """
    if seconds < 60:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    if minutes < 60:
        return f'{minutes} min'
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f'{hours} h {minutes} min'
    return f'{hours // 24} d {hours % 24} h'
