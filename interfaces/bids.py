"""Find the scans of a participant in a BIDS data set and refuse what cannot be measured.

Parsing names and inheriting metadata is `bids2table`'s work; the checks are ours, because
BIDS leaves them open: it does not require a field strength, and an echo time in milliseconds is
only a warning to its validator.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from ..nodes.statistics.values import name_some
from .entities import check_entities
from .headers import position_warnings, read_header
from .metadata import load_metadata
from .queries import BidsFile, list_files, select, with_key
from .scans import (
    GreScan,
    build_scan,
    contrast_warnings,
    find_other_half,
    group_runs,
    leave_out_halves,
    what_is_missing,
)
from .spellings import same_people

_ROOT = 'give the root of a BIDS data set'
_LIKE_PEOPLE = re.compile(r'(?!sub-)(?i:sub(ject)?[-_ ]?\d|sub-)')
"""Names such as `SUB-01`, `sub01` and `Subject 3`."""
_LIKE_SCANS = {
    'T1w': re.compile(r't1|mp2?rage', re.IGNORECASE),
    'gre': re.compile(r't2.?star|megre|(?<![a-z])(gre|swi|qsm)|mag|pha|_part-', re.IGNORECASE),
}
"""Parts of names that images may have which are called otherwise than BIDS says."""


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
        The folder is missing or has no participants, or a label is unknown.
    """
    if not bids_dir.is_dir():
        raise InputError(bids_dir, 'is not a folder', _ROOT)
    chosen = with_key('sub', wanted)
    if chosen and all((bids_dir / key).is_dir() for key in chosen):
        return sorted(set(chosen))
    present = sorted(
        path.name for path in bids_dir.glob('sub-*') if path.is_dir() or leads_nowhere(path)
    )
    if not present:
        like = _like_people(bids_dir)
        fix = f'rename {name_some(like, 3)} and all files in them, as BIDS says' if like else _ROOT
        raise InputError(bids_dir, 'has no sub-* folders', fix)
    for key in chosen:
        if key not in present:
            raise _unknown_label(key, bids_dir, present)
    return present


def _unknown_label(key: str, bids_dir: Path, present: Sequence[str]) -> InputError:
    some = ', '.join(present[:5]) + (', ...' if len(present) > 5 else '')
    meant = ' or '.join(who for who, _ in same_people(present, [key]))
    return InputError(
        f'--participant-label {key.removeprefix("sub-")}',
        f'is not in {bids_dir}',
        f'give {meant}' if meant else f'choose among {some}{_apart(key)}',
    )


def _apart(label: str) -> str:
    """How several labels are written, where one looks like several."""
    return ', with spaces between several' if re.search(r'[\s,;]', label) else ''


def _like_people(bids_dir: Path) -> list[str]:
    return sorted(p.name for p in bids_dir.iterdir() if _LIKE_PEOPLE.match(p.name) and p.is_dir())


def strange_people(bids_dir: Path) -> list[str]:
    """Warnings of folders that look like those of participants and are called otherwise."""
    found = _like_people(bids_dir)
    if not found:
        return []
    return [
        f'Folders of {bids_dir} that look like those of participants are not called sub-* and are '
        f'not read: {name_some(found, 3)}; rename them and all files in them, or move them away.'
    ]


