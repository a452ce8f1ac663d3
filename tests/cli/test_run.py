"""Running a graph: failures become sentences, and nobody takes others along."""

import itertools
from pathlib import Path

import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline.engine import MapNode, Node, Workflow
from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from nigra.cli.run import run_graph
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
    return kind


def graph_of(folder, kinds):
    """One workflow of two steps per participant, the first of the given kind."""
    top = Workflow('nigra_wf', base_dir=str(folder))
    for number, kind in enumerate(kinds, start=1):
        workflow = Workflow(f'sub_0{number}_wf')
        first, last = (
            Node(Function(['kind'], ['out'], work), name=name) for name in ('first', 'last')
        )
        first.inputs.kind = kind
        workflow.connect(first, 'out', last, 'kind')
        top.add_nodes([workflow])
    return top


def finished(folder, participant):
    return (folder / 'nigra_wf' / participant / 'last' / 'result_last.pklz').exists()


@pytest.mark.parametrize('nprocs', [1, 2])
def test_failures_are_sentences_and_stay_alone(tmp_path, nprocs):
    graph = graph_of(tmp_path, ['fine', 'refused', 'broken', 'fine'])
    failed = run_graph(graph, settings(nprocs), log_dir=tmp_path / 'logs')
    assert set(failed) == {'sub-02', 'sub-03'}
    assert failed['sub-02'] == ['sub-02_T1w.nii.gz: is bad; mend it.']
    assert 'ZeroDivisionError: by nought' in failed['sub-03'][0]
    assert finished(tmp_path, 'sub_01_wf')
    assert finished(tmp_path, 'sub_04_wf')
    assert not finished(tmp_path, 'sub_02_wf')


def test_steps_passed_over_are_not_reported(tmp_path, caplog):
    caplog.set_level('INFO', logger='nigra')
    run_graph(graph_of(tmp_path, ['refused', 'fine']), settings(1), log_dir=tmp_path / 'logs')
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ['[1/4] sub-02: first', '[2/4] sub-02: last']


def test_a_killed_worker_does_not_hang_the_run(tmp_path):
    graph = graph_of(tmp_path, ['killed', 'fine', 'fine'])
    failed = run_graph(graph, settings(2), log_dir=tmp_path / 'logs')
    assert any('worker process was killed' in s for s in failed['sub-01'])
    assert finished(tmp_path, 'sub_03_wf')  # it started after the pool broke


def test_resuming_runs_only_what_failed(tmp_path):
    run_graph(graph_of(tmp_path, ['fine', 'refused']), settings(1), log_dir=tmp_path / 'logs')
    done = tmp_path / 'nigra_wf' / 'sub_01_wf' / 'last' / 'result_last.pklz'
    before = done.stat().st_mtime_ns
    again = graph_of(tmp_path, ['fine', 'fine'])
    assert run_graph(again, settings(1), log_dir=tmp_path / 'logs') == {}
    assert done.stat().st_mtime_ns == before
    assert finished(tmp_path, 'sub_02_wf')


def write_order(name, folder):
    import time

    time.sleep(0.05)
    with open(f'{folder}/order', 'a') as stream:
        stream.write(name + '\n')
    return name


@pytest.mark.parametrize('way', [1, 2, 'Linear'])
def test_visits_are_finished_one_after_the_other(tmp_path, way):
    """Four steps in a row for six visits: the first is done before the last begins."""
    graph = Workflow(name='nigra_wf', base_dir=str(tmp_path / 'work'))
    for visit in range(6):
        steps = Workflow(name=f'sub_{visit:02d}_wf')
        nodes = []
        for step in range(4):
            node = Node(Function(function=write_order), name=f'step{step}')
            node.inputs.trait_set(name=f'{visit} {step}', folder=str(tmp_path))
            nodes.append(node)
        for first, second in itertools.pairwise(nodes):
            steps.connect(first, 'out', second, 'name')
        graph.add_nodes([steps])
    given = settings(2) if way == 'Linear' else settings(way)
    assert run_graph(graph, given, log_dir=tmp_path / 'logs', here=way == 'Linear') == {}
    order = (tmp_path / 'order').read_text().split('\n')[:-1]
    assert len(order) == 24
    visits = [line.split()[0] for line in order]
    last_of_first = max(i for i, v in enumerate(visits) if v == '0')
    first_of_last = visits.index('5')
    assert last_of_first < first_of_last


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
    assert run_graph(graph, settings(1), log_dir=tmp_path / 'logs') == {}
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
    assert run_graph(graph, settings(2), log_dir=tmp_path / 'logs') == {}
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
    graph = Workflow('nigra_wf', base_dir=str(tmp_path))
    for label in ('01', '02'):
        steps = Workflow(f'sub_{label}_wf')
        steps.add_nodes([Node(Function(function=exhaust), name='step')])
        steps.get_node('step').inputs.kind = kind
        graph.add_nodes([steps])
    failed = run_graph(graph, settings(1), log_dir=tmp_path / 'logs')
    assert set(failed) == {'sub-01', 'sub-02'}
    (sentence,) = failed['sub-01']
    assert sentence.startswith('sub-01: step failed (')
    assert fix in sentence
