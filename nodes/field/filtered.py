"""Phase that has been filtered before it was stored: hardly any background field is left."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import NigraError
from ..grid import Grid
from .sign import whole_blocks

SMOOTH_LEAST = 2.0
"""Ratio of smooth to fine field below which a phase has been filtered. Thirteen simulated heads,
the example, a real head and a real spine have 3.7 to 7.7; the same after a homodyne filter of 16,
32 and 64 lines 1.1 to 1.6, .4 to 1.4, .2 to 1.0."""
SMOOTH_LEAST_HINTED = 3.0
"""The same where the sidecar speaks of a product whose phase is filtered."""
_COARSE_MM = 2.5
_WIDTH_MM = 6.0
"""Standard deviation of the Gaussian that parts smooth from fine: wider than a nucleus' field,
narrower than what sinuses and the head's outline make."""
_WORDS = ('SWI', 'SWAN', 'SWIP', 'VENBOLD', 'HOMODYNE', 'FILTERED', 'HIGHPASS', 'HPF', 'MINIP')
"""Words of series and image types whose phase products are filtered."""


def smooth_ratio(totalfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid) -> float:
    """How much stronger the smooth part of a field is than its fine part.

    Parameters
    ----------
    totalfield
        Total field, (x, y, z), any unit.
    mask
        Where it is known.
    grid
        Geometry.

    Returns
    -------
    float
        Standard deviation of the field smoothed inside the mask by a Gaussian of 6 mm over that of
        the rest, on voxels of about 2.5 mm; NaN where the mask is too small or the rest is zero.

    Raises
    ------
    NigraError
        Shapes do not fit.

    Notes
    -----
    A homodyne filter divides the complex image by its own low frequencies (Noll et al. 1991, doi
    10.1109/42.79473; Haacke et al. 2004, doi 10.1002/mrm.20198). It takes the background field out
    and with it what is smooth in the field of the nuclei, which no inversion brings back.
    """
    if not totalfield.shape == mask.shape == grid.shape:
        raise NigraError(
            f'field {totalfield.shape}, mask {mask.shape} and grid {grid.shape} do not fit '
            'together'
        )
    factors = tuple(max(1, round(_COARSE_MM / size)) for size in grid.voxel_size)
    part = whole_blocks(mask, factors)
    inside = part > 0.5
    core = ndimage.binary_erosion(inside)
    if not core.any():
        return float('nan')
    field = whole_blocks(np.where(mask, totalfield, 0), factors) / np.maximum(part, 1e-3)
    field = np.where(inside, field - np.median(field[inside]), 0).astype(np.float32)
    width = [_WIDTH_MM / (f * s) for f, s in zip(factors, grid.voxel_size, strict=True)]
    weight = ndimage.gaussian_filter(inside.astype(np.float32), width)
    smooth = ndimage.gaussian_filter(field, width) / np.maximum(weight, 0.02)
    fine = float((field - smooth)[core].std())
    return float(smooth[core].std()) / fine if fine > 0 else float('nan')


def is_filtered(ratio: float, *, hinted: bool = False) -> bool:
    """Whether so little smooth field is left that the phase must have been filtered.

    Examples
    --------
    >>> is_filtered(2.5), is_filtered(2.5, hinted=True), is_filtered(float('nan'))
    (False, True, False)
    """
    return bool(ratio < (SMOOTH_LEAST_HINTED if hinted else SMOOTH_LEAST))


def names_filtered(*texts: str) -> bool:
    """Whether a name or an image type speaks of a product whose phase is filtered.

    Examples
    --------
    >>> names_filtered('ORIGINAL', 'PRIMARY', 'SWI'), names_filtered('swi_Pha_Images')
    (True, True)
    >>> names_filtered('T2starw', 'gre_swirl')
    False
    """
    words = ' '.join(texts).upper().replace('_', ' ').replace('-', ' ').split()
    return any(word in _WORDS for word in words)
