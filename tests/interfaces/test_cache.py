"""A working folder whose files were cut short runs those steps again."""

import gzip

import pytest

from nigra.interfaces.cache import drop_damaged
from nigra.interfaces.caches import place_caches


def step(folder, name):
    (folder / name).mkdir(parents=True)
    for file in (f'result_{name}.pklz', 'map.nii.gz'):
        (folder / name / file).write_bytes(gzip.compress(bytes(range(256)) * 50))
    (folder / name / 'image.nii').write_bytes(b'1')
    return folder / name


@pytest.mark.parametrize('file', ['result_bad.pklz', 'map.nii.gz', 'image.nii'])
@pytest.mark.parametrize('left', [0, 0.5])
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
