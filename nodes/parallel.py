"""Work cut into fixed pieces, so that results do not depend on how many threads share it."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

Progress = Callable[[int, int], None]
"""What a kernel calls with the steps that it has done and the steps in all."""

_PIECES = 32


def slabs(length: int, pieces: int = _PIECES) -> list[slice]:
    """Cut `range(length)` into at most `pieces` runs whose borders depend on `length` alone.

    Examples
    --------
    >>> slabs(5, pieces=2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    count = max(1, min(pieces, length))
    edges = [length * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def run(task: Callable[[Any], Any], items: Iterable[Any], nthreads: int = 1) -> list[Any]:
    """Results of `task` on each item, in order; `nthreads` decides only who does the work.

    The task should release the interpreter lock (FFTs, `nogil` numba functions and most of
    NumPy do).
    """
    work = list(items)
    helpers = min(nthreads, len(work)) - 1
    if helpers < 1:
        return [task(item) for item in work]
    results: list[Any] = [None] * len(work)
    turn = itertools.count()

    def fraction() -> None:
        while (index := next(turn)) < len(work):
            results[index] = task(work[index])

    futures = [_pool(nthreads, os.getpid()).submit(fraction) for _ in range(helpers)]
    try:
        fraction()
    finally:
        # helpers that never began are not waited for, so that calls may nest
        begun = [future for future in futures if not future.cancel()]
        wait(begun)
    for future in begun:
        future.result()
    return results


@functools.cache
def _pool(nthreads: int, process: int) -> ThreadPoolExecutor:
    """Threads kept for the next call; those of a parent process do not outlive a fork."""
    return ThreadPoolExecutor(nthreads)
