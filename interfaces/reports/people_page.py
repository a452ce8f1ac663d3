"""The page that sets a person's values beside those of the reference group.

A person's own page is written when nobody else is known, and stays as it is when others are: what
needs others is told here, by the group level, for everybody on one page.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ...nodes.statistics.deviations import LEAST_OTHERS, UNUSUAL, chance_beyond
from ...nodes.statistics.measures import Measure
from ..files import save_text
from ..tables import readable
from .cells import counted, fixed, together
from .colours import group_colours
from .group_data import GroupData, both_sides, capital, measure_words
from .group_page import summary
from .marks import draw_points, draw_polygon, group_marks, spread
from .provenance import Provenance
from .references import join_words
from .report import PageStep, ReportOutputSpec, ShownInputSpec, as_data, render_page
from .scales import Axis
from .svg import add, drawing, to_text

_WIDTH, _HEIGHT, _MIDDLE = 380.0, 50.0, 17.0
"""Of a strip of points, and the height of its line, px."""
_NUMBERS = ('value', 'reference_mean', 'reference_sd', 'reference_low', 'reference_high')
"""Columns with the unit of the measure."""


def write_people(
    tables: Mapping[str, str | Path], out_file: Path, *,
    settings: Mapping[str, Any] | None = None, version: str = '',
    study: Provenance | None = None, home: str = '',
) -> Path:  # fmt: skip
    """Write the page that sets everybody's values beside those of the reference group.

    Parameters
    ----------
    tables, settings, version, study, home
        As in `report.render_group`.
    out_file
        Its final path.
    """
    context = {
        **people_context(GroupData.read(tables, settings or {}, home)),
        'home': home,
        'ways': [(f'{home}index.html', 'All participants'), ('group.html', 'Groups')],
    }
    page = render_page(
        'people.html.j2', context, version=version, study=study,
        scripts=('report.js', 'people.js'),
    )  # fmt: skip
    return save_text(page, out_file)


def people_context(data: GroupData) -> dict[str, Any]:
    """Everything the template shows, and what the script fills in for each person."""
    table = both_sides(data['deviations'])
    reference = _reference(data)
    strips = list(_strips(table, data))
    look = [of(data.groups).get(reference, none)
            for of, none in ((group_colours, ''), (group_marks, 'circle'))]  # fmt: skip
    parts: dict[str, dict[str, Any]] = {}
    for number, strip in enumerate(strips):
        known = strip.measure
        part = parts.setdefault(known.title, {
            'anchor': data.anchor(known.name), 'title': capital(known.title),
            'unit': known.page_unit, 'meaning': known.hint, 'rows': [],
        })  # fmt: skip
        part['rows'].append((number, capital(readable(strip.region)), Markup(strip.svg(*look))))
    of_group = data.compared[data.compared[data.group_column] == reference]
    ages = _ages(data)
    return {
        'others': _others(data),
        'of_group': f' of {reference}' if data.is_compared else '',
        'meaning': data.meaning(reference),
        'parts': list(parts.values()),
        'names': list(dict.fromkeys(table['participant_id'])),
        'adjusted': join_words(
            list(map(readable, dict.fromkeys([*(ages or ['age']), *_shown(data)])))
        ),
        'ages': ages,
        'about_reference': '; '.join(_traits(of_group, data)),
        'unusual': f'{UNUSUAL:g}',
        'least': LEAST_OTHERS,
        'data': as_data(_everybody(table, strips, data)),
        'sections': [(part['anchor'], part['title']) for part in parts.values()],
    }


@dataclass(frozen=True)
class _Strip:
    """A measure of a region: everybody's rows of the table, their scale, who the others are."""

    measure: Measure
    region: str
    rows: Mapping[str, Mapping[str, Any]]
    axis: Axis
    others: str

    @property
    def name(self) -> str:
        """What is measured, and where."""
        return f'{capital(self.measure.title)} of the {readable(self.region)}'

    @functools.cached_property
    def texts(self) -> dict[str, dict[str, str]]:
        """The numbers as people read them, all with as many decimals, by participant."""
        numbers = [float(row[name]) for row in self.rows.values() for name in _NUMBERS]
        shown = iter(together(*numbers))
        return {who: {name: next(shown) for name in _NUMBERS} for who in self.rows}

    def svg(self, colour: str, mark: str) -> str:
        """The reference group's points; the script places the band and the person's mark."""
        root = drawing(_WIDTH, _HEIGHT, label=self.name, css_class='chart strip')
        self.axis.draw_below(root, top=4, bottom=_HEIGHT - 18)
        add(root, 'rect', x=0, y=6, width=0, height=2 * (_MIDDLE - 6), class_='range')
        add(root, 'line', x1=0, x2=0, y1=6, y2=2 * _MIDDLE - 6, class_='middle')
        own = {
            who: row
            for who, row in self.rows.items()
            if row['group'] == row['reference_group'] and np.isfinite(row['value'])
        }
        values = np.array([row['value'] for row in own.values()], float)
        titles = [
            f'{who}: {self.texts[who]["value"]} {self.measure.page_unit}, {row["group"]}'
            for who, row in own.items()
        ]
        places = self.axis(values), _MIDDLE + spread(values, 6.0)
        draw_points(add(root, 'g', class_='group'), *places, titles, colour, mark)
        corners = [(0, _MIDDLE - 3), (-6.5, _MIDDLE - 15), (6.5, _MIDDLE - 15)]
        draw_polygon(root, corners, class_='person')
        return to_text(root)

    def beside(self, who: str) -> list[Any]:
        """Mean, range, and places of the band and its middle, of those beside one person."""
        row, text = self.rows[who], self.texts[who]
        mean, sd = float(row['reference_mean']), float(row['reference_sd'])
        told = [text['reference_mean'], f'{text["reference_low"]} to {text["reference_high"]}']
        if not row['n_reference']:
            told[1] = text['reference_low']
        if not np.isfinite(sd):
            return [*told, None, None, None]
        told[0] += f' (SD {text["reference_sd"]})'
        ends = (self.axis(mean + side * UNUSUAL * sd) for side in (-1, 0, 1))
        return [*told, *(round(float(x), 1) for x in ends)]

    def own(self, who: str) -> list[Any]:
        """Place, value, deviation in words and whether it is unusual, of one person."""
        row = self.rows[who]
        if not np.isfinite(row['value']):
            return [None, 'n/a', '', False]
        place = round(float(self.axis(row['value'])), 1)
        return [place, self.texts[who]['value'], _away(row['sds_away']), self.is_unusual(who)]

    def is_unusual(self, who: str) -> bool:
        """Whether the value of one person is; not where no spread is known."""
        return bool(abs(self.rows[who]['sds_away']) > UNUSUAL)

    def finding(self, who: str) -> str:
        """A sentence on an unusual value."""
        row, value = self.rows[who], self.texts[who]['value']
        told = f'{self.name}, {value} {self.measure.page_unit}'.strip()
        return f'{told}: {_away(row["sds_away"])} the mean of {self.others}'


