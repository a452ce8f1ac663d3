"""Read a study: one small TOML file that says who is scanned, and how."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from ..nodes.simulation.body import AnatomyModel
from ..nodes.simulation.cohort import GroupModel, RegionModel
from ..nodes.simulation.scan import GreProtocol, T1wProtocol
from ..nodes.simulation.scanner import PHASE_CODES
from ..nodes.simulation.tissue import TissueModel
from .anatomy.atlas import load_whole_atlas
from .files import data_text

BUILT_IN = ('example', 'pudlac2020')
TRUTH = ('tables', 'labels', 'all')
"""How much of the truth is written: regional values; labels and masks too; maps too."""


@dataclass(frozen=True)
class Study:
    """A study to simulate.

    Attributes
    ----------
    name, description
        Go into the data set's description and README.
    seed
        Makes the study what it is; another seed gives other people.
    reference_age
        Age at which the regions' susceptibilities hold.
    groups, regions, protocols
        By name, in the file's order.
    truth
        How much of the truth is written, one of `TRUTH`.
    tissue, anatomy, t1w
        The rest of the physics and anatomy.
    """

    name: str
    description: str
    groups: Mapping[str, GroupModel]
    regions: Mapping[str, RegionModel]
    protocols: Mapping[str, GreProtocol]
    seed: int = 0
    reference_age: float = 45.0
    truth: str = 'all'
    tissue: TissueModel = field(default_factory=TissueModel)
    anatomy: AnatomyModel = field(default_factory=AnatomyModel)
    t1w: T1wProtocol = field(default_factory=T1wProtocol)


def read_study(source: str | Path) -> Study:
    """Read a study by the path of its file or the name of a built-in one.

    Parameters
    ----------
    source
        Path of a TOML file, or one of `BUILT_IN`.

    Raises
    ------
    InputError
        The file is missing or malformed, a key is unknown, or a value is wrong.
    """
    name = str(source)
    if name in BUILT_IN:
        text = data_text(f'{name}.toml')
    else:
        try:
            text = Path(source).read_text(encoding='utf-8')
        except (OSError, UnicodeDecodeError) as error:
            fix = f'give a TOML file or one of {", ".join(BUILT_IN)}'
            raise InputError(name, f'cannot be read as a study ({_reason(error)})', fix) from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(name, f'is not valid TOML ({error})', 'correct that line') from None
    study = _study(table, name)
    _check(study, name)
    return study


def _reason(error: Exception) -> str:
    return getattr(error, 'strerror', None) or type(error).__name__


_NAMED: dict[str, type] = {
    'groups': GroupModel,
    'regions': RegionModel,
    'protocols': GreProtocol,
}
_SINGLE: dict[str, type] = {'tissue': TissueModel, 'anatomy': AnatomyModel, 't1w': T1wProtocol}


def _own_name(kind: type, name: str) -> dict[str, str]:
    return {'name': name} if kind is GroupModel else {}


def _study(table: dict[str, Any], where: str) -> Study:
    table = dict(table)
    parts: dict[str, Any] = {}
    for key, kind in _NAMED.items():
        rows = table.pop(key, None)
        if not isinstance(rows, dict) or not rows:
            raise InputError(where, f'has no [{key}.NAME] table', 'add at least one')
        parts[key] = {
            name: _build(kind, row, where, f'{key}.{name}', given=_own_name(kind, name))
            for name, row in rows.items()
        }
    for key, kind in _SINGLE.items():
        parts[key] = _build(kind, table.pop(key, {}), where, key)
    return _build(Study, table, where, '', given=parts)


def _build(
    kind: type, row: Any, where: str, path: str, *, given: Mapping[str, Any] | None = None
) -> Any:
    """Dataclass from a TOML table, with every key and type checked."""
    given = given or {}
    place = f'[{path}]' if path else 'the top level'
    if not isinstance(row, dict):
        raise InputError(where, f'{place} is {row!r}', 'make it a table')
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind) if f.name not in given}
    for key in row:
        if key not in fields:
            known = ', '.join(fields)
            raise InputError(where, f'{place} has the unknown key {key!r}', f'known are {known}')
    for key, item in fields.items():
        required = item.default is dataclasses.MISSING
        if required and item.default_factory is dataclasses.MISSING and key not in row:
            raise InputError(where, f'{place} lacks {key!r}', 'add it')
    values = {k: _convert(v, hints[k], where, f'{k} in {place}') for k, v in row.items()}
    return kind(**values, **given)


def _convert(value: Any, hint: Any, where: str, place: str) -> Any:
    """TOML value as the type that a dataclass field asks for."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _convert(value, next(a for a in args if a is not type(None)), where, place)
    if origin is tuple:
        return _sequence(value, args, where, place)
    if origin is not None:  # Mapping[str, X]
        if not isinstance(value, dict):
            raise InputError(where, f'{place} is {value!r}', 'write it as a table of names')
        return {k: _convert(v, args[1], where, f'{k} of {place}') for k, v in value.items()}
    wanted = {float: (int, float), int: (int,), str: (str,)}[hint]
    if not isinstance(value, wanted) or isinstance(value, bool):
        words = {float: 'a number', int: 'a whole number', str: 'a text'}[hint]
        raise InputError(where, f'{place} is {value!r}', f'give {words}')
    return hint(value)


