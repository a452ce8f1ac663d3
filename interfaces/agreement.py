"""Whether region tables were made alike, and how, as far as their JSON sidecars tell."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import chi2_contingency

from ..nodes.errors import InputError
from ..nodes.statistics.values import name_some
from .methods import Methods, agreeing
from .protocol import PROTOCOL, in_words

_SENTENCE = 'ReferenceRegion'
"""Tells people what `Methods.reference` names: compared only where methods are not known."""
MUST_AGREE = ('Methods.reference', _SENTENCE, 'Units')
"""Sidecar entries without whose agreement values cannot be compared at all."""
SHOULD_AGREE = {'NigraVersion': 'the version of nigra'}
"""Sidecar entries, in words, whose disagreement is a warning, beside all that `Methods` hold and
all of `PROTOCOL`."""
UNEQUAL_P = 0.05
"""Values of an entry are told to go along with the groups where chance makes that rarer."""
UNIT = 'ppb'
AGAIN = 'run the participant level again'
"""What to do about a damaged result."""

_METHODS, _SETTINGS = 'Methods.', 'Methods.settings.'
_NOT_SET = 'not set'
_UNKNOWN = (0.0,)
"""Echo times where a sidecar tells none."""
_UNTOLD = (
    'How the results of {} were made is not known, as their sidecars do not tell it the way this '
    'version of nigra does'
)


@dataclass(frozen=True)
class Difference:
    """What participants differ in.

    Attributes
    ----------
    key
        Entry of the sidecars; those of `Methods` with this and a dot before.
    common
        The value of most.
    others
        The other values, and the runs that have them.
    """

    key: str
    common: str
    others: Mapping[str, Sequence[str]]

    def sentence(self, quote: Callable[[str], str] = str, *, end: str = '.') -> str:
        """Which values there are, and in whom; `quote` writes a value."""
        shown = [f'{quote(value)} in {name_some(runs)}' for value, runs in self.others.items()]
        shown.append(f'{quote(self.common)} in the others')
        return f'Participants differ in {_words(self.key)}: {"; ".join(shown)}{end}'


@dataclass(frozen=True)
class Told:
    """How results were made.

    Attributes
    ----------
    methods
        Those of most results; None where nothing tells.
    echo_times
        Of the fullest run, s.
    untold
        Runs whose methods are not known.
    differences
        Between the others.
    single
        Runs of one echo, where the fullest has several: other steps were done in them.
    masks
        Runs by where their brain mask came from, `made` or `given`, as far as it is known.
    """

    methods: Methods | None
    echo_times: tuple[float, ...] = _UNKNOWN
    untold: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    single: tuple[str, ...] = ()
    masks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def notes(self, quote: Callable[[str], str]) -> list[str]:
        """Sentences on all that `methods` do not tell; `quote` writes a value."""
        found = [difference.sentence(quote) for difference in self.differences]
        return found + ([_UNTOLD.format(name_some(self.untold)) + '.'] if self.untold else [])


def read_told(tables: Sequence[Path]) -> Told:
    """How region tables were made, from their sidecars; one that cannot be read tells nothing."""
    sidecars = []
    for path in tables:
        try:
            sidecars.append(_read_sidecar(path.with_suffix('.json')))
        except InputError:
            sidecars.append({})  # the group level itself says which sidecar is broken
    known = Counter(m for m in map(_record, sidecars) if _methods(m) is not None)
    table = _table(tables, sidecars)
    keys = [k for k in table if k == 'NigraVersion' or k.startswith(_METHODS)]
    times = [_echo_times(sidecar) for sidecar in sidecars]
    fullest = max(times, key=len, default=_UNKNOWN)
    one = [len(t) == 1 < len(fullest) and t != _UNKNOWN for t in times]
    masks = [sidecar.get('BrainMask') for sidecar in sidecars]
    return Told(
        methods=_methods(known.most_common(1)[0][0]) if known else None,
        echo_times=fullest,
        untold=tuple(table.run[~table.told].unique()),
        differences=tuple(filter(None, (_difference(table, key) for key in keys))),
        single=tuple(table.run[one].unique()),
        masks={
            kind: runs
            for kind in ('made', 'given')
            if (runs := tuple(table.run[[m == kind for m in masks]].unique()))
        },
    )


def compare_sidecars(paths: Sequence[Path], labels: pd.Series) -> tuple[dict[str, Any], list[str]]:
    """Tell whether region tables may be compared, from their JSON sidecars.

    Parameters
    ----------
    paths
        Region tables.
    labels
        Group by participant.

    Returns
    -------
    tuple
        Entries (a list where there are several values), and warnings.

    Raises
    ------
    InputError
        Reference region or unit differ, or the unit is not ppb.
    """
    table = _table(paths, [_read_sidecar(path.with_suffix('.json')) for path in paths])
    provenance: dict[str, Any] = {}
    warnings = _silent_sidecars(table)
    warnings += [told.sentence for told in compare_protocols(table, labels)]
    for key in table.columns.drop(['run', 'participant', 'told']):
        values = table[key].dropna().unique().tolist()
        if values:
            provenance[key] = values[0] if len(values) == 1 else values
        if key in PROTOCOL:
            continue
        difference = _difference(table[~table.told] if key == _SENTENCE else table, key)
        if difference is None:
            continue
        if key in MUST_AGREE:
            raise _disagreement(paths, table, difference)
        warnings.append(difference.sentence(end=_of_groups(table, key, labels)))
    _check_unit(paths, table.Units)
    return provenance, warnings


@dataclass(frozen=True)
class ProtocolDifference:
    """A difference in how a study was measured, in a sentence, and whether groups share it."""

    sentence: str
    confounded: bool


def compare_protocols(table: pd.DataFrame, labels: pd.Series) -> list[ProtocolDifference]:
    """What a study's scans differ in.

    Parameters
    ----------
    table
        Columns `run`, `participant` and the entries of `PROTOCOL` in words. All that a participant
        has count together: two scans with two echo times in everybody are no difference.
    labels
        Group by participant.
    """
    found = []
    for key in (key for key in PROTOCOL if key in table):
        known = table.dropna(subset=[key])
        together = known.groupby('participant')[key].agg(lambda v: ' and '.join(sorted(set(v))))
        of_each = known.assign(**{key: known.participant.map(together)})
        difference = _difference(of_each, key)
        if difference is not None:
            end = _of_groups(of_each.drop_duplicates('participant'), key, labels)
            found.append(ProtocolDifference(difference.sentence(end=end), end != '.'))
    return found


def _table(paths: Sequence[Path], sidecars: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What is compared of each sidecar as words; whose it is, and whether it tells methods."""
    rows = []
    for path, sidecar in zip(paths, sidecars, strict=True):
        run = path.name.split('_seg-')[0]
        told = _methods(_record(sidecar)) is not None
        entries = agreeing(sidecar['Methods']) if told else {}
        rows.append(
            {'run': run, 'participant': run.split('_')[0], 'told': told}
            | {key: _word(sidecar.get(key)) for key in MUST_AGREE}
            | {key: in_words(key, sidecar.get(key)) for key in PROTOCOL}
            | {key: _word(sidecar.get(key)) for key in SHOULD_AGREE}
            | {_METHODS + name: value for name, value in entries.items()}
        )
    table = pd.DataFrame(rows, dtype=object)
    table['told'] = table['told'].astype(bool)
    for key in (k for k in table if k.startswith(_SETTINGS)):
        table.loc[table.told & table[key].isna(), key] = _NOT_SET
    return table


