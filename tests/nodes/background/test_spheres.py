import numpy as np
import pytest
from phantoms import head

from nigra.nodes.background.ismv import ismv
from nigra.nodes.background.resharp import resharp
from nigra.nodes.background.vsharp import vsharp


@pytest.fixture(scope='module', params=[(0, 0, 1), (0.3, -0.4, 0.8)])
def phantom(request):
    return head(b0_dir=request.param)


def test_masks_shrink_by_the_ball(phantom):
    total, mask, grid = phantom['total'], phantom['mask'], phantom['grid']
    _, small = vsharp(total, mask, grid, radii=(8, 4))
    _, large = vsharp(total, mask, grid, radii=(8,))
    assert large.sum() < small.sum() < mask.sum()
    for method in (resharp, ismv):
        assert np.array_equal(method(total, mask, grid, radius=8.0)[1], large)
