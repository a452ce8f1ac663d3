"""Signals that ask a run to end interrupt it, so that it can clean up."""

import os
import signal
import threading

import pytest

from nigra.cli.signals import Stopped, signals_stop_the_run


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_interrupts_and_gives_its_status(number, status):
    before = signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under `nohup`
    try:
        with pytest.raises(Stopped) as caught, signals_stop_the_run():
            os.kill(os.getpid(), number)
        assert caught.value.status == status
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize('number', [signal.SIGHUP, signal.SIGINT])
def test_what_is_ignored_stays_ignored(number):
    """As `nohup` and a shell's job in the background want it."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with signals_stop_the_run():
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_other_threads_leave_signals_alone():
    seen = []

    def work():
        with signals_stop_the_run():
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
