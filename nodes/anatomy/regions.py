"""Statistics of a susceptibility map within labelled regions: one row per region and side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import NigraError
from ..volumes import bounding_box
from .iron import iron_from_chi
from .partial_volume import pvc_mean

COLUMNS = (
    'region', 'hemisphere', 'n_voxels', 'volume_mm3', 'coverage', 'chi_mean', 'chi_median',
    'chi_sd', 'chi_iqr', 'chi_p5', 'chi_p95', 'chi_pvc', 'chi_eroded', 'chi_high', 'r2star_mean',
    'snr', 'iron_mean', 'iron_sd', 'reason',
)  # fmt: skip
"""Columns of `measure_regions`, in order."""

BRAIN = 'brain'
"""Name of the row that holds the complete brain, for normalising volumes."""

STATISTICS = COLUMNS[COLUMNS.index('chi_mean') : COLUMNS.index('reason')]
"""Columns that are measured in the map, and so NaN where it does not cover the region."""

MIN_VOXELS = 5
"""Fewest covered voxels from which a mean and a spread are reported. By eye."""


SIDE_NAMES = {'L': 'left', 'R': 'right'}


@dataclass(frozen=True)
class Region:
    """A region by the label values that make it.

    Attributes
    ----------
    name
        Lower case, as in the table.
    hemisphere
        `L` or `R`; `both` for a region without sides.
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
        QSM mask: where the map is defined, bool.
    voxel_volume
        mm^3.
    r2star
        1/s, or None where one echo was measured.
    magnitude
        Echoes combined; its mean over `noise` is a region's signal-to-noise ratio.
    noise
        Standard deviation of the magnitude's noise.
    """

    chimap: NDArray[Any]
    mask: NDArray[np.bool_]
    voxel_volume: float
    r2star: NDArray[Any] | None = None
    magnitude: NDArray[Any] | None = None
    noise: float = float('nan')

    def within(self, box: tuple[slice, ...]) -> Maps:
        """The same in a part of the grid."""
        return replace(
            self,
            chimap=self.chimap[box],
            mask=self.mask[box],
            r2star=None if self.r2star is None else self.r2star[box],
            magnitude=None if self.magnitude is None else self.magnitude[box],
        )


@dataclass(frozen=True)
class Fine:
    """What is known of labels beyond the voxels that they win.

    Attributes
    ----------
    fractions
        By label, the fraction of each voxel that it fills, 0 to 1, in `box`.
    box
        Part of the map's grid.
    counts
        By label, its voxels within and beyond the field of view.
    volumes
        By label, mm^3, on a finer grid (the T1w image's).
    """

    fractions: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)
    box: tuple[slice, ...] = ()
    counts: Mapping[int, int] = field(default_factory=dict)
    volumes: Mapping[int, float] = field(default_factory=dict)


def measure_regions(
    maps: Maps,
    labels: NDArray[Any],
    regions: Iterable[Region],
    *,
    brain_mask: NDArray[np.bool_] | None = None,
    brain_volume: float | None = None,
    fine: Fine | None = None,
    min_voxels: int = MIN_VOXELS,
) -> list[dict[str, Any]]:
    """Measure every region on the left, on the right and both together, and the brain.

    Volumes are those of the complete labels, susceptibility and R2* those of the voxels inside the
    mask; `coverage` is their fraction of the region, what lies beyond the field of view included.
    `both` pools the voxels of the two sides, so it weighs them by volume; what one side lacks it
    lacks, too, for it would be the other side by another name.

    Parameters
    ----------
    maps, labels
        Maps; integer label image (x, y, z), 0 outside.
    regions
        What to measure; regions may share labels (a whole and its parts).
    brain_mask, brain_volume
        Brain, for the row `brain`, which is left out without it; volume of the complete brain,
        mm^3, where the mask covers a slab only.
    fine, min_voxels
        What is known beyond the labels; with fewer voxels inside the mask the statistics are NaN,
        and `reason` says why.

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
    >>> maps = Maps(np.full((4, 4, 4), 0.05), np.ones((4, 4, 4), bool), 8.0)
    >>> labels = np.repeat([1, 2], 32).reshape(4, 4, 4)
    >>> regions = [Region('putamen', 'L', (1,)), Region('putamen', 'R', (2,))]
    >>> rows = measure_regions(maps, labels, regions)
    >>> [(r['hemisphere'], r['volume_mm3'], round(r['chi_mean'], 6)) for r in rows]
    [('L', 256.0, 50.0), ('R', 256.0, 50.0), ('both', 512.0, 50.0)]
    """
    _check(maps, labels, brain_mask)
    fine = fine or Fine()
    box = _around(labels)
    near = maps.within(box), labels[box]
    rows = []
    for name, by_side in _labels_by_side(regions).items():
        *sides, both = (
            _row(name, side, _measured(maps, near, values, fine, min_voxels))
            for side, values in by_side.items()
        )
        rows += [*sides, _of_all_sides(both, sides)]
    if brain_mask is not None:
        inside = np.asarray(brain_mask, bool)
        brain = _Chosen(inside, int(np.count_nonzero(inside)), brain_volume)
        rows.append(_row(BRAIN, 'both', _statistics(maps, brain, min_voxels)))
    return rows


def _labels_by_side(regions: Iterable[Region]) -> dict[str, dict[str, set[int]]]:
    """Label values by region and side, both sides together last."""
    sides: dict[str, dict[str, set[int]]] = {}
    for region in regions:
        own = sides.setdefault(region.name, {}).setdefault(region.hemisphere, set())
        own.update(region.labels)
    return {
        name: {side: own for side, own in by_side.items() if side != 'both'}
        | {'both': set().union(*by_side.values())}
        for name, by_side in sides.items()
    }


def _around(labels: NDArray[Any]) -> tuple[slice, ...]:
    """Part of the grid that holds all labels; a voxel where there are none."""
    found = labels != 0
    return bounding_box(found) if found.any() else (slice(0, 1),) * 3


def _measured(
    maps: Maps, near: tuple[Maps, NDArray[Any]], values: Collection[int], fine: Fine,
    min_voxels: int,
) -> dict[str, Any]:  # fmt: skip
    """Statistics of the voxels that carry certain labels; they lie within the part `near`."""
    row = _statistics(near[0], _Chosen.of(near[1], values, fine), min_voxels)
    row['chi_pvc'] = _pvc(maps, fine, values) if not row['reason'] else np.nan
    return row


def _row(region: str, hemisphere: str, statistics: Mapping[str, Any]) -> dict[str, Any]:
    """A row with all columns in order; what was not measured is NaN."""
    found = {
        'region': region,
        'hemisphere': hemisphere,
        **statistics,
        **_iron(region, statistics),
    }
    return {name: found.get(name, np.nan) for name in COLUMNS}


def _of_all_sides(both: dict[str, Any], sides: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The row of both sides, without what one of them lacks."""
    sides = list(sides)
    lacking = {n: np.nan for n in STATISTICS if any(np.isnan(side[n]) for side in sides)}
    told = [
        f'{SIDE_NAMES[side["hemisphere"]]}: {side["reason"]}' for side in sides if side['reason']
    ]
    return both | lacking | {'reason': both['reason'] or '; '.join(told) or None}


def _iron(region: str, statistics: Mapping[str, Any]) -> dict[str, float]:
    """Iron above the reference region's, mg/kg, from the mean and its standard error."""
    if statistics['reason']:
        return {'iron_mean': np.nan, 'iron_sd': np.nan}
    # standard error as if voxels were independent
    error = statistics['chi_sd'] / np.sqrt(statistics['n_covered'])
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
        'magnitude': maps.magnitude,
        'brain_mask': brain_mask,
    }
    for name, array in others.items():
        if array is not None and array.shape != shape:
            raise NigraError(f'{name} has shape {array.shape} but the chimap has {shape}')
    if not maps.voxel_volume > 0:
        raise NigraError(f'voxel_volume must be positive, got {maps.voxel_volume}')


