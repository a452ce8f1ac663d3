"""Marks of charts: a point per person, and what keeps points of similar value apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .svg import Element, add, short

MARKS = ('circle', 'triangle', 'square', 'diamond')
_CORNERS = {
    'triangle': ((0, -1.25), (1.15, 0.85), (-1.15, 0.85)),
    'diamond': ((0, -1.35), (1.2, 0), (0, 1.35), (-1.2, 0)),
}
"""Of marks of unit radius; corners lie further out so that all marks look equally large."""
_CROWD = 400
"""Above so many points per group they share one path, at whole px, without hover text."""
_FEW = 12
"""Up to so many points per group there is room for larger ones, which are easier to hit."""
_OUTERMOST = 8
"""So many of a crowd at either end are points of their own: those whom one wants to look at."""


def group_marks(groups: Iterable[str]) -> dict[str, str]:
    """A mark per group, in order, starting again after the last."""
    return dict(zip(groups, itertools.cycle(MARKS), strict=False))


def spread(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Sideways offsets that keep points of similar value apart, the same on every run.

    Offsets follow van der Corput's sequence in order of value, scaled by how crowded the place is.

    Parameters
    ----------
    values
        One per point, finite.
    width
        Largest offset to either side.
    """
    n = values.size
    # Neighbours in this sequence lie far apart, so that points of similar value do too.
    sequence = _van_der_corput(n) - 0.5
    if n < 2 or not np.ptp(values) > 0:
        return sequence * 2 * width if n > 1 else np.zeros(n)
    offsets = np.empty(n)
    offsets[np.argsort(values, kind='stable')] = sequence
    counts, edges = np.histogram(values, bins=max(4, min(24, n // 3)))
    crowd = np.interp(values, (edges[:-1] + edges[1:]) / 2, np.sqrt(counts / counts.max()))
    return offsets * 2 * width * np.clip(crowd, 0.15, 1)


def _van_der_corput(n: int) -> NDArray[np.float64]:
    """The first `n` numbers of the sequence in base 2: 1/2, 1/4, 3/4, 1/8 ..."""
    from scipy.stats import qmc

    sequence = qmc.Halton(1, scramble=False)
    sequence.fast_forward(1)  # its first number is 0
    return sequence.random(n)[:, 0]


def draw_points(
    parent: Element,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    titles: Sequence[str],
    colour: str,
    mark: str = 'circle',
) -> None:
    """Draw a mark per person; where they are very many, dots and the outermost as marks.

    Parameters
    ----------
    parent
        Drawn into.
    x, y
        Places, px.
    titles
        Hover text of each.
    colour
        Of all.
    mark
        One of `MARKS`.
    """
    if len(titles) > _CROWD:
        places = dict.fromkeys(zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True))
        dots = ''.join(f'M{a} {b}h0' for a, b in places)
        add(parent, 'path', d=dots, stroke=colour, class_='crowd')
        order = np.argsort(y, kind='stable')
        ends = np.concatenate([order[:_OUTERMOST], order[-_OUTERMOST:]])
        x, y, titles = x[ends], y[ends], [titles[i] for i in ends]
    radius = 4.6 if len(titles) <= _FEW else 3.2
    for a, b, title in zip(x, y, titles, strict=True):
        point = draw_mark(parent, mark, float(a), float(b), radius)
        point.set('fill', colour)
        point.set('class', 'point')
        add(point, 'title', title)


def draw_mark(parent: Element, mark: str, x: float, y: float, r: float) -> Element:
    """Draw one of `MARKS` around a place; `r` is the circle's radius."""
    if mark == 'circle':
        return add(parent, 'circle', cx=x, cy=y, r=r)
    if mark == 'square':
        return add(parent, 'rect', x=x - 0.9 * r, y=y - 0.9 * r, width=1.8 * r, height=1.8 * r)
    return draw_polygon(parent, [(x + r * a, y + r * b) for a, b in _CORNERS[mark]])


def draw_polygon(
    parent: Element, corners: Sequence[tuple[float, float]], **attributes: Any
) -> Element:
    """Draw a polygon through corners, px."""
    points = ' '.join(f'{short(x)},{short(y)}' for x, y in corners)
    return add(parent, 'polygon', points=points, **attributes)
