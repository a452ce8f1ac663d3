"""Poisson's equation inside a mask: fused stencils and a multigrid cycle.

The box around a mask carries a border of at least one empty voxel, so that stencils need no
special cases. Every kernel works on a slab of planes: slabs write disjoint planes, and the bits
do not depend on how many threads share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..parallel import Sweep
from ..volumes import bounding_box

_SMALL = 300_000
"""Voxels below which a level is one piece: sharing it out would cost more than doing it. By eye;
results do not depend on it but for the order of sums."""

_DAMPING = (0.9, 0.55)
"""Factors of the damped Jacobi sweeps before coarsening; the reverse after it. A cycle leaves .32
of the residual of a head of 1.25 mm (.35 of one of 1 x 1 x 2 mm); pairs from (.67, .67) to (1, .6)
leave .30 to .33 (.34 to .35)."""


@dataclass(frozen=True)
class Box:
    """The part of an array that a mask fills, with an empty border.

    Attributes
    ----------
    mask
        The mask in its box.
    source
        Where the box without its border lies in the full array.
    full
        Shape of the full array.
    """

    mask: NDArray[np.bool_]
    source: tuple[slice, slice, slice]
    full: tuple[int, ...]

    @classmethod
    def around(cls, mask: NDArray[np.bool_], border: int = 1) -> Box:
        """Box of a mask that is not empty."""
        source = bounding_box(mask)
        return cls(np.pad(mask[source], border), source, mask.shape)

    @property
    def _inner(self) -> tuple[slice, ...]:
        return tuple(
            slice((n - (s.stop - s.start)) // 2, (n + (s.stop - s.start)) // 2)
            for n, s in zip(self.mask.shape, self.source, strict=True)
        )

    def take(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Values inside the mask, zero elsewhere, float32."""
        out = np.zeros(self.mask.shape, np.float32)
        out[self._inner] = image[self.source]
        out[~self.mask] = 0
        return out

    def put(self, image: NDArray[Any]) -> NDArray[Any]:
        """Full-size array, zero outside the box."""
        out = np.zeros(self.full, image.dtype)
        out[self.source] = image[self._inner]
        return out


