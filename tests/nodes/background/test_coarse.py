from functools import partial

import numpy as np
import pytest
from phantoms import ball, head

from nigra.nodes.background.coarse import Coarse
from nigra.nodes.background.resharp import resharp
from nigra.nodes.background.spheres import Spheres
from nigra.nodes.background.vsharp import vsharp
from nigra.nodes.grid import Grid


@pytest.mark.parametrize(
    ('voxel', 'factors'),
    [((1, 1, 1), (2, 2, 2)), ((0.7, 1.5, 1.6), (4, 2, 1)), ((2, 4, 3), (1, 1, 1))],
)
def test_blocks_are_no_longer_than_3_mm(voxel, factors):
    coarse = Coarse(np.ones((9, 8, 7), bool), Grid((9, 8, 7), voxel, (0, 0.6, 0.8)))
    assert coarse.factors == factors
    assert coarse.grid.voxel_size == pytest.approx(np.multiply(voxel, factors))
    assert coarse.grid.shape == tuple(-(-n // f) for n, f in zip((9, 8, 7), factors, strict=True))
    assert coarse.grid.b0_dir == pytest.approx((0, 0.6, 0.8))


def test_a_block_holds_the_mean_of_what_is_kept():
    kept = np.zeros((4, 2, 2), bool)
    kept[:2].flat[:4], kept[2, 0, 0] = True, True
    image = np.where(kept, np.arange(16, dtype=np.float32).reshape(kept.shape), 0)
    # four voxels of eight are enough, one is not
    assert Coarse(kept, Grid(kept.shape)).down(image, kept).ravel().tolist() == [1.5, 0]


def test_a_smooth_field_comes_back_and_the_rim_takes_the_nearest():
    grid = Grid((23, 22, 21))
    x, y, z = np.indices(grid.shape)
    image = (0.2 * x - 0.1 * y + 0.05 * z).astype(np.float32)
    mask = ball(grid, 9) > 0.5
    coarse = Coarse(mask, grid)
    small = coarse.down(image * mask, mask)
    back = coarse.up(small, coarse.mask)
    deep = ball(grid, 6) > 0.5
    assert back[deep] == pytest.approx(image[deep], abs=0.02)
    # a zero beside the known blocks would pull the rim down by whole units
    assert np.abs(back - image)[mask].max() < 0.5


@pytest.mark.parametrize('method', [vsharp, resharp])
def test_blocks_give_back_what_the_grid_itself_would(method, monkeypatch):
    phantom = head((64, 60, 56), (1.5, 1.5, 1.5))
    given = phantom['total'], phantom['mask'], phantom['grid']
    blocks, kept = method(*given)
    monkeypatch.setattr(Spheres, 'local_by_blocks', lambda s, r, k, b, stop: s.local(r, k, stop))
    whole, same = method(*given)
    once, _ = method(*given, passes=1)
    assert np.array_equal(kept, same)
    assert not np.array_equal(blocks, whole)
    back, true = (blocks - once)[kept], (whole - once)[kept]
    assert np.corrcoef(back, true)[0, 1] > 0.9
    assert np.std(back - true) < 0.5 * np.std(true)


def test_small_balls_stay_on_the_grid(monkeypatch):
    phantom = head((64, 60, 56), (1.5, 1.5, 1.5))
    monkeypatch.setattr(Coarse, 'down', lambda *_: pytest.fail('went by blocks'))
    resharp(phantom['total'], phantom['mask'], phantom['grid'], radius=4.0, passes=2)


@pytest.mark.parametrize('method', [partial(vsharp, radii=[5.14]), partial(resharp, radius=5.14)])
def test_a_plate_that_is_thinner_in_blocks_than_the_ball_stays_on_the_grid(method):
    grid = Grid((30, 30, 28), (0.95, 0.95, 0.95))
    mask = np.zeros(grid.shape, bool)
    mask[4:26, 4:26, 4:16] = True
    field = np.where(mask, 0.01 * np.sin(np.indices(grid.shape).sum(0)), 0).astype(np.float32)
    once, kept = method(field, mask, grid, passes=1)
    back, same = method(field, mask, grid, passes=2)
    assert np.array_equal(kept, same)
    assert not np.array_equal(once, back)
