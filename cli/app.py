"""What the `nigra` command does: check, build, run, report, one level after the other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..interfaces.agreement import Told
from ..nodes.errors import NigraError
from .checks import (
    check_atlases,
    check_bids,
    check_folders,
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
from .group import group_level, group_look, region_tables, tell_group_is_old
from .look import check_study, forecast, tell_look
from .run import check_plugin
from .settings import Settings
from .told import keep_attempt, keep_failures, list_everybody, tell_phases, tell_problems
from .work import (
    Failures,
    Todo,
    claimed,
    process_claimed,
    software,
    tidy_work,
    unfinished,
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
    if 'group' in settings.levels:
        keep_attempt(settings, failed.get('group', ()))
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
    check_plugin(settings)
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
    from ..interfaces.bids import list_participants, strange_people
    from ..interfaces.queries import load_filters
    from ..interfaces.spellings import people_twice
    from ..interfaces.survey import COMPLETE, TO_PROCESS

    labels = list_participants(settings.bids_dir, settings.participant_label)
    everyone = list_participants(settings.bids_dir)
    filters = load_filters(settings.bids_filter_file)
    failed = check_study(settings, (check_bids, check_atlases, prepare))
    expected = forecast(settings, labels, everyone)
    if 'group' in settings.levels and expected.errors:
        failed['group'] = list(expected.errors)
    visits, missing = find_all(settings, labels, filters)
    failed |= missing
    todo = unfinished(settings, {v.prefix: (v, visit_fingerprint(v, settings)) for v in visits})
    states = {v.prefix: TO_PROCESS if v.prefix in todo else COMPLETE for v in visits}
    twice = [*strange_people(settings.bids_dir), *people_twice(everyone, labels)]
    tell_look(settings, visits, failed, states=states, expected=expected, twice=twice)
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


def final_reports(settings: Settings) -> list[Path]:
    """Reports that a user wants to open, the group's first."""
    index = settings.output_dir / 'index.html'
    return [settings.group_dir / 'group.html', index] if 'group' in settings.levels else [index]
