"""Pictures of a participant's page: anatomy, alignment, labels, maps and fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ...nodes.grid import hz_per_ppm
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
from .outlines import label_outlines, merge_labels, tissue_outlines
from .scales import nice_limit
from .slices import SliceBox, View, covering_slices, even_slices, middle_slices, outline_box

CHI_LIMIT = 0.15
"""Ends of the grey scale of susceptibility maps, ppm: the same for everybody."""
_LABEL_GAP_MM = 5.0
"""Least distance between slices through the nuclei."""


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


@dataclass(frozen=True)
class _Frame:
    """What the maps of a run have in common: where they are known, and which slices show it."""

    mask: NDArray[np.bool_]
    box: SliceBox
    rows: list[list[View]]

    @classmethod
    def around(cls, mask: NDArray[np.bool_], grid: DisplayVolume) -> _Frame:
        return cls(mask, outline_box(mask, grid.zooms, 6), middle_slices(mask))


def anatomy_pictures(
    t1w: str,
    brain_mask: str,
    template_in_t1w: str,
    labels_in_t1w: str | None,
    names: Mapping[int, str],
) -> list[Picture]:
    """Brain mask, template alignment and, where there are labels, the nuclei on the T1w image."""
    image = load_volume(t1w)
    mask = load_volume(brain_mask).data > 0
    base = grey_layer(image.data, within=mask)
    pictures = [
        _mask_picture(image, base, mask),
        _template_picture(image, base, mask, template_in_t1w),
    ]
    if labels_in_t1w:
        pictures.append(
            _label_picture(
                image,
                base,
                load_volume(labels_in_t1w).data,
                names,
                title='Deep grey nuclei on the T1w image',
                caption='Outlines of the labels, carried from the template to the T1w image. '
                'They should follow the borders of the nuclei.',
            )
        )
    return pictures


def _mask_picture(image: DisplayVolume, base: Layer, mask: NDArray[np.bool_]) -> Picture:
    svg = draw_slices(
        [base],
        [even_slices(mask, axis, 7) for axis in (2, 1, 0)],
        image,
        label='Brain mask on T1w',
        box=outline_box(mask, image.zooms, 18),
        outlines=[Outline(mask, '#F0E442', 'brain mask')],
    )
    return Picture(
        'Brain mask',
        'Outline of the brain mask on the T1w image, after its intensity bias was removed. '
        'The line should follow the surface of the brain.',
        Markup(svg),
        outlined=True,
    )


def _template_picture(
    image: DisplayVolume, base: Layer, mask: NDArray[np.bool_], path: str
) -> Picture:
    template = load_volume(path)
    frame = _Frame.around(mask, image)
    svg = draw_slices(
        [base, grey_layer(template.data, name='over')],
        frame.rows,
        image,
        label='Template edges on T1w',
        outlines=tissue_outlines(template.data, template.data > 0),
        box=frame.box,
    )
    return Picture(
        'T1w to template',
        'Edges of the registered template on the T1w image: outer border of grey matter (yellow) '
        'and border between grey and white matter (orange). Fade or flicker between the T1w '
        'image and the template: no structure should jump.',
        Markup(svg),
        fade=('T1w', 'template'),
        outlined=True,
    )


def _label_picture(
    image: DisplayVolume,
    base: Layer,
    labels: NDArray[Any],
    names: Mapping[int, str],
    *,
    title: str,
    caption: str,
    bar: ColourBar | None = None,
) -> Picture:
    """Outlines of the nuclei on an image, on slices that together show every nucleus."""
    merged, regions = merge_labels(labels, names)
    outlines = label_outlines(merged, regions)
    box = outline_box(merged > 0, image.zooms, 12)
    gap = [round(_LABEL_GAP_MM / z) for z in image.zooms]
    rows = [
        covering_slices(merged, 2, 5, gap[2]),
        covering_slices(merged, 1, 3, gap[1]) + covering_slices(merged, 0, 2, gap[0]),
    ]
    svg = draw_slices([base], rows, image, label=title, outlines=outlines, box=box, bar=bar)
    legend = tuple((o.label, o.colour) for o in outlines)
    return Picture(title, caption, Markup(svg), legend, outlined=True)


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
    """Alignment, labels, maps and fields of a run.

    Parameters
    ----------
    run
        Files and facts, see `report.render_participant`.
    names
        Region of each label.
    """
    chi = load_volume(run['chimap'])
    frame = _Frame.around(load_volume(run['qsm_mask']).data > 0, chi)
    b0 = (run.get('facts') or {}).get('MagneticFieldStrength')
    pictures = [_alignment_picture(run, chi, frame), *_chi_pictures(run, chi, names, frame)]
    for key, title, caption in (
        ('localfield', 'Local field', 'Field of the sources inside the QSM mask.'),
        ('totalfield', 'Total field', 'Field of all sources, before background removal.'),
    ):
        if run.get(key):  # one-step methods know no local field
            pictures.append(_field_picture(run[key], title, caption, frame, b0))
    if run.get('r2star'):
        pictures.append(_decay_picture(run['r2star'], frame))
    return pictures


def _alignment_picture(run: Mapping[str, Any], grid: DisplayVolume, frame: _Frame) -> Picture:
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
        'Edges of the T1w image on the gradient-echo magnitude. Fade or flicker between the two: '
        'ventricles and cortex should stay in place.',
        Markup(svg),
        fade=('magnitude', 'T1w'),
        outlined=True,
    )


def _chi_pictures(
    run: Mapping[str, Any], chi: DisplayVolume, names: Mapping[int, str], frame: _Frame
) -> list[Picture]:
    """The susceptibility map with the nuclei outlined, and inside the QSM mask alone."""
    limits = (-CHI_LIMIT, CHI_LIMIT)
    everywhere, bar = map_layer(chi.data, limits, 'gray', 'ppm')
    inside, _ = map_layer(chi.data, limits, 'gray', 'ppm', mask=frame.mask)
    labelled = _label_picture(
        chi,
        everywhere,
        load_volume(run['dseg']).data,
        names,
        title='Deep grey nuclei on the susceptibility map',
        caption='Outlines of the labels in acquisition space. Iron-rich nuclei are bright; the '
        'outlines should follow them.',
        bar=bar,
    )
    svg = draw_slices([inside], frame.rows, chi, label='Susceptibility', box=frame.box, bar=bar)
    caption = (
        f'Scale from −{CHI_LIMIT:g} to {CHI_LIMIT:g} ppm, the same in every report. '
        'Bright: paramagnetic. Black: outside the QSM mask.'
    )
    return [labelled, Picture('Susceptibility map', caption, Markup(svg))]


def _field_picture(
    path: str, title: str, caption: str, frame: _Frame, b0: float | None
) -> Picture:
    field = load_volume(path)
    limit = symmetric_limit(field.data[frame.mask])
    second = ('Hz', hz_per_ppm(float(b0))) if b0 else None
    layer, bar = map_layer(
        field.data, (-limit, limit), 'RdBu_r', 'ppm', mask=frame.mask, second=second
    )
    svg = draw_slices([layer], frame.rows, field, label=title, box=frame.box, bar=bar)
    return Picture(title, caption, Markup(svg))


def _decay_picture(path: str, frame: _Frame) -> Picture:
    rate = load_volume(path)
    limit = nice_limit(robust_range(rate.data[frame.mask], 0, 98)[1])
    layer, bar = map_layer(rate.data, (0, limit), 'inferno', '1/s', mask=frame.mask)
    svg = draw_slices([layer], frame.rows, rate, label='R2*', box=frame.box, bar=bar)
    return Picture('R2*', 'Effective transverse relaxation rate.', Markup(svg))
