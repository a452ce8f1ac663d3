"""Nipype's plugin for this machine: workers die with the run, and their death is told."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from traceback import format_exception
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin, process_initializer

from ..interfaces.processes import end_workers, leave_signals_to, let_go
from .window import Window

_KILLED = (
    'nigra.nodes.errors.NigraError: a worker process was killed, most likely for want of memory; '
    'run the same command again with fewer --nprocs or a lower --mem-gb.\n'
)
_LOOK_EVERY = 1.0
"""Seconds after which workers are looked after, though none has told anything."""


def _begin_worker(cwd: str, parent: int) -> None:
    leave_signals_to(parent)
    process_initializer(cwd)


def _one_step(work: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return work(*arguments)
    finally:
        let_go()


class _Workers(ProcessPoolExecutor):
    """Workers that are no larger after a step than before."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a step run."""
        return super().submit(_one_step, fn, *args, **kwargs)


class ResilientMultiProc(Window, MultiProcPlugin):
    """MultiProc that survives the death of a worker, and finishes one visit after the other.

    Nipype waits for ever for the results of a broken pool, as an out-of-memory kill leaves it.
    Here the steps that were running fail with a sentence, a new pool takes the others. Nipype
    looks for results ten times a second; here a result is taken when it comes.
    """

    pool: Any
    procs: Any

    def __init__(self, plugin_args: Any = None) -> None:
        super().__init__(plugin_args=plugin_args)
        self.pool.shutdown(wait=False)  # which has not begun, and whose workers outlive the run
        self.pool = self._make_pool()
        self._news = threading.Event()

    def _make_pool(self) -> ProcessPoolExecutor:
        return _Workers(
            max_workers=self.processors,
            initializer=_begin_worker,
            initargs=(self._cwd, os.getpid()),
            mp_context=multiprocessing.get_context(self.plugin_args.get('mp_context')),
        )

    def stop(self) -> None:
        """End all workers at once; what they were doing is done again by the next run."""
        end_workers(self.pool)

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run a graph; it is this plugin that waits, not Nipype's loop."""
        execution = {**config['execution'], 'poll_sleep_duration': 0}
        # Nipype collects garbage before every step, which among all that is imported takes longer
        # than the steps of many nodes; what is here already is none, nor is it in workers
        gc.collect()
        gc.freeze()
        try:
            super().run(graph, {**config, 'execution': execution}, updatehash=updatehash)
        finally:
            gc.unfreeze()

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        before = self._left()
        super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
        # steps that ended here, in this process or by what is remembered of them, free others
        if self.pending_tasks and self._left() == before:
            self._news.wait(_LOOK_EVERY)
            self._news.clear()

    def _left(self) -> tuple[int, int]:
        """How many steps are known, and how many have not ended."""
        return len(self.procs), int((~self.proc_done | self.proc_pending).sum())

    def _has_room(self) -> bool:
        _, processors, _ = self._check_resources(self.pending_tasks)
        return processors > 0 and len(self._begun) < self.processors

    def _sort_jobs(self, jobids: Any, scheduler: str | None = 'tsort') -> Any:
        if scheduler == 'mem_thread':
            return super()._sort_jobs(jobids, scheduler=scheduler)
        return sorted(jobids, key=lambda job: (self._graph_of(job), job))

    def _report_crash(self, node: Any, result: Any = None) -> Any:
        try:
            return super()._report_crash(node, result=result)
        except OSError:  # the disk may be full, which is why the step failed
            tell = getattr(self._status_callback, 'crash', None)
            if tell is not None:
                tell(node, ''.join((result or {}).get('traceback') or ()))
            return None

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        try:
            return super()._submit_job(node, updatehash=updatehash)
        except BrokenProcessPool:
            self._renew_pool()
            return super()._submit_job(node, updatehash=updatehash)

    def _async_callback(self, args: Any) -> None:
        if args.exception() is None:  # Nipype would lose the step
            super()._async_callback(args)
        self._news.set()

    def _clear_task(self, taskid: int) -> None:
        super()._clear_task(taskid)
        self._taskresult.pop(taskid, None)  # Nipype keeps those of all steps

    def _get_result(self, taskid: int) -> Any:
        task = self._task_obj.get(taskid)
        failed = task.exception() if task is not None and task.done() else None
        if isinstance(failed, BrokenProcessPool):
            self._renew_pool()
            return {'taskid': taskid, 'result': None, 'traceback': [_KILLED]}
        if failed is not None:  # around the step, where Nipype catches nothing
            return {'taskid': taskid, 'result': None, 'traceback': format_exception(failed)}
        return super()._get_result(taskid)

    def _renew_pool(self) -> None:
        if self.pool._broken:
            self.pool = self._make_pool()
