"""Local field to susceptibility by one division in k-space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..fields import check_choice, check_positive, check_settings
from ..grid import Grid
from ..numerics.fft import irfftn, rfftn
from ..numerics.kernels import gradient_kernel
from ..parallel import run, slabs
from .problem import Image, Problem, Spectrum, prepare

_INSIDE = {'sign': 0, 'linear': 1}


# Periodic images of the brain streak into it, mostly along the main field: margins of 10, 20, 25
# and 40 mm have correlations of .8873, .8884, .8895 and .8897 on the head of `benchmarks/speed.py`
# with 1.25 ppb of noise. Slopes of nuclei vary by .01 from box to box, as the frequencies do that
# fall on the cone: from 20 to 25 mm four of seven phantoms gain .001 to .004, three lose .007 to
# .011.
def tkd(
    localfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    threshold: float = 0.15, inside: str = 'sign', unbiased: bool = False, margin: float = 25.0,
    nthreads: int = 1,
) -> Image:  # fmt: skip
    """Truncated k-space division.

    Other parameters, result and errors are those of every inversion (`problem`).

    Parameters
    ----------
    threshold
        Where |D| is smaller, 1/D is replaced; 0 to 2/3.
    inside
        What stands for 1/D there: 'sign', the threshold's reciprocal with D's sign, or 'linear',
        D / threshold^2, which lets the cone fade out: less streaking, less contrast.
    unbiased
        Divide the map by the mean of D times its inverse, which makes up for the contrast that
        the truncation takes from a point source.

    Notes
    -----
    Shmueli et al. 2009 (doi 10.1002/mrm.22135); the correction is that of Schweser et al. 2013
    (doi 10.1002/mrm.24405).
    """
    check_settings(('threshold', threshold, 0 < threshold <= 2 / 3, 'lie between 0 and 2/3'))
    check_choice(_INSIDE, inside=inside)

    def divide(spectrum: Spectrum, problem: Problem) -> None:
        kernel, shape = problem.kernel, problem.grid.shape
        kept = run(
            lambda s: _truncate(spectrum[s], kernel[s], shape[2], threshold, _INSIDE[inside]),
            slabs(len(kernel)),
            nthreads,
        )
        if unbiased:
            # what a point source becomes at its own place: the mean of D / D_t
            spectrum *= np.float32(np.prod(shape) / sum(kept))

    return _filtered(prepare(localfield, mask, grid, margin=margin, nthreads=nthreads), divide)


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
                    # meets 1/D at the threshold and vanishes with D
                    factor = d / (limit * limit)
                else:
                    factor = np.float32(-1 if d < 0 else 1) / limit
                spectrum[i, j, k] *= factor
                # the half spectrum holds its own planes of symmetry once, all others for two
                kept += d * factor * (1 if k == 0 or 2 * k == length else 2)
    return kept


def closed_form_l2(
    localfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    regularisation: float = 0.005, margin: float = 20.0, nthreads: int = 1,
) -> Image:  # fmt: skip
    """Least squares with a quadratic penalty on the gradient, solved in one division.

    Other parameters, result and errors are those of every inversion (`problem`).

    Parameters
    ----------
    regularisation
        Weight of |E|^2 against |D|^2, mm^2; above 0.

    Notes
    -----
    Bilgic et al. 2014 (doi 10.1002/mrm.25029): chi = F^-1 [D F(f) / (D^2 + a |E|^2)]. It
    shrinks deep nuclei by a third; it is here for comparison.
    """
    check_positive(regularisation=regularisation)

    def divide(spectrum: Spectrum, problem: Problem) -> None:
        # D / (D^2 + a |E|^2), built in place
        divisor = gradient_kernel(problem.grid)
        divisor *= np.float32(regularisation)
        divisor += problem.kernel * problem.kernel
        # D is 0 there, too: the map's mean is free
        divisor[0, 0, 0] = 1
        spectrum *= np.divide(problem.kernel, divisor, out=divisor)

    return _filtered(prepare(localfield, mask, grid, margin=margin, nthreads=nthreads), divide)


def _filtered(problem: Problem, divide: Callable[[Spectrum, Problem], None]) -> Image:
    """Field through a filter that changes its spectrum in place."""
    spectrum = rfftn(problem.field, nthreads=problem.nthreads)
    divide(spectrum, problem)
    chi = irfftn(spectrum, np.empty_like(problem.field), nthreads=problem.nthreads)
    return problem.put_back(chi)
