"""Charts of the group report as SVG: every person a point, every number from the tables.

Text takes the font of the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...nodes.statistics.correlations import line_with_band
from .cells import fixed
from .colours import CONTRAST_COLOUR, diverging, effect_limit
from .marks import draw_mark, draw_points, draw_polygon, group_marks, spread
from .scales import Axis
from .svg import Element, add, drawing, empty_chart, number, short, shorten, to_text

LEAST_BOXED = 5
"""People from which on quartiles say more than the points themselves (by eye)."""
_LEFT = 46.0
"""Room for the numbers of a vertical axis, px."""


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

    def where(self, known: NDArray[np.bool_]) -> GroupPoints:
        """The people for whom `known` is true."""
        return replace(
            self,
            people=tuple(p for p, keep in zip(self.people, known, strict=True) if keep),
            values=self.values[known],
            x=None if self.x is None else self.x[known],
        )

    def titles(self, unit: str) -> list[str]:
        """Hover text of each person, which readers of the screen and the keyboard get, too."""
        return [
            f'{person}: {number(float(value), 4)} {unit}, {self.group}'
            for person, value in zip(self.people, self.values, strict=True)
        ]


@dataclass(frozen=True)
class Effect:
    """One line of a forest chart.

    Attributes
    ----------
    region, contrast
        Names as readers see them.
    estimate, low, high
        Difference and its interval; NaN where it was not tested.
    text
        The same numbers for readers, beside the line.
    significant
        Whether its mark is filled.
    effect_size
        Standardised difference; NaN where unknown.
    """

    region: str
    contrast: str
    estimate: float
    low: float
    high: float
    text: str
    significant: bool
    effect_size: float = float('nan')


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
    shown = [s.where(np.isfinite(s.values)) for s in samples]
    every = np.concatenate([s.values for s in shown]) if shown else np.zeros(0)
    if every.size == 0:
        return empty_chart(root, width, height)
    scale = Axis.around(every, height - 40.0, 16.0)
    scale.draw_left(root, x=_LEFT, right=width - 6, unit=unit)
    column = (width - 56) / len(samples)
    marks = group_marks(colours)
    for i, sample in enumerate(shown):
        centre = 50 + column * (i + 0.5)
        look = (colours[sample.group], marks[sample.group])
        _draw_column(root, sample, centre, column, look, scale, unit)
        _add_short(root, sample.group, column, x=centre, y=height - 20, class_='name mid')
        count = f'n = {sample.values.size}'
        add(root, 'text', count, x=centre, y=height - 6, class_='tick mid')
    return to_text(root)


def _draw_column(
    root: Element, sample: GroupPoints, centre: float, room: float, look: tuple[str, str],
    scale: Axis, unit: str,
) -> None:  # fmt: skip
    """Box and points of one group in its colour and mark, inside `room` px around `centre`."""
    colour, mark = look
    group = add(root, 'g', class_='group')
    values = sample.values
    if values.size:
        reach = min(room * 0.32, 34.0)
        _draw_box(group, values, centre, reach, colour, scale)
        x = centre + spread(values, reach * 0.82)
        draw_points(group, x, scale(values), sample.titles(unit), colour, mark)


def _draw_box(
    parent: Element, values: NDArray[np.float64], x: float, reach: float, colour: str, scale: Axis
) -> None:
    """Median; of enough people with the quartiles and whiskers within 1.5 box lengths (Tukey)."""
    q1, median, q3 = np.percentile(values, [25, 50, 75])
    if values.size >= 3:
        add(parent, 'line', x1=x - reach, x2=x + reach, y1=scale(median), y2=scale(median),
            stroke=colour, class_='median')  # fmt: skip
    if values.size < LEAST_BOXED:
        return
    inside = values[(values >= q1 - 1.5 * (q3 - q1)) & (values <= q3 + 1.5 * (q3 - q1))]
    top, bottom = scale(inside.max()), scale(inside.min())
    for start, end in ((top, scale(q3)), (scale(q1), bottom)):
        add(parent, 'line', x1=x, x2=x, y1=start, y2=end, stroke=colour, class_='whisker')
    add(parent, 'rect', x=x - reach, y=scale(q3), width=2 * reach,
        height=max(scale(q1) - scale(q3), 0.5), rx=3, fill=colour, stroke=colour,
        class_='box')  # fmt: skip


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

    Parameters are those of `distribution_chart`; only people with `x` and value are shown, and
    `x_label` is the name of the score.
    """
    root = drawing(width, height, label=label)
    shown = []
    marks = group_marks(colours)
    for sample in samples:
        x = np.full(sample.values.shape, np.nan) if sample.x is None else sample.x
        known = np.isfinite(sample.values) & np.isfinite(x)
        if known.any():
            shown.append((marks[sample.group], sample.where(known), x[known]))
    if not shown:
        return empty_chart(root, width, height)
    # Notes stand above the highest point, a line for each group.
    top = 12.0 + 15.0 * len(shown)
    vertical = Axis.around(np.concatenate([s.values for _, s, _ in shown]), height - 38, top)
    across = Axis.around(np.concatenate([x for *_, x in shown]), _LEFT + 8, width - 12)
    vertical.draw_left(root, x=_LEFT, right=width - 6, unit=unit)
    for value in across.ticks:
        add(root, 'text', number(value), x=float(across(value)), y=height - 22, class_='tick mid')
    add(root, 'text', x_label, x=(_LEFT + width) / 2, y=height - 6, class_='name mid')
    for line, (mark, sample, x) in enumerate(shown):
        colour = colours[sample.group]
        group = add(root, 'g', class_='group')
        _draw_fit(group, x, sample.values, colour, across, vertical)
        places = across(x), vertical(sample.values)
        draw_points(group, *places, sample.titles(unit), colour, mark)
        _draw_note(root, sample, mark, colour, 11.0 + 15 * line)
    return to_text(root)


