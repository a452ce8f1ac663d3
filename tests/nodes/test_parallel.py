"""Work shared by threads: order, errors, nesting and forks."""

import multiprocessing
import threading

import pytest

from nigra.nodes.parallel import run, slabs


@pytest.mark.parametrize('nthreads', [1, 2, 5])
def test_results_are_in_order(nthreads):
    assert run(lambda n: n * n, range(40), nthreads) == [n * n for n in range(40)]
    assert run(lambda n: n, [], nthreads) == []


def test_several_threads_do_work():
    both = threading.Barrier(2, timeout=10)
    run(lambda _: both.wait(), range(2), 2)


@pytest.mark.parametrize('nthreads', [1, 3])
def test_errors_reach_the_caller(nthreads):
    def task(n):
        if n == 5:
            raise ValueError('five')
        return n

    with pytest.raises(ValueError, match='five'):
        run(task, range(10), nthreads)


def test_calls_may_nest():
    inner = run(lambda a: sum(run(lambda b: a * b, range(10), 2)), range(8), 2)
    assert inner == [45 * a for a in range(8)]


def _in_child(queue):
    queue.put(run(lambda n: n + 1, range(6), 2))


def test_a_forked_process_makes_its_own_threads():
    run(lambda n: n, range(6), 2)
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=20) == [1, 2, 3, 4, 5, 6]
    child.join(timeout=20)


def test_slabs_cover_everything_once():
    for length in (1, 7, 32, 33, 200):
        covered = [i for s in slabs(length) for i in range(s.start, s.stop)]
        assert covered == list(range(length))
