"""A synthetic head around a brain template: skull, scalp, face, neck, and the air in it.

Template world coordinates (mm, right-anterior-superior) name every structure, so that the grid
may be any that covers them. Everything is deterministic; people differ by deformation.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..errors import NigraError
from .warp import read_between

COARSE = 2
"""Edge of the voxels on which smooth shapes are computed, in template voxels."""
GAP_MM, SKULL_MM, SCALP_MM = 2.0, 6.5, 7.0
"""Fluid between brain and skull, bone, and soft tissue over it: thicknesses, assumed."""


class Material(IntEnum):
    """What fills a voxel of the head model."""

    AIR = 0
    BRAIN = 1
    CSF = 2
    BONE = 3
    MARROW = 4
    FAT = 5
    MUSCLE = 6
    SKIN = 7
    VITREOUS = 8
    MASTOID = 9
    CORD = 10
    MUCOSA = 11
    VEIN = 12
    SINUS = 13
    DENTATE = 14


BRAIN_MATERIALS = (Material.BRAIN, Material.VEIN, Material.DENTATE)
OUTSIDE_INTENSITY = 30.0
"""Template intensity that stands outside the brain: fluid, so that its rim blends into fluid."""


def is_brain(materials: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Voxels of the brain, the veins within it included."""
    return np.isin(materials, BRAIN_MATERIALS)


@dataclass(frozen=True)
class Anatomy:
    """What is where on a grid.

    Attributes
    ----------
    materials
        `Material` of each voxel, uint8.
    intensity
        T1-weighted template intensity of the brain, fluid outside it, float32.
    labels
        Deep-grey-matter labels, uint8.
    """

    materials: NDArray[np.uint8]
    intensity: NDArray[np.float32]
    labels: NDArray[np.uint8]

    @property
    def brain(self) -> NDArray[np.bool_]:
        """Voxels of the brain, the veins within it included."""
        return is_brain(self.materials)


@dataclass(frozen=True)
class HeadModel(Anatomy):
    """A head on the template's axes, padded to hold face and neck; `affine` has 1 mm voxels."""

    affine: NDArray[np.float64]


# Ellipsoids: centre and semi-axes in template world mm; x is mirrored where it is not zero.
# Places and measures of all structures are by eye, from where anatomy has them around the ICBM
# 2009c brain. They matter as sources of the background field, which grows towards the sinuses
# and ears as in people; nothing is measured in them.
_AIR_CAVITIES = (
    ((0, 22, -42), (13, 11, 9)),  # sphenoid sinus
    ((9, 48, -38), (6, 14, 11)),  # ethmoid cells
    ((11, 79, -14), (9, 4, 9)),  # frontal sinus
    ((30, 48, -66), (12, 15, 14)),  # maxillary sinus
    ((6, 55, -62), (3, 26, 16)),  # nasal cavity
)
_AIR_TUBES = (
    (((0, 20, -66), (0, 4, -84), (0, 0, -140)), 7.0),  # pharynx and windpipe
    (((46, -22, -42), (62, -24, -43), (90, -26, -42)), 3.5),  # ear canal
)
_MASTOID = ((52, -38, -46), (8, 11, 13))
_PETROUS = ((34, -26, -42), (22, 9, 8))
_EYE = ((32, 62, -34), 12.0)
_FACE = ((0, 38, -58), (60, 60, 66))
_NOSE = ((0, 96, -56), (12, 18, 20))
_NECK = ((0, -32), (56, 62), -52.0)
_CORD = ((0.0, -45.0, -70.0), (0.0, -42.0, -150.0))


def build_head(
    intensity: NDArray[np.float32],
    labels: NDArray[np.uint8],
    affine: ArrayLike,
) -> HeadModel:
    """Build skull, scalp, face and neck around a brain without skull.

    Parameters
    ----------
    intensity
        T1-weighted template, zero outside the brain; 1 mm voxels along the world's axes.
    labels
        Deep-grey-matter labels on the same grid.
    affine
        Voxel-to-world matrix.

    Raises
    ------
    NigraError
        The shapes differ, the voxels are not 1 mm, or the brain is empty.
    """
    matrix = _checked(intensity, labels, affine)
    # room for scalp at the sides and back, a face in front and a neck below, in mm
    before, after = (10, 6, 50), (10, 30, 6)
    pad = tuple(zip(before, after, strict=True))
    matrix[:3, 3] -= before
    brain_t1 = np.pad(np.asarray(intensity, np.float32), pad)
    padded_labels = np.pad(np.asarray(labels, np.uint8), pad)
    inner, outer = _surfaces(brain_t1 > 0, matrix)
    materials = _layers(inner, outer)
    _add_face(materials, matrix, inner)
    # the brain comes last: no bone or sinus may take a voxel from it
    materials[outer > 0] = Material.AIR
    materials[brain_t1 > 0] = Material.BRAIN
    brain_t1[brain_t1 <= 0] = OUTSIDE_INTENSITY
    return HeadModel(materials, brain_t1, padded_labels, matrix)


