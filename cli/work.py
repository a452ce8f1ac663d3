"""Runs in folders that they share: which visit is whose, what is done anew, what is removed."""

from __future__ import annotations

import contextlib
import functools
import logging
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .citation import library_versions
from .settings import Settings

if TYPE_CHECKING:
    from ..interfaces.bids import Visit
    from ..interfaces.sidecars import Plan

LOGGER = logging.getLogger('nigra')


@functools.cache
def software() -> dict[str, Any]:
    """What decides results beside inputs and options: versions and presets."""
    from ..interfaces.anatomy.itk import presets

    return {'versions': library_versions(), 'presets': presets()}


def work_folder(settings: Settings) -> Path:
    """Working folder of this software: Nipype's cache does not know when code has changed."""
    from ..interfaces.completion import fingerprint

    return settings.scratch / f'nigra-{fingerprint([], software())[:12]}'


def clean_work(settings: Settings) -> None:
    """Remove what runs put into the working folder, and the folder if nothing is left."""
    from ..interfaces.claims import anybody_else

    if anybody_else(work_folder(settings)):
        LOGGER.warning('%s is left for another run that uses it', work_folder(settings))
        return
    shutil.rmtree(work_folder(settings), ignore_errors=True)
    if settings.scratch.is_dir() and not any(settings.scratch.iterdir()):
        settings.scratch.rmdir()


@contextlib.contextmanager
def claimed(
    settings: Settings, names: Collection[str]
) -> Iterator[tuple[frozenset[str], dict[str, list[str]]]]:
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


def unfinished(settings: Settings, visits: Sequence[tuple[Visit, str]]) -> list[tuple[Visit, str]]:
    """Those of the visits, each with its fingerprint, whose results are not complete."""
    from ..interfaces.completion import is_complete
    from ..interfaces.sidecars import marker_path

    root = settings.output_dir
    return [(v, key) for v, key in visits if not is_complete(marker_path(root, v), key, root)]


def process_claimed(
    settings: Settings, todo: Sequence[tuple[Visit, str]], plan: Plan
) -> dict[str, list[str]]:
    """Run visits that are this run's; return what failed."""
    from ..interfaces.cache import drop_damaged
    from ..interfaces.completion import begin
    from ..interfaces.sidecars import marker_path
    from ..workflows.base import init_nigra_wf, visit_workflow_name
    from ..workflows.graph import final_files
    from .run import run_graph

    root = settings.output_dir
    workflow = init_nigra_wf(todo, plan, work_dir=work_folder(settings))
    if settings.write_graph:
        write_graph(workflow, root / 'logs' / 'graph.dot')
    for visit, key in todo:
        name = visit_workflow_name(visit)
        files = final_files(workflow.get_node(name), root)
        begin(marker_path(root, visit), key, files, root)
        for step in drop_damaged(work_folder(settings) / workflow.name / name):
            LOGGER.info('%s: %s is damaged in the working folder; it is run again',
                        visit.prefix, step.name)  # fmt: skip
    return run_graph(workflow, settings, log_dir=root / 'logs')


def write_graph(workflow: Any, path: Path) -> None:
    """Save the graph of steps; the picture of it needs Graphviz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        workflow.write_graph(str(path), graph2use='colored', simple_form=True)
    except OSError as error:
        LOGGER.warning('%s has no picture beside it: %s', path, str(error).splitlines()[0])