def _draw_note(root: Element, sample: GroupPoints, mark: str, colour: str, y: float) -> None:
    """Mark, name and note of a group at the top of the panel."""
    draw_mark(root, mark, 56.0, y - 4, 3.4).set('fill', colour)
    text = f'{shorten(sample.group, 90)}  {sample.note}'
    note = add(root, 'text', text, x=66, y=y, class_='note')
    add(note, 'title', f'{sample.group}: {sample.note}')


def _draw_fit(
    parent: Element, x: NDArray[np.float64], y: NDArray[np.float64], colour: str, across: Axis,
    vertical: Axis,
) -> None:  # fmt: skip
    """Least-squares line with the 95 % band of its mean; none for fewer than four points."""
    if x.size < 4 or not np.ptp(x) > 0:
        return
    at = np.linspace(x.min(), x.max(), 25)
    mean, half = line_with_band(x, y, at)
    # A wide band ends at the frame of the panel; y grows downwards.
    top = np.maximum(vertical(mean + half), min(vertical.start, vertical.end))
    bottom = np.minimum(vertical(mean - half), max(vertical.start, vertical.end))
    places = across(at)
    # Along the upper edge to the right and back along the lower one.
    ends = [*zip(places, top, strict=True), *zip(places[::-1], bottom[::-1], strict=True)]
    draw_polygon(parent, ends, fill=colour, class_='band')
    line = vertical(mean[[0, -1]])
    add(parent, 'line', x1=float(places[0]), x2=float(places[-1]), y1=float(line[0]),
        y2=float(line[1]), stroke=colour, class_='fit')  # fmt: skip


def forest_chart(
    effects: Sequence[Effect], *, unit: str, label: str, what: str = 'difference',
    colours: Mapping[str, str] | None = None, width: float = 960.0,
) -> str:  # fmt: skip
    """Estimates with intervals, contrasts side by side below each region; filled if significant.

    Parameters
    ----------
    effects
        In the order to show; those of one region follow each other.
    unit
        Of the estimates.
    label
        What the chart shows.
    what
        The estimates are, before the unit.
    colours
        By contrast, where it is a group; differences are told apart by their marks alone.
    width
        px.
    """
    regions, contrasts = _regions_and_contrasts(effects)
    marks = group_marks(contrasts)
    line, gap = 19.0, 10.0
    height = 44 + len(effects) * line + len(regions) * gap
    root = drawing(width, height, label=label, css_class='chart broad')
    bounds = np.array([[e.low, e.high, e.estimate] for e in effects], float)
    bounds = np.append(bounds[np.isfinite(bounds)], 0.0)  # zero is always in view
    left, right = 330.0, width - 330.0
    axis = Axis.around(bounds, left, right)
    axis.draw_below(root, top=6, bottom=height - 32)
    add(root, 'text', f'{what}, {unit}', x=(left + right) / 2, y=height - 3,
        class_='name mid')  # fmt: skip
    y, last = 4.0, None
    for effect in effects:
        if effect.region != last:
            y += gap
            add(root, 'text', effect.region, x=4, y=y + 13, class_='name strong')
            last = effect.region
        look = ((colours or {}).get(effect.contrast, CONTRAST_COLOUR), marks[effect.contrast])
        _draw_effect(root, effect, y + line / 2, look, axis, width)
        y += line
    return to_text(root)