def _sequence(value: Any, args: tuple[Any, ...], where: str, place: str) -> tuple[Any, ...]:
    length = None if args[-1] is Ellipsis else len(args)
    if not isinstance(value, list) or not value or (length and len(value) != length):
        count = f'{length} values' if length else 'one or more values'
        raise InputError(where, f'{place} is {value!r}', f'give a list of {count}')
    return tuple(_convert(v, args[0], where, place) for v in value)


def _check(study: Study, where: str) -> None:
    """Values that are of the right type and still cannot be."""
    regions = load_whole_atlas().regions
    known = set(regions.loc[regions['index'].notna(), 'region'])
    for name in study.regions:
        if name not in known:
            raise InputError(where, f'[regions.{name}] is no region', f'known are {sorted(known)}')
    missing = known - set(study.regions)
    if missing:
        raise InputError(where, f'[regions.{min(missing)}] is missing', 'add it')
    for name, group in study.groups.items():
        _check_group(study, group, where, f'[groups.{name}]')
    for name, protocol in study.protocols.items():
        _check_protocol(protocol, where, f'[protocols.{name}]')
    if study.truth not in TRUTH:
        raise InputError(where, f'truth is {study.truth!r}', f'give one of {", ".join(TRUTH)}')
    if study.seed < 0:
        raise InputError(where, f'seed is {study.seed}', 'give zero or a positive number')


def _check_group(study: Study, group: GroupModel, where: str, place: str) -> None:
    rules = (
        ('n', group.n, group.n >= 1, 'give at least one participant'),
        ('female_percent', group.female_percent, 0 <= group.female_percent <= 100,
         'give 0 to 100'),
        ('age', group.age, 18 <= group.age[0] <= 90 and group.age[1] >= 0,
         'give mean and deviation in years'),
        ('edss', group.edss, group.edss is None or 0 <= group.edss[0] <= 10,
         'give a median within 0 to 10'),
    )  # fmt: skip
    for key, value, good, fix in rules:
        if not good:
            raise InputError(where, f'{key} in {place} is {value}', fix)
    for name in group.protocols:
        if name not in study.protocols:
            fix = f'add [protocols.{name}] or use one of {", ".join(study.protocols)}'
            raise InputError(where, f'{place} uses the unknown protocol {name!r}', fix)
    for key in ('chi_ppb', 'volume_percent', 'edss_ppb'):
        for region in getattr(group, key):
            if region not in study.regions:
                fix = f'use one of {", ".join(study.regions)}'
                raise InputError(where, f'{place} {key} names the unknown region {region!r}', fix)
    for region, percent in group.volume_percent.items():
        if not -60 <= percent <= 80:
            raise InputError(
                where, f'volume_percent of {region} in {place} is {percent}', 'give -60 to 80'
            )


def _check_protocol(protocol: GreProtocol, where: str, place: str) -> None:
    times = protocol.echo_times
    rising = all(a < b for a, b in itertools.pairwise(times))
    rules = (
        ('echo_times', times, times[0] > 0 and rising, 'give rising positive times'),
        ('echo_times', times, times[-1] < 0.5, 'give seconds'),
        ('b0', protocol.b0, 0.05 <= protocol.b0 <= 20, 'give tesla'),
        ('repetition_time', protocol.repetition_time, protocol.repetition_time > times[-1],
         'make it longer than the last echo time, in seconds'),
        ('voxel_mm', protocol.voxel_mm, min(protocol.voxel_mm) > 0, 'give positive lengths'),
        ('matrix', protocol.matrix, min(protocol.matrix) >= 8, 'give at least 8 voxels an axis'),
        ('oversampling', protocol.oversampling, min(protocol.oversampling) >= 1,
         'give whole numbers from 1'),
        ('snr', protocol.snr, protocol.snr > 0, 'give a positive ratio'),
        ('noise', protocol.noise, protocol.noise > 0, 'give a positive number'),
        ('padding', protocol.padding, protocol.padding >= 1, 'give at least 1'),
        ('shim_order', protocol.shim_order, protocol.shim_order in (0, 1, 2), 'give 0, 1 or 2'),
        ('phase', protocol.phase, protocol.phase in PHASE_CODES,
         f'give one of {", ".join(PHASE_CODES)}'),
        ('orientation', protocol.orientation, _is_orientation(protocol.orientation),
         'give three letters such as RAS'),
    )  # fmt: skip
    for key, value, good, fix in rules:
        if not good:
            raise InputError(where, f'{key} in {place} is {value}', fix)


def _is_orientation(codes: str) -> bool:
    pairs = ('LR', 'PA', 'IS')
    return len(codes) == 3 and all(sum(c in pair for c in codes) == 1 for pair in pairs)
