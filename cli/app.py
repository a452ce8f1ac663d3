"""What the `nigra` command does: check, build, run, report, one level after the other."""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..interfaces.agreement import Told
from ..nodes.errors import InputError, NigraError
from .checks import (
    check_atlases,
    check_bids,
    check_folders,
    check_own_atlases,
    check_reference_echoes,
    find_participants_file,
)
from .citation import (
    as_processed,
    group_plan,
    library_versions,
    methods_section,
    write_citation,
)
from .look import check_study, forecast, tell_look
from .settings import Settings
from .told import tell_phases, tell_problems

if TYPE_CHECKING:
    from ..interfaces.bids import Visit
    from ..interfaces.sidecars import Plan

LOGGER = logging.getLogger('nigra')
Failures = dict[str, list[str]]
"""Sentences by visit or level."""


def run_levels(settings: Settings) -> int:
    """Run the levels asked for.

    Returns
    -------
    int
        0 where everything asked for exists and is complete, else 1.

    Raises
    ------
    NigraError
        Nothing could be started.
    """
    check_folders(settings)
    settings.methods.check_names()
    failed: Failures = {}
    if settings.dry_run and settings.levels == ('group',):
        return 1 if group_look(settings) else 0
    if 'participant' in settings.levels:
        failed = participant_level(settings)
        if settings.boilerplate_only or settings.dry_run:
            return 1 if failed else 0
    if 'group' in settings.levels and 'group' not in failed:
        try:
            failed |= group_level(settings)
        except NigraError as error:
            failed['group'] = [str(error)]
    # where groups are compared, the group level writes what their comparison used
    if 'participant' in settings.levels and ('group' not in settings.levels or 'group' in failed):
        told = as_processed(settings, region_tables(settings))
        write_citation(settings, methods_section(told))
    for name, sentences in sorted(failed.items()):
        for sentence in sentences:
            LOGGER.error('%s failed: %s', name, sentence)
    tell_problems(settings)
    if failed:
        return 1
    if settings.clean_workdir:
        clean_work(settings)
    LOGGER.info('Reports: %s', ' '.join(map(str, final_reports(settings))))
    return 0


def participant_level(settings: Settings) -> Failures:
    """Process every participant that is not yet complete; return what failed, by visit."""
    from ..interfaces.bids import list_participants
    from ..interfaces.completion import marker_folder
    from ..interfaces.queries import load_filters

    labels = list_participants(settings.bids_dir, settings.participant_label)
    filters = load_filters(settings.bids_filter_file)
    failed = check_study(settings, (check_bids, check_atlases, prepare))
    expected = forecast(settings, labels, list_participants(settings.bids_dir))
    if 'group' in settings.levels and expected.errors:
        failed['group'] = list(expected.errors)
    visits, missing = find_all(settings, labels, filters)
    failed |= missing
    states = {v.prefix: 'complete' if finished(settings, v) else 'process' for v in visits}
    tell_look(settings, visits, failed, states=states, expected=expected)
    if settings.dry_run:
        return failed
    marker_folder(settings.output_dir).mkdir(parents=True, exist_ok=True)
    if settings.boilerplate_only:
        fullest = max((s.echo_times for v in visits for s in v.scans), key=len, default=(0.0,))
        told = Told(settings.methods, fullest)
        group = group_plan(settings) if 'group' in settings.levels else None
        write_citation(settings, methods_section(told, group=group))
        return failed
    return failed | process(settings, visits)


def prepare(settings: Settings) -> None:
    """Create the folder of the derivatives and describe it."""
    from ..interfaces.dataset import prepare_output

    prepare_output(
        settings.output_dir,
        bids_dir=settings.bids_dir,
        participants_file=settings.participants_file,
        version=__version__,
    )


def group_look(settings: Settings) -> Failures:
    """What a group level alone would say, from the derivatives and the participants' table."""
    failed: Failures = {}
    people: list[str] = []
    try:
        people = sorted({path.name.split('_')[0] for path in finished_tables(settings)})
    except NigraError as error:
        failed['group'] = [str(error)]
    expected = forecast(settings, people, people)
    if expected.errors:
        failed.setdefault('group', []).extend(expected.errors)
    tell_look(settings, [], failed, states={}, expected=expected)
    return failed


