"""What a participant report shows: pictures, checks and tables of a visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from ...nodes.grid import hz_per_ppm
from ..anatomy.atlas import region_table
from ..quality import quality_measures
from ..tables import read_table, readable
from . import figures as fig
from .cells import Column, Table, fixed, flatten, make_table
from .charts import region_profile
from .outlines import label_outlines, merge_labels, tissue_outlines

CHI_LIMIT = 0.15
"""Ends of the grey scale of susceptibility maps, ppm: the same for everybody."""
_LOW_COVERAGE, _NO_COVERAGE = 0.9, 0.5
_ASYMMETRY = 0.25
_BRAIN_ML = (800.0, 2200.0)


@dataclass(frozen=True)
class Picture:
    """A drawing with its controls.

    Attributes
    ----------
    title, caption
        Text around it.
    svg
        The drawing.
    legend
        Names and colours.
    fade
        Names of the two images between which the reader can fade.
    outlined
        Whether there are outlines to switch off.
    """

    title: str
    caption: str
    svg: Markup
    legend: tuple[tuple[str, str], ...] = ()
    fade: tuple[str, str] | None = None
    outlined: bool = False
    anchor: str = ''


@dataclass(frozen=True)
class Check:
    """One light of the summary: `good`, `note` or `bad`."""

    status: str
    title: str
    text: str


@dataclass(frozen=True)
class Run:
    """A gradient-echo run as the page shows it."""

    anchor: str
    title: str
    facts: list[tuple[str, str]]
    checks: list[Check]
    warnings: list[str]
    figures: list[Picture]
    profile: Markup
    table: Table
    parameters: list[tuple[str, str]]


def region_names() -> dict[int, str]:
    """Region of each label of the built-in atlas; parts go by the name of their whole."""
    return {
        int(row.value): str(row.whole if row.part and not pd.isna(row.whole) else row.region)
        for row in region_table().rename(columns={'index': 'value'}).itertuples()
    }


def anatomy_pictures(
    t1w: str,
    brain_mask: str,
    template_in_t1w: str,
    labels_in_t1w: str | None,
    names: Mapping[int, str],
) -> list[Picture]:
    """Brain mask, template alignment and, where there are labels, the nuclei on the T1w image."""
    image = fig.load_volume(t1w)
    mask = fig.load_volume(brain_mask).data > 0
    base = fig.grey_layer(image.data, within=mask)
    head = fig.outline_box(mask, image.zooms, 18)
    rows = [fig.even_slices(mask, axis, 7) for axis in (2, 1, 0)]
    pictures = [
        Picture(
            'Brain mask',
            'Outline of the brain mask on the T1w image, corrected for intensity bias.',
            Markup(
                fig.draw_slices(
                    [base], rows, image, label='Brain mask on T1w', box=head,
                    outlines=[fig.Outline(mask, '#F0E442', 'brain mask')],
                )
            ),
            outlined=True,
        ),
        _template_picture(image, base, mask, template_in_t1w),
    ]  # fmt: skip
    if labels_in_t1w:
        labels = fig.load_volume(labels_in_t1w).data
        pictures.append(
            _label_picture(
                image, base, labels, names, 'Deep grey nuclei on the T1w image',
                'Labels carried from the template, as outlines at T1w resolution.',
            )
        )  # fmt: skip
    return pictures


def _template_picture(
    image: fig.Volume, base: fig.Layer, mask: NDArray[np.bool_], path: str
) -> Picture:
    template = fig.load_volume(path)
    over = fig.grey_layer(template.data, name='over')
    box = fig.outline_box(mask, image.zooms, 6)
    edges = tissue_outlines(template.data, template.data > 0)
    svg = fig.draw_slices(
        [base, over],
        fig.overview(mask),
        image,
        label='Template edges on T1w',
        outlines=edges,
        box=box,
    )
    return Picture(
        'T1w to template',
        'Edges of the template, carried into this participant’s T1w image: outer border of grey '
        'matter (yellow) and border between grey and white matter (orange). Fade or flicker '
        'between T1w image and template; nothing should jump.',
        Markup(svg),
        fade=('T1w', 'template'),
        outlined=True,
    )


def _label_picture(
    image: fig.Volume,
    base: fig.Layer,
    labels: NDArray[Any],
    names: Mapping[int, str],
    title: str,
    caption: str,
    bar: fig.ColourBar | None = None,
) -> Picture:
    merged, regions = merge_labels(labels, names)
    outlines = label_outlines(merged, regions)
    box = fig.outline_box(merged > 0, image.zooms, 12)
    gap = [round(5 / z) for z in image.zooms]
    rows = [
        fig.covering_slices(merged, 2, 5, gap[2]),
        fig.covering_slices(merged, 1, 3, gap[1]) + fig.covering_slices(merged, 0, 2, gap[0]),
    ]
    svg = fig.draw_slices([base], rows, image, label=title, outlines=outlines, box=box, bar=bar)
    legend = tuple((o.label, o.colour) for o in outlines)
    return Picture(title, caption, Markup(svg), legend, outlined=True)


def run_titles(runs: Sequence[Mapping[str, Any]], participant_id: str) -> list[str]:
    """Headings of the runs: what tells them apart from each other on this page.

    Examples
    --------
    >>> run_titles([{'entities': {'prefix': f'sub-01_run-{i}'}} for i in (1, 2)], 'sub-01')
    ['Gradient echo run-1', 'Gradient echo run-2']
    """
    if len(runs) == 1:
        return ['Gradient echo']
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
    """
    regions = read_table(run['regions_tsv'])
    warnings = run_warnings(run)
    return Run(
        anchor=f'run-{number}',
        title=title,
        facts=scan_facts(run.get('facts') or {}, run.get('quality') or {}),
        checks=region_checks(regions, warnings),
        warnings=warnings,
        figures=run_pictures(run, names),
        profile=Markup(region_profile(regions[regions.region != 'brain'])),
        table=region_rows(regions),
        parameters=flatten(run.get('parameters') or {}),
    )


