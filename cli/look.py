"""One look before anything runs: who, from which files, measured how, and what is wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..nodes.errors import NigraError, one_line
from .checks import check_harmonise, check_ratings, find_participants_file
from .settings import Settings
from .told import in_columns

if TYPE_CHECKING:
    from ..interfaces.bids import Visit
    from ..interfaces.forecast import Forecast
    from ..interfaces.scans import GreScan

LOGGER = logging.getLogger('nigra')
SHOWN = {
    'scan': 'scan', 'group': 'group', 't1w': 'T1w', 'magnitude': 'magnitude', 'phase': 'phase',
    'EchoTimes': 'TE (ms)', 'MagneticFieldStrength': 'B0 (T)', 'VoxelSize': 'voxels (mm)',
    'method': 'method', 'state': 'state',
}  # fmt: skip
"""Columns of the table on the console, with their headings; the file has all."""
ROWS = 200
"""Of the table on the console at most."""
LEVELS = ('error', 'confounded', 'warning')
"""Weights of problems, the heaviest first: what will not be made, what may pass for a difference
between groups, and what is to be known."""
_PERSON = re.compile(r'sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?')


class Problems:
    """What a look finds, each sentence once."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], None] = {}

    def add(self, level: str, about: str, sentences: Sequence[str]) -> None:
        """Add sentences on a participant, `group` or `study`."""
        self._rows |= {(level, one_line(about), sentence): None for sentence in sentences}

    def table(self) -> pd.DataFrame:
        """Columns `level`, `about` and `problem`, the heaviest first."""
        rows = sorted(self._rows, key=lambda row: LEVELS.index(row[0]))
        return pd.DataFrame(rows, columns=['level', 'about', 'problem'])

    def tell(self, later: Collection[str] = ()) -> None:
        """Log them but for sentences whose time is later, those that differ only in whom as one.

        Parameters
        ----------
        later
            Sentences on the group, of which only the number is told.
        """
        alike: dict[tuple[str, str], list[tuple[str, str]]] = {}
        table = self.table()
        for level, about, sentence in table[~table.problem.isin(later)].itertuples(index=False):
            # what is about all names people of its own, who are told
            kind = _PERSON.sub('sub-', sentence) if _PERSON.match(about) else sentence
            alike.setdefault((level, kind), []).append((about, sentence))
        for (level, _), found in alike.items():
            (about, sentence), *others = found
            more = _others([who for who, _ in others])
            if level == 'error':
                LOGGER.error('%s will not be made: %s%s', about, sentence, more)
            else:
                note = 'ATTENTION, ' if level == 'confounded' else ''
                LOGGER.warning('%s%s: %s%s', note, about, sentence, more)
        if later:
            LOGGER.info(
                'group: a comparison would tell of %d more, which logs/problems.tsv lists',
                len(later),
            )


def _others(names: Sequence[str]) -> str:
    from ..nodes.statistics.values import name_some

    return f' (The same of {name_some(names)}.)' if names else ''


def check_study(
    settings: Settings, checks: Sequence[Callable[[Settings], None]]
) -> dict[str, list[str]]:
    """Run checks that concern everybody; a dry run goes on after one that refuses.

    Raises
    ------
    NigraError
        One refuses, and this is no dry run.
    """
    refused = []
    for check in checks:
        try:
            check(settings)
        except NigraError as error:
            if not settings.dry_run:
                raise
            refused.append(str(error))
    return {'study': refused} if refused else {}


def forecast(settings: Settings, chosen: Sequence[str], everyone: Sequence[str]) -> Forecast:
    """What the group level will say; nothing where no table of participants is there or needed.

    Parameters
    ----------
    settings
        Of this run.
    chosen
        Participants of this run.
    everyone
        All who have images or results.
    """
    from ..interfaces.forecast import Forecast, forecast_group

    comparing = 'group' in settings.levels
    try:
        path = find_participants_file(settings)
    except NigraError as error:
        return Forecast((str(error),) if comparing else ())
    people = chosen if comparing else everyone
    found = forecast_group(path, settings.question, people, everyone)
    try:
        check_harmonise(settings)
        check_ratings(settings)
    except NigraError as error:
        return replace(found, errors=(*found.errors, str(error)))
    return found


def tell_look(
    settings: Settings,
    visits: Sequence[Visit],
    failed: Mapping[str, Sequence[str]],
    *,
    states: Mapping[str, str],
    expected: Forecast,
    twice: Sequence[str] = (),
) -> None:
    """Print what will be done and all that is wrong, and keep both as tables in the log folder.

    Parameters
    ----------
    settings
        Of this run.
    visits
        What can be processed.
    failed
        Sentences by participant, `group` or `study`.
    states
        `process` or `complete` by the visit's prefix.
    expected
        Of the group level.
    twice
        Sentences on people who are there under two spellings.
    """
    from ..interfaces.copies import copied_images
    from ..interfaces.spellings import sessions_twice
    from ..interfaces.survey import TO_PROCESS, header_warnings, scan_rows, study_differences

    rows = scan_rows(visits, groups=expected.groups or {}, states=states, method=_method(settings))
    problems = Problems()
    for about, sentences in failed.items():
        problems.add('error', about, sentences)
    problems.add('warning', 'study', [*twice, *sessions_twice(rows), *copied_images(visits)])
    for sentence, confounded in study_differences(rows):
        problems.add('confounded' if confounded else 'warning', 'study', [sentence])
    problems.add('warning', 'group', expected.warnings)
    if 'group' not in settings.levels:  # then it is no failure
        problems.add('warning', 'group', expected.errors)
    for visit in visits:
        told = [*visit.warnings, *(s for scan in visit.scans for s in scan.warnings)]
        problems.add('warning', visit.prefix, [*told, *header_warnings(visit)])
    left_out = [one_line(who) for who in failed if who not in ('group', 'study')]
    everything = _with_absent(rows, left_out, expected.groups or {})
    if settings.task_record is None:  # a task sees its own participants alone
        _keep(everything, problems, settings.output_dir / 'logs')
    _show(everything)
    # what keeps a comparison from being made is told in time to mend it, its remarks are not
    problems.tell(() if 'group' in settings.levels else expected.warnings)
    _tell_costs(settings, [v for v in visits if states.get(v.prefix) == TO_PROCESS])


