"""Profile of a participant's nuclei: mean susceptibility left and right, and its spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..tables import readable
from .colours import SIDE_COLOURS
from .marks import draw_polygon
from .scales import Axis
from .svg import Element, add, drawing, empty_chart, number, to_text

_LINE = 26.0
"""Height of a nucleus, px."""


def region_profile(regions: pd.DataFrame, *, width: float = 1100.0) -> str:
    """Mean susceptibility of each nucleus, left and right, with its spread over voxels.

    Parameters
    ----------
    regions
        Rows of a region table.
    width
        px.
    """
    rows = regions[regions['hemisphere'].isin(['L', 'R'])].dropna(subset=['chi_mean'])
    names = list(dict.fromkeys(rows['region']))
    height = 34 + _LINE * len(names)
    root = drawing(width, height, label='Susceptibility by region', css_class='chart broad')
    if not names:
        return empty_chart(root, width, height)
    sd = rows['chi_sd'].fillna(0.0)
    # Zero, the reference, is always in view.
    ends = np.concatenate([rows['chi_mean'] - sd, rows['chi_mean'] + sd, [0.0]])
    axis = Axis.around(ends, 160.0, width - 16)
    axis.draw_below(root, top=2, bottom=height - 30)
    add(root, 'text', 'ppb', x=width - 6, y=height - 2, class_='tick end')
    for i, name in enumerate(names):
        y = 4 + _LINE * i + 11
        add(root, 'text', readable(name), x=4, y=y + 4, class_='name strong')
        for row in rows[rows['region'] == name].to_dict('records'):
            _draw_nucleus(root, row, y, axis)
    return to_text(root)


def _draw_nucleus(root: Element, row: Mapping[Any, Any], y: float, axis: Axis) -> None:
    """Triangle at the mean, above the line and pointing left for the left nucleus."""
    left = row['hemisphere'] == 'L'
    y += -5 if left else 5
    mean, sd = float(row['chi_mean']), float(np.nan_to_num(row['chi_sd']))
    colour = SIDE_COLOURS[0 if left else 1]
    add(root, 'line', x1=float(axis(mean - sd)), x2=float(axis(mean + sd)), y1=y, y2=y,
        stroke=colour, class_='interval', stroke_opacity=0.35)  # fmt: skip
    x, tip = float(axis(mean)), -6 if left else 6
    # The base lies so far behind the mean that the triangle's centre is near it.
    corners = [(x + tip, y), (x - tip * 0.7, y - 4.6), (x - tip * 0.7, y + 4.6)]
    mark = draw_polygon(root, corners, fill=colour)
    side = readable(row['hemisphere'])
    add(mark, 'title', f'{readable(row["region"])} {side}: {number(round(mean, 1))} ppb')
