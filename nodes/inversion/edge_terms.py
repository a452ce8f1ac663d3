"""Weighted edges of an image, E^H w E, in numba; each works on a slab of planes.

Differences are periodic forward differences per mm, as in `stencils`.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def weighted_laplacian(x, weights, steps, out, first, last):
    """E^H(w E x), with weights (3, x, y, z) of the forward differences."""
    nx, ny, nz = x.shape
    sx, sy, sz = steps[0] * steps[0], steps[1] * steps[1], steps[2] * steps[2]
    for i in range(first, last):
        before, after = (i - 1 if i else nx - 1), (i + 1 if i + 1 < nx else 0)
        for j in range(ny):
            left, right = (j - 1 if j else ny - 1), (j + 1 if j + 1 < ny else 0)
            for k in range(nz):
                down, up = (k - 1 if k else nz - 1), (k + 1 if k + 1 < nz else 0)
                # along each axis: weighted difference from before less that to after
                c = x[i, j, k]
                total = sx * (
                    weights[0, before, j, k] * (c - x[before, j, k])
                    - weights[0, i, j, k] * (x[after, j, k] - c)
                )
                total += sy * (
                    weights[1, i, left, k] * (c - x[i, left, k])
                    - weights[1, i, j, k] * (x[i, right, k] - c)
                )
                total += sz * (
                    weights[2, i, j, down] * (c - x[i, j, down])
                    - weights[2, i, j, k] * (x[i, j, up] - c)
                )
                out[i, j, k] = total


@numba.njit(cache=True, nogil=True)
def lagged_weights(x, keep, steps, smoothing, weights, first, last):
    """Weights m / sqrt(|m E x|^2 + s^2) of the quadratic above |m E x|; sum of the norm.

    `keep` holds m, 0 or 1 (bits 1, 2 and 4 for the three differences).
    """
    nx, ny, nz = x.shape
    square, norm = smoothing * smoothing, 0.0
    for i in range(first, last):
        after = i + 1 if i + 1 < nx else 0
        for j in range(ny):
            right = j + 1 if j + 1 < ny else 0
            row = np.float32(0)
            for k in range(nz):
                up = k + 1 if k + 1 < nz else 0
                bits = keep[i, j, k]
                m0, m1, m2 = bits & 1, (bits >> 1) & 1, (bits >> 2) & 1
                # m E x
                c = x[i, j, k]
                g0 = m0 * (x[after, j, k] - c) * steps[0]
                g1 = m1 * (x[i, right, k] - c) * steps[1]
                g2 = m2 * (x[i, j, up] - c) * steps[2]
                # s rounds the norm's corner at zero, so that the weights stay finite
                length = np.sqrt(g0 * g0 + g1 * g1 + g2 * g2 + square)
                row += length
                scale = np.float32(1) / length
                weights[0, i, j, k] = m0 * scale
                weights[1, i, j, k] = m1 * scale
                weights[2, i, j, k] = m2 * scale
            norm += row
    return norm
