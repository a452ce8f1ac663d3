"""Slices of the template with the nuclei coloured by the size of an effect."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..anatomy.atlas import load_dgm_atlas, load_template
from ..tables import readable
from . import figures
from .charts import LARGE_EFFECT, diverging

SHOWN_T = 2.0
T_LIMITS = (4.0, 8.0)
"""Between these the end of the scale of t follows the largest."""
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
    return grey, values, figures.outline_box(values > 0, grey.zooms, margin=16.0)


def region_labels() -> dict[str, tuple[int, ...]]:
    """Label values of every region of the built-in atlas, both sides together."""
    found: dict[str, tuple[int, ...]] = {}
    for row in load_dgm_atlas().regions.itertuples():
        found[row.region] = (*found.get(row.region, ()), *row.parts)
    return found


def draw_effects(sizes: Mapping[str, float], significant: Collection[str], *, label: str) -> str:
    """Draw effect sizes onto slices that together show every nucleus.

    A whole whose parts are all shown is passed over.

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
    shown = _without_covered({r: known[r] for r in sizes if r in known})
    if not shown:
        return ''
    grey, labels, box = _scene()
    pixels = np.zeros(256, np.uint8)
    for region in shown:
        fraction = float(np.clip(sizes[region] / LARGE_EFFECT, -1, 1))
        pixels[list(known[region])] = 128 + round(fraction * _HALF)
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


def draw_tests(t_map: str | Path, p_map: str | Path, *, alpha: float, label: str) -> str:
    """Draw a voxel-wise test onto slices of the template.

    Parameters
    ----------
    t_map, p_map
        Images of `voxelwise.VoxelModels`.
    alpha
        Level of the family-wise p; what is below is outlined.
    label
        What the picture shows.

    Returns
    -------
    str
        SVG; voxels of a t below `SHOWN_T` either way are left grey.
    """
    import nibabel as nib
    from nibabel.processing import resample_from_to

    t, p = figures.load_volume(t_map), figures.load_volume(p_map)
    place = nib.Nifti1Image(t.data, t.affine)
    grey = resample_from_to(load_template(), place, order=1).get_fdata(dtype=np.float32)
    shown = np.abs(t.data) >= SHOWN_T
    limit = float(np.clip(np.abs(t.data).max(), *T_LIMITS))
    colours = _palette()
    steps = 128 + np.rint(np.clip(t.data / limit, -1, 1) * _HALF)
    ground = np.asarray(t.data != 0)
    return figures.draw_slices(
        [
            figures.grey_layer(grey),
            figures.Layer(np.where(shown, steps, 0).astype(np.uint8), colours, 'effect'),
        ],
        [figures.even_slices(ground, 2, 5, 0.18) + figures.even_slices(ground, 1, 2, 0.4)],
        t,
        label=label,
        outlines=[figures.Outline((p.data < alpha).astype(np.float32), '#111', 'significant')],
        bar=figures.ColourBar(-limit, limit, colours, 't'),
    )


def _without_covered(regions: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Regions with a label that no smaller one has, large ones first.

    Examples
    --------
    >>> _without_covered({'whole': (1, 2), 'front': (1,), 'back': (2,), 'other': (3, 4)})
    ['other', 'front', 'back']
    """
    taken: set[int] = set()
    kept = []
    for region in sorted(regions, key=lambda r: len(regions[r])):
        if not set(regions[region]) <= taken:
            kept.append(region)
            taken.update(regions[region])
    return sorted(kept, key=lambda r: -len(regions[r]))


@functools.cache
def _palette() -> NDArray[np.uint8]:
    """Colours of `charts.diverging` at the places 1 to 255."""
    steps = [diverging((i - 128) / _HALF * LARGE_EFFECT)[0] for i in range(256)]
    return np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in steps], np.uint8)
