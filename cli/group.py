"""The group level: what is compared, whether it is complete, and its run."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..interfaces.agreement import Told
from ..nodes.errors import InputError, NigraError
from .checks import find_participants_file
from .citation import as_processed, group_plan, methods_section, write_citation
from .look import forecast, tell_look
from .run import run_graphs
from .settings import Settings
from .told import tell_phases
from .work import Failures, claimed, software, work_folder

LOGGER = logging.getLogger('nigra')


def group_look(settings: Settings) -> Failures:
    """What a group level alone would say, from the derivatives and the participants' table."""
    from ..interfaces.forecast import Forecast
    from ..interfaces.spellings import people_twice

    failed: Failures = {}
    people: list[str] = []
    try:
        people = sorted({path.name.split('_')[0] for path in finished_tables(settings)})
    except NigraError as error:
        failed['group'] = [str(error)]
    expected = forecast(settings, people, people) if people else Forecast()
    if expected.errors:
        failed.setdefault('group', []).extend(expected.errors)
    twice = people_twice(people)
    tell_look(settings, [], failed, states={}, expected=expected, twice=twice)
    return failed


def group_level(settings: Settings) -> Failures:
    """Compare the groups from the derivatives alone; return what failed."""
    from ..interfaces.completion import missing_outputs
    from ..interfaces.dataset import keep_participants
    from ..interfaces.files import read_json
    from ..interfaces.reports.methods_text import COMPARISON

    for path in missing_outputs(settings.output_dir, ('_regions.tsv', '_quality.json')):
        LOGGER.warning('%s was finished but is not there: run the participant level again', path)
    tables = finished_tables(settings)
    participants = find_participants_file(settings)
    people = sorted({path.name.split('_')[0] for path in tables})
    if errors := forecast(settings, people, people).errors:  # before earlier results give way
        return {'group': list(errors)}
    if not settings.analysis_name:  # the list of everybody shows the groups that are compared
        keep_participants(settings.output_dir, participants)
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
    from ..interfaces.completion import GROUP_COMPLETE

    return settings.group_dir / 'logs' / GROUP_COMPLETE


def compare(settings: Settings, workflow: Any, key: str) -> Failures:
    """Run the graph of the group level, which is this run's; return what failed."""
    from ..interfaces.completion import begin, mark_complete
    from ..interfaces.reports.figure_files import FIGURES, PREFIX
    from ..interfaces.reports.methods_text import COMPARISON
    from ..interfaces.voxelwise import STEM
    from ..workflows.graph import final_files

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


def tell_group_is_old(pages: Sequence[Path], reason: str) -> None:
    """Say that pages of the group level are not of this run, those that are there."""
    for page in pages:
        if page.is_file():
            LOGGER.warning('%s and the tables beside it are of an earlier run: %s', page, reason)
