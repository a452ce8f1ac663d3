"""Local field to susceptibility, with what no susceptibility explains kept in a map of its own.

The shipped default. White matter shifts the frequency by its microstructure as well as by its
susceptibility (He & Yablonskiy 2009, doi 10.1073/pnas.0904899106; Wharton & Bowtell 2012, doi
10.1073/pnas.1211075109), and susceptibility anisotropy does so too. A map that must explain all
of it by isotropic susceptibility streaks, and the deep nuclei between the white matter pay.
A shift that stays where its source is has the same strength along all directions of k-space,
a dipole field has not, so the two can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..fields import centred, check_field, check_settings, edge_weights
from ..grid import Grid
from ..numerics.fft import Crop, convolver, crop_to_mask, irfftn, multiplicity, rfftn
from ..numerics.kernels import dipole_kernel, frequencies
from ..numerics.stencils import adjoint_gradient, edge_scales, reciprocal_steps, update_edges
from ..parallel import run, slabs

Progress = Callable[[int, int], None]
NOISY = 3.0
"""Noise over its median from which a voxel counts less; the dark deep nuclei stay below it."""
PENALTY = 24.0
"""Ratio mu / lambda of the splitting, times the voxel's length, 1/ppm."""
FINEST = 0.35
"""Cycles per voxel along every axis beyond which a field holds hardly anything but noise."""


