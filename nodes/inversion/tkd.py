"""Local field to susceptibility by one division in k-space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import centred, check_field_map, check_settings
from ..grid import Grid
from ..numerics.fft import crop_to_mask, irfftn, rfftn
from ..numerics.kernels import dipole_kernel, gradient_kernel
from ..parallel import run, slabs

_INSIDE = {'sign': 0, 'linear': 1}


def tkd(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    threshold: float = 0.1,
    inside: str = 'sign',
    unbiased: bool = False,
    margin: float = 20.0,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """Truncated k-space division.

    Parameters
    ----------
    localfield
        Local field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    threshold
        Where |D| is smaller, 1/D is replaced; 0 to 2/3.
    inside
        What stands for 1/D there: 'sign', the threshold's reciprocal with D's sign, or 'linear',
        D / threshold^2, which lets the cone fade out: less streaking, less contrast.
    unbiased
        Divide the map by the mean of D times its inverse, which makes up for the contrast that
        the truncation takes from a point source.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Susceptibility, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        A setting is out of range, or the shapes differ.

    Notes
    -----
    Shmueli et al. 2009 (doi 10.1002/mrm.22135); the correction is that of Schweser et al. 2013
    (doi 10.1002/mrm.24405).
    """
    check_settings(
        ('threshold', threshold, 0 < threshold <= 2 / 3, 'lie between 0 and 2/3'),
        ('margin', margin, margin >= 0, 'not be negative'),
    )
    if inside not in _INSIDE:
        raise NigraError(f"inside must be one of {', '.join(_INSIDE)}, got '{inside}'")

    def divide(spectrum: NDArray[Any], padded: Grid) -> None:
        kernel = dipole_kernel(padded, nthreads=nthreads)
        kept = run(
            lambda s: _truncate(
                spectrum[s], kernel[s], padded.shape[2], threshold, _INSIDE[inside]
            ),
            slabs(len(kernel)),
            nthreads,
        )
        if unbiased:
            # what a point source becomes at its own place: the mean of D / D_t
            spectrum *= np.float32(np.prod(padded.shape) / sum(kept))

    return _filtered(localfield, mask, grid, divide, margin, nthreads)


@numba.njit(cache=True, nogil=True)
def _truncate(spectrum, kernel, length, threshold, linear):
    """Multiply by the truncated reciprocal of D; sum of D times it over the whole spectrum."""
    limit, kept = np.float32(threshold), 0.0
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            for k in range(kernel.shape[2]):
                d = kernel[i, j, k]
                if abs(d) >= limit:
                    factor = np.float32(1) / d
                elif linear:
                    factor = d / (limit * limit)
                else:
                    factor = np.float32(-1 if d < 0 else 1) / limit
                spectrum[i, j, k] *= factor
                # the half spectrum holds its own planes of symmetry once, all others for two
                kept += d * factor * (1 if k == 0 or 2 * k == length else 2)
    return kept


def closed_form_l2(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    regularisation: float = 0.03,
    margin: float = 20.0,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """Least squares with a quadratic penalty on the gradient, solved in one division.

    Parameters
    ----------
    localfield
        Local field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    regularisation
        Weight of |E|^2 against |D|^2, mm^2; above 0.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Susceptibility, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        A setting is out of range, or the shapes differ.

    Notes
    -----
    Bilgic et al. 2014 (doi 10.1002/mrm.25029): chi = F^-1 [D F(f) / (D^2 + a |E|^2)]. It
    shrinks deep nuclei by a third; it is here for comparison.
    """
    check_settings(
        ('regularisation', regularisation, regularisation > 0, 'be positive'),
        ('margin', margin, margin >= 0, 'not be negative'),
    )

    def divide(spectrum: NDArray[Any], padded: Grid) -> None:
        kernel = dipole_kernel(padded, nthreads=nthreads)
        edges = gradient_kernel(padded)
        edges *= np.float32(regularisation)
        edges += kernel * kernel
        edges[0, 0, 0] = 1
        np.divide(kernel, edges, out=kernel)
        spectrum *= kernel

    return _filtered(localfield, mask, grid, divide, margin, nthreads)


def _filtered(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    divide: Callable[[NDArray[Any], Grid], None],
    margin: float,
    nthreads: int,
) -> NDArray[np.float32]:
    """Field through a filter that changes its spectrum in place."""
    check_field_map(localfield, mask, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    image = crop.take(centred(localfield, mask))
    spectrum = rfftn(image, nthreads=nthreads)
    divide(spectrum, crop.grid)
    chi = crop.put(irfftn(spectrum, image, nthreads=nthreads))
    chi *= mask
    return chi
