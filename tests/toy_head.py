"""A ball-shaped head with sixteen ball-shaped nuclei, for tests of the simulator."""

import numpy as np

from nigra.nodes.simulation.body import Body
from nigra.nodes.simulation.head import OUTSIDE_INTENSITY, HeadModel, Material
from nigra.nodes.simulation.warp import Warp

CENTRE = np.array([0.0, -15.0, 5.0])
SHAPE = (100, 108, 96)


def toy_head(brain_mm=36.0, head_mm=44.0, nucleus_mm=5.0) -> HeadModel:
    affine = np.eye(4)
    affine[:3, 3] = CENTRE - (np.array(SHAPE) - 1) / 2
    points = np.indices(SHAPE) + affine[:3, 3, None, None, None]

    def ball(centre, radius):
        return sum((p - c) ** 2 for p, c in zip(points, centre, strict=True)) <= radius**2

    materials = np.zeros(SHAPE, np.uint8)
    materials[ball(CENTRE, head_mm)] = Material.MUSCLE
    materials[ball(CENTRE, brain_mm + 3)] = Material.CSF
    brain = ball(CENTRE, brain_mm)
    materials[brain] = Material.BRAIN
    intensity = np.where(brain, 86, OUTSIDE_INTENSITY).astype(np.float32)
    intensity[brain & (points[0] > 15)] = 64
    labels = np.zeros(SHAPE, np.uint8)
    for number in range(16):
        side = 1 if number % 2 else -1
        angle = 2 * np.pi * (number // 2) / 8
        place = CENTRE + np.array([side * 11, 19 * np.cos(angle), 19 * np.sin(angle)])
        labels[ball(place, nucleus_mm)] = number + 1
    return HeadModel(materials, intensity, labels, affine)


def still_body(head: HeadModel, pose=None) -> Body:
    """A body that is the head itself: no deformation, no texture, fibres along x."""
    shape = tuple(n // 2 for n in head.labels.shape)
    affine = head.affine.copy()
    affine[:3, :3] *= 2
    affine[:3, 3] += 0.5
    fibres = np.zeros((3, *shape), np.float32)
    fibres[0] = 1
    zero = np.zeros(shape, np.float32)
    warp = Warp(np.zeros((3, *shape), np.float32), affine)
    return Body(head, warp, zero, fibres, np.eye(4) if pose is None else pose)