def dual_tv(
    localfield: NDArray[Any],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    noise: NDArray[Any] | None = None,
    magnitude: NDArray[Any] | None = None,
    strength: float = 0.3,
    offset_cost: float = 4.8,
    edge_floor: float = 0.3,
    magnitude_edges: float = 0.0,
    model_error: float = 0.15,
    texture: float = 1.0,
    first_iterations: int = 12,
    iterations: int = 13,
    margin: float = 10.0,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Sparse susceptibility beside a sparse frequency offset; regularised by the field's noise.

    Parameters
    ----------
    localfield
        Local field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    noise
        Standard deviation of the field, ppm; voxels with several times the median count less,
        and the offset may take what disagrees there.
    magnitude
        Magnitude image, (x, y, z); its edges cost less where `magnitude_edges` is above 0.
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
    first_iterations, iterations
        Of the first pass, with equal edge costs, and of the second.
    margin
        Empty border around the mask, mm.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with (iteration, iterations).

    Returns
    -------
    NDArray
        Susceptibility, ppm, zero outside the mask.

    Raises
    ------
    NigraError
        A parameter is out of range, or the shapes differ.

    Notes
    -----
    Minimises, over susceptibility x and offset g,

        1/2 |W (D x + g - f)|^2 + lambda |u E x|_(2,1) + offset_cost lambda |v E g|_(2,1)

    by alternating directions, E the differences per mm, D the dipole kernel and W^2 = 1 / (1 +
    D^2 / model_error) in k-space: what the model lacks grows with the dipole field itself. Both
    quadratic unknowns are solved together at each frequency. The offset costs nothing outside
    the mask, so it stands there for the missing data. Edge costs u, v are 1, then fall where the
    first pass found edges (Candes et al. 2008, doi 10.1007/s00041-008-9045-x). Last, the spectrum
    of the remaining field gives a Wiener filter for texture.
    """
    check_settings(
        ('strength', strength, strength > 0, 'be positive'),
        ('offset_cost', offset_cost, offset_cost > 0, 'be positive'),
        ('edge_floor', edge_floor, edge_floor > 0, 'be positive'),
        ('model_error', model_error, model_error > 0, 'be positive'),
        ('magnitude_edges', magnitude_edges, 0 <= magnitude_edges <= 1, 'lie between 0 and 1'),
        ('texture', texture, texture >= 0, 'not be negative'),
        ('first_iterations', first_iterations, first_iterations >= 1, 'be at least 1'),
        ('iterations', iterations, iterations >= 1, 'be at least 1'),
    )
    check_field(localfield, grid)
    crop = crop_to_mask(mask, grid, margin=margin)
    trust = _trust(noise, mask)
    problem = _Problem.of(centred(localfield, mask) * trust, mask, crop, model_error, nthreads)
    length = float(np.prod(grid.voxel_size)) ** (1 / 3)
    cost = _Cost(strength * problem.noise * length, offset_cost, 1.0 / (PENALTY * length))
    trust = crop.take(trust)
    drawn = np.ones(crop.grid.shape, np.float32)
    if magnitude is not None and magnitude_edges > 0:
        drawn *= edge_weights(crop.take(magnitude), problem.inside, crop.grid, magnitude_edges)
    total = first_iterations + iterations

    def tell(done: int) -> None:
        if progress:
            progress(done, total)

    state = _minimise(problem, cost, drawn, trust, first_iterations, nthreads, tell)
    inside = problem.inside
    drawn *= _edge_costs(state.chi, inside, crop.grid, edge_floor)
    trust *= _edge_costs(state.offset, inside, crop.grid, edge_floor)
    state = _minimise(
        problem, cost, drawn, trust, iterations, nthreads, lambda n: tell(first_iterations + n)
    )
    chi = state.chi
    if texture > 0:
        chi += _texture(problem, state, texture, nthreads)
    full = crop.put(chi)
    full[~mask] = 0
    return full


@dataclass(frozen=True)
class _Cost:
    """What edges cost: lambda (ppm mm), its factor for the offset, and 1/penalty (ppm/mm)."""

    chi: float
    offset_factor: float
    limit: float


@dataclass(frozen=True)
class _Problem:
    """The data, in a padded box: field and its spectrum, mask, kernel, noise (ppm)."""

    grid: Grid
    field: NDArray[np.float32]
    spectrum: NDArray[np.complex64]
    inside: NDArray[np.bool_]
    kernel: NDArray[np.float32]
    model_error: float
    noise: float

    @classmethod
    def of(
        cls, field: NDArray[np.float32], mask: NDArray[np.bool_], crop: Crop, model_error: float,
        nthreads: int,
    ) -> _Problem:  # fmt: skip
        """Cut the data out and look at their noise."""
        image, inside = crop.take(field), crop.take(mask)
        spectrum = rfftn(image, nthreads=nthreads)
        noise = field_noise(spectrum, crop.grid, int(inside.sum()))
        typical = float(np.sqrt(np.mean(np.square(image[inside], dtype=np.float64))))
        noise = max(noise, 0.03 * typical, 1e-9)  # interpolated images hide their noise
        kernel = dipole_kernel(crop.grid)
        return cls(crop.grid, image, spectrum, inside, kernel, model_error, noise)


@dataclass
class _State:
    """Susceptibility and offset, ppm."""

    chi: NDArray[np.float32]
    offset: NDArray[np.float32]


def field_noise(spectrum: NDArray[np.complex64], grid: Grid, n_voxels: int) -> float:
    """Standard deviation of white noise in a field, from the corners of its k-space.

    Parameters
    ----------
    spectrum
        Half spectrum of the field, zero outside a mask.
    grid
        Geometry of the whole array.
    n_voxels
        Voxels of the mask.
    """
    corner, times = spectrum, multiplicity(grid.shape[2])
    for axis, (k, h) in enumerate(zip(frequencies(grid), grid.voxel_size, strict=True)):
        far = np.abs(k.ravel() * h) > FINEST
        corner = np.compress(far, corner, axis=axis)
    if not corner.size:
        return 0.0
    power = np.square(corner.real, dtype=np.float64) + np.square(corner.imag, dtype=np.float64)
    mean = np.average(power.mean(axis=(0, 1)), weights=times[far])
    return float(np.sqrt(mean / n_voxels))


def _trust(noise: NDArray[Any] | None, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """1 in the mask, less where the noise is `NOISY` times the median or more; 0 outside."""
    cost = mask.astype(np.float32)
    if noise is None:
        return cost
    values = noise[mask].astype(np.float64)
    good = np.isfinite(values) & (values > 0)
    if good.any():
        typical = float(np.median(values[good]))
        fraction = (NOISY * typical / np.where(good, values, 1)) ** 2
        cost[mask] = np.where(good, np.minimum(1, fraction), 0)
    return cost


def _edge_costs(
    image: NDArray[np.float32], inside: NDArray[np.bool_], grid: Grid, floor: float
) -> NDArray[np.float32]:
    """Reciprocal of an edge's size over the typical one, mean 1 in the mask; 1 outside."""
    slope = _slopes(image, inside, grid)
    typical = float(np.sqrt(np.mean(np.square(slope[inside], dtype=np.float64)))) or 1.0
    slope *= np.float32(1 / typical)
    slope += np.float32(floor)
    cost = np.reciprocal(slope)
    cost /= np.float32(cost[inside].mean(dtype=np.float64))
    cost[~inside] = 1
    return cost


def _slopes(
    image: NDArray[np.float32], inside: NDArray[np.bool_], grid: Grid
) -> NDArray[np.float32]:
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
    problem: _Problem, cost: _Cost, chi_costs: NDArray[np.float32],
    offset_costs: NDArray[np.float32], iterations: int, nthreads: int,
    tell: Callable[[int], None],
) -> _State:  # fmt: skip
    """Alternate between both quadratic problems in k-space and the shrinkage of edges.

    For each unknown the dual p holds E x + u; its shrinkage is z = p - proj(p), the new
    multiplier u = proj(p), proj onto the ball of radius lambda / mu (Moreau).
    """
    grid, field = problem.grid, problem.field
    limit, steps = np.float32(cost.limit), reciprocal_steps(grid.voxel_size)
    mu = np.array([cost.chi, cost.chi * cost.offset_factor], np.float32) / limit
    pieces = slabs(field.shape[0])

    def sweep(kernel: Callable[..., Any], *arguments: Any) -> None:
        run(lambda s: kernel(*arguments, s.start, s.stop), pieces, nthreads)

    laplace = _second_differences(grid)
    spectra = [np.zeros_like(problem.spectrum) for _ in range(2)]
    images, scratch = [np.empty_like(field) for _ in range(2)], np.empty_like(field)
    duals = [np.zeros((3, *field.shape), np.float32) for _ in range(2)]
    for iteration in range(iterations):
        # x and g subproblems, together at each frequency
        sweep(_solve_pair, problem.spectrum, *spectra, problem.kernel, *laplace, mu,
              np.float32(1 / problem.model_error))  # fmt: skip
        for spectrum, image in zip(spectra, images, strict=True):
            irfftn(spectrum, image, nthreads=nthreads)
        tell(iteration + 1)
        if iteration + 1 == iterations:
            break
        for spectrum, image, dual, costs in zip(
            spectra, images, duals, (chi_costs, offset_costs), strict=True
        ):
            # z and u subproblems: p <- E x + u; then z - u = scales * p
            sweep(update_edges, image, dual, costs, steps, limit)
            sweep(edge_scales, dual, costs, limit, image)
            sweep(adjoint_gradient, dual, image, steps, scratch)
            rfftn(scratch, spectrum, nthreads=nthreads)
    return _State(*images)


