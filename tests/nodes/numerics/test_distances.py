import numpy as np
import pytest
from scipy import ndimage

from nigra.nodes.numerics.distances import distances


@pytest.mark.parametrize('voxel_size', [(1, 1, 1), (0.88, 1.2, 2.0), (3.0, 0.5, 1.0)])
@pytest.mark.parametrize('share', [0.5, 0.97, 0.999])
def test_distances_are_those_of_scipy(voxel_size, share):
    mask = np.random.default_rng(7).random((19, 23, 31)) < share
    known = ndimage.distance_transform_edt(mask, sampling=voxel_size)
    np.testing.assert_allclose(distances(mask, voxel_size), known, rtol=1e-6, equal_nan=False)


def test_distances_from_one_voxel_are_lengths():
    mask = np.ones((9, 9, 9), bool)
    mask[2, 3, 4] = False
    away = np.array(np.indices(mask.shape)).T - (2, 3, 4)
    known = np.linalg.norm(away * (1, 2, 3), axis=-1).T
    np.testing.assert_allclose(distances(mask, (1, 2, 3)), known, rtol=1e-6, equal_nan=False)


def test_without_anything_outside_distances_are_infinite():
    assert np.isinf(distances(np.ones((2, 3, 4), bool), (1, 1, 1))).all()
    assert not distances(np.zeros((2, 3, 4), bool), (1, 1, 1)).any()


@pytest.mark.parametrize('most', [0.5, 2.0, 2.4, np.sqrt(6)])
@pytest.mark.parametrize('share', [0.5, 0.97, 0.999])
def test_distances_up_to_a_limit_are_the_same_and_others_are_beyond_it(share, most):
    mask = np.random.default_rng(8).random((19, 23, 31)) < share
    mask[4:9, 5:12, 8:20] = False  # a run of zeros, and long ways next to it
    mask[11:, 14:] = True
    known = distances(mask, (1, 1, 2))
    found = distances(mask, (1, 1, 2), most)
    np.testing.assert_array_equal(found[known <= most], known[known <= most])
    assert (found[known > most] > most).all()
    assert (known > most).any()
