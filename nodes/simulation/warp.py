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
_ROUNDS = 6
"""Corrections of the rates by the volumes reached. The worst error of three touching balls of 18
mm under a person's own warp is 10 % after one, 1.5 % after three and 0.1 % after six."""


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
    # (then o first)(x) = x + first(x) + then(x + first(x)): `then` is read where `first` ends
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
    # exp(v) = exp(v / 2) o exp(v / 2), so the last of n doublings reaches unit time
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
    # two scales, because heads differ in their lobes and in their gyri; weights assumed
    velocity = 0.8 * _smooth_vectors(rng, shape, smoothness_mm / spacing)
    velocity += 0.2 * _smooth_vectors(rng, shape, 0.5 * smoothness_mm / spacing)
    inside = np.ones(shape, bool) if within is None else within
    # where the head lies is the pose's part, not the shape's
    velocity -= velocity[:, inside].mean(axis=1)[:, None, None, None]
    scale = 1.0
    # the flow's length is nearly proportional to the velocity's: three steps are ample
    for _ in range(3):
        moved = exponential((velocity * scale).astype(np.float32), spacing)
        mean = float(np.sqrt((moved[:, inside] ** 2).sum(axis=0)).mean())
        scale *= mean_mm / mean if mean else 1.0
    warp = Warp(moved, matrix)
    # below a twentieth, linear interpolation between the grid's points may fold
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
    # a Gaussian of three voxels or more has no detail that linear interpolation would miss
    step = max(1, int(sigma / 3))
    small = tuple(n // step + 2 for n in shape)
    field = rng.standard_normal(small, np.float32)
    field = ndimage.gaussian_filter(field, sigma / step, mode='wrap')
    for axis, length in enumerate(shape):
        field = read_between(field, axis, np.arange(length) / step)
    field -= field.mean()
    return field / max(float(field.std()), 1e-12)


def read_between(
    field: NDArray[np.float32], axis: int, position: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Linear interpolation at positions (in voxels, within the array) along one axis."""
    low = np.minimum(position.astype(int), field.shape[axis] - 2)
    fraction = (position - low).astype(np.float32)
    fraction = fraction.reshape([-1 if i == axis else 1 for i in range(field.ndim)])
    below, above = field.take(low, axis), field.take(low + 1, axis)
    return below + fraction * (above - below)


def shape_warp(
    labels: NDArray[np.uint8], affine: ArrayLike, factors: Mapping[int, float], *,
    person: Warp | None = None,
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
    fractions = {k: block_fraction(labels[box] == k, (step,) * 3) for k in targets}
    # the person's own warp may carry labels 24 mm away from where the template has them
    near = _label_box(labels, 12 if person is None else 24, step)
    sampling = _sampling(labels, matrix, lattice, moved, near, step)
    start = _local_affine(lattice, box, matrix)
    local = _met_volumes(sampling, fractions, targets, start)
    return Warp(pull_points(local, moved) - lattice.points, lattice.affine)


def _met_volumes(
    sampling: _Sampling, fractions: Mapping[int, NDArray[np.float32]],
    targets: Mapping[int, float], affine: NDArray[np.float64],
) -> Warp:  # fmt: skip
    """Local pull-back whose rates are corrected until every label has its target volume."""
    shape = next(iter(fractions.values())).shape
    local = Warp(np.zeros((3, *shape), np.float32), affine)
    # the box is periodic for the Fourier transform: motion fades out before its faces
    window = _edge_window(shape, int(0.4 * MARGIN_MM / SPACING_MM))
    rates = dict.fromkeys(targets, 0.0)
    for _ in range(_ROUNDS):
        reached = sampling.volumes(local)
        # Jacobian = exp(rate), so a volume wrong by a factor asks for its logarithm more
        for k in rates:
            rates[k] += float(np.log(targets[k] / reached[k]))
        source = sum(rates[k] * fraction for k, fraction in fractions.items())
        velocity = _gradient_of_potential(np.asarray(source), SPACING_MM) * window
        # backwards: the map says where tissue comes from, and growing tissue comes from inside
        local = Warp(exponential(-velocity, SPACING_MM), local.affine)
    return local


def _check_factors(factors: Mapping[int, float], volumes: NDArray[np.int64]) -> None:
    # limits assumed; what disease does to nuclei stays well inside them
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
    # the middle of the first block, not of its first voxel
    matrix[:3, 3] += 0.5 * (step - 1) * affine[0, 0]
    return _Lattice(grid_points(matrix, tuple(n // step for n in shape)), matrix)


def _local_affine(
    lattice: _Lattice, box: tuple[slice, ...], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Voxel-to-world matrix of the lattice's part in a box of label voxels."""
    matrix = lattice.affine.copy()
    matrix[:3, 3] += [b.start * affine[0, 0] for b in box]
    return matrix


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


def _gradient_of_potential(source: NDArray[np.float32], spacing: float) -> NDArray[np.float32]:
    """Vector field with the given divergence and no rotation (periodic)."""
    spectrum = np.fft.rfftn(source)
    k = np.meshgrid(
        *(2 * np.pi * np.fft.fftfreq(n, spacing) for n in source.shape[:2]),
        2 * np.pi * np.fft.rfftfreq(source.shape[2], spacing), indexing='ij', sparse=True,
    )  # fmt: skip
    # laplacian(u) = s is -|k|^2 U = S, and grad(u) is i k U = -i k S / |k|^2
    square = k[0] ** 2 + k[1] ** 2 + k[2] ** 2
    square[0, 0, 0] = 1
    spectrum *= -1j / square
    # a mean source has no periodic potential; the window would cut its motion off anyway
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


@dataclass(frozen=True)
class _Sampling:
    """What volumes are counted with.

    Attributes
    ----------
    labels, affine
        Label image and its voxel-to-world matrix.
    reach
        Voxels of labels and a little beyond: only what comes from there can be a label.
    points, corner
        Lattice points around the labels and the matrix of their grid.
    moved
        Where the person's own warp takes the points from.
    """

    labels: NDArray[np.uint8]
    affine: NDArray[np.float64]
    reach: NDArray[np.bool_]
    points: NDArray[np.float32]
    corner: NDArray[np.float64]
    moved: NDArray[np.float32]

    def volumes(self, local: Warp) -> NDArray[np.float64]:
        """Volume of each label after both pull-backs, in voxels of `labels`.

        64 samples are taken in each cell around `points` that the warp sends into `reach`; finer
        than the voxels, because small shifts change no nearest voxel.
        """
        warp = Warp(pull_points(local, self.moved) - self.points, self.corner)
        near = at_nearest(self.reach, self.affine, self.points + warp.displacement)
        spacing = np.float32(warp.affine[0, 0])
        # middles of the four quarters of a cell along each axis
        quarter = np.array([-3, -1, 1, 3], np.float32) * spacing / 8
        offsets = np.stack(np.meshgrid(quarter, quarter, quarter)).reshape(3, 1, 64)
        samples = (self.points[:, near][:, :, None] + offsets).reshape(3, -1)
        found = at_nearest(self.labels, self.affine, pull_points(warp, samples))
        fraction = (float(spacing) / self.affine[0, 0]) ** 3 / 64
        # at least one sample, so that the logarithm of a lost label's volume exists
        return np.maximum(np.bincount(found, minlength=256) * fraction, fraction)


def _sampling(
    labels: NDArray[np.uint8], affine: NDArray[np.float64], lattice: _Lattice,
    moved: NDArray[np.float32], near: tuple[slice, ...], step: int,
) -> _Sampling:  # fmt: skip
    """Counting at the lattice points in a box of label voxels, `step` to a block."""
    few = (slice(None), *(slice(b.start // step, b.stop // step + 1) for b in near))
    points = lattice.points[few]
    corner = lattice.affine.copy()
    corner[:3, 3] = points[:, 0, 0, 0]
    # 2.3 mm in every direction at least, more than half the diagonal of a cell (1.7 mm)
    reach = ndimage.binary_dilation(labels > 0, iterations=4)
    return _Sampling(labels, affine, reach, points, corner, moved[few])


def at_nearest(
    image: NDArray, affine: NDArray[np.float64], points: NDArray[np.float32]
) -> NDArray:
    """Values of the voxels nearest to world points; points outside take the edge's."""
    origin = affine[:3, 3].astype(np.float32).reshape(3, *[1] * (points.ndim - 1))
    index = np.rint((points - origin) / np.float32(affine[0, 0])).astype(np.int32)
    # one axis after the other, in place: the index of a whole head is large
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
