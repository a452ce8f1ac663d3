"""A synthetic venous tree in template space: sinuses, deep veins and cortical branches."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

# Polylines in template world mm with their radius; those with x > 0 have a mirror image. Courses
# and radii are by eye, from where anatomy has these veins around the template's nuclei.
_VESSELS: tuple[tuple[tuple[tuple[float, float, float], ...], float], ...] = (
    (((2, -6, 15), (2, -20, 14), (2, -36, 8)), 1.0),  # internal cerebral
    (((2, 4, 16), (9, 14, 14), (14, 26, 10)), 0.8),  # septal
    (((3, 2, 17), (12, -8, 21), (16, -22, 23)), 0.8),  # thalamostriate
    (((26, 0, -18), (14, -12, -16), (14, -28, -8), (5, -38, 4)), 0.9),  # basal
    (((0, -37, 7), (0, -42, 7), (0, -48, 12)), 1.8),  # great cerebral
    (((22, 6, 30), (20, -6, 25), (16, -16, 23)), 0.6),  # medullary
    (((26, -18, 36), (22, -22, 29), (16, -24, 24)), 0.6),
    (((24, -34, 34), (20, -32, 28), (15, -28, 24)), 0.6),
    (((24, 22, 22), (19, 20, 18), (14, 16, 15)), 0.6),
    (((8, -20, 2), (5, -24, 8), (2, -26, 11)), 0.5),  # thalamic
    (((11, -12, 3), (6, -16, 9), (2, -19, 13)), 0.5),
)
_STRAIGHT = (((0, -48, 12), (0, -62, 4), (0, -78, -4), (0, -95, -8)), 2.2)


def vein_mask(
    rng: np.random.Generator, brain: NDArray[np.bool_], affine: NDArray[np.float64], *,
    cortical: int = 60,
) -> NDArray[np.bool_]:  # fmt: skip
    """Voxels filled by veins.

    Parameters
    ----------
    rng
        Moves the branches; sinuses stay.
    brain
        Brain mask on 1 mm voxels.
    affine
        Its voxel-to-world matrix.
    cortical
        Number of surface veins that run over the hemispheres to the sagittal sinus.

    Returns
    -------
    NDArray
        Boolean, shape of `brain`; includes sinuses just outside the brain.
    """
    veins = np.zeros(brain.shape, bool)
    sagittal = _sagittal_sinus(brain, affine)
    _draw(veins, affine, sagittal, 3.0)
    _draw(veins, affine, np.asarray(_STRAIGHT[0], float), _STRAIGHT[1])
    for points, radius in _VESSELS:
        line = np.asarray(points, float)
        for side in (1, -1) if line[:, 0].any() else (1,):
            # every point of every branch lies elsewhere in every person (0.7 mm assumed)
            wiggle = rng.normal(0, 0.7, line.shape)
            _draw(veins, affine, line * (side, 1, 1) + wiggle, radius)
    top = _height(brain)
    for _ in range(cortical):
        _draw(veins, affine, _cortical_vein(rng, top, affine, sagittal), 0.7)
    return veins


def _height(brain: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the highest brain voxel of each column, -1 where there is none."""
    top = brain.shape[2] - 1 - np.argmax(brain[:, :, ::-1], axis=2)
    return np.where(brain.any(axis=2), top, -1)


def _sagittal_sinus(brain: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Line along the midline over the brain's outer surface, front to back."""
    # 21 mm about the midline: the fissure between the hemispheres is bridged
    middle = round(-affine[0, 3])
    slab = brain[middle - 10 : middle + 11].any(axis=0)
    y, z = np.nonzero(slab)
    centre = np.array([-15.0 - affine[1, 3], 5.0 - affine[2, 3]])
    angle = np.arctan2(z - centre[1], y - centre[0])
    distance = np.hypot(y - centre[0], z - centre[1])
    points = []
    for a in np.deg2rad(np.arange(10, 196, 4)):
        # difference of two angles, wrapped to +-pi
        near = np.abs(np.angle(np.exp(1j * (angle - a)))) < 0.05
        r = distance[near].max() + 1.5
        points.append((0.0, *(centre + r * np.array([np.cos(a), np.sin(a)]) + affine[1:3, 3])))
    return np.asarray(points)


def _cortical_vein(
    rng: np.random.Generator, top: NDArray[np.int64], affine: NDArray[np.float64],
    sagittal: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """A line from the sinus sideways over the surface of one hemisphere."""
    side = rng.choice((-1, 1))
    start = sagittal[rng.integers(2, len(sagittal) - 8)]
    # a step of 2 mm sideways at a time, drifting forwards or backwards (ranges by eye)
    length, drift = rng.uniform(18, 45), rng.normal(0, 0.4)
    x = side * np.arange(2.0, length, 2.0)
    y = start[1] + drift * np.abs(x) + np.cumsum(rng.normal(0, 0.7, x.size))
    i = np.clip(np.rint(x - affine[0, 3]).astype(int), 0, top.shape[0] - 1)
    j = np.clip(np.rint(y - affine[1, 3]).astype(int), 0, top.shape[1] - 1)
    # the part beyond the hemisphere's edge has no surface to run on
    on = top[i, j] > 0
    z = top[i, j] + affine[2, 3] - 0.5
    return np.column_stack([x, y, z])[on]


def _draw(
    veins: NDArray[np.bool_], affine: NDArray[np.float64], line: NDArray[np.float64],
    radius: float,
) -> None:  # fmt: skip
    """Fill balls along a polyline, in place."""
    if len(line) < 2:
        return
    # half a voxel between balls leaves no gap; 20 mm is a jump over a fissure, not a vein
    steps = [
        np.linspace(a, b, max(2, int(np.ceil(np.linalg.norm(b - a) / 0.5))))
        for a, b in itertools.pairwise(line)
        if np.linalg.norm(b - a) < 20
    ]
    if not steps:
        return
    points = np.concatenate(steps) - affine[:3, 3]
    reach = int(np.ceil(radius))
    for offset in np.ndindex(*([2 * reach + 1] * 3)):
        voxel = np.rint(points).astype(int) + np.array(offset) - reach
        # thinner ones are drawn as one voxel wide, or they would break up
        near = np.linalg.norm(voxel - points, axis=1) <= max(radius, 0.6)
        near &= np.all((voxel >= 0) & (voxel < veins.shape), axis=1)
        veins[tuple(voxel[near].T)] = True
