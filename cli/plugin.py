"""Nipype's plugins: workers die with the run, their death is told, visits go in turn."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import networkx as nx
from nipype.pipeline.plugins.linear import LinearPlugin
from nipype.pipeline.plugins.multiproc import MultiProcPlugin, process_initializer

from ..interfaces.processes import end_workers, leave_signals_to

_KILLED = (
    'nigra.nodes.errors.NigraError: a worker process was killed, most likely for want of memory; '
    'run the same command again with fewer --nprocs or a lower --mem-gb.\n'
)


def visit_of(fullname: str) -> str:
    """Name of the workflow of one visit inside the whole graph.

    Examples
    --------
    >>> visit_of('nigra_wf.sub_01_wf.anat_wf.bias'), visit_of('_in_template3')
    ('nigra_wf.sub_01_wf', '_in_template3')
    """
    return '.'.join(fullname.split('.')[:2])


class VisitwiseLinear(LinearPlugin):
    """Linear that finishes one visit after the other, not the first step of everybody first."""

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run the visits of a graph, which do not depend on each other, in turn."""
        first: Exception | None = None
        for steps in list(nx.weakly_connected_components(graph)):
            try:
                super().run(graph.subgraph(steps).copy(), config, updatehash=updatehash)
            except Exception as error:
                if str(config['execution']['stop_on_first_crash']).lower() == 'true':
                    raise
                first = first or error
        if first is not None:
            raise first


def _begin_worker(cwd: str, parent: int) -> None:
    leave_signals_to(parent)
    process_initializer(cwd)


class ResilientMultiProc(MultiProcPlugin):
    """MultiProc that survives the death of a worker, and finishes one visit after the other.

    Nipype waits for ever for the results of a broken pool, as an out-of-memory kill leaves it.
    Here the steps that were running fail with a sentence, a new pool takes the others.

    Nipype takes steps in the order of the graph, all first steps first, so that nobody is done
    before almost everybody is. Here steps of visits begun come before those of others.
    """

    pool: Any
    procs: Any

    def __init__(self, plugin_args: Any = None) -> None:
        super().__init__(plugin_args=plugin_args)
        self.pool.shutdown(wait=False)  # which has not begun, and whose workers outlive the run
        self.pool = self._make_pool()
        self._visits: dict[str, int] = {}
        self._ranks: list[int] = []

    def _make_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=self.processors,
            initializer=_begin_worker,
            initargs=(self._cwd, os.getpid()),
            mp_context=multiprocessing.get_context(self.plugin_args.get('mp_context')),
        )

    def stop(self) -> None:
        """End all workers at once; what they were doing is done again by the next run."""
        end_workers(self.pool)

    def _sort_jobs(self, jobids: Any, scheduler: str | None = 'tsort') -> Any:
        if scheduler == 'mem_thread':
            return super()._sort_jobs(jobids, scheduler=scheduler)
        while len(self._ranks) < len(self.procs):  # a MapNode adds steps while the graph runs
            visit = visit_of(self.procs[len(self._ranks)].fullname)
            self._ranks.append(self._visits.setdefault(visit, len(self._visits)))
        return sorted(jobids, key=lambda job: (self._ranks[job], job))

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
        if not isinstance(args.exception(), BrokenProcessPool):
            super()._async_callback(args)

    def _get_result(self, taskid: int) -> Any:
        task = self._task_obj.get(taskid)
        if task is not None and task.done() and isinstance(task.exception(), BrokenProcessPool):
            self._renew_pool()
            return {'taskid': taskid, 'result': None, 'traceback': [_KILLED]}
        return super()._get_result(taskid)

    def _renew_pool(self) -> None:
        if self.pool._broken:
            self.pool = self._make_pool()
