"""Projection onto dipole fields: the field that sources outside the mask can explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import check_field_map
from ..grid import Grid
from ..numerics.multigrid import Box, Multigrid, Stencils, interior, laplacian

Progress = Callable[[int, int], None]
Image = NDArray[np.float32]


def pdf(
    totalfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    local_sd: float = 0.006,
    offset_order: int = 0,
    iterations: int = 80,
    tolerance: float = 0.03,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> Image:
    """Projection onto dipole fields: explain the field by sources outside the mask.

    Parameters
    ----------
    totalfield
        Total field, ppm, (x, y, z).
    mask
        Where it holds; the result holds there too.
    grid
        Geometry.
    noise
        Standard deviation of the total field, ppm; weights the fit where given.
    local_sd
        Standard deviation of the local field, ppm: to the fit it is noise, too, so voxels less
        noisy than this weigh alike.
    offset_order
        Polynomials up to this order, 0 to 3, are taken away as well. Beyond order 1 they are no
        fields of outside sources; a single echo's phase offset is like them.
    iterations
        Most conjugate-gradient steps.
    tolerance
        Stop when the error that is left has shrunk to about this fraction.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations).

    Returns
    -------
    NDArray
        Local field, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        Shapes differ, the mask is empty or nowhere three voxels thick, the field is not finite in
        it, or a setting is out of range.

    Notes
    -----
    Liu et al. 2011 (doi 10.1002/nbm.1670) minimise |W (f - D * x)| over sources x outside the
    mask M. Their fields are harmonic in M, and with sources everywhere outside they come as close
    as one likes to every harmonic field, so the minimum is the weighted projection of f onto
    {h: L h = 0}, L the Laplacian at the voxels whose neighbours lie in M. It is found without the
    sources: with a Lagrange multiplier g,

        minimise |W (f - h)|^2 subject to L h = 0:   L W^-2 L^T g = L f,   f - h = W^-2 L^T g.

    Conjugate gradients on g, preconditioned by two multigrid solutions of Poisson's equation
    about W^2, need stencils only, no Fourier transform and no room around the mask. Polynomials
    Q of `offset_order` are constraints g^T L Q = 0 on the same iteration.
    """
    check_field_map(totalfield, mask, grid)
    if not (np.isfinite(local_sd) and local_sd > 0):
        raise NigraError(f'local_sd must be a positive field in ppm, got {local_sd}')
    if offset_order not in (0, 1, 2, 3):
        raise NigraError(f'offset_order must be 0, 1, 2 or 3, got {offset_order}')
    if iterations < 1:
        raise NigraError(f'iterations must be at least 1, got {iterations}')
    box = Box.around(mask)
    if not interior(box.mask).any():
        raise NigraError('the mask is nowhere three voxels thick along every axis')
    variance = _variances(noise, box, local_sd)
    projection = _Projection(box.mask, variance, grid.voxel_size, offset_order, nthreads)
    field = box.take(totalfield)
    field[box.mask] -= np.float32(np.median(field[box.mask]))
    return box.put(projection.local(field, iterations, tolerance, progress))


def _variances(noise: NDArray[Any] | None, box: Box, local_sd: float) -> Image:
    """W^-2, one where the noise is negligible; zero outside the mask.

    Voxels of unknown noise get the largest value: the fit passes them by.
    """
    variance = box.mask.astype(np.float32)
    if noise is None:
        return variance
    if noise.shape != box.full:
        raise NigraError(f'the noise has shape {noise.shape} but the field {box.full}')
    values = box.take(noise)[box.mask].astype(np.float64)
    known = np.isfinite(values) & (values > 0)
    if known.any():
        ratio = np.where(known, values, np.inf) / local_sd
        variance[box.mask] = np.minimum(1 + ratio**2, 1e4)
    return variance


class _Projection:
    """The weighted projection onto harmonic fields in one mask."""

    def __init__(
        self,
        mask: NDArray[np.bool_],
        variance: Image,
        voxel_size: tuple[float, float, float],
        offset_order: int,
        nthreads: int,
    ) -> None:
        inside = interior(mask)
        self.inside = inside.astype(np.float32)
        self.variance = variance
        self.weight = np.divide(1, variance, where=mask, out=np.zeros_like(variance))
        self.multigrid = Multigrid(inside, voxel_size, nthreads)
        self.stencils = Stencils(mask.shape, nthreads)
        self._field, self._middle = np.zeros_like(variance), np.zeros_like(variance)
        self.bounds = self._offset_bounds(offset_order)

    def _laplacian(self, image: Image, scale: Image, out: Image) -> Image:
        self.stencils.sweep(laplacian, image, scale, self.multigrid.weights, out)
        return out

    def _normal(self, g: Image, out: Image) -> Image:
        """L W^-2 L^T g."""
        return self._laplacian(self._laplacian(g, self.variance, self._field), self.inside, out)

    def _poisson_twice(self, residual: Image) -> Image:
        """Approximate inverse of L W^-2 L^T: Poisson's equation, W^2, Poisson's equation."""
        np.multiply(self.multigrid(residual), self.weight, out=self._middle)
        return self.multigrid(self._middle)

    def _offset_bounds(self, order: int) -> _Bounds | None:
        """Constraints L Q of the offset: a constant for r^2, the coordinates for cubics."""
        if order < 2:
            return None
        rows = [self.inside]
        if order == 3:
            for axis, n in enumerate(self.inside.shape):
                shape = [n if a == axis else 1 for a in range(3)]
                line = np.linspace(-1, 1, n, dtype=np.float32).reshape(shape)
                rows.append(self.inside * line)
        return _Bounds(rows, [self._poisson_twice(row).copy() for row in rows], self.stencils)

    def _precondition(self, residual: Image) -> Image:
        z = self._poisson_twice(residual)
        return z if self.bounds is None else self.bounds.keep(z)

    def local(
        self, field: Image, iterations: int, tolerance: float, progress: Progress | None
    ) -> Image:
        """W^-2 L^T g by preconditioned conjugate gradients on g."""
        dot = self.stencils.dot
        residual = self._laplacian(field, self.inside, np.zeros_like(field))
        g, image = np.zeros_like(field), np.zeros_like(field)
        if self.bounds is not None:
            self.bounds.clear(residual)
        z = self._precondition(residual)
        step = z.copy()
        square = first = dot(residual, z)
        for iteration in range(iterations):
            if square <= tolerance**2 * first or square <= 0:
                break
            self._normal(step, image)
            length = np.float32(square / dot(step, image))
            self.stencils.sweep(_advance, g, residual, step, image, length)
            z = self._precondition(residual)
            square, before = dot(residual, z), square
            self.stencils.sweep(_redirect, step, z, np.float32(square / before))
            if progress:
                progress(iteration + 1, iterations)
        return self._laplacian(g, self.variance, image)


def _advance(
    g: Image, residual: Image, step: Image, image: Image, length: Any, first: int, last: int
) -> None:
    """Update g += length step and residual -= length image on a slab."""
    g[first:last] += length * step[first:last]
    residual[first:last] -= length * image[first:last]


def _redirect(step: Image, z: Image, factor: Any, first: int, last: int) -> None:
    """Update step = z + factor step on a slab."""
    step[first:last] *= factor
    step[first:last] += z[first:last]


class _Bounds:
    """Keeps search directions orthogonal to a few rows (projected conjugate gradients)."""

    def __init__(self, rows: Sequence[Image], images: Sequence[Image], stencils: Stencils) -> None:
        self.rows, self.images, self.dot = rows, images, stencils.dot
        gram = np.array([[self.dot(a, b) for b in images] for a in rows])
        self.inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)

    def clear(self, residual: Image) -> None:
        """Subtract the rows from a residual so that its image needs no correction, in place.

        The iteration is the same without; but the offset, far larger than the rest, would leave
        its rounding errors in every step.
        """
        along = [self.dot(image, residual) for image in self.images]
        for row, factor in zip(self.rows, self.inverse @ along, strict=True):
            residual -= np.float32(factor) * row

    def keep(self, z: Image) -> Image:
        """Subtract from z what is not orthogonal to the rows, in place."""
        for image, factor in zip(
            self.images, self.inverse @ [self.dot(row, z) for row in self.rows], strict=True
        ):
            z -= np.float32(factor) * image
        return z
