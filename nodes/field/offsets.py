"""The part of the phase that does not grow with echo time: measured, or of one echo estimated."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..fields import check_lengths
from ..grid import Grid
from ..parallel import run, slabs
from .bipolar import remove_alternation
from .echo_box import EchoBox, cut_echoes, subtract
from .parabola import fit_parabola
from .unwrap import difference_phase
from .wraps import wrapped

_BRIGHT = 90
"""Percentile of the weight above which a voxel counts no more: vessels would rule their block."""
_SAMPLE = 200_000
"""Voxels from which that percentile is taken: its rank is right to .07 per cent."""
_TRUNCATE = 3.5
"""Standard deviations at which the Gaussian ends: what is left out is below .05 per cent."""


def remove_offsets(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    echo_times: ArrayLike,
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    b0: float,
    sigma: float = 5.0,
    nthreads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Subtract the phase at echo time zero: that of the first two echoes, or one's parabola.

    Parameters
    ----------
    phase, magnitude, echo_times, mask, nthreads
        As `echo_box.cut_echoes` has them.
    grid
        Geometry of one echo.
    b0
        Main field, T.
    sigma
        Standard deviation of the Gaussian that smooths the offset of several echoes, mm.

    Returns
    -------
    tuple
        Wrapped phase without the offset and without what alternates from echo to echo
        (`bipolar`), float32; the offset, rad, (x, y, z), zero outside the
        mask; and its Laplacian in the mask, rad/m^2 (`phase_offset`).

    Raises
    ------
    NigraError
        Shapes or echo times do not fit, or `sigma` is not positive.
    """
    check_lengths(sigma=sigma)
    echoes = cut_echoes(phase, magnitude, echo_times, mask, nthreads)
    remove_alternation(echoes)  # the offset is taken from a first and a second echo
    out, offset = phase.astype(np.float32), np.zeros(phase.shape[:3], np.float32)
    offset[echoes.box], curvature = phase_offset(echoes, grid.voxel_size, sigma, b0)
    subtract(echoes, offset[echoes.box])
    for echo in range(echoes.times.size):
        out[echoes.box][..., echo][echoes.inside] = echoes.angle[echo][echoes.inside]
    return out, offset, curvature


def phase_offset(
    echoes: EchoBox, voxel_size: tuple[float, float, float], sigma: float, b0: float
) -> tuple[NDArray[np.float32], float]:
    """Phase at echo time zero, rad, (x, y, z), zero outside the mask; its Laplacian, rad/m^2.

    Notes
    -----
    MCPC-3D-S, Eckstein et al. 2018 (doi 10.1002/mrm.26963): the phase difference of two echoes,
    unwrapped and scaled, extrapolates the first echo to time zero; what is left there is smooth
    (coils, eddy currents), so it is smoothed as a complex number, weighted with the magnitude.
    With one echo it is the parabola of `parabola`.
    """
    if echoes.times.size == 1:
        return fit_parabola(echoes, voxel_size, b0)
    # 1. phase evolution: the unwrapped angle of the Hermitian inner product of two echoes
    grown = difference_phase(echoes, (0, 1))
    # 2. offset: theta_1 - TE_1 / (TE_2 - TE_1) evolution
    ratio = np.float32(echoes.times[0] / (echoes.times[1] - echoes.times[0]))
    raw, weight = np.empty_like(grown), np.empty_like(grown)
    angle, magnitude = echoes.angle, echoes.magnitude
    echoes.planes(lambda first, last: _to_time_zero(
        angle[0], grown, magnitude[0], magnitude[1], ratio, echoes.inside, raw, weight,
        first, last,
    ))  # fmt: skip
    # 3. smoothing as a complex number
    return _smooth_angle(raw, weight, echoes, voxel_size, sigma)


@numba.njit(cache=True, nogil=True)
def _to_time_zero(phase, grown, magnitude, magnitude1, ratio, inside, raw, weight, first, last):
    for i in range(first, last):
        for j in range(phase.shape[1]):
            for k in range(phase.shape[2]):
                raw[i, j, k] = phase[i, j, k] - ratio * grown[i, j, k]
                # the difference of two echoes is as noisy as the darker of them
                product = magnitude[i, j, k] * magnitude1[i, j, k]
                weight[i, j, k] = product if inside[i, j, k] else np.float32(0)


