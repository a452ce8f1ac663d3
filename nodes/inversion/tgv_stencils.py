"""Total generalised variation inside a mask: its operators and steps, in numba.

Edges join neighbours of the mask; a difference that would need a voxel outside is left out, so
nothing is assumed beyond the mask. Gradients take forward differences and live on edges; the
symmetrised derivative takes backward differences of them. Each function works on a slab of planes
of its own and gives the same bits whatever the others do.
"""

from __future__ import annotations

import numba
import numpy as np

# neither flag reorders sums, so that all slabs and threads give the same bits
_FAST = {'contract', 'nsz'}
# bits of a voxel's second differences; its forward differences have 1, 2 and 4
_XX, _YY, _ZZ, _XY, _XZ, _YZ = 8, 16, 32, 64, 128, 256


@numba.njit(cache=True, nogil=True)
def mark_edges(inside, edges, first, last):
    """Bits 1, 2, 4: the forward difference along x, y, z stays inside."""
    nx, ny, nz = inside.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                bits = 0
                if inside[i, j, k]:
                    bits |= 1 if i + 1 < nx and inside[i + 1, j, k] else 0
                    bits |= 2 if j + 1 < ny and inside[i, j + 1, k] else 0
                    bits |= 4 if k + 1 < nz and inside[i, j, k + 1] else 0
                edges[i, j, k] = bits


@numba.njit(cache=True, nogil=True)
def mark_derivatives(edges, marks, first, last):
    """Edges' bits, and bits 8 to 256: every edge of a second difference is there."""
    for i in range(first, last):
        for j in range(edges.shape[1]):
            for k in range(edges.shape[2]):
                e = edges[i, j, k]
                x = edges[i - 1, j, k] if i > 0 else 0
                y = edges[i, j - 1, k] if j > 0 else 0
                z = edges[i, j, k - 1] if k > 0 else 0
                # w_x - w_x(i - 1): both edges must be there
                bits = e | (_XX if e & x & 1 else 0)
                bits |= (_YY if e & y & 2 else 0) | (_ZZ if e & z & 4 else 0)
                # mixed ones take w_y one step back along x, and w_x one step back along y
                bits |= _XY if (e & 3) == 3 and x & 2 and y & 1 else 0
                bits |= _XZ if (e & 5) == 5 and x & 4 and z & 1 else 0
                bits |= _YZ if (e & 6) == 6 and y & 4 and z & 2 else 0
                marks[i, j, k] = bits


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def add_gradient(x, w, marks, steps, scale, p, first, last):
    """Add scale (grad x - w) to the edge field p, (3, x, y, z)."""
    for i in range(first, last):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                m, c = marks[i, j, k], x[i, j, k]
                # x(i + 1) - x(i), each less the slope w
                if m & 1:
                    p[0, i, j, k] += scale * ((x[i + 1, j, k] - c) * steps[0] - w[0, i, j, k])
                if m & 2:
                    p[1, i, j, k] += scale * ((x[i, j + 1, k] - c) * steps[1] - w[1, i, j, k])
                if m & 4:
                    p[2, i, j, k] += scale * ((x[i, j, k + 1] - c) * steps[2] - w[2, i, j, k])


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def gradient_adjoint(p, steps, out, first, last):
    """Adjoint of the gradient; p is zero where there is no edge."""
    for i in range(first, last):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                # the edge that begins here, and the three that end here
                value = -(
                    p[0, i, j, k] * steps[0] + p[1, i, j, k] * steps[1] + p[2, i, j, k] * steps[2]
                )
                if i > 0:
                    value += p[0, i - 1, j, k] * steps[0]
                if j > 0:
                    value += p[1, i, j - 1, k] * steps[1]
                if k > 0:
                    value += p[2, i, j, k - 1] * steps[2]
                out[i, j, k] = value


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def add_derivative(w, marks, steps, scale, q, first, last):
    """Add scale times the symmetrised derivative of w to q: xx, yy, zz, xy, xz, yz."""
    half = np.float32(0.5)
    for i in range(first, last):
        for j in range(w.shape[2]):
            for k in range(w.shape[3]):
                m = marks[i, j, k]
                if m < _XX:
                    continue
                # the diagonal: backward differences of each component along its own axis
                a, b, c = w[0, i, j, k], w[1, i, j, k], w[2, i, j, k]
                if m & _XX:
                    q[0, i, j, k] += scale * (a - w[0, i - 1, j, k]) * steps[0]
                if m & _YY:
                    q[1, i, j, k] += scale * (b - w[1, i, j - 1, k]) * steps[1]
                if m & _ZZ:
                    q[2, i, j, k] += scale * (c - w[2, i, j, k - 1]) * steps[2]
                # off it: half the sum of both mixed differences
                if m & _XY:
                    rise = (b - w[1, i - 1, j, k]) * steps[0] + (a - w[0, i, j - 1, k]) * steps[1]
                    q[3, i, j, k] += scale * half * rise
                if m & _XZ:
                    rise = (c - w[2, i - 1, j, k]) * steps[0] + (a - w[0, i, j, k - 1]) * steps[2]
                    q[4, i, j, k] += scale * half * rise
                if m & _YZ:
                    rise = (c - w[2, i, j - 1, k]) * steps[1] + (b - w[1, i, j, k - 1]) * steps[2]
                    q[5, i, j, k] += scale * half * rise


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def limit_edges(p, limit, first, last):
    """Project each vector of p onto the ball of radius `limit`."""
    for i in range(first, last):
        for j in range(p.shape[2]):
            for k in range(p.shape[3]):
                a, b, c = p[0, i, j, k], p[1, i, j, k], p[2, i, j, k]
                square = a * a + b * b + c * c
                if square > limit * limit:
                    scale = limit / np.sqrt(square)
                    p[0, i, j, k], p[1, i, j, k], p[2, i, j, k] = scale * a, scale * b, scale * c


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def limit_derivatives(q, marks, limit, first, last):
    """Project each symmetric matrix of q onto the Frobenius ball of radius `limit`."""
    for i in range(first, last):
        for j in range(q.shape[2]):
            for k in range(q.shape[3]):
                if marks[i, j, k] < _XX:
                    continue
                square = np.float32(0)
                # Frobenius norm: xy, xz and yz stand twice in the matrix
                for n in range(6):
                    weight = np.float32(1 if n < 3 else 2)
                    square += weight * q[n, i, j, k] * q[n, i, j, k]
                if square > limit * limit:
                    scale = limit / np.sqrt(square)
                    for n in range(6):
                        q[n, i, j, k] *= scale


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _rise(q, a, b, c, i, j, k, steps):
    """One component of the adjoint derivative: row (a, b, c) of q, forward differences negated."""
    _, nx, ny, nz = q.shape
    # no matrix beyond the array's faces
    x = q[a, i + 1, j, k] if i + 1 < nx else np.float32(0)
    y = q[b, i, j + 1, k] if j + 1 < ny else np.float32(0)
    z = q[c, i, j, k + 1] if k + 1 < nz else np.float32(0)
    return (
        (q[a, i, j, k] - x) * steps[0]
        + (q[b, i, j, k] - y) * steps[1]
        + (q[c, i, j, k] - z) * steps[2]
    )


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def descend_slopes(w, ahead, p, q, marks, steps, tau, first, last):
    """Add tau (p - E^T q) to w on edges; `ahead` is twice the new w less the old.

    The inner product of symmetric matrices counts xy, xz and yz twice, as the limit does.
    """
    # rows of the symmetric matrix among its six entries
    rows = ((0, 3, 4), (3, 1, 5), (4, 5, 2))
    for i in range(first, last):
        for j in range(w.shape[2]):
            for k in range(w.shape[3]):
                m = marks[i, j, k]
                for n in range(3):
                    if m & (1 << n):
                        a, b, c = rows[n]
                        old = w[n, i, j, k]
                        fall = _rise(q, a, b, c, i, j, k, steps)
                        new = old + tau * (p[n, i, j, k] - fall)
                        w[n, i, j, k] = new
                        ahead[n, i, j, k] = 2 * new - old


