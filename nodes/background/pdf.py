"""Projection onto dipole fields: the field that sources outside the mask can explain.

Liu et al. 2011 (doi 10.1002/nbm.1670) minimise |W (f - D * x)| over sources x outside the mask M:
f is the total field, D the dipole kernel and W the reciprocal of the noise. The fields of such
sources are harmonic in M, and with sources everywhere outside they come as close as one likes to
every harmonic field. So the minimum is the weighted projection of f onto {h: L h = 0}, L the
Laplacian at the voxels whose neighbours lie in M. It is found without the sources: with a Lagrange
multiplier g,

    minimise |W (f - h)|^2 subject to L h = 0:   L W^-2 L^T g = L f,   f - h = W^-2 L^T g.

Conjugate gradients on g, preconditioned by two multigrid solutions of Poisson's equation about
W^2, need stencils only, no Fourier transform and no room around the mask. Polynomials Q of
`offset_order` are constraints g^T L Q = 0 on the same iteration.

A harmonic field is known by its values at the rim of the mask. Deeper inside, the field of nuclei
and tracts is what the fit must not explain, so voxels count less the deeper they lie.

What the projection still takes along of the local field is given back in further passes
(`dipole_part`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import NigraError
from ..fields import LONGEST, check_counts, check_field_map, check_positive, check_settings
from ..grid import Grid
from ..numerics.distances import distances
from ..numerics.multigrid import Box, Multigrid, Stencils, interior, laplacian
from ..parallel import Progress
from .dipole_part import DipolePart, local_in_passes
from .frame import Image, Mask, Stop, field_in_box
from .solver import System, image_conjugate_gradients

_LARGEST_VARIANCE = 1e4
"""W^-2 of the noisiest voxels, and of those whose noise is unknown.

Large values delay the iteration, most of all where such voxels are scattered. On the phantom of
`background.frame`, with a disturbance of .5 ppm in voxels of unknown noise and 400 steps allowed,
1e2, 1e3 and 1e4 take 17, 19 and 58 steps where the voxels are one clump of 6 mm radius (slopes
.985, .982, .978). With one voxel in a thousand they take 18, 40 and 116 steps (.983, .980, .978).
With one voxel in fifty 1e2 takes 27 steps (.982) and 1e3 takes 108 (.976); 1e4 has not converged
after 400 (.935).
"""

_LATER = 0.03
"""Tolerance of further passes, which are small: the same maps as with .01, in 6/7 of the time."""

_THINNEST = 0.01
"""Least `rim`, mm: from there down maps are the same; squares of depths over 1e-20 overflow."""

_DEPENDENT = 1e-10
"""Eigenvalues of the constraints, over the largest, that are zero but for rounding.

