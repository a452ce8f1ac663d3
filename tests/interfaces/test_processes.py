"""Workers do not outlive the run."""

import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from nigra.interfaces.processes import end_workers

_WORKER = (
    'import os, sys, time; from nigra.interfaces.processes import leave_signals_to\n'
    'leave_signals_to(int(sys.argv[1])); print(os.getpid(), flush=True); time.sleep(60)'
)
_PARENT = (
    'import os, subprocess, sys\n'
    'subprocess.run([sys.executable, "-c", sys.argv[1], str(os.getpid())])'
)


def lives(number):
    try:
        with open(f'/proc/{number}/stat') as stream:
            return stream.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


@pytest.mark.skipif(not os.path.exists('/proc/self/stat'), reason='reads /proc')
def test_a_worker_ends_with_its_parent():
    parent = subprocess.Popen(
        [sys.executable, '-c', _PARENT, _WORKER], stdout=subprocess.PIPE, text=True
    )
    worker = int(parent.stdout.readline())
    assert lives(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 10
    while lives(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not lives(worker)


def test_a_worker_whose_parent_has_gone_before_ends_at_once():
    done = subprocess.run([sys.executable, '-c', _WORKER, '1'], capture_output=True, timeout=30)
    assert done.returncode
    assert not done.stdout


_WORK = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from nigra.interfaces.processes import in_processes

def work(_):
    here = os.getpid()
    return in_processes(lambda n: (n, os.getpid() != here), [3, 1, 2], 2)

begun = time.monotonic()
with ProcessPoolExecutor(1) as pool:  # as Nipype runs a step
    print(*pool.map(work, [0]))
assert time.monotonic() - begun < 60
"""


def test_work_in_processes_ends_with_the_last_item():
    """In order, by others than this process, with nothing left behind that idles or warns."""
    done = subprocess.run([sys.executable, '-c', _WORK], capture_output=True, text=True)
    assert done.stdout == '[(3, True), (1, True), (2, True)]\n', done.stderr
    assert done.returncode == 0
    assert not done.stderr


_SLEEP = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from nigra.interfaces.processes import in_processes, leave_signals_to

def rest(_):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)

def work(_):
    return in_processes(rest, [1, 2], 2)

pool = ProcessPoolExecutor(1, initializer=leave_signals_to, initargs=(os.getpid(),))
print(*pool.map(work, [0]))
"""


@pytest.mark.skipif(not os.path.exists('/proc/self/stat'), reason='reads /proc')
def test_workers_of_workers_end_with_the_run():
    run = subprocess.Popen([sys.executable, '-c', _SLEEP], stdout=subprocess.PIPE, text=True)
    resting = [int(run.stdout.readline()) for _ in range(2)]
    run.kill()
    run.wait()
    run.stdout.close()
    until = time.monotonic() + 10
    while any(map(lives, resting)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(lives, resting))


def test_workers_are_ended_at_once_whatever_they_do_and_a_pool_without_any_too():
    pool = ProcessPoolExecutor(1)
    resting = pool.submit(time.sleep, 60)
    begun = time.monotonic()
    while not resting.running() and time.monotonic() < begun + 10:
        time.sleep(0.01)
    end_workers(pool)
    assert time.monotonic() - begun < 20
    assert resting.exception() is not None
    end_workers(pool)  # as where it broke before


def test_commands_set_threads_of_algebra_before_it_is_loaded():
    script = (
        'import os, sys; from nigra.cli import main; main(["/none", "/none/out", "participant"]); '
        'from nigra.cli.arguments import parse_settings; print(os.environ["OMP_NUM_THREADS"])'
    )
    known = {k: v for k, v in os.environ.items() if not k.endswith('_NUM_THREADS')}
    for given, seen in ((None, '1'), ('2', '2')):
        env = known | ({} if given is None else {'OMP_NUM_THREADS': given})
        done = subprocess.run(
            [sys.executable, '-c', script], env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == seen
    script = 'import sys, nigra.interfaces.processes; assert "numpy" not in sys.modules'
    subprocess.run([sys.executable, '-c', script], check=True)


def test_imports_are_not_searched_for_garbage_here_nor_in_what_is_forked():
    program = (
        'import gc, multiprocessing\n'
        'from nigra.interfaces.processes import search_garbage_rarely\n'
        'search_garbage_rarely()\n'
        'gc.callbacks.append(lambda phase, info: print(phase))\n'
        'kept = [[] for _ in range(30_000)]\n'
        'with multiprocessing.get_context("fork").Pool(1) as pool:\n'
        '    print(pool.apply(gc.get_threshold)[0] == gc.get_threshold()[0], gc.isenabled())\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    # at the very end Python looks in any case
    assert done.stdout.split()[:2] == ['True', 'True']
