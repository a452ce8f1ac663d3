"""Colours of groups and effects, told apart by colour-blind readers too.

Most are those of Okabe and Ito; groups also differ by the shape of their marks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .scales import nice_limit

GROUP_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8C6D31')
LARGE_EFFECT = 1.5
"""Standardised difference at which colours are full, where none is larger."""
CONTRAST_COLOUR = '#2f3b49'
"""Of differences, which belong to no single group; the shape of the mark tells which they are."""
SIDE_COLOURS = ('#2f3b49', '#8b97a5')
"""Left and right, in no group's colour."""
_NO_EFFECT = (246, 247, 249)
# neither is near a colour of `GROUP_COLOURS`, and colour-blind readers tell them apart
_BELOW_ZERO = (0x5B, 0x2A, 0x91)
_ABOVE_ZERO = (0x86, 0x66, 0x00)
DARK = 0.19
"""Relative luminance (WCAG 2) below which white text stands out more than black."""


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """A colour per group, in order, starting again after the last."""
    return {group: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, group in enumerate(groups)}


def effect_limit(sizes: Iterable[float]) -> float:
    """Round end of a scale of effects that clips none of them, `LARGE_EFFECT` or more.

    Examples
    --------
    >>> effect_limit([0.2, float('nan')]), effect_limit([-4.2, 1.0])
    (1.5, 5.0)
    """
    known = (abs(size) for size in sizes if math.isfinite(size))
    return max(LARGE_EFFECT, nice_limit(max(known, default=0.0)))


def diverging(value: float, limit: float = LARGE_EFFECT) -> tuple[str, bool]:
    """Fill for a value, full at `limit`, and whether it is dark: violet below zero, gold above."""
    rgb = diverging_rgb(value, limit)
    return '#' + bytes(rgb).hex(), luminance(rgb) < DARK


def luminance(rgb: NDArray[np.uint8]) -> float:
    """Relative luminance of a colour of sRGB, 0 to 1, as WCAG 2 defines it.

    Examples
    --------
    >>> round(luminance(np.array([255, 255, 255])), 3), luminance(np.array([0, 0, 0]))
    (1.0, 0.0)
    """
    part = np.asarray(rgb) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def diverging_rgb(value: float, limit: float = LARGE_EFFECT) -> NDArray[np.uint8]:
    """The colour of `diverging` as red, green and blue."""
    full = np.array(_BELOW_ZERO if value < 0 else _ABOVE_ZERO)
    fraction = _fullness(value, limit)
    return np.rint(np.array(_NO_EFFECT) * (1 - fraction) + full * fraction).astype(np.uint8)


def _fullness(value: float, limit: float) -> float:
    return float(np.clip(abs(value) / limit, 0, 1))
