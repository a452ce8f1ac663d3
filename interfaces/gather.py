"""Region tables of all participants, joined with the participants' table."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from ..nodes.errors import InputError
from ..nodes.statistics.measures import MEASURES
from ..nodes.statistics.sample import exclusion_table
from ..nodes.statistics.values import (
    REGION_COLUMNS,
    TABLE_COLUMNS,
    name_some,
    normalised_volume,
)
from .agreement import AGAIN, compare_sidecars
from .anatomy.atlas import DGM
from .completion import find_outputs
from .descriptions import save_described, tell
from .group_tables import GROUP_TABLES
from .participants import check_known, read_dictionary, read_participants
from .ratings import leave_out
from .regions import DESCRIPTIONS
from .sessions import find_session_tables, read_sessions, session_folders, use_sessions
from .spellings import people_twice
from .tables import save_table

REGION_TABLES = 'sub-*/**/*_seg-*_regions.tsv'
"""Pattern of the files below the derivatives' folder."""
_TEXT = ('participant_id', 'session_id', 'run_id', 'atlas', 'region', 'hemisphere')


@dataclass(frozen=True)
class Gathered:
    """Region tables of a study.

    Attributes
    ----------
    regions
        All rows, with the columns of the participants' table.
    exclusions
        Participants without a region table, `sample.EXCLUSION_COLUMNS`.
    warnings
        Sentences.
    provenance
        Sidecar entries; a list where participants differ.
    """

    regions: pd.DataFrame
    exclusions: pd.DataFrame
    warnings: tuple[str, ...]
    provenance: dict[str, Any]


def gather_regions(
    derivatives_dir: str | Path, participants_file: str | Path, *, group_column: str = 'group',
    sessions: Sequence[str] = (), bids_dir: str | Path | None = None,
    ratings: Sequence[str | Path] = (),
) -> Gathered:  # fmt: skip
    """Collect the region tables below a folder and join them with the participants' table.

    Parameters
    ----------
    derivatives_dir
        Root of the derivatives; nothing else is needed.
    participants_file
        Table of participants.
    group_column
        Column of groups.
    sessions
        Sessions to take, with or without `ses-`; all if empty.
    bids_dir
        Where tables of sessions lie that are not beside the participants' table.
    ratings
        Tables of ratings; visits rated `exclude` are left out.

    Raises
    ------
    InputError
        There is no region table, one is damaged or belongs to nobody in the participants' table,
        or they differ in unit or reference region.
    """
    root, source = Path(derivatives_dir), Path(participants_file)
    participants, warnings = read_participants(source, group_column=group_column)
    paths = find_region_tables(root)
    if not paths:
        raise InputError(root, f'holds no {REGION_TABLES}', 'run the participant level first')
    regions = of_sessions(read_region_tables(paths), sessions)
    joined, exclusions, notes_on_people = join_people(regions, participants, source, group_column)
    labels = participants.set_index('participant_id')[group_column]
    provenance, notes = compare_sidecars(paths, labels)
    measured = list(dict.fromkeys(regions.participant_id))
    tables = find_session_tables(session_folders(source, bids_dir), measured)
    joined, told = use_sessions(joined, read_sessions(tables, group_column=group_column))
    joined, rated_out, told_of_ratings = leave_out(joined, ratings)
    joined['volume_normalised'] = normalised_volume(joined)
    exclusions = pd.concat([exclusions, exclusion_table(rated_out.items())], ignore_index=True)
    warnings += [*notes, *people_twice(measured), *notes_on_people, *told, *told_of_ratings]
    return Gathered(joined, exclusions, tuple(warnings), provenance)


