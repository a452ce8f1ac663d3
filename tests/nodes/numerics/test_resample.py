import numpy as np
import pytest
from scipy import ndimage
from toy_anatomy import pose

from nigra.nodes.errors import NigraError
from nigra.nodes.numerics.resample import (
    FWHM_TO_SIGMA,
    along_axes,
    between,
    cropped_affine,
    isotropic,
    isotropic_grid,
    spacing_of,
    subdivided_affine,
    vote,
)


def world(affine, shape):
    index = np.indices(shape).reshape(3, -1)
    return (affine[:3, :3] @ index + affine[:3, 3:]).reshape(3, *shape)


@pytest.mark.parametrize('turn', [(0, 0, 0), (15, -10, 25)])
@pytest.mark.parametrize('spacing', [1.5, 2.0, 3.7])
def test_a_world_coordinate_stays_a_world_coordinate(turn, spacing):
    affine = pose(turn, (3, -7, 11))
    affine[:3, :3] *= (1.0, 1.2, 2.0)
    affine[:3, :3] *= (-1, 1, 1)
    shape = (31, 24, 17)
    for axis in range(3):
        out, moved = isotropic(world(affine, shape)[axis], affine, spacing)
        np.testing.assert_allclose(spacing_of(moved), spacing, rtol=1e-6, equal_nan=False)
        grid = isotropic_grid(shape, affine, spacing)
        assert grid[0] == out.shape
        np.testing.assert_array_equal(grid[1], moved)
        inner = tuple(slice(4, -4) if n > 9 else slice(n // 2, n // 2 + 1) for n in out.shape)
        np.testing.assert_allclose(
            out[inner], world(moved, out.shape)[axis][inner], atol=0.05, equal_nan=False
        )


def test_coarser_voxels_do_not_alias_a_checkerboard():
    board = np.indices((24, 24, 24)).sum(axis=0) % 2
    out, _ = isotropic(board, np.eye(4), 3.0)
    assert np.abs(out[2:-2, 2:-2, 2:-2] - 0.5).max() < 0.05


def test_an_axis_that_is_coarse_already_is_not_blurred():
    data = np.zeros((20, 20, 9))
    data[:, :, 4] = 1
    out, _ = isotropic(data, np.diag([1.0, 1, 3, 1]), 3.0)
    np.testing.assert_allclose(out[3, 3], [0, 0, 0, 0, 1, 0, 0, 0, 0], atol=1e-6, equal_nan=False)


def test_matrices_along_axes_are_smoothing_and_interpolation():
    data = np.random.default_rng(3).random((13, 20, 11), np.float32)
    out, _ = isotropic(data, np.diag([1.0, 0.8, 2.0, 1]), 2.0)
    sigma = np.sqrt(2.0**2 - np.array([1.0, 0.8, 2.0]) ** 2) * FWHM_TO_SIGMA / (1.0, 0.8, 2.0)
    smooth = ndimage.gaussian_filter(data, sigma, mode='nearest')
    step = 2.0 / np.array([1.0, 0.8, 2.0])
    offset = (np.array(data.shape) - 1) / 2 - (np.array(out.shape) - 1) / 2 * step
    places = np.indices(out.shape).T * step + offset
    known = ndimage.map_coordinates(smooth, places.T, order=1, mode='nearest')
    np.testing.assert_allclose(out, known, atol=1e-6, equal_nan=False)


def test_a_volume_is_interpolated_axis_by_axis():
    data = np.random.default_rng(4).random((5, 1, 7), np.float32)
    places = [np.array([-1.0, 0.3, 4.0]), np.array([0.0, 2.0]), np.linspace(0, 6, 20)]
    out = along_axes(data, [between(n, p) for n, p in zip(data.shape, places, strict=True)])
    known = ndimage.map_coordinates(
        data, np.meshgrid(*places, indexing='ij'), order=1, mode='nearest'
    )
    np.testing.assert_allclose(out, known, atol=1e-6, equal_nan=False)


def test_crops_and_divided_voxels_keep_their_place():
    affine = pose((10, 20, 30), (1, 2, 3))
    points = world(affine, (8, 9, 10))
    box = (slice(2, 5), slice(0, 4), slice(7, 10))
    np.testing.assert_allclose(
        world(cropped_affine(affine, box), (3, 4, 3)), points[:, *box], equal_nan=False
    )
    parts = world(subdivided_affine(affine, (2, 3, 1)), (16, 27, 10))
    means = parts.reshape(3, 8, 2, 9, 3, 10, 1).mean(axis=(2, 4, 6))
    np.testing.assert_allclose(means, points, atol=1e-9, equal_nan=False)


def test_the_label_with_most_parts_wins():
    rng = np.random.default_rng(2)
    labels = rng.choice(np.array([0, 2, 9], np.uint8), (6, 6, 9), p=[0.4, 0.3, 0.3])
    winner = vote(labels, (3, 2, 3))
    assert winner.dtype == np.uint8
    for i, j, k in np.ndindex(winner.shape):
        block = labels[3 * i : 3 * i + 3, 2 * j : 2 * j + 2, 3 * k : 3 * k + 3]
        assert winner[i, j, k] == np.bincount(block.ravel()).argmax()


def test_blocks_that_do_not_fit_are_refused():
    with pytest.raises(NigraError, match='do not divide'):
        vote(np.zeros((3, 4, 4), int), (2, 2, 2))