def _record(sidecar: Mapping[str, Any]) -> str:
    """Methods that a sidecar tells, as text; empty where it tells none."""
    record = sidecar.get('Methods')
    return json.dumps(record, sort_keys=True) if record and isinstance(record, dict) else ''


@functools.cache
def _methods(record: str) -> Methods | None:
    """Methods of a record; None where there are none that this version knows."""
    try:
        methods = Methods.from_record(json.loads(record))
        methods.check_names()
    except ValueError:  # no JSON, or names of another version
        return None
    return methods


def _echo_times(sidecar: Mapping[str, Any]) -> tuple[float, ...]:
    times = sidecar.get('EchoTimes')
    numbers = isinstance(times, list) and all(isinstance(t, int | float) for t in times)
    return tuple(times) if times and numbers else _UNKNOWN


def _difference(table: pd.DataFrame, key: str) -> Difference | None:
    """How the known values of an entry differ."""
    known = table[table[key].notna()]
    values = list(known[key].value_counts().index)
    if len(values) < 2:
        return None
    runs = {value: list(known.run[known[key] == value].unique()) for value in values[1:]}
    return Difference(key, values[0], runs)


def _words(key: str) -> str:
    """An entry as people call it, which for methods is the name of the option."""
    if key.startswith(_SETTINGS):
        return f'the setting {key.removeprefix(_SETTINGS)}'
    if key in PROTOCOL:
        return PROTOCOL[key][0]
    return SHOULD_AGREE.get(key) or key.removeprefix(_METHODS).replace('_', ' ')


