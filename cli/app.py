"""What the `nigra` command does: check, build, run, report, one level after the other."""

from __future__ import annotations

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
    find_participants_file,
)
from .citation import (
    as_processed,
    group_plan,
    library_versions,
    methods_section,
    write_citation,
)
from .find import find_all
from .folders import check_places
from .look import check_study, forecast, tell_look
from .settings import Settings
from .told import keep_failures, list_everybody, tell_phases, tell_problems
from .work import (
    Failures,
    Todo,
    claimed,
    process_claimed,
    software,
    tidy_work,
    unfinished,
    work_folder,
)

if TYPE_CHECKING:
    from ..interfaces.bids import Visit
    from ..interfaces.sidecars import Plan

LOGGER = logging.getLogger('nigra')


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
    check_run(settings)
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
        write_citation(settings.output_dir, methods_section(told))
    if 'group' in failed:
        page = settings.group_dir / 'group.html'
        tell_group_is_old([page], 'the group level did not run to its end')
    for name, sentences in sorted(failed.items()):
        for sentence in sentences:
            LOGGER.error('%s failed: %s', name, sentence)
    keep_failures(settings, failed)
    tell_problems(settings)
    list_everybody(settings, failed)
    if failed:
        return 1
    if not settings.keep_workdir:
        tidy_work(settings)
    LOGGER.info('Reports: %s', ' '.join(map(str, final_reports(settings))))
    return 0


def check_run(settings: Settings) -> None:
    """Refuse what no data could make right, before any are looked at.

    Raises
    ------
    NigraError
        A folder or a method cannot serve.
    """
    check_folders(settings)
    check_places(settings)
    settings.methods.check_names()


def participant_level(settings: Settings) -> Failures:
    """Process every participant that is not yet complete; return what failed, by visit."""
    from ..interfaces.completion import marker_folder

    visits, todo, failed = look_at_participants(settings)
    if settings.dry_run:
        return failed
    marker_folder(settings.output_dir).mkdir(parents=True, exist_ok=True)
    if settings.boilerplate_only:
        fullest = max((s.echo_times for v in visits for s in v.scans), key=len, default=(0.0,))
        told = Told(settings.methods, fullest)
        group = group_plan(settings) if 'group' in settings.levels else None
        write_citation(settings.output_dir, methods_section(told, group=group))
        return failed
    return failed | process(settings, visits, todo)


def look_at_participants(settings: Settings) -> tuple[list[Visit], Todo, Failures]:
    """The look before anything runs: all visits, those to be done, and what fails.

    Raises
    ------
    NigraError
        Nobody can be processed.
    """
    from ..interfaces.bids import list_participants
    from ..interfaces.queries import load_filters

    labels = list_participants(settings.bids_dir, settings.participant_label)
    filters = load_filters(settings.bids_filter_file)
    failed = check_study(settings, (check_bids, check_atlases, prepare))
    expected = forecast(settings, labels, list_participants(settings.bids_dir))
    if 'group' in settings.levels and expected.errors:
        failed['group'] = list(expected.errors)
    visits, missing = find_all(settings, labels, filters)
    failed |= missing
    todo = unfinished(settings, {v.prefix: (v, visit_fingerprint(v, settings)) for v in visits})
    states = {v.prefix: 'process' if v.prefix in todo else 'complete' for v in visits}
    tell_look(settings, visits, failed, states=states, expected=expected)
    return visits, todo, failed


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


def process(settings: Settings, visits: Sequence[Visit], todo: Todo) -> Failures:
    """Run those of the visits that are to be done."""
    for visit in visits:
        if visit.prefix not in todo:
            LOGGER.info('%s is complete; nothing to do', visit.prefix)
    if not todo:
        return {}
    with claimed(settings, todo) as (taken, failed):
        # another run may have finished some since
        todo = unfinished(settings, {name: todo[name] for name in todo if name in taken})
        if todo:
            LOGGER.info('Processing %d of %d visits', len(todo), len(visits))
            failed |= process_claimed(settings, todo, make_plan(settings, visits))
    if 'group' not in settings.levels:  # which tells of everybody
        tell_phases(settings, [scan.prefix for visit, _ in todo.values() for scan in visit.scans])
        root = settings.output_dir
        pages = [root / 'group.html', *sorted(root.glob('analyses/*/group.html'))]
        tell_group_is_old(pages, 'participants have been processed since')
    return failed


def tell_group_is_old(pages: Sequence[Path], reason: str) -> None:
    """Say that pages of the group level are not of this run, those that are there."""
    for page in pages:
        if page.is_file():
            LOGGER.warning('%s and the tables beside it are of an earlier run: %s', page, reason)


def visit_fingerprint(visit: Visit, settings: Settings) -> str:
    """Hash of everything that decides a visit's results."""
    from ..interfaces.anatomy.user_atlas import atlas_sources
    from ..interfaces.completion import fingerprint

    files = [visit.t1w, *(p for s in visit.scans for p in (*s.magnitude, *s.phase))]
    files += [visit.brain_mask] if visit.brain_mask else []
    for source in atlas_sources(settings.methods.atlases, visit.participant_id):
        files += [source.image, source.table]
    scans = [vars(scan) for scan in visit.scans]
    return fingerprint(files, {**vars(settings.methods), **software(), 'scans': scans})