@dataclass(frozen=True)
class _Chosen:
    """Voxels of a region, how many it has beyond the field of view too, and its volume (mm^3)."""

    inside: NDArray[np.bool_]
    whole: int
    volume: float | None = None

    @classmethod
    def of(cls, labels: NDArray[Any], values: Collection[int], fine: Fine) -> _Chosen:
        inside = np.isin(labels, sorted(values))
        # labels counted on the widened grid of a slab may be more than the image shows
        count = int(np.count_nonzero(inside))
        whole = max(count, sum(fine.counts.get(v, 0) for v in values))
        known = [fine.volumes[v] for v in values if v in fine.volumes]
        return cls(inside, whole, sum(known) if known else None)


def _statistics(maps: Maps, chosen: _Chosen, min_voxels: int) -> dict[str, Any]:
    n_voxels = int(np.count_nonzero(chosen.inside))
    inside = chosen.inside & maps.mask & np.isfinite(maps.chimap)
    # in float64: float32 sums of a large region lose digits of a ppb
    chi = maps.chimap[inside].astype(np.float64) * 1e3  # ppm to ppb
    volume = chosen.whole * maps.voxel_volume if chosen.volume is None else chosen.volume
    row: dict[str, Any] = {
        'n_voxels': n_voxels,
        'n_covered': chi.size,
        'volume_mm3': volume,
        'coverage': chi.size / chosen.whole if chosen.whole else np.nan,
        # one voxel has no standard deviation, whatever was asked for
        'reason': _reason(n_voxels, chi.size, chosen.whole, max(min_voxels, 2)),
    }
    if row['reason']:
        return row
    p5, p25, median, p75, p95 = np.percentile(chi, (5, 25, 50, 75, 95))
    return {
        **row,
        'chi_mean': float(chi.mean()),
        'chi_median': float(median),
        'chi_sd': float(chi.std(ddof=1)),
        'chi_iqr': float(p75 - p25),
        'chi_p5': float(p5),
        'chi_p95': float(p95),
        'chi_eroded': _eroded_mean(maps, chosen.inside, inside, min_voxels),
        # the upper quarter: where iron lies unevenly it rises before the mean does
        'chi_high': float(chi[chi >= p75].mean()),
        'r2star_mean': _finite_mean(maps.r2star, inside),
        'snr': _finite_mean(maps.magnitude, inside) / maps.noise,
    }