def _of_groups(table: pd.DataFrame, key: str, labels: pd.Series) -> str:
    """End of a warning, stronger where an entry goes along with the group."""
    groups = table.participant.map(labels)
    per_group = table[key].groupby(groups).nunique()
    if len(per_group) > 1 and per_group.max() == 1:
        return ', and each group has one value, so that groups differ by it too.'
    counts = pd.crosstab(table[key], groups)
    if min(counts.shape) > 1 and chi2_contingency(counts).pvalue < UNEQUAL_P:
        return ', and groups have it unequally often, so that they may differ by it too.'
    return '.'


def _disagreement(paths: Sequence[Path], table: pd.DataFrame, found: Difference) -> InputError:
    """What keeps values from being compared, and the first table in which it is not as usual."""
    rarest = list(found.others)[-1]
    first = list(table[found.key] == rarest).index(True)
    counts = ', '.join(
        f'{value} in {n} of {table[found.key].notna().sum()} tables'
        for value, n in table[found.key].value_counts().items()
    )
    return InputError(
        paths[first].with_suffix('.json'),
        f'{found.key} is {rarest!r}, but {found.common!r} elsewhere ({counts})',
        'process all participants alike before they are compared',
    )


def _check_unit(paths: Sequence[Path], units: pd.Series) -> None:
    wrong = units.index[units.notna() & (units != UNIT)]
    if len(wrong):
        raise InputError(
            paths[wrong[0]].with_suffix('.json'), f'Units is {units[wrong[0]]!r}', AGAIN
        )


def _silent_sidecars(table: pd.DataFrame) -> list[str]:
    """Warnings of methods that are not known, and of entries that only some sidecars have."""
    found = []
    if not table.told.all():
        who = name_some(table.run[~table.told].unique())
        found.append(f'{_UNTOLD.format(who)}; process these participants again.')
    lacking: dict[str, list[str]] = {}
    for key in table.columns.drop(['run', 'participant', 'told']):
        # of those whose methods are not known at all that has been said
        asked = table[table.told] if key.startswith(_METHODS) else table
        absent = asked[key].isna()
        if absent.any() and not absent.all():
            lacking.setdefault(name_some(asked.run[absent].unique()), []).append(key)
    told = [f'Sidecars of {who} do not tell {", ".join(k)}.' for who, k in lacking.items()]
    return found + told


def _read_sidecar(path: Path) -> dict[str, Any]:
    try:
        content = _parse(path.read_text(encoding='utf-8-sig'))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(path, f'cannot be read as JSON ({error})', AGAIN) from error
    return content if isinstance(content, dict) else {}


@functools.lru_cache(256)
def _parse(text: str) -> Any:
    """Content of JSON text, that of participants alike once; nobody may change it."""
    return json.loads(text)


def _word(value: Any) -> str | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f'{value:g}' if number else str(value)
