"""Running a graph: failures become sentences, and nobody takes others along."""

import gc
import itertools
import os
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline.engine import MapNode, Node, Workflow
from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from nigra.cli.plugin import ResilientMultiProc
from nigra.cli.run import run_graphs
from nigra.cli.settings import Settings


def settings(nprocs):
    return Settings(Path('raw'), Path('out'), ('participant',), nprocs=nprocs)


def work(kind):
    import os
    import signal

    from nigra.nodes.errors import InputError

    if kind == 'killed':
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == 'refused':
        raise InputError('sub-02_T1w.nii.gz', 'is bad', 'mend it')
    if kind == 'broken':
        raise ZeroDivisionError('by nought')
    if kind == 'messy':
        from pathlib import Path

        for name in ('for_ants.nii', 'result.nii'):
            Path(name).write_text(name)
        return str(Path('result.nii').resolve())
    return kind


def graph_of(folder, number, kind, steps=2):
    """Name and graph of a participant: steps in a row, the first of the given kind."""
    top = Workflow('nigra_wf', base_dir=str(folder))
    workflow = Workflow(f'sub_{number:02d}_wf')
    names = [('first', 'last')[step] if steps == 2 else f'step{step}' for step in range(steps)]
    nodes = [Node(Function(['kind'], ['out'], work), name=name) for name in names]
    nodes[0].inputs.kind = kind
    workflow.add_nodes(nodes)
    for one, next_one in itertools.pairwise(nodes):
        workflow.connect(one, 'out', next_one, 'kind')
    if steps > 2:  # some lie deeper
        deeper = Workflow('deeper_wf')
        deeper.add_nodes([Node(Function(['kind'], ['out'], work), name='more')])
        workflow.connect(nodes[-1], 'out', deeper, 'more.kind')
    top.add_nodes([workflow])
    return f'sub-{number:02d}', top


def graphs_of(folder, kinds):
    return [graph_of(folder, number, kind) for number, kind in enumerate(kinds, start=1)]


def finished(folder, participant):
    return (folder / 'nigra_wf' / participant / 'last' / 'result_last.pklz').exists()


@pytest.mark.parametrize('nprocs', [1, 2])
def test_failures_are_sentences_and_stay_alone(tmp_path, nprocs):
    graphs = graphs_of(tmp_path, ['fine', 'refused', 'broken', 'fine'])
    failed = run_graphs(graphs, settings(nprocs), log_dir=tmp_path / 'logs')
    assert set(failed) == {'sub-02', 'sub-03'}
    assert failed['sub-02'] == ['sub-02_T1w.nii.gz: is bad; mend it.']
    assert 'ZeroDivisionError: by nought' in failed['sub-03'][0]
    assert finished(tmp_path, 'sub_01_wf')
    assert finished(tmp_path, 'sub_04_wf')
    assert not finished(tmp_path, 'sub_02_wf')


def test_steps_passed_over_are_not_reported(tmp_path, caplog):
    caplog.set_level('INFO', logger='nigra')
    run_graphs(graphs_of(tmp_path, ['refused', 'fine']), settings(1), log_dir=tmp_path / 'logs')
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ['[1/2] sub-02: first', '[2/2] sub-02: last']


def test_a_killed_worker_does_not_hang_the_run(tmp_path):
    graphs = graphs_of(tmp_path, ['killed', *['fine'] * 7])
    failed = run_graphs(graphs, settings(2), log_dir=tmp_path / 'logs')
    assert any('worker process was killed' in s for s in failed['sub-01'])
    assert finished(tmp_path, 'sub_08_wf')  # it started after the pool broke


def test_a_step_keeps_what_others_need(tmp_path):
    run_graphs(graphs_of(tmp_path, ['messy']), settings(1), log_dir=tmp_path / 'logs')
    assert [path.name for path in tmp_path.rglob('*.nii')] == ['result.nii']


