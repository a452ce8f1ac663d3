"""Pictures of a participant's page: anatomy, alignment, labels, maps and fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from .figures import Outline, draw_slices
from .layers import (
    ColourBar,
    DisplayVolume,
    Layer,
    grey_layer,
    load_volume,
)
from .outlines import label_outlines, merge_labels, tissue_outlines
from .slices import SliceBox, View, covering_slices, even_slices, middle_slices, outline_box

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
    by_hand
        What the reader can do with it, and see then: on screen only, as paper has no controls.
    """

    title: str
    caption: str
    svg: Markup
    legend: tuple[tuple[str, str], ...] = ()
    fade: tuple[str, str] | None = None
    outlined: bool = False
    by_hand: str = ''


@dataclass(frozen=True)
class Frame:
    """What the maps of a run have in common: where they are known, and which slices show it."""

    mask: NDArray[np.bool_]
    box: SliceBox
    rows: list[list[View]]

    @classmethod
    def around(cls, mask: NDArray[np.bool_], grid: DisplayVolume) -> Frame:
        """Through the middle of a mask, with 6 mm around it."""
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
            label_picture(
                image,
                [base],
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
    frame = Frame.around(mask, image)
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
        'and border between grey and white matter (orange). They should follow those of the '
        'image.',
        Markup(svg),
        fade=('T1w', 'template'),
        outlined=True,
        by_hand='Fade or flicker between the T1w image and the template: no structure should '
        'jump.',
    )


def label_picture(
    image: DisplayVolume,
    layers: Sequence[Layer],
    labels: NDArray[Any],
    names: Mapping[int, str],
    *,
    title: str,
    caption: str,
    bar: ColourBar | None = None,
    fade: tuple[str, str] | None = None,
    by_hand: str = '',
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
    svg = draw_slices(layers, rows, image, label=title, outlines=outlines, box=box, bar=bar)
    legend = tuple((o.label, o.colour) for o in outlines)
    return Picture(title, caption, Markup(svg), legend, fade, outlined=True, by_hand=by_hand)
