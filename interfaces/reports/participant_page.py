"""What a participant report shows: the page of a visit, section by section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from ...nodes.errors import NigraError
from ..anatomy.atlas import region_table
from ..quality import quality_measures
from ..ratings import RATINGS
from ..tables import read_table, readable
from .cells import Column, Table, counted, fixed, flatten, make_table, percent
from .checks import (
    LOW_COVERAGE,
    Check,
    run_checks,
    verdict,
    warnings_check,
)
from .map_pictures import run_pictures
from .persons import empty_place
from .pictures import Picture, anatomy_pictures
from .profiles import region_profile

REASONS = ('movement', 'signal lost', 'phase', 'registration', 'labels', 'brain mask', 'lesion',
           'other')  # fmt: skip
"""Why a visit may be rated so, in a word."""
RUN_MAPS = ('qsm_mask', 'totalfield', 'localfield', 'chimap', 'r2star', 'paramagnetic',
            'diamagnetic')  # fmt: skip
"""Results of the reconstruction that a run gives the page."""
RUN_FILES = ('magnitude', 't1w_in_gre', *RUN_MAPS, 'reference_region', 'dseg', 'regions_tsv',
             'atlas_labels', 'atlas_tables')  # fmt: skip
"""All files that a run gives the page; lists of them for the atlases of the user."""
RUN_WARNINGS = ('load_warnings', 'field_warnings', 'registration_warnings', 'scan_warnings')
"""Lists of sentences that a run gives the page, in the order in which it shows them."""
RUN_FACTS = ('parameters', 'quality', 'entities', 'facts')
"""Mappings that a run gives the page."""


@dataclass(frozen=True)
class Run:
    """A gradient-echo run as the page shows it."""

    anchor: str
    title: str
    facts: list[tuple[str, str]]
    answers: list[tuple[str, str, str]]
    quality: list[tuple[str, str, str]]
    checks: list[Check]
    warnings: list[str]
    figures: list[Picture]
    no_decay: str
    profile: Markup
    table: Table
    parameters: list[tuple[str, str]]


def participant_context(
    *,
    participant_id: str,
    t1w: str,
    t1w_brain_mask: str,
    template_in_t1w: str,
    labels_in_t1w: str | None,
    runs: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
    methods_html: str,
    versions: Mapping[str, str],
    names: Mapping[int, str] | None,
) -> dict[str, Any]:
    """Everything the template shows; parameters as in `report.render_participant`."""
    names = region_names() if names is None else names
    titles = run_titles(runs, participant_id)
    shown = [
        run_page(run, number, names, title=title)
        for number, (run, title) in enumerate(zip(runs, titles, strict=True), start=1)
    ]
    of_visit = warnings_check('Warnings on the visit', warnings)
    every = [*of_visit, *(check for run in shown for check in run.checks)]
    return {
        'participant_id': participant_id,
        'person': empty_place(),
        'chips': _chips(runs),
        'verdict': verdict(every),
        'checks': every if len(shown) < 2 else [*of_visit, *map(_run_summary, shown)],
        'warnings': list(warnings),
        'anatomy': anatomy_pictures(t1w, t1w_brain_mask, template_in_t1w, labels_in_t1w, names),
        'runs': shown,
        'low_coverage': percent(LOW_COVERAGE),
        'methods': Markup(methods_html),
        'ratings': RATINGS.items(),
        'reasons': REASONS,
        'versions': sorted(versions.items()),
        'sections': [
            ('summary', 'At a glance'),
            *((run.anchor, run.title) for run in shown),
            ('anatomy', 'Anatomy'),
            ('rating', 'Your rating'),
            ('methods', 'Methods'),
            ('versions', 'Versions'),
        ],
        'ways': ways(participant_id),
        'beside': _beside(participant_id),
    }


def ways(visit: str) -> list[tuple[str, str]]:
    """Links from a visit's page to others.

    Pages are made side by side and know neither their neighbours nor whether there is a viewer:
    the index, which knows all, leads on.
    """
    at = quote(visit)
    return [
        ('index.html', 'All participants'),
        ('index.html#group', 'Groups'),
        (f'index.html#before={at}', '← previous'),
        (f'index.html#after={at}', 'next →'),
        (f'index.html#view={at}', 'Viewer'),
        (_beside(visit), 'Beside others'),
    ]


def _beside(visit: str) -> str:
    """Link to the page of one person beside the others."""
    return f'index.html#beside={quote(visit)}'


def _run_summary(run: Run) -> Check:
    """The verdict on a run of several; its section shows its own checks."""
    worst = verdict(run.checks)
    return Check(worst.status, run.title, worst.text)


def _chips(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many runs there are, at what field and with how many echoes."""
    chips = [counted(len(runs), 'gradient-echo run')]
    for run in runs:
        facts = run.get('facts') or {}
        if 'MagneticFieldStrength' in facts:
            chips.append(_tesla(facts['MagneticFieldStrength']))
        if 'EchoTimes' in facts:
            chips.append(counted(len(facts['EchoTimes']), 'echo', 'echoes'))
    return list(dict.fromkeys(chips))


