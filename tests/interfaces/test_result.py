"""What a reconstruction in memory gives back, as images and as files."""

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.result import MAPS, Reconstruction
from nigra.nodes.errors import NigraError

AFFINE = np.array([[-2.0, 0, 0, 30], [0, 2.0, 0, -20], [0, 0, 3.0, 10], [0, 0, 0, 1]])


def result(**absent):
    rng = np.random.default_rng(0)
    names = ('chimap', 'totalfield', 'localfield', 'r2star', 'combined_magnitude')
    data = {name: rng.random((4, 5, 6)).astype(np.float32) for name in names}
    data['mask'] = rng.random((4, 5, 6)) > 0.5
    data = {name: image for name, image in data.items() if name not in absent}
    made = SimpleNamespace(
        data=data, parameters={'inversion': {'method': 'tkd'}}, warnings=['Odd.']
    )
    return Reconstruction.of(made, data['mask'], AFFINE, None, 'How it was made.')


@pytest.mark.parametrize('name', MAPS)
def test_maps_are_numbers_and_masks_are_whole_numbers(tmp_path, name):
    found = result()
    image = found.nifti(name)
    kind = np.uint8 if name == 'mask' else np.float32
    assert image.get_data_dtype() == kind
    np.testing.assert_array_equal(np.asarray(image.dataobj), getattr(found, name).astype(kind))
    np.testing.assert_array_equal(image.affine, AFFINE)
    found.save(tmp_path)
    saved = nib.load(tmp_path / f'{name}.nii.gz')
    assert saved.get_data_dtype() == kind
    np.testing.assert_array_equal(np.asarray(saved.dataobj), np.asarray(image.dataobj))
    np.testing.assert_allclose(saved.affine, AFFINE, equal_nan=False)


def test_everything_that_there_is_is_saved(tmp_path):
    found = result(r2star=None, localfield=None)
    written = found.save(tmp_path / 'new')
    names = {'chimap.nii.gz', 'totalfield.nii.gz', 'mask.nii.gz', 'chimap.json', 'methods.md'}
    assert {path.name for path in written} == names
    assert {path.name for path in (tmp_path / 'new').iterdir()} == names
    record = json.loads((tmp_path / 'new' / 'chimap.json').read_text())
    assert record == {
        'units': 'ppm', 'steps': {'inversion': {'method': 'tkd'}}, 'warnings': ['Odd.'],
    }  # fmt: skip
    assert (tmp_path / 'new' / 'methods.md').read_text() == 'How it was made.'
    with pytest.raises(NigraError, match="no map 'r2star'; choose from chimap, totalfield, mask"):
        found.nifti('r2star')
    with pytest.raises(NigraError, match="no map 'brain'"):
        found.nifti('brain')