@numba.njit(cache=True, nogil=True)
def extrapolate(new, old, first, last):
    """Replace old by 2 new - old."""
    for i in range(first, last):
        for j in range(new.shape[1]):
            for k in range(new.shape[2]):
                old[i, j, k] = 2 * new[i, j, k] - old[i, j, k]


@numba.njit(cache=True, nogil=True)
def weighted_sum(model, field, weight, first, last):
    """Sum of weight (model - field) over a slab."""
    total = 0.0
    for i in range(first, last):
        for j in range(model.shape[1]):
            for k in range(model.shape[2]):
                total += weight[i, j, k] * (model[i, j, k] - field[i, j, k])
    return total


@numba.njit(cache=True, nogil=True)
def misfit(model, field, weight, constant, first, last):
    """Replace model by weight (model - field - constant)."""
    for i in range(first, last):
        for j in range(model.shape[1]):
            for k in range(model.shape[2]):
                gap = model[i, j, k] - field[i, j, k] - constant
                model[i, j, k] = weight[i, j, k] * gap


@numba.njit(cache=True, nogil=True)
def descend_spectrum(chi, data, prior, kernel, step, first, last):
    """X <- X - step (D data + prior); then data <- D X and prior <- X."""
    for i in range(first, last):
        for j in range(chi.shape[1]):
            for k in range(chi.shape[2]):
                d = kernel[i, j, k]
                value = chi[i, j, k] - step[i, j, k] * (d * data[i, j, k] + prior[i, j, k])
                chi[i, j, k] = value
                data[i, j, k] = d * value
                prior[i, j, k] = value
