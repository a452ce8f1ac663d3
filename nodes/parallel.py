"""Work cut into fixed pieces, so that results do not depend on how many threads share it."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

Progress = Callable[[int, int], None]
"""What a kernel calls with the steps that it has done and the steps in all."""

_Step = TypeVar('_Step')
_PIECES = 32
"""Pieces of an array. Sums depend on it in their last bits, so it is the same on every machine;
there are more pieces than threads, so that no thread waits long for the others."""


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

    def share() -> None:
        # threads take the next item when they are free: slow pieces hold nobody up
        while (index := next(turn)) < len(work):
            results[index] = task(work[index])

    futures = [_pool(nthreads, os.getpid()).submit(share) for _ in range(helpers)]
    try:
        share()
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


class Sweep:
    """Stencils over the planes of an array: `sweep(kernel, *arguments)` runs one on every slab.

    Parameters
    ----------
    length
        Planes of the array.
    nthreads
        Threads; the result does not depend on them.
    pieces
        Slabs at most.

    Notes
    -----
    A kernel takes its arguments, then the first plane of its slab and the one after the last. It
    writes those planes only; it may read all.

    Examples
    --------
    >>> Sweep(5, pieces=2)(lambda a, first, last: sum(a[first:last]), [1, 2, 3, 4, 5])
    [3, 12]
    """

    def __init__(self, length: int, nthreads: int = 1, pieces: int = _PIECES) -> None:
        self.pieces, self.nthreads = slabs(length, pieces), nthreads

    def __call__(self, kernel: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Results of a kernel on each slab, in order."""
        return run(lambda s: kernel(*arguments, s.start, s.stop), self.pieces, self.nthreads)


def follow(
    steps: Iterable[_Step], progress: Progress | None, total: int, *, before: int = 0
) -> _Step:
    """Take every step of an iteration, report each, and return what the last one made.

    Parameters
    ----------
    steps
        The iteration; it may end early.
    progress
        Who is told, if anybody.
    total
        Steps at most, those of earlier stages included.
    before
        Steps of earlier stages.

    Examples
    --------
    >>> follow(iter('ab'), lambda done, total: print(done, 'of', total), 3, before=1)
    2 of 3
    3 of 3
    'b'
    """
    for done, step in enumerate(steps, before + 1):
        last = step
        if progress:
            progress(done, total)
    return last
