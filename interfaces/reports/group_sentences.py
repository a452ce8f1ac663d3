"""The findings of the group level as sentences, each with its numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from ...nodes.statistics.group_models import CHECKS
from ...nodes.statistics.hemispheres import GROUP_BY_SIDE, SIDE
from ..anatomy.atlas import region_table
from ..tables import readable
from .cells import counted, fixed, p_value, significant, together
from .group_data import GroupData, both_sides, capital, measure_words, score_name
from .references import join_words

FEW = 10
"""With fewer people in a group its differences and effect sizes are not to be relied on: by eye,
as the 95 % interval of an effect of two groups of nine is nearly two standard deviations wide."""
LEAST_DF = 10
"""With fewer degrees of freedom no further covariate is told of: the model would fit by chance."""


class Finding(NamedTuple):
    """One effect.

    Attributes
    ----------
    lead, details
        A sentence, and its numbers.
    parts
        The same of the parts of its region, which are no effects of their own.
    anchor
        Of the chart of everybody's values, on the same page; empty where there is none.
    contrast
        Who is compared with whom; empty where nobody is.
    within
        Names of the parts in words; empty where there are none.
    """

    lead: str
    details: str
    parts: Sequence[tuple[str, str]] = ()
    anchor: str = ''
    contrast: str = ''
    within: str = ''


def what_was_asked(data: GroupData) -> str:
    """The question of the page in a sentence."""
    measures = join_words([measure_words(m).title for m in data.measures] or ['what is measured'])
    where = counted(len(data.region_order), 'region')
    names = [readable(name) for name in data.covariates]
    more = f', adjusted for {join_words(names)}' if names else ''
    if not data.is_compared:
        return f'How do {measures} of {where} vary within {data.groups[0]}{more}?'
    return f'Do {join_words(data.groups)} differ in {measures} of {where}{more}?'


def caution(data: GroupData) -> str:
    """What to say first of groups of very few people; empty where they are large enough."""
    counts = [int((data.compared[data.group_column] == g).sum()) for g in data.groups]
    if not counts or min(counts) >= FEW:
        return ''
    sizes = join_words([f'{n} in {g}' for g, n in zip(data.groups, counts, strict=True)])
    return (
        f'Few people: {sizes}. With fewer than ten in a group one person more or less can turn a '
        'result, large effects arise by chance, and true ones are missed. Take what follows as a '
        'trial of the method or a first hint, and not as a finding.'
    )


def overview(data: GroupData) -> list[tuple[str, str]]:
    """The big numbers at the top."""
    both = both_sides(data['contrasts'])
    return [
        ('participants compared', str(len(data.compared))),
        ('groups', str(data.compared[data.group_column].nunique())),
        ('people left out', str(len(data['exclusions']))),
        ('differences tested', str(int(both['p_adjusted'].notna().sum()))),
        ('significant after adjustment', str(int((both['p_adjusted'] < data.alpha).sum()))),
        ('findings: a nucleus and its parts count once', str(len(findings(data)))),
    ]


def findings(data: GroupData) -> list[Finding]:
    """A sentence and its numbers per significant difference, both sides together.

    They stand in the order of the contrasts, which is that of tables and charts. A region whose
    whole differs in the same way is told below the whole.
    """
    rows = [row for measure in data.measures for row in data.in_order(measure)]
    order = list(dict.fromkeys(map(difference_name, rows)))
    rows.sort(key=lambda row: order.index(difference_name(row)))
    hits = [row for row in rows if row['p_adjusted'] < data.alpha]
    failed = {
        (m['measure'], m['region']): str(m['failed_checks']).split()
        for m in both_sides(data['models']).to_dict('records')
        if pd.notna(m.get('failed_checks'))
    }
    told = {
        _key(row): _difference(row, failed.get((row['measure'], row['region']), ()), data)
        for row in hits
    }
    above = {key: (wholes().get(key[0], ''), *key[1:]) for key in told}
    names = {_key(row): _compared(row) for row in hits}
    found = []
    for key, (lead, details) in told.items():
        if above[key] not in told:
            parts = [part for part in told if above[part] == key]
            within = join_words([readable(part[0]) for part in parts]) if parts else ''
            found.append(Finding(lead, details, [told[part] for part in parts],
                                 _chart(data, *key[:2]), names[key], within))  # fmt: skip
    return found


def by_contrast(found: Sequence[Finding], data: GroupData) -> list[tuple[str, list[Finding]]]:
    """Findings below who was compared, those that had none, too; nothing where all had none."""
    if not found or not data.is_compared:
        return [('', list(found))] if found else []
    names = dict.fromkeys(map(_compared, both_sides(data['contrasts']).to_dict('records')))
    return [(name, [f for f in found if f.contrast == name]) for name in names]


def _compared(row: Mapping[Any, Any]) -> str:
    """Who is compared with whom."""
    return f'{row["group_a"]} compared with {row["group_b"]}'


def difference_name(row: Mapping[Any, Any]) -> str:
    """A contrast as people write it, with a minus sign."""
    return f'{row["group_a"]} − {row["group_b"]}'


def what_the_sign_means(data: GroupData, measure: str) -> str:
    """What a difference above zero says, told of the first contrast; empty where there is none."""
    rows = data.in_order(measure)
    if not rows:
        return ''
    first, known = rows[0], measure_words(measure)
    return (
        f'{difference_name(first)} is {first["group_a"]} less {first["group_b"]}: above zero, '
        f'{known.title} is {known.more} in {first["group_a"]}'
    )


def _chart(data: GroupData, region: str, measure: str) -> str:
    """Anchor of the chart of everybody's values; empty where there is none."""
    return data.anchor(measure, region) if region in set(data.values['region']) else ''


