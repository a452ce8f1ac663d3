"""Shapes that make up the simulated head, one at a time, on grids of a few voxels."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from nigra.nodes.simulation import head, veins
from nigra.nodes.simulation.head import GAP_MM, SCALP_MM, SKULL_MM, Material
from nigra.nodes.simulation.veins import _draw

SHAPE = (40, 44, 36)


def placed(low=(-20.0, -22.0, -18.0)):
    affine = np.eye(4)
    affine[:3, 3] = low
    return affine


def world(affine, shape=SHAPE):
    return np.indices(shape) + affine[:3, 3, None, None, None]


def ball_of(affine, radius, centre=(0, 0, 0), shape=SHAPE):
    points = world(affine, shape)
    return np.sqrt(sum((p - c) ** 2 for p, c in zip(points, centre, strict=True))) <= radius


def test_axes_are_world_coordinates_of_a_box():
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (-5, 7, 9)
    box = (slice(1, 3), slice(0, 2), slice(2, 4))
    x, y, z = head.world_axes(affine, (4, 5, 6), box)
    assert (x.ravel().tolist(), y.ravel().tolist(), z.ravel().tolist()) == (
        [-3, -1], [7, 10], [17, 21],
    )  # fmt: skip
    assert (x + y + z).shape == (2, 2, 2)


@pytest.mark.parametrize('centre', [(0, 0, 0), (14, -17, 12), (-25, 0, 0)])
def test_ellipsoids_and_tubes_are_filled_where_they_are_and_allowed(centre):
    affine, semi = placed(), np.array([6.0, 4.0, 8.0])
    allowed = world(affine)[2] <= 13
    away = world(affine) - np.reshape(centre, (3, 1, 1, 1))
    materials = np.zeros(SHAPE, np.uint8)
    head._fill(materials, affine, centre, tuple(semi), Material.FAT, allowed)
    scaled = np.sqrt(((away / semi[:, None, None, None]) ** 2).sum(axis=0))
    clear = abs(scaled - 1) > 1e-3
    expected = (scaled < 1) & allowed
    np.testing.assert_array_equal((materials == Material.FAT)[clear], expected[clear])
    # a ball's distance is exact everywhere
    axes = head.world_axes(affine, SHAPE)
    distance = head._ellipsoid(axes, centre, (5, 5, 5))
    assert distance == pytest.approx(np.sqrt((away**2).sum(axis=0)) - 5, abs=1e-4)
    # three corners of a tube, which is round at its ends
    line = np.array([centre, np.add(centre, (0, 6, 0)), np.add(centre, (4, 6, 0))], float)
    tube = np.zeros(SHAPE, np.uint8)
    head._fill_tube(tube, affine, line, 3.0, Material.BONE, allowed)
    near = np.minimum(*(head.distance_to_segment(axes, a, b) for a, b in (line[:2], line[1:])))
    np.testing.assert_array_equal(tube == Material.BONE, (near <= 3) & allowed)


def test_a_box_covers_its_corners_and_no_more_than_a_voxel_beyond():
    affine = placed()
    box = head._box(affine, SHAPE, np.array([-3.2, 0.0, -40.0]), np.array([4.1, 5.0, 60.0]))
    assert box == (slice(16, 26), slice(22, 28), slice(0, SHAPE[2]))


def test_the_distance_to_a_closed_mask_is_that_of_the_ball_without_its_hole():
    shape = (30, 30, 30)
    middle = np.array([29.0, 29, 29]) / 2 * head.COARSE
    points = head.COARSE * np.indices(shape)
    radius = np.sqrt(((points - middle.reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    mask = radius <= 18
    mask[14:16, 14:16, 15:] = False  # a sulcus 4 mm wide
    found = head._closed_distance(mask, 9.0)
    inside, outside = (radius > 5) & (radius < 16), (radius > 20) & (radius < 27)
    assert found[inside | outside] == pytest.approx((radius - 18)[inside | outside], abs=1.6)
    assert abs((found - radius + 18)[outside].mean()) < 0.8
    assert (found[14:16, 14:16, 16:20] < 0).all()


def test_the_coarse_grid_is_read_linearly_and_its_last_voxel_twice():
    line = np.arange(5, dtype=np.float32) ** 2
    field = line[:, None, None] + np.zeros((5, 3, 2), np.float32)
    fine = head._refine(field, (10, 5, 3))
    assert fine.shape == (10, 5, 3)
    expected = np.interp(np.arange(10) / 2, np.arange(5), line)
    assert fine[:, 2, 1] == pytest.approx(expected)


def test_the_skin_is_a_scalp_s_width_from_the_brain_and_has_a_neck():
    affine = placed((-96.0, -132.0, -128.0))
    shape = (192, 240, 248)
    brain = ball_of(affine, 60, (0, -10, 10), shape)
    inner, outer = head._surfaces(brain, affine)

    def at(surface, *point):
        return float(surface[tuple(np.rint(np.subtract(point, affine[:3, 3])).astype(int))])

    scalp = GAP_MM + SKULL_MM + SCALP_MM
    for way in ((0, 0, 1), (0, -1, 0), (1, 0, 0), (-1, 0, 0)):
        for r in (55, 80):
            point = np.array((0, -10, 10)) + r * np.array(way)
            assert at(inner, *point) == pytest.approx(r - 60, abs=1.5)
        assert at(outer, *point) == pytest.approx(r - 60 - scalp, abs=4)
    # an elliptic cylinder of 56 x 62 mm about (0, -32) below -52 mm
    assert at(outer, 0, -32, -120) == pytest.approx(-56, abs=1.5)
    for x, y in ((50, -32), (-50, -32), (0, -32 - 56)):
        assert -10 < at(outer, x, y, -122) < 0
    for x, y in ((62, -32), (-62, -32), (0, -32 - 68), (0, 75)):
        assert at(outer, x, y, -122) > 3
    # face and nose before it
    assert at(outer, 0, 90, -56) < 0 < at(outer, 0, 125 - 20, 0)
    assert at(outer, 0, 107, -56) < 0


def test_layers_follow_each_other_outwards():
    """Along a line where the scalp is as thick as it is over the skull's top."""
    inner = np.arange(-2, 18, 0.25, dtype=np.float32)
    outer = inner - (GAP_MM + SKULL_MM + SCALP_MM)
    found = head._layers(inner, outer)
    order, starts = [], []
    for n, material in enumerate(found):
        if n == 0 or material != found[n - 1]:
            order.append(Material(material))
            starts.append(float(inner[n]))
    assert order == [Material.CSF, Material.BONE, Material.MARROW, Material.BONE, Material.MUSCLE,
                     Material.FAT, Material.SKIN]  # fmt: skip
    third = SKULL_MM / 3
    expected = [2, 2 + 0.9 * third, 2 + 2.1 * third, 8.5, 15.5 - 6.5, 15.5 - 2]
    assert starts[1:] == pytest.approx(expected, abs=0.26)
    # where the scalp is deep there is muscle, and where it is thin neither marrow nor bone
    deep = head._layers(np.float32([10.0]), np.float32([-20.0]))
    assert deep[0] == Material.MUSCLE
    thin = head._layers(np.float32([5.0, 5.0]), np.float32([-4.0, -1.0]))
    assert thin.tolist() == [Material.BONE, Material.SKIN]


