"""A study on a real Slurm of one node: what fails or is killed is told, mended, done again."""

import importlib.util
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import pytest
from slurm_node import keep_up, missing, slurm_node, what_slurm_says

from nigra.cli.status_cli import NOT_YET
from nigra.cli.status_cli import main as status
from nigra.interfaces.cluster.local import ACTIVE
from nigra.interfaces.cluster.records import read_submissions
from nigra.interfaces.cluster.states import study_states

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f'no Slurm here: {missing()}'),
]
SAME = Path(__file__).parents[3] / 'benchmarks' / 'same.py'
EXAMPLE = Path(__file__).parents[3] / 'bids_example'
PROFILE = 'time = "0:10:00"\nmemory_gb = 3\ncpus = 1\n'
SLOW = '\n'.join(['setup = ["""', 'if [ "${labels[0]}" = sub-02 ]; then sleep 300; fi', '"""]'])
"""A node on which one participant's data do not come."""
SECONDS = 900


def write_study(raw):
    """Eight people, who are two of the example, with every other row and column of theirs."""
    raw.mkdir()
    shutil.copy(EXAMPLE / 'dataset_description.json', raw)
    rows = ['participant_id\tgroup\tage\tsex']
    for number in range(1, 9):
        source, who = ('sub-01', 'sub-08')[number % 2], f'sub-0{number}'
        rows.append(f'{who}\t{"AB"[number % 2]}\t{40 + number}\tF')
        folder = raw / who / 'anat'
        folder.mkdir(parents=True)
        for path in (EXAMPLE / source / 'anat').iterdir():
            copy = folder / path.name.replace(source, who)
            if path.suffix == '.json':
                shutil.copy(path, copy)
            else:
                nib.save(nib.load(path).slicer[::2, ::2, :: 2 if 'T1w' in path.name else 1], copy)
    (raw / 'participants.tsv').write_text('\n'.join(rows) + '\n')


def nigra(*words):
    """Exit status and what the command printed."""
    told = subprocess.run(
        [sys.executable, '-m', 'nigra', *map(str, words)], capture_output=True, text=True
    )
    return told.returncode, told.stdout + told.stderr


def submit(raw, out, *words):
    return nigra(raw, out, 'participant', 'group', '--slurm', '--registration=testing',
                 '--permutations=0', '--bootstraps=0', *words)  # fmt: skip


def wait(out):
    until = time.monotonic() + SECONDS
    while any(s.state in ACTIVE for s in study_states(out).states.values()):
        assert time.monotonic() < until, f'{study_states(out)}\n{what_slurm_says()}'
        keep_up()
        time.sleep(1)
    return status([str(out)])


def finished(out):
    folder = out / 'logs' / 'complete'
    return {
        path.stem: path.stat().st_mtime_ns
        for path in folder.glob('*.json')
        if 'Fingerprint' in json.loads(path.read_text())
    }


def results(out, participant):
    return sorted(p.relative_to(out) for p in (out / participant).rglob('*') if p.is_file())


@pytest.fixture
def same():
    pytest.importorskip('h5py')
    spec = importlib.util.spec_from_file_location('same', SAME)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.compare


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Folder whose name a shell could trip over, with the study, on a machine with Slurm."""
    folder = tmp_path / "it's 5 % of $HOME"
    folder.mkdir()
    monkeypatch.setenv('NIGRA_CLUSTER_PROFILE', str(folder / 'site.toml'))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    write_study(folder / 'raw')
    with slurm_node(cpus=4, memory=16000):
        yield folder


def control(*words):
    subprocess.run(['scontrol', *words], check=True)


def break_phase(raw):
    """Cut a file short, which its header does not show; return what mends it."""
    path = raw / 'sub-05' / 'anat' / 'sub-05_part-phase_T2starw.nii.gz'
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return lambda: path.write_bytes(whole)


def test_only_what_failed_runs_again_and_results_are_those_of_one_machine(root, same, capsys):
    raw, out, local = root / 'raw', root / 'out', root / 'local'
    mend = break_phase(raw)
    (root / 'site.toml').write_text(PROFILE + SLOW)
    code, told = submit(raw, out, '--slurm-args=--hold --comment="two words"')
    assert code == 0, told
    (first,) = read_submissions(out)
    assert [task[0] for task in first.tasks] == [f'sub-0{n}' for n in range(1, 9)]
    control('update', f'JobId={first.array}_2', 'TimeLimit=1')
    control('update', f'JobId={first.array}_3', 'MinMemoryNode=250')
    control('release', first.array, first.group)
    assert status([str(out)]) == NOT_YET
    # the same again meanwhile submits nobody twice
    code, told = submit(raw, out)
    assert (code, len(read_submissions(out))) == (0, 1), told
    code, told = nigra(raw, local, 'participant', '--participant-label', '03',
                       '--registration=testing', '--nprocs=1')  # fmt: skip
    assert code == 0, told

    assert wait(out) == 1
    states = study_states(out).states
    assert {n for n, s in states.items() if s.state == 'failed'} == {'sub-02', 'sub-03', 'sub-05'}
    assert 'ended by its time limit' in states['sub-02'].reason
    assert 'for want of memory' in states['sub-03'].reason
    assert 'sub-05_part-phase_T2starw.nii.gz: cannot be read' in states['sub-05'].reason
    assert states['group'].state == 'done'  # of those who are finished, as on one machine
    assert '5 done, 3 failed; group level done' in capsys.readouterr().out
    before = finished(out)

    mend()
    (root / 'site.toml').write_text(PROFILE)
    code, told = submit(raw, out)
    assert code == 0, told
    second = read_submissions(out)[-1]
    assert second.tasks == (('sub-02',), ('sub-03',), ('sub-05',))
    assert wait(out) == 0
    after = finished(out)
    assert set(after) == {f'sub-0{n}' for n in range(1, 9)}
    assert {who: after[who] for who in before} == before
    code, told = submit(raw, out)
    assert (code, len(read_submissions(out))) == (0, 2), told

    assert results(out, 'sub-03') == results(local, 'sub-03')
    assert not [n for n in results(out, 'sub-03') if same(out / n, local / n, {})]
    chi = 'sub-0{0}/anat/sub-0{0}_Chimap.nii.gz'.format  # the same images, in one go
    assert not same(out / chi(1), local / chi(3), {})
    shutil.copytree(out, root / 'again', ignore=shutil.ignore_patterns('work', 'cluster'))
    for path in (root / 'again').glob('group*'):
        path.unlink()
    (root / 'again' / 'logs' / 'group_complete.json').unlink()
    code, told = nigra(raw, root / 'again', 'group', '--permutations=0', '--bootstraps=0')
    assert code == 0, told
    tables = sorted(path.name for path in out.glob('group_*.tsv'))
    assert len(tables) > 3
    assert not [n for n in tables if same(out / n, root / 'again' / n, {})]