def process(settings: Settings, visits: Sequence[Visit]) -> Failures:
    """Run the visits whose results are not complete."""
    from ..interfaces.sidecars import marker_path
    from ..workflows.base import init_nigra_wf
    from .run import run_graph

    todo: list[tuple[Visit, str]] = []
    for visit in visits:
        key = visit_fingerprint(visit, settings)
        marker = marker_path(settings.output_dir, visit)
        if finished(settings, visit):
            LOGGER.info('%s is complete; nothing to do', visit.prefix)
        else:
            marker.unlink(missing_ok=True)  # those results are of other inputs or options
            todo.append((visit, key))
    if not todo:
        return {}
    LOGGER.info('Processing %d of %d visits', len(todo), len(visits))
    workflow = init_nigra_wf(todo, make_plan(settings, visits), work_dir=work_folder(settings))
    if settings.write_graph:
        write_graph(workflow, settings.output_dir / 'logs' / 'graph.dot')
    failed = run_graph(workflow, settings, log_dir=settings.output_dir / 'logs')
    if 'group' not in settings.levels:  # which tells of everybody
        tell_phases(settings, [scan.prefix for visit, _ in todo for scan in visit.scans])
    return failed


def finished(settings: Settings, visit: Visit) -> bool:
    """Tell whether a visit's results are complete and made of these inputs with these options."""
    from ..interfaces.completion import is_complete
    from ..interfaces.sidecars import marker_path

    marker = marker_path(settings.output_dir, visit)
    return is_complete(marker, visit_fingerprint(visit, settings), settings.output_dir)


def write_graph(workflow: Any, path: Path) -> None:
    """Save the graph of steps; the picture of it needs Graphviz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        workflow.write_graph(str(path), graph2use='colored', simple_form=True)
    except OSError as error:
        LOGGER.warning('%s has no picture beside it: %s', path, str(error).splitlines()[0])


def find_all(
    settings: Settings, labels: Sequence[str], filters: dict[str, dict[str, Any]]
) -> tuple[list[Visit], Failures]:
    """Find every participant's scans; one that has none fails alone."""
    from ..interfaces.bids import find_visits
    from ..interfaces.completion import marker_folder
    from ..interfaces.survey import participant_problems

    visits: list[Visit] = []
    failed: Failures = {}
    for label in labels:
        try:
            found = find_visits(
                settings.bids_dir, label, sessions=settings.session_label, filters=filters
            )
            check_reference_echoes(settings, found)
            check_own_atlases(settings, label)
            visits += _with_brain_masks(settings, found, filters)
        except NigraError as error:
            more = participant_problems(
                settings.bids_dir, label, sessions=settings.session_label, filters=filters
            )
            failed[label] = list(dict.fromkeys([str(error), *more]))
            if settings.dry_run:
                continue
            for marker in marker_folder(settings.output_dir).glob(f'{label}*.json'):
                if marker.stem.split('_')[0] == label:
                    marker.unlink()  # so that results of earlier data do not count as finished
            if settings.stop_on_first_crash:
                raise
    return visits, failed


def _with_brain_masks(
    settings: Settings, visits: Sequence[Visit], filters: dict[str, dict[str, Any]]
) -> list[Visit]:
    """The visits with the masks of `--derivatives`, where that is given."""
    from ..interfaces.bids import find_brain_mask

    folder = settings.derivatives
    if folder is None:
        return list(visits)
    return [replace(v, brain_mask=find_brain_mask(folder, v, filters)) for v in visits]


def visit_fingerprint(visit: Visit, settings: Settings) -> str:
    """Hash of everything that decides a visit's results."""
    from ..interfaces.anatomy.user_atlas import atlas_sources
    from ..interfaces.completion import fingerprint

    files = [visit.t1w, *(p for s in visit.scans for p in (*s.magnitude, *s.phase))]
    files += [visit.brain_mask] if visit.brain_mask else []
    for source in atlas_sources(settings.methods.atlases, visit.participant_id):
        files += [source.image, source.table]
    scans = [asdict(scan) for scan in visit.scans]
    return fingerprint(files, {**asdict(settings.methods), **software(), 'scans': scans})


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
    """Remove what this run put into the working folder, and the folder if nothing is left."""
    shutil.rmtree(work_folder(settings), ignore_errors=True)
    if settings.scratch.is_dir() and not any(settings.scratch.iterdir()):
        settings.scratch.rmdir()


