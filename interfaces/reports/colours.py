"""Colours of groups and effects, told apart by colour-blind readers too.

Most are those of Okabe and Ito; groups also differ by the shape of their marks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GROUP_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8C6D31')
LARGE_EFFECT = 1.5
"""Standardised difference at which colours are full."""
_NO_EFFECT = (246, 247, 249)
_BELOW_ZERO = (0x0B, 0x62, 0x9B)
_ABOVE_ZERO = (0xC6, 0x54, 0x00)
_DARK = 0.82
"""Part of the way to the full colour from which on white text is easier to read than black."""


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """A colour per group, in order, starting again after the last."""
    return {group: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, group in enumerate(groups)}


def diverging(value: float, limit: float = LARGE_EFFECT) -> tuple[str, bool]:
    """Fill for a value, and whether it is dark: blue below zero, orange above, full at `limit`."""
    red, green, blue = diverging_rgb(value, limit)
    return f'#{red:02x}{green:02x}{blue:02x}', _fullness(value, limit) > _DARK


def diverging_rgb(value: float, limit: float = LARGE_EFFECT) -> NDArray[np.uint8]:
    """The colour of `diverging` as red, green and blue."""
    full = np.array(_BELOW_ZERO if value < 0 else _ABOVE_ZERO)
    fraction = _fullness(value, limit)
    return np.rint(np.array(_NO_EFFECT) * (1 - fraction) + full * fraction).astype(np.uint8)


def _fullness(value: float, limit: float) -> float:
    return float(np.clip(abs(value) / limit, 0, 1))
