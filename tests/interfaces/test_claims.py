"""Two runs never work on the same participant in one folder."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nigra.interfaces.claims import _machine, claim, leave, working
from nigra.nodes.errors import InputError

_HOLD = (
    'import sys, time; from pathlib import Path; from nigra.interfaces.claims import claim\n'
    'with claim(Path(sys.argv[1]), ["sub-01"]): print("held", flush=True); time.sleep(60)'
)


@pytest.fixture
def other(tmp_path):
    """Another process that works on sub-01."""
    process = subprocess.Popen(
        [sys.executable, '-c', _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == 'held\n'
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_another_run_works_on_is_busy(tmp_path, other):
    with claim(tmp_path, ['sub-01', 'sub-02']) as mine:
        assert mine.taken == {'sub-02'}
        assert f'process {other.pid} on ' in mine.busy['sub-01']
    assert not leave(tmp_path)
    assert (tmp_path / 'running').is_dir()


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_run_holds_nothing(tmp_path, other, number):
    other.send_signal(number)
    other.wait()
    assert leave(tmp_path)
    assert not (tmp_path / 'running').exists()
    with claim(tmp_path, ['sub-01']) as mine:
        assert mine.taken == {'sub-01'}


def test_a_claim_ends_with_its_block(tmp_path):
    with claim(tmp_path, ['sub-01']), claim(tmp_path, ['sub-01', 'sub-02']) as second:
        assert second.taken == {'sub-02'}
    with claim(tmp_path, ['sub-01']) as third:
        assert third.taken == {'sub-01'}
    assert not list((tmp_path / 'running').glob('*.json'))


@pytest.mark.parametrize(('age', 'free'), [(10, False), (1000, True)])
def test_another_machine_lives_while_it_gives_signs_of_life(tmp_path, age, free):
    path = tmp_path / 'running' / 'elsewhere-123-456.json'
    path.parent.mkdir()
    path.write_text('{"Host": "node7", "Process": 123, "Names": ["sub-01"], "Since": "noon"}')
    os.utime(path, (time.time() - age,) * 2)
    with claim(tmp_path, ['sub-01']) as mine:
        assert bool(mine.taken) is free
        assert free or mine.busy == {'sub-01': 'process 123 on node7, since noon'}
    assert path.exists() is not free


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / 'running').write_text('')
    with pytest.raises(InputError, match='cannot be written'), claim(tmp_path, ['sub-01']):
        pytest.fail('nothing must run')


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        *((n, '{"Names": ["sub-01"]}') for n in ('notes', 'a-b-c', f'{_machine()}-1-x')),
        *(('boot-99999999-55', text) for text in ('', '[]', '{"Names": 5}', '{}')),
    ],
)
def test_files_of_other_programs_claim_nothing(tmp_path, name, text):
    (tmp_path / 'running').mkdir()
    (tmp_path / 'running' / f'{name}.json').write_text(text)
    assert working(tmp_path) == {}
    with claim(tmp_path, ['sub-01']) as own:
        assert own.taken == {'sub-01'}