def test_resuming_runs_only_what_failed(tmp_path):
    run_graphs(graphs_of(tmp_path, ['fine', 'refused']), settings(1), log_dir=tmp_path / 'logs')
    done = tmp_path / 'nigra_wf' / 'sub_01_wf' / 'last' / 'result_last.pklz'
    before = done.stat().st_mtime_ns
    again = graphs_of(tmp_path, ['fine', 'fine'])
    assert run_graphs(again, settings(1), log_dir=tmp_path / 'logs') == {}
    assert done.stat().st_mtime_ns == before
    assert finished(tmp_path, 'sub_02_wf')


def linear(folder):
    path = folder / 'linear.json'
    path.write_text('{"plugin": "Linear"}')
    return replace(settings(1), use_plugin=path)


@pytest.mark.parametrize('way', [1, 2, 'Linear'])
def test_graphs_are_made_when_their_turn_comes_and_forgotten(tmp_path, caplog, way):
    """Six graphs of five steps: as many at once as processes, the first done before the last."""
    caplog.set_level('INFO', logger='nigra')
    living, most = weakref.WeakSet(), []
    events = []

    def graphs():
        for number in range(1, 7):
            name, graph = graph_of(tmp_path, number, 'fine', steps=4)
            living.add(graph)
            events.append(('made', name))
            yield name, graph
            del graph
            gc.collect()
            most.append(len(living))

    given = linear(tmp_path) if way == 'Linear' else settings(way)
    told = tmp_path / 'logs'
    ended = lambda name: events.append(('ended', name))  # noqa: E731
    assert run_graphs(graphs(), given, log_dir=told, ended=ended) == {}
    assert [name for event, name in events if event == 'made'] == [
        f'sub-0{number}' for number in range(1, 7)
    ]  # fmt: skip
    assert sorted(name for event, name in events if event == 'ended') == [
        f'sub-0{number}' for number in range(1, 7)
    ]  # fmt: skip
    at_once = 1 if way == 'Linear' else way
    begun = itertools.accumulate(1 if event == 'made' else -1 for event, _ in events)
    assert max(begun) == at_once
    assert max(most) <= at_once + 1  # the one before is let go when the next has been made
    assert events.index(('ended', 'sub-01')) < events.index(('made', 'sub-06'))
    assert len(caplog.records) == 30
    assert all('/5] ' in record.getMessage() for record in caplog.records)