def interior(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels whose six neighbours lie in the mask, too; the mask has an empty border."""
    inside = mask.copy()
    for axis in range(3):
        inside &= np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
    return inside


class Stencils:
    """Sweeps over the planes of one box shape by a number of threads."""

    def __init__(self, shape: tuple[int, ...], nthreads: int = 1) -> None:
        small = int(np.prod(shape)) < _SMALL
        # few pieces: each sweep is short, and starting a piece takes time, too
        self.sweep = Sweep(shape[0], 1 if small else nthreads, 1 if small else 8)

    def dot(self, a: NDArray[Any], b: NDArray[Any]) -> float:
        """Scalar product in double precision, slab by slab."""
        return float(sum(self.sweep(_dot, a, b)))


class Multigrid:
    """V cycle for -laplacian(u) = f inside a mask, u = 0 outside: `cycle(f)` approximates u.

    Parameters
    ----------
    inside
        Where the equation holds; its border is empty.
    voxel_size
        mm.
    nthreads
        Threads; the result does not depend on them.

    Notes
    -----
    Symmetric and positive, so it preconditions conjugate gradients. Axes are coarsened while
    their spacing is below 1.5 times the finest one's: a slab's thick axis waits for the others. A
    coarse voxel is inside where its centre's fine voxel is (Briggs, Henson & McCormick 2000, A
    Multigrid Tutorial, chapter 7).
    """

    def __init__(
        self,
        inside: NDArray[np.bool_],
        voxel_size: tuple[float, float, float],
        nthreads: int = 1,
    ) -> None:
        self.inside = inside.astype(np.float32)
        self.weights = (1 / np.asarray(voxel_size, float) ** 2).astype(np.float32)
        self.stencils = Stencils(inside.shape, nthreads)
        self._right, self._x, self._y = (np.zeros(inside.shape, np.float32) for _ in range(3))
        self.coarse: Multigrid | None = None
        size = np.asarray(voxel_size, float)
        # 1.5: coarsening that leaves neighbours unequally coupled spoils the point smoother
        self.factors = np.where(size < 1.5 * size.min(), 2, 1)
        smaller = _coarsened(inside, self.factors)
        if smaller.any() and smaller.size < inside.size:
            a, b, c = size * self.factors
            self.coarse = Multigrid(smaller, (float(a), float(b), float(c)), nthreads)

    def __call__(self, right: NDArray[np.float32]) -> NDArray[np.float32]:
        """Approximate solution; a buffer that the next call overwrites."""
        x, y, sweep = self._x, self._y, self.stencils.sweep
        # smooth, from zero
        sweep(_first_sweep, right, self.inside, self.weights, np.float32(_DAMPING[0]), x)
        if self.coarse is None:
            # the coarsest level is a few voxels: sweeps solve it
            for _ in range(20):
                sweep(_jacobi, x, right, self.inside, self.weights, np.float32(0.8), y)
                x, y = y, x
            self._x, self._y = x, y
            return x
        sweep(_jacobi, x, right, self.inside, self.weights, np.float32(_DAMPING[1]), y)
        # what is left goes to the coarse level, its correction comes back
        sweep(_residual, y, right, self.inside, self.weights, x)
        coarse = self.coarse
        coarse.stencils.sweep(_restrict, x, self.factors, coarse.inside, coarse._right)
        sweep(_prolong, coarse(coarse._right), self.factors, self.inside, y)
        # the same sweeps in reverse order keep the cycle symmetric
        sweep(_jacobi, y, right, self.inside, self.weights, np.float32(_DAMPING[1]), x)
        sweep(_jacobi, x, right, self.inside, self.weights, np.float32(_DAMPING[0]), y)
        self._x, self._y = y, x
        return y


def _coarsened(inside: NDArray[np.bool_], factors: NDArray[Any]) -> NDArray[np.bool_]:
    """Every second voxel along the axes that are coarsened, with an empty border."""
    part = inside[tuple(slice(None, None, int(f)) for f in factors)]
    return np.pad(part, [(0, int(f) - 1) for f in factors])


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz', 'reassoc'})
def _dot(a, b, first, last):
    """Scalar product of a slab, line by line in double precision."""
    total = 0.0
    for i in range(first, last):
        for j in range(a.shape[1]):
            line = np.float64(0)
            for k in range(a.shape[2]):
                line += np.float64(a[i, j, k]) * np.float64(b[i, j, k])
            total += line
    return total


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _neighbours(x, w, i, j, k):
    """Sum over the six neighbours, by the reciprocal squares of their distances."""
    return (
        w[0] * (x[i - 1, j, k] + x[i + 1, j, k])
        + w[1] * (x[i, j - 1, k] + x[i, j + 1, k])
        + w[2] * (x[i, j, k - 1] + x[i, j, k + 1])
    )


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def laplacian(x, scale, w, out, first, last):
    """Scale times the seven-point Laplacian of x; the border of `out` is left alone.

    Parameters
    ----------
    x
        Image with an empty border.
    scale
        Factor of every voxel: a mask, or weights.
    w
        Reciprocal squares of the voxel lengths, 1/mm^2, float32.
    out
        Result.
    first, last
        Planes of the slab.
    """
    nx, ny, nz = x.shape
    centre = 2 * (w[0] + w[1] + w[2])
    for i in range(max(first, 1), min(last, nx - 1)):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                around = _neighbours(x, w, i, j, k)
                out[i, j, k] = scale[i, j, k] * (around - centre * x[i, j, k])


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _first_sweep(f, inside, w, damping, out, first, last):
    """Damped Jacobi sweep from zero."""
    step = damping / (2 * (w[0] + w[1] + w[2]))
    for i in range(first, last):
        for j in range(f.shape[1]):
            for k in range(f.shape[2]):
                out[i, j, k] = step * inside[i, j, k] * f[i, j, k]


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _jacobi(x, f, inside, w, damping, out, first, last):
    """Damped Jacobi sweep: x + damping (f - A x) / A_ii inside, zero outside."""
    nx, ny, nz = x.shape
    centre = 2 * (w[0] + w[1] + w[2])
    step = damping / centre
    for i in range(max(first, 1), min(last, nx - 1)):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                gap = f[i, j, k] - centre * x[i, j, k] + _neighbours(x, w, i, j, k)
                out[i, j, k] = inside[i, j, k] * (x[i, j, k] + step * gap)


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _residual(x, f, inside, w, out, first, last):
    """What x leaves: f - A x inside, zero outside."""
    nx, ny, nz = x.shape
    centre = 2 * (w[0] + w[1] + w[2])
    for i in range(max(first, 1), min(last, nx - 1)):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                gap = f[i, j, k] - centre * x[i, j, k] + _neighbours(x, w, i, j, k)
                out[i, j, k] = inside[i, j, k] * gap


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _restrict(fine, factors, inside, out, first, last):
    """Full weighting: each coarse voxel takes its fine voxel and half of the neighbours."""
    fx, fy, fz = factors
    nx, ny, nz = fine.shape
    mx, my, mz = out.shape
    line = np.empty(nz, np.float32)
    for i in range(max(first, 1), min(last, mx - 1)):
        for j in range(1, my - 1):
            # planes and rows first, weighted 1/4, 1/2, 1/4 along axes that are coarsened
            line[:] = 0
            for p in range(fx * i - fx + 1, fx * i + fx):
                for q in range(fy * j - fy + 1, fy * j + fy):
                    if p < nx and q < ny:
                        weight = np.float32(1)
                        if fx == 2:
                            weight *= np.float32(0.5 if p == 2 * i else 0.25)
                        if fy == 2:
                            weight *= np.float32(0.5 if q == 2 * j else 0.25)
                        for k in range(nz):
                            line[k] += weight * fine[p, q, k]
            # then along the line
            for k in range(1, mz - 1):
                value = np.float32(0)
                if fz == 1:
                    value = line[k]
                elif 2 * k + 1 < nz:
                    ends = line[2 * k - 1] + line[2 * k + 1]
                    value = np.float32(0.5) * line[2 * k] + np.float32(0.25) * ends
                out[i, j, k] = inside[i, j, k] * value


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _prolong(coarse, factors, inside, x, first, last):
    """Add the coarse solution, interpolated linearly."""
    fx, fy, fz = factors
    nx, ny, nz = x.shape
    mz = coarse.shape[2]
    line = np.empty(mz, np.float32)
    for i in range(max(first, 1), min(last, nx - 1)):
        # an even plane lies on a coarse one (p = p1), an odd one between two
        p, p1 = i // fx, (i + fx - 1) // fx
        for j in range(1, ny - 1):
            q, q1 = j // fy, (j + fy - 1) // fy
            for k in range(mz):
                line[k] = np.float32(0.25) * (
                    coarse[p, q, k] + coarse[p1, q, k] + coarse[p, q1, k] + coarse[p1, q1, k]
                )
            for k in range(1, nz - 1):
                if fz == 1:
                    x[i, j, k] += inside[i, j, k] * line[k]
                else:
                    value = np.float32(0.5) * (line[k // 2] + line[(k + 1) // 2])
                    x[i, j, k] += inside[i, j, k] * value
