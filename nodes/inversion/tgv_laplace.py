"""Laplacian of a phase without unwrapping, and the Poisson problem that turns it into a field.

Each function that takes `first` and `last` works on a slab of planes of its own.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..fields import dot
from ..grid import Grid
from ..parallel import Sweep
from .problem import Image, Mask


def stencil_weights(
    voxel_size: tuple[float, float, float],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights of the 19-point Laplacian: three axes, and the planes xy, xz and yz; 1/mm^2.

    Notes
    -----
    The sum of second differences d_i errs by sum_i h_i^2 / 12 of fourth derivatives. For a
    harmonic function these equal - sum_(i<j) (h_i^2 + h_j^2) / 12 of the mixed ones, so adding
    (h_i^2 + h_j^2) / 12 d_i d_j leaves background fields an error of order h^4 only (Collatz'
    Mehrstellenverfahren), for voxels of any proportions.

    Examples
    --------
    >>> axes, corners = stencil_weights((1.0, 1.0, 1.0))
    >>> [round(6 * float(w), 3) for w in (axes[0], corners[0])]
    [2.0, 1.0]
    """
    squares = np.asarray(voxel_size, float) ** 2
    axes, corners = 1 / squares, np.empty(3)
    # d_i d_j spread over its nine voxels: corners gain what the two axes lose
    for n, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        corners[n] = (squares[i] + squares[j]) / (12 * squares[i] * squares[j])
        axes[[i, j]] -= 2 * corners[n]
    return axes.astype(np.float32), corners.astype(np.float32)


def erode(mask: NDArray[np.bool_], voxels: int = 0) -> NDArray[np.bool_]:
    """Mask less `voxels` layers, and less the layer that the 19-point stencil needs."""
    inside = ndimage.binary_erosion(mask, iterations=voxels) if voxels else mask
    # 18 neighbours: connectivity 2
    return ndimage.binary_erosion(inside, ndimage.generate_binary_structure(3, 2))


def wrapped_laplacian(
    phase: Image, inside: Mask, grid: Grid, *,
    limit: float, period: float = 2 * np.pi, nthreads: int = 1,
) -> tuple[Image, Mask]:  # fmt: skip
    """Laplacian of a phase from its wrapped differences, and where it can be trusted.

    Parameters
    ----------
    phase
        Phase, wrapped or not, (x, y, z).
    inside
        Where it is wanted: every voxel's 18 neighbours must hold phase.
    grid
        Voxel size.
    limit
        A voxel is trusted if no difference between neighbours that enters exceeds this.
    period
        Of the phase, 2 pi if in rad; 0 for a quantity that does not wrap.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        Laplacian, phase/mm^2, and the trusted voxels; zero and false outside.

    Notes
    -----
    A difference below pi is right whatever the wraps; diagonal neighbours are reached in two
    such steps, by either way. One wrong step is a point charge, whose field reaches far: hence
    the limit.
    """
    out, trusted = np.zeros(phase.shape, np.float32), np.zeros(phase.shape, bool)
    axes, corners = stencil_weights(grid.voxel_size)
    Sweep(phase.shape[0], nthreads)(
        _laplacian, phase, inside, np.float32(limit), np.float32(period), axes, corners, out,
        trusted,
    )  # fmt: skip
    return out, trusted


@numba.njit(cache=True, nogil=True)
def _step(a, b, period):
    """Difference b - a, wrapped."""
    d = b - a
    return d - period * np.rint(d / period) if period > 0 else d


@numba.njit(cache=True, nogil=True)
def _corner(p, i, j, k, u, v, period):
    """Mean of the differences to the neighbour at u + v by its two ways, and the longest step."""
    here, far = p[i, j, k], p[i + u[0] + v[0], j + u[1] + v[1], k + u[2] + v[2]]
    by_u, by_v = p[i + u[0], j + u[1], k + u[2]], p[i + v[0], j + v[1], k + v[2]]
    a, b = _step(here, by_u, period), _step(by_u, far, period)
    c, d = _step(here, by_v, period), _step(by_v, far, period)
    return np.float32(0.5) * (a + b + c + d), max(max(abs(a), abs(b)), max(abs(c), abs(d)))


