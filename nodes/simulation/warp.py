"""Shapes that differ between people: smooth diffeomorphisms and local atrophy.

Maps are *pull-backs*: for a point of the simulated person they say where in the template its
tissue comes from, as a displacement in mm on a grid of a few mm along the template's axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..anatomy.deformation import jacobian
from ..errors import NigraError
from ..numerics.resample import block_fraction

SPACING_MM = 2.0
MARGIN_MM = 40
"""Spacing of a local warp's grid, and how far it reaches beyond the regions that it changes."""


@dataclass(frozen=True)
class Warp:
    """Displacement field of a pull-back, linear between its points.

    Attributes
    ----------
    displacement
        (3, nx, ny, nz), mm, float32; zero beyond the grid's edge is not assumed: the nearest
        value holds.
    affine
        Voxel-to-world matrix of its grid.
    """

    displacement: NDArray[np.float32]
    affine: NDArray[np.float64]

    def jacobian(self) -> NDArray[np.float32]:
        """Determinant of the map's derivative at each grid point; positive if invertible."""
        return jacobian(self.displacement, float(self.affine[0, 0]))


def compose(
    first: NDArray[np.float32], then: NDArray[np.float32], spacing: float
) -> NDArray[np.float32]:
    """Displacement of x -> then(first(x)) on their common grid."""
    points = np.indices(first.shape[1:], np.float32) + first / spacing
    return first + np.stack(
        [ndimage.map_coordinates(c, points, order=1, mode='nearest') for c in then]
    )


def exponential(velocity: NDArray[np.float32], spacing: float) -> NDArray[np.float32]:
    """Displacement that flowing along a steady velocity (mm) for unit time gives.

    Notes
    -----
    Scaling and squaring (Arsigny et al. 2006, doi 10.1007/11866565_113); the first step moves at
    most half a grid spacing, so that the result is invertible.
    """
    longest = float(np.sqrt((velocity**2).sum(axis=0).max()))
    squarings = max(0, int(np.ceil(np.log2(max(longest / (0.5 * spacing), 1.0)))))
    flow = (velocity / 2**squarings).astype(np.float32)
    for _ in range(squarings):
        flow = compose(flow, flow, spacing)
    return flow


def random_warp(
    rng: np.random.Generator, shape: tuple[int, int, int], affine: ArrayLike, *,
    mean_mm: float = 4.5, smoothness_mm: float = 24.0, within: NDArray[np.bool_] | None = None,
) -> Warp:  # fmt: skip
    """Random smooth invertible displacement.

    Parameters
    ----------
    rng
        Source of randomness.
    shape, affine
        Grid of the displacement; equal spacing along the world's axes.
    mean_mm
        Mean length of the displacement (over `within`).
    smoothness_mm
        Standard deviation of the Gaussian that smooths it; a fifth of the displacement varies
        over half that length.
    within
        Where the mean is taken; everywhere if absent.

    Raises
    ------
    NigraError
        The displacement is too large for its smoothness to be invertible.
    """
    matrix = np.asarray(affine, float)
    spacing = float(matrix[0, 0])
    velocity = 0.8 * _smooth_vectors(rng, shape, smoothness_mm / spacing)
    velocity += 0.2 * _smooth_vectors(rng, shape, 0.5 * smoothness_mm / spacing)
    inside = np.ones(shape, bool) if within is None else within
    velocity -= velocity[:, inside].mean(axis=1)[:, None, None, None]
    scale = 1.0
    for _ in range(3):
        moved = exponential((velocity * scale).astype(np.float32), spacing)
        mean = float(np.sqrt((moved[:, inside] ** 2).sum(axis=0)).mean())
        scale *= mean_mm / mean if mean else 1.0
    warp = Warp(moved, matrix)
    if mean_mm and warp.jacobian().min() <= 0.05:
        raise NigraError(
            f'a displacement of {mean_mm} mm folds at a smoothness of {smoothness_mm} mm; '
            'make it smaller or smoother'
        )
    return warp