def test_veins_are_balls_along_their_line():
    affine = placed()
    line = np.array([(-8.0, 0, 0), (8.0, 0, 0), (8.0, 10, 5)])
    found = np.zeros(SHAPE, bool)
    _draw(found, affine, line, 2.5)
    axes = head.world_axes(affine, SHAPE)
    near = np.minimum(*(head.distance_to_segment(axes, a, b) for a, b in (line[:2], line[1:])))
    assert found[near < 2.2].all()
    assert not found[near > 2.6].any()


def test_thin_veins_are_one_voxel_wide_and_unbroken():
    found = np.zeros(SHAPE, bool)
    _draw(found, placed(), np.array([(-8.0, 0.3, 0.4), (8.0, 0.3, 0.4)]), 0.2)
    _, count = ndimage.label(found, np.ones((3, 3, 3)))
    assert count == 1
    assert found.any(axis=(1, 2)).sum() == 17
    assert found.sum() == 17


@pytest.mark.parametrize(
    ('line', 'drawn'),
    [([(0.0, 0, 0)], False), ([(-10.0, 0, 0), (9.9, 0, 0)], True),
     ([(-10.0, 0, 0), (10.0, 0, 0)], False)],
)  # fmt: skip
def test_points_alone_and_jumps_are_no_veins(line, drawn):
    found = np.zeros(SHAPE, bool)
    _draw(found, placed(), np.array(line), 1.0)
    assert found.any() == drawn


