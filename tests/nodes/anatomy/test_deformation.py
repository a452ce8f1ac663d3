"""Deformations: their length, their volume change, and the blur before coarser sampling."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nigra.nodes.anatomy.deformation import blurred_to, deformation_range, jacobian
from nigra.nodes.numerics.resample import block_mean, isotropic

SHAPE = (12, 10, 8)


def linear_field(matrix, affine):
    """Displacement by which a linear map moves the voxels of a grid, world mm, (3, x, y, z)."""
    points = np.einsum('ij,j...->i...', affine[:3, :3], np.indices(SHAPE).astype(float))
    points += affine[:3, 3][:, None, None, None]
    moved = np.einsum('ij,j...->i...', matrix, points)
    return (moved - points).astype(np.float32)


@pytest.mark.parametrize('turn', [(0, 0, 0), (25, -10, 5)])
@pytest.mark.parametrize('spacing', [1.0, 2.0])
def test_volume_change_of_a_linear_map_is_its_determinant_on_any_grid(turn, spacing):
    affine = np.eye(4)
    affine[:3, :3] = spacing * Rotation.from_euler('xyz', turn, degrees=True).as_matrix()
    affine[:3, 3] = (4, -3, 7)
    matrix = np.array([[1.1, 0.2, 0], [0, 0.9, 0.1], [0.05, 0, 1.2]])
    found = deformation_range(linear_field(matrix, affine), np.ones(SHAPE, bool), affine)
    determinant = np.linalg.det(matrix)
    assert found['jacobian_min'] == pytest.approx(determinant, abs=2e-4)
    assert found['jacobian_max'] == pytest.approx(determinant, abs=2e-4)


def test_only_the_mask_is_judged():
    field = np.zeros((3, *SHAPE), np.float32)
    field[0, 6:] = 3.0
    mask = np.zeros(SHAPE, bool)
    mask[:4] = True
    found = deformation_range(field, mask, np.eye(4))
    assert found == {'displacement_mm': 0.0, 'jacobian_min': 1.0, 'jacobian_max': 1.0}
    assert deformation_range(field, ~mask, np.eye(4))['displacement_mm'] > 2


def test_a_fold_has_a_negative_jacobian():
    x = np.indices(SHAPE).astype(np.float32)
    assert jacobian(np.stack([-2 * x[0], 0 * x[1], 0 * x[2]]), 1.0).max() < 0


def test_blur_is_that_of_isotropic_and_leaves_coarse_axes():
    image = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    same = blurred_to(image, (2.0, 2.0, 3.0), 2.0)
    np.testing.assert_array_equal(same, image)
    smooth = blurred_to(image, (1.0, 1.0, 1.0), 2.0)
    assert smooth.std() < 0.5 * image.std()
    expected = isotropic(image, np.eye(4), 2.0)[0]  # between two voxels along each axis
    np.testing.assert_allclose(block_mean(smooth, (2, 2, 2)), expected, rtol=1e-5, equal_nan=False)
