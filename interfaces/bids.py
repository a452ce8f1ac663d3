"""Find the scans of a participant in a BIDS data set and refuse what cannot be measured.

Parsing names and inheriting metadata is `bids2table`'s work; the checks are ours, because
BIDS leaves them open: it does not require a field strength, and an echo time in milliseconds is
only a warning to its validator.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from .headers import check_same_grid, read_header
from .names import io_spec
from .runs import echo_times, field_strength, load_metadata


@dataclass(frozen=True)
class GreScan:
    """One gradient-echo acquisition: all echoes of one run.

    Attributes
    ----------
    prefix
        File name up to the entities that name an echo or a part: `sub-01_ses-1_run-1`.
    session_id, run_id
        With their keys (`ses-1`, `run-1`), or None.
    magnitude, phase
        One file per echo, in the order of `echo_times`.
    echo_times
        Seconds, rising.
    b0
        Field strength, tesla.
    metadata
        The first phase file's sidecar, inherited as BIDS says.
    warnings
        Sentences for the report.
    """

    prefix: str
    session_id: str | None
    run_id: str | None
    magnitude: tuple[Path, ...]
    phase: tuple[Path, ...]
    echo_times: tuple[float, ...]
    b0: float
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Visit:
    """A T1w image and the gradient-echo scans measured with its anatomy."""

    participant_id: str
    session_id: str | None
    t1w: Path
    scans: tuple[GreScan, ...]
    warnings: tuple[str, ...] = ()
    brain_mask: Path | None = None

    @property
    def prefix(self) -> str:
        """Entities that name the visit: `sub-01` or `sub-01_ses-1`."""
        return '_'.join(filter(None, (self.participant_id, self.session_id)))


@dataclass(frozen=True)
class _File:
    """A file of the index, with its entities as they stand in its name."""

    path: Path
    entities: Mapping[str, str]

    def get(self, entity: str) -> str | None:
        return self.entities.get(entity)


def list_participants(bids_dir: Path, wanted: Sequence[str] = ()) -> list[str]:
    """Participants to process, sorted, with their `sub-` keys.

    Parameters
    ----------
    bids_dir
        Root of the data set.
    wanted
        Labels, with or without `sub-`; empty for all.

    Raises
    ------
    InputError
        The folder is missing or holds no participants, or a label is unknown.
    """
    if not bids_dir.is_dir():
        raise InputError(bids_dir, 'is not a folder', 'give the root of a BIDS data set')
    present = sorted(p.name for p in bids_dir.glob('sub-*') if p.is_dir())
    if not present:
        raise InputError(bids_dir, 'holds no sub-* folders', 'give the root of a BIDS data set')
    labels = [f'sub-{label.removeprefix("sub-")}' for label in wanted]
    for label in labels:
        if label not in present:
            some = ', '.join(present[:5]) + (', ...' if len(present) > 5 else '')
            raise InputError(
                f'--participant-label {label.removeprefix("sub-")}',
                f'is not in {bids_dir}',
                f'choose among {some}',
            )
    return sorted(set(labels)) or present


def load_filters(path: Path | None) -> dict[str, dict[str, Any]]:
    """Read a BIDS filter file: `{"t1w": {...}, "gre": {...}}`, entities by long or short name.

    Raises
    ------
    InputError
        Not JSON, a query or value of another form, or an entity that BIDS does not know.
    """
    if path is None:
        return {}
    try:
        filters = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(
            path, f'cannot be read as JSON ({error})', 'mend the filter file'
        ) from error
    queries = io_spec()['queries']
    valid = isinstance(filters, dict) and all(
        name in queries and isinstance(query, dict) for name, query in filters.items()
    )
    if not valid:
        raise InputError(
            path,
            f'holds {json.dumps(filters)[:80]}',
            f'use one object with queries named {" or ".join(queries)}',
        )
    return {name: _short_names(path, name, query) for name, query in filters.items()}


def _short_names(path: Path, name: str, query: Mapping[str, Any]) -> dict[str, Any]:
    names = io_spec()['entity_names']
    for key in query:
        if key not in names and key not in names.values():
            known = (s if s == long else f'{s} ({long})' for long, s in names.items())
            raise InputError(
                path,
                f'asks in "{name}" for the unknown entity "{key}"',
                f'use one of {", ".join(known)}',
            )
    return {names.get(key, key): value for key, value in query.items()}


def find_visits(
    bids_dir: Path,
    participant_id: str,
    *,
    sessions: Sequence[str] = (),
    filters: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Visit, ...]:
    """Collect a participant's scans, checked against each other.

    Parameters
    ----------
    bids_dir
        Root of the data set.
    participant_id
        With its `sub-` key.
    sessions
        Session labels whose gradient-echo scans are kept; empty for all.
    filters
        Further entities by query name, as `load_filters` returns them.

    Returns
    -------
    tuple of Visit
        One per T1w image used. A gradient-echo scan takes the T1w of its own session, else the
        first of the participant, even from a session not asked for. Runs without any phase are
        left out with a warning as long as a complete one remains.

    Raises
    ------
    InputError
        Something needed is missing, unreadable or contradictory.
    """
    folder = bids_dir / participant_id
    kept = _wanted_sessions(folder, sessions)
    filters = filters or {}
    files = _index(folder)
    gre = _select(files, 'gre', filters.get('gre', {}))
    gre = [f for f in gre if not kept or _with_key(f, 'ses') in kept]
    if not gre:
        raise InputError(
            folder,
            f'has no gradient-echo images{" in " if kept else ""}{" or ".join(kept)} '
            '(looked for anat/*_part-mag and *_part-phase named MEGRE or T2starw)',
            'name them as BIDS says or widen the filter',
        )
    t1w = _select(files, 't1w', filters.get('t1w', {}))
    if not t1w:
        raise InputError(
            folder,
            'has no T1w image (looked for anat/*_T1w.nii.gz)',
            'add one or widen the filter',
        )
    runs = _group_runs(gre)
    used, left_out = _leave_out_phaseless(runs)
    scans = [_build_scan(bids_dir, run, several=len(runs) > 1) for run in used]
    _check_names([scan.prefix for scan in scans])
    return _tell_left_out(_match_t1w(participant_id, scans, t1w), left_out)


def find_brain_mask(
    derivatives: Path, visit: Visit, filters: Mapping[str, Mapping[str, Any]] | None = None
) -> Path:
    """Brain mask of a visit's T1w image that another program or a person has made.

    Parameters
    ----------
    derivatives
        Derivative data set, as fMRIPrep's.
    visit
        The one whose mask is wanted.
    filters
        As in `find_visits`.

    Returns
    -------
    Path
        The only `desc-brain_mask` in the space of the T1w image: of its session, or of the
        participant where that has none.

    Raises
    ------
    InputError
        There is none, or there are several.
    """
    folder = derivatives / visit.participant_id
    masks = _select(_index(folder), 'brain_mask', (filters or {}).get('brain_mask', {}))
    found = [f for f in masks if _with_key(f, 'ses') == visit.session_id] or masks
    if not found:
        raise InputError(
            folder,
            f'has no brain mask for {visit.t1w.name} (looked for anat/*_desc-brain_mask.nii.gz)',
            'add it or leave --derivatives out',
        )
    if len(found) > 1:
        names = ', '.join(f.path.name for f in found)
        raise InputError(
            folder,
            f'has {len(found)} brain masks for {visit.t1w.name} ({names})',
            'choose one with --bids-filter-file {"brain_mask": {"run": "1"}}',
        )
    return found[0].path


def _wanted_sessions(folder: Path, labels: Sequence[str]) -> list[str]:
    """Asked sessions with their `ses-` keys; refused where the participant has none of them."""
    kept = [f'ses-{label.removeprefix("ses-")}' for label in labels]
    present = sorted(p.name for p in folder.glob('ses-*') if p.is_dir())
    if kept and not set(kept) & set(present):
        asked = ' '.join(key.removeprefix('ses-') for key in kept)
        raise InputError(
            folder,
            f'has no session of --session-label {asked}',
            f'choose among {", ".join(present)}'
            if present
            else 'leave the option out, there are no ses-* folders',
        )
    return kept


def _index(folder: Path) -> list[_File]:
    import bids2table

    # bids2table can index whole data sets, but takes a folder with a dot in its name for none.
    paths = sorted(
        p for pattern in ('anat', 'ses-*/anat') for p in folder.glob(f'{pattern}/*.nii*')
    )
    # Entities come from the name itself so that `run-01` keeps its zero in output names.
    return [_File(path, bids2table.parse_bids_entities(path)) for path in paths]


def _select(files: Iterable[_File], query: str, extra: Mapping[str, Any]) -> list[_File]:
    wanted = {**io_spec()['queries'][query], **extra}
    return [f for f in files if all(_matches(f.get(key), value) for key, value in wanted.items())]


def _matches(value: str | None, wanted: Any) -> bool:
    if wanted is None:
        return value is None
    options = wanted if isinstance(wanted, list) else [wanted]
    return value in options or (
        value is not None
        and value.isdigit()
        and any(str(o).isdigit() and int(o) == int(value) for o in options)
    )


def _prefix(file: _File) -> str:
    keys = io_spec()['run_entities']
    return '_'.join(f'{key}-{file.get(key)}' for key in keys if file.get(key))


def _group_runs(files: Sequence[_File]) -> list[list[_File]]:
    runs: dict[tuple[str, str | None], list[_File]] = {}
    for file in files:
        runs.setdefault((_prefix(file), file.get('suffix')), []).append(file)
    return list(runs.values())


def _leave_out_phaseless(
    runs: list[list[_File]],
) -> tuple[list[list[_File]], list[list[_File]]]:
    """Runs to use and what is left out for want of phase; all are used where none is complete."""
    used: list[list[_File]] = []
    left_out: list[list[_File]] = []
    any_complete = False
    for run in runs:
        parts = {f.get('part') for f in run}
        complete = parts >= {'mag', 'phase'}
        any_complete |= complete
        plain = [f for f in run if complete and f.get('part') is None]
        if plain:
            left_out.append(plain)
        target = used if parts & {'phase', 'real', 'imag'} else left_out
        target.append([f for f in run if f not in plain])
    return (used, left_out) if any_complete else (runs, [])


def _check_names(prefixes: Sequence[str]) -> None:
    for prefix in prefixes:
        if prefixes.count(prefix) > 1:
            raise InputError(
                prefix,
                'has both MEGRE and T2starw images, whose results would share names',
                'choose one with --bids-filter-file {"gre": {"suffix": "MEGRE"}}',
            )


def _tell_left_out(visits: Sequence[Visit], left_out: Sequence[list[_File]]) -> tuple[Visit, ...]:
    """Add a warning per run left out to the visit of its session, else to the first."""
    told = list(visits)
    for run in left_out:
        session = _with_key(run[0], 'ses')
        sessions = [{v.session_id, *(scan.session_id for scan in v.scans)} for v in told]
        i = next((i for i, own in enumerate(sessions) if session in own), 0)
        more = f' (and {len(run) - 1} more of its run)' if len(run) > 1 else ''
        warning = f'{run[0].path.name}{more} has no phase and was left out.'
        told[i] = replace(told[i], warnings=(*told[i].warnings, warning))
    return tuple(told)


def _pattern(run: Sequence[_File]) -> Path:
    """What the files of a run are called."""
    return run[0].path.parent / f'{_prefix(run[0])}_*_{run[0].get("suffix")}.nii.gz'


def _build_scan(bids_dir: Path, files: Sequence[_File], *, several: bool = False) -> GreScan:
    magnitude, phase = _parts(files, several=several)
    times = {
        part: echo_times(bids_dir, [f.path for f in part_files])
        for part, part_files in (('magnitude', magnitude), ('phase', phase))
    }
    if times['magnitude'] != times['phase']:
        raise InputError(
            phase[0].path,
            f'has echo times {times["phase"]} s where the magnitude has {times["magnitude"]} s',
            'give both the same EchoTime in their sidecars',
        )
    order = sorted(range(len(phase)), key=lambda i: times['phase'][i])
    metadata = load_metadata(bids_dir, phase[order[0]].path)
    for file in (*magnitude, *phase):
        if len(read_header(file.path).shape) != 3:
            raise InputError(
                file.path,
                f'has shape {read_header(file.path).shape} where one 3D image per echo is needed',
                'split it into one file per echo',
            )
        check_same_grid(magnitude[0].path, file.path)
    first = files[0]
    return GreScan(
        prefix=_prefix(first),
        session_id=_with_key(first, 'ses'),
        run_id=_with_key(first, 'run'),
        magnitude=tuple(magnitude[i].path for i in order),
        phase=tuple(phase[i].path for i in order),
        echo_times=tuple(times['phase'][i] for i in order),
        b0=field_strength(phase[order[0]].path, metadata),
        metadata=metadata,
        warnings=(
            *_missing_echo_warnings(phase),
            *_spacing_warnings([times['phase'][i] for i in order]),
        ),
    )


def _with_key(file: _File, key: str) -> str | None:
    return f'{key}-{file.get(key)}' if file.get(key) else None


def _parts(files: Sequence[_File], *, several: bool = False) -> tuple[list[_File], list[_File]]:
    """Magnitude and phase files of a run, in the order of their echo entities."""
    by_echo = sorted(files, key=lambda f: int(f.get('echo') or 0))
    magnitude = [f for f in by_echo if f.get('part') == 'mag']
    phase = [f for f in by_echo if f.get('part') == 'phase']
    where = _pattern(files)
    if any(f.get('part') in ('real', 'imag') for f in files) and not phase:
        raise InputError(
            where, 'is stored as real and imaginary parts', 'convert it to part-mag and part-phase'
        )
    for name, found in (('phase', phase), ('mag', magnitude)):
        if not found:
            raise InputError(
                where,
                f'has no part-{name} image',
                f'add the part-{name} files; susceptibility needs magnitude and phase'
                + (' (choose among several runs with --bids-filter-file)' if several else ''),
            )
    numbers = [[f.get('echo') for f in part] for part in (magnitude, phase)]
    if numbers[0] != numbers[1]:
        raise InputError(
            where,
            f'has magnitude echoes {numbers[0]} but phase echoes {numbers[1]}',
            'give every echo both parts',
        )
    return magnitude, phase


def _missing_echo_warnings(files: Sequence[_File]) -> list[str]:
    numbers = {int(f.get('echo') or 1) for f in files}
    missing = sorted(set(range(1, max(numbers) + 1)) - numbers)
    if not missing:
        return []
    return [f'Echo {", ".join(map(str, missing))} is missing between 1 and {max(numbers)}.']


def _spacing_warnings(times: Sequence[float]) -> list[str]:
    steps = [round(b - a, 6) for a, b in itertools.pairwise(times)]
    if len(steps) > 1 and max(steps) > 1.5 * min(steps):
        return [f'Echo times are unevenly spaced ({", ".join(f"{t * 1e3:g}" for t in times)} ms).']
    return []


def _match_t1w(
    participant_id: str, scans: Sequence[GreScan], t1w: Sequence[_File]
) -> tuple[Visit, ...]:
    visits: dict[Path, tuple[str | None, list[GreScan], list[str]]] = {}
    for scan in scans:
        same = [f for f in t1w if _with_key(f, 'ses') == scan.session_id] or list(t1w)
        chosen = same[0]
        _, members, warnings = visits.setdefault(chosen.path, (_with_key(chosen, 'ses'), [], []))
        members.append(scan)
        if len(same) > 1 and not warnings:
            warnings.append(
                f'Of {len(same)} T1w images {chosen.path.name} was used; '
                'choose another with --bids-filter-file.'
            )
    for path in visits:
        if len(read_header(path).shape) != 3:
            raise InputError(path, f'has shape {read_header(path).shape}', 'give a 3D T1w image')
    return tuple(
        Visit(participant_id, session, path, tuple(members), tuple(warnings))
        for path, (session, members, warnings) in visits.items()
    )
