"""Runs in folders that they share: which visit is whose, what is done anew, what is removed."""

from __future__ import annotations

import contextlib
import functools
import logging
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..nodes.errors import NigraError
from .citation import library_versions
from .pace import Pace
from .run import run_graphs
from .settings import TOP, Settings

if TYPE_CHECKING:
    from ..interfaces.bids import Visit
    from ..interfaces.sidecars import Plan

LOGGER = logging.getLogger('nigra')
Failures = dict[str, list[str]]
"""Sentences by visit or level."""
Todo = dict[str, tuple['Visit', str]]
"""Visits to be done by their prefix, each with its fingerprint."""


@functools.cache
def software() -> dict[str, Any]:
    """What decides results beside inputs and options: versions and presets."""
    from ..interfaces.anatomy.itk import presets

    return {'versions': library_versions(), 'presets': presets()}


def work_folder(settings: Settings) -> Path:
    """Working folder of this software: Nipype's cache does not know when code has changed."""
    from ..interfaces.completion import fingerprint

    return settings.scratch / f'nigra-{fingerprint([], software())[:12]}'


def tidy_work(settings: Settings) -> None:
    """Remove the working folder where nothing is left in it that a later run may take up."""
    from ..interfaces.claims import leave

    work = work_folder(settings)
    if not leave(work):
        LOGGER.info('%s is left for another run that uses it', work)
        return
    for folder in (work / TOP, work, settings.scratch):
        with contextlib.suppress(OSError):  # something is left, or it is not there
            folder.rmdir()


@contextlib.contextmanager
def claimed(
    settings: Settings, names: Collection[str]
) -> Iterator[tuple[frozenset[str], Failures]]:
    """Take visits (or the group level) that no other run works on, in both folders.

    Yields
    ------
    tuple
        Names that are this run's until the block ends, and sentences by the names that are not.

    Raises
    ------
    InputError
        One of the folders cannot be written to, or others may change the working folder.
    """
    from ..interfaces.claims import claim
    from ..interfaces.files import make_private

    work = work_folder(settings)
    make_private(work)
    with (
        claim(settings.output_dir / 'logs', names) as results,
        claim(work, results.taken) as scratch,
    ):
        busy = {
            name: [f'another run is processing {name} ({who}); wait until it has ended, or end it']
            for name, who in results.busy.items()
        }
        for name, who in scratch.busy.items():
            busy[name] = [
                f'another run is processing a {name} in the same working folder {work} ({who}); '
                'give this one another --work-dir'
            ]
        for name, (sentence,) in busy.items():
            LOGGER.error('%s is left out: %s', name, sentence)
        yield scratch.taken, busy


def unfinished(settings: Settings, visits: Todo) -> Todo:
    """Those of the visits whose results are not complete."""
    from ..interfaces.completion import is_complete
    from ..interfaces.sidecars import marker_path

    root = settings.output_dir
    return {
        name: (visit, key)
        for name, (visit, key) in visits.items()
        if not is_complete(marker_path(root, visit), key, root)
    }


def process_claimed(settings: Settings, todo: Todo, plan: Plan) -> Failures:
    """Run visits that are this run's, a few at a time; return what failed."""
    from ..interfaces.completion import PROGRESS, is_complete, withdraw
    from ..interfaces.sidecars import marker_path
    from ..workflows.base import visit_workflow_name

    root = settings.output_dir
    for visit, key in todo.values():
        withdraw(marker_path(root, visit), key, root)
    pace = Pace(len(todo), root / 'logs' / PROGRESS, everything=bool(settings.verbose))

    def ended(name: str) -> None:
        visit, key = todo[name]
        whole = is_complete(marker_path(root, visit), key, root)
        pace.ended(name, complete=whole)
        if whole and not settings.keep_workdir:
            folder = work_folder(settings) / TOP / visit_workflow_name(visit)
            shutil.rmtree(folder, ignore_errors=True)

    refused: Failures = {}
    graphs = _graphs(settings, todo, plan, refused)
    logs = root / 'logs'
    return run_graphs(graphs, settings, log_dir=logs, ended=ended, tell=pace.step) | refused


def _graphs(
    settings: Settings, todo: Todo, plan: Plan, refused: Failures
) -> Iterator[tuple[str, Any]]:
    """The graph of each visit, made when it is asked for; `refused` is told why one is not."""
    for name, (visit, key) in todo.items():
        try:
            graph = _begin(settings, visit, key, plan)
        except NigraError as error:
            refused[name] = [str(error)]
            if settings.stop_on_first_crash:
                raise
            continue
        if settings.write_graph and name == next(iter(todo)):
            write_graph(graph, settings.output_dir / 'logs' / 'graph.dot')
        yield name, graph


def _begin(settings: Settings, visit: Visit, key: str, plan: Plan) -> Any:
    """Graph of a visit whose results are from now on being made anew."""
    from ..interfaces.cache import drop_damaged
    from ..interfaces.completion import begin
    from ..interfaces.sidecars import marker_path
    from ..workflows.base import init_nigra_wf, visit_workflow_name
    from ..workflows.graph import final_files

    root, work = settings.output_dir, work_folder(settings)
    graph = init_nigra_wf([(visit, key)], plan, work_dir=work, name=TOP)
    name = visit_workflow_name(visit)
    begin(marker_path(root, visit), key, final_files(graph.get_node(name), root), root)
    for step in drop_damaged(work / TOP / name):
        LOGGER.info('%s: %s is damaged in the working folder; it is run again',
                    visit.prefix, step.name)  # fmt: skip
    return graph


def write_graph(workflow: Any, path: Path) -> None:
    """Save the graph of a visit's steps; the picture of it needs Graphviz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        workflow.write_graph(str(path), graph2use='colored', simple_form=True)
    except OSError as error:
        LOGGER.warning('%s has no picture beside it: %s', path, str(error).splitlines()[0])
