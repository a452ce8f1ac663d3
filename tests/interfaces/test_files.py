"""Complete files or none."""

import gzip
import json

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.files import (
    atomic_path,
    make_private,
    read_json,
    remove_unfinished,
    save_image,
    save_json,
)
from nigra.nodes.errors import InputError
from nigra.nodes.simulation.scanner import scan_affine


def write_half(target):
    with atomic_path(target) as temporary:
        temporary.write_text('half')
        raise RuntimeError


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        write_half(tmp_path / 'a.txt')
    assert list(tmp_path.iterdir()) == []


def test_failure_keeps_what_was_there(tmp_path):
    target = tmp_path / 'a.txt'
    target.write_text('whole')
    with pytest.raises(RuntimeError):
        write_half(target)
    assert target.read_text() == 'whole'


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / 'f').write_text('')
    with (
        pytest.raises(InputError, match='cannot be written'),
        atomic_path(tmp_path / 'f' / 'a.txt'),
    ):
        pytest.fail('the block must not run')


@pytest.mark.parametrize('name', ['x.nii', 'x.nii.gz'])
def test_image_keeps_values_and_geometry(tmp_path, name):
    data = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    affine = np.array([[0, -2, 0, 1], [1, 0, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1.0]])
    image = nib.load(save_image(data, affine, tmp_path / name))
    assert np.array_equal(image.get_fdata(dtype=np.float32), data)
    assert np.allclose(image.affine, affine)
    assert image.header['sform_code'] == image.header['qform_code'] == 1


@pytest.mark.parametrize('orientation', ['RAS', 'LPS', 'PIR'])
def test_saved_images_are_where_they_were(tmp_path, orientation):
    affine = scan_affine((4, 5, 6), (1, 2, 3), (7, -3, 2), (10, 5, 0))
    data = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
    how = {'dtype': np.int16, 'orientation': orientation, 'units': ('mm', 'sec'), 'compression': 9}
    save_image(data, affine, tmp_path / 'a.nii.gz', **how)
    image = nib.load(tmp_path / 'a.nii.gz')
    assert nib.aff2axcodes(image.affine) == tuple(orientation)
    world = affine @ [3, 1, 4, 1]
    index = np.rint(np.linalg.inv(image.affine) @ world)[:3].astype(int)
    assert np.asarray(image.dataobj)[tuple(index)] == data[3, 1, 4]
    first = (tmp_path / 'a.nii.gz').read_bytes()
    save_image(data, affine, tmp_path / 'b.nii.gz', **how)
    assert (tmp_path / 'b.nii.gz').read_bytes() == first
    assert int(image.header['qform_code']) == int(image.header['sform_code']) == 1
    assert np.allclose(image.header.get_qform(), image.affine, atol=1e-4)
    assert image.header.get_xyzt_units() == ('mm', 'sec')


def test_compressed_images_are_smaller_than_by_the_quickest_gzip(tmp_path):
    x, y, z = np.ogrid[-1:1:60j, -1:1:60j, -1:1:60j]
    ball = x**2 + y**2 + z**2 < 0.8
    noise = np.random.default_rng(3).normal(size=ball.shape)
    for name, data, dtype in (('mask', ball, np.uint8), ('map', ball * noise, np.float32)):
        path = save_image(data, np.eye(4), tmp_path / f'{name}.nii.gz', dtype=dtype)
        packed = path.read_bytes()
        content = gzip.decompress(packed)
        assert content == save_image(data, np.eye(4), tmp_path / 'x.nii', dtype=dtype).read_bytes()
        assert len(packed) < len(gzip.compress(content, 1))
        assert packed[3:8] == bytes(5)  # neither name nor time


def test_json_takes_numpy(tmp_path):
    path = save_json({'a': np.float32(0.5), 'b': np.arange(2), 'c': tmp_path}, tmp_path / 'x.json')
    assert json.loads(path.read_text()) == {'a': 0.5, 'b': [0, 1], 'c': str(tmp_path)}


def test_a_folder_of_results_replaces_those_of_before(tmp_path):
    from nigra.interfaces.outputs import SaveFolder

    made, out = tmp_path / 'made', tmp_path / 'out'
    made.mkdir()
    out.mkdir()
    for name in ('group_space-X_a.nii.gz', 'group_space-X_a.json'):
        (made / name).write_text(name)
    for name in ('group_space-X_old.nii.gz', 'group_regions.tsv'):
        (out / name).write_text('of before')
    saved = SaveFolder(
        in_files=[str(p) for p in made.iterdir()], out_dir=str(out), pattern='group_space-X_*'
    ).run().outputs.out_files  # fmt: skip
    assert sorted(p.name for p in out.iterdir()) == [
        'group_regions.tsv', 'group_space-X_a.json', 'group_space-X_a.nii.gz'
    ]  # fmt: skip
    assert len(saved) == 2


def test_json_is_read_or_named(tmp_path):
    path = tmp_path / 'x.json'
    path.write_bytes(b'\xef\xbb\xbf{"a": [1]}')
    assert read_json(path) == {'a': [1]}
    path.write_text('{"a": ')
    for bad in (path, tmp_path / 'gone.json'):
        with pytest.raises(InputError, match=rf'{bad.name}: cannot be read as JSON \(.+\); corr'):
            read_json(bad)


def test_what_a_killed_writer_left_goes_and_nothing_else(tmp_path):
    writers = [atomic_path(tmp_path / name) for name in ('a.txt', 'a.txt.b', 'group_c.tsv')]
    folders = [writer.__enter__().parent for writer in writers]  # as if killed inside the block
    remove_unfinished(tmp_path / 'a.txt')
    assert [folder.exists() for folder in folders] == [False, True, True]
    remove_unfinished(tmp_path / 'group_*')
    assert [folder.exists() for folder in folders] == [False, True, False]


def test_a_working_folder_is_the_user_s_alone(tmp_path):
    folder = tmp_path / 'deep' / 'work'
    make_private(folder)
    assert folder.is_dir()
    assert not folder.stat().st_mode & 0o077
    make_private(folder)  # once more is no fault
    for mode in (0o720, 0o702):
        folder.chmod(mode)
        if folder.stat().st_mode & 0o777 == mode:
            with pytest.raises(InputError, match='may be changed by other users'):
                make_private(folder)
    folder.chmod(0o755)  # others may look
    make_private(folder)


@pytest.mark.parametrize('kind', ['file', 'link'])
def test_a_working_folder_is_a_folder(tmp_path, kind):
    path = tmp_path / 'work'
    if kind == 'file':
        path.write_text('x')
    else:
        (tmp_path / 'other').mkdir(mode=0o700)
        path.symlink_to(tmp_path / 'other')
    with pytest.raises(InputError, match='may be changed by other users'):
        make_private(path)