def _reason(in_view: int, covered: int, whole: int, needed: int) -> str | None:
    """Why a region has no statistics; None where it has."""
    if covered >= needed:
        return None
    if not whole:
        return 'no voxel carries the label'
    if not in_view:
        return 'outside the field of view'
    return f'{covered} of {in_view} voxels inside the mask, {needed} are needed'


def _eroded_mean(
    maps: Maps, region: NDArray[np.bool_], inside: NDArray[np.bool_], min_voxels: int
) -> float:
    """Mean, ppb, of the voxels whose six neighbours belong to the region too."""
    # the complete label is eroded, not its part in the mask: an edge of the mask is no edge of it
    core = ndimage.binary_erosion(region) & inside
    if np.count_nonzero(core) < min_voxels:
        return float('nan')
    return 1e3 * float(maps.chimap[core].mean(dtype=np.float64))


def _finite_mean(image: NDArray[Any] | None, inside: NDArray[np.bool_]) -> float:
    """Mean of the finite values; NaN without image or values."""
    if image is None:
        return float('nan')
    values = image[inside].astype(np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float('nan')


def _pvc(maps: Maps, fine: Fine, values: Collection[int]) -> float:
    """The region's own susceptibility, ppb, corrected for partial volume."""
    if not fine.fractions:
        return float('nan')
    # fractions exist in the box of all labels only
    chimap = maps.chimap[fine.box]
    mask = maps.mask[fine.box] & np.isfinite(chimap)
    return 1e3 * pvc_mean(chimap, mask, fine.fractions, values)
