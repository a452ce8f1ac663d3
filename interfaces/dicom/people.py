"""Who is who: patients of the scanner become numbered participants, days become sessions."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ...nodes.errors import InputError
from ..files import atomic_path
from ..participants import read_text_table
from ..tables import save_table
from .series import Header, Series, words

KEY_COLUMNS = ('patient_id', 'study_date', 'participant_id', 'session_id')
"""Columns of the key: what the scanner says of a visit, and what it is called in BIDS."""


@dataclass(frozen=True)
class Visit:
    """Series of one person on one day.

    Attributes
    ----------
    patient, date
        As DICOM says; the folder or study where it gives no patient ID.
    participant_id, session_id
        With their keys; no session where the person has one visit.
    series
        All of that day.
    """

    patient: str
    date: str
    series: tuple[Series, ...]
    participant_id: str = ''
    session_id: str = ''

    @property
    def prefix(self) -> str:
        """How its files' names begin."""
        return '_'.join(filter(None, (self.participant_id, self.session_id)))

    @property
    def header(self) -> Header:
        """Of its first series."""
        return self.series[0].header


def find_visits(series: Iterable[Series], left_out: list[InputError]) -> list[Visit]:
    """Series by person and day.

    Parameters
    ----------
    series
        Of everybody.
    left_out
        Gets what is wrong with those who are left out: one patient ID has two sexes or dates of
        birth.
    """
    series = list(series)
    doubtful = _two_people(series)
    left_out += doubtful.values()
    found: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        if _patient(one.header) not in doubtful:
            found.setdefault((_patient(one.header), one.header.date), []).append(one)
    return [Visit(*key, tuple(found[key])) for key in sorted(found)]


def _patient(header: Header) -> str:
    """Patient ID; where an anonymised export has none, the folder, else the study."""
    if header.patient_id.casefold() not in words()['nameless']:
        return header.patient_id
    return header.folder or header.study


def _two_people(series: Sequence[Series]) -> dict[str, InputError]:
    """What is wrong with patient IDs that must stand for two people, by ID."""
    known: dict[tuple[str, str], str] = {}
    found: dict[str, InputError] = {}
    for one in series:
        patient = _patient(one.header)
        for field, value in (('sex', one.header.sex), ('birth date', one.header.birth_date)):
            if value and known.setdefault((patient, field), value) != value:
                found[patient] = InputError(
                    f'patient ID {patient!r}',
                    f'has two values of {field}, so these are two people',
                    'give each person an ID of their own, or convert them one by one with --key',
                )
    return found


def doubtful_ids(visits: Iterable[Visit]) -> list[str]:
    """Sentences of patient IDs with names that have no word in common: perhaps two people."""
    names: dict[str, list[set[str]]] = {}
    for visit in visits:
        for one in visit.series:
            text = one.header.patient_name.casefold()
            found = set() if text in words()['nameless'] else set(re.findall(r'[^\W_]+', text))
            names.setdefault(visit.patient, []).append(found)
    return [
        f'patient ID {patient!r} stands for names that share no word; if these are two people, '
        'give each an ID of their own.'
        for patient, found in names.items()
        if any(a and b and not a & b for a, b in itertools.combinations(found, 2))
    ]


def name_visits(
    visits: Sequence[Visit], key: pd.DataFrame, labels: str, taken: Iterable[str] = (),
    *, left_out: list[InputError],
) -> list[Visit]:  # fmt: skip
    """Visits with the names that the key gives, and new ones for who is not in it.

    Parameters
    ----------
    visits
        Sorted by person and day.
    key
        Table with `KEY_COLUMNS`; a row without date holds for all days of a person.
    labels
        How new people are called: `number`, or `patient-id` for its letters and digits.
    taken
        Participants that there are already.
    left_out
        Gets what is wrong with those who are left out: a person was written without session
        before.

    Raises
    ------
    InputError
        Two patients or days would have one name.
    """
    people = _people(visits, key, labels, set(taken))
    out = []
    refused: dict[str, InputError] = {}
    for visit in visits:
        own = [v.date for v in visits if v.patient == visit.patient]
        rows = key[key.patient_id == visit.patient]
        told = {
            date or '': session or ''
            for date, session in zip(rows.study_date, rows.session_id, strict=True)
        }
        who = people[visit.patient]
        try:
            session = _session(visit.date, own, told, who)
        except InputError as error:
            refused[who] = error
            continue
        out.append(replace(visit, participant_id=who, session_id=session))
    left_out += refused.values()
    out = [visit for visit in out if visit.participant_id not in refused]
    _check_apart(out)
    return out


