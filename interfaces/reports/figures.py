"""Pictures of the brain for the reports: slices in true proportion, outlines as vectors.

Every picture is one SVG. Voxels are embedded as indexed PNGs at their own resolution and
stretched to their physical size; outlines are paths above them, so that they can be switched off
and stay sharp. Arrays are turned to the closest canonical axes first: x to the patient's right,
y to the front, z up. Left is shown on the left.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...nodes.errors import NigraError
from .svg import Element, add, drawing, nice_limit, number, short, to_text

AXES = ('sagittal', 'coronal', 'axial')
WIDTH = 1160.0
_SIDES = (('P', 'A'), ('L', 'R'), ('L', 'R'))
_GAP = 6.0


@dataclass(frozen=True)
class Volume:
    """A 3D image turned to the closest canonical axes.

    Attributes
    ----------
    data
        (x, y, z); right, front, up.
    affine
        Voxel to world, mm.
    """

    data: NDArray[Any]
    affine: NDArray[np.float64]

    @property
    def zooms(self) -> tuple[float, float, float]:
        """Voxel size along each axis, mm."""
        size = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(size[0]), float(size[1]), float(size[2]))

    def like(self, data: NDArray[Any]) -> Volume:
        """Other data on the same grid."""
        return replace(self, data=data)


@dataclass(frozen=True)
class Layer:
    """Voxels ready to be shown.

    Attributes
    ----------
    pixels
        uint8 (x, y, z); 0 is see-through, 1 to 255 index the palette.
    palette
        256 colours, uint8 (256, 3).
    name
        Short, becomes a class of the SVG group.
    """

    pixels: NDArray[np.uint8]
    palette: NDArray[np.uint8]
    name: str = 'base'


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
class ColourBar:
    """Scale of a map, with a unit and, where it helps, a second unit.

    Attributes
    ----------
    low, high
        Ends, in `unit`.
    palette
        Colours from low to high.
    unit
        Of `low` and `high`.
    second_unit, factor
        The same scale times `factor`.
    """

    low: float
    high: float
    palette: NDArray[np.uint8]
    unit: str
    second_unit: str | None = None
    factor: float = 1.0


Box = tuple[slice, slice, slice]
View = tuple[int, int]


def load_volume(path: str | Path) -> Volume:
    """Read a 3D image (or the first of a 4D one) in closest canonical orientation."""
    import nibabel as nib

    image = nib.as_closest_canonical(nib.load(path))
    proxy = image.dataobj
    data = np.asanyarray(proxy[..., 0] if len(image.shape) > 3 else proxy)
    if data.dtype.kind == 'f':
        data = np.nan_to_num(data, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    return Volume(data, np.asarray(image.affine, float))


def palette(name: str) -> NDArray[np.uint8]:
    """256 colours of a matplotlib colour map by name."""
    import matplotlib

    matplotlib.use('Agg', force=False)
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 256))[:, :3]
    return np.rint(255 * colours).astype(np.uint8)


def to_pixels(
    data: NDArray[Any], low: float, high: float, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Values to palette indices 1 to 255; 0 where the mask says nothing is known.

    Examples
    --------
    >>> to_pixels(np.array([-1.0, 0, 1, 9]), -1, 1, np.array([1, 1, 1, 0], bool)).tolist()
    [1, 128, 255, 0]
    """
    if not high > low:
        raise NigraError(f'colour scale must rise, got {low} to {high}')
    scaled = (np.asarray(data, np.float32) - low) * np.float32(254.0 / (high - low))
    pixels = (np.clip(np.rint(np.nan_to_num(scaled)), 0, 254) + 1).astype(np.uint8)
    return pixels if mask is None else np.where(mask, pixels, 0).astype(np.uint8)


def grey_layer(
    data: NDArray[Any], *, within: NDArray[np.bool_] | None = None, name: str = 'base'
) -> Layer:
    """Anatomical image in grey, windowed to the robust range of its voxels.

    Parameters
    ----------
    data
        (x, y, z).
    within
        Voxels that set the window; all that are not zero by default.
    name
        Of the layer.
    """
    chosen = data[data != 0] if within is None else data[within]
    low, high = robust_range(chosen)
    return Layer(to_pixels(data, min(low, 0.0), high), palette('gray'), name)