def region_names() -> dict[int, str]:
    """Region of each label of the built-in atlas; parts go by the name of their whole."""
    return {
        int(row.value): str(row.whole if row.part and not pd.isna(row.whole) else row.region)
        for row in region_table().rename(columns={'index': 'value'}).itertuples()
    }


def run_titles(runs: Sequence[Mapping[str, Any]], participant_id: str) -> list[str]:
    """Headings of the runs: what tells them apart from each other on this page.

    Examples
    --------
    >>> run_titles([{'entities': {'prefix': f'sub-01_run-{i}'}} for i in (1, 2)], 'sub-01')
    ['Gradient echo run-1', 'Gradient echo run-2']
    """
    if len(runs) == 1:
        return ['Map and values']
    names = [str((run.get('entities') or {}).get('prefix') or '') for run in runs]
    own = [name.removeprefix(participant_id).strip('_') for name in names]
    return [f'Gradient echo {n or i}' for i, n in enumerate(own, start=1)]


def run_page(run: Mapping[str, Any], number: int, names: Mapping[int, str], *, title: str) -> Run:
    """Everything that is shown of one gradient-echo run.

    Parameters
    ----------
    run
        Files and facts, see `report.render_participant`.
    number
        Of the run on the page, from 1.
    names
        Region of each label.
    title
        Of its section.

    Raises
    ------
    NigraError
        The run has an entry that the page does not know, which would not be shown.
    """
    unknown = set(run) - {*RUN_FILES, *RUN_WARNINGS, *RUN_FACTS}
    if unknown:
        raise NigraError(f'the participant page does not show {", ".join(sorted(unknown))}')
    regions = read_table(run['regions_tsv'])
    warnings, quality = run_warnings(run), run.get('quality') or {}
    return Run(
        anchor=f'run-{number}',
        title=title,
        facts=fact_pairs(run.get('facts') or {}),
        answers=quality_answers(quality),
        quality=quality_pairs({k: v for k, v in quality.items() if not _asks(k)}),
        checks=run_checks(regions, warnings, quality),
        warnings=warnings,
        figures=run_pictures(run, names),
        no_decay=_why_no_decay(run),
        profile=Markup(region_profile(regions[regions.region != 'brain'])),
        table=region_rows(regions),
        parameters=flatten(run.get('parameters') or {}),
    )


def _why_no_decay(run: Mapping[str, Any]) -> str:
    """Why there is no map of R2*, where it would stand; empty where there is one."""
    times = (run.get('facts') or {}).get('EchoTimes', ())
    if run.get('r2star') or len(times) != 1:
        return ''
    return (
        'Not measured: R2* is the rate at which the signal decays from one echo to the next, '
        f'and this run has one echo, at {1e3 * times[0]:g} ms.'
    )


def run_warnings(run: Mapping[str, Any]) -> list[str]:
    """All warnings of a run, each sentence once."""
    found = (str(text) for name in RUN_WARNINGS for text in run.get(name) or ())
    return list(dict.fromkeys(found))


