"""Poses of heads: first guesses for registration, and how far a transform moves."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nigra.nodes.anatomy.pose import (
    SLAB_MM,
    candidate_poses,
    centroid,
    head_centre,
    pitched,
    rigid_motion,
    world_points,
)

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler('xyz', (20, -5, 8), degrees=True).as_matrix() * (1, 2, 1.5)
OBLIQUE[:3, 3] = (-30, 12, 4)
CENTRE, SHIFT = np.array([1.0, -20.0, 8.0]), np.array([3.0, 10.0, -4.0])


@pytest.fixture
def points():
    return np.random.default_rng(3).normal((5, -20, 30), 40, (500, 3))


def moved_by(points, turn_deg, shift):
    """Points after a rotation about their middle and a shift of it."""
    middle = points.mean(axis=0)
    rotation = Rotation.from_euler('xyz', turn_deg, degrees=True)
    return rotation.apply(points - middle) + middle + shift


def test_world_points_and_their_middle_follow_an_oblique_affine():
    mask = np.zeros((6, 5, 4), bool)
    mask[1:4, 2, 1:3] = True
    points = world_points(mask, OBLIQUE)
    first = OBLIQUE @ [1, 2, 1, 1]
    np.testing.assert_allclose(points[0], first[:3], equal_nan=False)
    assert len(points) == mask.sum()
    np.testing.assert_allclose(centroid(mask, OBLIQUE), points.mean(axis=0), equal_nan=False)


@pytest.mark.parametrize('pitch', [-30.0, 0.0, 12.0])
@pytest.mark.parametrize('size', [0.85, 1.0, 1.1])
def test_a_pitch_takes_the_centre_along_and_turns_about_left_and_right(pitch, size):
    matrix = pitched(pitch, size, CENTRE, SHIFT)
    np.testing.assert_allclose(
        (matrix @ [*CENTRE, 1])[:3], CENTRE + SHIFT, atol=1e-12, equal_nan=False
    )
    angle = np.deg2rad(pitch)
    expected = [
        [size, 0, 0],
        [0, size * np.cos(angle), -size * np.sin(angle)],
        [0, size * np.sin(angle), size * np.cos(angle)],
    ]
    np.testing.assert_allclose(matrix[:3, :3], expected, atol=1e-15, equal_nan=False)


def test_a_positive_pitch_raises_what_lies_in_front():
    nose = pitched(20, 1, np.zeros(3), np.zeros(3)) @ [0, 100, 0, 1]
    assert nose[2] > 0


@pytest.mark.parametrize(('offset', 'places'), [(0.5, 1), (50.0, 2)])
def test_headers_are_tried_and_centring_where_it_differs(offset, places):
    target = CENTRE + np.array([0, offset, 0])
    poses = candidate_poses(CENTRE, target, 4.0, (-10, 10), (0.9, 1.0, 1.1))
    assert len(poses) == places * 6
    np.testing.assert_allclose((poses[-1] @ [*CENTRE, 1])[:3], target, atol=1e-12, equal_nan=False)


def test_neck_and_shoulders_do_not_lower_the_centre_of_a_head():
    affine = np.diag([4.0, 4, 4, 1])
    head = np.zeros((60, 60, 100), np.float32)
    top = 95
    head[20:40, 20:40, top - int(SLAB_MM / 4) : top] = 100
    alone = head_centre(head, affine)
    head[5:55, 10:50, :40] = 100
    # the box's own middle, up to the percentile that stands for its top
    assert alone == pytest.approx([4 * 29.5, 4 * 29.5, 4 * (top - 1) - SLAB_MM / 2], abs=4)
    assert head_centre(head, affine) == pytest.approx(alone, abs=4)


def test_air_and_its_noise_are_no_part_of_a_head():
    rng = np.random.default_rng(1)
    head = np.abs(4 * rng.standard_normal((40, 40, 40)))
    head[10:20, 15:35, 5:25] = 100 + 20 * rng.standard_normal((10, 20, 20))
    head[30, 30, 39] = 500  # a spike above the head
    found = head_centre(head, np.diag([2.0, 3, 4, 1]))
    assert found == pytest.approx([2 * 14.5, 3 * 24.5, 4 * 14.5], abs=0.3)


@pytest.mark.parametrize(('distance', 'places'), [(3.99, 1), (4.0, 2)])
def test_centring_is_tried_from_the_tolerance_on(distance, places):
    target = CENTRE + np.array([distance, 0, 0])
    assert len(candidate_poses(CENTRE, target, 4.0, (0,), (1.0,))) == places


@pytest.mark.parametrize('turn', [(0.0, 0, 0), (0.05, 0, 0), (7, -3, 12), (0, 0, 120)])
def test_rigid_motion_is_found(points, turn):
    found = rigid_motion(points, moved_by(points, turn, (0, 3, 4)))
    expected = np.degrees(Rotation.from_euler('xyz', turn, degrees=True).magnitude())
    assert found['turn_deg'] == pytest.approx(expected, abs=1e-6)
    assert found['shift_mm'] == pytest.approx(5.0)


def test_rigid_motion_of_a_single_slice(points):
    flat = points * (1, 1, 0)
    found = rigid_motion(flat, moved_by(flat, (0, 0, 9), (0, 0, 2)))
    assert found['turn_deg'] == pytest.approx(9.0)
    assert found['shift_mm'] == pytest.approx(2.0)


def test_noise_of_a_transform_file_hardly_counts(points):
    moved = moved_by(points, (0, 4, 0), (1, 0, 0))
    noisy = moved + np.random.default_rng(0).normal(0, 1e-4, points.shape)
    assert rigid_motion(points, noisy)['turn_deg'] == pytest.approx(4.0, abs=1e-3)
