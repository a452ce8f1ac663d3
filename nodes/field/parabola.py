"""One echo's phase at time zero: the parabola of a conducting head.

Laplacian(phi) = 2 mu0 omega sigma (Katscher et al. 2009, doi 10.1109/TMI.2009.2015757): no field
of outside sources has such a phase, so no removal of the background takes it away, and an
inversion would make susceptibility of it. With several echoes it is measured (`offsets`). With one
it is told from the field by what is known of both: its Laplacian c is about one number, positive,
in a narrow range, while the fields of outside sources have none and that of the brain's tissue is
as often positive as negative. Generalised least squares for

    L phi = c + L l,    l of variance W^-2,    c = <q, L phi> / <q, 1>,   L W^-2 L^T q = 1

are those of PDF with a constant beside (`background.pdf`), solved once. The estimate and the
expected conductivity of a head are weighed by their variances.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..background.frame import Stop
from ..background.pdf import Projection
from ..grid import conducting_curvature, hz_per_ppm
from ..numerics.multigrid import Box, interior
from .echo_box import EchoBox
from .echoes import magnitude_noise
from .wraps import wrap

CONDUCTIVITY, CONDUCTIVITY_SD = 0.65, 0.13
"""S/m, what a head's parabola is expected to be of, and its uncertainty. Measured: .69 (3 T,
phase at time zero of two echoes), simulated heads of tissues from tables .55 (1.5 T) to .64
(3 T)."""
LOCAL_SD = 0.006
"""Standard deviation of the local field, ppm, as in `background.pdf`."""
CORRELATED = 0.06
"""Part of the local field's standard deviation that is as wide as the head. A field whose power
falls with the third power of frequency has sqrt(n) times the error of a white one of n voxels: the
estimates of the phantoms cal-3T, cal-1.5T, cal2-3T and mild-3T of `benchmarks/phantoms.py` without
any offset are .018, 0, 0 and .015 S/m (echo times .02 s at 3 T and .03 s at 1.5 T), this part
times that error .02 S/m; of the round head of the tests, 1 % of the voxels, .06 against .1."""
RIGHT_TO_INVERTED = 50.0
"""Odds that a phase is stored with the sign that nigra expects. Ours: most vendors do, and a sign
beyond it is seen at -.06 S/m where the estimate is sharp."""
STEEP = 2.0
"""Rise from voxel to voxel, rad, beyond which a wrap may have been missed."""
_LARGEST_VARIANCE = 1e3


def fit_parabola(
    echoes: EchoBox, voxel_size: tuple[float, float, float], b0: float
) -> tuple[NDArray[np.float32], float]:
    """The parabola in the phase of one echo: a phase, and its Laplacian.

    Parameters
    ----------
    echoes
        One echo.
    voxel_size
        mm.
    b0
        Main field, T.

    Returns
    -------
    tuple
        Phase, rad, (x, y, z) as the echo, zero outside the mask; and rad/m^2.
    """
    found, information = _estimate(echoes, voxel_size, b0)
    curvature = _weighed(found, information, conducting_curvature(b0))
    return _image(echoes.inside, voxel_size, curvature), curvature


def _weighed(found: float, information: float, unit: float) -> float:
    """Estimate and what is expected of a head, `unit` the curvature of 1 S/m.

    A phase that was stored inverted has a parabola of the other sign. Which of the two is expected
    is decided by their likelihoods, so that either phase gives the same map.
    """
    expected, variance = CONDUCTIVITY * unit, (CONDUCTIVITY_SD * unit) ** 2
    if information == 0:
        return expected
    # logarithm of how much likelier the estimate is with the expected sign than with the other
    evidence = 2 * expected * found / (1 / information + variance)
    if evidence < -np.log(RIGHT_TO_INVERTED):
        expected = -expected
    return (information * found + expected / variance) / (information + 1 / variance)


def _estimate(
    echoes: EchoBox, voxel_size: tuple[float, float, float], b0: float
) -> tuple[float, float]:
    """Curvature, rad/m^2, and its reciprocal variance; zeros where nothing can be told."""
    box = Box.around(echoes.inside)
    laplacian, rows = _wrapped_laplacian(box.take(echoes.angle[0]), box.mask, voxel_size)
    if not rows.any():
        return 0.0, 0.0
    # phase of the local field, and of noise, which falls with the magnitude
    unit = LOCAL_SD * 2 * np.pi * hz_per_ppm(b0) * float(echoes.times[0])
    noise = magnitude_noise(echoes.magnitude[0], echoes.inside)
    signal = np.maximum(box.take(echoes.magnitude[0]), np.float32(1e-6 * noise + 1e-30))
    variance = np.minimum(1 + np.square(noise / (signal * unit)), _LARGEST_VARIANCE)
    variance = np.where(box.mask, variance, 0).astype(np.float32)
    projection = Projection(rows, variance, voxel_size, echoes.nthreads)
    q = projection.solve(rows.astype(np.float32), Stop(60, 0.03))
    known = projection.stencils.dot(q, rows.astype(np.float32))
    found = projection.stencils.dot(q, laplacian) / known
    # from rad/mm^2 to rad/m^2
    spread = CORRELATED * np.sqrt(np.count_nonzero(box.mask)) * unit
    return 1e6 * found, known / (1e6 * spread) ** 2


def _wrapped_laplacian(
    angle: NDArray[np.float32], mask: NDArray[np.bool_], voxel_size: tuple[float, float, float]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Laplacian from wrapped differences, rad/mm^2, and the voxels where it can be trusted."""
    laplacian, rows = np.zeros(angle.shape, np.float32), interior(mask)
    for axis, h in enumerate(voxel_size):
        near, far = ([slice(None)] * 3 for _ in range(2))
        near[axis], far[axis] = slice(None, -1), slice(1, None)
        rise = wrap(np.diff(angle, axis=axis))
        flat = np.abs(rise) <= STEEP
        rise /= np.float32(h**2)
        for end, sign in ((tuple(near), 1), (tuple(far), -1)):
            laplacian[end] += sign * rise
            rows[end] &= flat
    return np.where(rows, laplacian, np.float32(0)), rows


def _image(
    inside: NDArray[np.bool_], voxel_size: tuple[float, float, float], curvature: float
) -> NDArray[np.float32]:
    """Parabola c |r|^2 / 6, r from the middle of the mask, zero mean; zero outside."""
    square = np.zeros(inside.shape, np.float32)
    for axis, h in enumerate(voxel_size):
        counts = np.count_nonzero(inside, axis=tuple(a for a in range(3) if a != axis))
        place = np.arange(counts.size)
        line = (1e-3 * h * (place - np.average(place, weights=counts))) ** 2
        square += line.reshape([-1 if a == axis else 1 for a in range(3)]).astype(np.float32)
    square *= np.float32(curvature / 6)
    square -= square[inside].mean(dtype=np.float64).astype(np.float32)
    return np.where(inside, square, np.float32(0))
