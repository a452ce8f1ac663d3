"""What the group report shows; every number is read from, or counted in, the group's tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ..files import sidecar_of
from ..group_tables import GROUP_TABLES, GroupTable
from ..names import P_STATISTIC, T_STATISTIC, stat_map
from ..tables import read_table, readable
from . import charts
from .cells import Column, Table, fixed, flatten, make_table, p_value, significant, together
from .colours import effect_limit, group_colours
from .effect_maps import draw_effects, draw_tests
from .group_data import GroupData, both_sides, capital, measure_words, score_name
from .group_sentences import (
    by_contrast,
    caution,
    difference_name,
    equals,
    findings,
    more_findings,
    overview,
    relations,
    what_the_sign_means,
    what_was_asked,
)
from .marks import group_marks
from .one_group import covariate_charts, means_chart, overview_of_one, regression_findings
from .quality_part import MOST_ROWS


def group_context(data: GroupData, *, voxelwise: bool = False) -> dict[str, Any]:
    """Everything the template shows.

    Parameters
    ----------
    data
        The tables.
    voxelwise
        Whether the page has a section of voxels.
    """
    groups = data.groups
    colours = group_colours(groups)
    measures = [_measure_part(data, measure, colours) for measure in data.measures]
    scores = list(_score_parts(data, colours))
    return {
        'groups': groups,
        'chips': [f'{g}: n = {_count(data, g)}' for g in groups],
        'compared': data.is_compared,
        'asked': what_was_asked(data),
        'caution': caution(data),
        'overview': overview(data) if data.is_compared else overview_of_one(data),
        'findings': by_contrast(
            findings(data) if data.is_compared else regression_findings(data), data
        ),
        'more': more_findings(data),
        'relations': relations(data),
        'alpha': f'{data.alpha:g}',
        'people': people_table(data),
        'exclusions': _exclusion_table(data['exclusions']),
        'measures': measures,
        'scores': scores,
        'legend': [(g, colours[g], mark) for g, mark in group_marks(groups).items()],
        'tables': [
            (table.name, table.title, _auto_table(table, data.shown(table.name), data.alpha))
            for table in shown_tables()
            if len(data[table.name])
        ],
        'settings': flatten(data.settings),
        'sections': [
            ('findings', 'Findings'),
            ('people', 'Participants'),
            *((part['anchor'], capital(part['name'])) for part in measures),
            *((part['anchor'], part['score']) for part in scores),
            *((('voxels', 'Voxels'),) if voxelwise else ()),
            ('quality', 'Quality'),
            ('tables', 'Tables'),
            ('methods', 'Methods'),
        ],
    }


def shown_tables() -> list[GroupTable]:
    """Tables that the page shows as they are, in its order."""
    titled = [table for table in GROUP_TABLES.values() if table.title]
    return sorted(titled, key=lambda table: not table.first)


def voxel_part(clusters: str | Path, maps: Sequence[str | Path], alpha: float) -> dict[str, Any]:
    """Slices and clusters of the voxel-wise comparison.

    Parameters
    ----------
    clusters
        Table of clusters.
    maps
        Images of tests; those of t and p lie beside each other.
    alpha
        Level of the family-wise p.
    """
    known = GROUP_TABLES['clusters']
    table = read_table(clusters, text=known.text, needs=('contrast',))
    pictures = []
    t_map, p_map = (f'{stat_map(name)}.nii.gz' for name in (T_STATISTIC, P_STATISTIC))
    for path in (Path(p) for p in maps if str(p).endswith(t_map)):
        sidecar = sidecar_of(path)
        name = json.loads(sidecar.read_text(encoding='utf-8'))['Contrast']
        svg = draw_tests(
            path, path.with_name(path.name.removesuffix(t_map) + p_map),
            alpha=alpha, label=f'Voxel-wise test of {name}',
        )  # fmt: skip
        pictures.append((name, Markup(svg)))
    columns = {name: _auto_column(name, table[name], known.hint(name)) for name in table}
    return {'pictures': pictures, 'clusters': make_table(table, columns)}


def _count(data: GroupData, group: str) -> int:
    return int((data.compared[data.group_column] == group).sum())


def people_table(data: GroupData) -> Table:
    """Who was compared: size, covariates and scores of each group."""
    wanted = (*data.covariates, *data.scores, 'disease_duration')
    names = [n for n in dict.fromkeys(wanted) if n in data.compared]
    rows = []
    for group in data.groups:
        members = data.compared[data.compared[data.group_column] == group]
        meaning = data.meaning(group)
        label = f'{group} ({meaning})' if meaning else group
        row: dict[str, Any] = {'group': label, 'n': len(members)}
        rows.append(row | {name: summary(members[name]) for name in names})
    columns = {'group': Column('Group'), 'n': Column('n', '', fixed(0))}
    columns |= {name: Column(capital(data.heading(name))) for name in names}
    return make_table(pd.DataFrame(rows, columns=list(columns)), columns)


def summary(values: pd.Series) -> str | None:
    """Mean, spread and ends of numbers, or how many there are of each label; None of nothing."""
    known = values.dropna()
    if known.empty:
        return None
    missing = f', {values.size - known.size} n/a' if known.size < values.size else ''
    if pd.api.types.is_numeric_dtype(known):
        middle = f'{known.mean():.1f} (SD {known.std():.1f})' if known.size > 1 else ''
        return f'{middle or known.iloc[0]}, {known.min():g} to {known.max():g}{missing}'
    counts = known.astype(str).value_counts().sort_index()
    return ', '.join(f'{n} {label}' for label, n in counts.items()) + missing


def _exclusion_table(exclusions: pd.DataFrame) -> Table:
    hint = GROUP_TABLES['exclusions'].hint
    columns = {
        name: Column(name.replace('_id', '').capitalize(), hint(name)) for name in exclusions
    }
    return make_table(
        exclusions, columns, most=MOST_ROWS,
        cell_class=lambda name, _: 'wrap' if name == 'reason' else '',
    )  # fmt: skip


def _measure_part(data: GroupData, measure: str, colours: Mapping[str, str]) -> dict[str, Any]:
    """Distributions, forest, effect map and slices of one measure."""
    known = measure_words(measure)
    values = data.values[data.values['measure'] == measure]
    panels = []
    for region, rows in values.groupby('region', sort=False):
        svg = charts.distribution_chart(
            _samples(data, rows), colours, unit=known.page_unit,
            label=f'{known.title} of the {readable(region)} by group',
        )  # fmt: skip
        anchor = data.anchor(measure, str(region))
        panels.append((readable(region).capitalize(), Markup(svg), anchor))
    effects = [_effect(row, data) for row in data.in_order(measure)]
    limit = effect_limit(e.effect_size for e in effects)
    label = f'Differences in {known.title}'
    return {
        'anchor': data.anchor(measure),
        'name': known.title,
        'title': capital(known.title),
        'meaning': known.hint,
        'panels': panels,
        'forest': Markup(charts.forest_chart(effects, unit=known.page_unit, label=label)),
        'map': Markup(charts.effect_map(effects, label=f'Effect sizes, {known.title}')),
        'sign': what_the_sign_means(data, measure),
        'sized': any(np.isfinite(e.effect_size) for e in effects),
        'has_effects': bool(effects),
        'means': '' if data.is_compared else means_chart(data, measure),
        'covariates': covariate_charts(data, measure),
        'limit': f'{limit:g}',
        'least_boxed': charts.LEAST_BOXED,
        'slices': _slices(data, measure, limit),
    }


def _effect(row: Mapping[Any, Any], data: GroupData) -> charts.Effect:
    estimate, low, high = (float(row[k]) for k in ('estimate', 'ci_low', 'ci_high'))
    adjusted = float(row['p_adjusted'])
    text = 'not tested'
    if np.isfinite(estimate):
        shown = together(estimate, low, high)
        text = f'{shown[0]} [{shown[1]}, {shown[2]}]'
        text += f',  p {equals(adjusted)}' if np.isfinite(adjusted) else ''
    return charts.Effect(
        readable(row['region']), difference_name(row), estimate, low, high, text,
        bool(adjusted < data.alpha), float(row.get('effect_size', np.nan)),
    )  # fmt: skip


def _slices(data: GroupData, measure: str, limit: float) -> list[tuple[str, Markup]]:
    """Slices of the template with nuclei coloured by effect size, one picture per contrast."""
    rows = data.in_order(measure)
    pictures = []
    for contrast in dict.fromkeys(row['contrast'] for row in rows):
        own = [row for row in rows if row['contrast'] == contrast]
        sizes = {
            str(row['region']): float(row['effect_size'])
            for row in own
            if pd.notna(row.get('effect_size'))
        }
        hits = {str(row['region']) for row in own if row['p_adjusted'] < data.alpha}
        label = f'Effect sizes of {contrast} in the brain'
        svg = draw_effects(sizes, hits, label=label, limit=limit)
        if svg:
            pictures.append((difference_name(own[0]), Markup(svg)))
    return pictures


def _samples(
    data: GroupData, rows: pd.DataFrame, score: pd.Series | None = None
) -> list[charts.GroupPoints]:
    """Values of one measure and region by group, and with a score by participant."""
    samples = []
    for group in data.groups:
        members = rows[rows['group'] == group]
        x = None if score is None else members['participant_id'].map(score).to_numpy(float)
        who = tuple(members['participant_id'].astype(str))
        samples.append(charts.GroupPoints(group, who, members['value'].to_numpy(float), x))
    return samples


def _score_parts(data: GroupData, colours: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Scatter charts per clinical score and measure."""
    table = both_sides(data['correlations'])
    for number, score in enumerate(dict.fromkeys(table['score']), start=1):
        if score not in data.people:
            continue
        blocks = []
        for measure in dict.fromkeys(table.loc[table['score'] == score, 'measure']):
            rows = table[(table['score'] == score) & (table['measure'] == measure)]
            panels = _scatter_panels(data, colours, score, measure, rows)
            hits = set(rows.loc[rows['p'] < data.alpha, 'region'] if 'p' in rows else ())
            shown = [panel[1:] for panel in panels if panel[0] in hits]
            folded = [panel[1:] for panel in panels if panel[0] not in hits]
            if panels:
                blocks.append((capital(measure_words(measure).title), shown, folded))
        yield {'anchor': f'score-{number}', 'score': score_name(score), 'blocks': blocks}


