"""A brain mask that the user gives: put onto the T1w grid, or refused in one sentence."""

import nibabel as nib
import numpy as np
import pytest
from helpers import write_image

from nigra.interfaces.anatomy.brain_mask import BrainMask, given_mask
from nigra.interfaces.anatomy.itk import read_volume
from nigra.nodes.errors import InputError

T1W_AFFINE = np.array([[-1.0, 0, 0, 9], [0, 1, 0, -8], [0, 0, 1, 3], [0, 0, 0, 1]])
CONFORMED = np.array([[-1.0, 0, 0, 12], [0, 0, 1, -12], [0, -1, 0, 17], [0, 0, 0, 1]])
"""Another grid in the same world, axes exchanged as FreeSurfer does."""


def ball(shape, affine, centre=(0, 0, 10), radius=5):
    points = np.einsum('ij,j...->i...', affine[:3, :3], np.indices(shape).astype(float))
    points += affine[:3, 3][:, None, None, None]
    return sum((p - c) ** 2 for p, c in zip(points, centre, strict=True)) <= radius**2


@pytest.fixture
def t1w(tmp_path):
    return write_image(tmp_path / 'T1w.nii.gz', shape=(19, 17, 18), affine=T1W_AFFINE)


@pytest.mark.parametrize('affine', [T1W_AFFINE, CONFORMED], ids=['same', 'conformed'])
def test_given_mask_on_any_grid_of_the_same_world(t1w, tmp_path, affine):
    shape = (19, 17, 18) if affine is T1W_AFFINE else (25, 20, 26)
    mask = write_image(tmp_path / 'mask.nii.gz', ball(shape, affine), affine=affine)
    drawn = given_mask(mask, read_volume(t1w))
    np.testing.assert_array_equal(drawn, ball((19, 17, 18), T1W_AFFINE))


def test_given_mask_takes_the_place_of_the_refined_one(t1w, tmp_path):
    truth = ball((19, 17, 18), T1W_AFFINE)
    mask = write_image(tmp_path / 'mask.nii.gz', truth, affine=T1W_AFFINE)
    prior = write_image(tmp_path / 'prior.nii.gz', np.roll(truth, 2, 0), affine=T1W_AFFINE)
    result = BrainMask(t1w=t1w, prior=prior, given=mask).run(cwd=str(tmp_path)).outputs
    np.testing.assert_array_equal(np.asarray(nib.load(result.brain_mask).dataobj) > 0, truth)
    assert any('overlap by' in sentence for sentence in result.warnings)


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (lambda m: np.zeros_like(m), 'is no mask: all voxels are alike'),
        (lambda m: np.ones_like(m), 'is no mask: all voxels are alike'),
        (lambda m: m * np.indices(m.shape)[0], 'holds more than two values'),
    ],
)
def test_what_is_no_mask(t1w, tmp_path, change, sentence):
    data = change(ball((19, 17, 18), T1W_AFFINE).astype(np.int16))
    mask = write_image(tmp_path / 'mask.nii.gz', data, affine=T1W_AFFINE)
    with pytest.raises(InputError, match=sentence):
        given_mask(mask, read_volume(t1w))


def test_mask_of_another_place(t1w, tmp_path):
    elsewhere = T1W_AFFINE + np.array([[0, 0, 0, 12], *[[0] * 4] * 3])
    data = ball((19, 17, 18), T1W_AFFINE)
    mask = write_image(tmp_path / 'mask.nii.gz', data, affine=elsewhere)
    with pytest.raises(InputError, match='lies partly outside the T1w image'):
        given_mask(mask, read_volume(t1w))


def test_mask_with_holes_of_nan(t1w, tmp_path):
    data = ball((19, 17, 18), T1W_AFFINE).astype(np.float32)
    data[3, 3, 3] = np.nan
    mask = write_image(tmp_path / 'mask.nii.gz', data, affine=T1W_AFFINE, dtype=np.float32)
    with pytest.raises(InputError, match='holds values that are not finite'):
        given_mask(mask, read_volume(t1w))


def test_volume_and_not_voxels_tells_whether_a_mask_fits(tmp_path):
    """A T1w image of finer voxels takes the whole mask, and no half of one."""
    spacing = 0.5
    affine = T1W_AFFINE @ np.diag([spacing, spacing, spacing, 1])
    shape = tuple(int(n / spacing) for n in (19, 17, 18))
    t1w = write_image(tmp_path / 'T1w.nii.gz', shape=shape, affine=affine)
    data = ball((19, 17, 18), T1W_AFFINE)
    mask = write_image(tmp_path / 'mask.nii.gz', data, affine=T1W_AFFINE)
    drawn = given_mask(mask, read_volume(t1w))
    assert drawn.sum() * spacing**3 == pytest.approx(data.sum(), rel=0.1)
    half = T1W_AFFINE + np.array([[0, 0, 0, 9], *[[0] * 4] * 3])
    mask = write_image(tmp_path / 'mask.nii.gz', data, affine=half)
    with pytest.raises(InputError, match='lies partly outside'):
        given_mask(mask, read_volume(t1w))
