"""Pictures of the brain for the reports: slices in true proportion, outlines as vectors.

Every picture is one SVG. Voxels are embedded as indexed PNGs at their own resolution and
stretched to their physical size; outlines are paths above them, so that they can be switched off
and stay sharp. Images are upright (`layers.load_volume`); left is shown on the left.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layers import ColourBar, DisplayVolume, Layer
from .slices import SliceBox, View
from .svg import Element, add, drawing, number, short, to_text

WIDTH = 1160.0
_SIDES = (('P', 'A'), ('L', 'R'), ('L', 'R'))
"""What lies left and right on sagittal, coronal and axial slices."""
_GAP = 6.0
"""Between panels, px."""
_BAR_ROOM = 92
"""Width of the colour scale with its numbers, px."""


@dataclass(frozen=True)
class Outline:
    """Line where a volume crosses a level.

    Attributes
    ----------
    values
        (x, y, z).
    colour
        CSS colour.
    label
        Shown when the pointer rests on the line.
    level
        Where the line runs.
    equals
        Draw around the voxels of this value instead.
    """

    values: NDArray[Any]
    colour: str
    label: str
    level: float = 0.5
    equals: int | None = None


@dataclass(frozen=True)
class _Content:
    """What all panels of a picture show: layers, lines, and which part of the grid."""

    layers: Sequence[Layer]
    outlines: Sequence[Outline]
    reference: DisplayVolume
    box: SliceBox


@dataclass(frozen=True)
class _Panel:
    """A slice and its place in the picture, px."""

    view: View
    x: float
    y: float
    width: float
    height: float


def draw_slices(
    layers: Sequence[Layer],
    rows: Sequence[Sequence[View]],
    reference: DisplayVolume,
    *,
    label: str,
    outlines: Sequence[Outline] = (),
    box: SliceBox | None = None,
    bar: ColourBar | None = None,
    width: float = WIDTH,
) -> str:
    """Draw slices in rows, all at one scale, as SVG.

    Parameters
    ----------
    layers
        Shown above each other.
    rows
        Slices as (axis, index), row by row.
    reference
        Gives voxel size and positions.
    label
        What the picture shows.
    outlines
        Lines above the voxels.
    box
        Part of the grid to show.
    bar
        Colour scale at the right.
    width
        Of the drawing, px.

    Returns
    -------
    str
        SVG markup.
    """
    if box is None:
        x, y, z = reference.data.shape[:3]
        box = (slice(0, x), slice(0, y), slice(0, z))
    room = width - (_BAR_ROOM if bar else 0)
    panels, height = _arrange(rows, box, reference.zooms, room)
    root = drawing(width, height, label=label, css_class='slices')
    add(root, 'rect', width=width, height=height, rx=10, class_='ground')
    content = _Content(layers, outlines, reference, box)
    for panel in panels:
        _draw_panel(root, panel, content)
    if bar:
        _draw_bar(root, bar, x=room + 8, y=18, height=height - 36)
    return to_text(root)


def _arrange(
    rows: Sequence[Sequence[View]], box: SliceBox, zooms: Sequence[float], room: float
) -> tuple[list[_Panel], float]:
    """Places of all slices inside a width, and the height that they take, px.

    The fullest row sets the scale, px per mm, of all; the others are centred.
    """
    extent = [(s.stop - s.start) * zoom for s, zoom in zip(box, zooms, strict=True)]
    sizes = [[_in_plane(extent, axis) for axis, _ in row] for row in rows]
    scale = min((room - _GAP * (len(row) + 1)) / sum(w for w, _ in row) for row in sizes if row)
    panels = []
    y = _GAP
    for row, size in zip(rows, sizes, strict=True):
        spare = room - _GAP * (len(row) + 1) - sum(w for w, _ in size) * scale
        x = _GAP + spare / 2
        for view, (w, h) in zip(row, size, strict=True):
            panels.append(_Panel(view, x, y, w * scale, h * scale))
            x += w * scale + _GAP
        y += max(h for _, h in size) * scale + _GAP
    return panels, y


def _in_plane(values: Sequence[Any], axis: int) -> tuple[Any, Any]:
    """Entries of the two other axes: across and up."""
    across, up = (a for a in range(3) if a != axis)
    return values[across], values[up]


def _draw_panel(root: Element, panel: _Panel, content: _Content) -> None:
    group = add(root, 'g', transform=f'translate({short(panel.x)} {short(panel.y)})')
    size = (panel.width, panel.height)
    for layer in content.layers:
        pixels = _thinned(_plane(layer.pixels, panel.view, content.box), size)
        # The first row of a PNG is at the top, the first voxel at the bottom.
        add(
            group, 'image', width=panel.width, height=panel.height, preserveAspectRatio='none',
            class_=f'layer {layer.name}', href=png_uri(pixels[:, ::-1].T, layer.palette),
        )  # fmt: skip
    lines = add(group, 'g', class_='outlines')
    for outline in content.outlines:
        plane = _plane(outline.values, panel.view, content.box)
        plane = plane if outline.equals is None else plane == outline.equals
        path = contour_path(plane, outline.level, size)
        if path:
            line = add(lines, 'path', d=path, stroke=outline.colour)
            add(line, 'title', outline.label)
    left, right = _SIDES[panel.view[0]]
    add(group, 'text', left, x=4, y=14, class_='side')
    add(group, 'text', right, x=panel.width - 4, y=14, class_='side end')
    place = _position(panel.view, content)
    add(group, 'text', place, x=4, y=panel.height - 5, class_='place')


def _thinned(pixels: NDArray[np.uint8], size: tuple[float, float]) -> NDArray[np.uint8]:
    """Every second, third ... voxel, where voxels are much smaller than a pixel of the screen.

    All of them would only make the page large; up to 1.7 voxels per px are kept for enlarging.
    """
    across, up = (
        math.ceil(0.6 * n / room) if room else 1
        for n, room in zip(pixels.shape, size, strict=True)
    )
    return pixels[::across, ::up]


def _position(view: View, content: _Content) -> str:
    """Position of the centre of a slice along the axis that it cuts, mm, such as `z −10`."""
    axis, index = view
    centre = [(s.start + s.stop - 1) / 2 for s in content.box]
    centre[axis] = index
    position = (content.reference.affine @ [*centre, 1.0])[axis]
    return f'{"xyz"[axis]} {number(round(position))}'


def _plane(data: NDArray[Any], view: View, box: SliceBox) -> NDArray[Any]:
    axis, index = view
    where: list[Any] = list(box)
    where[axis] = index
    return data[tuple(where)]


def contour_path(plane: NDArray[Any], level: float, size: tuple[float, float]) -> str:
    """SVG path of a level line through a plane (across, up) drawn into a panel of `size` px."""
    known = plane[np.isfinite(plane)]
    if known.size == 0 or not known.min() < level <= known.max():
        return ''
    from contourpy import LineType, contour_generator

    # A rim of low values closes outlines that touch the edge of the picture.
    floor = float(min(known.min(), level - 1))
    padded = np.pad(plane.astype(np.float32), 1, constant_values=floor)
    step_x, step_y = size[0] / plane.shape[0], size[1] / plane.shape[1]
    generator = contour_generator(z=padded.T, line_type=LineType.Separate)
    parts = []
    for line in generator.lines(level):
        points = np.asarray(line)
        if len(points) < 4:  # specks
            continue
        # Voxel i, at i + 1 behind the rim, has its centre half a step into the picture.
        x = np.clip((points[:, 0] - 0.5) * step_x, 0, size[0])
        y = np.clip(size[1] - (points[:, 1] - 0.5) * step_y, 0, size[1])
        parts.append(_path_of(x, y))
    return ''.join(parts)


def _path_of(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """SVG path through points that are not negative, to tenths without trailing zeros, px."""
    # one format for all: pages have some hundred thousand points
    places = np.stack([x, y], axis=1).ravel() + 0.0  # no negative zero
    text = ('%.1f %.1fL' * len(x)) % tuple(places.tolist())
    return 'M' + text.replace('.0 ', ' ').replace('.0L', 'L')[:-1]


def png_uri(pixels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> str:
    """Indexed PNG of a plane (rows, columns) as a data URI; index 0 is see-through."""
    return 'data:image/png;base64,' + base64.b64encode(png_bytes(pixels, colours)).decode('ascii')


def png_bytes(
    pixels: NDArray[np.uint8], colours: NDArray[np.uint8], size: tuple[int, int] | None = None
) -> bytes:
    """Indexed PNG of a plane (rows, columns), of `size` px if given; index 0 is see-through."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    image = image if size is None else image.resize(size)
    image.putpalette(colours.tobytes())
    buffer = io.BytesIO()
    see_through = 0 if (pixels == 0).any() else None
    image.save(buffer, 'PNG', compress_level=9, transparency=see_through)
    return buffer.getvalue()


def _draw_bar(root: Element, bar: ColourBar, *, x: float, y: float, height: float) -> None:
    """Scale with its unit above and, where there is one, its end in the second unit below."""
    add(root, 'text', bar.unit, x=x, y=y + 6, class_='scale')
    top, length = y + 18, height - (40 if bar.second_unit else 22)
    ramp = np.arange(255, 0, -1, dtype=np.uint8)[:, None]  # the highest value at the top
    add(root, 'image', x=x, y=top, width=12.0, height=length, preserveAspectRatio='none',
        href=png_uri(ramp, bar.palette))  # fmt: skip
    for fraction in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = bar.low + fraction * (bar.high - bar.low)
        place = top + length * (1 - fraction)
        add(root, 'text', number(value, 3), x=x + 18, y=place + 4, class_='scale')
    if bar.second_unit:
        text = f'±{number(bar.high * bar.factor, 3)} {bar.second_unit}'
        add(root, 'text', text, x=x, y=top + length + 24, class_='scale')