def _scatter_panels(
    data: GroupData, colours: Mapping[str, str], score: str, measure: str, rows: pd.DataFrame
) -> list[tuple[str, str, Markup]]:
    """Name and title of each region, and its chart."""
    known = measure_words(measure)
    values = data.values[data.values['measure'] == measure]
    points = pd.to_numeric(data.people.set_index('participant_id')[score], errors='coerce')
    panels = []
    for region, own in values.groupby('region', sort=False):
        tested = {str(r['group']): r for r in rows[rows['region'] == region].to_dict('records')}
        samples = [
            charts.GroupPoints(s.group, s.people, s.values, s.x, _note(tested[s.group]))
            for s in _samples(data, own, points)
            if s.group in tested
        ]
        if samples:
            svg = charts.scatter_chart(
                samples, colours, x_label=data.heading(score), unit=known.page_unit,
                label=f'{known.title} of the {readable(region)} against {score_name(score)}',
            )  # fmt: skip
            panels.append((str(region), readable(region).capitalize(), Markup(svg)))
    return panels


def _note(row: Mapping[Any, Any]) -> str:
    rho = float(row['rho'])
    if not np.isfinite(rho):
        return 'not tested'
    text = f'ρ = {fixed(2)(rho)}'
    if pd.notna(row['p_adjusted']):
        text += f', adj. p {equals(float(row["p_adjusted"]))}'
    return f'{text}, n = {row["n"]:.0f}' if pd.notna(row.get('n')) else text


