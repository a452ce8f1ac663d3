"""What the group report shows; every number is read from, or counted in, the group's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from . import charts
from .quality import quality_measures
from .tables import (
    Column,
    Table,
    fixed,
    flatten,
    make_table,
    p_value,
    read_table,
    readable,
    significant,
    together,
)

MEASURES = {
    'chi_mean': ('mean susceptibility', 'ppb', 'higher', 'lower'),
    'chi_median': ('median susceptibility', 'ppb', 'higher', 'lower'),
    'r2star_mean': ('R2*', '1/s', 'higher', 'lower'),
    'volume_mm3': ('volume', 'mm³', 'larger', 'smaller'),
    'volume_normalised': ('normalised volume', 'mm³/L', 'larger', 'smaller'),
}
"""Name, unit and words for more and less, by measure."""
_MEANINGS = {
    'chi_mean': 'parts per billion, relative to the reference region',
    'chi_median': 'parts per billion, relative to the reference region',
    'r2star_mean': 'mean transverse relaxation rate',
    'volume_normalised': 'mm³ of nucleus per litre of brain',
}
_HINTS = {
    'n_a': 'people in the first group',
    'n_b': 'people in the second group',
    'p_adjusted': 'p adjusted for multiple tests',
    'effect_size': 'standardised difference',
    'estimate': 'difference of adjusted means',
}
_CONTRAST_COLUMNS = (
    'measure',
    'region',
    'contrast',
    'estimate',
    'ci_low',
    'ci_high',
    'p_adjusted',
)
_SEPARATORS = (' - ', ' − ', '-', ' vs ', ' v ', ' minus ')


@dataclass(frozen=True)
class GroupData:
    """Tables of the group level and what they were made with."""

    regions: pd.DataFrame
    models: pd.DataFrame
    contrasts: pd.DataFrame
    correlations: pd.DataFrame
    exclusions: pd.DataFrame
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        regions: str | Path,
        models: str | Path,
        contrasts: str | Path,
        correlations: str | Path,
        exclusions: str | Path | None,
        settings: Mapping[str, Any],
    ) -> GroupData:
        """Read the tables; group labels stay text even where they look like numbers."""
        column = str(settings.get('group_column', 'group'))
        text = (column, 'group', 'contrast', 'measure', 'score')
        left_out = pd.DataFrame(columns=['participant_id', 'reason'])
        needs = ('participant_id', 'region', 'hemisphere', 'volume_mm3', column)
        return cls(
            _first_visits(read_table(regions, text=text, needs=needs)),
            read_table(models, text=text, needs=('measure', 'region')),
            read_table(contrasts, text=text, needs=_CONTRAST_COLUMNS),
            read_table(correlations, text=text, needs=('measure', 'region', 'group', 'score')),
            left_out if exclusions is None else read_table(exclusions, text=('reason',)),
            settings,
        )

    @property
    def group_column(self) -> str:
        """Column of the participants' table that holds the groups."""
        return str(self.settings.get('group_column', 'group'))

    @property
    def alpha(self) -> float:
        """Adjusted p below which a difference counts as significant."""
        return float(self.settings.get('alpha', 0.05))

    @property
    def groups(self) -> list[str]:
        """Group labels, the reference group last."""
        labels = sorted(self.regions[self.group_column].dropna().unique())
        reference = self.settings.get('reference_group')
        return [g for g in labels if g != reference] + [g for g in labels if g == reference]

    @property
    def people(self) -> pd.DataFrame:
        """First row of each participant who belongs to a group and was not left out."""
        people = self.regions.drop_duplicates('participant_id')
        out = people['participant_id'].isin(self.exclusions['participant_id'])
        return people[people[self.group_column].notna() & ~out]

    @property
    def measures(self) -> list[str]:
        """Measures compared, in the order of their table; the usual ones where it is empty."""
        compared = list(dict.fromkeys(self.contrasts['measure']))
        return compared or [m for m in ('chi_mean', 'volume_normalised') if m in self.regions]

    @property
    def region_order(self) -> list[str]:
        """Regions compared, in the order of the table, without the whole brain."""
        compared = set(self.contrasts['region'])
        regions = [r for r in dict.fromkeys(self.regions['region']) if r != 'brain']
        return [r for r in regions if r in compared or not compared]


def _first_visits(regions: pd.DataFrame) -> pd.DataFrame:
    """One row per participant, region and side, with the volume normalised where it is not yet."""
    regions = regions.drop_duplicates(['participant_id', 'region', 'hemisphere'])
    if 'volume_normalised' in regions:
        return regions
    brain = regions[regions['region'] == 'brain'].set_index('participant_id')['volume_mm3']
    litres = regions['participant_id'].map(brain / 1e6)
    return regions.assign(volume_normalised=regions['volume_mm3'] / litres.where(litres > 0))


