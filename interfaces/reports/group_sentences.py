"""The findings of the group level as sentences, each with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..tables import readable
from .cells import fixed, p_value, together
from .group_data import GroupData, both_sides, capital, describe, score_name

_SEPARATORS = (' - ', ' − ', '-', ' vs ', ' v ', ' minus ')


def overview(data: GroupData) -> list[tuple[str, str]]:
    """The big numbers at the top."""
    both = both_sides(data.contrasts)
    hits = both[both['p_adjusted'] < data.alpha]
    return [
        ('participants compared', str(len(data.compared))),
        ('groups', str(len(data.groups))),
        ('left out', str(len(data.exclusions))),
        ('differences tested', str(len(both))),
        ('significant after adjustment', str(len(hits))),
    ]


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
    rows = [row for measure in data.measures for row in data.in_order(measure)]
    hits = [row for row in rows if row['p_adjusted'] < data.alpha]
    advice = {
        (m['measure'], m['region']): str(m['advice'])
        for m in both_sides(data.models).to_dict('records')
        if pd.notna(m.get('advice'))
    }
    return [
        _difference(row, data.groups, advice.get((row['measure'], row['region']), ''))
        for row in hits
    ]


def more_findings(data: GroupData) -> list[tuple[str, str]]:
    """Sentences on sides that differ and on covariates that act differently in the groups."""
    sentences = []
    hits = data.sides[data.sides['p_adjusted'] < data.alpha].to_dict('records')
    for row in (r for r in hits if r['effect'] == 'side'):
        name, unit, more, _ = describe(row['measure'])
        left = row['estimate'] > 0
        shown = together(abs(row['estimate']), row['ci_low'], row['ci_high'])[0]
        lead = (
            f'{capital(name)} of the {readable(row["region"])} was {more} on the '
            f'{"left" if left else "right"}, by {shown} {unit}.'
        )
        sentences.append((lead, f'mixed model; adjusted p {equals(row["p_adjusted"])}'))
    for row in (r for r in hits if r['effect'] == 'group x side'):
        lead = (
            f'The difference between sides in {describe(row["measure"])[0]} of the '
            f'{readable(row["region"])} was not the same in all groups.'
        )
        sentences.append((lead, f'mixed model; adjusted p {equals(row["p_adjusted"])}'))
    joint = both_sides(data.interactions)
    for row in joint[joint['p_adjusted'] < data.alpha].to_dict('records'):
        lead = (
            f'{capital(readable(row["covariate"]))} acted differently in the groups on '
            f'{describe(row["measure"])[0]} of the {readable(row["region"])}.'
        )
        sentences.append((lead, f'interaction; adjusted p {equals(row["p_adjusted"])}'))
    return sentences


def _difference(row: Mapping[Any, Any], groups: Sequence[str], advice: str) -> tuple[str, str]:
    name, unit, more, less = describe(row['measure'])
    pair = sides(str(row['contrast']), groups)
    place = f'{capital(name)} of the {readable(row["region"])}'
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
    details = [f'95 % CI {low} to {high}', f'adjusted p {equals(row["p_adjusted"])}']
    if pd.notna(row.get('effect_size')):
        details.append(f'effect size {fixed(2)(abs(row["effect_size"]))}')
    if pd.notna(row.get('n_a')) and pd.notna(row.get('n_b')):
        details.append(f'n = {row["n_a"]:.0f} and {row["n_b"]:.0f}')
    turned = -1 if pair is not None and estimate < 0 else 1
    details += _beside(row, unit, advice, turned)
    return lead, '; '.join(details)


def _beside(row: Mapping[Any, Any], unit: str, advice: str, turned: int) -> list[str]:
    """What is left at equal volume, and what other tests say where a check failed.

    `turned` is -1 where the sentence tells the difference the other way round.
    """
    more = []
    if pd.notna(row.get('p_at_equal_volume')):
        shown = together(turned * row['estimate_at_equal_volume'])[0]
        more.append(f'at equal volume {shown} {unit}, p {equals(row["p_at_equal_volume"])}')
    for word, column, name in (
        ('unequal variances', 'p_hc3', 'allowing for unequal variances'),
        ('not normal', 'p_permutation', 'by permutation'),
    ):
        if word in advice and pd.notna(row.get(column)):
            more.append(f'{name} p {equals(row[column])}')
    return more


def equals(p: float) -> str:
    """P value with its sign, to follow the letter p."""
    text = p_value(p)
    sign, text = ('<', text[1:]) if text.startswith('<') else ('=', text)
    return f'{sign}\u00a0{text}'


def relations(data: GroupData) -> list[tuple[str, str]]:
    """A sentence and its numbers per significant correlation, both sides together."""
    both = both_sides(data.correlations)
    p_name = 'p_adjusted' if 'p_adjusted' in both else 'p'
    if p_name not in both or 'score' not in both:
        return []
    hits = both[both[p_name] < data.alpha].sort_values(p_name, kind='stable')
    sentences = []
    for row in hits.to_dict('records'):
        name, _, more, less = describe(row['measure'])
        rho = rho_of(row)
        adjusted = 'adjusted ' if p_name == 'p_adjusted' else ''
        lead = (
            f'In {row["group"]}, a higher {score_name(row["score"])} went with '
            f'{more if rho > 0 else less} {name} of the {readable(row["region"])}.'
        )
        details = [f'ρ = {fixed(2)(rho)}', f'{adjusted}p {equals(row[p_name])}']
        if pd.notna(row.get('n')):
            details.append(f'n = {row["n"]:.0f}')
        sentences.append((lead, '; '.join(details)))
    return sentences


def rho_of(row: Mapping[Any, Any]) -> float:
    """Correlation of a row, whatever its column is called."""
    return float(next((row[k] for k in ('rho', 'r', 'estimate') if k in row), np.nan))
