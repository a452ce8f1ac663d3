"""Parts of warps by hand: lattices, windows, potentials, boxes, reading between voxels."""

import numpy as np
import pytest

from nigra.nodes.simulation import warp
from nigra.nodes.simulation.warp import Warp

SHAPE = (12, 10, 14)


def placed(spacing=2.0, low=(-10.0, 5, 3)):
    affine = np.diag([spacing] * 3 + [1.0])
    affine[:3, 3] = low
    return affine


def test_grid_points_are_world_coordinates():
    points = warp.grid_points(placed(), (3, 4, 5))
    assert points.shape == (3, 3, 4, 5)
    assert points[:, 0, 0, 0] == pytest.approx((-10, 5, 3))
    assert points[:, 2, 3, 4] == pytest.approx((-6, 11, 11))


def test_a_part_of_a_lattice_has_the_whole_one_s_points_whatever_the_voxels_are():
    affine, box = placed(0.5), (slice(4, 8), slice(0, 6), slice(2, 8))
    lattice = warp._lattice((8, 6, 8), affine, 2)
    part = warp.grid_points(warp._local_affine(lattice, box, affine), (2, 3, 3))
    assert part == pytest.approx(lattice.points[:, 2:4, 0:3, 1:4])


def test_lattice_points_stand_in_the_middle_of_their_blocks():
    lattice = warp._lattice((9, 6, 8), placed(1.0), 2)
    assert lattice.points.shape == (3, 4, 3, 4)
    assert lattice.points[:, 0, 0, 0] == pytest.approx((-9.5, 5.5, 3.5))
    assert lattice.points[:, 1, 0, 2] == pytest.approx((-7.5, 5.5, 7.5))
    box = (slice(4, 8), slice(0, 6), slice(2, 8))
    local = warp._local_affine(lattice, box, placed(1.0))
    assert local[:3, 3] == pytest.approx((-5.5, 5.5, 5.5))
    assert np.diag(local)[:3] == pytest.approx((2, 2, 2))


@pytest.mark.parametrize(('margin', 'step'), [(0, 1), (2, 2), (3, 4), (50, 3)])
def test_boxes_hold_all_labels_and_are_whole_blocks(margin, step):
    labels = np.zeros((30, 31, 32), np.uint8)
    labels[9:20, 11:14, 7:25] = 4
    labels[18, 20, 8] = 9
    box = warp._label_box(labels, margin, step)
    for s, n, first, last in zip(box, labels.shape, (9, 11, 7), (20, 21, 25), strict=True):
        assert s.start % step == s.stop % step == 0
        low, high = max(0, first - margin), min(n, last + margin)
        assert low - step < s.start <= low
        assert high - step < s.stop <= high


def test_windows_are_one_inside_and_fall_to_zero_at_all_sides():
    window = warp._edge_window((21, 15, 11), 5)
    assert window[10, 7, 5] == pytest.approx(1)
    for axis in range(3):
        ends = np.take(window, [0, -1], axis)
        assert not ends.any()
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(6) / 5)
    assert window[:6, 7, 5] == pytest.approx(ramp, abs=1e-6)
    assert window[::-1, 7, 5] == pytest.approx(window[:, 7, 5])
    assert window[2, 3, 4] == pytest.approx(ramp[2] * ramp[3] * ramp[4], abs=1e-6)


@pytest.mark.parametrize('spacing', [1.0, 2.5])
def test_potentials_have_the_divergence_asked_for_and_no_rotation(spacing):
    """Of waves, whose gradient is known: sin(k x) has the potential -sin(k x) / k^2."""
    n = np.array([16, 20, 24])
    x = [spacing * np.arange(m).reshape([-1 if a == b else 1 for b in range(3)])
         for a, m in enumerate(n)]  # fmt: skip
    for wave in ((1, 0, 0), (0, 2, 0), (0, 0, 3), (1, 2, 1), (2, -1, 3)):
        k = 2 * np.pi * np.array(wave) / (n * spacing)
        phase = k[0] * x[0] + k[1] * x[1] + k[2] * x[2]
        field = warp._gradient_of_potential(np.sin(phase).astype(np.float32), spacing)
        for axis in range(3):
            expected = -k[axis] * np.cos(phase) / (k @ k)
            assert field[axis] == pytest.approx(expected, abs=1e-4)
    assert np.abs(warp._gradient_of_potential(np.ones(n, np.float32), spacing)).max() < 1e-6


