"""Work shared by threads: order, errors, nesting and forks."""

import multiprocessing
import threading

import pytest

from nigra.nodes.parallel import Sweep, follow, run, slabs


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


def test_pieces_are_as_many_as_asked_for_and_alike_in_size():
    for length, pieces, count in ((5, 2, 2), (3, 8, 3), (40, 8, 8), (4, 1, 1)):
        sizes = [s.stop - s.start for s in slabs(length, pieces)]
        assert len(sizes) == count
        assert max(sizes) - min(sizes) <= 1


def test_a_sweep_gives_each_kernel_its_planes():
    seen = Sweep(7, 2, 3)(lambda a, first, last: (a, first, last), 'a')
    assert seen == [('a', 0, 2), ('a', 2, 4), ('a', 4, 7)]


def test_steps_are_counted_after_those_of_earlier_stages():
    seen = []
    last = follow(iter('abc'), lambda done, total: seen.append((done, total)), 9, before=4)
    assert last == 'c'
    assert seen == [(5, 9), (6, 9), (7, 9)]
    assert follow(iter('ab'), None, 2) == 'b'
