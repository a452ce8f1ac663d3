"""Processes that end with the one that started them, whatever ended that one."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

_PR_SET_PDEATHSIG = 1
_ONE_THREAD = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1')
"""Of the linear algebra inside each process."""
_NEW_OBJECTS = 100_000
"""Containers made since the last search for garbage after which there is another, some 10 MB."""
_LOOK_EVERY = 1.0
"""Seconds between two looks at the parent, where the system tells nobody of its end."""


def one_thread_of_algebra() -> None:
    """Let linear algebra of this process and its children use one thread each.

    Its matrices are small here: threads would only wait for each other, and cost a seventh of a
    participant's CPU time. To be called before numpy is imported; what users have set stays.
    """
    for name, value in _ONE_THREAD.items():
        os.environ.setdefault(name, value)


def search_garbage_rarely() -> None:
    """Let this process, and those that it forks, look for cycles of dead objects less often.

    Python looks after every 700 new containers; imports make hundreds of thousands that all stay,
    and a seventh of their time was spent on looking.
    """
    gc.set_threshold(_NEW_OBJECTS)


def let_go() -> None:
    """Free what the work just done has left in cycles, and give its memory back to the system.

    Looking rarely, Python would keep it: statsmodels' results refer to themselves, with all arrays
    they were made from, which cost a worker 100 MB with every participant.
    """
    gc.collect(1)  # what is older was looked at after the work that made it
    if sys.platform == 'linux':
        trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)  # of the GNU library
        if trim is not None:
            trim(0)


def end_with(parent: int) -> None:
    """End this process as soon as the one that started it is gone.

    A worker whose parent was killed would else wait for work for ever, with all its memory.

    Parameters
    ----------
    parent
        Process that started this one.

    Notes
    -----
    Linux kills it (`prctl(2)`), even inside a library's long call; elsewhere a thread watches.
    """
    if sys.platform == 'linux':
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it was gone before this process could ask
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)


def leave_signals_to(parent: int) -> None:
    """Let only the parent answer Ctrl-C, a closed terminal and SIGTERM, then end with it.

    Parameters
    ----------
    parent
        Process that started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with(parent)


def end_workers(pool: ProcessPoolExecutor) -> None:
    """End the workers of a pool at once, whatever they are doing."""
    for worker in list((pool._processes or {}).values()):
        worker.kill()
    pool.shutdown(wait=True, cancel_futures=True)


def in_processes(task: Callable[[Any], Any], items: Sequence[Any], count: int) -> list[Any]:
    """Results of a task on each item, in order, by processes that end with the last of them.

    Parameters
    ----------
    task
        May be a closure.
    items
        What it is called with.
    count
        Processes at most; with one, or one item, the work is done here.

    Notes
    -----
    Loky's workers import what they need, not the program that calls (as `spawn` would), and take
    no locks of other threads along (as `fork` would). Those of `joblib.Parallel` are kept idle
    for minutes, and this process with them.
    """
    workers = min(count, len(items))
    if workers < 2:
        return [task(item) for item in items]
    from joblib.externals.loky import ProcessPoolExecutor as Pool

    pool = Pool(workers, initializer=leave_signals_to, initargs=(os.getpid(),), env=_ONE_THREAD)
    try:
        return list(pool.map(task, items))
    finally:
        pool.shutdown(wait=True, kill_workers=True)
