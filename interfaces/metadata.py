"""Metadata of gradient-echo runs: sidecars that can be read, echo times and field strength."""

from __future__ import annotations

import codecs
import functools
import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from ..nodes.fields import is_number
from ..nodes.grid import GAMMA_BAR_MHZ_PER_T
from .files import check_regular
from .unchanged import UntilChanged

FIELD_RANGE_T = (0.2, 12.0)
"""Field strengths, tesla, outside of which a sidecar is taken to be wrong."""

DECISIVE = (
    'EchoTime', 'MagneticFieldStrength', 'ImagingFrequency', 'Units', 'MRAcquisitionType',
    'ImageType',
)  # fmt: skip
"""Entries that results hang on, so that two sidecars must not contradict each other in them."""

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def load_metadata(bids_dir: Path, path: Path) -> dict[str, Any]:
    """Metadata of an image, inherited as BIDS says: deeper folders win, then more entities.

    Raises
    ------
    InputError
        A sidecar that applies to the image cannot be read, or two of one folder contradict each
        other although neither is the more specific.
    """
    # bids2table's own reading lets the file system's order decide between sidecars of one folder
    own = _entities(path)
    metadata: dict[str, Any] = {}
    for folder in reversed(_folders(bids_dir, path)):
        applicable = [
            (entities, sidecar)
            for entities, sidecar in _sidecars(folder)
            if sidecar.name.endswith(f'{own["suffix"]}.json') and entities.items() <= own.items()
        ]
        applicable.sort(key=lambda found: (len(found[0]), found[1].name))
        contents = [(*found, read_sidecar(found[1])) for found in applicable]
        for first, second in itertools.combinations(contents, 2):
            _check_agreement(first, second)
        for *_, content in contents:
            metadata |= content
    return metadata


def _folders(bids_dir: Path, path: Path) -> list[Path]:
    """Folders whose sidecars may apply to an image, from its own up to the data set's root."""
    above = [path.parent, *path.parent.parents]
    return above[: above.index(bids_dir) + 1] if bids_dir in above else above[:1]


def _list_sidecars(folder: Path) -> list[tuple[dict[str, str], Path]]:
    """JSON files of a folder, with their entities."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.endswith('.json')]
    except OSError:
        return []
    names = [name for name in names if not name.startswith('.')]  # `._NAME` of macOS
    return [(_entities(folder / name), folder / name) for name in names]


_sidecars = UntilChanged(_list_sidecars, 1 << 8)


def _entities(path: Path) -> dict[str, str]:
    """Entities and suffix of a name, without what is the same in image and sidecar."""
    import bids2table

    found = bids2table.parse_bids_entities(path)
    return {'suffix': ''} | {k: v for k, v in found.items() if k not in ('datatype', 'ext')}


_Sidecar = tuple[dict[str, str], Path, dict[str, Any]]


def _check_agreement(first: _Sidecar, second: _Sidecar) -> None:
    """Refuse two sidecars of one folder of which neither is the more specific, but both count."""
    (entities, path, content), (others, other, more) = first, second
    if entities.items() <= others.items():
        return
    for key in DECISIVE:
        if key in content and key in more and content[key] != more[key]:
            raise InputError(
                other,
                f'gives {key} {more[key]!r} where {path.name} gives {content[key]!r}, and both '
                'apply to the same image',
                f'take {key} out of the one that is wrong',
            )


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which nothing that decides results stands twice with two values."""
    content = dict(pairs)
    for key, value in pairs:
        if key in DECISIVE and content[key] != value:
            told = f'has {key} twice, as {value!r} and as {content[key]!r}'
            raise InputError(path, told, 'take one out')
    return content


def _load_sidecar(path: Path) -> dict[str, Any]:
    """Content of one sidecar; InputError where it cannot be read or is no JSON object."""
    check_regular(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, f'cannot be read ({error})', 'restore the sidecar') from error
    if content.startswith(_BYTE_ORDER_MARKS):
        raise InputError(path, 'starts with a byte-order mark', 'save it as UTF-8 without one')
    try:
        hook = functools.partial(_once, path)
        metadata = json.loads(content.decode('utf-8'), object_pairs_hook=hook)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(path, f'is not valid JSON ({error})', 'correct the sidecar') from error
    if not isinstance(metadata, dict):
        raise InputError(
            path,
            f'contains {json.dumps(metadata)[:80]}, which is not a JSON object',
            'write {"EchoTime": ..., "MagneticFieldStrength": ...}',
        )
    return metadata


read_sidecar = UntilChanged(_load_sidecar, 1 << 8)


def _number(path: Path, metadata: Mapping[str, Any], key: str, unit: str) -> float:
    if key not in metadata:
        raise InputError(path, f'has no {key} in its sidecars', f'add {key} in {unit}')
    value = metadata[key]
    if not is_number(value):
        raise InputError(path, f'has {key} {value!r}', f'give one number in {unit}')
    return _float(value)


def _float(value: float) -> float:
    """A number of JSON as a float; whole ones may be too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def times_of(sidecars: Sequence[tuple[Path, Mapping[str, Any]]]) -> list[float]:
    """Echo times, seconds, of the images of one part with their metadata, in the order given.

    Raises
    ------
    InputError
        One is missing, repeated or not in seconds.
    """
    times: list[float] = []
    for path, metadata in sidecars:
        value = _number(path, metadata, 'EchoTime', 'seconds')
        if not 0 < value < 1:
            problem = f'has EchoTime {value:g}'
            fix = (
                f'BIDS requires seconds, write {value / 1000:g}'
                if 1 <= value < math.inf
                else 'give the true echo time in seconds'
            )
            raise InputError(path, problem, fix)
        if value in times:
            raise InputError(
                path, f'repeats the EchoTime {value:g} s of another echo', 'correct one of the two'
            )
        times.append(value)
    return times


def field_strength(path: Path, metadata: Mapping[str, Any]) -> float:
    """Field strength, tesla, of an image with this metadata.

    Raises
    ------
    InputError
        It is missing, out of range or contradicts the imaging frequency.
    """
    b0 = _number(path, metadata, 'MagneticFieldStrength', 'tesla')
    low, high = FIELD_RANGE_T
    if not low <= b0 <= high:
        raise InputError(
            path, f'has MagneticFieldStrength {b0:g}', f'give it in tesla, {low:g} to {high:g}'
        )
    frequency = metadata.get('ImagingFrequency')
    if isinstance(frequency, int | float) and frequency > 0:
        frequency = _float(frequency)
        implied = frequency / GAMMA_BAR_MHZ_PER_T
        if abs(implied / b0 - 1) > 0.1:
            raise InputError(
                path,
                f'has MagneticFieldStrength {b0:g} but ImagingFrequency {frequency:g} MHz, '
                f'which is {implied:.2f} T',
                'correct one of the two',
            )
    return b0
