"""Charts of the group report as SVG: every person a point, every number from the tables.

Colours are Okabe and Ito's, safe for colour-blind readers; groups also differ by the shape of
their marks. Text takes the font of the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...nodes.statistics.correlations import line_with_band
from ..tables import readable
from .cells import fixed
from .svg import Element, add, drawing, number, short, ticks, to_text

COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8C6D31')
_MARKS = ('circle', 'triangle', 'square', 'diamond')
LARGE_EFFECT = 1.5
"""Standardised difference at which colours are full."""
_FULL = 400
"""Above so many points per group they share one path, at whole px, without hover text."""


@dataclass(frozen=True)
class GroupPoints:
    """Values of one group.

    Attributes
    ----------
    group
        Its name, as in the participants' table.
    people
        Who each value belongs to.
    values
        One per person; NaN where unknown.
    x
        Second variable of a scatter chart, one per person.
    note
        What a scatter chart says of the group, for instance its rank correlation.
    """

    group: str
    people: tuple[str, ...]
    values: NDArray[np.float64]
    x: NDArray[np.float64] | None = None
    note: str = ''


@dataclass(frozen=True)
class Effect:
    """One line of a forest chart."""

    region: str
    contrast: str
    estimate: float
    low: float
    high: float
    text: str
    significant: bool
    effect_size: float = float('nan')


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """A colour per group, in order, starting again after the last."""
    return {group: COLOURS[i % len(COLOURS)] for i, group in enumerate(groups)}


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
    if n < 2 or not np.ptp(values) > 0:
        return (_van_der_corput(n) - 0.5) * 2 * width if n > 1 else np.zeros(n)
    order = np.argsort(values, kind='stable')
    offsets = np.empty(n)
    offsets[order] = _van_der_corput(n) - 0.5
    counts, edges = np.histogram(values, bins=max(4, min(24, n // 3)))
    crowd = np.interp(values, (edges[:-1] + edges[1:]) / 2, np.sqrt(counts / counts.max()))
    return offsets * 2 * width * np.clip(crowd, 0.15, 1)


def _van_der_corput(n: int) -> NDArray[np.float64]:
    index = np.arange(1, n + 1)
    out, base = np.zeros(n), 0.5
    while index.any():
        out += base * (index & 1)
        index >>= 1
        base /= 2
    return out


def distribution_chart(
    samples: Sequence[GroupPoints],
    colours: Mapping[str, str],
    *,
    unit: str,
    label: str,
    width: float = 356.0,
    height: float = 250.0,
) -> str:
    """Box of quartiles and every person's point, one column per group.

    Parameters
    ----------
    samples
        Groups in order; the width per group shrinks with their number.
    colours
        By group.
    unit
        Of the values.
    label
        What the chart shows.
    width, height
        px.
    """
    root = drawing(width, height, label=label)
    finite = [s.values[np.isfinite(s.values)] for s in samples]
    every = np.concatenate(finite) if finite else np.zeros(0)
    if every.size == 0:
        return _empty(root, width, height)
    scale = Axis.around(every, height - 40.0, 16.0)
    scale.draw_left(root, x=46.0, right=width - 6, unit=unit)
    column = (width - 56) / len(samples)
    for i, (sample, values) in enumerate(zip(samples, finite, strict=True)):
        centre = 50 + column * (i + 0.5)
        colour = colours[sample.group]
        reach = min(column * 0.32, 34.0)
        group = add(root, 'g', class_='group')
        if values.size:
            _draw_box(group, values, centre, reach, colour, scale)
            people = [p for p, v in zip(sample.people, sample.values, strict=True)
                      if np.isfinite(v)]  # fmt: skip
            x = centre + spread(values, reach * 0.82)
            _draw_points(group, x, scale(values), values, people, unit, colour, 'circle')
        name = add(root, 'text', _fit(sample.group, column), x=centre, y=height - 20,
                   class_='name mid')  # fmt: skip
        add(name, 'title', sample.group)
        add(root, 'text', f'n = {values.size}', x=centre, y=height - 6, class_='tick mid')
    return to_text(root)


def _draw_box(
    parent: Element, values: NDArray[np.float64], x: float, reach: float, colour: str, scale: Axis
) -> None:
    if values.size < 3:
        return
    q1, median, q3 = np.percentile(values, [25, 50, 75])
    inside = values[(values >= q1 - 1.5 * (q3 - q1)) & (values <= q3 + 1.5 * (q3 - q1))]
    top, bottom = scale(inside.max()), scale(inside.min())
    for start, end in ((top, scale(q3)), (scale(q1), bottom)):
        add(parent, 'line', x1=x, x2=x, y1=start, y2=end, stroke=colour, class_='whisker')
    add(parent, 'rect', x=x - reach, y=scale(q3), width=2 * reach,
        height=max(scale(q1) - scale(q3), 0.5), rx=3, fill=colour, stroke=colour,
        class_='box')  # fmt: skip
    add(parent, 'line', x1=x - reach, x2=x + reach, y1=scale(median), y2=scale(median),
        stroke=colour, class_='median')  # fmt: skip


def _draw_points(
    parent: Element,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    values: NDArray[np.float64],
    people: Sequence[str],
    unit: str,
    colour: str,
    mark: str,
) -> None:
    if len(people) > _FULL:
        places = dict.fromkeys(zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True))
        dots = ''.join(f'M{a} {b}h0' for a, b in places)
        add(parent, 'path', d=dots, stroke=colour, class_='crowd')
        return
    for a, b, value, person in zip(x, y, values, people, strict=True):
        point = _mark(parent, mark, float(a), float(b), 3.2)
        point.set('fill', colour)
        point.set('class', 'point')
        add(point, 'title', f'{person}: {number(float(value), 4)} {unit}')


def _mark(parent: Element, mark: str, x: float, y: float, r: float) -> Element:
    if mark == 'circle':
        return add(parent, 'circle', cx=x, cy=y, r=r)
    if mark == 'square':
        return add(parent, 'rect', x=x - 0.9 * r, y=y - 0.9 * r, width=1.8 * r, height=1.8 * r)
    corners = {
        'triangle': ((0, -1.25), (1.15, 0.85), (-1.15, 0.85)),
        'diamond': ((0, -1.35), (1.2, 0), (0, 1.35), (-1.2, 0)),
    }[mark]
    points = ' '.join(f'{short(x + r * a)},{short(y + r * b)}' for a, b in corners)
    return add(parent, 'polygon', points=points)


def scatter_chart(
    samples: Sequence[GroupPoints],
    colours: Mapping[str, str],
    *,
    x_label: str,
    unit: str,
    label: str,
    width: float = 356.0,
    height: float = 270.0,
) -> str:
    """Score against value, one mark per person, a note per group in the panel.

    Parameters
    ----------
    samples
        Groups with `x`.
    colours
        By group.
    x_label
        Name of the score.
    unit
        Of the values.
    label
        What the chart shows.
    width, height
        px.
    """
    root = drawing(width, height, label=label)
    shown = []
    for i, sample in enumerate(samples):
        x = np.full(sample.values.shape, np.nan) if sample.x is None else sample.x
        ok = np.isfinite(sample.values) & np.isfinite(x)
        if ok.any():
            shown.append((i, sample, x, ok))
    if not shown:
        return _empty(root, width, height)
    notes = 15.0 * len(shown)
    vertical = Axis.around(
        np.concatenate([s.values[ok] for _, s, _, ok in shown]), height - 38, 12.0 + notes
    )
    across = Axis.around(np.concatenate([x[ok] for *_, x, ok in shown]), 54.0, width - 12)
    vertical.draw_left(root, x=46.0, right=width - 6, unit=unit)
    for value in across.ticks:
        add(root, 'text', number(value), x=float(across(value)), y=height - 22, class_='tick mid')
    add(root, 'text', x_label, x=(46 + width) / 2, y=height - 6, class_='name mid')
    for line, (i, sample, x, ok) in enumerate(shown):
        mark, colour = _MARKS[i % len(_MARKS)], colours[sample.group]
        people = [p for p, keep in zip(sample.people, ok, strict=True) if keep]
        group = add(root, 'g', class_='group')
        _draw_fit(group, x[ok], sample.values[ok], colour, across, vertical)
        _draw_points(group, across(x[ok]), vertical(sample.values[ok]), sample.values[ok], people,
                     unit, colour, mark)  # fmt: skip
        y = 11.0 + 15 * line
        _mark(root, mark, 56.0, y - 4, 3.4).set('fill', colour)
        note = add(root, 'text', f'{_fit(sample.group, 90)}  {sample.note}', x=66, y=y,
                   class_='note')  # fmt: skip
        add(note, 'title', f'{sample.group}: {sample.note}')
    return to_text(root)


def _draw_fit(
    parent: Element, x: NDArray[np.float64], y: NDArray[np.float64], colour: str, across: Axis,
    vertical: Axis,
) -> None:  # fmt: skip
    """Least-squares line with the 95 % band of its mean; none for fewer than four points."""
    if x.size < 4 or not np.ptp(x) > 0:
        return
    at = np.linspace(x.min(), x.max(), 25)
    mean, half = line_with_band(x, y, at)
    top = np.maximum(vertical(mean + half), min(vertical.start, vertical.end))
    bottom = np.minimum(vertical(mean - half), max(vertical.start, vertical.end))
    places = across(at)
    ends = [*zip(places, top, strict=True), *zip(places[::-1], bottom[::-1], strict=True)]
    band = ' '.join(f'{short(a)},{short(b)}' for a, b in ends)
    add(parent, 'polygon', points=band, fill=colour, class_='band')
    line = vertical(mean[[0, -1]])
    add(parent, 'line', x1=float(places[0]), x2=float(places[-1]), y1=float(line[0]),
        y2=float(line[1]), stroke=colour, class_='fit')  # fmt: skip


def forest_chart(
    effects: Sequence[Effect], *, unit: str, label: str, width: float = 1100.0
) -> str:
    """Estimates with intervals, contrasts side by side below each region; filled if significant.

    Parameters
    ----------
    effects
        In the order to show; those of one region follow each other.
    unit
        Of the estimates.
    label
        What the chart shows.
    width
        px.
    """
    regions = list(dict.fromkeys(e.region for e in effects))
    contrasts = list(dict.fromkeys(e.contrast for e in effects))
    colours = group_colours(contrasts)
    line, gap = 19.0, 10.0
    height = 44 + len(effects) * line + len(regions) * gap
    root = drawing(width, height, label=label)
    bounds = np.array([[e.low, e.high, e.estimate] for e in effects], float)
    bounds = np.append(bounds[np.isfinite(bounds)], 0.0)
    left, right = 330.0, width - 330.0
    axis = Axis.around(bounds, left, right)
    for value in axis.ticks:
        x = float(axis(value))
        zero = ' zero' if value == 0 else ''
        add(root, 'line', x1=x, x2=x, y1=6, y2=height - 32, class_=f'grid{zero}')
        add(root, 'text', number(value), x=x, y=height - 18, class_='tick mid')
    add(root, 'text', f'difference, {unit}', x=(left + right) / 2, y=height - 3,
        class_='name mid')  # fmt: skip
    y, last = 4.0, None
    for effect in effects:
        if effect.region != last:
            y += gap
            add(root, 'text', effect.region, x=4, y=y + 13, class_='name strong')
            last = effect.region
        _draw_effect(root, effect, y + line / 2, colours[effect.contrast], axis, width)
        y += line
    return to_text(root)


def _draw_effect(
    root: Element, effect: Effect, y: float, colour: str, axis: Axis, width: float
) -> None:
    group = add(root, 'g', class_='effect significant' if effect.significant else 'effect')
    name = add(group, 'text', _fit(effect.contrast, 150), x=316, y=y + 4, class_='name end')
    add(name, 'title', effect.contrast)
    if np.isfinite([effect.low, effect.high]).all():
        add(group, 'line', x1=float(axis(effect.low)), x2=float(axis(effect.high)), y1=y, y2=y,
            stroke=colour, class_='interval')  # fmt: skip
    if np.isfinite(effect.estimate):
        point = _mark(group, 'circle', float(axis(effect.estimate)), y, 4.6)
        point.set('stroke', colour)
        point.set('fill', colour if effect.significant else '#fff')
        point.set('stroke-width', '1.8')
        add(point, 'title', f'{effect.region}, {effect.contrast}: {effect.text}')
    add(group, 'text', effect.text, x=width - 318, y=y + 4, class_='value')


def effect_map(effects: Sequence[Effect], *, label: str, width: float = 1100.0) -> str:
    """Effect sizes as coloured cells, regions down and contrasts across; significant ones ringed.

    Parameters
    ----------
    effects
        With `effect_size`.
    label
        What the chart shows.
    width
        px.
    """
    regions = list(dict.fromkeys(e.region for e in effects))
    contrasts = list(dict.fromkeys(e.contrast for e in effects))
    cell = min(190.0, (width - 190) / max(1, len(contrasts)))
    root = drawing(190 + cell * len(contrasts), 30 + 27.0 * len(regions), label=label,
                   css_class='chart fixed')  # fmt: skip
    root.set('style', f'width:{short(190 + cell * len(contrasts))}px;max-width:100%')
    for j, contrast in enumerate(contrasts):
        name = add(root, 'text', _fit(contrast, cell), x=190 + cell * (j + 0.5), y=18,
                   class_='name mid')  # fmt: skip
        add(name, 'title', contrast)
    for i, region in enumerate(regions):
        add(root, 'text', region, x=4, y=30 + 27 * i + 17, class_='name strong')
    for effect in effects:
        x = 190 + cell * contrasts.index(effect.contrast)
        y = 30 + 27.0 * regions.index(effect.region)
        known = bool(np.isfinite(effect.effect_size))
        fill, dark = diverging(effect.effect_size) if known else ('#f1f3f5', False)
        box = add(root, 'rect', x=x + 1.5, y=y + 1.5, width=cell - 3, height=24, rx=4, fill=fill,
                  class_='cell ring' if effect.significant else 'cell')  # fmt: skip
        add(box, 'title', f'{effect.region}, {effect.contrast}: {effect.text}')
        text = fixed(2)(effect.effect_size) if known else 'n/a'
        text += ' *' if effect.significant else ''
        css_class = 'value mid on-dark' if dark else 'value mid'
        add(root, 'text', text, x=x + cell / 2, y=y + 18, class_=css_class)
    return to_text(root)


def diverging(value: float, limit: float = LARGE_EFFECT) -> tuple[str, bool]:
    """Fill for a value, and whether it is dark: blue below zero, orange above, full at `limit`."""
    fraction = float(np.clip(abs(value) / limit, 0, 1))
    end = np.array([0x0B, 0x62, 0x9B] if value < 0 else [0xC6, 0x54, 0x00])
    red, green, blue = np.rint(np.array([246, 247, 249]) * (1 - fraction) + end * fraction).astype(
        int
    )
    return f'#{red:02x}{green:02x}{blue:02x}', fraction > 0.82


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
    height = 34 + 26.0 * len(names)
    root = drawing(width, height, label='Susceptibility by region')
    if not names:
        return _empty(root, width, height)
    spread_ = rows['chi_sd'].fillna(0.0)
    ends = np.concatenate([rows['chi_mean'] - spread_, rows['chi_mean'] + spread_, [0.0]])
    axis = Axis.around(ends, 160.0, width - 16)
    for value in axis.ticks:
        x = float(axis(value))
        zero = ' zero' if value == 0 else ''
        add(root, 'line', x1=x, x2=x, y1=2, y2=height - 30, class_=f'grid{zero}')
        add(root, 'text', number(value), x=x, y=height - 16, class_='tick mid')
    add(root, 'text', 'ppb', x=width - 6, y=height - 2, class_='tick end')
    for i, name in enumerate(names):
        y = 4 + 26.0 * i + 11
        add(root, 'text', readable(name), x=4, y=y + 4, class_='name strong')
        for row in rows[rows['region'] == name].to_dict('records'):
            left = row['hemisphere'] == 'L'
            _draw_nucleus(root, row, y + (-5 if left else 5), axis, left)
    return to_text(root)


def _draw_nucleus(root: Element, row: Mapping[Any, Any], y: float, axis: Axis, left: bool) -> None:
    mean, sd = float(row['chi_mean']), float(np.nan_to_num(row['chi_sd']))
    colour = COLOURS[0] if left else COLOURS[1]
    add(root, 'line', x1=float(axis(mean - sd)), x2=float(axis(mean + sd)), y1=y, y2=y,
        stroke=colour, class_='interval', stroke_opacity=0.35)  # fmt: skip
    x, tip = float(axis(mean)), -6 if left else 6
    corners = ((x + tip, y), (x - tip * 0.7, y - 4.6), (x - tip * 0.7, y + 4.6))
    points = ' '.join(f'{short(a)},{short(b)}' for a, b in corners)
    mark = add(root, 'polygon', points=points, fill=colour)
    side = 'left' if left else 'right'
    add(mark, 'title', f'{readable(row["region"])} {side}: {number(round(mean, 1))} ppb')


@dataclass(frozen=True)
class Axis:
    """Linear scale from values to px."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: NDArray[np.float64], start: float, end: float) -> Axis:
        """Scale that holds all values with some air; a single value sits in the middle."""
        low, high = float(values.min()), float(values.max())
        air = 0.06 * (high - low) or max(abs(low) * 0.1, 1e-6)
        return cls(low - air, high + air, start, end)

    def __call__(self, value):
        """Place of a value (or array), px."""
        fraction = (np.asarray(value, float) - self.low) / (self.high - self.low)
        return self.start + fraction * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round values on the scale."""
        return ticks(self.low, self.high, 4 if abs(self.end - self.start) < 400 else 8)

    def draw_left(self, root: Element, *, x: float, right: float, unit: str) -> None:
        """Draw grid lines with numbers to their left and the unit above."""
        for value in self.ticks:
            y = float(self(value))
            zero = ' zero' if value == 0 else ''
            add(root, 'line', x1=x, x2=right, y1=y, y2=y, class_=f'grid{zero}')
            add(root, 'text', number(value), x=x - 6, y=y + 4, class_='tick end')
        add(root, 'text', unit, x=4, y=11, class_='tick')


def _empty(root: Element, width: float, height: float) -> str:
    add(root, 'text', 'no values', x=width / 2, y=height / 2, class_='tick mid')
    return to_text(root)


def _fit(text: str, room: float) -> str:
    """Shorten text that would not fit into `room` px."""
    most = max(4, int(room / 6.6))
    return text if len(text) <= most else text[: most - 1] + '…'
