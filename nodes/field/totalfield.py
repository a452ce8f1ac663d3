"""Wrapped phases to one total field: offsets, unwrapping and fit in their order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..fields import check_choice, check_counts, check_lengths, check_margin
from ..grid import Grid, hz_per_ppm
from .bipolar import alternating_rise, check_bipolar, remove_alternation
from .echo_box import cut_echoes, subtract
from .echoes import check_fit, fit_rate, scan_noise
from .laplacian import unwrap_laplacian
from .offsets import phase_offset
from .parabola import fit_parabola
from .unwrap import choose_template, unwrap_romeo

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
) -> tuple[NDArray[np.float32], NDArray[np.float32], float, float]:
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
        Which echo, counted from 1; 0 takes the best (`choose_template`).
    fit
        `nonlinear` fits the complex signal, `linear` the unwrapped phase.
    offsets
        Remove the phase at echo time zero first: that of several echoes, or the parabola of a
        single one; false where that has been done before. The fit's intercept is then free.
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
        Total field and its standard deviation, ppm; zero outside the mask; the Laplacian of the
        phase at time zero that was removed, rad/m^2 (0 where none was); and what the phase that
        alternated rose by over the mask before it was removed, rad (0 where none did). With a
        single echo the field's median is zero: the constant cannot be told from the phase at
        time zero, of which only the parabola is known (`parabola`).

    Raises
    ------
    NigraError
        Shapes, echo times, `b0` or a setting do not fit, or the mask is empty.

    Notes
    -----
    Eckstein et al. 2018 (doi 10.1002/mrm.26963), Dymerska et al. 2021 (doi 10.1002/mrm.28563),
    Liu et al. 2013 (doi 10.1002/mrm.24272).
    """
    check_choice(_UNWRAP, unwrapping=unwrapping)
    check_counts(0, template=template)  # whether there is such an echo, the echoes tell
    check_fit(fit, phase0_sd)
    check_bipolar(bipolar)
    check_lengths(offset_sigma=offset_sigma)
    echoes = cut_echoes(phase, magnitude, echo_times, mask, nthreads)
    scale = 2 * np.pi * hz_per_ppm(b0)
    first = choose_template(echoes.times, template, removed=offsets)
    # first what alternates: the offset is taken from a first and a second echo
    _, slope = remove_alternation(echoes, bipolar)
    curvature, alternation = 0.0, alternating_rise(echoes, slope)
    if offsets:
        offset, curvature = phase_offset(echoes, grid.voxel_size, offset_sigma, b0)
        subtract(echoes, offset)
    # of one echo only the parabola is known
    offsets = offsets and echoes.times.size > 1
    unwrap_romeo(echoes, first, individual=unwrapping == 'individual')
    known = scan_noise(echoes, fit, phase0_known=offsets, phase0_sd=phase0_sd)
    rate, sd = fit_rate(echoes, known)
    # the constant would be the phase at time zero over TE
    if echoes.times.size == 1:
        rate[echoes.inside] -= np.median(rate[echoes.inside])
    field, noise = (echoes.put_back(image, mask.shape, scale) for image in (rate, sd))
    return field, noise, curvature, alternation


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
) -> tuple[NDArray[np.float32], NDArray[np.float32], float, float]:
    """Total field by Laplacian unwrapping of each echo and a weighted fit.

    Parameters
    ----------
    phase, magnitude, mask, grid, echo_times, b0, nthreads
        As `romeo_field` has them.
    margin
        Zeros around the mask, mm.

    Returns
    -------
    tuple
        Field and its standard deviation, ppm; zero outside the mask; the Laplacian of the
        parabola that was removed from a single echo's phase, rad/m^2, else 0; and the rise of
        the phase that alternated, which is removed as `bipolar` of `romeo_field` does in `auto`.

    Raises
    ------
    NigraError
        Shapes, echo times, `b0` or `margin` do not fit, or the mask is empty.

    Notes
    -----
    Schofield & Zhu 2003 (doi 10.1364/OL.28.001194). It cannot fail on noise, but it is not exact:
    part of the harmonic field, which sources outside the mask make, is lost, and more near the
    mask's border. So the result is no total field to be compared with `romeo_field`; after
    background removal the two agree inside. The noise is the fit's alone.
    """
    check_margin(margin)
    echoes = cut_echoes(phase, magnitude, echo_times, mask, nthreads)
    scale = 2 * np.pi * hz_per_ppm(b0)
    _, slope = remove_alternation(echoes)
    curvature, alternation = 0.0, alternating_rise(echoes, slope)
    if echoes.times.size == 1:
        offset, curvature = fit_parabola(echoes, grid.voxel_size, b0)
        subtract(echoes, offset)
    unwrap_laplacian(echoes, grid.voxel_size, margin)
    # each echo has lost a constant of its own, so the intercept is free
    known = scan_noise(echoes, 'linear', phase0_known=False)
    rate, sd = fit_rate(echoes, known)
    field, noise = (echoes.put_back(image, mask.shape, scale) for image in (rate, sd))
    return field, noise, curvature, alternation
