import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.anatomy.bias import thinned, without_bias
from nigra.interfaces.anatomy.itk import Engine, Volume

SETTINGS = {'resolution_mm': 4, 'spline_mm': 80, 'iterations': [10, 10], 'tolerance': 1e-4}
AFFINE = np.diag([4.0, 4, 4, 1])


@pytest.fixture(scope='module')
def scan():
    """Two tissues with noise, and what they look like under a smooth gain."""
    rng = np.random.default_rng(0)
    shape = (24, 24, 24)
    tissue = np.where(rng.random(shape) < 0.5, 70.0, 100.0)
    ramp = np.linspace(-0.4, 0.4, 24)
    gain = np.exp(sum(np.meshgrid(ramp, 0.5 * ramp, 0 * ramp, indexing='ij')))
    return tissue, Volume((tissue * gain).astype(np.float32), AFFINE)


@pytest.mark.parametrize('some', [False, True])
def test_a_quarter_of_the_voxels_tells_the_field(tmp_path, scan, some):
    tissue, image = scan
    everywhere = np.ones(tissue.shape, bool)
    flat = without_bias(image, everywhere, tmp_path, Engine(), {**SETTINGS, 'thinned': some})
    left = np.log(flat.data / tissue).std()
    assert left < 0.5 * np.log(image.data / tissue).std()
    used = np.count_nonzero(nib.load(tmp_path / 'bias_mask.nii').dataobj)
    assert used == tissue.size // (4 if some else 1)


def test_voxels_that_are_left_of_a_mask_are_spread_evenly():
    mask = np.zeros((30, 30, 30), bool)
    mask[3:29, 2:30, 5:30] = True
    left = thinned(mask)
    assert not (left & ~mask).any()
    assert left.sum() == pytest.approx(mask.sum() / 4, rel=0.02)
    # in each block of two voxels a side that lies within, two are left
    blocks = left[4:28, 4:28, 6:30].reshape(12, 2, 12, 2, 12, 2).sum(axis=(1, 3, 5))
    assert (blocks == 2).all()


def test_a_small_mask_stays_whole():
    mask = np.ones((10, 20, 15), bool)
    np.testing.assert_array_equal(thinned(mask), mask)
