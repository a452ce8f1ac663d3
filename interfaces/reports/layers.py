"""Images of the brain made ready for pictures: turned upright, scaled, and given colours.

Arrays are turned to the closest canonical axes: x to the patient's right, y to the front, z up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...nodes.errors import NigraError
from ...nodes.volumes import finite
from ..headers import load_image
from .scales import nice_limit

_ENOUGH = 200_000
"""Values from which percentiles are taken; of more, every second, third ... is used."""


@dataclass(frozen=True)
class DisplayVolume:
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


def load_volume(path: str | Path) -> DisplayVolume:
    """Read a 3D image (or the first of a 4D one) in closest canonical orientation."""
    import nibabel as nib

    image = nib.as_closest_canonical(load_image(path))
    proxy = image.dataobj
    data = np.asanyarray(proxy[..., 0] if len(image.shape) > 3 else proxy)
    if data.dtype.kind == 'f':
        data = finite(data).astype(np.float32, copy=False)
    return DisplayVolume(data, np.asarray(image.affine, float))


def palette(name: str) -> NDArray[np.uint8]:
    """256 colours of a matplotlib colour map by name."""
    import matplotlib

    matplotlib.use('Agg', force=False)
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 256))[:, :3]
    return np.rint(255 * colours).astype(np.uint8)


def to_pixels(
    data: NDArray[Any], low: float, high: float, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Values to palette indices 1 to 255; 0 outside the mask.

    Examples
    --------
    >>> to_pixels(np.array([-1.0, 0, 1, 9]), -1, 1, np.array([1, 1, 1, 0], bool)).tolist()
    [1, 128, 255, 0]
    """
    if not high > low:
        raise NigraError(f'colour scale must rise, got {low} to {high}')
    scaled = (np.asarray(data, np.float32) - low) * np.float32(254.0 / (high - low))
    np.clip(np.rint(scaled, out=scaled), 0, 254, out=scaled)
    scaled[np.isnan(scaled)] = 0
    pixels = scaled.astype(np.uint8) + np.uint8(1)
    return pixels if mask is None else np.where(mask, pixels, np.uint8(0))


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


def map_layer(
    data: NDArray[Any],
    limits: tuple[float, float],
    colours: str,
    unit: str,
    *,
    mask: NDArray[np.bool_] | None = None,
    second: tuple[str, float] | None = None,
) -> tuple[Layer, ColourBar]:
    """A map in colours, and its scale.

    Parameters
    ----------
    data
        (x, y, z).
    limits
        Ends of the scale, in `unit`.
    colours
        A matplotlib colour map by name.
    unit
        Of the map.
    mask
        Voxels to show; all by default.
    second
        Another unit for the scale, and the factor to it.
    """
    low, high = limits
    chosen = palette(colours)
    second_unit, factor = second or (None, 1.0)
    layer = Layer(to_pixels(data, low, high, mask), chosen)
    return layer, ColourBar(low, high, chosen, unit, second_unit, factor)


def robust_range(
    values: NDArray[Any], low: float = 1.0, high: float = 99.5
) -> tuple[float, float]:
    """Percentiles of finite values, never equal; (0, 1) where there are none."""
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    step = max(1, values.size // _ENOUGH)
    bottom, top = np.percentile(values[::step], [low, high])
    return (float(bottom), float(top)) if top > bottom else (float(bottom), float(bottom) + 1.0)


def symmetric_limit(values: NDArray[Any], percentile: float = 98.0) -> float:
    """Round limit of a scale from -limit to +limit that holds most values."""
    known = np.abs(values[np.isfinite(values)])
    return nice_limit(float(np.percentile(known, percentile)) if known.size else 0.0)
