"""`participants.tsv` of people from the scanner, with what a clinical table tells of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ...nodes.errors import InputError, how_to_install
from ...nodes.statistics.values import name_some
from ..files import save_json
from ..participants import MISSING, OLDEST, check_known, read_text_table
from ..tables import save_table
from .people import Visit

_EXCEL = ('.xlsx', '.xlsm')
_OLD = 89
"""Age from which privacy rules do not allow it to be told; BIDS then writes `OLDEST`."""
_IDENTIFYING = ('patient_id', 'patientid', 'name', 'patient_name', 'birth_date', 'birthdate',
                'date_of_birth', 'dob', 'first_name', 'last_name', 'surname', 'address', 'phone',
                'email', 'mrn', 'study_date', 'scan_date')  # fmt: skip
"""Columns of clinical tables, in small letters with _, that are not copied."""
_DICTIONARY = {
    'participant_id': {'Description': 'Participant'},
    'age': {'Description': 'Age at the (first) scan', 'Units': 'year'},
    'sex': {
        'Description': 'Sex as the scanner has it',
        'Levels': {'F': 'female', 'M': 'male', 'O': 'other'},
    },
}  # fmt: skip


def read_clinical(path: Path | None) -> pd.DataFrame | None:
    """A clinical table, cells as text: CSV with commas or semicolons, TSV, or Excel.

    Raises
    ------
    InputError
        It cannot be read, or has neither participant_id nor patient_id.
    """
    if path is None:
        return None
    table = _excel(path) if path.suffix.casefold() in _EXCEL else _text(path)
    table.columns = [str(name).strip() for name in table.columns]
    for name in ('participant_id', 'patient_id'):
        if name in table:
            lacking = table[name].isna()
            if lacking.any():
                row = int(np.flatnonzero(lacking)[0]) + 2
                raise InputError(path, f'has no {name} in row {row}', 'add it or remove the row')
            return table
    raise InputError(
        path,
        f'has neither participant_id nor patient_id but {", ".join(table.columns)}',
        'name the column of ids so',
    )


def _excel(path: Path) -> pd.DataFrame:
    if importlib.util.find_spec('openpyxl') is None:
        raise InputError(
            path,
            'needs openpyxl to be read, which is not installed',
            f'{how_to_install("openpyxl")}, or save the table as CSV',
        )
    try:
        table = pd.read_excel(path, dtype=str, keep_default_na=False, engine='openpyxl')
    except (OSError, ValueError, KeyError) as error:
        raise InputError(path, f'cannot be read ({error})', 'save it as CSV') from error
    return _without_missing(table)


def _text(path: Path) -> pd.DataFrame:
    try:
        first = path.read_text(encoding='utf-8-sig').splitlines()[:1]
        if not first or '\t' in first[0]:
            return read_text_table(path)
        sign = ';' if first[0].count(';') > first[0].count(',') else ','
        table = pd.read_csv(path, sep=sign, dtype=str, keep_default_na=False, encoding='utf-8-sig')
    except OSError as error:
        raise InputError(path, f'cannot be read ({error.strerror})', 'check the path') from error
    except ValueError as error:
        raise InputError(path, f'cannot be read ({error})', 'save it as CSV in UTF-8') from error
    return _without_missing(table)


def _without_missing(table: pd.DataFrame) -> pd.DataFrame:
    table = table.map(lambda cell: str(cell).strip()).astype(object)
    return table.mask(table.map(str.casefold).isin(MISSING), None)


def participants_table(
    visits: Sequence[Visit], clinical: pd.DataFrame | None, where: Path | None
) -> tuple[pd.DataFrame, list[str]]:
    """One row per participant: age and sex as the scanner has them, then the clinical columns.

    Parameters
    ----------
    visits
        Named, of one run.
    clinical
        From `read_clinical`; its own `age` and `sex` go before the scanner's.
    where
        Its file, for messages.

    Returns
    -------
    tuple
        The table, and warnings: rows without scans, columns left out, contradictions.

    Raises
    ------
    InputError
        Somebody is not in the clinical table, or is twice.
    """
    first = {v.participant_id: v for v in sorted(visits, key=lambda v: (v.date, v.prefix))[::-1]}
    rows = [
        (who, _age(first[who].header.age), _sex(first[who].header.sex)) for who in sorted(first)
    ]
    scanned = pd.DataFrame(rows, columns=['participant_id', 'age', 'sex'], dtype=object)
    if clinical is None or where is None:
        return scanned, []
    table = _by_participant(clinical, visits, where)
    check_known(list(scanned.participant_id), list(table.participant_id), where, 'group')
    extra = sorted(set(table.participant_id) - set(scanned.participant_id))
    told = [f'{where.name} has rows without scans: {name_some(extra)}.'] if extra else []
    private = [c for c in table.columns if c.casefold().replace(' ', '_') in _IDENTIFYING]
    if private:
        told.append(f'{where.name}: the columns {", ".join(private)} are not copied.')
    merged = scanned.merge(
        table.drop(columns=private), on='participant_id', how='left', suffixes=('_scanner', '')
    )
    told += _contradictions(merged, where)
    for name in ('age', 'sex'):
        if f'{name}_scanner' in merged:
            merged[name] = merged[name].where(merged[name].notna(), merged[f'{name}_scanner'])
            merged = merged.drop(columns=f'{name}_scanner')
    return merged, told


def _age(age: float | None) -> str | None:
    if age is None:
        return None
    return OLDEST if age > _OLD else f'{age:g}'


def _sex(sex: str) -> str | None:
    return sex if sex in ('F', 'M', 'O') else None


def _by_participant(clinical: pd.DataFrame, visits: Sequence[Visit], where: Path) -> pd.DataFrame:
    """Clinical table with `participant_id`, from patient IDs where it has these only."""
    table = clinical.copy()
    if 'participant_id' in table:
        ids = table.participant_id.astype(str)
        table['participant_id'] = 'sub-' + ids.str.removeprefix('sub-')
    else:
        names = {v.patient: v.participant_id for v in visits}
        for patient in names:
            if patient not in set(table.patient_id):
                raise InputError(
                    where,
                    f'has no row for patient ID {patient!r}, who was scanned',
                    'add one, or correct its patient_id',
                )
        table['participant_id'] = [names.get(p, f'patient ID {p}') for p in table.patient_id]
    twice = table.participant_id[table.participant_id.duplicated()]
    if len(twice):
        raise InputError(where, f'has {twice.iloc[0]} twice', 'keep one row for each')
    return table


def _contradictions(merged: pd.DataFrame, where: Path) -> list[str]:
    """Who is of another sex or age there than at the scanner: perhaps rows are exchanged."""
    told = []
    if 'sex_scanner' in merged:
        initial = merged.sex.map(lambda s: s[:1].upper() if isinstance(s, str) else s)
        differ = (
            merged.sex_scanner.notna() & initial.isin(['F', 'M']) & (initial != merged.sex_scanner)
        )
        told += [('sex', who) for who in merged.participant_id[differ]]
    if 'age_scanner' in merged:
        ages = [pd.to_numeric(merged[n], errors='coerce') for n in ('age', 'age_scanner')]
        differ = (ages[0] - ages[1]).abs() > 2  # a table may hold the age at another visit
        told += [('age', who) for who in merged.participant_id[differ]]
    return [
        f'{where.name}: {name} of {who} is not what the scanner has; are rows exchanged?'
        for name, who in told
    ]


def with_those_there(table: pd.DataFrame, bids_dir: Path) -> pd.DataFrame:
    """The table with the one that is there, of which rows and columns stay as they are.

    Raises
    ------
    InputError
        A value that is there already would change.
    """
    path = bids_dir / 'participants.tsv'
    return _merged(read_text_table(path), table, path) if path.is_file() else table


def save_participants(table: pd.DataFrame, bids_dir: Path) -> None:
    """Write the table, merged `with_those_there`, and describe its own columns."""
    path = bids_dir / 'participants.tsv'
    table = with_those_there(table, bids_dir)
    save_table(table, path)
    described = {k: v for k, v in _DICTIONARY.items() if k in table}
    if not path.with_suffix('.json').exists():
        save_json(described, path.with_suffix('.json'))


def _merged(old: pd.DataFrame, new: pd.DataFrame, path: Path) -> pd.DataFrame:
    old, new = (t.set_index('participant_id').astype(object) for t in (old, new))
    both = old.index.intersection(new.index)
    for name in old.columns.intersection(new.columns):
        before, after = old.loc[both, name], new.loc[both, name]
        differ = before.notna() & after.notna() & (before != after)
        if differ.any() and name != 'age':  # a later visit leaves the age at the first
            who = differ.index[differ][0]
            raise InputError(
                path,
                f'gives {name} of {who} as {before[who]}, the new table as {after[who]}',
                'correct one; nothing that is there is changed',
            )
    merged = old.combine_first(new)
    columns = [*old.columns, *(c for c in new.columns if c not in old.columns)]
    return merged[columns].reset_index()
