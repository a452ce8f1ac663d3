import numpy as np
import pytest

from nigra.nodes.anatomy.deformation import jacobian
from nigra.nodes.errors import NigraError
from nigra.nodes.simulation.warp import (
    Warp,
    exponential,
    pull_points,
    random_warp,
    shape_warp,
    smooth_noise,
)

CENTRES = {1: (30, 40, 36), 2: (50, 40, 36), 3: (40, 52, 36)}


def ball_labels(shape=(80, 84, 76), radius=9):
    labels = np.zeros(shape, np.uint8)
    points = np.indices(shape)
    for label, centre in CENTRES.items():
        square = sum((p - c) ** 2 for p, c in zip(points, centre, strict=True))
        labels[(square <= radius**2) & (labels == 0)] = label
    return labels


def pulled_volumes(labels, warp):
    """Volumes after the pull-back, counted at half the voxel size."""
    axes = [np.arange(2 * n, dtype=np.float32) / 2 - 0.25 for n in labels.shape]
    points = np.stack(np.meshgrid(*axes, indexing='ij'))
    source = np.rint(pull_points(warp, points)).astype(int)
    for axis, n in enumerate(labels.shape):
        np.clip(source[axis], 0, n - 1, out=source[axis])
    return np.bincount(labels[tuple(source)].ravel(), minlength=4) / 8


@pytest.fixture(scope='module')
def labels():
    return ball_labels()


def test_random_warp_has_the_mean_length_and_never_folds():
    shape, affine = (48, 56, 50), np.diag([4.0, 4.0, 4.0, 1.0])
    warp = random_warp(np.random.default_rng(5), shape, affine, mean_mm=4.5, smoothness_mm=30)
    length = np.sqrt((warp.displacement**2).sum(axis=0))
    assert length.mean() == pytest.approx(4.5, rel=0.03)
    assert warp.jacobian().min() > 0.3


def test_random_warps_differ_between_people_and_repeat_for_one():
    shape, affine = (20, 20, 20), np.diag([4.0, 4.0, 4.0, 1.0])
    a, b, c = (
        random_warp(np.random.default_rng(s), shape, affine).displacement for s in (1, 1, 2)
    )
    assert np.array_equal(a, b)
    assert np.abs(a - c).mean() > 1


def test_a_displacement_that_must_fold_is_refused():
    with pytest.raises(NigraError, match='folds'):
        random_warp(np.random.default_rng(0), (24, 24, 24), np.diag([4.0, 4, 4, 1]),
                    mean_mm=60, smoothness_mm=8)  # fmt: skip


@pytest.mark.parametrize('factors', [{1: 0.7}, {1: 1.25, 2: 0.6}, {1: 0.8, 2: 0.8, 3: 1.2}])
def test_requested_volumes_are_met_and_neighbours_keep_theirs(labels, factors):
    warp = shape_warp(labels, np.eye(4), factors)
    before = np.bincount(labels.ravel(), minlength=4)
    after = pulled_volumes(labels, warp)
    for label in CENTRES:
        assert after[label] / before[label] == pytest.approx(factors.get(label, 1.0), rel=0.03)
    assert warp.jacobian().min() > 0


def test_volumes_are_met_under_a_persons_own_deformation(labels):
    person = random_warp(np.random.default_rng(3), (22, 23, 21), np.diag([4.0, 4, 4, 1]),
                         mean_mm=3, smoothness_mm=16)  # fmt: skip
    before = np.bincount(labels.ravel(), minlength=4)
    alone = pulled_volumes(labels, person)
    both = pulled_volumes(labels, shape_warp(labels, np.eye(4), {1: 0.75}, person=person))
    assert np.abs(alone[1:] / before[1:] - 1).max() > 0.05
    assert both[1:] / before[1:] == pytest.approx([0.75, 1, 1], rel=0.03)


def test_nothing_moves_where_no_volume_changes(labels):
    assert np.abs(shape_warp(labels, np.eye(4), {}).displacement).max() < 0.02


@pytest.mark.parametrize('factors', [{1: 0.1}, {1: 3.0}, {9: 0.8}])
def test_impossible_volumes_are_refused(labels, factors):
    with pytest.raises(NigraError, match='label'):
        shape_warp(labels, np.eye(4), factors)


def test_exponential_of_a_contraction_has_the_closed_form():
    points = np.indices((24, 24, 24), np.float32) - 11.5
    flow = exponential(-0.3 * points, 1.0)
    inner = (slice(None), *[slice(8, 16)] * 3)
    assert flow[inner] == pytest.approx(((np.exp(-0.3) - 1) * points)[inner], abs=0.02)
    assert jacobian(flow, 1.0)[10:14, 10:14, 10:14] == pytest.approx(np.exp(-0.9), rel=0.03)


def test_pull_points_interpolates_in_world_coordinates():
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-10, 5, 0)
    field = np.zeros((3, 6, 6, 6), np.float32)
    field[0] = np.arange(6, dtype=np.float32)[:, None, None]
    moved = pull_points(Warp(field, affine), np.array([[-7.0], [9.0], [4.0]], np.float32))
    assert moved[:, 0] == pytest.approx([-5.5, 9, 4])


def test_smooth_noise_is_standardised_and_as_smooth_as_asked():
    noise = smooth_noise(np.random.default_rng(0), (60, 60, 60), 4.0)
    assert noise.mean() == pytest.approx(0, abs=1e-4)
    assert noise.std() == pytest.approx(1, rel=1e-3)
    lag = (noise[:-4] * noise[4:]).mean()
    assert lag == pytest.approx(np.exp(-(4**2) / (4 * 4**2)), abs=0.12)