@numba.njit(cache=True, nogil=True)
def _laplacian(phase, inside, limit, period, axes, corners, out, trusted, first, last):
    """The 19-point sum of wrapped differences, and whether all of them are short."""
    units = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    planes = ((0, 1), (0, 2), (1, 2))
    for i in range(first, last):
        for j in range(inside.shape[1]):
            for k in range(inside.shape[2]):
                if not inside[i, j, k]:
                    continue
                total, longest = np.float32(0), np.float32(0)
                # six neighbours along the axes
                for a in range(3):
                    u = units[a]
                    for sign in (-1, 1):
                        there = phase[i + sign * u[0], j + sign * u[1], k + sign * u[2]]
                        total += axes[a] * _step(phase[i, j, k], there, period)
                # four in each of the three planes, whose ways also cross the six
                for n in range(3):
                    u, v = units[planes[n][0]], units[planes[n][1]]
                    for s in (-1, 1):
                        for t in (-1, 1):
                            us = (s * u[0], s * u[1], s * u[2])
                            vt = (t * v[0], t * v[1], t * v[2])
                            rise, step = _corner(phase, i, j, k, us, vt, period)
                            total += corners[n] * rise
                            longest = max(longest, step)
                out[i, j, k] = total
                trusted[i, j, k] = longest <= limit


def solve_poisson(
    laplacian: Image, inside: Mask, grid: Grid, *,
    iterations: int = 300, tolerance: float = 1e-4, nthreads: int = 1,
) -> Image:  # fmt: skip
    """Field with a given 19-point Laplacian in a mask and zero outside it.

    Parameters
    ----------
    laplacian
        Right-hand side, field/mm^2, (x, y, z).
    inside
        Where the equation holds; it must not touch the array's faces.
    grid
        Voxel size.
    iterations
        Most steps of conjugate gradients.
    tolerance
        Stop when the residual has shrunk to this fraction.
    nthreads
        Threads; the result does not depend on them.

    Notes
    -----
    Zhou et al. 2014 (doi 10.1002/nbm.3064): it differs from the total field by a harmonic
    function, so it is a local field but for a smooth remainder.
    """
    axes, corners = stencil_weights(grid.voxel_size)
    sweep = Sweep(inside.shape[0], nthreads)
    x = np.zeros_like(laplacian)
    # the sign makes the matrix positive
    residual = np.where(inside, -laplacian, np.float32(0))
    step, image = residual.copy(), np.zeros_like(laplacian)
    square = first = dot(residual, residual)
    for _ in range(iterations):
        if square <= tolerance**2 * first:
            break
        # alpha = |r|^2 / <p, A p>; x <- x + alpha p, r <- r - alpha A p
        curvature = sum(sweep(negative_laplacian, step, inside, axes, corners, image))
        length = np.float32(square / curvature)
        square, before = sum(sweep(_advance, x, residual, step, image, length)), square
        # p <- r + beta p
        sweep(_turn, step, residual, np.float32(square / before))
    return x


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def negative_laplacian(p, inside, axes, corners, out, first, last):
    """Write out = -(Laplacian of p), p zero outside the mask; returns <p, out>.

    The sum is taken in the same sweep: conjugate gradients want both.
    """
    centre = 2 * (axes[0] + axes[1] + axes[2]) + 4 * (corners[0] + corners[1] + corners[2])
    total = 0.0
    for i in range(first, last):
        for j in range(p.shape[1]):
            for k in range(p.shape[2]):
                if not inside[i, j, k]:
                    continue
                a, b, c, d = i - 1, i + 1, j - 1, j + 1
                e, f = k - 1, k + 1
                value = centre * p[i, j, k] - (
                    axes[0] * (p[a, j, k] + p[b, j, k])
                    + axes[1] * (p[i, c, k] + p[i, d, k])
                    + axes[2] * (p[i, j, e] + p[i, j, f])
                    + corners[0] * (p[a, c, k] + p[a, d, k] + p[b, c, k] + p[b, d, k])
                    + corners[1] * (p[a, j, e] + p[a, j, f] + p[b, j, e] + p[b, j, f])
                    + corners[2] * (p[i, c, e] + p[i, c, f] + p[i, d, e] + p[i, d, f])
                )
                out[i, j, k] = value
                total += value * p[i, j, k]
    return total


@numba.njit(cache=True, nogil=True)
def _advance(x, residual, step, image, length, first, last):
    """One step of x and of the residual; returns the residual's square."""
    total = 0.0
    for i in range(first, last):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                x[i, j, k] += length * step[i, j, k]
                residual[i, j, k] -= length * image[i, j, k]
                total += residual[i, j, k] * residual[i, j, k]
    return total


@numba.njit(cache=True, nogil=True)
def _turn(step, residual, ratio, first, last):
    """The next direction."""
    for i in range(first, last):
        for j in range(step.shape[1]):
            for k in range(step.shape[2]):
                step[i, j, k] = residual[i, j, k] + ratio * step[i, j, k]