def _smooth_angle(
    angle: NDArray[np.float32],
    weight: NDArray[np.float32],
    echoes: EchoBox,
    voxel_size: tuple[float, float, float],
    sigma: float,
) -> tuple[NDArray[np.float32], float]:
    """Angle of the weighted complex mean under a Gaussian, in the mask; its mean Laplacian.

    Means over blocks of at most half of sigma are smoothed and interpolated: nothing finer
    survives the Gaussian.
    """
    bright = weight[echoes.inside]
    limit = np.float32(np.percentile(bright[:: max(1, bright.size // _SAMPLE)], _BRIGHT))
    # a slope would be flattened where the mask ends, so it is taken out and put back
    trend = _parabola(angle, weight, echoes)
    block = np.array([max(1, int(sigma / (2 * h))) for h in voxel_size])
    coarse_shape = tuple(-(-n // b) for n, b in zip(angle.shape, block, strict=True))
    coarse = np.zeros((2, *coarse_shape), np.float32)
    run(lambda s: _block_sums(angle, weight, limit, trend, block, coarse, s.start, s.stop),
        slabs(coarse_shape[0]), echoes.nthreads)  # fmt: skip
    width = [sigma / (h * b) for h, b in zip(voxel_size, block, strict=True)]
    # outside the mask the weight is zero, so zeros beyond the box are right too
    for part in coarse:
        ndimage.gaussian_filter(part, width, output=part, mode='constant', truncate=_TRUNCATE)
    out = np.zeros(angle.shape, np.float32)
    echoes.planes(lambda first, last: _fine_angle(
        coarse, trend, block, echoes.inside, out, first, last
    ))  # fmt: skip
    bend = trend[6:].reshape(3, 3)
    return out, float(1e6 * np.sum(np.diag(bend) / np.square(voxel_size)))


def _parabola(
    angle: NDArray[np.float32], weight: NDArray[np.float32], echoes: EchoBox
) -> NDArray[np.float64]:
    """The parabola that an angle follows on the whole, as `_trend` wants it.

    A conducting head makes one (`parabola`): a mean slope alone would leave it, flattened at the
    rim. Its slopes follow from the wrapped rises along each axis, which are regressed on
    position: wraps do not matter to them.
    """
    centre = (np.array(angle.shape) - 1) / 2
    sums = echoes.planes(lambda first, last: _slope_sums(angle, weight, first, last))
    total = np.sum(sums, axis=0)
    slope = np.arctan2(total[:, 1], total[:, 0])
    moments = np.sum(
        echoes.planes(
            lambda first, last: _rise_moments(angle, weight, centre, slope, first, last)
        ),
        axis=0,
    )
    # rise along axis a less the mean one: (1, x, y, z) . row a; pinv where the mask is a plane
    rows = np.stack([np.linalg.pinv(m[:, :4]) @ m[:, 4] for m in moments])
    bend = (rows[:, 1:] + rows[:, 1:].T) / 2
    # from the near end of an edge to the far one the slope rises by half of the bend
    slope = slope + rows[:, 0] - np.diag(bend) / 2
    return np.concatenate([centre, slope, bend.ravel()])


@numba.njit(cache=True, nogil=True, inline='always')
def _trend(trend, i, j, k):
    """Slope . x + x . bend . x / 2, x from the centre; centre, slope and bend in one array."""
    x, y, z = i - trend[0], j - trend[1], k - trend[2]
    bent = x * (x * trend[6] + 2 * (y * trend[7] + z * trend[8]))
    bent += y * (y * trend[10] + 2 * z * trend[11]) + z * z * trend[14]
    return x * trend[3] + y * trend[4] + z * trend[5] + bent / 2


@numba.njit(cache=True, nogil=True, inline='always')
def _edge(angle, weight, i, j, k, axis):
    """Weight and rise of the edge to the next voxel along an axis; no weight where none is."""
    a = i + 1 if axis == 0 else i
    b = j + 1 if axis == 1 else j
    c = k + 1 if axis == 2 else k
    if a >= angle.shape[0] or b >= angle.shape[1] or c >= angle.shape[2]:
        return np.float32(0), np.float32(0)
    # an edge is as good as its darker end
    return min(weight[i, j, k], weight[a, b, c]), angle[a, b, c] - angle[i, j, k]


@numba.njit(cache=True, nogil=True)
def _rise_moments(angle, weight, centre, slope, first, last):
    """Normal equations of the rises along each axis on (1, x, y, z): (axis, 4, 5)."""
    _, ny, nz = angle.shape
    out = np.zeros((3, 4, 5))
    row = np.empty(5)
    row[0] = 1
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if weight[i, j, k] == 0:
                    continue
                row[1], row[2], row[3] = i - centre[0], j - centre[1], k - centre[2]
                for axis in range(3):
                    shared, rise = _edge(angle, weight, i, j, k, axis)
                    if shared == 0:
                        continue
                    row[4] = wrapped(np.float32(rise - slope[axis]))
                    for n in range(4):
                        for m in range(5):
                            out[axis, n, m] += shared * row[n] * row[m]
    return out


@numba.njit(cache=True, nogil=True)
def _slope_sums(angle, weight, first, last):
    """Sums of w exp(i rise) over the edges along each axis: (axis, real and imaginary)."""
    _, ny, nz = angle.shape
    out = np.zeros((3, 2))
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                if weight[i, j, k] == 0:
                    continue
                for axis in range(3):
                    shared, rise = _edge(angle, weight, i, j, k, axis)
                    # exp(i rise) has no wraps; the weight is 0 where there is no edge
                    out[axis, 0] += shared * np.cos(rise)
                    out[axis, 1] += shared * np.sin(rise)
    return out


@numba.njit(cache=True, nogil=True)
def _block_sums(angle, weight, limit, trend, block, coarse, first, last):
    """Sums of w exp(i angle) over blocks of voxels, the trend taken out."""
    nx, ny, nz = angle.shape
    for i in range(first * block[0], min(nx, last * block[0])):
        for j in range(ny):
            for k in range(nz):
                w = min(limit, weight[i, j, k])
                if w > 0:
                    a = angle[i, j, k] - _trend(trend, i, j, k)
                    p, q, r = i // block[0], j // block[1], k // block[2]
                    coarse[0, p, q, r] += w * np.cos(a)
                    coarse[1, p, q, r] += w * np.sin(a)


@numba.njit(cache=True, nogil=True, inline='always')
def _between(n, block, length):
    """Coarse sample before a fine one, the sample after it, and the way between them."""
    # centres of blocks lie half a block in from their first voxel's edge
    at = (n + 0.5) / block - 0.5
    low = min(max(int(np.floor(at)), 0), length - 1)
    high = min(low + 1, length - 1)
    return low, high, np.float32(min(max(at - low, 0.0), 1.0))


@numba.njit(cache=True, nogil=True)
def _fine_angle(coarse, trend, block, inside, out, first, last):
    """Angle of the coarse complex image, interpolated linearly, with the trend put back."""
    _, cx, cy, cz = coarse.shape
    for i in range(first, last):
        i0, i1, u = _between(i, block[0], cx)
        for j in range(inside.shape[1]):
            j0, j1, v = _between(j, block[1], cy)
            for k in range(inside.shape[2]):
                if not inside[i, j, k]:
                    continue
                k0, k1, w = _between(k, block[2], cz)
                x = y = np.float32(0)
                # the eight corners around: bits of n choose near or far along each axis
                for n in range(8):
                    a, f = (i1, u) if n & 4 else (i0, 1 - u)
                    b, g = (j1, v) if n & 2 else (j0, 1 - v)
                    c, h = (k1, w) if n & 1 else (k0, 1 - w)
                    x += f * g * h * coarse[0, a, b, c]
                    y += f * g * h * coarse[1, a, b, c]
                out[i, j, k] = wrapped(np.float32(np.arctan2(y, x) + _trend(trend, i, j, k)))
