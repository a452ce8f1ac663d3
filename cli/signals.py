"""Signals that ask a run to end: they interrupt it as Ctrl-C does, so that it cleans up."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ASKING = ('SIGTERM', 'SIGHUP')


class Stopped(KeyboardInterrupt):
    """A signal asked the run to end.

    Attributes
    ----------
    number
        Of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = int(number)

    @property
    def status(self) -> int:
        """Exit status by the custom of shells."""
        return 128 + self.number


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


@contextlib.contextmanager
def signals_stop_the_run() -> Iterator[None]:
    """Within the block, SIGTERM and SIGHUP raise `Stopped`; what is ignored (`nohup`) stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.getsignal(number)
        for number in (getattr(signal, name) for name in _ASKING if hasattr(signal, name))
    }
    mended = [number for number, handler in before.items() if handler == signal.SIG_DFL]
    for number in mended:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in mended:
            signal.signal(number, before[number])