def wholes() -> dict[str, str]:
    """The region that each region of the built-in atlas is a part of."""
    table = region_table()
    known = table[table['whole'].notna()]
    return dict(zip(known['region'], known['whole'], strict=True))


def _key(row: Mapping[Any, Any]) -> tuple[str, str, str, bool]:
    """What makes two differences one, but for the region, which comes first."""
    return row['region'], row['measure'], f'{row["group_a"]} {row["group_b"]}', row['estimate'] < 0


def more_findings(data: GroupData) -> list[tuple[str, str]]:
    """Sentences on sides that differ and on covariates that act differently in the groups."""
    sentences = []
    hits = data['sides'][data['sides']['p_adjusted'] < data.alpha].to_dict('records')
    for row in (r for r in hits if r['effect'] == SIDE):
        known = measure_words(row['measure'])
        left = row['estimate'] > 0
        shown = together(abs(row['estimate']), row['ci_low'], row['ci_high'])[0]
        lead = (
            f'{capital(known.title)} of the {readable(row["region"])} was {known.more} on the '
            f'{"left" if left else "right"}, by {shown} {known.page_unit}.'
        )
        sentences.append((lead, f'mixed model; adjusted p {equals(row["p_adjusted"])}'))
    for row in (r for r in hits if r['effect'] == GROUP_BY_SIDE):
        lead = (
            f'The difference between sides in {measure_words(row["measure"]).title} of the '
            f'{readable(row["region"])} was not the same in all groups.'
        )
        sentences.append((lead, f'mixed model; adjusted p {equals(row["p_adjusted"])}'))
    joint = both_sides(data['interactions'])
    for row in joint[joint['p_adjusted'] < data.alpha].to_dict('records'):
        lead = (
            f'{capital(readable(row["covariate"]))} acted differently in the groups on '
            f'{measure_words(row["measure"]).title} of the {readable(row["region"])}.'
        )
        sentences.append((lead, f'interaction; adjusted p {equals(row["p_adjusted"])}'))
    return sentences


