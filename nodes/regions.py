"""Statistics of a susceptibility map within labelled regions: one row per region and side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError
from .iron import iron_from_chi

COLUMNS = (
    'region',
    'hemisphere',
    'n_voxels',
    'volume_mm3',
    'coverage',
    'chi_mean',
    'chi_median',
    'chi_sd',
    'r2star_mean',
    'iron_mean',
    'iron_sd',
)
"""Columns of `measure_regions`, in order."""

BRAIN = 'brain'
"""Name of the row that holds the whole brain, for normalising volumes."""

MIN_VOXELS = 5
"""Fewest covered voxels from which a mean and a spread are reported."""


@dataclass(frozen=True)
class Region:
    """A region by the label values that make it.

    Attributes
    ----------
    name
        Lower case, as in the table.
    hemisphere
        `L` or `R`.
    labels
        Values in the label image.
    """

    name: str
    hemisphere: str
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Maps:
    """What is measured, all on one grid.

    Attributes
    ----------
    chimap
        Susceptibility, ppm (x, y, z).
    mask
        Where the map holds, bool.
    voxel_volume
        mm^3.
    r2star
        1/s, or None where one echo was measured.
    """

    chimap: NDArray[Any]
    mask: NDArray[np.bool_]
    voxel_volume: float
    r2star: NDArray[Any] | None = None


def measure_regions(
    maps: Maps,
    labels: NDArray[Any],
    regions: Iterable[Region],
    *,
    brain_mask: NDArray[np.bool_] | None = None,
    brain_volume: float | None = None,
    min_voxels: int = MIN_VOXELS,
) -> list[dict[str, Any]]:
    """Measure every region on the left, on the right and both together, and the brain.

    Volumes count all voxels of the labels; susceptibility and R2* those inside the mask, whose
    share is `coverage`. `both` pools the voxels of the two sides, so it weighs them by volume.

    Parameters
    ----------
    maps
        Map, mask, voxel volume and R2*.
    labels
        Integer label image (x, y, z), 0 outside.
    regions
        What to measure; regions may share labels (a whole and its parts).
    brain_mask
        Brain, for the row `brain`; left out where None.
    brain_volume
        Volume of the whole brain, mm^3, where `brain_mask` covers but a slab of it.
    min_voxels
        With fewer voxels inside the mask the statistics are NaN; the row stays.

    Returns
    -------
    list of dict
        Rows with `COLUMNS`; susceptibility in ppb.

    Raises
    ------
    NigraError
        Arrays differ in shape, or the voxel volume is not positive.

    Examples
    --------
    >>> chi = np.full((4, 4, 4), 0.05); everywhere = np.ones((4, 4, 4), bool)
    >>> labels = np.zeros((4, 4, 4), int); labels[:2] = 1; labels[2:] = 2
    >>> regions = [Region('putamen', 'L', (1,)), Region('putamen', 'R', (2,))]
    >>> rows = measure_regions(Maps(chi, everywhere, 8.0), labels, regions)
    >>> [(r['hemisphere'], r['volume_mm3'], round(r['chi_mean'], 6)) for r in rows]
    [('L', 256.0, 50.0), ('R', 256.0, 50.0), ('both', 512.0, 50.0)]
    """
    _check(maps, labels, brain_mask)
    sides: dict[str, dict[str, set[int]]] = {}
    for region in regions:
        sides.setdefault(region.name, {}).setdefault(region.hemisphere, set()).update(
            region.labels
        )
    rows = []
    for name, by_side in sides.items():
        by_side = {**by_side, 'both': set().union(*by_side.values())}
        for hemisphere, values in by_side.items():
            chosen = np.isin(labels, sorted(values))
            statistics = _statistics(maps, chosen, min_voxels)
            rows.append(
                {
                    'region': name,
                    'hemisphere': hemisphere,
                    **statistics,
                    **_iron(name, statistics),
                }
            )
    if brain_mask is not None:
        whole = _statistics(maps, np.asarray(brain_mask, bool), min_voxels)
        if brain_volume is not None:
            whole['volume_mm3'] = brain_volume
        rows.append({'region': BRAIN, 'hemisphere': 'both', **whole, **_iron(BRAIN, whole)})
    return rows


def _iron(region: str, statistics: Mapping[str, Any]) -> dict[str, float]:
    """Iron above the reference region's, mg/kg, from the mean and its standard error."""
    covered = statistics['n_voxels'] * statistics['coverage']
    if not covered > 1 or np.isnan(statistics['chi_mean']):
        return {'iron_mean': np.nan, 'iron_sd': np.nan}
    error = statistics['chi_sd'] / np.sqrt(covered)
    mean, spread = iron_from_chi(statistics['chi_mean'], region, chi_sd_ppb=error)
    return {'iron_mean': mean, 'iron_sd': spread}


def region_list(rows: Iterable[Mapping[str, Any]]) -> list[Region]:
    """Regions from table rows with `region`, `hemisphere` and `parts`."""
    return [
        Region(str(r['region']), str(r['hemisphere']), tuple(int(v) for v in r['parts']))
        for r in rows
    ]


def _check(maps: Maps, labels: NDArray[Any], brain_mask: NDArray[np.bool_] | None) -> None:
    shape = maps.chimap.shape
    others = {
        'mask': maps.mask,
        'labels': labels,
        'r2star': maps.r2star,
        'brain_mask': brain_mask,
    }
    for name, array in others.items():
        if array is not None and array.shape != shape:
            raise NigraError(f'{name} has shape {array.shape} but the chimap has {shape}')
    if not maps.voxel_volume > 0:
        raise NigraError(f'voxel_volume must be positive, got {maps.voxel_volume}')


def _statistics(maps: Maps, chosen: NDArray[np.bool_], min_voxels: int) -> dict[str, Any]:
    n_voxels = int(np.count_nonzero(chosen))
    inside = chosen & maps.mask & np.isfinite(maps.chimap)
    chi = maps.chimap[inside].astype(np.float64) * 1e3  # ppm to ppb
    enough = chi.size >= max(min_voxels, 2)
    row: dict[str, Any] = {
        'n_voxels': n_voxels,
        'volume_mm3': n_voxels * maps.voxel_volume,
        'coverage': chi.size / n_voxels if n_voxels else np.nan,
        'chi_mean': float(chi.mean()) if enough else np.nan,
        'chi_median': float(np.median(chi)) if enough else np.nan,
        'chi_sd': float(chi.std(ddof=1)) if enough else np.nan,
        'r2star_mean': np.nan,
    }
    if maps.r2star is not None and enough:
        rates = maps.r2star[inside].astype(np.float64)
        row['r2star_mean'] = (
            rates[np.isfinite(rates)].mean() if np.isfinite(rates).any() else np.nan
        )
    return row