def _away(sds: float) -> str:
    """A deviation in words.

    Examples
    --------
    >>> _away(-2.345), _away(0.04), _away(float('nan'))
    ('2.3 SD below', '0.0 SD above', 'n/a')
    """
    if not np.isfinite(sds):
        return 'n/a'
    return f'{fixed(1)(abs(sds))} SD {"below" if sds < 0 else "above"}'


def _strips(table: pd.DataFrame, data: GroupData) -> Iterator[_Strip]:
    """Measures and regions in the order of the page of the groups."""
    for measure in data.measures:
        of_measure = table[table['measure'] == measure]
        for region, rows in of_measure.groupby('region', sort=False):
            spreads = UNUSUAL * rows['reference_sd'].fillna(0.0)
            band = [rows['reference_mean'] - spreads, rows['reference_mean'] + spreads]
            ends = np.concatenate([rows['value'], *band]).astype(float)
            ends = ends[np.isfinite(ends)]
            if ends.size:
                axis = Axis.around(ends, 12.0, _WIDTH - 12.0)
                known = measure_words(measure)
                by_person = rows.set_index('participant_id').to_dict('index')
                yield _Strip(known, str(region), by_person, axis, _others(data))


def _others(data: GroupData) -> str:
    """Whom people are set beside: the reference group, or of one group alone the others."""
    return (data.is_compared and _reference(data)) or 'the others'


