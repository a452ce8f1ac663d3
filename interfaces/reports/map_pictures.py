"""Pictures of a run: its alignment, and its maps on scales that show what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ...nodes.grid import hz_per_ppm
from ..names import atlas_of
from ..tables import read_table
from .figures import Outline, draw_slices, png_bytes
from .layers import (
    ColourBar,
    DisplayVolume,
    Layer,
    grey_layer,
    load_volume,
    map_layer,
    robust_range,
    symmetric_limit,
)
from .outlines import tissue_outlines
from .pictures import Frame, Picture, label_picture
from .scales import nice_limit
from .slices import covering_slices, outline_box

CHI_LIMIT = 0.15
"""Ends of the grey scale of susceptibility maps, ppm: the same for everybody."""
_SCALES = (
    'Slide from the scale of this map, on which no nucleus is all white, to the one that is the '
    'same in every report.'
)
_LOCAL = (
    'Field of the sources inside the QSM mask, from which the map is computed. It should look '
    'like anatomy; wide clouds of one colour, or a rim all around, are what fields from outside '
    'have left.'
)
_TOTAL = (
    'Field of all sources, before that of the air and bone around the brain is removed. It should '
    'be smooth; a jump along a line is an error of unwrapping.'
)
_DECAY = (
    'Rate at which the signal decays. Iron-rich nuclei are bright here, too, whatever the phase; '
    'so is the brain above the sinuses and the ears, where the signal is lost to the field.'
)


def draw_thumbnail(run: Mapping[str, Any]) -> bytes:
    """PNG of the axial slice of the susceptibility map that shows the nuclei best.

    Parameters
    ----------
    run
        Files, see `report.render_participant`.
    """
    chi, mask = load_volume(run['chimap']), load_volume(run['qsm_mask']).data > 0
    labels = load_volume(run['dseg']).data
    window = own_window(chi.data, mask & (labels > 0))
    layer, _ = map_layer(chi.data, window, 'gray', 'ppm', mask=mask)
    ((_, index),) = covering_slices(labels, 2, 1)
    x, y, _ = outline_box(mask, chi.zooms, 3)
    across, up = (
        max(1, round((s.stop - s.start) * zoom))
        for s, zoom in zip((x, y), chi.zooms, strict=False)
    )
    pixels = layer.pixels[x, y, index][:, ::-1].T
    return png_bytes(pixels, layer.palette, size=(across, up))


def own_window(
    values: NDArray[Any], nuclei: NDArray[np.bool_], least: float = CHI_LIMIT
) -> tuple[float, float]:
    """Ends of a scale on which the nuclei that hold most iron are not yet white, ppm.

    Parameters
    ----------
    values
        Susceptibility, ppm.
    nuclei
        Voxels of the deep grey matter.
    least
        The upper end is no lower.
    """
    known = values[nuclei & np.isfinite(values)]
    high = float(np.percentile(known, 99.5)) if known.size else 0.0
    limit = max(least, nice_limit(high) if high > 0 else least)
    return -limit / 2, limit


def run_pictures(run: Mapping[str, Any], names: Mapping[int, str]) -> list[Picture]:
    """Labels and maps, alignment and fields of a run, what answers first before the rest.

    Parameters
    ----------
    run
        Files and facts, see `report.render_participant`.
    names
        Region of each label.
    """
    chi = load_volume(run['chimap'])
    frame = Frame.around(load_volume(run['qsm_mask']).data > 0, chi)
    b0 = (run.get('facts') or {}).get('MagneticFieldStrength')
    pictures = [*_chi_pictures(run, chi, names, frame), _alignment_picture(run, chi, frame)]
    for key, title, caption in (
        ('localfield', 'Local field', _LOCAL),
        ('totalfield', 'Total field', _TOTAL),
    ):
        if run.get(key):  # one-step methods know no local field
            pictures.append(_field_picture(run[key], title, caption, frame, b0))
    if run.get('r2star'):
        pictures.append(_decay_picture(run['r2star'], frame))
    return pictures


def _alignment_picture(run: Mapping[str, Any], grid: DisplayVolume, frame: Frame) -> Picture:
    magnitude, t1w = (load_volume(run[key]).data for key in ('magnitude', 't1w_in_gre'))
    mask = frame.mask
    svg = draw_slices(
        [grey_layer(magnitude, within=mask), grey_layer(t1w, within=mask, name='over')],
        frame.rows,
        grid,
        label='T1w edges on the gradient-echo magnitude',
        box=frame.box,
        outlines=tissue_outlines(t1w, mask, only_within=True),
    )
    return Picture(
        'Gradient echo to T1w',
        'Edges of the T1w image on the gradient-echo magnitude. They should follow its ventricles '
        'and its cortex.',
        Markup(svg),
        fade=('magnitude', 'T1w'),
        outlined=True,
        by_hand='Fade or flicker between the two: ventricles and cortex should stay in place.',
    )


def _two_scales(
    data: NDArray[Any], window: tuple[float, float], mask: NDArray[np.bool_] | None = None
) -> tuple[list[Layer], ColourBar, tuple[str, str]]:
    """A map on its own scale and, above it, on the fixed one; the bar of the first; both names."""
    own, bar = map_layer(data, window, 'gray', 'ppm', mask=mask)
    fixed, _ = map_layer(data, (-CHI_LIMIT, CHI_LIMIT), 'gray', 'ppm', mask=mask)
    names = (f'own scale, to {window[1]:g}', f'fixed, ±{CHI_LIMIT:g} ppm')
    return [own, replace(fixed, name='over')], bar, names


def _chi_pictures(
    run: Mapping[str, Any], chi: DisplayVolume, names: Mapping[int, str], frame: Frame
) -> list[Picture]:
    """The susceptibility map with the nuclei outlined, and inside the QSM mask alone."""
    labels = load_volume(run['dseg']).data
    window = own_window(chi.data, frame.mask & (labels > 0))
    layers, bar, scales = _two_scales(chi.data, window)
    pictures = [
        label_picture(
            chi,
            layers,
            labels,
            names,
            title='Deep grey nuclei on the susceptibility map',
            caption='Outlines of the labels in acquisition space. Iron-rich nuclei are bright; '
            'the outlines should follow them.',
            bar=bar,
            fade=scales,
            by_hand=_SCALES,
        )
    ]
    for table, path in zip(
        run.get('atlas_tables') or (), run.get('atlas_labels') or (), strict=True
    ):
        pictures.append(_atlas_picture(chi, layers, path, table, bar, scales))
    layers, bar, scales = _two_scales(chi.data, window, frame.mask)
    outlines = _reference_outline(run.get('reference_region'), frame.mask)
    svg = draw_slices(
        layers, frame.rows, chi, label='Susceptibility', box=frame.box, bar=bar, outlines=outlines
    )
    where = ' Green: the region whose mean is zero.' if outlines else ''
    caption = (
        'Bright: paramagnetic, as iron is. Dark: diamagnetic, as myelin and calcium are. Black: '
        f'outside the QSM mask.{where}'
    )
    pictures.append(
        Picture(
            'Susceptibility map', caption, Markup(svg), fade=scales, outlined=bool(outlines),
            by_hand=_SCALES,
        )
    )  # fmt: skip
    return [*pictures, *_part_pictures(run, frame, window[1])]


def _atlas_picture(
    chi: DisplayVolume, layers: Sequence[Layer], labels: str, table: str, bar: ColourBar,
    scales: tuple[str, str],
) -> Picture:  # fmt: skip
    """Outlines of an atlas of the user on the map."""
    rows = read_table(table, needs=('index', 'region'))
    name = atlas_of(table)
    return label_picture(
        chi,
        layers,
        load_volume(labels).data,
        {int(row['index']): str(row['region']) for row in rows.to_dict('records')},
        title=f'Regions of the atlas {name}',
        caption=f'Outlines of the atlas {name} in acquisition space.',
        bar=bar,
        fade=scales,
        by_hand=_SCALES,
    )


def _reference_outline(path: str | None, mask: NDArray[np.bool_]) -> list[Outline]:
    """Border of the reference region; none where that is the whole QSM mask."""
    if not path:
        return []
    region = load_volume(path).data > 0
    return [] if (region == mask).all() else [Outline(region, '#1FC08F', 'reference region')]


def _part_pictures(run: Mapping[str, Any], frame: Frame, limit: float) -> list[Picture]:
    """Paramagnetic and diamagnetic parts of the susceptibility, where they were separated."""
    pictures = []
    for key, title, what in (
        ('paramagnetic', 'Paramagnetic part', 'sources that raise the field: iron'),
        ('diamagnetic', 'Diamagnetic part', 'sources that lower it: myelin, calcium'),
    ):
        if not run.get(key):
            continue
        part = load_volume(run[key])
        # whichever sign it is stored with, it is the amount that is shown
        layer, bar = map_layer(np.abs(part.data), (0, limit), 'inferno', 'ppm', mask=frame.mask)
        svg = draw_slices([layer], frame.rows, part, label=title, box=frame.box, bar=bar)
        pictures.append(Picture(title, f'Amount of {what}.', Markup(svg)))
    return pictures


def _field_picture(path: str, title: str, caption: str, frame: Frame, b0: float | None) -> Picture:
    field = load_volume(path)
    limit = symmetric_limit(field.data[frame.mask])
    second = ('Hz', hz_per_ppm(float(b0))) if b0 else None
    layer, bar = map_layer(
        field.data, (-limit, limit), 'RdBu_r', 'ppm', mask=frame.mask, second=second
    )
    svg = draw_slices([layer], frame.rows, field, label=title, box=frame.box, bar=bar)
    return Picture(title, caption, Markup(svg))


def _decay_picture(path: str, frame: Frame) -> Picture:
    rate = load_volume(path)
    limit = nice_limit(robust_range(rate.data[frame.mask], 0, 98)[1])
    layer, bar = map_layer(rate.data, (0, limit), 'inferno', '1/s', mask=frame.mask)
    svg = draw_slices([layer], frame.rows, rate, label='R2*', box=frame.box, bar=bar)
    return Picture('R2*', _DECAY, Markup(svg))
