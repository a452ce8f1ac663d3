"""Signals that ask a run to end: they interrupt it as Ctrl-C does, so that it cleans up."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

_ASKING = ('SIGTERM', 'SIGHUP')


def for_any_reader(main: Callable[..., int]) -> Callable[..., int]:
    """A command whose words may go anywhere: to terminals without their letters, or `| head`.

    Letters that a terminal lacks are written out; where nobody reads on the command ends quietly.

    Returns
    -------
    callable
        The command; its status then is that of SIGPIPE by the custom of shells.
    """

    @functools.wraps(main)
    def command(argv: Sequence[str] | None = None) -> int:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors='backslashreplace')  # as Python has it for errors
        try:
            status = main(argv)
            if sys.stdout is not None:  # as Python has it where `>&-` closed it
                sys.stdout.flush()
        except BrokenPipeError:
            # what is left to be written, at the latest by Python at its end, goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE
        return status

    return command


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