def group_context(data: GroupData) -> dict[str, Any]:
    """Everything the template shows.

    Parameters
    ----------
    data
        The tables.
    """
    groups = data.groups
    colours = charts.group_colours(groups)
    measures = [_measure_part(data, measure, colours) for measure in data.measures]
    scores = list(_score_parts(data, colours))
    return {
        'groups': groups,
        'chips': [f'{g}: n = {_count(data, g)}' for g in groups],
        'overview': overview(data),
        'findings': findings(data),
        'relations': relations(data),
        'alpha': f'{data.alpha:g}',
        'people': people_table(data),
        'exclusions': _exclusion_table(data.exclusions),
        'measures': measures,
        'scores': scores,
        'legend': [(g, colours[g]) for g in groups],
        'tables': [
            ('contrasts', 'Pairwise differences', _auto_table(data.contrasts, data.alpha)),
            ('models', 'Omnibus tests', _auto_table(data.models, data.alpha)),
            ('correlations', 'Correlations', _auto_table(data.correlations, data.alpha)),
        ],
        'settings': flatten(data.settings),
        'sections': [
            ('findings', 'Findings'),
            ('people', 'Participants'),
            *((part['anchor'], _capital(part['name'])) for part in measures),
            *((part['anchor'], part['score']) for part in scores),
            ('quality', 'Quality'),
            ('tables', 'Tables'),
            ('methods', 'Methods'),
        ],
    }


def quality_table(path: str | Path) -> Table | None:
    """Quality of every run, what stands apart marked and on top; None where nothing is known."""
    table = read_table(path, text=('flags',), needs=('participant_id', 'flags'))
    if table.empty:
        return None
    table = table.assign(flagged=table['flags'].notna()).sort_values(
        'flagged', ascending=False, kind='stable'
    )
    named = [c for c in ('session_id', 'run_id') if table[c].notna().any()]
    columns = {'participant_id': Column('participant'), **{c: Column(readable(c)) for c in named}}
    columns['flags'] = Column('stands apart by', 'modified z in brackets')
    for name, measure in quality_measures().items():
        unit = f' ({measure["Units"]})' if 'Units' in measure else ''
        if name in table and table[name].notna().any():
            columns[name] = Column(measure['title'] + unit, measure['Description'], significant(3))
    return make_table(
        table,
        columns,
        row_class=lambda row: 'flagged' if row['flagged'] else '',
    )


def describe(measure: str) -> tuple[str, str, str, str]:
    """Name, unit and words for more and less of any measure, known or not."""
    return MEASURES.get(measure, (readable(measure), '', 'higher', 'lower'))


def _count(data: GroupData, group: str) -> int:
    return int((data.people[data.group_column] == group).sum())


def overview(data: GroupData) -> list[tuple[str, str]]:
    """The big numbers at the top."""
    both = _both(data.contrasts)
    hits = both[both['p_adjusted'] < data.alpha]
    return [
        ('participants compared', str(len(data.people))),
        ('groups', str(len(data.groups))),
        ('left out', str(len(data.exclusions))),
        ('differences tested', str(len(both))),
        ('significant after adjustment', str(len(hits))),
    ]