def _regions_and_contrasts(effects: Sequence[Effect]) -> tuple[list[str], list[str]]:
    """Their names, in the order in which they first appear."""
    regions = list(dict.fromkeys(e.region for e in effects))
    return regions, list(dict.fromkeys(e.contrast for e in effects))


def _draw_effect(
    root: Element, effect: Effect, y: float, look: tuple[str, str], axis: Axis, width: float
) -> None:
    colour, mark = look
    group = add(root, 'g', class_='effect significant' if effect.significant else 'effect')
    _add_short(group, effect.contrast, 150, x=316, y=y + 4, class_='name end')
    if np.isfinite([effect.low, effect.high]).all():
        add(group, 'line', x1=float(axis(effect.low)), x2=float(axis(effect.high)), y1=y, y2=y,
            stroke=colour, class_='interval')  # fmt: skip
    if np.isfinite(effect.estimate):
        point = draw_mark(group, mark, float(axis(effect.estimate)), y, 4.6)
        point.set('stroke', colour)
        point.set('fill', colour if effect.significant else '#fff')
        point.set('stroke-width', '1.8')
        add(point, 'title', f'{effect.region}, {effect.contrast}: {effect.text}')
    add(group, 'text', effect.text, x=width - 318, y=y + 4, class_='value')


def effect_map(effects: Sequence[Effect], *, label: str, width: float = 1100.0) -> str:
    """Effect sizes as coloured cells, regions down and contrasts across; significant ones ringed.

    Parameters are those of `forest_chart`; effects have an `effect_size`. The largest has the
    full colour.
    """
    regions, contrasts = _regions_and_contrasts(effects)
    limit = effect_limit(e.effect_size for e in effects)
    names, head, line = 190, 30, 27.0
    cell = min(190.0, (width - names) / max(1, len(contrasts)))
    own_width = names + cell * len(contrasts)
    root = drawing(own_width, head + line * len(regions), label=label, css_class='chart fixed')
    # Cells keep their size: few contrasts make a narrow map, not large cells.
    root.set('style', f'width:{short(own_width)}px;max-width:100%')
    root.set('preserveAspectRatio', 'xMinYMin')  # on paper it is lower
    for j, contrast in enumerate(contrasts):
        _add_short(root, contrast, cell, x=names + cell * (j + 0.5), y=18, class_='name mid')
    for i, region in enumerate(regions):
        add(root, 'text', region, x=4, y=head + line * i + 17, class_='name strong')
    for effect in effects:
        x = names + cell * contrasts.index(effect.contrast)
        y = head + line * regions.index(effect.region)
        _draw_cell(root, effect, x, y, cell, limit)
    return to_text(root)


def _draw_cell(
    root: Element, effect: Effect, x: float, y: float, cell: float, limit: float
) -> None:
    known = bool(np.isfinite(effect.effect_size))
    fill, dark = diverging(effect.effect_size, limit) if known else ('#f1f3f5', False)
    box = add(root, 'rect', x=x + 1.5, y=y + 1.5, width=cell - 3, height=24, rx=4, fill=fill,
              class_='cell ring' if effect.significant else 'cell')  # fmt: skip
    add(box, 'title', f'{effect.region}, {effect.contrast}: {effect.text}')
    text = fixed(2)(effect.effect_size) if known else 'n/a'
    text += ' *' if effect.significant else ''
    css_class = f'value mid on-{"dark" if dark else "light"}'
    add(root, 'text', text, x=x + cell / 2, y=y + 18, class_=css_class)


def _add_short(
    parent: Element, name: str, room: float, *, x: float, y: float, class_: str
) -> None:
    """Add a name, shortened to `room` px and in full as hover text."""
    text = add(parent, 'text', shorten(name, room), x=x, y=y, class_=class_)
    add(text, 'title', name)
