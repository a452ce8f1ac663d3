"""Wrapped phases to one total field: offsets, unwrapping and fit in their order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .echoes import fit_total_field
from .grid import Grid
from .masks import finite_mask
from .phase import remove_offsets
from .unwrap import check_echoes, unwrap_romeo


def romeo_field(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    echo_times: ArrayLike,
    b0: float,
    offset_sigma: float = 7.0,
    phase0_sd: float = 0.05,
    nthreads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Total field by MCPC-3D-S, ROMEO and a weighted fit.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo).
    magnitude
        Magnitude, same shape.
    mask
        Where the field is wanted; voxels that are not finite are left out.
    grid
        Geometry.
    echo_times
        Echo times, s, rising.
    b0
        Main field, T.
    offset_sigma
        Smoothness of the phase at echo time zero, mm.
    phase0_sd
        Expected remainder of that phase, rad.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        Total field and its standard deviation, ppm; zero outside the mask.

    Raises
    ------
    NigraError
        Shapes, echo times or `b0` do not fit, or the mask is empty.

    Notes
    -----
    Eckstein et al. 2018 (doi 10.1002/mrm.26963), Dymerska et al. 2021 (doi 10.1002/mrm.28563).
    """
    check_echoes(phase, magnitude, echo_times, mask)
    inside = mask & finite_mask(phase, magnitude)
    angle, size = _clean(phase, inside), _clean(magnitude, inside)
    check_echoes(angle, size, echo_times, inside)
    several = phase.shape[3] > 1
    if several:
        angle, _ = remove_offsets(
            angle, size, echo_times, inside, grid, sigma=offset_sigma, nthreads=nthreads
        )
    unwrapped = unwrap_romeo(angle, size, echo_times, inside, nthreads=nthreads)
    return fit_total_field(
        unwrapped, size, echo_times, b0, inside, phase0_known=several, phase0_sd=phase0_sd
    )


def _clean(image: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(inside[..., None], image, 0).astype(np.float32)