def _both(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of left and right together."""
    return frame[frame['hemisphere'] == 'both'] if 'hemisphere' in frame else frame


def sides(contrast: str, groups: Sequence[str]) -> tuple[str, str] | None:
    """The two groups that a contrast's name compares; None where it cannot be told.

    Examples
    --------
    >>> sides('NMO - HC', ['HC', 'NMO'])
    ('NMO', 'HC')
    """
    for first in groups:
        for second in groups:
            if any(contrast == f'{first}{s}{second}' for s in _SEPARATORS):
                return first, second
    return None


def findings(data: GroupData) -> list[tuple[str, str]]:
    """A sentence and its numbers per significant difference, both sides together."""
    rows = [row for measure in data.measures for row in _in_order(data, measure)]
    hits = [row for row in rows if row['p_adjusted'] < data.alpha]
    return [_difference(row, data.groups) for row in hits]


def _difference(row: Mapping[Any, Any], groups: Sequence[str]) -> tuple[str, str]:
    name, unit, more, less = describe(row['measure'])
    pair = sides(str(row['contrast']), groups)
    place = f'{_capital(name)} of the {readable(row["region"])}'
    estimate, ends = row['estimate'], sorted((row['ci_low'], row['ci_high']))
    if pair is not None and estimate < 0:
        ends = sorted((-ends[0], -ends[1]))
    shown, low, high = together(estimate if pair is None else abs(estimate), *ends)
    shown = f'{shown} {unit}'.strip()
    if pair is None:
        lead = f'{place}, {row["contrast"]}: {shown}.'
    else:
        word = more if estimate > 0 else less
        lead = f'{place} was {word} in {pair[0]} than in {pair[1]}, by {shown}.'
    details = [f'95 % CI {low} to {high}', f'adjusted p {_equals(row["p_adjusted"])}']
    if pd.notna(row.get('effect_size')):
        details.append(f'effect size {fixed(2)(abs(row["effect_size"]))}')
    if pd.notna(row.get('n_a')) and pd.notna(row.get('n_b')):
        details.append(f'n = {row["n_a"]:.0f} and {row["n_b"]:.0f}')
    return lead, '; '.join(details)


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _equals(p: float) -> str:
    text = p_value(p)
    sign, text = ('<', text[1:]) if text.startswith('<') else ('=', text)
    return f'{sign}\u00a0{text}'


def relations(data: GroupData) -> list[tuple[str, str]]:
    """A sentence and its numbers per significant correlation, both sides together."""
    both = _both(data.correlations)
    p_name = 'p_adjusted' if 'p_adjusted' in both else 'p'
    if p_name not in both or 'score' not in both:
        return []
    hits = both[both[p_name] < data.alpha].sort_values(p_name, kind='stable')
    sentences = []
    for row in hits.to_dict('records'):
        name, _, more, less = describe(row['measure'])
        rho = _rho(row)
        adjusted = 'adjusted ' if p_name == 'p_adjusted' else ''
        lead = (
            f'In {row["group"]}, a higher {_score_name(row["score"])} went with '
            f'{more if rho > 0 else less} {name} of the {readable(row["region"])}.'
        )
        details = [f'ρ = {fixed(2)(rho)}', f'{adjusted}p {_equals(row[p_name])}']
        if pd.notna(row.get('n')):
            details.append(f'n = {row["n"]:.0f}')
        sentences.append((lead, '; '.join(details)))
    return sentences


def _rho(row: Mapping[Any, Any]) -> float:
    return float(next((row[k] for k in ('rho', 'r', 'estimate') if k in row), np.nan))


def _score_name(score: str) -> str:
    return 'EDSS' if str(score).lower() == 'edss' else readable(score)


def people_table(data: GroupData) -> Table:
    """Who was compared: size, covariates and scores of each group."""
    wanted = [*(data.settings.get('covariates') or ('age', 'sex')),
              *(data.settings.get('scores') or ('edss',)), 'disease_duration']  # fmt: skip
    names = [n for n in dict.fromkeys(map(str, wanted)) if n in data.people]
    rows = []
    for group in data.groups:
        members = data.people[data.people[data.group_column] == group]
        row: dict[str, Any] = {'group': group, 'n': len(members)}
        rows.append(row | {name: _summary(members[name]) for name in names})
    columns = {'group': Column('Group'), 'n': Column('n', '', fixed(0))}
    columns |= {name: Column(_score_name(name)) for name in names}
    return make_table(pd.DataFrame(rows, columns=list(columns)), columns)


def _summary(values: pd.Series) -> str | None:
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
    columns = {name: Column(name.replace('_id', '').capitalize()) for name in exclusions.columns}
    return make_table(
        exclusions, columns, cell_class=lambda name, _: 'wrap' if name == 'reason' else ''
    )


def _measure_part(data: GroupData, measure: str, colours: Mapping[str, str]) -> dict[str, Any]:
    """Distributions, forest and effect map of one measure."""
    name, unit, *_ = describe(measure)
    panels = []
    if measure in data.regions:
        both = _both(data.regions)
        for region in data.region_order:
            rows = both[both['region'] == region]
            svg = charts.distribution_chart(
                _samples(data, rows, measure), colours, unit=unit,
                label=f'{name} of the {readable(region)} by group',
            )  # fmt: skip
            panels.append((readable(region).capitalize(), Markup(svg)))
    effects = [_effect(row, data) for row in _in_order(data, measure)]
    label = f'Differences in {name}'
    return {
        'anchor': f'measure-{data.measures.index(measure) + 1}',
        'name': name,
        'title': _capital(name),
        'meaning': _MEANINGS.get(measure, unit),
        'panels': panels,
        'forest': Markup(charts.forest_chart(effects, unit=unit, label=label)),
        'map': Markup(charts.effect_map(effects, label=f'Effect sizes, {name}')),
        'sized': any(np.isfinite(e.effect_size) for e in effects),
        'has_effects': bool(effects),
    }


def _in_order(data: GroupData, measure: str) -> list[Mapping[Any, Any]]:
    both = _both(data.contrasts)
    rows = both[both['measure'] == measure].to_dict('records')
    rank = {region: i for i, region in enumerate(data.region_order)}
    return sorted(rows, key=lambda row: rank.get(row['region'], len(rank)))


def _effect(row: Mapping[Any, Any], data: GroupData) -> charts.Effect:
    estimate, low, high = (float(row[k]) for k in ('estimate', 'ci_low', 'ci_high'))
    adjusted = float(row['p_adjusted'])
    text = 'not tested'
    if np.isfinite(estimate):
        shown = together(estimate, low, high)
        text = f'{shown[0]} [{shown[1]}, {shown[2]}]'
        text += f',  p {_equals(adjusted)}' if np.isfinite(adjusted) else ''
    pair = sides(str(row['contrast']), data.groups)
    contrast = ' − '.join(pair) if pair else str(row['contrast'])
    return charts.Effect(
        readable(row['region']), contrast, estimate, low, high, text,
        bool(adjusted < data.alpha), float(row.get('effect_size', np.nan)),
    )  # fmt: skip


def _samples(
    data: GroupData, rows: pd.DataFrame, measure: str, score: str | None = None
) -> list[charts.Sample]:
    samples = []
    for group in data.groups:
        members = rows[rows[data.group_column] == group]
        x = None
        if score is not None:
            x = pd.to_numeric(members[score], errors='coerce').to_numpy(float)
        values = pd.to_numeric(members[measure], errors='coerce').to_numpy(float)
        samples.append(charts.Sample(group, tuple(_who(members)), values, x))
    return samples


def _who(rows: pd.DataFrame) -> Iterator[str]:
    """Participant with session and run where there are any."""
    known = [c for c in ('participant_id', 'session_id', 'run_id') if c in rows]
    for values in rows[known].itertuples(index=False):
        yield ' '.join(str(v) for v in values if pd.notna(v))


def _score_parts(data: GroupData, colours: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Scatter charts per clinical score and measure."""
    table = _both(data.correlations)
    if 'score' not in table:
        return
    for number, score in enumerate(dict.fromkeys(table['score']), start=1):
        if score not in data.regions:
            continue
        blocks = []
        for measure in dict.fromkeys(table.loc[table['score'] == score, 'measure']):
            rows = table[(table['score'] == score) & (table['measure'] == measure)]
            panels = _scatter_panels(data, colours, score, measure, rows)
            if panels:
                blocks.append((_capital(describe(measure)[0]), panels))
        yield {'anchor': f'score-{number}', 'score': _score_name(score), 'blocks': blocks}


def _scatter_panels(
    data: GroupData, colours: Mapping[str, str], score: str, measure: str, rows: pd.DataFrame
) -> list[tuple[str, Markup]]:
    if measure not in data.regions:
        return []
    name, unit, *_ = describe(measure)
    both = _both(data.regions)
    panels = []
    for region in data.region_order:
        tested = {str(r['group']): r for r in rows[rows['region'] == region].to_dict('records')}
        samples = [
            charts.Sample(s.group, s.people, s.values, s.x, _note(tested[s.group]))
            for s in _samples(data, both[both['region'] == region], measure, score)
            if s.group in tested
        ]
        if samples:
            svg = charts.scatter_chart(
                samples, colours, x_label=_score_name(score), unit=unit,
                label=f'{name} of the {readable(region)} against {_score_name(score)}',
            )  # fmt: skip
            panels.append((readable(region).capitalize(), Markup(svg)))
    return panels


def _note(row: Mapping[Any, Any]) -> str:
    rho = _rho(row)
    if not np.isfinite(rho):
        return 'not tested'
    name = 'p_adjusted' if pd.notna(row.get('p_adjusted')) else 'p'
    text = f'ρ = {fixed(2)(rho)}'
    if pd.notna(row.get(name)):
        text += f', {"adj. " if name == "p_adjusted" else ""}p {_equals(float(row[name]))}'
    return f'{text}, n = {row["n"]:.0f}' if pd.notna(row.get('n')) else text


def _auto_table(frame: pd.DataFrame, alpha: float) -> Table:
    """All columns of a table, formatted by name and type; significant rows are marked."""
    columns = {str(name): _auto_column(str(name), frame[name]) for name in frame.columns}
    shown = frame.assign(measure=[describe(m)[0] for m in frame['measure']])

    def mark(row: Mapping[Any, Any]) -> str:
        p = row.get('p_adjusted', row.get('p'))
        return 'significant' if p is not None and p < alpha else ''

    return make_table(shown, columns, row_class=mark)


def _auto_column(name: str, values: pd.Series) -> Column:
    title = name.replace('_', ' ').replace('ci low', 'CI low').replace('ci high', 'CI high')
    if not pd.api.types.is_numeric_dtype(values):
        return Column(title, words=name in ('region', 'hemisphere', 'score'))
    if name == 'p' or name.startswith('p_') or name.endswith('_p'):
        return Column(title, _HINTS.get(name, ''), p_value)
    if name == 'n' or name.startswith('n_'):
        return Column(title, _HINTS.get(name, ''), fixed(0))
    return Column(title, _HINTS.get(name, ''), significant(4))