def test_neither_steps_nor_results_are_kept(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(ResilientMultiProc, '__init__', keep_in(made, ResilientMultiProc.__init__))
    graphs = (graph_of(tmp_path, number, 'fine') for number in range(1, 8))
    assert run_graphs(graphs, settings(2), log_dir=tmp_path / 'logs') == {}
    (plugin,) = made
    assert len(plugin.procs) <= 4
    assert plugin.depidx.shape == (len(plugin.procs),) * 2
    assert not plugin._taskresult


def leave_a_cycle(size):
    """What results of statsmodels do: they refer to themselves, and to large arrays."""
    result = {'values': np.ones(size)}
    result['self'] = result


def resident():
    """Memory of this process, bytes."""
    pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_a_worker_keeps_nothing_of_a_step():
    """Else it grew by a tenth of a gigabyte with every participant, beyond --mem-gb."""
    arrays, size = 10, 2_000_000
    plugin = ResilientMultiProc({'n_procs': 1})
    try:
        before = plugin.pool.submit(resident).result()
        for _ in range(arrays):
            plugin.pool.submit(leave_a_cycle, size).result()
        after = plugin.pool.submit(resident).result()
    finally:
        plugin.stop()
    assert after - before < 8 * size


def fail():
    raise MemoryError('no room')


def test_what_fails_around_a_step_is_told_and_nothing_waits(tmp_path, monkeypatch):
    monkeypatch.setattr('nigra.cli.plugin.let_go', fail)
    graphs = graphs_of(tmp_path, ['fine'])
    failed = run_graphs(graphs, settings(1), log_dir=tmp_path / 'logs')
    (sentence,) = failed['sub-01']
    assert 'no room' in sentence
    assert 'fewer --nprocs' in sentence


def keep_in(found, begin):
    def begin_and_keep(self, *arguments, **options):
        found.append(self)
        begin(self, *arguments, **options)

    return begin_and_keep


def test_what_is_there_before_a_run_is_not_searched_at_every_step(tmp_path, monkeypatch):
    """Nipype collects garbage before each, a tenth of a second among all that is imported."""
    searched = []
    collect = gc.collect

    def look(*generation):
        searched.append(len(gc.get_objects()))
        return collect(*generation)

    monkeypatch.setattr(gc, 'collect', look)
    before = len(gc.get_objects())
    assert run_graphs(graphs_of(tmp_path, ['fine']), settings(1), log_dir=tmp_path / 'logs') == {}
    assert len(searched) > 1
    assert max(searched[1:]) < before / 2
    assert gc.get_freeze_count() == 0


CRASH = """Node: nigra_wf.sub_07_wf.first
Traceback (most recent call last):
nigra.nodes.errors.InputError: sub-07_T1w.nii.gz: is bad; mend it.
"""


def crash_beside(folder):
    from pathlib import Path

    (Path(folder) / 'crash-2026-other.txt').write_text(CRASH_TEXT)  # noqa: F821


def test_failures_of_a_run_beside_are_not_ones_own(tmp_path):
    graph = Workflow('nigra_wf', base_dir=str(tmp_path))
    steps = Workflow('sub_01_wf')
    source = f'CRASH_TEXT = {CRASH!r}\n'
    steps.add_nodes([Node(Function(function=crash_beside, imports=[source]), name='first')])
    steps.get_node('first').inputs.folder = str(tmp_path / 'logs')
    graph.add_nodes([steps])
    assert run_graphs([('sub-01', graph)], settings(1), log_dir=tmp_path / 'logs') == {}
    assert (tmp_path / 'logs' / 'crash-2026-other.txt').exists()


def double(number):
    return 2 * number


def total(numbers):
    return sum(numbers)


def test_the_many_of_one_step_count_once(tmp_path, caplog):
    caplog.set_level('INFO', logger='nigra')
    graph = Workflow('group_wf', base_dir=str(tmp_path))
    many = MapNode(Function(function=double), iterfield=['number'], name='many')
    many.inputs.number = [1, 2, 3]
    graph.connect(many, 'out', Node(Function(function=total), name='last'), 'numbers')
    assert run_graphs([('group', graph)], settings(2), log_dir=tmp_path / 'logs') == {}
    assert [r.getMessage() for r in caplog.records][-1] == '[2/2] group: last'


def exhaust(kind):
    if kind == 'memory':
        raise MemoryError
    raise OSError(28, 'No space left on device')


@pytest.mark.parametrize(('kind', 'fix'), [('memory', 'fewer --nprocs'), ('disk', 'free space')])
@pytest.mark.parametrize('noted', [True, False])
def test_want_of_memory_and_space_is_told_with_what_helps(tmp_path, monkeypatch, kind, fix, noted):
    """Also where the disk is too full for the crash file."""
    if not noted:
        monkeypatch.setattr(MultiProcPlugin, '_report_crash', lambda *_, **__: exhaust('disk'))
    graphs = []
    for label in ('01', '02'):
        graph, steps = Workflow('nigra_wf', base_dir=str(tmp_path)), Workflow(f'sub_{label}_wf')
        steps.add_nodes([Node(Function(function=exhaust), name='step')])
        steps.get_node('step').inputs.kind = kind
        graph.add_nodes([steps])
        graphs.append((f'sub-{label}', graph))
    failed = run_graphs(graphs, settings(1), log_dir=tmp_path / 'logs')
    assert set(failed) == {'sub-01', 'sub-02'}
    (sentence,) = failed['sub-01']
    assert sentence.startswith('sub-01: step failed (')
    assert fix in sentence
