"""Colours of nuclei, in pages and in the tables of their labels."""

from __future__ import annotations

from collections.abc import Sequence

REGION_COLOURS = {
    'caudate': '#E69F00',
    'putamen': '#56B4E9',
    'pallidum': '#F0E442',
    'thalamus': '#E8602C',
    'pulvinar': '#1FC08F',
    'substantia_nigra': '#E58CC0',
    'red_nucleus': '#7C9BFF',
    'accumbens': '#FFFFFF',
}
"""Okabe and Ito's palette, lightened where a colour could not be seen on a grey image."""
_SPARE_COLOURS = ('#BBCC33', '#FFAABB', '#99DDFF', '#EEDD88', '#DDDDDD', '#EE8866')


def region_colours(regions: Sequence[str]) -> dict[str, str]:
    """A colour per region: fixed for the known nuclei, spare ones for others."""
    taken = {REGION_COLOURS[r] for r in regions if r in REGION_COLOURS}
    free = [c for c in (*_SPARE_COLOURS, *REGION_COLOURS.values()) if c not in taken]
    unknown = [r for r in regions if r not in REGION_COLOURS]
    extra = {r: free[i % len(free)] if free else '#FFFFFF' for i, r in enumerate(unknown)}
    return {region: REGION_COLOURS.get(region) or extra[region] for region in regions}