def test_a_vein_leaves_the_grid_without_coming_back_on_its_other_side():
    found = np.zeros(SHAPE, bool)
    _draw(found, placed(), np.array([(15.0, 0, 0), (30.0, 0, 0)]), 2.0)
    assert found[35:].any()
    assert not found[:30].any()


def test_heights_are_those_of_the_uppermost_voxels():
    brain = np.zeros((3, 2, 6), bool)
    brain[0, 0, 1:4] = brain[1, 1, 5] = brain[2, 0, 0] = brain[0, 1, 2] = True
    assert veins._height(brain).tolist() == [[3, 2], [-1, 5], [0, -1]]


@pytest.fixture(scope='module')
def round_brain():
    affine = placed((-60.0, -80.0, -70.0))
    return ball_of(affine, 50, (0, -15, 5), (120, 130, 150)), affine


def test_the_sagittal_sinus_runs_over_a_round_brain_from_front_to_back(round_brain):
    brain, affine = round_brain
    line = veins._sagittal_sinus(brain, affine)
    assert (line[:, 0] == 0).all()
    away = line[:, 1:] - (-15, 5)
    assert np.hypot(*away.T) == pytest.approx(51.5, abs=1)
    angles = np.rad2deg(np.unwrap(np.arctan2(away[:, 1], away[:, 0])))
    assert angles == pytest.approx(np.arange(10, 196, 4), abs=0.1)


def test_the_sinus_bridges_the_fissure(round_brain):
    brain, affine = round_brain
    split = brain.copy()
    split[55:66] = False
    line, whole = (veins._sagittal_sinus(b, affine) for b in (split, brain))
    assert line == pytest.approx(whole, abs=2.0)


def test_cortical_veins_run_over_the_surface_sideways_from_the_sinus(round_brain):
    brain, affine = round_brain
    sagittal, top = veins._sagittal_sinus(brain, affine), veins._height(brain)
    sides = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        line = veins._cortical_vein(rng, top, affine, sagittal)
        if len(line) < 2:
            continue
        side = np.sign(line[0, 0])
        sides.add(side)
        assert np.diff(side * line[:, 0]).min() >= 2  # straight on, 2 mm a step
        assert abs(line[0, 0]) >= 2
        assert abs(line[:, 0]).max() < 45
        index = np.rint(line[:, :2] - affine[:2, 3]).astype(int)
        heights = top[tuple(index.T)]
        assert line[:, 2] == pytest.approx(heights + affine[2, 3] - 0.5)
        reach = np.hypot(line[:, 0], line[:, 1] + 15)
        assert (reach < 51).all()
        nearest = np.abs(sagittal[:, 1] - line[0, 1]).min()
        assert nearest < 6
    assert sides == {-1, 1}


def test_drift_goes_forwards_or_backwards_from_the_midline_outwards(round_brain):
    """With chance taken out, the way is a straight line at the drift's slope."""
    brain, affine = round_brain
    sagittal, top = veins._sagittal_sinus(brain, affine), veins._height(brain)
    for side in (-1, 1):
        chance = SimpleNamespace(
            choice=lambda _, s=side: s, integers=lambda *_: 20, uniform=lambda *_: 30.0,
            normal=lambda *a: np.zeros(a[2]) if len(a) > 2 else 0.4,
        )  # fmt: skip
        line = veins._cortical_vein(chance, top, affine, sagittal)
        steps = np.arange(2.0, 30.0, 2.0)
        assert line[:, 0] == pytest.approx(side * steps)
        assert line[:, 1] == pytest.approx(sagittal[20, 1] + 0.4 * steps)