def join_people(
    regions: pd.DataFrame, participants: pd.DataFrame, source: Path, group_column: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Join region tables with the participants' table.

    Parameters
    ----------
    regions
        Region tables of everybody.
    participants
        As `read_participants` returns it.
    source
        Where it comes from, for messages.
    group_column
        Column of groups.

    Returns
    -------
    tuple
        Rows with the participants' columns; participants without rows, `EXCLUSION_COLUMNS`; and
        warnings.

    Raises
    ------
    InputError
        Somebody is not in the participants' table, or the group column is one of the regions'.
    """
    taken, notes_on_columns = _taken_columns(participants, source, group_column)
    measured = list(dict.fromkeys(regions.participant_id))
    check_known(measured, list(participants.participant_id), source, group_column)
    absent = participants.participant_id[~participants.participant_id.isin(measured)]
    warnings = []
    if len(absent):
        warnings.append(
            f'Participants of {source.name} without a region table, who are left out '
            f'({len(absent)}): {name_some(absent)}.'
        )
    joined = regions.merge(participants.drop(columns=taken), on='participant_id', how='left')
    none = dict.fromkeys(absent, 'no region table of a finished visit in the derivatives')
    return joined, exclusion_table(none.items()), [*warnings, *notes_on_columns]


def _taken_columns(
    participants: pd.DataFrame, source: Path, group_column: str
) -> tuple[list[str], list[str]]:
    """Columns that have the name of a region table's column or a measure, and a warning."""
    taken = [c for c in participants if c in (*TABLE_COLUMNS[1:], *MEASURES)]
    if group_column in taken:
        raise InputError(
            source, f'column {group_column!r} is also one of the region tables', 'rename it'
        )
    told = f'Columns of {source.name} that have the name of a region column are left out: '
    return taken, [f'{told}{name_some(taken)}.'] if taken else []


def of_sessions(regions: pd.DataFrame, sessions: Sequence[str]) -> pd.DataFrame:
    """Rows of the sessions asked for."""
    if not sessions:
        return regions
    wanted = [f'ses-{name.removeprefix("ses-")}' for name in sessions]
    chosen = regions[regions.session_id.isin(wanted)]
    if chosen.empty:
        found = ', '.join(sorted(regions.session_id.fillna('n/a').unique()))
        raise InputError(
            f'--session-label {" ".join(sessions)}', 'is in no region table', f'use {found}'
        )
    return chosen


def find_region_tables(root: Path) -> list[Path]:
    """Region tables of finished visits below a folder, those of the built-in atlas first."""
    return sorted(
        find_outputs(root, REGION_TABLES), key=lambda path: (f'_seg-{DGM}_' not in path.name, path)
    )


def read_region_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """Read many region tables at once.

    Parameters
    ----------
    paths
        Files named `sub-LABEL_..._regions.tsv`.

    Raises
    ------
    InputError
        A table is cut short, lacks a column, holds a word where a number belongs, or names
        another participant than its file does.
    """
    texts: dict[str, list[str]] = {}
    for number, path in enumerate(paths):
        header, *lines = _lines(path)
        columns = header.split('\t')
        lacking = [c for c in REGION_COLUMNS if c not in columns]
        if lacking:
            raise InputError(path, f'has no column {lacking[0]}', AGAIN)
        for line in lines:
            if line.count('\t') != len(columns) - 1:
                raise InputError(path, f'is damaged in the line {line[:40]!r}', AGAIN)
        texts.setdefault(header, []).extend(f'{number}\t{line}' for line in lines)
    tables = []
    for header, lines in texts.items():
        text = io.StringIO('\n'.join([f'file_number\t{header}', *lines]))
        tables.append(
            pd.read_csv(
                text, sep='\t', keep_default_na=False, na_values=['n/a'], quoting=3,
                dtype=dict.fromkeys(_TEXT, str),
            )
        )  # fmt: skip
    table = pd.concat(tables).sort_values('file_number', kind='stable', ignore_index=True)
    _check_rows(table, paths)
    return apart(table.drop(columns='file_number'))


def apart(table: pd.DataFrame) -> pd.DataFrame:
    """Regions with the name of their atlas, as two may have a region of one name."""
    others = (table.atlas != DGM) & table.atlas.notna()
    return table.assign(region=table.region.where(~others, table.atlas + '.' + table.region))


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f'cannot be read ({error})', AGAIN) from error
    if len(lines) < 2:
        raise InputError(path, 'holds no rows', AGAIN)
    return lines


def _check_rows(table: pd.DataFrame, paths: Sequence[Path]) -> None:
    owner = table.file_number.map(lambda number: paths[number].name.split('_')[0])
    other = table[table.participant_id != owner]
    if len(other):
        row = other.iloc[0]
        raise InputError(
            paths[row.file_number],
            f'holds rows of {row.participant_id}',
            'put it where it belongs',
        )
    for name in REGION_COLUMNS:
        if name not in _TEXT and not pd.api.types.is_numeric_dtype(table[name]):
            bad = pd.to_numeric(table[name], errors='coerce').isna() & table[name].notna()
            row = table[bad].iloc[0]
            raise InputError(paths[row.file_number], f'has {row[name]!r} as {name}', AGAIN)
        if name not in _TEXT and (endless := np.isinf(table[name])).any():
            row = table[endless].iloc[0]
            raise InputError(paths[row.file_number], f'has {row[name]} as {name}', AGAIN)


class _GatherRegionsInputSpec(BaseInterfaceInputSpec):
    derivatives_dir = traits.Directory(exists=True, mandatory=True, desc='root of derivatives')
    participants_file = traits.Str(mandatory=True, desc='table of participants')
    group_column = traits.Str('group', usedefault=True, desc='column of groups')
    sessions = traits.List(traits.Str, desc='sessions to take; all if absent')
    bids_dir = traits.Str(desc='data set, for tables of sessions')
    ratings = traits.List(traits.Str, desc='tables of ratings')


class _GatherRegionsOutputSpec(TraitedSpec):
    regions_tsv = File(desc='all region tables with the columns of the participants')
    regions_json = File(desc='data dictionary')
    exclusions_tsv = File(desc='participants without region tables')
    warnings = traits.List(traits.Str, desc='sentences')


class GatherRegions(SimpleInterface):
    """Collect the region tables of a study."""

    input_spec = _GatherRegionsInputSpec
    output_spec = _GatherRegionsOutputSpec
    _always_run = True  # a folder's name does not tell that its tables have changed

    def _run_interface(self, runtime):
        inputs, folder = self.inputs, Path(runtime.cwd)
        found = gather_regions(
            inputs.derivatives_dir, inputs.participants_file,
            group_column=inputs.group_column,
            sessions=inputs.sessions if isdefined(inputs.sessions) else (),
            bids_dir=inputs.bids_dir if isdefined(inputs.bids_dir) else None,
            ratings=inputs.ratings if isdefined(inputs.ratings) else (),
        )  # fmt: skip
        dictionary = _region_dictionary(found, Path(inputs.participants_file))
        regions, exclusions = (
            folder / f'{GROUP_TABLES[name].stem}.tsv' for name in ('regions', 'exclusions')
        )
        tsv, sidecar = save_described(found.regions, regions, dictionary)
        self._results.update(
            regions_tsv=tsv,
            regions_json=sidecar,
            exclusions_tsv=str(save_table(found.exclusions, exclusions)),
            warnings=tell(found.warnings),
        )
        return runtime


def _region_dictionary(found: Gathered, participants_file: Path) -> dict[str, Any]:
    derived = {name: measure.dictionary for name, measure in MEASURES.items()}
    given = read_dictionary(participants_file)
    fallback = {'Description': f'From {participants_file.name}'}
    columns = {
        name: DESCRIPTIONS.get(name) or derived.get(name) or given.get(name, fallback)
        for name in found.regions
    }
    return {**columns, **found.provenance, 'Warnings': list(found.warnings)}
