"""Local field to susceptibility, with what no susceptibility explains kept in a map of its own.

The shipped default. White matter shifts the frequency by its microstructure as well as by its
susceptibility (He & Yablonskiy 2009, doi 10.1073/pnas.0904899106; Wharton & Bowtell 2012, doi
10.1073/pnas.1211075109), and susceptibility anisotropy does so too. A map that must explain all
of it by isotropic susceptibility streaks, and the deep nuclei between the white matter pay.
A shift that stays where its source is has the same strength along all directions of k-space,
a dipole field has not, so the two can be told apart. Minimised over susceptibility x and offset g:

    1/2 |W (D x + g - f)|^2 + lambda |u E x|_(2,1) + offset_cost lambda |v E g|_(2,1)

by alternating directions, E the differences per mm, D the dipole kernel and W^2 = 1 / (1 + D^2 /
model_error) in k-space: what the model lacks grows with the dipole field itself. Both quadratic
unknowns are solved together at each frequency. The offset costs nothing outside the mask, so it
stands there for the missing data. Edge costs u, v are 1, then fall where the first pass found
edges (Candes et al. 2008, doi 10.1007/s00041-008-9045-x). Last, the spectrum of the field that
remains gives a Wiener filter for texture (`texture`). Where |D| is large, that step gives back
what the offset took: shrinkage would otherwise fade white matter and cortex to two thirds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..fields import (
    check_counts,
    check_fraction,
    check_not_negative,
    check_positive,
    check_settings,
)
from ..grid import Grid
from ..numerics.fft import irfftn, rfftn
from ..numerics.kernels import second_differences
from ..parallel import Progress, follow
from .problem import Image, Mask, Problem, Spectrum, prepare
from .splitting import EdgeSplitting
from .texture import add_texture, field_noise

# The defaults of `strength`, `offset_cost`, `cone` and PENALTY were chosen together on cal-3T and
# cal-1.5T of `benchmarks/phantoms.py`, true local field with noise of .7 and 3 ppb. One by one
# they only trade scales for nuclei: a dear offset keeps the scales, but what it no longer explains
# are errors of the map in the cone, which has to be wide then.
NOISY = 3.0
"""Noise over its median from which a voxel counts less; the dark deep nuclei stay below it. From 2
on errors of iso-3T and iso-1.5T were the same with the first defaults, 6.1 and 4.4 ppb; 1 costs
contrast: 9.6 and 9.3 ppb, slopes .89 and .88."""
PENALTY = 34.0
"""Ratio mu / lambda of the splitting over the voxel's length, 1/ppm. The steps end early, so it
counts: 24 leaves .92 .92 .94 of the scales of 1-2, 2-4 and 4-8 voxels, 34 leaves .95 .95 .98, with
nuclei within 2.8 and 3.0 ppb (an offset's cost of 5.5)."""
LEAST_NOISE = 0.03
"""Noise of a field at least, over its root mean square: interpolated images hide theirs. By eye;
0 to .06 gave the same on iso-3T and iso-1.5T, which are not interpolated."""


def dual_tv(
    localfield: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    noise: NDArray[Any] | None = None, magnitude: NDArray[Any] | None = None,
    strength: float = 0.2, offset_cost: float = 5.0, edge_floor: float = 0.3,
    magnitude_edges: float = 0.0, model_error: float = 0.15, texture: float = 0.3,
    cone: tuple[float, float] = (0.18, 0.28),
    first_iterations: int = 12, iterations: int = 13, margin: float = 10.0, nthreads: int = 1,
    progress: Progress | None = None,
) -> Image:  # fmt: skip
    """Sparse susceptibility beside a sparse frequency offset; regularised by the field's noise.

    Other parameters, result and errors are those of every inversion (`problem`).

    Parameters
    ----------
    noise
        Where it is several times the median, voxels count less and the offset may differ.
    strength
        Weight of the total variation over the noise of the field and the voxel's length.
    offset_cost
        Cost of an edge of the offset over that of an equal edge of susceptibility; large values
        give a usual total-variation map.
    edge_floor
        The second pass divides the cost of an edge by this plus its size over the typical one.
    magnitude_edges
        How much a strong magnitude edge lowers the cost of a susceptibility edge, 0 to 1.
    model_error
        Squared dipole kernel at which what the model lacks outweighs noise; large values trust
        every frequency alike.
    texture
        Fraction of the noise that the last step assumes when it looks for fine, edgeless detail in
        what is left of the field; 0 leaves the step out.
    cone
        |D| up to which the offset is believed, and from which on the last step gives back to the
        susceptibility what the offset took: 0 to 2/3, rising.
    first_iterations, iterations
        Of the first pass, with equal edge costs, and of the second.
    """
    check_positive(
        strength=strength, offset_cost=offset_cost, edge_floor=edge_floor, model_error=model_error
    )
    check_not_negative(texture=texture)
    check_fraction(magnitude_edges=magnitude_edges)
    right = len(cone) == 2 and 0 <= cone[0] < cone[1] <= 2 / 3
    check_settings(('cone', cone, right, 'be two rising numbers from 0 to 2/3'))
    check_counts(first_iterations=first_iterations, iterations=iterations)
    problem = prepare(
        localfield, mask, grid, noise=noise, margin=margin, nthreads=nthreads, reliable=NOISY
    )
    # u, and v: nothing outside the mask, little where the field is noisy
    costs = problem.edge_costs(magnitude, magnitude_edges), problem.weight.copy()
    problem = dataclasses.replace(problem, field=problem.field * problem.weight)
    objective = _Objective.of(problem, strength, offset_cost, model_error)
    total = first_iterations + iterations
    state = follow(_minimise(objective, costs, first_iterations), progress, total)
    for cost, image in zip(costs, (state.chi, state.offset), strict=True):
        cost *= _edge_costs(image, problem.inside, problem.grid, edge_floor)
    state = follow(
        _minimise(objective, costs, iterations), progress, total, before=first_iterations
    )
    if texture > 0:
        state.chi += add_texture(problem, state.chi, state.offset, texture, cone)
    return problem.put_back(state.chi)


@dataclass(frozen=True, eq=False)
class _Objective:
    """What is minimised: data, spectrum F of the field, and the weights of all terms.

    Attributes
    ----------
    chi_cost, offset_cost
        lambda, ppm mm, and its factor for edges of the offset.
    limit
        lambda / mu of the splitting, ppm/mm.
    model_error
        D^2 at which W^2 is one half.
    """

    problem: Problem
    spectrum: Spectrum
    chi_cost: float
    offset_cost: float
    limit: float
    model_error: float

    @classmethod
    def of(
        cls, problem: Problem, strength: float, offset_cost: float, model_error: float
    ) -> _Objective:
        """Look at the noise of the field, which sets lambda."""
        inside, grid = problem.inside, problem.grid
        spectrum = rfftn(problem.field, nthreads=problem.nthreads)
        # lambda = strength sigma h, h the voxel's length
        noise = field_noise(spectrum, grid, int(inside.sum()))
        typical = float(np.sqrt(np.mean(np.square(problem.field[inside], dtype=np.float64))))
        noise = max(noise, LEAST_NOISE * typical, 1e-9)
        length = float(np.prod(grid.voxel_size)) ** (1 / 3)
        limit = 1.0 / (PENALTY * length)
        return cls(problem, spectrum, strength * noise * length, offset_cost, limit, model_error)


@dataclass
class _State:
    """Susceptibility x and offset g, ppm."""

    chi: Image
    offset: Image


def _edge_costs(image: Image, inside: Mask, grid: Grid, floor: float) -> Image:
    """Reciprocal of an edge's size over the typical one, mean 1 in the mask; 1 outside."""
    slope = _slopes(image, inside, grid)
    typical = float(np.sqrt(np.mean(np.square(slope[inside], dtype=np.float64)))) or 1.0
    # 1 / (|E x| / typical + floor), the reweighting of Candes et al.
    slope *= np.float32(1 / typical)
    slope += np.float32(floor)
    cost = np.reciprocal(slope)
    # the mean stays 1, so that lambda keeps its meaning in the second pass
    cost /= np.float32(cost[inside].mean(dtype=np.float64))
    cost[~inside] = 1
    return cost


def _slopes(image: Image, inside: Mask, grid: Grid) -> Image:
    """Length of the forward differences per mm whose both ends lie in the mask."""
    out = np.zeros(image.shape, np.float32)
    for axis, h in enumerate(grid.voxel_size):
        near: list[slice] = [slice(None)] * 3
        far = near.copy()
        near[axis], far[axis] = slice(None, -1), slice(1, None)
        there = inside[tuple(near)] & inside[tuple(far)]
        step = (image[tuple(far)] - image[tuple(near)]) * np.float32(1 / h)
        out[tuple(near)] += np.where(there, step, 0) ** 2
    np.sqrt(out, out=out)
    return out


def _minimise(
    objective: _Objective, costs: tuple[Image, Image], iterations: int
) -> Iterator[_State]:
    """Both maps after each step, in the same buffers; `costs` are u and v.

    Alternates between both quadratic problems in k-space and the shrinkage of edges.
    """
    problem, threads = objective.problem, objective.problem.nthreads
    limit = np.float32(objective.limit)
    mu = np.array([objective.chi_cost, objective.chi_cost * objective.offset_cost], np.float32)
    mu /= limit
    laplace = [axis.ravel() for axis in second_differences(problem.grid)]
    # A and B, F(E^H(z - u)) of each unknown, which the solution replaces
    spectra = [np.zeros_like(objective.spectrum) for _ in range(2)]
    splittings = [EdgeSplitting(problem.grid, cost, limit, threads) for cost in costs]
    images, scratch = (
        [np.empty_like(problem.field) for _ in range(2)],
        np.empty_like(problem.field),
    )
    for step in range(1, iterations + 1):
        # x and g subproblems, together at each frequency
        problem.sweep(_solve_pair, objective.spectrum, *spectra, problem.kernel, *laplace, mu,
                      np.float32(1 / objective.model_error))  # fmt: skip
        for spectrum, image in zip(spectra, images, strict=True):
            irfftn(spectrum, image, nthreads=threads)
        yield _State(*images)
        if step == iterations:
            return
        for spectrum, image, splitting in zip(spectra, images, splittings, strict=True):
            # z and u subproblems of either unknown
            splitting.update(image, image, scratch)
            rfftn(scratch, spectrum, nthreads=threads)


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _solve_pair(data, chi, offset, kernel, ex, ey, ez, mu, error, first, last):
    """Replace E^H(z - u) of both unknowns, A and B, by X and G.

    (W D^2 + mu_x |E|^2) X + W D G = W D F + mu_x A and W D X + (W + mu_g |E|^2) G = W F + mu_g B.

    W is the objective's W^2; the determinant |E|^2 (W (mu_x + mu_g D^2) + mu_x mu_g |E|^2).
    """
    _, ny, nz = data.shape
    mx, mg = mu[0], mu[1]
    one = np.float32(1)
    for i in range(first, last):
        for j in range(ny):
            exy = ex[i] + ey[j]
            for k in range(nz):
                e = exy + ez[k]
                if e == 0:  # k = 0: no edges; the offset takes the mean of the field
                    chi[i, j, k] = 0
                    offset[i, j, k] = data[i, j, k]
                    continue
                d = kernel[i, j, k]
                w = one / (one + d * d * error)
                # Cramer's rule, with the reciprocal determinant
                scale = one / (e * (w * (mx + mg * d * d) + mx * mg * e))
                a, b, f = chi[i, j, k], offset[i, j, k], data[i, j, k]
                cross = w * d * scale
                chi[i, j, k] = cross * mg * e * f + (w + mg * e) * mx * scale * a - cross * mg * b
                offset[i, j, k] = (
                    w * mx * e * scale * f + (w * d * d + mx * e) * mg * scale * b - cross * mx * a
                )
