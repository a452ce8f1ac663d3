"""What has been read stays known until the file changes, and not a moment longer."""

import os
import time

import pytest

from nigra.interfaces.unchanged import UntilChanged, state_of

OLD = 1e9


@pytest.fixture
def reader():
    """Reads texts, and counts how often."""
    read = []

    def load(path):
        read.append(path)
        return path.read_text()

    return UntilChanged(load, 3), read


def write(path, text, when=OLD):
    path.write_text(text)
    os.utime(path, (when, when))
    return path


def test_a_file_is_read_once(tmp_path, reader):
    load, read = reader
    path = write(tmp_path / 'a', 'x')
    assert [load(path), load(path)] == ['x', 'x']
    assert len(read) == 1


@pytest.mark.parametrize(('text', 'when'), [('y', OLD + 1), ('yy', OLD)])
def test_a_change_is_noticed_by_time_and_by_size(tmp_path, reader, text, when):
    load, _ = reader
    path = write(tmp_path / 'a', 'x')
    load(path)
    assert load(write(path, text, when)) == text


def test_what_has_just_been_written_is_read_again(tmp_path, reader):
    """Its next change may bear the same time."""
    load, _ = reader
    now = time.time()
    path = write(tmp_path / 'a', 'x', now)
    load(path)
    assert load(write(path, 'y', now)) == 'y'


def test_errors_are_not_kept_and_the_number_is_bounded(tmp_path, reader):
    load, _ = reader
    with pytest.raises(FileNotFoundError):
        load(tmp_path / 'a')
    for number in range(10):
        assert load(write(tmp_path / str(number), f'{number}')) == f'{number}'
    assert len(load._kept) <= 3
    load.keep(tmp_path / '9', state_of(os.stat(tmp_path / '9')), 'told')
    assert load(tmp_path / '9') == 'told'


def test_as_many_as_were_asked_for_are_known_at_once(tmp_path, reader):
    load, read = reader
    paths = [write(tmp_path / name, name) for name in 'abcd']
    for path in (*paths[:3], *paths[:3]):
        load(path)
    assert read == paths[:3]
    load(paths[3])  # one too many: all make room
    load(paths[3])
    load(paths[0])
    assert read == [*paths, paths[0]]