def robust_range(
    values: NDArray[Any], low: float = 1.0, high: float = 99.5
) -> tuple[float, float]:
    """Percentiles of finite values, never equal; (0, 1) where there are none."""
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    step = max(1, values.size // 200_000)
    bottom, top = np.percentile(values[::step], [low, high])
    return (float(bottom), float(top)) if top > bottom else (float(bottom), float(bottom) + 1.0)


def symmetric_limit(values: NDArray[Any], percentile: float = 98.0) -> float:
    """Round limit of a scale from -limit to +limit that holds most values."""
    known = np.abs(values[np.isfinite(values)])
    return nice_limit(float(np.percentile(known, percentile)) if known.size else 0.0)


def outline_box(
    mask: NDArray[np.bool_], zooms: Sequence[float], margin: float = 4.0, least: float = 0.0
) -> Box:
    """Box around a mask, widened by `margin` mm and to at least `least` mm; all where empty."""
    box: list[slice] = []
    for axis in range(3):
        found = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        size = mask.shape[axis]
        if found.size == 0:
            box.append(slice(0, size))
            continue
        extra = max(margin, (least - (found[-1] - found[0] + 1) * zooms[axis]) / 2)
        pad = round(extra / zooms[axis])
        box.append(slice(max(0, int(found[0]) - pad), min(size, int(found[-1]) + pad + 1)))
    return (box[0], box[1], box[2])


def even_slices(mask: NDArray[np.bool_], axis: int, count: int, trim: float = 0.08) -> list[View]:
    """Evenly spaced slices through a mask, the outermost `trim` left out."""
    found = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    first, last = (found[0], found[-1]) if found.size else (0, mask.shape[axis] - 1)
    fractions = np.linspace(trim, 1 - trim, count) if count > 1 else np.array([0.5])
    places = np.rint(first + fractions * (last - first)).astype(int)
    return [(axis, int(i)) for i in dict.fromkeys(places.tolist())]


def overview(mask: NDArray[np.bool_]) -> list[list[View]]:
    """Five axial, three coronal and two sagittal slices through the middle of a mask."""
    return [
        even_slices(mask, 2, 5, 0.22),
        even_slices(mask, 1, 3, 0.32) + even_slices(mask, 0, 2, 0.36),
    ]


def covering_slices(labels: NDArray[Any], axis: int, count: int, gap: int = 2) -> list[View]:
    """Slices that together show every label as largely as possible.

    Each step adds the slice that raises the sum over labels of the largest fraction of the label's
    widest cross-section seen so far the most.

    Parameters
    ----------
    labels
        Integers, (x, y, z).
    axis
        Across which to cut.
    count
        Most slices.
    gap
        Least distance between two slices, voxels.
    """
    present = [int(v) for v in np.unique(labels) if v]
    if not present:
        return even_slices(labels > 0, axis, count)
    other = tuple(a for a in range(3) if a != axis)
    area = np.stack([(labels == v).sum(axis=other) for v in present]).astype(float)
    area /= area.max(axis=1, keepdims=True)
    seen = np.zeros(len(present))
    free = np.asarray(area.any(axis=0))
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        gain = np.maximum(area - seen[:, None], 0).sum(axis=0) + 1e-3 * area.sum(axis=0)
        best = int(np.argmax(np.where(free, gain, -1)))
        chosen.append(best)
        seen = np.maximum(seen, area[:, best])
        free[max(0, best - gap + 1) : best + gap] = False
    return [(axis, i) for i in sorted(chosen)]


def draw_slices(
    layers: Sequence[Layer],
    rows: Sequence[Sequence[View]],
    reference: Volume,
    *,
    label: str,
    outlines: Sequence[Outline] = (),
    box: Box | None = None,
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
    box = box or tuple(slice(0, n) for n in reference.data.shape)[:3]  # type: ignore[assignment]
    assert box is not None
    extent = [(s.stop - s.start) * z for s, z in zip(box, reference.zooms, strict=True)]
    sizes = [[_in_plane(extent, axis) for axis, _ in row] for row in rows]
    room = width - (92 if bar else 0)
    scale = min((room - _GAP * (len(row) + 1)) / sum(w for w, _ in row) for row in sizes if row)
    heights = [max(h for _, h in row) * scale for row in sizes]
    height = sum(heights) + _GAP * (len(rows) + 1)
    root = drawing(width, height, label=label, css_class='slices')
    add(root, 'rect', width=width, height=height, rx=10, class_='ground')
    y = _GAP
    for row, size, tall in zip(rows, sizes, heights, strict=True):
        spare = room - _GAP * (len(row) + 1) - sum(w for w, _ in size) * scale
        x = _GAP + spare / 2
        for view, (w, h) in zip(row, size, strict=True):
            panel = add(root, 'g', transform=f'translate({short(x)} {short(y)})')
            _draw_panel(panel, view, layers, outlines, reference, box, (w * scale, h * scale))
            x += w * scale + _GAP
        y += tall + _GAP
    if bar:
        _draw_bar(root, bar, x=room + 8, y=18, height=height - 36)
    return to_text(root)


def _in_plane(values: Sequence[Any], axis: int) -> tuple[Any, Any]:
    """Entries of the two other axes: across and up."""
    across, up = (a for a in range(3) if a != axis)
    return values[across], values[up]


def _draw_panel(
    panel: Element,
    view: View,
    layers: Sequence[Layer],
    outlines: Sequence[Outline],
    reference: Volume,
    box: Box,
    size: tuple[float, float],
) -> None:
    axis, index = view
    width, height = size
    for layer in layers:
        pixels = _plane(layer.pixels, view, box)
        # Voxels much smaller than a pixel would only make the page large.
        thin = tuple(slice(None, None, math.ceil(0.6 * n / room) if room else 1)
                     for n, room in zip(pixels.shape, size, strict=True))  # fmt: skip
        pixels = pixels[thin]
        add(
            panel, 'image', width=width, height=height, preserveAspectRatio='none',
            class_=f'layer {layer.name}', href=png_uri(pixels[:, ::-1].T, layer.palette),
        )  # fmt: skip
    lines = add(panel, 'g', class_='outlines')
    for outline in outlines:
        plane = _plane(outline.values, view, box)
        plane = plane if outline.equals is None else plane == outline.equals
        path = contour_path(plane, outline.level, size)
        if path:
            line = add(lines, 'path', d=path, stroke=outline.colour)
            add(line, 'title', outline.label)
    left, right = _SIDES[axis]
    add(panel, 'text', left, x=4, y=14, class_='side')
    add(panel, 'text', right, x=width - 4, y=14, class_='side end')
    centre = [(s.start + s.stop - 1) / 2 for s in box]
    centre[axis] = index
    position = (reference.affine @ [*centre, 1.0])[axis]
    add(panel, 'text', f'{"xyz"[axis]} {number(round(position))}', x=4, y=height - 5,
        class_='place')  # fmt: skip


def _plane(data: NDArray[Any], view: View, box: Box) -> NDArray[Any]:
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
        if len(points) < 4:
            continue
        x = np.clip((points[:, 0] - 0.5) * step_x, 0, size[0])
        y = np.clip(size[1] - (points[:, 1] - 0.5) * step_y, 0, size[1])
        text = 'L'.join(f'{short(a, 1)} {short(b, 1)}' for a, b in zip(x, y, strict=True))
        parts.append(f'M{text}')
    return ''.join(parts)


def png_uri(pixels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> str:
    """Indexed PNG of a plane (rows, columns) as a data URI; index 0 is see-through."""
    return 'data:image/png;base64,' + base64.b64encode(png_bytes(pixels, colours)).decode('ascii')


def png_bytes(pixels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """Indexed PNG of a plane (rows, columns); index 0 is see-through."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.putpalette(colours.tobytes())
    buffer = io.BytesIO()
    see_through = 0 if (pixels == 0).any() else None
    image.save(buffer, 'PNG', compress_level=9, transparency=see_through)
    return buffer.getvalue()


def _draw_bar(root: Element, bar: ColourBar, *, x: float, y: float, height: float) -> None:
    add(root, 'text', bar.unit, x=x, y=y + 6, class_='scale')
    top, length = y + 18, height - (40 if bar.second_unit else 22)
    ramp = np.arange(255, 0, -1, dtype=np.uint8)[:, None]
    add(root, 'image', x=x, y=top, width=12.0, height=length, preserveAspectRatio='none',
        href=png_uri(ramp, bar.palette))  # fmt: skip
    for fraction in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = bar.low + fraction * (bar.high - bar.low)
        place = top + length * (1 - fraction)
        add(root, 'text', number(value, 3), x=x + 18, y=place + 4, class_='scale')
    if bar.second_unit:
        text = f'±{number(bar.high * bar.factor, 3)} {bar.second_unit}'
        add(root, 'text', text, x=x, y=top + length + 24, class_='scale')