def _second_differences(grid: Grid) -> list[NDArray[np.float32]]:
    """|E|^2 of the forward differences per mm along each axis of the half spectrum."""
    return [
        ((2 * np.sin(np.pi * k.ravel() * h) / h) ** 2).astype(np.float32)
        for k, h in zip(frequencies(grid), grid.voxel_size, strict=True)
    ]


@numba.njit(cache=True, nogil=True, fastmath={'contract', 'nsz'})
def _solve_pair(data, chi, offset, kernel, ex, ey, ez, mu, error, first, last):
    """Replace E^H(z - u) of both unknowns, A and B, by X and G.

    (W D^2 + mu_x |E|^2) X + W D G = W D F + mu_x A and W D X + (W + mu_g |E|^2) G = W F + mu_g B.

    The determinant is |E|^2 (W (mu_x + mu_g D^2) + mu_x mu_g |E|^2).
    """
    _, ny, nz = data.shape
    mx, mg = mu[0], mu[1]
    one = np.float32(1)
    for i in range(first, last):
        for j in range(ny):
            exy = ex[i] + ey[j]
            for k in range(nz):
                e = exy + ez[k]
                if e == 0:
                    chi[i, j, k] = 0
                    offset[i, j, k] = data[i, j, k]
                    continue
                d = kernel[i, j, k]
                w = one / (one + d * d * error)
                scale = one / (e * (w * (mx + mg * d * d) + mx * mg * e))
                a, b, f = chi[i, j, k], offset[i, j, k], data[i, j, k]
                cross = w * d * scale
                chi[i, j, k] = cross * mg * e * f + (w + mg * e) * mx * scale * a - cross * mg * b
                offset[i, j, k] = (
                    w * mx * e * scale * f + (w * d * d + mx * e) * mg * scale * b - cross * mx * a
                )