def _with_absent(
    rows: pd.DataFrame, left_out: Sequence[str], groups: Mapping[str, str]
) -> pd.DataFrame:
    """Rows of scans with those of people who have none that serves, in order."""
    from ..interfaces.survey import LEFT_OUT, SCAN_COLUMNS

    named = dict.fromkeys(('participant_id', 'visit', 'scan'), left_out)
    absent = pd.DataFrame({**named, 'state': LEFT_OUT})
    absent['group'] = absent.participant_id.map(groups)
    everything = pd.concat([rows, absent]).reindex(columns=list(SCAN_COLUMNS))
    return everything.sort_values('scan', kind='stable')


def _keep(scans: pd.DataFrame, problems: Problems, folder: Path) -> None:
    """Save what was looked at and what is wrong with it as tables."""
    from ..interfaces.files import save_json
    from ..interfaces.survey import LOOK, PROBLEMS, SCAN_COLUMNS
    from ..interfaces.tables import save_table

    words = {name: {'Description': told} for name, told in SCAN_COLUMNS.items()}
    save_table(scans, folder / LOOK)
    save_json(words, (folder / LOOK).with_suffix('.json'))
    save_table(problems.table(), folder / PROBLEMS)


def _method(settings: Settings) -> Callable[[GreScan], str]:
    """Names of the steps that decide a map, for one scan."""
    methods = settings.methods
    steps = [methods.inversion] if methods.one_step else [methods.background, methods.inversion]

    def of_scan(scan: GreScan) -> str:
        several = len(scan.echo_times) > 1
        used = [methods.field, *steps, *(['separation'] if methods.separation and several else [])]
        return f'{"+".join(used)}, zero: {methods.reference}, {methods.registration}'

    return of_scan


def _show(rows: pd.DataFrame) -> None:
    """Log the table of scans; lists of many echoes and of many scans are cut."""
    shown = rows[list(SHOWN)].rename(columns=SHOWN).head(ROWS)
    for name in ('magnitude', 'phase'):
        shown[name] = shown[name].map(_first_file, na_action='ignore')
    cells = [list(shown), *shown.astype(object).fillna('n/a').astype(str).to_numpy().tolist()]
    for line in in_columns(cells):
        LOGGER.info('%s', line)
    if len(rows) > ROWS:
        LOGGER.info('... and %d more, in logs/look.tsv', len(rows) - ROWS)


def _first_file(names: str) -> str:
    first, *others = names.split()
    return f'{first} (+{len(others)})' if others else first


def _tell_costs(settings: Settings, visits: Sequence[Visit]) -> None:
    from ..interfaces.sidecars import scan_memory_gb
    from ..interfaces.survey import disk_mb, hours_of
    from ..workflows.graph import ANTS_MEMORY

    if not visits:
        return
    hours = sum(hours_of(visit, settings.methods.registration) for visit in visits)
    results, work = zip(*(disk_mb(visit, settings.methods) for visit in visits), strict=True)
    # a visit's working folder goes when it is complete
    together = settings.keep_workdir or settings.use_plugin or settings.submits
    fullest = sorted(work, reverse=True)[: None if together else settings.nprocs]
    memory = max(scan_memory_gb(scan, settings.methods) for v in visits for scan in v.scans)
    LOGGER.info(
        "To process: %d. Estimated from the images' sizes: about %s with %d at once, up to %s of "
        'memory in each, %s of results and %s of working folder.',
        len(visits), _duration(hours / settings.nprocs), settings.nprocs,
        _size(1000 * max(memory, ANTS_MEMORY['mem_gb'])), _size(sum(results)), _size(sum(fullest)),
    )  # fmt: skip


def _size(megabytes: float) -> str:
    """Room on a disk in words.

    Examples
    --------
    >>> _size(83.6), _size(1240.0)
    ('84 MB', '1.2 GB')
    """
    return f'{megabytes:.0f} MB' if megabytes < 1000 else f'{megabytes / 1000:.1f} GB'


def _duration(hours: float) -> str:
    """Time in words.

    Examples
    --------
    >>> _duration(0.26), _duration(7.4), _duration(0.004)
    ('16 min', '7.4 h', '1 min')
    """
    return f'{max(1, 60 * hours):.0f} min' if hours < 2 else f'{hours:.1f} h'
