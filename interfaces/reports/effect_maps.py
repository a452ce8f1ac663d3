"""Slices of the template, coloured by the effect on each nucleus or by a voxel-wise test."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..anatomy.atlas import load_dgm_atlas, load_template
from ..tables import readable
from .colours import LARGE_EFFECT, diverging_rgb, effect_limit
from .figures import Outline, draw_slices
from .layers import ColourBar, DisplayVolume, Layer, grey_layer, load_volume
from .slices import SliceBox, covering_slices, even_slices, outline_box

SHOWN_T = 2.0
"""Voxels of a smaller t, either way, stay grey."""
T_LIMITS = (4.0, 8.0)
"""The scale of t ends at the largest t, but inside these limits."""
_HALF = 127
"""Steps of the colour scale to either side."""


@functools.cache
def _scene() -> tuple[DisplayVolume, NDArray[np.uint8], SliceBox]:
    """Template, labels and the part of them to show, in canonical axes."""
    import nibabel as nib

    template = nib.as_closest_canonical(load_template())
    labels = nib.as_closest_canonical(load_dgm_atlas().image)
    grey = DisplayVolume(
        np.asarray(template.dataobj, np.float32), np.asarray(template.affine, float)
    )
    values = np.asarray(labels.dataobj).astype(np.uint8)
    return grey, values, outline_box(values > 0, grey.zooms, margin=16.0)


def region_labels() -> dict[str, tuple[int, ...]]:
    """Label values of every region of the built-in atlas, both sides together."""
    found: dict[str, tuple[int, ...]] = {}
    for row in load_dgm_atlas().regions.itertuples():
        found[row.region] = (*found.get(row.region, ()), *row.parts)
    return found


def draw_effects(
    sizes: Mapping[str, float], significant: Collection[str], *, label: str,
    limit: float | None = None,
) -> str:  # fmt: skip
    """Draw effect sizes on slices that together show every nucleus.

    A whole whose parts are all shown is left out.

    Parameters
    ----------
    sizes
        Standardised difference by region; regions that the built-in atlas lacks are left out.
    significant
        Regions to outline.
    label
        What the picture shows.
    limit
        Where the scale ends; beyond the largest effect by default.

    Returns
    -------
    str
        SVG; empty where no region is known.
    """
    known = region_labels()
    shown = without_covered({r: known[r] for r in sizes if r in known})
    if not shown:
        return ''
    grey, labels, box = _scene()
    limit = limit or effect_limit(sizes[region] for region in shown)
    pixels = np.zeros(256, np.uint8)  # by label; 0 leaves the template grey
    for region in shown:
        fraction = float(np.clip(sizes[region] / limit, -1, 1))
        pixels[list(known[region])] = 128 + round(fraction * _HALF)
    colours = _palette()
    used = np.where(pixels[labels] > 0, labels, 0)
    outlines = [
        _mark_significant(labels, known[region], f'{readable(region)}: {sizes[region]:.2f}')
        for region in shown
        if region in significant
    ]
    return draw_slices(
        [grey_layer(grey.data), Layer(pixels[labels], colours, 'effect')],
        [covering_slices(used, 2, 4) + covering_slices(used, 1, 2)],
        grey,
        label=label,
        outlines=outlines,
        box=box,
        bar=ColourBar(-limit, limit, colours, 'g'),
    )


def _mark_significant(labels: NDArray[np.uint8], values: tuple[int, ...], finding: str) -> Outline:
    drawn = np.isin(labels, values).astype(np.float32)
    return Outline(drawn, '#111', f'{finding}, significant')


def draw_tests(t_map: str | Path, p_map: str | Path, *, alpha: float, label: str) -> str:
    """Draw a voxel-wise test on slices of the template.

    Parameters
    ----------
    t_map, p_map
        Images of `voxelwise.VoxelModels`.
    alpha
        Level of the family-wise p; voxels below it are outlined.
    label
        What the picture shows.

    Returns
    -------
    str
        SVG.
    """
    import nibabel as nib
    from nibabel.processing import resample_from_to

    t, p = load_volume(t_map), load_volume(p_map)
    place = nib.Nifti1Image(t.data, t.affine)
    grey = resample_from_to(load_template(), place, order=1).get_fdata(dtype=np.float32)
    shown = np.abs(t.data) >= SHOWN_T  # the others stay grey
    limit = float(np.clip(np.abs(t.data).max(), *T_LIMITS))
    colours = _palette()
    steps = 128 + np.rint(np.clip(t.data / limit, -1, 1) * _HALF)
    ground = np.asarray(t.data != 0)
    return draw_slices(
        [
            grey_layer(grey),
            Layer(np.where(shown, steps, 0).astype(np.uint8), colours, 'effect'),
        ],
        [even_slices(ground, 2, 5, 0.18) + even_slices(ground, 1, 2, 0.4)],
        t,
        label=label,
        outlines=[Outline((p.data < alpha).astype(np.float32), '#111', 'significant')],
        bar=ColourBar(-limit, limit, colours, 't'),
    )


def without_covered(regions: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Regions with a label that no smaller one has, large ones first.

    Examples
    --------
    >>> without_covered({'whole': (1, 2), 'front': (1,), 'back': (2,), 'other': (3, 4)})
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
    """Colours of `colours.diverging` at the places 1 to 255."""
    return np.array([diverging_rgb((i - 128) / _HALF * LARGE_EFFECT) for i in range(256)])
