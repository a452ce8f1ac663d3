"""Local field to susceptibility with a hybrid data term: absolute first, then squares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..fields import centred, check_field_map, check_settings, data_weights, settled
from ..grid import Grid
from ..numerics.cg import with_constant
from ..numerics.fft import crop_to_mask, irfftn, rfftn
from ..numerics.kernels import dipole_kernel, gradient_kernel
from ..numerics.stencils import adjoint_gradient, edge_scales, reciprocal_steps, update_edges
from ..parallel import run, slabs

Progress = Callable[[int, int], None]
Image = NDArray[np.float32]


def hdqsm(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    regularisation: float = 2e-4,
    first_regularisation: float = 0.05,
    outlier: float = 100.0,
    penalty: float = 30.0,
    first_iterations: int = 10,
    iterations: int = 40,
    tolerance: float = 1e-2,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Hybrid inversion: a robust first map tells which voxels the second one trusts.

    Parameters
    ----------
    localfield
        Local field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    noise
        Standard deviation of the field, ppm; voxels noisier than the median weigh less.
    regularisation
        Weight of the total variation in the second stage, ppm mm.
    first_regularisation
        The same in the first stage, whose data term is absolute, mm.
    outlier
        Percentile of the first stage's misfit at which a voxel's weight reaches 0.
    penalty
        Ratio of the edges' splitting weight to the regularisation, mm/ppm.
    first_iterations, iterations
        Steps of the first stage, most steps of the second.
    tolerance
        The second stage stops when the map's relative change in one step falls below this.
    margin
        Zeros around the mask, mm.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations), over both stages.

    Returns
    -------
    NDArray
        Susceptibility, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        A setting is out of range, or the shapes differ.

    Notes
    -----
    Lambert et al. 2022 (doi 10.1002/mrm.29218). Stage 1: min |W (D * x - f)|_1 + a1 TV(x); with
    d the size of its misfit over the outlier percentile, stage 2: min
    1/2 |W (1 - d) (D * x - f)|^2 + a2 TV(x). Both stages by alternating directions. The paper
    divides by the largest misfit (100); a lower percentile also distrusts iron, where models fit
    worst.
    """
    check_settings(
        ('regularisation', regularisation, regularisation > 0, 'be positive'),
        ('first_regularisation', first_regularisation, first_regularisation > 0, 'be positive'),
        ('outlier', outlier, 0 < outlier <= 100, 'lie between 0 and 100'),
        ('penalty', penalty, penalty > 0, 'be positive'),
        ('first_iterations', first_iterations, first_iterations >= 1, 'be at least 1'),
        ('iterations', iterations, iterations >= 1, 'be at least 1'),
        ('tolerance', tolerance, tolerance >= 0, 'not be negative'),
        ('margin', margin, margin >= 0, 'not be negative'),
    )
    check_field_map(localfield, mask, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    field = crop.take(centred(localfield, mask))
    weight = crop.take(data_weights(noise, mask))
    solver = _Solver(crop.grid, field, 1 / penalty, nthreads)
    count = first_iterations + iterations

    def report(step: int) -> None:
        if progress:
            progress(step, count)

    spread = float(np.std(field[weight > 0])) or 1.0
    solver.run(_Absolute(weight, spread), first_regularisation, first_iterations, 0.0, report)
    misfit = np.abs(solver.model - field)
    largest = float(np.percentile(misfit[weight > 0], outlier)) or 1.0
    trust = np.maximum(1 - misfit / np.float32(largest), 0)
    solver.run(
        _Squares(weight * trust**2), regularisation, iterations, tolerance,
        lambda step: report(first_iterations + step),
    )  # fmt: skip
    chi = crop.put(solver.map - solver.map.mean(dtype=np.float64).astype(np.float32))
    chi *= mask
    return chi


@dataclass(frozen=True)
class _Absolute:
    """Data term |w r|_1; `spread`, the field's standard deviation, scales its splitting."""

    weight: NDArray[np.float32]
    spread: float

    @property
    def penalty(self) -> float:
        return 4 / self.spread

    def split(
        self, model: NDArray[Any], field: NDArray[Any], dual: NDArray[Any], s: slice
    ) -> None:
        _split_absolute(model[s], field[s], dual[s], self.weight[s], np.float32(1 / self.penalty))


@dataclass(frozen=True)
class _Squares:
    """Data term 1/2 w r^2."""

    weight: NDArray[np.float32]
    penalty: float = 1.0

    def split(
        self, model: NDArray[Any], field: NDArray[Any], dual: NDArray[Any], s: slice
    ) -> None:
        _split_squares(model[s], field[s], dual[s], self.weight[s], np.float32(self.penalty))


class _Solver:
    """Alternating directions for a data term and total variation; keeps its buffers and map."""

    def __init__(
        self, grid: Grid, field: NDArray[np.float32], limit: float, nthreads: int
    ) -> None:
        self.field, self.limit, self.nthreads = field, np.float32(limit), nthreads
        self.steps, self.pieces = reciprocal_steps(grid.voxel_size), slabs(grid.shape[0])
        self.kernel = with_constant(dipole_kernel(grid, nthreads=nthreads))
        self.edges = gradient_kernel(grid)
        self.map, self.model = np.zeros_like(field), np.zeros_like(field)
        self.ones, self.work = np.ones_like(field), np.empty_like(field)
        self.dual = np.empty((3, *field.shape), np.float32)
        self.data, self.sparse = rfftn(field, nthreads=nthreads), rfftn(self.map)

    def sweep(self, kernel: Callable[..., Any], *arguments: Any) -> None:
        run(lambda s: kernel(*arguments, s.start, s.stop), self.pieces, self.nthreads)

    def run(
        self,
        term: _Absolute | _Squares,
        regularisation: float,
        iterations: int,
        tolerance: float,
        report: Callable[[int], None],
        watch: Callable[[NDArray[np.float32], NDArray[np.float32]], None] | None = None,
    ) -> None:
        """Steps from the present map, multipliers at zero."""
        ratio = np.float32(regularisation / float(self.limit) / term.penalty)
        data_dual = np.zeros_like(self.field)
        self.dual[...] = 0
        previous = np.empty_like(self.map)
        for step in range(iterations):
            previous[...] = self.map
            # data subproblem: 2 q - v for q = prox(v), v = D x - f + s; then s <- v - q
            run(lambda s: term.split(self.model, self.field, data_dual, s), self.pieces,
                self.nthreads)  # fmt: skip
            rfftn(self.model, self.data, nthreads=self.nthreads)
            # edges: p <- E x + u; E^H(z - u)
            self.sweep(update_edges, self.map, self.dual, self.ones, self.steps, self.limit)
            self.sweep(edge_scales, self.dual, self.ones, self.limit, self.work)
            self.sweep(adjoint_gradient, self.dual, self.work, self.steps, self.model)
            rfftn(self.model, self.sparse, nthreads=self.nthreads)
            # x subproblem
            self.sweep(_solve, self.data, self.sparse, self.kernel, self.edges, ratio)
            irfftn(self.sparse, self.map, nthreads=self.nthreads)
            irfftn(self.data, self.model, nthreads=self.nthreads)
            report(step + 1)
            if watch:
                watch(self.map, self.model)
            if settled(step + 1, self.map, previous, tolerance):
                break


@numba.njit(cache=True, nogil=True)
def _solve(data, sparse, kernel, edges, ratio, first, last):
    """X = (D data + ratio sparse) / (D^2 + ratio |E|^2) into sparse, D X into data."""
    for i in range(first, last):
        for j in range(data.shape[1]):
            for k in range(data.shape[2]):
                d = kernel[i, j, k]
                value = d * data[i, j, k] + ratio * sparse[i, j, k]
                value /= d * d + ratio * edges[i, j, k]
                sparse[i, j, k] = value
                data[i, j, k] = d * value


@numba.njit(cache=True, nogil=True)
def _split_absolute(model, field, dual, weight, limit):
    """Replace D x by f + q - s, with q = shrink(v, w limit) and s = v - q, v = D x - f + s."""
    for i in range(model.shape[0]):
        for j in range(model.shape[1]):
            for k in range(model.shape[2]):
                v = model[i, j, k] - field[i, j, k] + dual[i, j, k]
                bound = limit * weight[i, j, k]
                s = min(max(v, -bound), bound)
                dual[i, j, k] = s
                model[i, j, k] = field[i, j, k] + v - s - s


@numba.njit(cache=True, nogil=True)
def _split_squares(model, field, dual, weight, penalty):
    """The same with q = v penalty / (penalty + w)."""
    for i in range(model.shape[0]):
        for j in range(model.shape[1]):
            for k in range(model.shape[2]):
                v = model[i, j, k] - field[i, j, k] + dual[i, j, k]
                w = weight[i, j, k]
                s = v * w / (penalty + w)
                dual[i, j, k] = s
                model[i, j, k] = field[i, j, k] + v - s - s
