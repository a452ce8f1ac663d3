"""One person's anatomy: the head deformed, posed in the scanner, and sampled on any grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .head import OUTSIDE_INTENSITY, Anatomy, HeadModel, Material
from .scanner import rotation
from .tissue import dentate_nuclei, fibre_directions
from .veins import vein_mask
from .warp import Warp, at_nearest, grid_points, pull_points, random_warp, shape_warp, smooth_noise


@dataclass(frozen=True)
class AnatomyModel:
    """How much people differ in shape and position.

    Attributes
    ----------
    displacement_mm, smoothness_mm
        Mean length and smoothness of the random displacement.
    size_percent, size_sd_percent
        Length of heads relative to the template, which is larger than most, and its spread.
    tilt_sd_deg, shift_sd_mm
        Spread of head position in the scanner.
    motion_deg, motion_mm
        Head movement between scans.
    cortical_veins
        Veins on the brain's surface.
    """

    # assumed, all but the size: the ICBM 2009c brain is larger than most people's
    displacement_mm: float = 4.5
    smoothness_mm: float = 30.0
    size_percent: float = 94.0
    size_sd_percent: float = 2.0
    tilt_sd_deg: float = 4.0
    shift_sd_mm: float = 3.0
    motion_deg: float = 0.7
    motion_mm: float = 0.7
    cortical_veins: int = 60


@dataclass(frozen=True)
class Body:
    """Anatomy of one person.

    Attributes
    ----------
    head
        Head in template space, with this person's veins.
    warp
        Pull-back from the person's own axes to template space.
    texture
        Smooth noise on the warp's grid.
    fibres
        Unit vectors on the warp's grid.
    pose
        4 x 4 matrix from the person's own axes to the scanner's world.
    """

    head: HeadModel
    warp: Warp
    texture: NDArray[np.float32]
    fibres: NDArray[np.float32]
    pose: NDArray[np.float64]


@dataclass(frozen=True)
class SampledBody(Anatomy):
    """Anatomy of one person on a grid; `texture` is smooth noise of unit deviation."""

    texture: NDArray[np.float32]

    def cut(self, box: tuple[slice, ...]) -> SampledBody:
        """Part of it."""
        materials, intensity = self.materials[box], self.intensity[box]
        return SampledBody(materials, intensity, self.labels[box], self.texture[box])


def make_body(
    head: HeadModel, rng: np.random.Generator, anatomy: AnatomyModel,
    volume_factors: Mapping[int, float],
) -> Body:  # fmt: skip
    """Deform the head into one person's and place it in the scanner.

    Parameters
    ----------
    head
        Template head.
    rng
        Source of everything that is this person's own.
    anatomy
        How much people differ.
    volume_factors
        Volume of each label, as a fraction of the brain, over the same in the template.
    """
    warp = _person_warp(head, rng, anatomy, volume_factors)
    grid = warp.displacement.shape[1:]
    texture = smooth_noise(rng, grid, 1.1)
    fibres = fibre_directions(rng, grid, warp.affine)
    veins = vein_mask(rng, head.brain, head.affine, cortical=anatomy.cortical_veins)
    materials = _with_veins(head, veins)
    # people nod more than they turn or lean: half the spread about y and z (assumed)
    pose = _pose(
        rng.normal(0, anatomy.tilt_sd_deg * np.array([1, 0.5, 0.5])),
        rng.normal(0, anatomy.shift_sd_mm, 3),
        rng.normal(anatomy.size_percent, anatomy.size_sd_percent) / 100,
    )
    return Body(replace(head, materials=materials), warp, texture, fibres, pose)


def _person_warp(
    head: HeadModel, rng: np.random.Generator, anatomy: AnatomyModel,
    volume_factors: Mapping[int, float],
) -> Warp:  # fmt: skip
    """Pull-back of one person's own shape, with the volumes that are wanted."""
    # little against the displacement's smoothness (30 mm, and 15 for a fifth of it)
    spacing = 4.0
    affine = head.affine.copy()
    affine[:3, :3] *= spacing
    nx, ny, nz = (int(n // spacing) + 1 for n in head.labels.shape)
    inside = head.brain[::4, ::4, ::4]
    within = np.zeros((nx, ny, nz), bool)
    within[tuple(slice(0, n) for n in inside.shape)] = inside
    person = random_warp(
        rng, (nx, ny, nz), affine, mean_mm=anatomy.displacement_mm,
        smoothness_mm=anatomy.smoothness_mm, within=within,
    )  # fmt: skip
    # Nuclei grow and shrink with the brain, so that factors hold after normalisation by it.
    pulled = at_nearest(
        head.brain, head.affine, pull_points(person, grid_points(affine, within.shape))
    )
    growth = float(pulled.sum() / within.sum())
    factors = {int(k): growth for k in np.unique(head.labels) if k}
    factors |= {k: growth * factor for k, factor in volume_factors.items()}
    return shape_warp(head.labels, head.affine, factors, person=person)


def _with_veins(head: HeadModel, veins: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Materials of the head with dentate nuclei and veins, none of them within a label."""
    materials = head.materials.copy()
    soft = materials == Material.BRAIN
    dentate = dentate_nuclei(head.affine, materials.shape)
    materials[dentate & soft] = Material.DENTATE
    # what flows outside the brain is a sinus: it makes a background field, not a local one
    materials[veins & soft & (head.labels == 0)] = Material.VEIN
    materials[veins & np.isin(materials, (Material.CSF, Material.BONE))] = Material.SINUS
    return materials


def move(body: Body, rng: np.random.Generator, anatomy: AnatomyModel) -> Body:
    """The same person after a small movement."""
    step = _pose(rng.normal(0, anatomy.motion_deg, 3), rng.normal(0, anatomy.motion_mm, 3), 1.0)
    return replace(body, pose=step @ body.pose)


def _pose(tilt_deg: NDArray, shift_mm: NDArray, size: float) -> NDArray[np.float64]:
    """Similarity about the middle of the head."""
    centre = np.array([0.0, -20.0, 0.0])
    # x -> centre + shift + s R (x - centre)
    matrix = np.eye(4)
    matrix[:3, :3] = size * rotation(tilt_deg)
    matrix[:3, 3] = centre + shift_mm - matrix[:3, :3] @ centre
    return matrix


def sample_body(
    body: Body, affine: NDArray[np.float64], shape: tuple[int, int, int]
) -> SampledBody:
    """Anatomy on a grid of the scanner's world.

    Parameters
    ----------
    body
        The person.
    affine, shape
        The grid.
    """
    head = body.head
    # voxel -> scanner world -> the person's own axes -> template, where the tissue is looked up
    own = (np.linalg.inv(body.pose) @ affine).astype(np.float32)
    out = SampledBody(
        np.empty(shape, np.uint8), np.empty(shape, np.float32), np.empty(shape, np.uint8),
        np.empty(shape, np.float32),
    )  # fmt: skip
    to_template = np.linalg.inv(head.affine).astype(np.float32)
    to_warp = np.linalg.inv(body.warp.affine).astype(np.float32)
    # two million points at a time bound the memory: 24 MB for each array of them
    step = max(1, 2_000_000 // (shape[1] * shape[2]))
    for first in range(0, shape[0], step):
        part = slice(first, min(first + step, shape[0]))
        index = np.indices((part.stop - first, *shape[1:]), np.float32)
        index[0] += first
        points = transform(own, index)
        out.texture[part] = ndimage.map_coordinates(
            body.texture, transform(to_warp, points), order=1, mode='nearest'
        )
        source = transform(to_template, pull_points(body.warp, points))
        out.intensity[part] = ndimage.map_coordinates(
            head.intensity, source, order=1, mode='constant', cval=OUTSIDE_INTENSITY
        )
        # materials and labels are names: the nearest one, and air beyond the template
        nearest = np.rint(source).astype(np.int32)
        outside = np.zeros(nearest.shape[1:], bool)
        for axis, n in enumerate(head.labels.shape):
            outside |= (nearest[axis] < 0) | (nearest[axis] >= n)
            np.clip(nearest[axis], 0, n - 1, out=nearest[axis])
        where = tuple(nearest)
        out.materials[part] = np.where(outside, Material.AIR, head.materials[where])
        out.labels[part] = np.where(outside, 0, head.labels[where])
    return out


def transform(matrix: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points (3, ...) moved by a 4 x 4 matrix."""
    moved = np.tensordot(matrix[:3, :3], points, 1)
    return moved + matrix[:3, 3].reshape(3, *[1] * (points.ndim - 1))


def head_corners(body: Body) -> NDArray[np.float64]:
    """Corners of a box that holds the head, in the scanner's world, (8, 3) mm."""
    spacing = 4.0
    shape = tuple(n // 2 for n in body.warp.displacement.shape[1:])
    affine = body.warp.affine.copy()
    affine[:3, :3] = np.eye(3) * spacing
    still = replace(body, pose=np.eye(4))
    # sampled without pose: corners turn with the head, and the box need not be tight
    used = np.argwhere(sample_body(still, affine, shape).materials != Material.AIR)
    low, high = used.min(axis=0) - 1, used.max(axis=0) + 1
    index = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1)
    world = body.pose @ affine @ np.vstack([index, np.ones(index.shape[1])])
    return world[:3].T