def _smooth_vectors(
    rng: np.random.Generator, shape: tuple[int, int, int], sigma: float
) -> NDArray[np.float32]:
    """Three independent smooth random fields of unit standard deviation."""
    return np.stack([smooth_noise(rng, shape, sigma) for _ in range(3)])


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float
) -> NDArray[np.float32]:
    """White noise smoothed by a Gaussian of `sigma` voxels, zero mean, unit deviation.

    Wide Gaussians act on a decimated array, which is then interpolated.
    """
    step = max(1, int(sigma / 3))
    small = tuple(n // step + 2 for n in shape)
    field = rng.standard_normal(small, np.float32)
    field = ndimage.gaussian_filter(field, sigma / step, mode='wrap')
    for axis, length in enumerate(shape):
        position = np.arange(length) / step
        low = position.astype(int)
        fraction = (position - low).astype(np.float32)
        fraction = fraction.reshape([-1 if i == axis else 1 for i in range(len(shape))])
        below = field.take(low, axis)
        field = below + fraction * (field.take(low + 1, axis) - below)
    field -= field.mean()
    return field / max(float(field.std()), 1e-12)


def shape_warp(
    labels: NDArray[np.uint8], affine: ArrayLike, factors: Mapping[int, float], *,
    person: Warp | None = None, rounds: int = 6,
) -> Warp:  # fmt: skip
    """Pull-back that gives labelled regions wanted volumes, after a person's own warp.

    Parameters
    ----------
    labels
        Label image, voxels of equal size along the world's axes.
    affine
        Its voxel-to-world matrix.
    factors
        Volume wanted over volume in `labels`, for each label; 1 for labels not named.
    person
        Pull-back that comes first: what it does to a region's volume is made up for.
    rounds
        Corrections of the rates by the volumes reached.

    Returns
    -------
    Warp
        Both maps in one, on a grid of `SPACING_MM` over the whole label image.

    Raises
    ------
    NigraError
        A factor is outside 0.3 to 2, or a label has no voxels.

    Notes
    -----
    The velocity is the gradient of a potential whose Laplacian is a constant rate inside each
    region and zero elsewhere, so that neighbours are moved but not resized; its flow has a
    Jacobian of exp(rate) wherever the tissue stays inside. The rates are then corrected by
    counting voxels, because tissue crosses the borders of a region that grows.
    """
    matrix = np.asarray(affine, float)
    volumes = np.bincount(labels.ravel(), minlength=256)
    _check_factors(factors, volumes)
    targets = {int(k): volumes[k] * factors.get(k, 1.0) for k in np.flatnonzero(volumes) if k}
    step = round(SPACING_MM / matrix[0, 0])
    lattice = _lattice(labels.shape, matrix, step)
    moved = lattice.points if person is None else pull_points(person, lattice.points)
    if not targets:
        return Warp(moved - lattice.points, lattice.affine)
    box = _label_box(labels, MARGIN_MM, step)
    fractions = {k: _block_fraction(labels[box], k, step) for k in targets}
    local_affine = lattice.affine.copy()
    local_affine[:3, 3] += [b.start * matrix[0, 0] for b in box]
    shape = next(iter(fractions.values())).shape
    window = _edge_window(shape, int(0.4 * MARGIN_MM / SPACING_MM))
    near = _label_box(labels, 12 if person is None else 24, step)
    few = (slice(None), *(slice(b.start // step, b.stop // step + 1) for b in near))
    reach = ndimage.binary_dilation(labels > 0, iterations=4)
    rates = dict.fromkeys(targets, 0.0)
    local = Warp(np.zeros((3, *shape), np.float32), local_affine)
    for _ in range(rounds):
        both = pull_points(local, moved[few]) - lattice.points[few]
        corner = lattice.affine.copy()
        corner[:3, 3] = lattice.points[few][:, 0, 0, 0]
        reached = _pulled_volumes(labels, reach, matrix, lattice.points[few], Warp(both, corner))
        for k in rates:
            rates[k] += float(np.log(targets[k] / reached[k]))
        source = sum(rates[k] * fraction for k, fraction in fractions.items())
        velocity = _gradient_of_potential(np.asarray(source), SPACING_MM) * window
        local = Warp(exponential(-velocity, SPACING_MM), local_affine)
    return Warp(pull_points(local, moved) - lattice.points, lattice.affine)


def _check_factors(factors: Mapping[int, float], volumes: NDArray[np.int64]) -> None:
    for label, factor in factors.items():
        if not 0.3 <= factor <= 2:
            raise NigraError(f'volume factor of label {label} must be within 0.3 to 2: {factor}')
        if not volumes[label]:
            raise NigraError(f'label {label}, whose volume should change, has no voxels')


@dataclass(frozen=True)
class _Lattice:
    """Points in the middle of blocks of label voxels, (3, ...), world mm."""

    points: NDArray[np.float32]
    affine: NDArray[np.float64]


def _lattice(shape: tuple[int, ...], affine: NDArray[np.float64], step: int) -> _Lattice:
    matrix = affine.copy()
    matrix[:3, :3] *= step
    matrix[:3, 3] += 0.5 * (step - 1) * affine[0, 0]
    return _Lattice(grid_points(matrix, tuple(n // step for n in shape)), matrix)


def grid_points(affine: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """World coordinates of an axis-aligned grid, (3, *shape), mm."""
    axes = [
        (affine[i, i] * np.arange(n) + affine[i, 3]).astype(np.float32)
        for i, n in enumerate(shape)
    ]
    return np.stack(np.meshgrid(*axes, indexing='ij'))


def _edge_window(shape: tuple[int, ...], width: int) -> NDArray[np.float32]:
    """One inside, falling smoothly to zero over the last `width` voxels of each side."""
    window = np.ones(shape, np.float32)
    for axis, n in enumerate(shape):
        edge = np.minimum(np.arange(n), np.arange(n)[::-1]) / max(width, 1)
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip(edge, 0, 1))
        window *= ramp.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return window


def _block_fraction(labels: NDArray[np.uint8], label: int, step: int) -> NDArray[np.float32]:
    """Fraction of each step^3 block that a label fills."""
    n = [s // step for s in labels.shape]
    cut = labels[: n[0] * step, : n[1] * step, : n[2] * step]
    return block_fraction(cut == label, (step,) * 3)


def _gradient_of_potential(source: NDArray[np.float32], spacing: float) -> NDArray[np.float32]:
    """Vector field with the given divergence and no rotation (periodic)."""
    spectrum = np.fft.rfftn(source)
    k = np.meshgrid(
        *(2 * np.pi * np.fft.fftfreq(n, spacing) for n in source.shape[:2]),
        2 * np.pi * np.fft.rfftfreq(source.shape[2], spacing), indexing='ij', sparse=True,
    )  # fmt: skip
    square = k[0] ** 2 + k[1] ** 2 + k[2] ** 2
    square[0, 0, 0] = 1
    spectrum *= -1j / square
    spectrum[0, 0, 0] = 0
    return np.stack(
        [
            np.fft.irfftn(axis * spectrum, source.shape, axes=(0, 1, 2)).astype(np.float32)
            for axis in k
        ]
    )


def _label_box(labels: NDArray[np.uint8], margin: int, step: int) -> tuple[slice, ...]:
    """Box around all labels, of whole blocks of `step` voxels."""
    used = ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    return tuple(
        slice(max(0, s.start - margin) // step * step, min(n, s.stop + margin) // step * step)
        for s, n in zip(used, labels.shape, strict=True)
    )


def _pulled_volumes(
    labels: NDArray[np.uint8], reach: NDArray[np.bool_], affine: NDArray[np.float64],
    points: NDArray[np.float32], warp: Warp,
) -> NDArray[np.float64]:  # fmt: skip
    """Volume of each label after the pull-back, in voxels of `labels`.

    64 samples are taken in each cell around `points` (the warp's grid) that the warp sends into
    `reach`; finer than the voxels, because small shifts change no nearest voxel.
    """
    near = at_nearest(reach, affine, points + warp.displacement)
    spacing = np.float32(warp.affine[0, 0])
    quarter = np.array([-3, -1, 1, 3], np.float32) * spacing / 8
    offsets = np.stack(np.meshgrid(quarter, quarter, quarter)).reshape(3, 1, 64)
    samples = (points[:, near][:, :, None] + offsets).reshape(3, -1)
    found = at_nearest(labels, affine, pull_points(warp, samples))
    fraction = (float(spacing) / affine[0, 0]) ** 3 / 64
    return np.maximum(np.bincount(found, minlength=256) * fraction, fraction)


def at_nearest(
    image: NDArray, affine: NDArray[np.float64], points: NDArray[np.float32]
) -> NDArray:
    """Values of the voxels nearest to world points; points outside take the edge's."""
    origin = affine[:3, 3].astype(np.float32).reshape(3, *[1] * (points.ndim - 1))
    index = np.rint((points - origin) / np.float32(affine[0, 0])).astype(np.int32)
    for axis, n in enumerate(image.shape):
        np.clip(index[axis], 0, n - 1, out=index[axis])
    return image[tuple(index)]


def pull_points(warp: Warp, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where in the template the tissue at `points` (3, ...; world mm) comes from."""
    spacing = float(warp.affine[0, 0])
    origin = warp.affine[:3, 3].astype(np.float32).reshape(3, *[1] * (points.ndim - 1))
    index = (points - origin) / np.float32(spacing)
    moved = [ndimage.map_coordinates(c, index, order=1, mode='nearest') for c in warp.displacement]
    return points + np.stack(moved)
