"""A folder of DICOM files to a BIDS data set: read headers, decide, tell, convert."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ...nodes.errors import InputError, NigraError, one_line
from ..files import save_json, save_text
from .clinical import (
    participants_table,
    read_clinical,
    save_participants,
    with_those_there,
)
from .convert import find_converter
from .export import Export, LeftOut, read_export
from .headers import limits
from .overrule import forced_roles, read_map, series_uids
from .people import Visit, doubtful_ids, find_visits, name_visits, read_key, save_key
from .roles import Reading
from .scans import Scan, assemble, perhaps_stopped
from .series import gather
from .write import WITHOUT_T1W, write_visit


@dataclass(frozen=True)
class Request:
    """What somebody asks for.

    Attributes
    ----------
    dicom_dir, bids_dir
        From where to where.
    map_file
        Roles of series that overrule headers.
    key_file
        Who is who; beside `bids_dir` where None.
    clinical_file
        CSV, TSV or Excel table to merge.
    labels
        `number` or `patient-id`.
    private
        Keep everything in sidecars.
    dry_run
        Decide and tell only.
    version
        Of nigra.
    """

    dicom_dir: Path
    bids_dir: Path
    map_file: Path | None = None
    key_file: Path | None = None
    clinical_file: Path | None = None
    labels: str = 'number'
    private: bool = False
    dry_run: bool = False
    version: str = ''

    @property
    def key(self) -> Path:
        """File of who is who: never inside the data set, which is to be shared."""
        return self.key_file or self.bids_dir.with_name(f'{self.bids_dir.name}_key.tsv')


@dataclass
class Outcome:
    """What was decided and done.

    Attributes
    ----------
    table
        One row per series: participant_id, session_id, series, description, images, role, reason,
        and series_uid where another series of the visit has the number, too.
    problems
        What keeps somebody from being complete; the exit status is 1.
    warnings
        What to know.
    written
        Files.
    """

    table: pd.DataFrame
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)


def bidsify(request: Request, tell: Callable[[str], None] = lambda text: None) -> Outcome:
    """Convert all gradient-echo and T1w scans of a folder.

    Parameters
    ----------
    request
        What is asked for.
    tell
        Called with a sentence when a step begins.

    Raises
    ------
    InputError
        Nothing can be decided: no DICOM files, programs missing, tables that do not fit.
    """
    converter = find_converter()
    _check_folders(request)
    forced, clinical = read_map(request.map_file), read_clinical(request.clinical_file)
    key = read_key(request.key)
    with tempfile.TemporaryDirectory(prefix='nigra-bidsify-') as folder:
        scratch = Path(folder)
        export = read_export(request.dicom_dir, scratch, tell)
        refused: list[InputError] = []
        visits = name_visits(
            find_visits(gather(export.frames, limits), refused), key, request.labels,
            [p.name for p in request.bids_dir.glob('sub-*')], left_out=refused,
        )  # fmt: skip
        if refused and not visits:
            raise refused[0]
        left_out = [*export.left_out, *map(LeftOut.somebody, refused)]
        roles = forced_roles(forced, visits, request.map_file)
        decided = [assemble(visit.series, roles) for visit in visits]
        outcome = Outcome(_table(visits, [readings for _, readings in decided], left_out))
        outcome.problems += [one.sentence for one in left_out]
        outcome.warnings += doubtful_ids(visits)
        for visit, (scans, readings) in zip(visits, decided, strict=True):
            _judge_visit(visit, scans, readings, outcome)
        used = [v for v, (scans, _) in zip(visits, decided, strict=True) if scans]
        people, told = participants_table(used, clinical, request.clinical_file)
        outcome.warnings += told
        with_those_there(people, request.bids_dir)  # refuses before anything is written
        if request.dry_run or not used:
            return outcome
        save_key(key, used, request.key)
        _describe(request)
        for visit, (scans, _) in zip(visits, decided, strict=True):
            if scans:
                words = 'scan' if len(scans) == 1 else 'scans'
                tell(f'{visit.prefix}: converting {len(scans)} {words}')
                _convert(visit, scans, converter, request, outcome, scratch, export)
        there = people.participant_id.map(lambda who: (request.bids_dir / who).is_dir())
        save_participants(people[there], request.bids_dir)
    return outcome


def _check_folders(request: Request) -> None:
    source, target = request.dicom_dir.resolve(), request.bids_dir.resolve()
    if source == target or source in target.parents:
        raise InputError(
            request.bids_dir, f'lies in {request.dicom_dir}', 'give a folder outside of it'
        )
    if request.bids_dir.is_file():
        raise InputError(request.bids_dir, 'is a file', 'give a new or empty folder')
    filled = request.bids_dir.is_dir() and any(request.bids_dir.iterdir())
    if filled and not (request.bids_dir / 'dataset_description.json').is_file():
        raise InputError(
            request.bids_dir,
            'holds files but no dataset_description.json, so it is no BIDS data set',
            'give a new or empty folder',
        )


def _table(
    visits: Sequence[Visit], readings: Sequence[Sequence[Reading]], left_out: Sequence[LeftOut]
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for visit, read in zip(visits, readings, strict=True):
        for one, reading, uid in zip(visit.series, read, series_uids(visit), strict=True):
            rows.append({
                'participant_id': visit.participant_id,
                'session_id': visit.session_id or None,
                'series': one.header.number,
                'description': one_line(one.header.description),
                'images': sum(v.slices * v.copies for v in one.volumes),
                'role': 'ignore' if reading.role == 'none' else reading.role,
                'reason': reading.reason,
                'series_uid': uid,
            })  # fmt: skip
    for lost in left_out:  # a row without series says nothing to --map
        rows.append({'series': None, 'description': lost.name, 'images': None, 'role': 'ignore',
                     'reason': lost.reason})  # fmt: skip
    return pd.DataFrame(rows).astype({'series': 'Int64', 'images': 'Int64'})


def _judge_visit(
    visit: Visit, scans: Sequence[Scan], readings: Sequence[Reading], outcome: Outcome
) -> None:
    """Note what a visit lacks."""
    kinds = {scan.suffix for scan in scans}
    for one, reading in zip(visit.series, readings, strict=True):
        if reading.fault:
            outcome.problems.append(
                f'{visit.prefix}: series {one.header.number} ({one.header.description}) is left '
                f'out: {reading.reason}.'
            )
    if not kinds & {'MEGRE', 'T2starw'}:
        outcome.problems.append(
            f'{visit.prefix}: no gradient echo with phase was found; without it there is no '
            'susceptibility map. If the scanner stored one, name its series with --map.'
        )
    outcome.warnings += [f'{visit.prefix}: {told}' for told in perhaps_stopped(scans)]
    if scans and 'T1w' not in kinds:
        outcome.warnings.append(f'{visit.prefix}: no T1w image was found; {WITHOUT_T1W}.')


def _convert(
    visit: Visit,
    scans: Sequence[Scan],
    converter: Path,
    request: Request,
    outcome: Outcome,
    scratch: Path,
    export: Export,
) -> None:
    """Write a visit; one that fails does not take others along."""
    try:
        outcome.written += write_visit(
            visit, scans, request.bids_dir, converter=converter, private=request.private,
            scratch=scratch, warnings=outcome.warnings, problems=outcome.problems,
        )  # fmt: skip
    except NigraError as error:
        outcome.problems.append(f'{visit.prefix}: {export.shown(error)}')


def _describe(request: Request) -> None:
    """Description and README of the data set, where there are none."""
    path = request.bids_dir / 'dataset_description.json'
    if not path.exists():
        save_json(
            {
                'Name': request.bids_dir.resolve().name,
                'BIDSVersion': '1.10.0',
                'DatasetType': 'raw',
                'GeneratedBy': [{'Name': 'nigra-bidsify', 'Version': request.version}],
            },
            path,
        )
    if not any(request.bids_dir.glob('README*')):
        save_text(
            'T1-weighted and gradient-echo images, converted from DICOM by nigra-bidsify with '
            'dcm2niix.\n',
            request.bids_dir / 'README',
        )