def _checked(
    intensity: NDArray[np.float32], labels: NDArray[np.uint8], affine: ArrayLike
) -> NDArray[np.float64]:
    """A copy of the affine, after checking that a head can be built around the template."""
    matrix = np.array(affine, float)
    if intensity.shape != labels.shape:
        raise NigraError(f'template {intensity.shape} and labels {labels.shape} differ in shape')
    if not np.allclose(matrix[:3, :3], np.eye(3)):
        raise NigraError('the template must have 1 mm voxels along the world axes')
    if not (intensity > 0).any():
        raise NigraError('the template holds no brain')
    return matrix


def world_axes(
    affine: NDArray[np.float64], shape: tuple[int, ...], box: tuple[slice, ...] | None = None,
    dtype: type[np.floating] = np.float32,
) -> list[NDArray]:  # fmt: skip
    """World coordinates along each axis of an axis-aligned grid, or of a box in it, mm.

    Arrays of shapes (n, 1, 1), (1, n, 1) and (1, 1, n), which broadcast over the grid.
    """
    axes = [affine[i, i] * np.arange(n) + affine[i, 3] for i, n in enumerate(shape)]
    inside = axes if box is None else [a[b] for a, b in zip(axes, box, strict=True)]
    return [
        a.astype(dtype).reshape([-1 if i == j else 1 for j in range(3)])
        for i, a in enumerate(inside)
    ]