def fact_pairs(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Acquisition of a run as name and text.

    Parameters
    ----------
    facts
        As `sidecars.scan_facts` gives them.
    """
    known = {
        'MagneticFieldStrength': ('Field strength', _tesla),
        'EchoTimes': ('Echo times', lambda v: ', '.join(f'{1e3 * t:g}' for t in v) + ' ms'),
        'VoxelSize': ('Voxel size', lambda v: ' × '.join(f'{s:.3g}' for s in v) + ' mm'),
        'B0Direction': (
            'B0 direction, voxel axes',
            lambda v: ', '.join(fixed(3)(float(c)) for c in v),
        ),
        'Shape': ('Matrix', lambda v: ' × '.join(str(n) for n in v)),
    }
    pairs = [(name, show(facts[key])) for key, (name, show) in known.items() if key in facts]
    return pairs + flatten({k: v for k, v in facts.items() if k not in known})


def quality_pairs(quality: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Quality of a run as name, text and what the name means.

    Parameters
    ----------
    quality
        Measures of `quality.quality_measures`, by name.
    """
    return [_measured(key, value) for key, value in flatten(quality)]


def quality_answers(quality: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The few measures that answer a question which everybody has, as question, answer, meaning.

    Parameters
    ----------
    quality
        As in `quality_pairs`.
    """
    told = []
    for name in filter(_asks, quality_measures()):
        if quality.get(name) is not None:
            title, text, meaning = _measured(*flatten({name: quality[name]})[0])
            told.append((_asks(name), f'{title}: {text}', meaning))
    return told


def _asks(name: str) -> str:
    """The question that a measure answers; empty where it is one for those who look closer."""
    return quality_measures().get(name, {}).get('asks', '')


def _tesla(value: Any) -> str:
    return f'{float(value):g} T'


def _measured(name: str, value: str) -> tuple[str, str, str]:
    """A measure of quality with its title, unit and meaning, where it is a known one."""
    measure = quality_measures().get(name, {})
    title = measure.get('title') or readable(name)
    first, *_ = title.split(' ')
    # Abbreviations such as SNR keep their spelling.
    title = title[:1].upper() + title[1:] if first.islower() else title
    unit = measure.get('Units', '')
    shown = f'{value}°' if unit == 'degree' else f'{value} {unit}'.strip()
    return title, shown, measure.get('Description', '')


def region_rows(regions: pd.DataFrame) -> Table:
    """The region table; rows of nuclei with a low coverage are marked."""
    columns = {
        'region': Column('Region', words=True),
        'hemisphere': Column('Side', words=True),
        'chi_mean': Column('Susceptibility, ppb', 'mean over the voxels', fixed(1)),
        'volume_ml': Column('Volume, mL', 'of the whole nucleus on the T1w image', fixed(2)),
        'of_brain': Column('% of brain', 'volume over that of the whole brain', fixed(3)),
        'coverage': Column('Covered, %', 'part of the label inside the QSM mask', percent),
        'reason': Column('Why n/a', 'why a region has no value'),
        'n_voxels': Column('Voxels', 'voxels inside the QSM mask', fixed(0)),
        'volume_mm3': Column('Volume, mm³', 'of the whole nucleus on the T1w image', fixed(0)),
        'chi_median': Column('Median, ppb', 'median susceptibility', fixed(1)),
        'chi_sd': Column(
            'SD, ppb', 'standard deviation of the susceptibility over voxels', fixed(1)
        ),
        'r2star_mean': Column('R2*, 1/s', 'mean; several echoes only', fixed(1)),
        'iron_mean': Column('Iron, mg/kg', 'above the reference; iron-rich nuclei only', fixed(0)),
    }
    if 'r2star_mean' in regions and regions['r2star_mean'].isna().all():
        del columns['r2star_mean']

    told = 'reason' in regions and bool(regions['reason'].notna().any())
    if not told:
        del columns['reason']

    def mark(row: Mapping[Any, Any]) -> str:
        coverage = row.get('coverage')
        low = coverage is not None and coverage < LOW_COVERAGE
        return ' '.join(['together'] * (row['hemisphere'] == 'both') + ['low'] * low)

    brain = regions.loc[regions['region'] == 'brain', 'volume_mm3']
    volume = regions['volume_mm3']
    shown = regions.assign(
        volume_ml=volume / 1000, of_brain=100 * volume / brain.iloc[0] if len(brain) else None
    )
    if told:
        shown['reason'] = shown['reason'].fillna('')
    return make_table(
        shown, columns, row_class=mark, lead=6 + told,
        cell_class=lambda name, _: 'wrap' if name == 'reason' else '',
    )  # fmt: skip
