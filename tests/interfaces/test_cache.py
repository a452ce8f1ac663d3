"""A working folder whose files were cut short runs those steps again."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.cache import drop_damaged
from nigra.interfaces.caches import place_caches


def step(folder, name):
    (folder / name).mkdir(parents=True)
    for file in (f'result_{name}.pklz', 'map.nii.gz'):
        (folder / name / file).write_bytes(gzip.compress(bytes(range(256)) * 50))
    image = nib.Nifti1Image(np.ones((4, 5, 6, 2), np.float32), np.eye(4))
    nib.save(image, folder / name / 'image.nii')
    return folder / name


@pytest.mark.parametrize('file', ['result_bad.pklz', 'map.nii.gz', 'image.nii'])
@pytest.mark.parametrize('left', [0, 0.1, 0.5, 0.99])
def test_damaged_steps_go(tmp_path, file, left):
    good, bad = step(tmp_path / 'visit', 'good'), step(tmp_path / 'visit', 'bad')
    content = (bad / file).read_bytes()
    (bad / file).write_bytes(content[: int(len(content) * left)])
    assert drop_damaged(tmp_path) == [bad]
    assert good.exists()
    assert not bad.exists()


def test_whole_steps_stay(tmp_path):
    step(tmp_path, 'good')
    assert drop_damaged(tmp_path) == []
    assert drop_damaged(tmp_path / 'absent') == []


@pytest.mark.parametrize('writable', [True, False])
def test_caches_have_a_place(monkeypatch, tmp_path, writable):
    monkeypatch.setattr('nigra.interfaces.caches._writable', lambda folder: writable)
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    monkeypatch.delenv('NUMBA_CACHE_DIR', raising=False)
    monkeypatch.setenv('MPLCONFIGDIR', 'mine')
    place_caches()
    import os

    assert os.environ['MPLCONFIGDIR'] == 'mine'
    assert os.environ.get('NUMBA_CACHE_DIR', '').startswith(str(tmp_path)) is not writable
    monkeypatch.delenv('NUMBA_CACHE_DIR', raising=False)


def test_a_cache_that_others_may_write_is_not_used(monkeypatch, tmp_path):
    from nigra.interfaces import caches

    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    own = caches._temporary()
    assert own == caches._temporary()
    own.chmod(0o777)
    assert caches._temporary() != own


def test_what_a_container_has_compiled_is_used(monkeypatch, tmp_path):
    import os

    from nigra import __version__

    compiled, place = tmp_path / 'compiled', tmp_path / 'tmp'
    (compiled / 'nodes').mkdir(parents=True)
    (compiled / 'nodes' / 'stencils.nbi').write_text('index')
    place.mkdir()
    compiled.chmod(0o555)
    monkeypatch.setattr('tempfile.tempdir', str(place))
    monkeypatch.setenv('NIGRA_COMPILED', str(compiled))
    monkeypatch.setenv('NUMBA_CACHE_DIR', 'mine')
    place_caches()
    assert os.environ['NUMBA_CACHE_DIR'] == 'mine'
    monkeypatch.delenv('NUMBA_CACHE_DIR')
    place_caches()
    copied = tmp_path / os.environ['NUMBA_CACHE_DIR']
    assert copied.is_relative_to(place)
    assert copied.name == f'numba-{__version__}'
    (copied / 'nodes' / 'stencils.nbi').write_text('newer')  # numba writes to it
    monkeypatch.delenv('NUMBA_CACHE_DIR')
    place_caches()  # and what it wrote stays
    assert (copied / 'nodes' / 'stencils.nbi').read_text() == 'newer'
    assert [p.name for p in copied.parent.iterdir()] == [copied.name]
    monkeypatch.delenv('NUMBA_CACHE_DIR')


def test_a_place_of_compiled_code_that_is_not_there_is_made_empty(monkeypatch, tmp_path):
    import os

    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    monkeypatch.setenv('NIGRA_COMPILED', str(tmp_path / 'gone'))
    monkeypatch.delenv('NUMBA_CACHE_DIR', raising=False)
    monkeypatch.setenv('MPLCONFIGDIR', 'mine')
    place_caches()
    assert os.environ['NUMBA_CACHE_DIR'].startswith(str(tmp_path))
    monkeypatch.delenv('NUMBA_CACHE_DIR')
