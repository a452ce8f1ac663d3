import numpy as np

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
    np.testing.assert_allclose(found, whole, atol=1e-4)


def test_what_lies_elsewhere_is_carried_as_nothing(tmp_path):
    moving, grid, _ = scene(tmp_path, (30, 28, 29))
    away = np.eye(4)
    away[:3, 3] = 500
    chain = [ENGINE.linear_transform(away, tmp_path / 'away.mat')]
    found = carried(moving, grid, chain, tmp_path, ENGINE)
    assert found.shape == grid.data.shape
    assert not found.any()
