"""Series of one visit put together into scans: magnitude finds its phase, echoes their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..scans import little_iron
from .roles import PART_NAMES, SHORT_ECHOES, Reading, judge, named, what_is_broken
from .series import SAME_TIME, Series, Volume

_USUAL_T = 3.0
"""Field strength that is taken where headers tell none."""


@dataclass(frozen=True)
class Image:
    """One image of a scan: its volume, and where it stands.

    Attributes
    ----------
    series
        That holds it.
    volume
        Its images.
    part
        `mag`, `phase`, `real`, `imag`.
    echo
        From 1, in the order of echo times; 0 where there is one.
    """

    series: Series
    volume: Volume
    part: str
    echo: int = 0


@dataclass(frozen=True)
class Scan:
    """A scan to be written.

    Attributes
    ----------
    suffix
        `T1w`, `T2starw` or `MEGRE`.
    images
        One for `T1w`, else one per part and echo.
    acquisition
        Value of `acq-`, where a visit has several of the kind.
    contrast
        Whether it was measured after contrast agent.
    """

    suffix: str
    images: tuple[Image, ...]
    acquisition: str = ''
    contrast: bool = False

    @property
    def number(self) -> int:
        """Number of its first series."""
        return min(image.series.header.number for image in self.images)


def perhaps_stopped(scans: Sequence[Scan]) -> list[str]:
    """Sentences of scans with fewer slices than one like them; no field tells of a stop."""
    out = []
    for one in scans:
        most = max((s for s in scans if _kind(s) == _kind(one)), key=_slices)
        if _slices(one) < _slices(most):
            out.append(
                f'series {one.number} has {_slices(one)} slices where series {most.number} of the '
                f'same name has {_slices(most)}; if it was stopped, leave it out with --map.'
            )
    return out


def _kind(scan: Scan) -> tuple[Any, ...]:
    series = scan.images[0].series
    return scan.suffix, series.geometry, series.header.description, series.header.protocol


def _slices(scan: Scan) -> int:
    return scan.images[0].volume.slices


def assemble(
    series: Sequence[Series], forced: Mapping[str, str] | None = None
) -> tuple[list[Scan], list[Reading]]:
    """Scans of a visit, and how each of its series is read.

    Parameters
    ----------
    series
        All of the visit.
    forced
        Role by series identifier, where somebody has said one.

    Returns
    -------
    tuple
        The scans, named apart; a reading per series, in the order given.
    """
    said = dict(forced or {})
    series = [_as_said(one, said.get(one.header.series)) for one in series]
    readings = [judge(one, said.get(one.header.series)) for one in series]
    scans = []
    for i, one in enumerate(series):
        if readings[i].role == 'T1w':
            readings[i], found = _t1w(one, readings[i])
            scans += found
    groups = _group([i for i, r in enumerate(readings) if r.role == 'gre'], series)
    judged = [_gre(group, series, readings) for group in groups]
    whole = sum(bool(images) for images, _ in judged)
    planar = any('EP' in one.header.scanning_sequence for one in series)
    for group, (images, reading) in zip(groups, judged, strict=True):
        told = reading
        if images:
            told = _field_map([series[i] for i in group], images, reading, whole - 1, planar)
        for i in group:
            readings[i] = replace(told, reason=_own(told, readings[i]))
        if images and told.role == 'gre':
            scans.append(Scan('MEGRE' if images[-1].echo else 'T2starw', images,
                              contrast=_after_contrast(series[group[0]])))  # fmt: skip
    return _named_apart(scans), readings


def _as_said(series: Series, role: str | None) -> Series:
    """The series with the part that somebody has said it to be."""
    part = {'T1w': 'mag'}.get(role or '', role)
    if part not in PART_NAMES:
        return series
    return replace(series, volumes=tuple(replace(v, part=part) for v in series.volumes))


def _own(told: Reading, before: Reading) -> str:
    """Reason of one series of a group: its own content goes before what holds for all."""
    return f'{before.reason}; {told.reason}' if told.reason else before.reason


def _t1w(series: Series, reading: Reading) -> tuple[Reading, list[Scan]]:
    broken = what_is_broken(series, 'mag')
    volumes = [v for v in series.volumes if v.part == 'mag']
    if broken or not volumes:
        return Reading('none', broken or 'has no magnitude', fault=True), []
    image = Image(series, volumes[0], 'mag')
    return reading, [Scan('T1w', (image,), contrast=_after_contrast(series))]


def _after_contrast(series: Series) -> bool:
    return bool(series.header.contrast or named(series.header, 'contrast'))


def _group(candidates: Sequence[int], series: Sequence[Series]) -> list[list[int]]:
    """Series of one scan side by side: same geometry and timing, no part twice.

    Of several that lack it a phase goes to the one whose `ImageType` it shares most words with
    (with or without distortion correction), then to the first.
    """
    groups: list[list[int]] = []
    for i in candidates:
        fit = [g for g in groups if all(_belong(series[i], series[j]) for j in g)]
        if not fit:
            groups.append([i])
            continue
        best = max(fit, key=lambda g: len(series[g[0]].kinds & series[i].kinds))
        best.append(i)
    return groups


def _belong(one: Series, other: Series) -> bool:
    """Whether two series may be halves of one scan."""
    a, b = one.header, other.header
    keys = [{(v.part, round(v.echo_time, 2)) for v in s.volumes} for s in (one, other)]
    timing = (a.repetition_time, a.flip_angle, a.acquisition)
    named_alike = (a.description, a.protocol) == (b.description, b.protocol)
    return (
        one.geometry == other.geometry
        and timing == (b.repetition_time, b.flip_angle, b.acquisition)
        and not keys[0] & keys[1]
        and (named_alike or not one.parts & other.parts)  # echoes in series of their own
    )


def _gre(
    group: Sequence[int], series: Sequence[Series], readings: Sequence[Reading]
) -> tuple[tuple[Image, ...], Reading]:
    """Images of a group that make a scan, and how its series are read."""
    forced = any(readings[i].forced for i in group)
    found: dict[str, list[tuple[Series, Volume]]] = {part: [] for part in PART_NAMES}
    for i in group:
        for volume in series[i].volumes:
            found.setdefault(volume.part, []).append((series[i], volume))
    pair = ('mag', 'phase') if found['phase'] else ('real', 'imag')
    told = _what_lacks(found, forced)
    if told:
        return (), told
    for part in pair:
        for one, _ in found[part]:
            broken = what_is_broken(one, part)
            if broken:
                return (), Reading('none', broken, fault=True)
    counts = {volume.slices for part in pair for _, volume in found[part]}
    if len(counts) > 1:
        low, high = min(counts), max(counts)
        return (), Reading('none', f'some images have {low} slices, others {high}', fault=True)
    images = []
    for part in pair:
        ordered = sorted(found[part], key=lambda item: item[1].echo_time)
        several = len(ordered) > 1
        images += [Image(*item, part, n * several) for n, item in enumerate(ordered, 1)]
    if not forced and (filtered := _filtered([series[i] for i in group], images)):
        return (), Reading('none', filtered)
    return tuple(images), Reading('gre', '')


def _what_lacks(
    found: Mapping[str, Sequence[tuple[Series, Volume]]], forced: bool
) -> Reading | None:
    """Why the parts found make no scan; None where they do."""
    times = {part: [v.echo_time for _, v in items] for part, items in found.items()}
    first, second = ('mag', 'phase') if times['phase'] else ('real', 'imag')
    if not times['phase'] and not (times['real'] and times['imag']):
        return Reading('none', 'there is no phase that fits it', fault=forced)
    if not times[first]:
        return Reading('none', 'there is no magnitude that fits it', fault=forced)
    if not forced and len(times['phase']) == 1 and len(times['mag']) > 1:
        return Reading(
            'none',
            f'one phase for {len(times["mag"])} echoes: their difference, as a field map for '
            'echo-planar images needs it; susceptibility needs the phase of each echo',
        )
    for one, other in ((first, second), (second, first)):
        for time in times[one]:
            if all(abs(time - t) > SAME_TIME for t in times[other]):
                lacking = f'the {PART_NAMES[other]} of the echo at {time:g} ms is missing'
                return Reading('none', lacking, fault=True)
    return None


def _filtered(series: Sequence[Series], images: Sequence[Image]) -> str:
    """Why the phase is taken to be filtered: a susceptibility-weighted scan with one phase.

    Scanners filter the phase of each such scan that stores one; of several echoes they store
    it whole.
    """
    if images[0].echo or 'real' in {image.part for image in images}:
        return ''
    for one in series:
        code = one.header.sequence_name
        name = named(one.header, 'swi') or (f'SequenceName {code}' if 'swi' in code else '')
        if name:
            return (
                f'susceptibility-weighted ({name}), whose phase scanners filter; if this one is '
                'not filtered, name it with --map'
            )
    return ''


def _field_map(
    group: Sequence[Series], images: Sequence[Image], reading: Reading, others: int, planar: bool
) -> Reading:
    """Refuse a scan that was made to correct echo-planar images; tell where it must do."""
    name = next(filter(None, (named(one.header, 'field_map') for one in group)), '')
    longest = images[-1].volume.echo_time
    flat = group[0].header.acquisition == '2D'
    short = longest < SHORT_ECHOES and max(image.echo for image in images) <= 2
    if reading.forced or not (name or (flat and short)):
        return reading
    why = name or f'two 2D echoes up to {longest:g} ms'
    if flat or others > 0 or planar:
        return Reading('none', f'a field map for echo-planar images ({why})')
    told = little_iron(longest / 1000, group[0].header.b0 or _USUAL_T)
    doubt = f'; {told}' if told else ''
    return replace(
        reading,
        reason=f'called a field map ({why}), but 3D, with the phase of each echo, and the only '
        f'scan with phase{doubt}',
    )


def _named_apart(scans: Sequence[Scan]) -> list[Scan]:
    """Scans with `acq-` where a visit has several of a kind: `s` and the number of the series.

    Numbers begin anew where somebody was registered twice on a day: then `x1`, `x2`, ... follow.
    """
    kinds = [(scan.suffix == 'T1w', scan.contrast) for scan in scans]
    names = [(*kind, scan.number) for scan, kind in zip(scans, kinds, strict=True)]
    out = []
    for i, scan in enumerate(scans):
        label = f's{scan.number}' if kinds.count(kinds[i]) > 1 else ''
        again = f'x{names[: i + 1].count(names[i])}' if names.count(names[i]) > 1 else ''
        out.append(replace(scan, acquisition=label + again))
    return sorted(out, key=lambda scan: (scan.suffix, scan.number))
