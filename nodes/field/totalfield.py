"""Wrapped phases to one total field: offsets, unwrapping and fit in their order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NigraError
from ..grid import Grid, hz_per_ppm
from ..volumes import bounding_box, check_echoes, echo_volumes
from .bipolar import alternation, check_bipolar, subtract_plane
from .echoes import check_fit, fit_volumes, scan_noise
from .laplacian import unwrap_laplacian_volumes
from .phase import check_sigma, offset_volume, subtract
from .unwrap import choose_template, unwrap_volumes

Volumes = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]
_UNWRAP = ('template', 'individual')


def romeo_field(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    echo_times: ArrayLike,
    b0: float,
    unwrapping: str = 'template',
    template: int = 0,
    fit: str = 'nonlinear',
    offsets: bool = True,
    bipolar: str = 'auto',
    offset_sigma: float = 5.0,
    phase0_sd: float = 0.0,
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
    unwrapping
        `template`: one echo is unwrapped in space and the others in time; `individual`: each
        echo in space.
    template
        Which echo, counted from 1; 0 takes the first, or the second where that comes later than
        three times the first or offsets are not removed.
    fit
        `nonlinear` fits the complex signal, `linear` the unwrapped phase.
    offsets
        Remove the phase at echo time zero first (several echoes); false where that has been done
        before. The fit's intercept is then free.
    bipolar
        `on`, `off` or `auto`: remove the phase that alternates from echo to echo along a bipolar
        readout (3 or more echoes).
    offset_sigma
        Smoothness of the phase at echo time zero, mm.
    phase0_sd
        Expected remainder of that phase, rad; 0 estimates it.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        Total field and its standard deviation, ppm; zero outside the mask. With a single echo the
        field's median is zero: the constant cannot be told from the phase at echo time zero,
        whose smooth rest stays in the field until the background is removed.

    Raises
    ------
    NigraError
        Shapes, echo times, `b0` or a setting do not fit, or the mask is empty.

    Notes
    -----
    Eckstein et al. 2018 (doi 10.1002/mrm.26963), Dymerska et al. 2021 (doi 10.1002/mrm.28563),
    Liu et al. 2013 (doi 10.1002/mrm.24272).
    """
    times = check_echoes(phase, magnitude, echo_times, mask)
    if unwrapping not in _UNWRAP:
        raise NigraError(f"unwrapping must be 'template' or 'individual', got '{unwrapping}'")
    first = choose_template(times, template - 1 if template else None, removed=offsets)
    check_fit(fit, phase0_sd)
    check_bipolar(bipolar, times.size)
    check_sigma(offset_sigma)
    scale = 2 * np.pi * hz_per_ppm(b0)
    box, (angle, size, inside) = _volumes(phase, magnitude, mask, nthreads)
    constant, slope = alternation(angle, size, times, inside, bipolar, nthreads)
    if constant or slope.any():
        subtract_plane(angle, inside, constant, slope, nthreads)
    offsets = offsets and times.size > 1
    if offsets:
        offset = offset_volume(angle, size, times, inside, grid.voxel_size, offset_sigma, nthreads)
        subtract(angle, offset, inside, nthreads)
        del offset
    unwrap_volumes(
        angle, size, times, inside, first,
        individual=unwrapping == 'individual', nthreads=nthreads,
    )  # fmt: skip
    known = scan_noise(angle, size, times, inside, fit, phase0_known=offsets, phase0_sd=phase0_sd)
    rate, sd = fit_volumes(angle, size, times, inside, known, nthreads=nthreads)
    if times.size == 1:
        rate[inside] -= np.median(rate[inside])
    return _full(rate, box, mask.shape, scale), _full(sd, box, mask.shape, scale)


def laplacian_field(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    echo_times: ArrayLike,
    b0: float,
    margin: float = 10.0,
    nthreads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Total field by Laplacian unwrapping of each echo and a weighted fit.

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
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        Field and its standard deviation, ppm; zero outside the mask.

    Raises
    ------
    NigraError
        Shapes, echo times or `b0` do not fit, or the mask is empty.

    Notes
    -----
    Schofield & Zhu 2003 (doi 10.1364/OL.28.001194). It cannot fail on noise, but it is not exact:
    part of the harmonic field, which sources outside the mask make, is lost, and more near the
    mask's border. So the result is no total field to be compared with `romeo_field`; after
    background removal the two agree inside. The noise is the fit's alone.
    """
    times = check_echoes(phase, magnitude, echo_times, mask)
    scale = 2 * np.pi * hz_per_ppm(b0)
    if not margin >= 0:
        raise NigraError(f'margin must be a length in mm, got {margin}')
    box, (angle, size, inside) = _volumes(phase, magnitude, mask, nthreads)
    unwrap_laplacian_volumes(angle, inside, grid.voxel_size, margin, nthreads)
    known = scan_noise(angle, size, times, inside, 'linear', phase0_known=False)
    rate, sd = fit_volumes(angle, size, times, inside, known, nthreads=nthreads)
    return _full(rate, box, mask.shape, scale), _full(sd, box, mask.shape, scale)


def _volumes(
    phase: NDArray[Any], magnitude: NDArray[Any], mask: NDArray[np.bool_], nthreads: int
) -> tuple[tuple[slice, slice, slice], Volumes]:
    """The mask's box and in it contiguous (echo, x, y, z) copies, zero where not finite."""
    box = bounding_box(mask)
    angle, size = echo_volumes(phase, box, nthreads), echo_volumes(magnitude, box, nthreads)
    inside = mask[box].copy()
    for volume in (*angle, *size):
        inside &= np.isfinite(volume)
    if not inside.any():
        raise NigraError('no voxel of the mask has finite phase and magnitude in every echo')
    for volume in (*angle, *size):
        volume[~inside] = 0
    return box, (angle, size, inside)


def _full(
    image: NDArray[np.float32], box: tuple[slice, ...], shape: tuple[int, ...], scale: float
) -> NDArray[np.float32]:
    """Box put into an array of the full shape, divided by `scale`."""
    out = np.zeros(shape, np.float32)
    np.multiply(image, np.float32(1 / scale), out=out[box])
    return out
