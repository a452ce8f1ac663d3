"""The group level stopped, failing, run twice: nothing stale, nothing half, nobody left."""

import importlib.util
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest
from toy_cohort import make_people, write_study

from nigra.cli import main
from nigra.interfaces.claims import claim
from nigra.interfaces.voxelwise import STEM

QUICK = ('--permutations', '0', '--bootstraps', '0', '--nprocs', '1')
BENCHMARK = Path(__file__).parents[2] / 'benchmarks' / 'faults.py'


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / 'out'
    write_study(folder, make_people(), shifts={'RRMS': -25.0})
    return folder


def group(out, *options):
    return main([str(out.parent / 'raw'), str(out), 'group', *QUICK, *options])


def results(out):
    return {p.name for p in out.iterdir() if p.name.startswith(('group', 'exclusions'))}


def test_a_group_run_leaves_nothing_of_an_earlier_one(out, caplog):
    for name in (f'{STEM}_desc-mean_Chimap.nii.gz', f'.part-{STEM}_x.nii.gz-abcd1234/x'):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).touch()
    assert group(out) == 0
    before = results(out)
    assert 'group.html' in before
    assert not [name for name in before if name.startswith(STEM)]
    assert not list(out.glob('.part-*'))
    assert group(out, '--covariates', 'agee') == 1  # a slip of the pen costs nothing
    assert results(out) == before
    assert 'are of an earlier run: the group level did not run to its end' in caplog.text
    table = next(out.glob('sub-001/anat/*_regions.tsv'))
    table.write_text(table.read_text().replace('\tL\t', '\t', 1))
    assert group(out) == 1  # now it begins, and fails
    assert 'group.html' not in results(out)


def test_what_another_run_does_is_not_done_twice(out, caplog):
    with claim(out / 'logs', ['group']):
        assert group(out) == 1
    assert 'group failed: another run is processing group (process ' in caplog.text
    assert not results(out)
    assert group(out) == 0


@pytest.fixture
def faults(monkeypatch):
    pytest.importorskip('h5py')
    monkeypatch.setattr(sys, 'path', sys.path[:])
    spec = importlib.util.spec_from_file_location('faults', BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'faults', module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('way', ['Ctrl-C', 'hung up', 'terminated'])
def test_what_is_struck_takes_the_signal(faults, tmp_path, monkeypatch, way):
    """A shell's job in the background ignores Ctrl-C, `nohup` a closed terminal."""
    program = tmp_path / 'program'
    program.write_text('#!/bin/sh\nexec sleep 60\n')
    program.chmod(0o700)
    monkeypatch.setattr(faults.sys, 'executable', str(program))
    monkeypatch.setattr(faults, 'GRACE', 5)
    before = signal.signal(faults.WAYS[way], signal.SIG_IGN)
    try:
        process = faults.start((), tmp_path / 'out')
    finally:
        signal.signal(faults.WAYS[way], before)
    assert faults.strike(process, way, 0.1) == []
    assert process.returncode == -faults.WAYS[way]


@pytest.mark.slow
def test_a_killed_group_level_ends_as_if_it_had_not_been(out, faults, tmp_path):
    random.seed(4)
    arguments = (str(tmp_path / 'raw'), 'OUT', 'group', *QUICK)
    reference = tmp_path / 'reference'
    shutil.copytree(out, reference)
    seconds = faults.timed(arguments, reference)
    case = faults.Case('group', arguments, out, reference, seconds)
    for way in ('run killed', 'terminated'):
        assert faults.kill(case, tmp_path / 'again', way, random.uniform(0.3, 0.9) * seconds) == []