def make_plan(settings: Settings, visits: Sequence[Visit]) -> Plan:
    """What all visits have in common."""
    from ..interfaces.sidecars import Plan

    echoes = {len(s.echo_times): s.echo_times for v in visits for s in v.scans}
    return Plan(
        bids_dir=settings.bids_dir,
        output_dir=settings.output_dir,
        methods=settings.methods,
        nthreads=settings.omp_nthreads,
        version=__version__,
        versions=library_versions(),
        methods_html={
            n: methods_section(Told(settings.methods, times)).html for n, times in echoes.items()
        },
    )


def group_level(settings: Settings) -> Failures:
    """Compare the groups from the derivatives alone; return what failed."""
    from ..interfaces.completion import is_complete, mark_complete
    from ..interfaces.files import read_json
    from ..interfaces.reports.methods_text import COMPARISON
    from ..workflows.group import output_names
    from .run import run_graph

    tables = finished_tables(settings)
    participants = find_participants_file(settings)
    told = as_processed(settings, tables)
    planned = methods_section(told, group=group_plan(settings)).markdown
    key = group_fingerprint(settings, participants, tables, planned)
    marker = settings.output_dir / 'logs' / 'group_complete.json'
    if is_complete(marker, key, settings.output_dir):
        LOGGER.info('The group level is complete; nothing to do')
        # the participant level may have written its own text since
        group = read_json(settings.output_dir / COMPARISON)
        write_citation(settings, methods_section(told, group=group))
        return {}
    marker.unlink(missing_ok=True)
    tell_phases(settings)
    LOGGER.info('Comparing groups of %s', participants)
    workflow = group_workflow(settings, participants, told)
    voxelwise = bool(settings.question.voxelwise)
    here = replace(settings, nprocs=settings.nprocs if voxelwise else 1, use_plugin=None)
    failed = run_graph(workflow, here, log_dir=settings.output_dir / 'logs')
    if failed:
        return {'group': [s for sentences in failed.values() for s in sentences]}
    names = (*output_names(voxelwise=voxelwise), COMPARISON)
    outputs = [settings.output_dir / name for name in names]
    if voxelwise:
        outputs += sorted(settings.output_dir.glob('group_space-*'))
    mark_complete(marker, key, outputs, settings.output_dir)
    return {}


def region_tables(settings: Settings) -> list[Path]:
    """Region tables of finished participants."""
    from ..interfaces.gather import find_region_tables

    return find_region_tables(settings.output_dir)


def finished_tables(settings: Settings) -> list[Path]:
    """Region tables to compare.

    Raises
    ------
    InputError
        There is none.
    """
    tables = region_tables(settings)
    if not tables:
        raise InputError(
            settings.output_dir,
            'holds no region table (sub-*_seg-dgm_regions.tsv) of a finished participant',
            'run the participant level first',
        )
    return tables


def group_fingerprint(
    settings: Settings, participants: Path, tables: Sequence[Path], methods_text: str
) -> str:
    """Hash of everything that decides the group level's results."""
    from ..interfaces.completion import find_outputs, fingerprint
    from ..interfaces.quality import PATTERN
    from ..interfaces.sessions import find_session_tables, session_folders

    options = {
        **asdict(settings.question),
        'methods_text': methods_text,
        'sessions': settings.session_label,
    }
    quality = find_outputs(settings.output_dir, PATTERN)
    sidecars = [p.with_suffix('.json') for p in tables if p.with_suffix('.json').is_file()]
    people = (path.name.split('_')[0] for path in tables)
    visits = find_session_tables(session_folders(participants, settings.bids_dir), people)
    files = [participants, *tables, *sidecars, *quality, *visits.values()]
    return fingerprint(files, {**options, **software()})


def group_workflow(settings: Settings, participants: Path, told: Told) -> Any:
    """Graph of the group level."""
    from ..workflows.group import init_group_wf

    workflow = init_group_wf(
        derivatives_dir=settings.output_dir,
        participants_file=participants,
        output_dir=settings.output_dir,
        question=settings.question,
        told=told,
        sessions=settings.session_label,
        nthreads=max(settings.omp_nthreads, settings.nprocs),
        bids_dir=settings.bids_dir,
    )
    workflow.base_dir = str(work_folder(settings))
    return workflow


def final_reports(settings: Settings) -> list[Path]:
    """Reports that a user wants to open, the group's first."""
    group = settings.output_dir / 'group.html'
    if 'group' in settings.levels:
        return [group]
    return sorted(settings.output_dir.glob('sub-*.html'))
