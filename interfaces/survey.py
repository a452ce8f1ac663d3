"""A look at a data set before anything runs: who is there, measured how, and what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..nodes.errors import NigraError
from .agreement import compare_protocols
from .bids import Visit, find_visits, select_images
from .headers import read_header
from .metadata import field_strength, load_metadata, times_of
from .methods import Methods
from .protocol import PROTOCOL, in_words, protocol_of
from .scans import GreScan, build_scan, group_runs, leave_out_halves

LEAST_VIEW_MM = {'T1w': 120.0, 'gradient-echo': 30.0}
"""Fields of view, mm along any axis, below which an image cannot show all that is measured in it:
of a head, and of the deep grey matter (by eye)."""
COARSE_MM = 3.0
"""Edge of a voxel from which the smallest nuclei are hardly a voxel wide: the red nucleus has some
6 mm (by eye)."""

_TRANSFORMS_MB = {'precise': (48, 67), 'fast': (21, 25), 'testing': (3, 10)}
"""Of transforms to the template and back, by preset: as results, and while they are made."""
_AHEAD = 1.33
"""Times the measured size that is told, so that a disk does not fill."""

TO_PROCESS, COMPLETE, LEFT_OUT = 'process', 'complete', 'left out'
"""What a look says would be done with a visit."""
LOOK, PROBLEMS = 'look.tsv', 'problems.tsv'
"""Tables of the last look, in the folder `logs`."""

SCAN_COLUMNS = {
    'participant_id': 'Participant',
    'session_id': 'Session',
    'group': 'Group, from the table of participants',
    'visit': 'Entities of the visit, by which its results are called complete',
    'scan': 'Entities of the gradient-echo run',
    't1w': 'T1w image that goes with it',
    'magnitude': 'Files of the magnitude (or real part), by echo',
    'phase': 'Files of the phase (or imaginary part), by echo',
    **{key: f'{words[:1].upper()}{words[1:]}' for key, (words, _) in PROTOCOL.items()},
    'method': 'Steps of the reconstruction',
    'state': 'What a run would do: process, nothing (complete), or leave out',
}
"""Columns of the table of scans, with their descriptions."""


def scan_rows(
    visits: Sequence[Visit],
    *,
    groups: Mapping[str, str],
    states: Mapping[str, str],
    method: Callable[[GreScan], str],
) -> pd.DataFrame:
    """One row per gradient-echo run.

    Parameters
    ----------
    visits
        What is to be processed.
    groups
        Group by participant.
    states
        What is to be done, by the visit's prefix.
    method
        Tells the steps for a run.
    """
    rows = [
        {
            'participant_id': visit.participant_id,
            'session_id': scan.session_id,
            'group': groups.get(visit.participant_id),
            'visit': visit.prefix,
            'scan': scan.prefix,
            't1w': visit.t1w.name,
            'magnitude': ' '.join(path.name for path in scan.magnitude),
            'phase': ' '.join(path.name for path in scan.phase),
            **{key: in_words(key, value) for key, value in protocol_of(scan).items()},
            'method': method(scan),
            'state': states.get(visit.prefix),
        }
        for visit in visits
        for scan in visit.scans
    ]
    return pd.DataFrame(rows, columns=list(SCAN_COLUMNS), dtype=object)


def study_differences(rows: pd.DataFrame) -> list[tuple[str, bool]]:
    """What scans differ in, in sentences, and whether groups share it.

    Parameters
    ----------
    rows
        As `scan_rows` gives them.
    """
    table = rows.rename(columns={'scan': 'run', 'participant_id': 'participant'})
    labels = table.drop_duplicates('participant').set_index('participant')['group'].dropna()
    return [(told.sentence, told.confounded) for told in compare_protocols(table, labels)]


def header_warnings(visit: Visit) -> list[str]:
    """What headers tell of images that will hardly serve."""
    kinds = [('T1w', visit.t1w), *(('gradient-echo', scan.phase[0]) for scan in visit.scans)]
    return [sentence for kind, path in kinds for sentence in image_warnings(kind, path)]


def image_warnings(kind: str, path: Path) -> list[str]:
    """What a header tells of an image that will hardly serve.

    Parameters
    ----------
    kind
        One of `LEAST_VIEW_MM`.
    path
        The image.
    """
    told = []
    header = read_header(path)
    views = [n * edge for n, edge in zip(header.shape, header.voxel_mm, strict=False)]
    if min(views) < LEAST_VIEW_MM[kind]:
        told.append(
            f'{path.name} shows {" x ".join(f"{v:.0f}" for v in views)} mm, less than '
            f'a {kind} image needs to show the deep grey matter.'
        )
    # affines of single precision make 3 mm a little more or less
    if round(max(header.voxel_mm), 2) >= COARSE_MM:
        told.append(
            f'{path.name} has voxels of {in_words("VoxelSize", header.voxel_mm)} mm, in which '
            'the small nuclei can hardly be told apart.'
        )
    return told


def participant_problems(
    bids_dir: Path,
    participant_id: str,
    *,
    sessions: Sequence[str] = (),
    filters: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """Everything that is wrong with a participant's files, not only what is met first.

    Parameters
    ----------
    bids_dir, participant_id, sessions, filters
        As in `bids.find_visits`.
    """
    told: dict[str, None] = {}

    def attempt(check: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return check(*arguments, **options)
        except NigraError as error:
            told[str(error)] = None
            return None

    # what a run would say comes first
    attempt(find_visits, bids_dir, participant_id, sessions=sessions, filters=filters)
    found = attempt(select_images, bids_dir / participant_id, sessions, filters or {})
    gre, t1w = found or ((), ())
    for file in (*gre, *t1w):
        attempt(read_header, file.path)
    for file in gre:
        metadata = attempt(load_metadata, bids_dir, file.path)
        if metadata is not None:
            attempt(times_of, [(file.path, metadata)])
            attempt(field_strength, file.path, metadata)
    used, _ = leave_out_halves(group_runs(gre))
    for run in used:
        attempt(build_scan, bids_dir, run, everything=gre)
    return list(told)


def hours_of(visit: Visit, registration: str) -> float:
    """Estimated hours of one processor for a visit.

    Measured on one core with the default methods: 59 s for the example's 1.7 million voxels of
    T1w and 0.8 of gradient echo, 160 s for 6.8 and 4.5 million.
    """
    share = {'precise': 1.0, 'fast': 1 / 3, 'testing': 1 / 10}.get(registration, 1.0)
    seconds = share * (30 + 10 * _millions(visit.t1w))
    seconds += sum((12 + len(s.echo_times)) * _millions(s.phase[0]) for s in visit.scans)
    return seconds / 3600


def disk_mb(visit: Visit, methods: Methods) -> tuple[float, float]:
    """Estimated MB of results, and of the working folder where it is fullest, for a visit.

    Measured on one core, in millions of voxels of T1w and gradient echo: 68 and 101 MB (1.7, .8;
    one echo; precise), 44 and 73 (the same with three; fast), 60 and 173 (6.8, 5; one; testing),
    90 and 286 (three; fast), 106 and 218 (one; precise). A third is added, as images of people
    differ in how small they pack.
    """
    t1w = _millions(visit.t1w)
    gre = [(_millions(s.phase[0]), len(s.echo_times)) for s in visit.scans]
    packed, open_ = _TRANSFORMS_MB.get(methods.registration, _TRANSFORMS_MB['precise'])
    parts = 2 if methods.separation else 0
    results = 13 + packed + 3.2 * t1w
    results += sum(v * (5.5 if echoes == 1 else 8.5 + 2 * parts) for v, echoes in gre)
    work = open_ + 13 * t1w + sum(v * (6 + 10 * echoes + 5 * parts) for v, echoes in gre)
    return _AHEAD * results, _AHEAD * work


def _millions(path: Path) -> float:
    return math.prod(read_header(path).shape) / 1e6
