"""Susceptibility is relative: the region whose mean is zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError


def reference_to(
    chimap: NDArray[Any], mask: NDArray[np.bool_], region: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], float]:
    """Shift a map so that its mean over a region is zero.

    Parameters
    ----------
    chimap
        Susceptibility, ppm, (x, y, z).
    mask
        Where the map holds; it is zero elsewhere.
    region
        Reference region; the whole mask by default.

    Returns
    -------
    tuple
        Referenced map, ppm, float32, zero outside the mask; and the mean that was taken away,
        ppm.

    Raises
    ------
    NigraError
        Shapes differ, or no voxel of the region lies in the mask.

    Examples
    --------
    >>> mask = np.array([[[True, True, False]]])
    >>> chi, offset = reference_to(np.array([[[1.0, 3.0, 9.0]]]), mask)
    >>> chi.tolist(), offset
    ([[[-1.0, 1.0, 0.0]]], 2.0)
    """
    if chimap.shape != mask.shape or (region is not None and region.shape != mask.shape):
        raise NigraError('the map, its mask and the reference region must share one shape')
    inside = mask if region is None else mask & region
    if not inside.any():
        raise NigraError('no voxel of the reference region lies in the mask')
    offset = float(chimap[inside].mean(dtype=np.float64))
    out = np.where(mask, chimap.astype(np.float64) - offset, 0).astype(np.float32)
    return out, offset