They are .03 and more in a round head. Where the mask's interior is one voxel thick along an axis,
that coordinate is a multiple of the constant.
"""


# `passes` on cal-3T, cal-1.5T and cal2-3T of `benchmarks/phantoms.py`, phase to the map of `dual`,
# means of nuclei: 1 pass, slopes .924, .913 and .923, errors 3.6, 7.1 and 5.9 ppb; 3 passes, .975,
# .971 and .950, 2.9, 5.1 and 6.0 ppb (the true local field: 1.003, .985, .978; 5.5, 2.9, 5.9); 4
# add .005. `dipole_part.FLOOR` .01: .974, .967, .946; .001: .980, .972, .952. Wide structures, 4
# to 8 voxels, keep .78 instead of .69.
# `rim` 200 (depths nearly alike), 15 and 10 on second-3T, cal-3T, second-1.5T, one-1.5T and
# second-one-3T: errors of means are 5.2, 3.1, 4.2, 4.2 and 5.1 ppb; 6.7, 3.8, 3.8, 4.2 and 4.9;
# 7.4, 4.2, 3.6, 4.3 and 4.8: what grows is alike in all nuclei. Maps by `dual` keep, two voxels
# inside, .81, .87, .79, .76 and .59 of structures of 8 to 16 voxels with 200, and .86, .91, .84,
# .80 and .64 with 10. On 40 people of the study, one echo, errors are 8.0, 7.0 and 6.7 ppb.
# On the phantom of `background.frame`, one pass, `rim` 200: a tolerance of .03 takes 15 steps,
# slope .980; .1 takes 12, slope .975; .001 takes 28, slope .980. A `local_sd` between .002 and .03
# changes the slope from .979 to .983, and the error in the whole mask from 3.68 to 3.59 ppb.
def pdf(
    totalfield: NDArray[Any], mask: Mask, grid: Grid, *,
    noise: NDArray[Any] | None = None,
    local_sd: float = 0.006, rim: float = 15.0, offset_order: int = 0, passes: int = 3,
    iterations: int = 80, tolerance: float = 0.01,
    nthreads: int = 1, progress: Progress | None = None,
) -> Image:  # fmt: skip
    """Projection onto dipole fields: explain the field by sources outside the mask.

    Parameters
    ----------
    noise
        Standard deviation of the total field, ppm, (x, y, z); weights the fit where given.
    local_sd
        Standard deviation of the local field, ppm: to the fit it is noise, too, so voxels less
        noisy than this weigh alike.
    rim
        How thick the rim is that the fit goes by, mm: a voxel's variance is one of the local
        field, and (depth / rim)^2 more below the mask's edge. .01 to 200; 200 weighs depths nearly
        alike, as published.
    offset_order
        Polynomials up to this order, 0 to 3, are taken away as well. Beyond order 1 they are no
        fields of outside sources; a single echo's phase offset is like them, where the step before
        has not taken it away.
    totalfield, mask, grid, passes, iterations, tolerance, nthreads, progress
        As in `background.frame`, which also lists the errors; but further passes end at a
        tolerance of .03, where `tolerance` is smaller and not 0.

    Returns
    -------
    NDArray
        Local field on the whole mask.

    Notes
    -----
    Liu et al. 2011 (doi 10.1002/nbm.1670); the equations are in the module's docstring.
    """
    stop = Stop(iterations, tolerance, progress, passes, _LATER)
    check_positive(local_sd=local_sd)
    check_settings(
        ('rim', rim, _THINNEST <= rim <= LONGEST, f'lie between {_THINNEST:g} and {LONGEST:g} mm')
    )
    check_counts(0, 3, offset_order=offset_order)
    check_field_map(totalfield, mask, grid)
    box = Box.around(mask)
    variance = _variances(noise, box, local_sd)
    below = variance + np.square(_depths(box.mask, grid.voxel_size) / np.float32(rim))
    projection = Projection(_rows(box.mask), below, grid.voxel_size, nthreads, offset_order)
    part = DipolePart(variance, grid, nthreads)
    local = local_in_passes(projection.local, field_in_box(totalfield, box), box.mask, part, stop)
    return box.put(local)


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
        # noise and local field add as variances; the local field's alone is the unit
        ratio = np.where(known, values, np.inf) / local_sd
        variance[box.mask] = np.minimum(1 + ratio**2, _LARGEST_VARIANCE)
    return variance


def _depths(mask: Mask, voxel_size: tuple[float, float, float]) -> Image:
    """Depth below the mask's outer edge, mm; holes count as inside. Zero outside the mask."""
    depths = distances(ndimage.binary_fill_holes(mask), voxel_size)
    depths *= mask
    return depths


def _rows(mask: Mask) -> Mask:
    """Voxels whose neighbours lie in the mask, too."""
    inside = interior(mask)
    # L would have no row, and every field would be harmonic
    if not inside.any():
        raise NigraError('the mask is nowhere three voxels thick along every axis')
    return inside


