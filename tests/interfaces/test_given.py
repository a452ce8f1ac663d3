"""Images as people have them in Python: where they lie, and what cannot be a place."""

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.given import geometry, take
from nigra.nodes.errors import InputError

AFFINE = np.array([[-2.0, 0, 0, 10], [0, 2.5, 0.1, -20], [0, -0.1, 3, 5], [0, 0, 0, 1]])


def test_a_matrix_serves_where_images_have_none_or_the_same():
    image = take('phase', nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), AFFINE))
    array = take('mask', np.zeros((3, 4, 5)))
    assert geometry(None, array) is None
    assert geometry(None, None, array, image) == pytest.approx(AFFINE)
    assert geometry(np.eye(4), None, array).tolist() == np.eye(4).tolist()
    assert geometry(AFFINE, array, image) == pytest.approx(AFFINE)
    with pytest.raises(InputError, match=r'affine: is up to [\d.]+ mm from phase; leave it out'):
        geometry(np.eye(4), array, image)
    # as a file would hold it, so that array and file give one map
    assert np.array_equal(geometry(AFFINE), AFFINE.astype(np.float32))


@pytest.mark.parametrize('cell', [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_no_place(cell):
    broken = AFFINE.copy()
    broken[1, 3] = cell
    with pytest.raises(InputError, match='give 4 x 4 numbers, mm'):
        geometry(broken)


@pytest.mark.parametrize('matrix', [np.eye(3), np.zeros((4, 3)), [1.0, 2.0, 3.0]])
def test_another_shape_is_no_matrix(matrix):
    with pytest.raises(InputError, match='has shape'):
        geometry(matrix)
