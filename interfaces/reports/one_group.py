"""Charts and sentences of what one group shows: means, and regressions on covariates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ..tables import readable
from . import charts
from .cells import fixed, together
from .colours import group_colours
from .group_data import GroupData, both_sides, capital, measure_words
from .group_sentences import Finding, equals


def means_chart(data: GroupData, measure: str) -> Markup:
    """Adjusted means with their intervals, region by region; nothing where there are none."""
    both = both_sides(data['means'])
    effects = []
    for row in both[both['measure'] == measure].to_dict('records'):
        mean, low, high = (float(row[k]) for k in ('adjusted_mean', 'ci_low', 'ci_high'))
        shown = together(mean, low, high)
        effects.append(charts.Effect(
            readable(row['region']), str(row['group']), mean, low, high,
            f'{shown[0]} [{shown[1]}, {shown[2]}]', False,
        ))  # fmt: skip
    known = measure_words(measure)
    label = f'Means of {known.title}'
    colours = group_colours(data.groups)
    return _chart(effects, unit=known.page_unit, label=label, what='mean', colours=colours)


def covariate_charts(data: GroupData, measure: str) -> list[tuple[str, Markup]]:
    """Slopes with their intervals, one chart for each covariate or level of one."""
    both = both_sides(data['covariates'])
    known = measure_words(measure)
    found = []
    slopes = both[(both['measure'] == measure) & both['slope'].notna()]
    for (_, level), rows in slopes.groupby(['covariate', 'level'], sort=False, dropna=False):
        effects = [_slope(row, data.alpha) for row in rows.to_dict('records')]
        name = effects[0].contrast
        what = 'difference' if pd.notna(level) else 'change per unit'
        label = f'Regression of {known.title} on {name}'
        found.append((name, _chart(effects, unit=known.page_unit, label=label, what=what)))
    return found


def regression_findings(data: GroupData) -> list[Finding]:
    """A sentence and its numbers per significant regression, both sides together."""
    both = both_sides(data['covariates'])
    hits = both[(both['p_adjusted'] < data.alpha) & both['slope'].notna()]
    sentences = []
    for row in hits.sort_values('p_adjusted', kind='stable').to_dict('records'):
        known, slope = measure_words(row['measure']), float(row['slope'])
        turned = -1 if slope < 0 else 1
        ends = sorted((turned * row['ci_low'], turned * row['ci_high']))
        shown, low, high = together(abs(slope), *ends)
        direction = known.more if turned > 0 else known.less
        what = f'{capital(known.title)} of the {readable(row["region"])} was {direction}'
        lead = f'{what} with higher {_covariate_name(row)}, by {shown} {known.page_unit} per unit.'
        if pd.notna(row['level']):
            lead = f'{what} ({_covariate_name(row)}), by {shown} {known.page_unit}.'
        details = f'95 % CI {low} to {high}; adjusted p {equals(row["p_adjusted"])}'
        if pd.notna(row.get('r_partial')):
            details += f'; partial r = {fixed(2)(row["r_partial"])}'
        sentences.append(Finding(lead, f'{details}; n = {row["n"]:.0f}'))
    return sentences


def overview_of_one(data: GroupData) -> list[tuple[str, str]]:
    """The big numbers at the top."""
    tests = pd.concat(
        [both_sides(data[name])['p_adjusted'] for name in ('covariates', 'correlations')]
    ).dropna()
    return [
        ('participants', str(len(data.compared))),
        ('people left out', str(len(data['exclusions']))),
        ('regressions and correlations', str(len(tests))),
        ('significant after adjustment', str(int((tests < data.alpha).sum()))),
    ]


def _covariate_name(row: Mapping[Any, Any]) -> str:
    """A covariate as people write it, with its level and a minus sign."""
    level = f' {row["level"]}'.replace(' - ', ' − ') if pd.notna(row['level']) else ''
    return f'{readable(row["covariate"])}{level}'


def _slope(row: Mapping[Any, Any], alpha: float) -> charts.Effect:
    slope, low, high = (float(row[k]) for k in ('slope', 'ci_low', 'ci_high'))
    adjusted = float(row['p_adjusted'])
    shown = together(slope, low, high)
    text = f'{shown[0]} [{shown[1]}, {shown[2]}]'
    text += f',  p {equals(adjusted)}' if np.isfinite(adjusted) else ''
    return charts.Effect(
        readable(row['region']), _covariate_name(row), slope, low, high, text,
        bool(adjusted < alpha),
    )  # fmt: skip


def _chart(effects: list[charts.Effect], **more: Any) -> Markup:
    """A forest chart; nothing where there is nothing to show."""
    if not effects:
        return Markup()
    return Markup(charts.forest_chart(effects, **more))
