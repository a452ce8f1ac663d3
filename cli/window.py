"""Graphs that do not depend on each other, run by one plugin of Nipype, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import networkx as nx
import numpy as np
import scipy.sparse as ssp
from nipype.pipeline.engine import Workflow
from nipype.pipeline.plugins.base import DistributedPluginBase

_AT_ONCE = 100
"""Graphs of a plugin that sets its jobs no limit."""


class _Expand:
    """Takes a plugin's place, so that Nipype hands out the steps of a workflow, ready to run."""

    plugin_args: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.steps = nx.DiGraph()
        self.config: Any = None

    def run(self, graph: nx.DiGraph, config: Any, updatehash: bool = False) -> None:
        """Keep what is to be run."""
        self.steps, self.config = graph, config


def expand(workflow: Workflow) -> tuple[nx.DiGraph, Any]:
    """Steps of a workflow with their edges, and Nipype's configuration."""
    kept = _Expand()
    workflow.run(plugin=kept)
    return kept.steps, kept.config


class Window(DistributedPluginBase):
    """A distributed plugin that takes graph after graph while it runs.

    Nipype expands and keeps all that it will run. Here a graph is built when there is room for its
    steps and forgotten when they have ended, so that neither the start nor the memory grows with
    their number; steps of graphs begun come before those of others.
    """

    procs: Any
    depidx: Any
    refidx: Any
    proc_done: Any
    proc_pending: Any
    pending_tasks: Any
    mapnodes: Any
    mapnodesubids: Any
    _owners: list[int]
    """Number of the graph of each step."""
    _begun: dict[int, str]
    """Names of the graphs that have not ended, by number."""

    def run_all(
        self, graphs: Iterator[tuple[str, Workflow]], ended: Callable[[str], None]
    ) -> None:
        """Run graphs, each built when its turn comes.

        Parameters
        ----------
        graphs
            With their names.
        ended
            Is told the name of a graph when none of its steps is left to run, well or not.
        """
        self._graphs, self._tell_end = graphs, ended
        self._owners, self._begun, self._number = [], {}, 0
        first = next(graphs, None)
        if first is None:
            return
        steps, config = expand(first[1])
        self._begun[0] = first[0]
        self.run(steps, config)

    def _graph_of(self, job: int) -> int:
        """Number of the graph of a step; a MapNode adds steps while it runs."""
        while len(self._owners) < len(self.procs):
            parent = self.mapnodesubids.get(len(self._owners))
            self._owners.append(self._number if parent is None else self._owners[parent])
        return self._owners[job]

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
        self._notice_ends()
        while self._has_room() and self._take_next(graph):
            super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
            self._notice_ends()

    def _notice_ends(self) -> None:
        self._graph_of(0)
        busy = ~self.proc_done | self.proc_pending
        living = {owner for owner, open_ in zip(self._owners, busy, strict=True) if open_}
        for number in sorted(set(self._begun) - living):
            self._tell_end(self._begun.pop(number))

    def _has_room(self) -> bool:
        """Whether another graph may begin."""
        limit = self.max_jobs if self.max_jobs < _AT_ONCE else _AT_ONCE
        return len(self._begun) < limit and len(self.pending_tasks) < self.max_jobs

    def _take_next(self, graph: nx.DiGraph) -> bool:
        """Begin the next graph in the place of those that have ended; False where none is left."""
        found = next(self._graphs, None)
        if found is None:
            return False
        steps, _ = expand(found[1])
        self._forget(graph)
        kept = self.procs, self.depidx, self.refidx, self.proc_done, self.proc_pending
        self._generate_dependency_list(steps)
        self.procs = [*kept[0], *self.procs]
        self.depidx, self.refidx = (
            ssp.block_diag(pair, format='lil')
            for pair in ((kept[1], self.depidx), (kept[2], self.refidx))
        )
        self.proc_done, self.proc_pending = (
            np.concatenate(pair)
            for pair in ((kept[3], self.proc_done), (kept[4], self.proc_pending))
        )
        graph.add_nodes_from(steps)
        graph.add_edges_from(steps.edges(data=True))
        self._number += 1
        self._begun[self._number] = found[0]
        self._graph_of(0)
        return True

    def _forget(self, graph: nx.DiGraph) -> None:
        """Let go of the steps of graphs that have ended."""
        keep = [job for job, owner in enumerate(self._owners) if owner in self._begun]
        place = {old: new for new, old in enumerate(keep)}
        graph.remove_nodes_from([step for job, step in enumerate(self.procs) if job not in place])
        self.procs = [self.procs[job] for job in keep]
        self._owners = [self._owners[job] for job in keep]
        self.proc_done, self.proc_pending = self.proc_done[keep], self.proc_pending[keep]
        self.depidx, self.refidx = (m.tocsr()[keep][:, keep] for m in (self.depidx, self.refidx))
        self.pending_tasks = [(task, place[job]) for task, job in self.pending_tasks]
        self.mapnodes = [place[job] for job in self.mapnodes if job in place]
        self.mapnodesubids = {
            place[job]: place[parent] for job, parent in self.mapnodesubids.items() if job in place
        }


def run_in_turn(
    plugin: Any,
    graphs: Iterator[tuple[str, Workflow]],
    ended: Callable[[str], None],
    *,
    stop: bool,
) -> None:
    """Run graphs by any plugin: a few at a time where it can, else one after the other.

    Parameters
    ----------
    plugin
        Of Nipype.
    graphs, ended
        As in `Window.run_all`.
    stop
        Whether the first failure ends the run.

    Raises
    ------
    Exception
        That of the first graph that failed, after the others have run.
    """
    if isinstance(plugin, Window):
        plugin.run_all(graphs, ended)
        return
    first: Exception | None = None
    for name, workflow in graphs:
        try:
            workflow.run(plugin=plugin)
        except Exception as error:
            if stop:
                raise
            first = first or error
        ended(name)
    if first is not None:
        raise first
