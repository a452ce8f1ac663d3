"""Local field to susceptibility with a hybrid data term: absolute first, then squares.

Lambert et al. 2022 (doi 10.1002/mrm.29218). Stage 1: min |W (D * x - f)|_1 + a1 TV(x). With d its
misfit's size over the outlier percentile, stage 2: min 1/2 |W (1 - d) (D * x - f)|^2 + a2 TV(x).
Both by alternating directions: q = D x - f with multiplier s, z = E x with multiplier u. The
paper divides by the largest misfit (100); a lower percentile also distrusts iron, where models
fit worst. TV adds up the absolute differences along the axes, |E x|_1, each of them shrunk by
itself as the authors' implementation does. With the lengths of the edges instead, at 1.4e-4, which
gives nuclei the same slope, the correlation is .979 in place of .987 on the head of
`benchmarks/speed.py` with 1.25 ppb of noise, .807 and .821 in place of .812 and .826 on `cal-3T`
and `cal-1.5T` of `benchmarks/phantoms.py` with 3 ppb.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..fields import check_counts, check_not_negative, check_positive, check_settings
from ..grid import Grid
from ..numerics.cg import with_constant
from ..numerics.fft import irfftn, rfftn
from ..numerics.kernels import gradient_kernel
from ..numerics.stencils import solve_spectra
from ..parallel import Progress, follow, run
from .problem import Image, Problem, prepare, without_constant
from .splitting import DifferenceSplitting, settled


def hdqsm(
    localfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    noise: NDArray[Any] | None = None, regularisation: float = 1.1e-4,
    first_regularisation: float = 0.05, outlier: float = 100.0, penalty: float = 30.0,
    first_iterations: int = 10, iterations: int = 40, tolerance: float = 1e-2,
    margin: float = 10.0, nthreads: int = 1, progress: Progress | None = None,
) -> Image:  # fmt: skip
    """Hybrid inversion: a robust first map tells which voxels the second one trusts.

    Other parameters, result and errors are those of every inversion (`problem`).

    Parameters
    ----------
    regularisation
        Weight of the total variation in the second stage, ppm mm.
    first_regularisation
        The same in the first stage, whose data term is absolute, mm.
    outlier
        Percentile of the first stage's misfit at which a voxel's weight reaches 0.
    penalty
        Ratio of the edges' splitting weight to the regularisation, mm/ppm.
    first_iterations
        Steps of the first stage, which does not heed `tolerance`.
    """
    check_positive(
        regularisation=regularisation, first_regularisation=first_regularisation, penalty=penalty
    )
    check_settings(('outlier', outlier, 0 < outlier <= 100, 'lie between 0 and 100'))
    check_counts(first_iterations=first_iterations, iterations=iterations)
    check_not_negative(tolerance=tolerance)
    problem = prepare(localfield, mask, grid, noise=noise, margin=margin, nthreads=nthreads)
    solver, weight = _Solver(problem, 1 / penalty), problem.weight
    # stage 1; its splitting follows the spread of the field, whose unit |r| has
    robust = _Absolute(weight, float(np.std(problem.field[weight > 0])) or 1.0)
    first = solver.steps(robust, first_regularisation, first_iterations, 0.0)
    follow(first, progress, first_iterations + iterations)
    # stage 2: weights W (1 - d), squared
    misfit = np.abs(solver.model - problem.field)
    largest = float(np.percentile(misfit[weight > 0], outlier)) or 1.0
    trust = np.maximum(1 - misfit / np.float32(largest), 0)
    second = solver.steps(_Squares(weight * trust**2), regularisation, iterations, tolerance)
    follow(second, progress, first_iterations + iterations, before=first_iterations)
    return problem.put_back(without_constant(solver.map))


@dataclass(frozen=True)
class _Absolute:
    """Data term |w r|_1; `spread`, the field's standard deviation, scales its splitting."""

    weight: Image
    spread: float

    @property
    def penalty(self) -> float:
        # By eye: it sets the pace of the first stage, which ends early. From 1 to 16 the slope of
        # the means of nuclei falls by .04 (iso-3T and iso-1.5T of `benchmarks/phantoms.py`).
        return 4 / self.spread

    def split(self, model: Image, field: Image, dual: Image, s: slice) -> None:
        _split_absolute(model[s], field[s], dual[s], self.weight[s], np.float32(1 / self.penalty))


@dataclass(frozen=True)
class _Squares:
    """Data term 1/2 w r^2."""

    weight: Image
    penalty: float = 1.0

    def split(self, model: Image, field: Image, dual: Image, s: slice) -> None:
        _split_squares(model[s], field[s], dual[s], self.weight[s], np.float32(self.penalty))


class _Solver:
    """Alternating directions for a data term and total variation.

    Attributes
    ----------
    map, model
        The present map, ppm, and the field that it makes.
    """

    def __init__(self, problem: Problem, limit: float) -> None:
        self.problem, self.limit = problem, limit
        # the map's mean stands for a constant of the field
        self.kernel = with_constant(problem.kernel)
        field = problem.field
        self.map, self.model = np.zeros_like(field), np.zeros_like(field)
        self.edges = DifferenceSplitting(problem.grid, np.float32(limit), problem.nthreads)
        self.data, self.sparse = rfftn(field, nthreads=problem.nthreads), rfftn(self.map)

    def steps(
        self, term: _Absolute | _Squares, regularisation: float, iterations: int, tolerance: float
    ) -> Iterator[Image]:
        """Map after each step from the present one on, multipliers at zero."""
        problem, threads = self.problem, self.problem.nthreads
        # mu of the edges over the penalty of the data
        ratio = np.float32(regularisation / float(np.float32(self.limit)) / term.penalty)
        divisor = self.kernel**2 + ratio * gradient_kernel(problem.grid)
        data_dual, previous = np.zeros_like(problem.field), np.empty_like(self.map)
        self.edges.restart()
        for step in range(1, iterations + 1):
            previous[...] = self.map
            # q and s subproblems: q = prox(v), v = D x - f + s; s <- v - q; f + q - s is fitted
            run(lambda s: term.split(self.model, problem.field, data_dual, s),
                problem.sweep.pieces, threads)  # fmt: skip
            rfftn(self.model, self.data, nthreads=threads)
            # z and u subproblems
            self.edges.update(self.map, self.model)
            rfftn(self.model, self.sparse, nthreads=threads)
            # x subproblem: X = (D F(f + q - s) + ratio F(E^H(z - u))) / (D^2 + ratio |E|^2)
            problem.sweep(solve_spectra, self.data, self.sparse, self.kernel, divisor, ratio)
            irfftn(self.sparse, self.map, nthreads=threads)
            irfftn(self.data, self.model, nthreads=threads)
            yield self.map
            if settled(step, self.map, previous, tolerance):
                return


@numba.njit(cache=True, nogil=True)
def _split_absolute(model, field, dual, weight, limit):
    """Replace D x by f + q - s, with q = shrink(v, w limit) and s = v - q, v = D x - f + s."""
    for i in range(model.shape[0]):
        for j in range(model.shape[1]):
            for k in range(model.shape[2]):
                v = model[i, j, k] - field[i, j, k] + dual[i, j, k]
                # s projects v onto [-w limit, w limit] (Moreau)
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
                v, w = model[i, j, k] - field[i, j, k] + dual[i, j, k], weight[i, j, k]
                s = v * w / (penalty + w)
                dual[i, j, k] = s
                model[i, j, k] = field[i, j, k] + v - s - s
