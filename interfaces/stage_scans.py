"""A gradient-echo run in a folder: by the names of BIDS, or by what sidecars of dcm2niix tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from .files import sidecar_of
from .gre import load_gre
from .headers import check_same_grid, position_warnings
from .metadata import field_strength, read_sidecar, times_of
from .queries import BidsFile, list_files, select
from .scans import GreScan, build_scan, group_runs, leave_out_halves

_PLACES = ('.', 'anat', 'ses-*/anat', 'sub-*/anat', 'sub-*/ses-*/anat')
"""Where images may lie below a data set, a participant, a session or an `anat` folder."""
_PHASE_WORDS = {'P', 'PHASE'}
_OTHER_WORDS = {'R', 'REAL', 'I', 'IMAGINARY'}
_PHASE_NAME = re.compile(r'_ph(ase)?[a-z]?(_|$)', re.IGNORECASE)
"""How dcm2niix ends the names of phase images."""


def find_scan(folder: Path, name: str | None = None) -> GreScan | None:
    """The gradient-echo run below a folder; None where there is no image of one.

    Parameters
    ----------
    folder
        A BIDS data set of one participant, the folder of a participant or session, its `anat`,
        or any folder of NIfTI images with JSON sidecars.
    name
        Of the run, up to its echo and part, such as `sub-01_run-1`.

    Raises
    ------
    InputError
        There are several runs, or none of this name; a part or a value is missing or wrong.
    """
    folder = folder.resolve()  # sidecars may stand above it
    files = list_files(folder, _PLACES)
    runs, _ = leave_out_halves(group_runs(select(files, 'gre', {})))
    if runs:
        return build_scan(_root(folder), _only(folder, runs, name))
    return _by_sidecars(folder)


def load_scan(scan: GreScan) -> dict[str, Any]:
    """Magnitude, phase in radians and what was repaired, as `load_gre` returns them."""
    return load_gre(
        scan.magnitude, scan.phase, scan.echo_times, units=scan.metadata.get('Units'),
        complex_parts=scan.complex_parts,
        acquisition=str(scan.metadata.get('MRAcquisitionType', '')),
    )  # fmt: skip


def find_mask(folder: Path, scan: GreScan) -> Path:
    """The mask that lies in a folder or beside a run.

    Raises
    ------
    InputError
        There is none, or there are several.
    """
    for place in (folder, scan.phase[0].parent):
        found = sorted({*place.glob('mask.nii*'), *place.glob('*_mask.nii*')})
        if len(found) == 1:
            return found[0]
        if found:
            names = ', '.join(path.name for path in found)
            raise InputError(place, f'holds several masks ({names})', 'choose one with --mask')
    raise InputError(
        folder, 'holds no mask of the brain (mask.nii.gz or *_mask.nii.gz)', 'give it with --mask'
    )


def _root(folder: Path) -> Path:
    """The data set that a folder belongs to; the folder itself where it belongs to none."""
    above = (folder, *folder.parents)
    return next((p for p in above if (p / 'dataset_description.json').is_file()), folder)


def _only(folder: Path, runs: Sequence[list[BidsFile]], name: str | None) -> list[BidsFile]:
    """The run of a name, or the only one."""
    prefixes = [run[0].run_prefix for run in runs]
    shown = ', '.join(prefixes)
    if name is not None and name not in prefixes:
        raise InputError(f'--scan {name}', f'is not in {folder}', f'use {shown}')
    chosen = [run for run, prefix in zip(runs, prefixes, strict=True) if name in (None, prefix)]
    if len(chosen) > 1:
        raise InputError(
            folder,
            f'holds {len(runs)} runs ({shown})',
            'choose one with --scan, or give its folder',
        )
    return chosen[0]


def _by_sidecars(folder: Path) -> GreScan | None:
    """A run of images whose sidecars tell echo times and, if need be, which are phase."""
    images = [path for path in sorted(folder.glob('*.nii*')) if sidecar_of(path).is_file()]
    told = [(path, read_sidecar(sidecar_of(path))) for path in images]
    told = [(path, content) for path, content in told if 'EchoTime' in content]
    if not told:
        return None
    kinds = [_kind(path, content) for path, content in told]
    phase = _rising([each for each, kind in zip(told, kinds, strict=True) if kind == 'phase'])
    magnitude = _rising([each for each, kind in zip(told, kinds, strict=True) if kind == 'mag'])
    times, others = times_of(phase), times_of(magnitude)
    if not times or times != others:
        raise InputError(
            folder, f'has phase at echo times {times} s and magnitude at {others} s',
            'give one run, with magnitude and phase of every echo and its sidecars',
        )  # fmt: skip
    paths = [path for path, _ in (*phase, *magnitude)]
    for path in paths:
        check_same_grid(paths[0], path)
    first, metadata = phase[0]
    return GreScan(
        prefix=first.name.split('.')[0], session_id=None, run_id=None,
        magnitude=tuple(path for path, _ in magnitude), phase=tuple(path for path, _ in phase),
        echo_times=tuple(times), b0=field_strength(first, metadata), metadata=metadata,
        warnings=tuple(position_warnings(first)),
    )  # fmt: skip


_Told = tuple[Path, Mapping[str, Any]]


def _rising(told: Sequence[_Told]) -> list[_Told]:
    """By echo time; what is no number comes first, and is refused later."""
    return sorted(
        told, key=lambda each: t if isinstance(t := each[1]['EchoTime'], int | float) else -1
    )


def _kind(path: Path, metadata: Mapping[str, Any]) -> str:
    """`mag`, `phase` or `other`, by `ImageType` and else by the name."""
    given = metadata.get('ImageType')
    words = {str(word).upper() for word in (given if isinstance(given, list) else [given])}
    if words & _OTHER_WORDS:
        return 'other'
    name = path.name.split('.')[0]
    return 'phase' if words & _PHASE_WORDS or _PHASE_NAME.search(name) else 'mag'