def test_reading_between_voxels_is_linear_to_the_last_one():
    field = np.random.default_rng(0).random((6, 5, 4)).astype(np.float32)
    for axis, n in enumerate(field.shape):
        at = np.array([0, 0.25, 1.5, n - 1.25, n - 1.0])
        found = warp.read_between(field, axis, at)
        expected = np.apply_along_axis(lambda v: np.interp(at, np.arange(v.size), v), axis, field)  # noqa: B023
        assert found == pytest.approx(expected, abs=1e-6)


def test_values_of_the_nearest_voxel_and_of_the_edge_outside():
    image = np.arange(24).reshape(2, 3, 4)
    points = np.array([[-10.9, -8, 40, -99], [5.9, 7, 99, -99], [3, 4.9, 99, -99]], np.float32)
    found = warp.at_nearest(image, placed(), points)
    assert found.tolist() == [image[0, 0, 0], image[1, 1, 1], image[1, 2, 3], image[0, 0, 0]]


def test_composition_reads_the_second_where_the_first_ends():
    first = np.zeros((3, *SHAPE), np.float32)
    first[0] = 2.0  # one voxel of 2 mm along x
    then = np.zeros_like(first)
    then[1] = np.arange(SHAPE[0], dtype=np.float32)[:, None, None]
    both = warp.compose(first, then, 2.0)
    assert (both[0] == 2).all()
    assert both[1, :-1] == pytest.approx((then[1] + 1)[:-1])


@pytest.mark.parametrize('length', [0.3, 2.0, 7.0])
def test_a_constant_flow_moves_by_its_length(length):
    velocity = np.zeros((3, *SHAPE), np.float32)
    velocity[2] = length
    flow = warp.exponential(velocity, 2.0)
    assert flow[2] == pytest.approx(length, rel=1e-6)
    assert not flow[:2].any()


def test_a_rotation_s_flow_turns_by_its_angle():
    """Of a velocity that turns about the z axis, unit time turns by its rate, in radians."""
    points = warp.grid_points(placed(1.0, (-15.0, -15, -2)), (31, 31, 5))
    angle = 0.6
    velocity = angle * np.stack([-points[1], points[0], 0 * points[2]])
    flow = warp.exponential(velocity.astype(np.float32), 1.0)
    c, s = np.cos(angle), np.sin(angle)
    x, y, _ = points
    expected = np.stack([c * x - s * y - x, s * x + c * y - y])
    near = np.hypot(x, y) < 8
    assert flow[:2][:, near] == pytest.approx(expected[:, near], abs=0.05)


def test_points_are_pulled_by_what_the_warp_has_between_its_own():
    displacement = np.zeros((3, *SHAPE), np.float32)
    displacement[0] = 0.5
    displacement[2] = np.arange(SHAPE[2])
    moved = warp.pull_points(
        Warp(displacement, placed()), np.array([[-3.0], [9], [8]], np.float32)
    )
    assert moved[:, 0] == pytest.approx((-2.5, 9, 8 + 2.5))


@pytest.mark.parametrize(('factor', 'taken'), [(0.3, True), (0.299, False), (2.0, True),
                                               (2.001, False)])  # fmt: skip
def test_volumes_may_change_so_much(factor, taken):
    volumes = np.array([0, 100])
    if taken:
        warp._check_factors({1: factor}, volumes)
    else:
        with pytest.raises(ValueError, match=r'within 0\.3 to 2'):
            warp._check_factors({1: factor}, volumes)
    with pytest.raises(ValueError, match='has no voxels'):
        warp._check_factors({0: 1.0}, volumes)


@pytest.mark.parametrize('sigma', [1.5, 4.0, 9.0])
def test_noise_is_as_smooth_as_asked_at_every_width(sigma):
    """The correlation of Gaussian noise falls by exp(-d^2 / (4 sigma^2)) over a distance d."""
    noise = warp.smooth_noise(np.random.default_rng(1), (90, 90, 90), sigma)
    assert noise.shape == (90, 90, 90)
    assert (noise.mean(), noise.std()) == pytest.approx((0, 1), abs=1e-3)
    d = max(1, round(sigma))
    for axis in range(3):
        moved = np.moveaxis(noise, axis, 0)
        found = (moved[d:] * moved[:-d]).mean() / (moved**2).mean()
        assert found == pytest.approx(np.exp(-(d**2) / (4 * sigma**2)), abs=0.15)
