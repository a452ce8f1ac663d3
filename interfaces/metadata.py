"""Metadata of gradient-echo runs: sidecars that can be read, echo times and field strength."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from ..nodes.grid import GAMMA_BAR_MHZ_PER_T

FIELD_RANGE_T = (0.2, 12.0)
"""Field strengths, tesla, outside of which a sidecar is taken to be wrong."""

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def load_metadata(bids_dir: Path, path: Path) -> dict[str, Any]:
    """Metadata of an image, inherited as BIDS says.

    Raises
    ------
    InputError
        A sidecar of the image's suffix, in its folder or above, cannot be read.
    """
    import bids2table

    suffix = bids2table.parse_bids_entities(path).get('suffix', '')
    for folder in (path.parent, *path.parent.parents):
        for sidecar in sorted(folder.glob(f'*{suffix}.json')):
            _check_sidecar(sidecar)
        if folder == bids_dir:
            break
    return bids2table.load_bids_metadata(path)


def _check_sidecar(path: Path) -> None:
    # bids2table reads plain UTF-8 and skips without a word what it cannot use.
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, f'cannot be read ({error})', 'restore the sidecar') from error
    if content.startswith(_BYTE_ORDER_MARKS):
        raise InputError(path, 'starts with a byte-order mark', 'save it as UTF-8 without one')
    try:
        metadata = json.loads(content.decode('utf-8'))
    except ValueError as error:
        raise InputError(path, f'is not valid JSON ({error})', 'correct the sidecar') from error
    if not isinstance(metadata, dict):
        raise InputError(
            path,
            f'contains {json.dumps(metadata)[:80]}, which is not a JSON object',
            'write {"EchoTime": ..., "MagneticFieldStrength": ...}',
        )


def _number(path: Path, metadata: Mapping[str, Any], key: str, unit: str) -> float:
    if key not in metadata:
        raise InputError(path, f'has no {key} in its sidecars', f'add {key} in {unit}')
    value = metadata[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(path, f'has {key} {value!r}', f'give one number in {unit}')
    return float(value)


def echo_times(bids_dir: Path, paths: Sequence[Path]) -> list[float]:
    """Echo times of the files of one part, seconds, in the order given.

    Raises
    ------
    InputError
        One is missing, repeated or not in seconds.
    """
    times: list[float] = []
    for path in paths:
        value = _number(path, load_metadata(bids_dir, path), 'EchoTime', 'seconds')
        if not 0 < value < 1:
            problem = f'has EchoTime {value:g}'
            fix = (
                f'BIDS requires seconds, write {value / 1000:g}'
                if value >= 1
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
        implied = frequency / GAMMA_BAR_MHZ_PER_T
        if abs(implied / b0 - 1) > 0.1:
            raise InputError(
                path,
                f'has MagneticFieldStrength {b0:g} but ImagingFrequency {frequency:g} MHz, '
                f'which is {implied:.2f} T',
                'correct one of the two',
            )
    return b0
