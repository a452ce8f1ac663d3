"""True values of regions: those of the tissue, and those that a perfect scan would show.

The two differ by partial volume: at a resolution of some mm a small nucleus reads nearer to its
surroundings than its tissue is, however well its map is made and its outline drawn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from . import tissue as tissue_models
from .body import SampledBody
from .scanner import Slab

WantedRegions = Mapping[tuple[str, str], tuple[int, ...]]
"""Regions whose truth is wanted: (region, hemisphere) -> labels, none for the whole brain."""
RegionValues = dict[tuple[str, str], dict[str, float]]
"""Columns of the region table from `n_voxels` on, for each region and hemisphere."""


def tissue_values(
    fine: SampledBody, chi: NDArray[np.float32], slab: Slab, b0: float, parts: WantedRegions
) -> RegionValues:
    """Values of the tissue, over the model grid of the whole head.

    Parameters
    ----------
    fine
        Anatomy on the model grid.
    chi
        Susceptibility, ppm; reported in ppb minus its mean over the brain.
    slab
        Geometry; `coverage` is the fraction of a region inside the scan.
    b0
        Tesla, for R2*.
    parts
        Regions.
    """
    brain = fine.brain.ravel()
    # QSM knows susceptibility up to a constant: the reference is the whole brain's mean, in ppb
    reference = 1000 * float(chi.ravel()[brain].mean(dtype=np.float64))
    inside = np.zeros(chi.shape, bool)
    inside[slab.fine_scan] = True
    labelled = np.flatnonzero(fine.labels)
    which = fine.labels.ravel()[labelled]
    grey = tissue_models.DEEP_GREY
    values: RegionValues = {}
    for key, labels in parts.items():
        chosen = labelled[np.isin(which, labels)] if labels else np.flatnonzero(brain)
        own = 1000 * chi.ravel()[chosen].astype(np.float64)
        # as the signal has it: R2* = base + slope B0 + R2' per ppm and tesla (tissue.signal_maps)
        iron = tissue_models.R2STAR_PER_PPM_TESLA * b0 * float(np.abs(own).mean()) / 1000
        values[key] = {
            'n_voxels': chosen.size,
            'volume_mm3': chosen.size * slab.fine_grid.voxel_volume,
            'coverage': float(inside.ravel()[chosen].mean()),
            **_statistics(own - reference),
            'r2star_mean': grey.r2star + b0 * grey.r2star_slope + iron if labels else np.nan,
        }
    return values


def scan_values(
    chi: NDArray[np.float32], r2star: NDArray[np.float32], labels: NDArray[np.uint8],
    brain: NDArray[np.bool_], tissue: RegionValues, parts: WantedRegions,
) -> RegionValues:  # fmt: skip
    """Values at the scan's resolution: what a perfect map and perfect labels give.

    Parameters
    ----------
    chi
        Mean susceptibility in each scan voxel, ppm, referenced.
    r2star
        Mean R2* in each scan voxel, 1/s.
    labels, brain
        What fills most of each scan voxel.
    tissue
        Values of the tissue; volume and coverage are taken from them.
    parts
        Regions.
    """
    values: RegionValues = {}
    for key, wanted in parts.items():
        # volumes stay those of the tissue: counting scan voxels would add rounding at every border
        chosen = np.isin(labels, wanted) if wanted else brain
        values[key] = {
            'n_voxels': int(chosen.sum()),
            'volume_mm3': tissue[key]['volume_mm3'],
            'coverage': tissue[key]['coverage'],
            **_statistics(1000 * chi[chosen].astype(np.float64)),
            'r2star_mean': float(r2star[chosen].mean()) if wanted and chosen.any() else np.nan,
        }
    return values


def _statistics(ppb: NDArray[np.float64]) -> dict[str, float]:
    if not ppb.size:
        return dict.fromkeys(('chi_mean', 'chi_median', 'chi_sd'), float('nan'))
    return {
        'chi_mean': float(ppb.mean()),
        'chi_median': float(np.median(ppb)),
        'chi_sd': float(ppb.std()),
    }
