"""Series of a scanner: their header fields, and the volumes that their images make."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..files import data_text

SAME_PLACE = 0.01
"""Distance, mm, within which two images lie at one place (a header rounds to micrometres)."""
SAME_TIME = 0.01
"""Difference, ms, within which two echo times are one; headers write 2.3 and 2.2999."""
FILLED = 0.02
"""Part of pi by which the ends of a phase in milliradians may miss it."""
PARALLEL = 0.02
"""Difference of direction cosines within which two images are parallel."""


@functools.cache
def words() -> dict[str, Any]:
    """The table of words in header fields, `data/dicom.json`."""
    import json

    content: dict[str, Any] = json.loads(data_text('dicom.json'))
    return content


@dataclass(frozen=True)
class Header:
    """What all images of a series share; what a header lacks is empty or None.

    Attributes
    ----------
    study, series
        Their unique identifiers.
    patient_id, patient_name, sex, birth_date, age, date
        Of the person and the study, as DICOM writes them; `age` in years.
    folder
        Under which the files lie, below the folder that was given.
    number, description, protocol, manufacturer, modality
        Of the series.
    scanning_sequence, variant, sequence_name
        What kind of sequence it is: (`GR`, `IR`), (`MP`,), `*fl3d1`.
    acquisition
        `2D` or `3D`.
    repetition_time, inversion_time, flip_angle
        ms and degrees.
    b0
        Tesla.
    contrast
        Agent.
    foreign
        Whether dcm2niix misreads the files: other letters than Latin ones or UTF-8, or deflated.
    """

    study: str = ''
    series: str = ''
    patient_id: str = ''
    patient_name: str = ''
    sex: str = ''
    birth_date: str = ''
    age: float | None = None
    date: str = ''
    folder: str = ''
    number: int = 0
    description: str = ''
    protocol: str = ''
    manufacturer: str = ''
    modality: str = 'MR'
    scanning_sequence: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    sequence_name: str = ''
    acquisition: str = ''
    repetition_time: float | None = None
    inversion_time: float | None = None
    flip_angle: float | None = None
    b0: float | None = None
    contrast: str = ''
    foreign: bool = False


@dataclass(frozen=True)
class Frame:
    """One image: a plane of a volume.

    Attributes
    ----------
    source
        The file.
    header
        Of its series.
    kinds
        Words of `ImageType`.
    part
        `mag`, `phase`, `real` or `imag`; empty where no field tells.
    echo_time
        ms.
    position, orientation
        DICOM's, mm.
    size, spacing
        Rows and columns, mm.
    uid
        What no other image has.
    index, of
        Which of how many images of its file it is.
    """

    source: Path
    header: Header
    kinds: tuple[str, ...] = ()
    part: str = ''
    echo_time: float = 0.0
    position: tuple[float, ...] = (0.0, 0.0, 0.0)
    orientation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    size: tuple[int, int] = (0, 0)
    spacing: tuple[float, ...] = (1.0, 1.0)
    uid: str = ''
    index: int = 0
    of: int = 1


@dataclass(frozen=True)
class Volume:
    """Images of one part and one echo time.

    Attributes
    ----------
    part, echo_time, kinds
        As of its frames.
    slices
        Places at which there are images.
    missing
        Places between them without an image.
    copies
        Most images at one place; more than one are not one volume.
    sources
        Files that hold it, each with its frames there.
    alone
        Whether they hold nothing else, and are classic images or one file.
    """

    part: str = 'mag'
    echo_time: float = 0.0
    slices: int = 1
    missing: int = 0
    copies: int = 1
    kinds: tuple[str, ...] = ()
    sources: Mapping[Path, tuple[int, ...]] = field(default_factory=dict)
    alone: bool = True


@dataclass(frozen=True)
class Series:
    """A series: header, volumes in the order of parts and echo times, and its geometry.

    Attributes
    ----------
    header
        What its images share.
    volumes
        One per part and echo time.
    geometry
        Rows, columns, spacing (mm) and direction cosines, rounded: equal where series fit.
    directions
        In how many directions its images lie.
    """

    header: Header
    volumes: tuple[Volume, ...] = ()
    geometry: tuple[float, ...] = field(default=())
    directions: int = 1

    @property
    def parts(self) -> set[str]:
        """Parts of which there are volumes."""
        return {v.part for v in self.volumes}

    @property
    def kinds(self) -> set[str]:
        """All words of `ImageType`."""
        return {word for v in self.volumes for word in v.kinds}

    def times(self, part: str) -> list[float]:
        """Echo times of a part, rising, ms."""
        return sorted(v.echo_time for v in self.volumes if v.part == part)


def plain(text: str) -> str:
    """Text in small letters with single spaces between its words.

    Examples
    --------
    >>> plain('WIP gre_field-Mapping')
    'wip gre field mapping'
    """
    return re.sub(r'[^a-z0-9+]+', ' ', text.casefold()).strip()


def part_of(kinds: Sequence[str], component: str = '', ge_code: int | None = None) -> str:
    """Part of the complex image, from header fields; empty where none tells.

    Parameters
    ----------
    kinds
        Words of `ImageType`.
    component
        `ComplexImageComponent`.
    ge_code
        GE's private image type (0043,102F).

    Examples
    --------
    >>> part_of(['ORIGINAL', 'PRIMARY', 'P', 'ND']), part_of(['ORIGINAL', 'PRIMARY', 'OTHER'])
    ('phase', '')
    >>> part_of(['ORIGINAL', 'PRIMARY', 'OTHER'], ge_code=3)
    'imag'
    """
    known = words()['parts']
    codes = words()['ge_parts']
    if ge_code is not None and 0 <= ge_code < len(codes):
        return str(codes[ge_code])
    for given in ({component.upper()}, {word.upper() for word in kinds[2:]}):
        for part, names in known.items():
            if given & set(names):
                return str(part)
    return ''


def gather(
    frames: Iterable[Frame], limits: Callable[[Frame], tuple[float, float]]
) -> list[Series]:
    """Series of the images, by study and number; an image that is there twice counts once.

    Parameters
    ----------
    frames
        In any order.
    limits
        Gives the lowest and highest value of an image, where no field tells its part.
    """
    groups: dict[tuple[str, str], dict[str, Frame]] = {}
    for frame in frames:
        group = groups.setdefault((frame.header.study, frame.header.series), {})
        group.setdefault(frame.uid or str(frame.source), frame)
    series = [_series(list(group.values()), limits) for group in groups.values()]
    return sorted(series, key=lambda s: (s.header.study, s.header.number, s.header.series))


def _series(frames: list[Frame], limits: Callable[[Frame], tuple[float, float]]) -> Series:
    first = frames[0]
    frames = _with_parts(frames, limits)
    volumes: dict[tuple[str, float], list[Frame]] = {}
    for frame in sorted(frames, key=lambda f: (f.part, f.echo_time)):
        times = [t for part, t in volumes if part == frame.part]
        near = [t for t in times if abs(t - frame.echo_time) < SAME_TIME]
        volumes.setdefault((frame.part, near[0] if near else frame.echo_time), []).append(frame)
    rounded = [round(float(x), 2) for x in (*first.spacing, *first.orientation)]
    return Series(
        first.header,
        tuple(_volume(part, time, group) for (part, time), group in volumes.items()),
        (*first.size, *rounded),
        _directions(frames),
    )


def _with_parts(
    frames: list[Frame], limits: Callable[[Frame], tuple[float, float]]
) -> list[Frame]:
    """Frames with their parts, of which values tell where no field does."""
    silent = [f for f in frames if not f.part]
    if not silent:
        return frames
    places = [(f.echo_time, f.position) for f in silent]
    middle = silent[len(silent) // 2]
    if len(set(places)) == len(places) and limits(middle)[0] >= 0:  # one part, never negative
        return [f if f.part else replace(f, part='mag') for f in frames]
    found = {(f.source, f.index): limits(f) for f in silent}
    negative = [value for value in found.values() if value[0] < 0]
    part = part_of_values(*(np.min(negative), np.max(negative)) if negative else (0, 0))
    return [
        f if f.part else replace(f, part=part if found[f.source, f.index][0] < 0 else 'mag')
        for f in frames
    ]


def part_of_values(low: float, high: float) -> str:
    """Part of images by their values alone: what is never negative is a magnitude.

    A phase in milliradians fills -3141 to 3142 wherever there is air; other negative images
    could be real or imaginary parts, and remain `signed`.

    Examples
    --------
    >>> part_of_values(0, 900), part_of_values(-3141, 3142), part_of_values(-700, 800)
    ('mag', 'phase', 'signed')
    """
    if low >= 0:
        return 'mag'
    wrap = 1000 * np.pi
    fills = max(abs(low + wrap), abs(high - wrap)) < FILLED * wrap
    return 'phase' if fills else 'signed'


def _volume(part: str, time: float, frames: Sequence[Frame]) -> Volume:
    x, y = np.reshape(frames[0].orientation, (2, 3))
    depths = np.sort([np.dot(f.position, np.cross(x, y)) for f in frames])
    steps = np.diff(depths)
    apart = steps[steps > SAME_PLACE]
    places = len(apart) + 1
    usual = np.median(apart) if len(apart) else 1.0
    missing = sum(max(round(step / usual) - 1, 0) for step in apart)
    sources: dict[Path, tuple[int, ...]] = {}
    for frame in frames:
        sources[frame.source] = (*sources.get(frame.source, ()), frame.index)
    alone = all(f.of == len(sources[f.source]) for f in frames)
    return Volume(
        part, time, places, int(missing), -(-len(frames) // places), frames[0].kinds, sources,
        alone and (len(sources) == 1 or len(sources) == len(frames)),
    )  # fmt: skip


def _directions(frames: Sequence[Frame]) -> int:
    found: list[np.ndarray] = []
    for frame in frames:
        axes = np.array(frame.orientation)
        if all(np.abs(axes - other).max() > PARALLEL for other in found):
            found.append(axes)
    return len(found)