def _difference(
    row: Mapping[Any, Any], failed: Collection[str], data: GroupData
) -> tuple[str, str]:
    """A difference told so that it is positive, and its numbers."""
    known = measure_words(row['measure'])
    turned = -1 if row['estimate'] < 0 else 1
    ends = sorted((turned * row['ci_low'], turned * row['ci_high']))
    shown, low, high = together(abs(row['estimate']), *ends)
    lead = (
        f'{capital(known.title)} of the {readable(row["region"])} was '
        f'{known.more if turned > 0 else known.less} in {row["group_a"]} than in '
        f'{row["group_b"]}, by {f"{shown} {known.page_unit}".strip()}.'
    )
    details = [f'95 % CI {low} to {high}', f'adjusted p {equals(row["p_adjusted"])}']
    if pd.notna(row.get('effect_size')):
        details.append(f'effect size {fixed(2)(abs(row["effect_size"]))}{_too_few(row)}')
    if pd.notna(row.get('n_a')) and pd.notna(row.get('n_b')):
        details.append(f'n = {row["n_a"]:.0f} and {row["n_b"]:.0f}')
    if whom := _in_whom(row, turned, data):
        details.append(whom)
    if also := _in_other_units(row, data):
        details.append(also)
    details += _beside(row, known.page_unit, failed, turned)
    return lead, '; '.join(details)


def _in_whom(row: Mapping[Any, Any], turned: int, data: GroupData) -> str:
    """How many people show a difference of means; empty where their values are not known."""
    a, b = (
        data.values_of(row['measure'], row['region'], str(row[side]))
        for side in ('group_a', 'group_b')
    )
    if a.empty or b.empty:
        return ''
    beyond = int((turned * (a - b.median()) > 0).sum())
    where = 'above' if turned > 0 else 'below'
    return f'{beyond} of {len(a)} in {row["group_a"]} {where} the median of {row["group_b"]}'


def _too_few(row: Mapping[Any, Any]) -> str:
    """What no effect size of very few people goes without."""
    known = [row[n] for n in ('n_a', 'n_b') if pd.notna(row.get(n))]
    return ' (too few people)' if known and min(known) < FEW else ''


def _in_other_units(row: Mapping[Any, Any], data: GroupData) -> str:
    """A volume in what people know it by; of susceptibility, which has no zero, nothing."""
    show, measure, amount = significant(2), row['measure'], abs(row['estimate'])
    if measure == 'volume_mm3':
        told = f'{show(amount / 1000)} mL'
    elif measure == 'volume_normalised':
        # a cubic millimetre is a millionth of a litre
        told = f'{show(amount / 1e4)} % of the brain'
    else:
        return ''
    other = data.values_of(measure, row['region'], str(row['group_b']))
    part = 100 * amount / other.mean() if len(other) else 0.0
    more = f', {show(part)} % of the mean of {row["group_b"]}' if part else ''
    return f'a difference of {told}{more}'


def _beside(row: Mapping[Any, Any], unit: str, failed: Collection[str], turned: int) -> list[str]:
    """What is left at equal volume, and what other tests say where a check failed.

    `turned` is -1 where the sentence tells the difference the other way round.
    """
    more = []
    scarce = pd.notna(row.get('df')) and row['df'] < LEAST_DF
    if pd.notna(row.get('p_at_equal_volume')) and not scarce:
        shown = together(turned * row['estimate_at_equal_volume'])[0]
        more.append(f'at equal volume {shown} {unit}, p {equals(row["p_at_equal_volume"])}')
    for check in CHECKS:
        if check.code in failed and pd.notna(row.get(check.instead)):
            more.append(f'{check.words} p {equals(row[check.instead])}')
    return more


def equals(p: float) -> str:
    """P value with its sign, to follow the letter p."""
    text = p_value(p)
    sign, text = ('<', text[1:]) if text.startswith('<') else ('=', text)
    return f'{sign}\u00a0{text}'


def relations(data: GroupData) -> list[tuple[str, str]]:
    """A sentence and its numbers per significant correlation, both sides together."""
    both = both_sides(data['correlations'])
    hits = both[both['p_adjusted'] < data.alpha].sort_values('p_adjusted', kind='stable')
    sentences = []
    for row in hits.to_dict('records'):
        known, rho = measure_words(row['measure']), float(row['rho'])
        lead = (
            f'In {row["group"]}, a higher {score_name(row["score"])} went with '
            f'{known.more if rho > 0 else known.less} {known.title} of the '
            f'{readable(row["region"])}.'
        )
        details = [f'ρ = {fixed(2)(rho)}', f'adjusted p {equals(row["p_adjusted"])}']
        if pd.notna(row.get('n')):
            details.append(f'n = {row["n"]:.0f}')
        sentences.append((lead, '; '.join(details)))
    return sentences
