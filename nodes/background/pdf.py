"""Projection onto dipole fields: the field that sources outside the mask can explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..grid import Grid
from ..numerics.multigrid import Box, Multigrid, Stencils, interior, laplacian
from ..parallel import Progress
from .frame import Image, Mask, Stop, check, field_in_box, is_positive
from .solver import image_conjugate_gradients


def pdf(
    totalfield: NDArray[Any],
    mask: Mask,
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
    noise
        Standard deviation of the total field, ppm, (x, y, z); weights the fit where given.
    local_sd
        Standard deviation of the local field, ppm: to the fit it is noise, too, so voxels less
        noisy than this weigh alike.
    offset_order
        Polynomials up to this order, 0 to 3, are taken away as well. Beyond order 1 they are no
        fields of outside sources; a single echo's phase offset is like them.
    totalfield, mask, grid, iterations, tolerance, nthreads, progress
        As in `background.frame`, which also lists the errors.

    Returns
    -------
    NDArray
        Local field on the whole mask.

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
    stop = Stop(iterations, tolerance, progress)
    local = ('local_sd', local_sd, is_positive(local_sd), 'be a positive field in ppm')
    order = ('offset_order', offset_order, offset_order in (0, 1, 2, 3), 'be 0, 1, 2 or 3')
    check(totalfield, mask, grid, local, order, *stop.settings)
    box = Box.around(mask)
    if not interior(box.mask).any():
        raise NigraError('the mask is nowhere three voxels thick along every axis')
    variance = _variances(noise, box, local_sd)
    projection = _Projection(box.mask, variance, grid.voxel_size, offset_order, nthreads)
    return box.put(projection.local(field_in_box(totalfield, box), stop))


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
        mask: Mask,
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

    def local(self, field: Image, stop: Stop) -> Image:
        """Local field f - h = W^-2 L^T g, where L W^-2 L^T g = L f."""
        right = self._laplacian(field, self.inside, np.zeros_like(field))
        if self.bounds is not None:
            self.bounds.clear(right)
        g = image_conjugate_gradients(
            self._normal,
            right,
            stop,
            dot=self.stencils.dot,
            precondition=self._precondition,
            nthreads=self.stencils.nthreads,
        )
        return self._laplacian(g, self.variance, np.zeros_like(g))


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
