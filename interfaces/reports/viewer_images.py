"""Images as the viewer's page holds them: cut to the brain, compressed, exact where that fits."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ..files import packed
from ..headers import load_image
from .layers import palette
from .slices import SliceBox, outline_box

_LARGEST = np.iinfo(np.int16).max
_FINEST = 6
"""Decimals that rounded values have at most."""
_COARSER = 6
"""Decimals that images which no file holds give up at most until the page is small enough."""


@dataclass(frozen=True)
class Labels:
    """What a label image's values mean.

    Attributes
    ----------
    names, colours
        By value; colours as `#rrggbb`.
    """

    names: Mapping[int, str]
    colours: Mapping[int, str]


@dataclass(frozen=True)
class ViewerImage:
    """An image of the viewer, in the order and orientation of its voxels on disk.

    Attributes
    ----------
    title
        As people know it.
    data
        (x, y, z).
    affine
        Voxel to world, mm.
    unit
        Of the values; empty for none.
    colours
        A matplotlib colour map by name, or `effect`.
    window
        Ends of the scale, in `unit`.
    run
        Title of the gradient-echo run; images of one run are shown together.
    file
        Where it lies, relative to the page; empty where it is no result.
    labels
        Of a label image.
    over
        Whether it lies over the first image when the page opens.
    """

    title: str
    data: NDArray[Any]
    affine: NDArray[np.float64]
    unit: str = ''
    colours: str = 'gray'
    window: tuple[float, float] = (0.0, 1.0)
    run: str = ''
    file: str = ''
    labels: Labels | None = None
    over: bool = False


def read_native(path: str | Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Voxels as they lie on disk, and the affine, mm."""
    image = load_image(path)
    return np.asanyarray(image.dataobj), np.asarray(image.affine, float)


def decimals(values: NDArray[Any]) -> int:
    """Decimals with which the largest of some values still is a 16-bit integer.

    Examples
    --------
    >>> decimals(np.array([0.2, -1.5])), decimals(np.array([90_000.0])), decimals(np.array([0]))
    (4, -1, 6)
    """
    known = np.abs(values[np.isfinite(values)])
    largest = float(known.max()) if known.size else 0.0
    if largest == 0:
        return _FINEST
    return min(_FINEST, int(np.floor(np.log10(_LARGEST / largest))))


def pack(image: ViewerImage, box: SliceBox, digits: int | None = None) -> bytes:
    """The part of an image inside a box as NIfTI, compressed.

    Parameters
    ----------
    image
        Whole image.
    box
        Part to keep; the affine moves along.
    digits
        Decimals to which values are rounded, as 16-bit integers; exact if None.
    """
    import nibabel as nib

    data, shift = image.data[box], np.eye(4)
    shift[:3, 3] = [part.start for part in box]
    if digits is not None:
        data = np.rint(np.nan_to_num(data.astype(float)) * 10.0**digits).astype(np.int16)
    small = nib.Nifti1Image(data, image.affine @ shift, dtype=data.dtype)
    small.header.set_xyzt_units('mm')
    if digits is not None:
        small.header.set_slope_inter(10.0**-digits, 0)
    return packed(small.to_bytes())


def embed(
    images: Sequence[ViewerImage], boxes: Sequence[SliceBox], room: int
) -> list[dict[str, Any]]:
    """What the page's script reads of each image, with the images inside where there is room.

    Exact if all fit; else rounded to 16 bits, or one decimal less; else those that lie in files
    stay there, for `nigra-view` to serve.

    Parameters
    ----------
    images
        To show.
    boxes
        Part of each to keep.
    room
        Bytes that the images may take.
    """
    pairs = list(zip(images, boxes, strict=True))
    for coarser in (None, 0, 1):
        entries, left = [], room
        for image, box in pairs:
            entries.append(_entry(image, box, _digits(image, box, coarser)))
            left -= len(entries[-1]['bytes'])
            if left < 0:
                break
        else:
            return entries
    return _beside(pairs, room)


def _beside(pairs: Sequence[tuple[ViewerImage, SliceBox]], room: int) -> list[dict[str, Any]]:
    """Addresses of images in files; the others inside, as coarse as it takes."""
    entries, inside = [], sum(not image.file for image, _ in pairs)
    for image, box in pairs:
        if image.file:
            entries.append({**_facts(image), 'address': quote(image.file)})
            continue
        for coarser in range(_COARSER):
            entry = _entry(image, box, _digits(image, box, coarser))
            if len(entry['bytes']) * inside <= room:
                break
        entries.append(entry)
    return entries


def _digits(image: ViewerImage, box: SliceBox, coarser: int | None) -> int | None:
    """Decimals to round an image to, `coarser` fewer than 16 bits hold; None for exact."""
    exact = coarser is None or image.labels
    return None if exact else decimals(image.data[box]) - (coarser or 0)


def _entry(image: ViewerImage, box: SliceBox, digits: int | None) -> dict[str, Any]:
    return {
        **_facts(image),
        'offset': [part.start for part in box],
        'digits': digits,
        'bytes': base64.b64encode(pack(image, box, digits)).decode('ascii'),
    }


def _facts(image: ViewerImage) -> dict[str, Any]:
    found: dict[str, Any] = {
        'title': image.title, 'unit': image.unit, 'run': image.run, 'file': image.file,
        'colours': image.colours, 'window': [float(f'{v:.6g}') for v in image.window],
        'offset': [0, 0, 0], 'digits': None, 'over': image.over,
    }  # fmt: skip
    if image.labels:
        found |= {'labels': _label_table(image.labels), 'places': _places(image)}
    return found


def _label_table(labels: Labels) -> dict[str, list[Any]]:
    """Colours and names by value, as niivue takes them; zero is see-through."""
    rows = [(0, '#000000', '')]
    rows += [(v, labels.colours[v], labels.names[v]) for v in sorted(labels.names)]
    red, green, blue = zip(*(bytes.fromhex(colour[1:]) for _, colour, _ in rows), strict=True)
    return {
        'I': [value for value, *_ in rows], 'R': list(red), 'G': list(green), 'B': list(blue),
        'A': [0] + [255] * (len(rows) - 1), 'labels': [name for *_, name in rows],
    }  # fmt: skip


def _places(image: ViewerImage) -> list[list[Any]]:
    """Name of each label that is there, and the voxel of it that is nearest to its middle, mm."""
    found = []
    box = outline_box(image.data != 0, (1, 1, 1), 0)  # a small part of the grid
    part, first = image.data[box], [side.start for side in box]
    for value, name in (image.labels.names if image.labels else {}).items():
        voxels = np.argwhere(part == value) + first
        if len(voxels):
            apart = ((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1)
            place = image.affine[:3] @ [*voxels[apart.argmin()], 1.0]
            found.append([name, [round(float(c), 4) for c in place]])
    return sorted(found)


def colour_map(name: str) -> dict[str, list[int]]:
    """A colour map of matplotlib as niivue takes it: colours at some of the places 0 to 255."""
    places = [*range(0, 255, 15), 255]
    red, green, blue = (palette(name)[places, channel].tolist() for channel in range(3))
    return {'R': red, 'G': green, 'B': blue, 'A': [255] * len(places), 'I': places}
