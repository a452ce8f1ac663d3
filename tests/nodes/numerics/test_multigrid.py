import numpy as np
import pytest

from nigra.nodes.numerics.multigrid import Box, Multigrid, interior, laplacian


@pytest.mark.parametrize('shape', [(23, 29, 19), (24, 16, 31), (3, 17, 5)])
@pytest.mark.parametrize('voxel_size', [(1, 1, 1), (1, 1, 2), (0.5, 3, 1)])
def test_multigrid_is_symmetric_positive_and_contracts(shape, voxel_size):
    rng = np.random.default_rng(4)
    inside = interior(Box.around(np.ones(shape, bool)).mask)
    inside &= rng.random(inside.shape) > 0.001
    multigrid = Multigrid(inside, voxel_size)

    def minus_laplacian(image):
        out = np.zeros_like(image)
        multigrid.stencils.sweep(laplacian, image, -multigrid.inside, multigrid.weights, out)
        return out

    a, b = (inside * rng.standard_normal(inside.shape).astype(np.float32) for _ in range(2))
    image_a, image_b = multigrid(a).copy(), multigrid(b).copy()
    size = np.sqrt(np.vdot(image_a, a) * np.vdot(image_b, b))
    assert np.vdot(image_a, a) > 0
    assert abs(np.vdot(image_a, b) - np.vdot(image_b, a)) < 1e-4 * size
    error = a.copy()
    for _ in range(4):
        error -= multigrid(minus_laplacian(error))
    assert np.linalg.norm(error) < 0.2 * np.linalg.norm(a)