def _session(date: str, own: Sequence[str], told: Mapping[str, str], who: str) -> str:
    """Session of a day, given all days of the person that are here and sessions by known day."""
    if date in told or told.get(''):
        return told.get(date) or told.get('', '')
    known = [day for day in told if day]
    new = [day for day in own if day not in told]
    if len(known) + len(new) == 1:
        return ''
    if not all(told[day] for day in known):
        raise InputError(
            who,
            f'was written as the only visit, and now there is another of {date}',
            'give the first one a session_id in the key and its files the same session, '
            'or write a new folder',
        )
    return f'ses-{len(known) + new.index(date) + 1}'


def _people(
    visits: Sequence[Visit], key: pd.DataFrame, labels: str, taken: set[str]
) -> dict[str, str]:
    """Participant by patient: as the key says, else the next free number."""
    known = dict(zip(key.patient_id, key.participant_id, strict=True))
    new = [p for p in dict.fromkeys(v.patient for v in visits) if p not in known]
    taken |= set(known.values())
    width = max(2, len(str(len(new) + len(taken))))
    number = 0
    for patient in new:
        label = re.sub('[^A-Za-z0-9]', '', patient)
        if labels == 'number' or not label:
            number += 1
            while f'sub-{number:0{width}d}' in taken:
                number += 1
            label = f'{number:0{width}d}'
        known[patient] = f'sub-{label}'
        taken.add(known[patient])
    return known


def _check_apart(visits: Sequence[Visit]) -> None:
    """Refuse two patients, or two days, under one name; some disks take a and A for one."""
    seen: dict[str, Visit] = {}
    for visit in visits:
        other = seen.setdefault(visit.prefix.casefold(), visit)
        if other is not visit:
            what = 'patients' if other.patient != visit.patient else 'days'
            raise InputError(
                visit.prefix,
                f'would be the name of two {what} ({other.patient} {other.date}, '
                f'{visit.patient} {visit.date})',
                'give each a name or a session of its own in a table for --key',
            )


def read_key(path: Path) -> pd.DataFrame:
    """The key of names; empty where there is none yet.

    Raises
    ------
    InputError
        It is no table, or lacks a column.
    """
    if not path.exists():
        return pd.DataFrame(columns=list(KEY_COLUMNS), dtype=object)
    table = read_text_table(path)
    for name in ('patient_id', 'participant_id'):
        if name not in table or table[name].isna().any():
            raise InputError(
                path, f'does not give {name} in each row', f'write {" and ".join(KEY_COLUMNS)}'
            )
    table = table.reindex(columns=list(KEY_COLUMNS)).astype(object)
    for name, short in (('participant_id', 'sub'), ('session_id', 'ses')):
        table[name] = [_label(value, short, path) for value in table[name]]
    return table.where(table.notna(), None)


def _label(value: object, short: str, path: Path) -> str | None:
    """A label with its key, of letters and digits as BIDS wants it."""
    if not isinstance(value, str):
        return None
    label = value.removeprefix(f'{short}-')
    if not re.fullmatch('[A-Za-z0-9]+', label):
        raise InputError(path, f'names {value!r}', 'use letters and digits only')
    return f'{short}-{label}'


def save_key(key: pd.DataFrame, visits: Sequence[Visit], path: Path) -> None:
    """Add visits to the key, which only its owner may read, as it tells who is who."""
    rows = pd.DataFrame(
        [(v.patient, v.date or None, v.participant_id, v.session_id or None) for v in visits],
        columns=list(KEY_COLUMNS), dtype=object,
    )  # fmt: skip
    table = rows if key.empty else pd.concat([key, rows]).drop_duplicates(ignore_index=True)
    with atomic_path(path) as temporary:
        save_table(table, temporary)
        os.chmod(temporary, 0o600)