class Projection:
    """The weighted projection onto harmonic fields in one mask.

    Parameters
    ----------
    inside
        Rows of L: voxels with six neighbours in the mask where a harmonic field is harmonic.
    variance
        W^-2, zero outside the mask.
    voxel_size
        mm.
    nthreads
        Threads; no result depends on them.
    offset_order
        As in `pdf`.
    """

    def __init__(
        self,
        inside: Mask,
        variance: Image,
        voxel_size: tuple[float, float, float],
        nthreads: int = 1,
        offset_order: int = 0,
    ) -> None:
        self.inside = inside.astype(np.float32)
        self.variance = variance
        # W^2, for the preconditioner
        self.weight = np.divide(1, variance, where=variance > 0, out=np.zeros_like(variance))
        self.multigrid = Multigrid(inside, voxel_size, nthreads)
        self.stencils = self.multigrid.stencils
        self._field, self._middle = np.zeros_like(variance), np.zeros_like(variance)
        self.constraints = self._offset_constraints(offset_order)

    def _laplacian(self, image: Image, scale: Image, out: Image) -> Image:
        self.stencils.sweep(laplacian, image, scale, self.multigrid.weights, out)
        return out

    def _normal(self, g: Image, out: Image) -> Image:
        """L W^-2 L^T g."""
        # g is zero outside `inside`, so the stencil on all voxels is L^T; its rows there are L
        return self._laplacian(self._laplacian(g, self.variance, self._field), self.inside, out)

    def _poisson_twice(self, residual: Image) -> Image:
        """Approximate inverse of L W^-2 L^T: Poisson's equation, W^2, Poisson's equation."""
        # L^-T W^2 L^-1; minus signs cancel (`Multigrid` solves for -L)
        np.multiply(self.multigrid(residual), self.weight, out=self._middle)
        return self.multigrid(self._middle)

    def _offset_constraints(self, order: int) -> _Constraints | None:
        """Constraints L Q of the offset: a constant for squares, the coordinates for cubics."""
        if order < 2:
            return None  # L Q = 0 up to order 1: the projection takes these away as it is
        rows = [self.inside]
        if order == 3:
            for axis, n in enumerate(self.inside.shape):
                shape = [n if a == axis else 1 for a in range(3)]
                # scaled to -1 to 1, so that the rows are of one magnitude
                line = np.linspace(-1, 1, n, dtype=np.float32).reshape(shape)
                rows.append(self.inside * line)
        return _Constraints(rows, [self._poisson_twice(row).copy() for row in rows], self.stencils)

    def _precondition(self, residual: Image) -> Image:
        z = self._poisson_twice(residual)
        return z if self.constraints is None else self.constraints.keep(z)

    def solve(self, right: Image, stop: Stop) -> Image:
        """Solve L W^-2 L^T g = right for g; overwrites `right`."""
        if self.constraints is not None:
            self.constraints.clear(right)
        dot, sweep = self.stencils.dot, self.stencils.sweep
        return image_conjugate_gradients(
            System(self._normal, dot, sweep, self._precondition), right, stop
        )

    def local(self, field: Image, stop: Stop) -> Image:
        """Local field f - h = W^-2 L^T g, where L W^-2 L^T g = L f."""
        g = self.solve(self._laplacian(field, self.inside, np.zeros_like(field)), stop)
        return self._laplacian(g, self.variance, np.zeros_like(g))


class _Constraints:
    """Keeps search directions orthogonal to a few rows (projected conjugate gradients).

    With rows C = L Q and their images P C, P the preconditioner, C^T g = 0 is kept by
    z - P C (C^T P C)^-1 C^T z.
    """

    def __init__(self, rows: Sequence[Image], images: Sequence[Image], stencils: Stencils) -> None:
        self.rows, self.images, self.dot = rows, images, stencils.dot
        # C^T P C
        gram = np.array([[self.dot(a, b) for b in images] for a in rows])
        self.inverse = np.linalg.pinv(gram, rcond=_DEPENDENT, hermitian=True)

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