def _texture(
    problem: _Problem, state: _State, fraction: float, nthreads: int
) -> NDArray[np.float32]:
    """Wiener estimate of the susceptibility in what the two sparse maps leave of the field.

    X = D R / (D^2 + fraction sigma^2 / S), R the remainder's spectrum, S that of its
    susceptibility by shells of frequency where the kernel is large.
    """
    inside, grid, kernel = problem.inside, problem.grid, problem.kernel
    convolve = convolver(kernel, grid.shape, nthreads=nthreads)
    rest = problem.field - state.offset
    rest -= convolve(state.chi)
    rest[~inside] = 0
    values = rest[inside]
    rest[inside] = values - values.mean(dtype=np.float64).astype(np.float32)
    spectrum = rfftn(rest, nthreads=nthreads)
    n_voxels = int(inside.sum())
    noise = field_noise(spectrum, grid, n_voxels)
    power = _texture_power(spectrum, kernel, grid, noise, n_voxels)
    spectrum *= kernel / (kernel**2 + np.float32(fraction * noise**2) / power + np.float32(1e-12))
    return irfftn(spectrum, rest, nthreads=nthreads)


def _texture_power(
    spectrum: NDArray[np.complex64], kernel: NDArray[np.float32], grid: Grid, noise: float,
    n_voxels: int, *, trusted: float = 0.2, least: float = 0.02,
) -> NDArray[np.float32]:  # fmt: skip
    """Power of susceptibility at each frequency, from shells of the field's power.

    Shells are 1.5 over the field of view wide; the kernel must exceed `trusted`; at least the
    fraction `least` of the power is taken for signal.
    """
    k = frequencies(grid)
    extent = min(n * h for n, h in zip(grid.shape, grid.voxel_size, strict=True))
    shell = (np.sqrt(k[0] ** 2 + k[1] ** 2 + k[2] ** 2) * (extent / 1.5)).astype(np.int32)
    good = np.abs(kernel) > trusted
    where, count = shell[good], int(shell.max()) + 1
    times = np.broadcast_to(multiplicity(grid.shape[2]), shell.shape)[good]
    power = times * np.square(np.abs(spectrum[good]), dtype=np.float64) / n_voxels
    total = np.bincount(where, power, minlength=count)
    squares = times * np.square(kernel[good], dtype=np.float64)
    gain = np.bincount(where, squares, minlength=count)
    number = np.maximum(np.bincount(where, times, minlength=count), 1)
    signal = np.maximum(total / number - noise**2, least * total / number)
    mean_gain = np.maximum(gain / number, trusted**2)
    return np.maximum(signal / mean_gain, 1e-30).astype(np.float32)[shell]