def _reference(data: GroupData) -> str:
    """The reference group, which the table names in every row; empty where it has none."""
    named = data['deviations']['reference_group']
    return str(named.iloc[0]) if len(named) else ''


def _ages(data: GroupData) -> list[str]:
    """Columns of known ages."""
    people = data.people.dropna(axis=1, how='all').select_dtypes('number')
    return [name for name in people if str(name).casefold() == 'age']


def _shown(data: GroupData) -> list[str]:
    """Columns to compare people by: their age, whatever was adjusted for, and the covariates."""
    return list(dict.fromkeys([*_ages(data), *data.covariates]))


def _traits(people: pd.DataFrame, data: GroupData) -> Iterator[str]:
    """Covariates of people in words, such as `age 49.3 (SD 10.1), 34 to 66`."""
    for name in _shown(data):
        told = summary(people[name]) if name in people else None
        if told:
            yield f'{readable(name)} {told}'


def _everybody(
    table: pd.DataFrame, strips: Sequence[_Strip], data: GroupData
) -> dict[str, list[Any]]:
    """What the script fills in: the reference group row by row, and everybody."""
    facts = data.people.set_index('participant_id', drop=False)
    groups = table.drop_duplicates('participant_id').set_index('participant_id')
    reference = _reference(data)
    outside = groups.index[groups['group'] != reference]
    people = []
    for who, group in groups['group'].items():
        person = _person(str(who), strips)
        session = facts.loc[who, 'session_id']
        own_group = [str(group)] if data.is_compared else []
        person['about'] = '; '.join([*own_group, *_one(facts.loc[who], data)])
        person['visit'] = '' if pd.isna(session) else str(session)
        if group == reference:  # to whom the own value does not count
            person['beside'] = [strip.beside(str(who)) for strip in strips]
        people.append(person)
    shared = [strip.beside(str(outside[0])) for strip in strips] if len(outside) else []
    return {'beside': shared, 'people': people}


def _one(row: pd.Series, data: GroupData) -> Iterator[str]:
    """Covariates of one person."""
    for name in _shown(data):
        if name in row and pd.notna(row[name]):
            value = row[name]
            yield f'{readable(name)} {value if isinstance(value, str) else f"{value:g}"}'


def _person(who: str, strips: Sequence[_Strip]) -> dict[str, Any]:
    """Values of one person, what is unusual, and how much of it chance alone would give."""
    own = [strip.rows[who] for strip in strips]
    counts = [int(row['n_reference']) for row in own]
    known = [int(row['n_reference']) for row in own if np.isfinite(row['sds_away'])]
    return {
        'name': who,
        'others': counted(max(counts, default=0), 'person', 'people'),
        'values': [strip.own(who) for strip in strips],
        'unusual': [strip.finding(who) for strip in strips if strip.is_unusual(who)],
        'known': len(known),
        'expected': fixed(1)(sum(map(_chance, known))),
    }


_chance = functools.cache(chance_beyond)


class GroupPeople(PageStep):
    """Write the page that sets everybody's values beside those of the reference group."""

    input_spec = ShownInputSpec
    output_spec = ReportOutputSpec

    def _run_interface(self, runtime):
        given = self.inputs
        shown = {name: given.shown[name] for name in ('tables', 'settings') if name in given.shown}
        page = write_people(
            out_file=Path(given.out_file), version=given.version, study=self._study,
            home=given.home, **shown,
        )  # fmt: skip
        self._results['out_report'] = str(page)
        return runtime
