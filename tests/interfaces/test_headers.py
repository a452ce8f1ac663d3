import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.anatomy.itk import read_volume
from nigra.interfaces.headers import check_same_grid, load_data, load_image, read_header
from nigra.nodes.errors import InputError

VALUES = np.random.default_rng(0).standard_normal((20, 22, 24)).astype(np.float32)


def save(path, values=VALUES, affine=None):
    nib.save(nib.Nifti1Image(values, np.eye(4) if affine is None else affine), path)
    return path


def cut(path: Path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(path: Path):
    """Compressed stream that breaks off into a block of a kind that does not exist."""
    content = gzip.decompress(path.read_bytes())
    stream = zlib.compressobj(wbits=31)
    start = stream.compress(content[: len(content) // 2]) + stream.flush(zlib.Z_SYNC_FLUSH)
    path.write_bytes(start + b'\xff' * 5000)


def shorten(path: Path):
    """Whole compressed stream of too few voxels."""
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:5000]))


def change(path: Path):
    """One voxel's byte, which only the check sum tells."""
    content = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), 0))
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_data_are_scaled_and_of_the_wanted_type(tmp_path):
    image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, tmp_path / 'scaled.nii.gz')
    data = load_data(tmp_path / 'scaled.nii.gz', dtype=np.float32)
    assert data.dtype == np.float32
    assert np.array_equal(data, load_data(str(tmp_path / 'scaled.nii.gz')))
    assert np.array_equal(data, load_image(tmp_path / 'scaled.nii.gz').get_fdata())
    assert load_data(save(tmp_path / 'mask.nii', np.ones((2, 2, 2), np.uint8))).dtype == np.uint8


@pytest.mark.parametrize('read', [load_data, read_volume])
@pytest.mark.parametrize('damage', [cut, spoil, shorten, change])
def test_damaged_files_get_one_sentence(tmp_path, read, damage):
    path = save(tmp_path / 'sub-01_T1w.nii.gz')
    damage(path)
    assert read_header(path).shape == VALUES.shape
    with pytest.raises(InputError, match=r'cannot be read to its end \(.+\); copy') as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert '\n' not in str(caught.value)


def test_files_too_short_for_their_header_are_told_by_the_header(tmp_path):
    path = save(tmp_path / 'sub-01_T1w.nii')
    cut(path)
    for read in (read_header, read_volume):
        with pytest.raises(InputError, match=r'has \d+ bytes, too few for the shape'):
            read(path)
    with pytest.raises(InputError, match='cannot be read to its end'):
        load_data(path)


def test_damaged_headers_get_one_sentence(tmp_path):
    path = save(tmp_path / 'a.nii.gz')
    path.write_bytes(path.read_bytes()[:40])
    for read in (load_image, load_data, read_header, read_volume):
        with pytest.raises(InputError, match='cannot be read as NIfTI') as caught:
            read(path)
        assert '\n' not in str(caught.value)
    for read in (load_image, load_data):
        with pytest.raises(InputError, match='cannot be opened'):
            read(tmp_path / 'nowhere.nii.gz')


def test_grids_are_compared(tmp_path):
    first = save(tmp_path / 'first.nii')
    moved = np.eye(4)
    moved[1, 3] = 0.5
    check_same_grid(first, save(tmp_path / 'same.nii'))
    with pytest.raises(InputError, match=r'0\.50 mm'):
        check_same_grid(first, save(tmp_path / 'moved.nii', affine=moved))
    with pytest.raises(InputError, match='shape'):
        check_same_grid(first, save(tmp_path / 'short.nii', VALUES[1:]))
