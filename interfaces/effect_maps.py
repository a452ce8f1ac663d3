"""Slices of the template with the nuclei coloured by the size of an effect."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from . import figures
from .atlas import load_dgm_atlas, load_template
from .charts import LARGE_EFFECT, diverging
from .tables import readable

_HALF = 127
"""Steps of the colour scale to either side."""


@functools.cache
def _scene() -> tuple[figures.Volume, NDArray[np.uint8], figures.Box]:
    """Template, labels and the part of them to show, in canonical axes."""
    import nibabel as nib

    template = nib.as_closest_canonical(load_template())
    labels = nib.as_closest_canonical(load_dgm_atlas().image)
    grey = figures.Volume(
        np.asarray(template.dataobj, np.float32), np.asarray(template.affine, float)
    )
    values = np.asarray(labels.dataobj).astype(np.uint8)
    return grey, values, figures.bounding_box(values > 0, grey.zooms, margin=16.0)


def region_labels() -> dict[str, tuple[int, ...]]:
    """Label values of every region of the built-in atlas, both sides together."""
    found: dict[str, tuple[int, ...]] = {}
    for row in load_dgm_atlas().regions.itertuples():
        found[row.region] = (*found.get(row.region, ()), *row.parts)
    return found


def draw_effects(sizes: Mapping[str, float], significant: Collection[str], *, label: str) -> str:
    """Draw effect sizes onto slices that together show every nucleus.

    Of a region and the whole that it is part of, the smaller one gives the colour.

    Parameters
    ----------
    sizes
        Standardised difference by region; regions that the built-in atlas lacks are passed over.
    significant
        Regions to outline.
    label
        What the picture shows.

    Returns
    -------
    str
        SVG; empty where no region is known.
    """
    known = region_labels()
    shown = sorted((r for r in sizes if r in known), key=lambda r: -len(known[r]))
    if not shown:
        return ''
    grey, labels, box = _scene()
    pixels = np.zeros(256, np.uint8)
    for region in shown:
        share = float(np.clip(sizes[region] / LARGE_EFFECT, -1, 1))
        pixels[list(known[region])] = 128 + round(share * _HALF)
    colours = _palette()
    used = np.where(pixels[labels] > 0, labels, 0)
    outlines = [
        figures.Outline(
            np.isin(labels, known[region]).astype(np.float32),
            '#111',
            f'{readable(region)}: {sizes[region]:.2f}, significant',
        )
        for region in shown
        if region in significant
    ]
    return figures.draw_slices(
        [figures.grey_layer(grey.data), figures.Layer(pixels[labels], colours, 'effect')],
        [figures.covering_slices(used, 2, 4) + figures.covering_slices(used, 1, 2)],
        grey,
        label=label,
        outlines=outlines,
        box=box,
        bar=figures.ColourBar(-LARGE_EFFECT, LARGE_EFFECT, colours, 'g'),
    )


@functools.cache
def _palette() -> NDArray[np.uint8]:
    """Colours of `charts.diverging` at the places 1 to 255."""
    steps = [diverging((i - 128) / _HALF * LARGE_EFFECT)[0] for i in range(256)]
    return np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in steps], np.uint8)
