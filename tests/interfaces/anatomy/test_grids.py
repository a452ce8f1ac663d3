import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.anatomy.grids import box_of, carried
from nigra.interfaces.anatomy.itk import Engine, Volume, write

ENGINE = Engine(nthreads=1, seed=3)


def ball(shape, affine, centre, radius):
    index = np.indices(shape).reshape(3, -1)
    points = affine[:3, :3] @ index + affine[:3, 3:]
    away = np.linalg.norm(points - np.reshape(centre, (3, 1)), axis=0)
    return np.clip(radius - away, 0, None).reshape(shape).astype(np.float32)


def scene(folder, centre):
    """A ball on its grid, a larger and turned grid, and a shift between them."""
    own = np.diag([2.0, 2.0, 2.5, 1.0])
    moving = write(Volume(ball((30, 30, 24), own, centre, 12.0), own), folder / 'ball.nii')
    turn = np.array([[0, -1.5, 0], [1.2, 0, 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, (70, -20, -25)
    grid = Volume(np.zeros((80, 70, 90), np.float32), affine)
    shift = np.eye(4)
    shift[:3, 3] = (5, -3, 4)
    return moving, grid, [ENGINE.linear_transform(shift, folder / 'shift.mat')]


def test_an_image_is_carried_as_onto_the_whole_grid(tmp_path):
    moving, grid, chain = scene(tmp_path, (30, 28, 29))
    whole = ENGINE.resample(moving, write(grid, tmp_path / 'grid.nii'), chain)
    found = carried(moving, grid, chain, tmp_path, ENGINE)
    box = box_of(moving, grid, chain, tmp_path, ENGINE)
    assert whole[box].size < 0.4 * whole.size
    assert found.max() > 10
    np.testing.assert_allclose(found, whole, atol=1e-4, equal_nan=False)


def test_what_lies_elsewhere_is_carried_as_nothing(tmp_path):
    moving, grid, _ = scene(tmp_path, (30, 28, 29))
    away = np.eye(4)
    away[:3, 3] = 500
    chain = [ENGINE.linear_transform(away, tmp_path / 'away.mat')]
    found = carried(moving, grid, chain, tmp_path, ENGINE)
    assert found.shape == grid.data.shape
    assert not found.any()


def test_the_box_is_sought_on_voxels_of_some_3_mm_and_has_a_border_of_two(tmp_path):
    affine = np.diag([1.0, 1.5, 2.5, 1.0])
    affine[:3, 3] = (-20, 7, 30)
    grid = Volume(np.zeros((60, 44, 23), np.float32), affine)
    seen = {}

    class Finder:
        def resample(self, moving, reference, transforms, interpolator):
            seen['grid'] = nib.load(reference)
            out = np.zeros(seen['grid'].shape)
            out[8, 10, 12] = out[9, 10, 12] = 1
            return out

    box = box_of(tmp_path / 'x.nii', grid, [], tmp_path, Finder())
    coarse = seen['grid']
    assert coarse.shape == (20, 22, 23)
    assert np.diag(coarse.affine)[:3] == pytest.approx([3, 3, 2.5])
    # the middle of the first coarse voxel is that of the fine ones it stands for
    assert coarse.affine[:3, 3] == pytest.approx([-20 + 1, 7 + 0.75, 30])
    assert box == (slice(6 * 3, 12 * 3), slice(8 * 2, 13 * 2), slice(10, 15))
    large = Volume(np.zeros((20, 22, 23), np.float32), np.diag([9.0, 9, 9, 1]))
    assert box_of(tmp_path / 'x.nii', large, [], tmp_path, Finder()) == (
        slice(6, 12), slice(8, 13), slice(10, 15),
    )  # fmt: skip


def test_what_is_not_found_has_a_box_of_one_voxel(tmp_path):
    class Nothing:
        def resample(self, moving, reference, transforms, interpolator):
            return np.zeros(nib.load(reference).shape)

    grid = Volume(np.zeros((9, 9, 9), np.float32), np.eye(4))
    assert box_of(tmp_path / 'x.nii', grid, [], tmp_path, Nothing()) == (slice(0, 1),) * 3