def leads_nowhere(path: Path) -> bool:
    """Whether this is a link to what is not there, such as a drive that is not mounted."""
    return path.is_symlink() and not path.exists()


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
        Further entities by query name, as `queries.load_filters` returns them.

    Returns
    -------
    tuple of Visit
        One per T1w image used. A gradient-echo scan takes the T1w of its own session, else the
        first of the participant, even from a session not asked for; of several the plainest.
        Runs without phase or without magnitude are left out with a warning as long as a complete
        one remains.

    Raises
    ------
    InputError
        A file is missing, unreadable or contradicts another.
    """
    folder = bids_dir / participant_id
    gre, t1w = _find_images(folder, _wanted_sessions(folder, sessions), filters or {})
    runs = group_runs(gre)
    used, left_out = leave_out_halves(runs)
    scans = [build_scan(bids_dir, run, everything=gre) for run in used]
    _check_names([scan.prefix for scan in scans])
    visits = _match_t1w(participant_id, scans, without_phase_images(bids_dir, t1w))
    visits = tuple(_with_t1w_warnings(bids_dir, visit) for visit in visits)
    return _tell_left_out(visits, left_out, gre)


def _find_images(
    folder: Path, sessions: Sequence[str], filters: Mapping[str, Mapping[str, Any]]
) -> tuple[list[BidsFile], list[BidsFile]]:
    """Gradient-echo images of the sessions kept (of all where none is named), and T1w images."""
    gre, t1w = select_images(folder, sessions, filters)
    if not gre:
        where = f' in {" or ".join(sessions)}' if sessions else ''
        raise InputError(
            folder,
            f'has no gradient-echo images{where} (looked for anat/*_part-mag and *_part-phase '
            f'named MEGRE or T2starw{_but_there(folder, "gre")})',
            'rename them as BIDS says, or widen the filter',
        )
    if not t1w:
        raise InputError(
            folder,
            f'has no T1w image (looked for anat/*_T1w.nii.gz{_but_there(folder, "T1w")})',
            'add one, or widen the filter',
        )
    return gre, t1w


def _but_there(folder: Path, kind: str) -> str:
    """Files that look like images of a kind, for a message that finds none."""
    names = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob('[!.]*'))
        if path.is_file() and path.suffix.lower() not in ('.json', '.tsv', '.txt')
    ]
    like = [name for name in names if _LIKE_SCANS[kind].search(name)]
    return f'; there is {name_some(like, 2)}' if like else ''


def select_images(
    folder: Path, sessions: Sequence[str], filters: Mapping[str, Mapping[str, Any]]
) -> tuple[list[BidsFile], list[BidsFile]]:
    """Gradient-echo images of a participant, of the sessions asked for, and T1w images.

    Raises
    ------
    InputError
        A name is none of BIDS, or contradicts the folder.
    """
    check_entities(folder, ())
    if leads_nowhere(folder):
        fix = 'mount or download what it links to, or remove the link'
        raise InputError(folder, 'is a link that leads nowhere', fix)
    files, kept = list_files(folder), with_key('ses', sessions)
    gre = select(files, 'gre', filters.get('gre', {}))
    gre = [f for f in gre if not kept or f.labelled('ses') in kept]
    t1w = sorted(select(files, 't1w', filters.get('t1w', {})), key=plainness)
    check_entities(folder, (*gre, *t1w))
    return gre, t1w


def plainness(file: BidsFile) -> tuple[bool, int, Path]:
    """Sort key of T1w images: without contrast agent before with it, then fewest entities."""
    return file.get('ce') is not None, len(file.entities), file.path


def without_phase_images(bids_dir: Path, t1w: Sequence[BidsFile]) -> list[BidsFile]:
    """T1w images whose sidecars do not call them phase.

    Raises
    ------
    InputError
        None is left, or a sidecar cannot be read.
    """
    kept = []
    for file in t1w:
        kinds = load_metadata(bids_dir, file.path).get('ImageType')
        words = kinds if isinstance(kinds, list) else [kinds]
        if not {'P', 'PHASE'} & {str(word).upper() for word in words}:
            kept.append(file)
    if not kept:
        raise InputError(
            t1w[0].path, 'is a phase image by its ImageType', 'give the magnitude of the T1w scan'
        )
    return kept


def _with_t1w_warnings(bids_dir: Path, visit: Visit) -> Visit:
    """The visit with what is to be told of its T1w image."""
    path = visit.t1w
    why = 'which brightens vessels and may mislead the labels; a plain T1w image serves better'
    told = contrast_warnings(path, load_metadata(bids_dir, path), why)
    return replace(visit, warnings=(*visit.warnings, *told, *position_warnings(path)))


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
    masks = select(list_files(folder), 'brain_mask', (filters or {}).get('brain_mask', {}))
    found = [f for f in masks if f.labelled('ses') == visit.session_id] or masks
    if not found:
        raise InputError(
            folder,
            f'has no brain mask for {visit.t1w.name} (looked for anat/*_desc-brain_mask.nii.gz)',
            'add it, or leave --derivatives out',
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
    """Sessions asked for, with their `ses-` keys; refused where the participant has none of them.

    A participant with some of them is taken with those.
    """
    kept = with_key('ses', labels)
    present = sorted(p.name for p in folder.glob('ses-*') if p.is_dir())
    if kept and not set(kept) & set(present):
        asked = ' '.join(key.removeprefix('ses-') for key in kept)
        raise InputError(
            folder,
            f'has no session of --session-label {asked}',
            f'choose among {", ".join(present)}'
            if present
            else 'leave the option out, as there are no ses-* folders',
        )
    return kept


def _check_names(prefixes: Sequence[str]) -> None:
    for prefix in prefixes:
        if prefixes.count(prefix) > 1:
            raise InputError(
                prefix,
                'has both MEGRE and T2starw images, whose results would have the same names',
                'choose one with --bids-filter-file {"gre": {"suffix": "MEGRE"}}',
            )


def _match_t1w(
    participant_id: str, scans: Sequence[GreScan], t1w: Sequence[BidsFile]
) -> tuple[Visit, ...]:
    """One visit per T1w image that a scan uses: that of its session, else the first."""
    visits: dict[Path, Visit] = {}
    for scan in scans:
        same = [f for f in t1w if f.labelled('ses') == scan.session_id] or list(t1w)
        chosen = same[0]
        visit = visits.get(chosen.path) or Visit(
            participant_id, chosen.labelled('ses'), chosen.path, ()
        )
        warnings = visit.warnings
        if len(same) > 1 and not warnings:
            warnings = (
                f'There are {len(same)} T1w images; {chosen.path.name} was used. '
                'Choose another with --bids-filter-file.',
            )
        visits[chosen.path] = replace(visit, scans=(*visit.scans, scan), warnings=warnings)
    for path in visits:
        shape = read_header(path).shape
        if len(shape) != 3:
            raise InputError(path, f'has shape {shape}', 'give a 3D T1w image')
    return tuple(visits.values())


def _tell_left_out(
    visits: Sequence[Visit], left_out: Sequence[list[BidsFile]], everything: Sequence[BidsFile]
) -> tuple[Visit, ...]:
    """Add a warning per run left out to the visit of its session, else to the first."""
    told = list(visits)
    for run in left_out:
        session = run[0].labelled('ses')
        sessions = [{v.session_id, *(scan.session_id for scan in v.scans)} for v in told]
        i = next((i for i, own in enumerate(sessions) if session in own), 0)
        more = f' (and {len(run) - 1} more of its run)' if len(run) > 1 else ''
        lacking = 'magnitude' if what_is_missing(run) == 'mag' else 'phase'
        other = find_other_half(run, everything)
        named = f' ({other.path.name} has another name)' if other else ''
        warning = f'{run[0].path.name}{more} was left out because it has no {lacking}{named}.'
        told[i] = replace(told[i], warnings=(*told[i].warnings, warning))
    return tuple(told)