def _surfaces(
    brain: NDArray[np.bool_], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Signed distance (mm, negative inside) to the sulci-closed brain and to the skin."""
    coarse = brain[::COARSE, ::COARSE, ::COARSE]
    matrix = affine.copy()
    matrix[:3, :3] *= COARSE
    axes = world_axes(matrix, coarse.shape)
    # The skull follows the closed brain, not its sulci; the skin is smoother still (radii by eye).
    tight = _closed_distance(coarse, 9.0)
    wide = _closed_distance(coarse, 24.0) - (GAP_MM + SKULL_MM + SCALP_MM)
    skin = _smooth_union(wide, _ellipsoid(axes, *_FACE), 20.0)
    skin = _smooth_union(skin, _ellipsoid(axes, *_NOSE), 10.0)
    (cx, cy), (rx, ry), top = _NECK
    # an elliptic cylinder, open downwards: intersection of two distances is their maximum
    radial = np.sqrt(((axes[0] - cx) / rx) ** 2 + ((axes[1] - cy) / ry) ** 2)
    neck = np.maximum((radial - 1) * min(rx, ry), axes[2] - top)
    skin = _smooth_union(skin, neck, 16.0)
    return tuple(_refine(s, brain.shape) for s in (tight, skin))  # type: ignore[return-value]


def _closed_distance(mask: NDArray[np.bool_], radius: float) -> NDArray[np.float32]:
    """Signed distance to the closing of a mask by a ball, smoothed by one voxel."""
    # closing: dilation by a ball, then erosion by it, here as a distance from the dilated border
    outside = ndimage.distance_transform_edt(~mask) * COARSE
    dilated = outside <= radius
    within = ndimage.distance_transform_edt(dilated) * COARSE
    beyond = ndimage.distance_transform_edt(~dilated) * COARSE
    signed = np.where(dilated, radius - within, radius + beyond)
    return ndimage.gaussian_filter(signed.astype(np.float32), 1.0)


def _refine(field: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Linear interpolation from the coarse to the template's grid."""
    for axis, length in enumerate(shape):
        # an even grid's last voxel lies half a coarse voxel beyond the last one: it repeats it
        position = np.minimum(np.arange(length) / COARSE, field.shape[axis] - 1)
        field = read_between(field, axis, position)
    return field


def _smooth_union(a: NDArray, b: NDArray, blend: float) -> NDArray[np.float32]:
    """Minimum of two distances, rounded over `blend` mm."""
    # polynomial smooth minimum of two distance functions
    h = np.clip(0.5 + 0.5 * (b - a) / blend, 0, 1)
    return (b + (a - b) * h - blend * h * (1 - h)).astype(np.float32)


def _ellipsoid(axes: list[NDArray], centre: ArrayLike, semi: ArrayLike) -> NDArray[np.float32]:
    """Approximate signed distance to an ellipsoid, mm."""
    c, s = np.asarray(centre, float), np.asarray(semi, float)
    # exact on the surface; elsewhere in units of the shortest semi-axis, enough for blending
    scaled = sum(((axis - ci) / si) ** 2 for axis, ci, si in zip(axes, c, s, strict=True))
    return ((np.sqrt(scaled) - 1) * s.min()).astype(np.float32)


def _layers(inner: NDArray[np.float32], outer: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Fluid, skull with marrow, and soft tissue, from the two distances."""
    materials = np.full(inner.shape, Material.MUSCLE, np.uint8)
    # from inside out, later ones over earlier ones: muscle, 4.5 mm of fat, 2 mm of skin
    materials[outer > -6.5] = Material.FAT
    materials[outer > -2.0] = Material.SKIN
    materials[(inner < GAP_MM + SKULL_MM) & (outer < -2.0)] = Material.BONE
    # two tables of compact bone with marrow (diploe) between, where the scalp leaves room
    third = SKULL_MM / 3
    marrow = (inner > GAP_MM + 0.9 * third) & (inner < GAP_MM + 2.1 * third) & (outer < -5.0)
    materials[marrow] = Material.MARROW
    materials[inner < GAP_MM] = Material.CSF
    return materials


def _add_face(
    materials: NDArray[np.uint8], affine: NDArray[np.float64], inner: NDArray[np.float32]
) -> None:
    """Bones, eyes, airways and spine, in place; bone of 1.5 mm stays over the brain."""
    free = inner > GAP_MM + 1.5
    for side in (-1, 1):
        for centre, semi, filling in (
            (*_PETROUS, Material.BONE),
            (*_MASTOID, Material.MASTOID),
            ((32, 54, -35), (19, 24, 18), Material.FAT),
        ):
            _fill(materials, affine, (side * centre[0], *centre[1:]), semi, filling, free)
        (x, y, z), r = _EYE
        _fill(materials, affine, (side * x, y, z), (r, r, r), Material.VITREOUS, free)
    _add_spine(materials, affine, inner > GAP_MM)
    for centre, semi in _AIR_CAVITIES:
        for side in (-1, 1) if centre[0] else (1,):
            # wet mucosa keeps air 1.5 mm away from bone
            lining = tuple(s + 1.5 for s in semi)
            place = (side * centre[0], *centre[1:])
            _fill(materials, affine, place, lining, Material.MUCOSA, free)
            _fill(materials, affine, place, semi, Material.AIR, free)
    for points, radius in _AIR_TUBES:
        for side in (-1, 1) if points[0][0] else (1,):
            line = np.asarray(points, float) * (side, 1, 1)
            _fill_tube(materials, affine, line, radius, Material.AIR, free)


def _add_spine(
    materials: NDArray[np.uint8], affine: NDArray[np.float64], free: NDArray[np.bool_]
) -> None:
    # body of the vertebrae around the canal, arches and their marrow behind it (radii by eye)
    line = np.asarray(_CORD)
    behind = np.array([0.0, 14.0, 0.0])
    _fill_tube(materials, affine, line, 15.0, Material.BONE, free)
    _fill_tube(materials, affine, line + behind, 13.0, Material.BONE, free)
    _fill_tube(materials, affine, line + behind, 10.5, Material.MARROW, free)
    everywhere = np.ones_like(free)
    _fill_tube(materials, affine, line, 10.0, Material.CSF, everywhere)
    _fill_tube(materials, affine, line, 6.0, Material.CORD, everywhere)


def _box(
    affine: NDArray[np.float64], shape: tuple[int, ...], low: NDArray, high: NDArray
) -> tuple[slice, ...]:
    """Slices that cover world coordinates `low` to `high`."""
    first = np.clip(np.floor(low - affine[:3, 3]).astype(int), 0, shape)
    last = np.clip(np.ceil(high - affine[:3, 3]).astype(int) + 1, 0, shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))


def _fill(
    materials: NDArray[np.uint8], affine: NDArray[np.float64], centre: tuple[float, ...],
    semi: tuple[float, ...], material: Material, allowed: NDArray[np.bool_],
) -> None:  # fmt: skip
    c, s = np.asarray(centre, float), np.asarray(semi, float)
    box = _box(affine, materials.shape, c - s, c + s)
    inside = (_ellipsoid(world_axes(affine, materials.shape, box), c, s) <= 0) & allowed[box]
    materials[box][inside] = material


def _fill_tube(
    materials: NDArray[np.uint8], affine: NDArray[np.float64], line: NDArray[np.float64],
    radius: float, material: Material, allowed: NDArray[np.bool_],
) -> None:  # fmt: skip
    for start, end in itertools.pairwise(line):
        box = _box(affine, materials.shape, np.minimum(start, end) - radius,
                   np.maximum(start, end) + radius)  # fmt: skip
        near = world_axes(affine, materials.shape, box)
        inside = (distance_to_segment(near, start, end) <= radius) & allowed[box]
        materials[box][inside] = material


def distance_to_segment(
    axes: list[NDArray], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Distance of grid points to a line segment, mm."""
    along = end - start
    length2 = float(along @ along) or 1.0
    fraction = sum((a - s) * d for a, s, d in zip(axes, start, along, strict=True)) / length2
    # beyond the ends the nearest point is the end itself, which rounds the tube
    fraction = np.clip(fraction, 0, 1)
    square = sum((a - (s + fraction * d)) ** 2 for a, s, d in zip(axes, start, along, strict=True))
    return np.sqrt(square).astype(np.float32)
