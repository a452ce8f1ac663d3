"""Fused finite differences over volumes, in numba; each works on a slab of planes.

All differences are periodic, as the Fourier transform's. Slabs write disjoint planes and read
whole arrays, so they may run side by side and give the same bits as one after the other.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def update_edges(x, dual, weights, steps, limit, relaxation, first, last):
    """Update p <- r grad x + (1 - r) (p - u) + u, where u projects p.

    The projection is onto the ball of radius `limit * weights`; r = 1 is no relaxation.

    Parameters
    ----------
    x
        Image, (x, y, z).
    dual
        The vector field p, (3, x, y, z); overwritten.
    weights
        Edge weights, (x, y, z).
    steps
        Reciprocal voxel lengths, 1/mm, times r.
    limit
        Threshold of the shrinkage, lambda / mu.
    relaxation
        r, 1 to 2.
    first, last
        Planes of the slab.
    """
    nx, ny, nz = x.shape
    rest = np.float32(1) - relaxation
    for i in range(first, last):
        i1 = i + 1 if i + 1 < nx else 0
        for j in range(ny):
            j1 = j + 1 if j + 1 < ny else 0
            for k in range(nz):
                k1 = k + 1 if k + 1 < nz else 0
                # u = proj(p), onto the ball of the edge's radius
                p0, p1, p2 = dual[0, i, j, k], dual[1, i, j, k], dual[2, i, j, k]
                radius = limit * weights[i, j, k]
                length = np.sqrt(p0 * p0 + p1 * p1 + p2 * p2)
                scale = np.float32(1) if length <= radius else radius / length
                # (1 - r) z + u = (1 - r + r scale) p
                scale = rest + relaxation * scale
                d0, d1, d2 = _rises(x, i, j, k, i1, j1, k1, steps)
                dual[0, i, j, k] = scale * p0 + d0
                dual[1, i, j, k] = scale * p1 + d1
                dual[2, i, j, k] = scale * p2 + d2


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _rises(x, i, j, k, i1, j1, k1, steps):
    """Forward differences at a voxel, whose neighbours have the indices i1, j1 and k1."""
    centre = x[i, j, k]
    return (
        (x[i1, j, k] - centre) * steps[0],
        (x[i, j1, k] - centre) * steps[1],
        (x[i, j, k1] - centre) * steps[2],
    )


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _reflection(dual, i, j, k, radius):
    """1 - 2 min(1, radius / |p|): p less twice its projection."""
    p0, p1, p2 = dual[0, i, j, k], dual[1, i, j, k], dual[2, i, j, k]
    length = np.sqrt(p0 * p0 + p1 * p1 + p2 * p2)
    return np.float32(1) - np.float32(2) * (np.float32(1) if length <= radius else radius / length)


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def edge_scales(dual, weights, limit, out, first, last):
    """Factor that turns p into z - u: 1 - 2 min(1, radius / |p|), voxel by voxel."""
    ny, nz = dual.shape[2:]
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                radius = limit * weights[i, j, k]
                out[i, j, k] = _reflection(dual, i, j, k, radius)


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def adjoint_gradient(dual, scales, steps, out, first, last):
    """E^H(scales * p): adjoint of the periodic forward differences, (x, y, z)."""
    nx, ny, nz = out.shape
    for i in range(first, last):
        i1 = i - 1 if i > 0 else nx - 1
        for j in range(ny):
            j1 = j - 1 if j > 0 else ny - 1
            for k in range(nz):
                k1 = k - 1 if k > 0 else nz - 1
                # backward differences, negated
                s = scales[i, j, k]
                out[i, j, k] = (
                    (scales[i1, j, k] * dual[0, i1, j, k] - s * dual[0, i, j, k]) * steps[0]
                    + (scales[i, j1, k] * dual[1, i, j1, k] - s * dual[1, i, j, k]) * steps[1]
                    + (scales[i, j, k1] * dual[2, i, j, k1] - s * dual[2, i, j, k]) * steps[2]
                )


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _clipped(value, limit):
    """Nearest number within +-limit."""
    return min(max(value, -limit), limit)


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def update_differences(x, dual, steps, limit, first, last):
    """Update p <- grad x + u, where u clips each component of p to +-limit by itself.

    Arguments as in `update_edges`, whose projection takes the three components together.
    """
    nx, ny, nz = x.shape
    for i in range(first, last):
        i1 = i + 1 if i + 1 < nx else 0
        for j in range(ny):
            j1 = j + 1 if j + 1 < ny else 0
            for k in range(nz):
                k1 = k + 1 if k + 1 < nz else 0
                d0, d1, d2 = _rises(x, i, j, k, i1, j1, k1, steps)
                dual[0, i, j, k] = _clipped(dual[0, i, j, k], limit) + d0
                dual[1, i, j, k] = _clipped(dual[1, i, j, k], limit) + d1
                dual[2, i, j, k] = _clipped(dual[2, i, j, k], limit) + d2


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _reflected(value, limit):
    """A number less twice its clipped self."""
    return value - np.float32(2) * _clipped(value, limit)


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def adjoint_of_reflected(dual, limit, steps, out, first, last):
    """E^H(p - 2 u), u as in `update_differences`, (x, y, z)."""
    nx, ny, nz = out.shape
    for i in range(first, last):
        i1 = i - 1 if i > 0 else nx - 1
        for j in range(ny):
            j1 = j - 1 if j > 0 else ny - 1
            for k in range(nz):
                k1 = k - 1 if k > 0 else nz - 1
                # backward differences, negated
                d0 = _reflected(dual[0, i1, j, k], limit) - _reflected(dual[0, i, j, k], limit)
                d1 = _reflected(dual[1, i, j1, k], limit) - _reflected(dual[1, i, j, k], limit)
                d2 = _reflected(dual[2, i, j, k1], limit) - _reflected(dual[2, i, j, k], limit)
                out[i, j, k] = d0 * steps[0] + d1 * steps[1] + d2 * steps[2]


@numba.njit(cache=True, nogil=True)
def solve_spectra(data, edges, kernel, denominator, mu, first, last):
    """Replace edges by X = (D data + mu edges) / denominator, and data by D X."""
    _, ny, nz = data.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                d = kernel[i, j, k]
                value = (d * data[i, j, k] + mu * edges[i, j, k]) / denominator[i, j, k]
                edges[i, j, k] = value
                data[i, j, k] = d * value


@numba.njit(cache=True, nogil=True)
def fill_field(model, field, weight, constant, first, last):
    """Replace model by model + weight (field - constant - model): data in, model elsewhere."""
    _, ny, nz = model.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                # a weight of 1 puts the data there, 0 leaves what the model predicts
                gap = field[i, j, k] - constant - model[i, j, k]
                model[i, j, k] += weight[i, j, k] * gap


def reciprocal_steps(voxel_size: tuple[float, float, float]) -> NDArray[Any]:
    """Reciprocal voxel lengths as the stencils want them, 1/mm, float32."""
    return (1.0 / np.asarray(voxel_size)).astype(np.float32)