def run_warnings(run: Mapping[str, Any]) -> list[str]:
    """All warnings of a run: every entry whose name ends in `warnings`, each sentence once."""
    found: list[str] = []
    for name, value in run.items():
        if name.endswith('warnings') and value:
            found += [str(v) for v in value]
    return list(dict.fromkeys(found))


def scan_facts(facts: Mapping[str, Any], quality: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Acquisition and registration quality as pairs of name and text."""
    known = {
        'MagneticFieldStrength': ('Field strength', lambda v: f'{float(v):g} T'),
        'EchoTimes': ('Echo times', lambda v: ', '.join(f'{1e3 * t:g}' for t in v) + ' ms'),
        'VoxelSize': ('Voxel size', lambda v: ' × '.join(f'{s:.3g}' for s in v) + ' mm'),
        'B0Direction': (
            'B0 direction, voxel axes',
            lambda v: ', '.join(fixed(3)(float(c)) for c in v),
        ),
        'Shape': ('Matrix', lambda v: ' × '.join(str(n) for n in v)),
    }
    pairs = [(name, show(facts[key])) for key, (name, show) in known.items() if key in facts]
    pairs += flatten({k: v for k, v in facts.items() if k not in known})
    return pairs + [_measured(key, value) for key, value in flatten(quality)]


def _measured(name: str, value: str) -> tuple[str, str]:
    """A measure of quality with its title and unit, where it is a known one."""
    measure = quality_measures().get(name, {})
    title = measure.get('title') or readable(name)
    return title[:1].upper() + title[1:], f'{value} {measure.get("Units", "")}'.strip()


def run_pictures(run: Mapping[str, Any], names: Mapping[int, str]) -> list[Picture]:
    """Alignment, labels, maps and fields of a run."""
    chi = fig.load_volume(run['chimap'])
    mask = fig.load_volume(run['qsm_mask']).data > 0
    box = fig.outline_box(mask, chi.zooms, 6)
    views = fig.overview(mask)
    grey = fig.palette('gray')
    layer = fig.Layer(fig.to_pixels(chi.data, -CHI_LIMIT, CHI_LIMIT), grey)
    bar = fig.ColourBar(-CHI_LIMIT, CHI_LIMIT, grey, 'ppm')
    pictures = [_alignment_picture(run, chi, mask, box)]
    labels = fig.load_volume(run['dseg']).data
    pictures.append(
        _label_picture(
            chi, layer, labels, names, 'Deep grey nuclei on the susceptibility map',
            'Labels in acquisition space. Iron-rich nuclei are bright; outlines should follow '
            'them.', bar,
        )
    )  # fmt: skip
    shown = fig.Layer(np.where(mask, layer.pixels, 0).astype(np.uint8), grey)
    svg = fig.draw_slices([shown], views, chi, label='Susceptibility', box=box, bar=bar)
    caption = (
        f'Grey from −{CHI_LIMIT:g} to {CHI_LIMIT:g} ppm, the same scale in every report; '
        'bright: paramagnetic. Black: outside the mask on which the map holds.'
    )
    pictures.append(Picture('Susceptibility map', caption, Markup(svg)))
    b0 = (run.get('facts') or {}).get('MagneticFieldStrength')
    for key, title, caption in (
        ('localfield', 'Local field', 'Field of the sources inside the mask.'),
        ('totalfield', 'Total field', 'Field of all sources, before background removal.'),
    ):
        if run.get(key):  # one-step methods know no local field
            pictures.append(_field_picture(run[key], title, caption, mask, box, views, b0))
    if run.get('r2star'):
        pictures.append(_decay_picture(run['r2star'], mask, box, views))
    return pictures


def _alignment_picture(
    run: Mapping[str, Any], chi: fig.Volume, mask: NDArray[np.bool_], box: fig.Box
) -> Picture:
    magnitude = fig.load_volume(run['magnitude'])
    t1w = fig.load_volume(run['t1w_in_gre'])
    layers = [
        fig.grey_layer(magnitude.data, within=mask),
        fig.grey_layer(t1w.data, within=mask, name='over'),
    ]
    svg = fig.draw_slices(
        layers, fig.overview(mask), chi, label='T1w edges on the gradient-echo magnitude', box=box,
        outlines=tissue_outlines(t1w.data, mask, only_within=True),
    )  # fmt: skip
    return Picture(
        'Gradient echo to T1w',
        'Edges of the T1w image on the gradient-echo magnitude. Fade or flicker between the two; '
        'ventricles and cortex should stay in place.',
        Markup(svg),
        fade=('magnitude', 'T1w'),
        outlined=True,
    )


def _field_picture(
    path: str,
    title: str,
    caption: str,
    mask: NDArray[np.bool_],
    box: fig.Box,
    views: list[list[fig.View]],
    b0: float | None,
) -> Picture:
    field = fig.load_volume(path)
    limit = fig.symmetric_limit(field.data[mask])
    colours = fig.palette('RdBu_r')
    second = {'second_unit': 'Hz', 'factor': hz_per_ppm(float(b0))} if b0 else {}
    bar = fig.ColourBar(-limit, limit, colours, 'ppm', **second)  # type: ignore[arg-type]
    layer = fig.Layer(fig.to_pixels(field.data, -limit, limit, mask), colours)
    svg = fig.draw_slices([layer], views, field, label=title, box=box, bar=bar)
    return Picture(title, caption, Markup(svg))


def _decay_picture(
    path: str, mask: NDArray[np.bool_], box: fig.Box, views: list[list[fig.View]]
) -> Picture:
    rate = fig.load_volume(path)
    limit = fig.nice_limit(fig.robust_range(rate.data[mask], 0, 98)[1])
    colours = fig.palette('inferno')
    layer = fig.Layer(fig.to_pixels(rate.data, 0, limit, mask), colours)
    bar = fig.ColourBar(0, limit, colours, '1/s')
    svg = fig.draw_slices([layer], views, rate, label='R2*', box=box, bar=bar)
    return Picture('R2*', 'Effective transverse relaxation rate.', Markup(svg))


def region_rows(regions: pd.DataFrame) -> Table:
    """The region table; rows whose nucleus is not covered well are marked."""
    columns = {
        'region': Column('Region', words=True),
        'hemisphere': Column('Side', words=True),
        'n_voxels': Column('Voxels', 'voxels inside the mask', fixed(0)),
        'volume_mm3': Column('Volume, mm³', 'of the label', fixed(0)),
        'coverage': Column('Covered, %', 'fraction inside the mask', _percent),
        'chi_mean': Column('χ mean, ppb', 'mean susceptibility', fixed(1)),
        'chi_median': Column('χ median, ppb', 'median susceptibility', fixed(1)),
        'chi_sd': Column('χ SD, ppb', 'standard deviation over voxels', fixed(1)),
        'r2star_mean': Column('R2*, 1/s', 'mean; several echoes only', fixed(1)),
        'iron_mean': Column('Iron, mg/kg', 'above the reference; iron-rich nuclei only', fixed(0)),
    }
    if 'r2star_mean' in regions and regions['r2star_mean'].isna().all():
        del columns['r2star_mean']

    def mark(row: Mapping[Any, Any]) -> str:
        coverage = row.get('coverage')
        return '' if coverage is None or coverage >= _LOW_COVERAGE else 'low'

    return make_table(regions, columns, row_class=mark)


def _percent(value: float) -> str:
    return f'{100 * value:.0f}'


def region_checks(regions: pd.DataFrame, warnings: Sequence[str]) -> list[Check]:
    """Lights of a run, from its region table and warnings.

    Parameters
    ----------
    regions
        The region table.
    warnings
        Of the run.
    """
    nuclei = regions[(regions.region != 'brain') & regions.hemisphere.isin(['L', 'R'])]
    count = len(warnings)
    text = f'{count} below' if count else 'none'
    checks = [Check('note' if count else 'good', 'Warnings', text)]
    empty = nuclei[~(nuclei.n_voxels > 0)]
    names = ', '.join(_place(row) for row in empty.itertuples())
    checks.append(
        Check('bad', 'Missing nuclei', names)
        if len(empty)
        else Check('good', 'All nuclei found', f'{len(nuclei)}, left and right')
    )
    checks.append(_coverage_check(nuclei[nuclei.n_voxels > 0]))
    checks += _asymmetry_check(nuclei)
    checks += _brain_check(regions[regions.region == 'brain'])
    checks += _contrast_check(regions[regions.hemisphere == 'both'])
    return checks


def _place(row: Any) -> str:
    return f'{readable(row.region)} {readable(row.hemisphere)}'


def _coverage_check(nuclei: pd.DataFrame) -> Check:
    known = nuclei.dropna(subset=['coverage'])
    if known.empty:
        return Check('bad', 'Coverage', 'unknown')
    worst = known.loc[known.coverage.idxmin()]
    status = 'good' if worst.coverage >= _LOW_COVERAGE else 'note'
    status = 'bad' if worst.coverage < _NO_COVERAGE else status
    text = f'least covered: {_place(worst)}, {100 * worst.coverage:.0f} %'
    return Check(status, 'Nuclei inside the mask', text)


def _asymmetry_check(nuclei: pd.DataFrame) -> list[Check]:
    volumes = nuclei.pivot_table(index='region', columns='hemisphere', values='volume_mm3')
    if not {'L', 'R'} <= set(volumes.columns):
        return []
    index = (volumes['L'] - volumes['R']).abs() / volumes.mean(axis=1)
    index = index.dropna()
    if index.empty:
        return []
    worst = str(index.idxmax())
    fraction = float(index.max())
    text = f'largest: {readable(worst)}, {100 * fraction:.0f} % of the mean'
    return [
        Check('note' if fraction > _ASYMMETRY else 'good', 'Left/right volume difference', text)
    ]


def _brain_check(brain: pd.DataFrame) -> list[Check]:
    volumes = brain['volume_mm3'].dropna()
    if volumes.empty:
        return []
    volume = float(volumes.iloc[0]) / 1000
    status = 'good' if _BRAIN_ML[0] <= volume <= _BRAIN_ML[1] else 'note'
    return [Check(status, 'Brain volume', f'{volume:.0f} mL')]


def _contrast_check(both: pd.DataFrame) -> list[Check]:
    means = both.set_index('region')['chi_mean']
    if not {'pallidum', 'thalamus'} <= set(means.dropna().index):
        return []
    difference = float(means['pallidum'] - means['thalamus'])
    place = 'above' if difference > 0 else 'below'
    text = f'pallidum {fixed(0)(abs(difference))} ppb {place} thalamus'
    if difference > 0:
        return [Check('good', 'Iron contrast', text)]
    return [Check('bad', 'Iron contrast', f'{text}: is the sign of the phase inverted?')]


def summaries(runs: Sequence[Run], warnings: Sequence[str]) -> list[Check]:
    """One light per run where a page has several; each run shows its own lights below."""
    lights = []
    if warnings:
        lights.append(Check('note', 'Warnings on the visit', f'{len(warnings)} below'))
    for run in runs:
        worst = verdict(run.checks)
        lights.append(Check(worst.status, run.title, worst.text[2:]))
    return lights


def verdict(checks: Sequence[Check]) -> Check:
    """The worst light, in words."""
    count = {s: sum(c.status == s for c in checks) for s in ('bad', 'note')}
    if count['bad']:
        plural = 's' if count['bad'] > 1 else ''
        return Check('bad', '', f'✕ {count["bad"]} problem{plural}')
    if count['note']:
        plural = 's' if count['note'] > 1 else ''
        return Check('note', '', f'▲ {count["note"]} thing{plural} to look at')
    return Check('good', '', '✓ nothing to remark')
