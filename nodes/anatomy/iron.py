"""Susceptibility to iron content, where iron makes the susceptibility."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import NigraError

IRON_RICH = (
    'caudate', 'putamen', 'pallidum', 'substantia_nigra', 'red_nucleus', 'dentate', 'accumbens',
)  # fmt: skip
"""Regions whose susceptibility is dominated by iron; not thalamus, pulvinar or white matter,
whose myelin cancels part of it."""


@dataclass(frozen=True)
class IronCalibration:
    """Straight line between iron and susceptibility.

    Attributes
    ----------
    slope_ppb, slope_sd_ppb
        Susceptibility per mg iron in a kg of wet tissue, and its standard error.

    Notes
    -----
    Langkammer et al. 2012 (doi 10.1016/j.neuroimage.2012.05.049) scanned thirteen brains post
    mortem, in place, and found .00097 ppm per mg/kg in deep grey matter. Susceptibility is
    relative, so a content is one above that of the reference region. The error of 15 per cent is
    an assumption that stands for the difference between calibrations; a study that has its own
    gives it here.
    """

    slope_ppb: float = 0.97
    slope_sd_ppb: float = 0.15

    def __post_init__(self) -> None:
        if not (self.slope_ppb > 0 and self.slope_sd_ppb >= 0):
            raise NigraError(
                f'an iron calibration needs a positive slope and an error, got {self.slope_ppb} '
                f'and {self.slope_sd_ppb} ppb per mg/kg'
            )


def iron_from_chi(
    chi_ppb: float, region: str, *, chi_sd_ppb: float = 0.0,
    calibration: IronCalibration | None = None,
) -> tuple[float, float]:  # fmt: skip
    """Iron content of a region above that of the reference region.

    Parameters
    ----------
    chi_ppb
        Mean susceptibility of the region, ppb, relative to the reference region.
    region
        Name of the region; where iron does not dominate, nothing is returned.
    chi_sd_ppb
        Uncertainty of that mean, ppb.
    calibration
        Other than the published one.

    Returns
    -------
    tuple
        Iron, mg per kg wet tissue, and its standard uncertainty from that of the mean and that of
        the calibration; both NaN for regions not in `IRON_RICH`.

    Raises
    ------
    NigraError
        The uncertainty is negative.

    Examples
    --------
    >>> iron, sd = iron_from_chi(97.0, 'pallidum', chi_sd_ppb=4.85)
    >>> round(iron, 6), round(sd, 1)
    (100.0, 16.3)
    >>> iron_from_chi(20.0, 'thalamus')
    (nan, nan)
    """
    if chi_sd_ppb < 0:
        raise NigraError(f'chi_sd_ppb must not be negative, got {chi_sd_ppb}')
    if region not in IRON_RICH:
        # myelin would make an iron content too low, even negative
        return math.nan, math.nan
    line = calibration or IronCalibration()
    # chi = slope * iron, so relative errors of mean and slope add in quadrature
    iron = chi_ppb / line.slope_ppb
    spread = math.hypot(chi_sd_ppb / line.slope_ppb, iron * line.slope_sd_ppb / line.slope_ppb)
    return iron, spread
