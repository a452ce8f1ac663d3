"""What a series is, from its header fields: a T1w image, a gradient echo, or something else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .series import Header, Series, plain, words

ROLES = ('T1w', 'gre', 'mag', 'phase', 'real', 'imag', 'ignore')
"""What a series may be called by hand; `gre` leaves its parts to its headers."""
LONGEST_T1W_ECHO = 10.0
"""Echo time, ms, from which a T1-weighted image would be weighted by T2* as well."""
SHORT_ECHOES = 10.0
"""Echo time, ms, up to which two 2D echoes are a field map, too short to show iron."""


@dataclass(frozen=True)
class Reading:
    """How a series is read.

    Attributes
    ----------
    role
        `T1w`, `gre` (a part of a gradient-echo scan) or `none`.
    reason
        Why, for people.
    fault
        Whether something is wrong with a scan that was wanted.
    forced
        Whether somebody has said so.
    """

    role: str
    reason: str
    fault: bool = False
    forced: bool = False


def judge(series: Series, forced: str | None = None) -> Reading:
    """Read a series from its header fields.

    Parameters
    ----------
    series
        The series.
    forced
        One of `ROLES`, which somebody has said.
    """
    if forced == 'ignore':
        return Reading('none', 'left out by --map', forced=True)
    if forced:
        return Reading('T1w' if forced == 'T1w' else 'gre', f'{forced} by --map', forced=True)
    if series.header.modality not in ('', 'MR'):
        return Reading('none', f'no MR image (Modality {series.header.modality})')
    if series.directions > 1:
        return Reading('none', f'a localiser (slices in {series.directions} directions)')
    told = _something_else(series)
    if told:
        return Reading('none', told)
    if _is_weighted(series):
        return _judge_t1w(series)
    return _judge_gre(series)


def named(header: Header, what: str) -> str:
    """The field and value by which a series is named as `what` says; empty where it is not.

    Examples
    --------
    >>> named(Header(description='gre_field_mapping'), 'field_map')
    "SeriesDescription 'gre_field_mapping'"
    """
    return _matches(header, str(words()['names'][what]))


def _matches(header: Header, pattern: str) -> str:
    for field, text in (
        ('SeriesDescription', header.description),
        ('ProtocolName', header.protocol),
    ):
        if re.search(rf'(?<![a-z0-9])(?:{pattern})(?![a-z0-9+])', plain(text)):
            return f'{field} {text!r}'
    return ''


def _something_else(series: Series) -> str:
    """What a series is that is neither, with the field that says so; empty where none does."""
    for scan in words()['other_scans']:
        found = _evidence(series, scan)
        if found:
            return f'{scan["what"]} ({found})'
    return ''


def _evidence(series: Series, scan: Mapping[str, Any]) -> str:
    header = series.header
    kinds = {word.upper() for word in series.kinds} & set(scan.get('kinds', ()))
    if kinds:
        return f'ImageType {min(kinds)}'
    sequences = set(header.scanning_sequence) & set(scan.get('sequences', ()))
    if sequences:
        return f'ScanningSequence {min(sequences)}'
    code = header.sequence_name.casefold().lstrip('*').split('_')[0]
    if 'codes' in scan and re.fullmatch(f'(?:{scan["codes"]})', code):
        return f'SequenceName {header.sequence_name}'
    return _matches(header, str(scan['names'])) if 'names' in scan else ''


def _is_weighted(series: Series) -> bool:
    """Whether a series is prepared or called so that T1 shows, and is no gradient-echo scan."""
    header = series.header
    prepared = 'IR' in header.scanning_sequence or 'MP' in header.variant
    prepared |= bool(header.inversion_time)
    if prepared:
        return True
    phase = 'phase' in series.parts or {'real', 'imag'} <= series.parts
    times = {round(v.echo_time, 2) for v in series.volumes}
    if phase and (len(times) > 1 or max(times) >= LONGEST_T1W_ECHO):
        return False
    return bool(named(header, 't1w')) and not named(header, 'not_t1w')


def _judge_t1w(series: Series) -> Reading:
    header = series.header
    times = series.times('mag')
    name = plain(f'{header.description} {header.protocol}')
    if named(header, 'not_t1w'):
        return Reading('none', f'inversion recovery, not T1w ({named(header, "not_t1w")})')
    if header.acquisition == '2D':
        return Reading('none', 'T1-weighted, but in 2D slices, too thick for labels')
    if not times:
        return Reading('none', f'T1-weighted, but only its {", ".join(sorted(series.parts))} part')
    if len(times) > 1:
        return Reading('none', f'T1-weighted with {len(times)} echoes; their mean would do')
    if times[0] > LONGEST_T1W_ECHO:
        return Reading('none', f'an echo time of {times[0]:g} ms is too long for T1w')
    if re.search(r'\binv ?[12]\b', name):
        return Reading('none', 'one inversion of MP2RAGE, not its T1w image')
    if {'UNI'} & series.kinds and not re.search(r'\bden', name):
        return Reading('none', 'MP2RAGE with noise in air, which misleads brain masks')
    return Reading('T1w', _why_t1w(header))


def _why_t1w(header: Header) -> str:
    inverted = header.inversion_time
    if inverted:
        return f'3D, inversion time {inverted:g} ms'
    if 'MP' in header.variant:
        return '3D, magnetisation prepared (SequenceVariant MP)'
    if 'IR' in header.scanning_sequence:
        return '3D, inversion recovery (ScanningSequence IR)'
    return f'3D, {named(header, "t1w")}'


def _judge_gre(series: Series) -> Reading:
    header = series.header
    if 'signed' in series.parts:
        return Reading(
            'none',
            'holds negative values, but no field tells whether phase, real or imaginary part; '
            'say it with --map if it is one',
        )
    if header.scanning_sequence and not {'GR', 'RM'} & set(header.scanning_sequence):
        return Reading('none', f'no gradient echo ({", ".join(header.scanning_sequence)})')
    if not any(v.echo_time for v in series.volumes):
        return Reading('none', 'no echo time in its headers')
    parts = ' and '.join(
        f'{name} at {", ".join(f"{t:g}" for t in series.times(part))} ms'
        for part, name in PART_NAMES.items()
        if part in series.parts
    )
    return Reading('gre', f'gradient echo, {parts}')


PART_NAMES = {'mag': 'magnitude', 'phase': 'phase', 'real': 'real', 'imag': 'imaginary'}
"""Parts of a complex image, as people call them."""


def what_is_broken(series: Series, part: str) -> str:
    """What is wrong with the volumes of a part of a series; empty where nothing is."""
    for volume in series.volumes:
        name = f'{PART_NAMES.get(part, part)} at {volume.echo_time:g} ms'
        if volume.part != part:
            continue
        if volume.missing:
            whole = volume.slices + volume.missing
            return f'{name} lacks {volume.missing} of {whole} slices; export it again'
        if volume.copies > 1:
            return (
                f'{name} has {volume.copies} images at one place (repetitions, coils or echoes '
                'that headers do not tell apart)'
            )
        if volume.slices < 2:
            return f'{name} is a single slice'
    return ''