def make_plan(settings: Settings, visits: Sequence[Visit]) -> Plan:
    """What all visits have in common."""
    from ..interfaces.reports.provenance import describe_study
    from ..interfaces.sidecars import Plan

    echoes = {len(s.echo_times): s.echo_times for v in visits for s in v.scans}
    return Plan(
        bids_dir=settings.bids_dir,
        output_dir=settings.output_dir,
        methods=settings.methods,
        nthreads=settings.omp_nthreads,
        version=__version__,
        versions=library_versions(),
        study=describe_study(settings.bids_dir, settings.command),
        methods_html={
            n: methods_section(Told(settings.methods, times)).html for n, times in echoes.items()
        },
    )


def group_level(settings: Settings) -> Failures:
    """Compare the groups from the derivatives alone; return what failed."""
    from ..interfaces.completion import missing_outputs
    from ..interfaces.files import read_json
    from ..interfaces.reports.methods_text import COMPARISON

    for path in missing_outputs(settings.output_dir, ('_regions.tsv', '_quality.json')):
        LOGGER.warning('%s was finished but is not there: run the participant level again', path)
    tables = finished_tables(settings)
    participants = find_participants_file(settings)
    people = sorted({path.name.split('_')[0] for path in tables})
    if errors := forecast(settings, people, people).errors:  # before earlier results give way
        return {'group': list(errors)}
    told, key = _told_and_key(settings, participants, tables)
    if _group_is_there(settings, key):
        LOGGER.info('The group level is complete; nothing to do')
        # the participant level may have written its own text since
        group = read_json(settings.group_dir / COMPARISON)
        write_citation(settings.group_dir, methods_section(told, group=group))
        return {}
    name = f'group {settings.analysis_name or ""}'.strip()  # others may run at the same time
    with claimed(settings, [name]) as (taken, busy):
        if name not in taken:
            return {'group': busy[name]}
        tell_phases(settings)
        LOGGER.info('Comparing groups of %s', participants)
        return compare(settings, group_workflow(settings, participants, told), key)


def _told_and_key(
    settings: Settings, participants: Path, tables: Sequence[Path]
) -> tuple[Told, str]:
    """What the compared results tell of their methods, and the hash of the group level."""
    told = as_processed(settings, tables)
    planned = methods_section(told, group=group_plan(settings)).markdown
    return told, group_fingerprint(settings, participants, tables, planned)


def group_is_complete(settings: Settings) -> bool:
    """Tell whether the group level would have nothing to do.

    Raises
    ------
    NigraError
        It cannot be made: nobody is finished, or there is no table of participants.
    """
    _, key = _told_and_key(settings, find_participants_file(settings), finished_tables(settings))
    return _group_is_there(settings, key)


def _group_is_there(settings: Settings, key: str) -> bool:
    from ..interfaces.completion import is_complete

    return is_complete(group_marker(settings), key, settings.group_dir)


def group_marker(settings: Settings) -> Path:
    """The file that says that the group level is complete."""
    return settings.group_dir / 'logs' / 'group_complete.json'


def compare(settings: Settings, workflow: Any, key: str) -> Failures:
    """Run the graph of the group level, which is this run's; return what failed."""
    from ..interfaces.completion import begin, mark_complete
    from ..interfaces.reports.figure_files import FIGURES, PREFIX
    from ..interfaces.reports.methods_text import COMPARISON
    from ..interfaces.voxelwise import STEM
    from ..workflows.graph import final_files
    from .run import run_graphs

    root, marker = settings.group_dir, group_marker(settings)
    voxelwise = bool(settings.question.voxelwise)
    planned = [*final_files(workflow, root), root / COMPARISON]
    # names of maps and pictures are known only when they are made
    maps, pictures = root / f'{STEM}_*', f'{FIGURES}/{PREFIX}*'
    if begin(marker, key, [*planned, maps], root):
        for path in (*root.glob(maps.name), *root.glob(pictures)):
            path.unlink()
    failed = run_graphs(
        [('group', workflow)], replace(settings, use_plugin=None), log_dir=root / 'logs',
        here=not voxelwise,
    )  # fmt: skip
    if failed:
        return {'group': [s for sentences in failed.values() for s in sentences]}
    made = sorted(root.glob(maps.name)) if voxelwise else []
    mark_complete(marker, key, [*planned, *made, *root.glob(pictures)], root)
    if not settings.keep_workdir:
        shutil.rmtree(work_folder(settings) / workflow.name, ignore_errors=True)
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
    files += settings.exclude_rated
    return fingerprint(files, {**options, **software()})


def group_workflow(settings: Settings, participants: Path, told: Told) -> Any:
    """Graph of the group level."""
    from ..workflows.group import init_group_wf

    workflow = init_group_wf(
        derivatives_dir=settings.output_dir,
        participants_file=participants,
        output_dir=settings.group_dir,
        question=settings.question,
        told=told,
        sessions=settings.session_label,
        nthreads=max(settings.omp_nthreads, settings.nprocs),
        bids_dir=settings.bids_dir,
        ratings=settings.exclude_rated,
        command=settings.command,
        name=f'group_{settings.analysis_name}_wf' if settings.analysis_name else 'group_wf',
    )
    workflow.base_dir = str(work_folder(settings))
    return workflow


def final_reports(settings: Settings) -> list[Path]:
    """Reports that a user wants to open, the group's first."""
    index = settings.output_dir / 'index.html'
    return [settings.group_dir / 'group.html', index] if 'group' in settings.levels else [index]