def _auto_table(table: GroupTable, frame: pd.DataFrame, alpha: float) -> Table:
    """All columns of a table, formatted by name and type; significant rows are marked."""
    names = [str(name) for name in frame]
    lead = [name for name in table.lead if name in names]
    rest = [name for name in names if name not in lead]
    columns = {name: _auto_column(name, frame[name], table.hint(name)) for name in lead + rest}
    shown = frame.assign(measure=[measure_words(m).title for m in frame['measure']])
    if {'failed_checks', 'p'} <= set(
        frame
    ):  # a model that was tested failed none where none is named
        passed = frame['failed_checks'].isna() & frame['p'].notna()
        shown['failed_checks'] = frame['failed_checks'].astype(object).mask(passed, 'none')

    def mark(row: Mapping[Any, Any]) -> str:
        p = row.get('p_adjusted', row.get('p'))
        side = 'side' if row.get('hemisphere') in ('L', 'R') else ''
        return f'{"significant" if p is not None and p < alpha else ""} {side}'.strip()

    return make_table(shown, columns, row_class=mark, lead=len(lead))


def _auto_column(name: str, values: pd.Series, hint: str) -> Column:
    title = name.replace('_', ' ').replace('ci low', 'CI low').replace('ci high', 'CI high')
    if not pd.api.types.is_numeric_dtype(values):
        return Column(title, hint, words=name in ('region', 'hemisphere', 'score'))
    if name == 'p' or name.startswith('p_') or name.endswith('_p'):
        return Column(title, hint, p_value)
    if name == 'n' or name.startswith('n_'):
        return Column(title, hint, fixed(0))
    return Column(title, hint, significant(3))
