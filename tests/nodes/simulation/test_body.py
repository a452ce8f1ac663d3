from dataclasses import replace

import numpy as np
import pytest
from toy_head import still_body, toy_head

from nigra.nodes.simulation.body import (
    AnatomyModel,
    head_corners,
    make_body,
    move,
    sample_body,
)
from nigra.nodes.simulation.head import Material


@pytest.fixture(scope='module')
def head():
    return toy_head()


def test_a_body_has_its_volumes_its_veins_and_no_folds(head):
    factors = {1: 0.7, 2: 0.7, 9: 1.2}
    anatomy = AnatomyModel(displacement_mm=3, smoothness_mm=20, cortical_veins=5)
    body = make_body(head, np.random.default_rng(2), anatomy, factors)
    assert body.warp.jacobian().min() > 0.1
    upright = replace(body, pose=np.eye(4))
    fine = head.affine.copy()
    fine[:3, :3] *= 0.5
    fine[:3, 3] -= 0.25
    sample = sample_body(upright, fine, tuple(2 * n for n in head.labels.shape))
    volumes = np.bincount(sample.labels.ravel(), minlength=17)[1:] / 8
    true = np.bincount(head.labels.ravel(), minlength=17)[1:]
    growth = sample.brain.sum() / 8 / head.brain.sum()
    wanted = growth * np.array([factors.get(n, 1.0) for n in range(1, 17)])
    assert volumes / true == pytest.approx(wanted, rel=0.03)
    veins = sample.materials == Material.VEIN
    assert veins.any()
    assert not (veins & (sample.labels > 0)).any()
    size = np.cbrt(np.linalg.det(body.pose[:3, :3]))
    assert 0.85 < size < 1.03


def test_movement_between_scans_is_small_and_rigid(head):
    body = still_body(head)
    step = move(body, np.random.default_rng(0), AnatomyModel()).pose
    turn = step[:3, :3]
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
    assert 0 < np.abs(step[:3] @ [0, -20, 0, 1] - [0, -20, 0]).max() < 4


def test_pose_moves_the_head_in_the_world(head):
    pose = np.eye(4)
    pose[:3, 3] = (4, 0, -6)
    grid = head.affine
    moved = sample_body(still_body(head, pose), grid, head.labels.shape)
    assert np.array_equal(moved.labels[4:, :, :-6], head.labels[:-4, :, 6:])


def test_the_box_of_a_head_holds_all_of_it(head):
    pose = np.eye(4)
    pose[:3, 3] = (4, 0, -6)
    corners = head_corners(still_body(head, pose))
    inside = np.argwhere(head.materials != Material.AIR)
    points = inside @ head.affine[:3, :3].T + head.affine[:3, 3] + pose[:3, 3]
    assert np.all(corners.min(axis=0) <= points.min(axis=0))
    assert np.all(corners.max(axis=0) >= points.max(axis=0))
    assert np.all(np.ptp(corners, axis=0) < np.ptp(points, axis=0) + 24)
