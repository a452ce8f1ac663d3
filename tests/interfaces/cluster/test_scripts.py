"""Scripts of jobs: run by a shell here, read as schedulers read them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nigra.interfaces.cluster.profile import Profile
from nigra.interfaces.cluster.scripts import (
    Job,
    Shell,
    command_line,
    make_script,
    nigra_on_node,
    with_variables,
)
from nigra.nodes.errors import InputError

ODD = """it's "5 %" of $HOME; `id` \\ * (x)"""
SHOW = 'import json, sys; print(json.dumps(sys.argv[1:])); sys.exit(7)'
LABELS = Shell('"${labels[@]}"')


def job(folder, **changes):
    return Job(**{
        'name': 'nigra', 'folder': folder, 'command': (sys.executable, '-c', SHOW, ODD, LABELS),
        'time': '1:00:00', 'memory_gb': 4, 'cpus': 2, 'tasks': (('sub-01',), ('sub-a b', ODD)),
    } | changes)  # fmt: skip


def run(text, cwd='/', **variables):
    return subprocess.run(
        ['bash', '-c', text], capture_output=True, text=True, cwd=cwd,
        env={**os.environ, **variables},
    )  # fmt: skip


def options(text, directive):
    """What a scheduler would read."""
    lines = (line for line in text.splitlines() if line.startswith(directive + ' '))
    return [line.removeprefix(directive).strip() for line in lines]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / ODD
    path.mkdir()
    return path


def test_a_task_hands_on_what_was_given_word_by_word(folder):
    told = run(make_script(job(folder), Profile()), SLURM_ARRAY_TASK_ID='2')
    assert json.loads(told.stdout) == [ODD, 'sub-a b', ODD]
    assert told.returncode == 7
    assert (folder / 'task-2.ended').read_text() == '7\n'
    assert (folder / 'task-2.started').is_file()
    assert not (folder / 'task-1.started').exists()


def test_a_task_without_number_is_the_first(folder):
    assert json.loads(run(make_script(job(folder), Profile())).stdout) == [ODD, 'sub-01']


def test_a_number_beyond_the_array_does_nothing(folder):
    told = run(make_script(job(folder), Profile()), SLURM_ARRAY_TASK_ID='3')
    assert (told.returncode, told.stdout) == (2, '')


def test_what_an_earlier_try_left_is_gone_when_the_next_begins(folder):
    for name in ('task-1.ended', 'task-1.json'):
        (folder / name).touch()
    run(make_script(job(folder, command=('sh', '-c', 'ls > seen')), Profile()))
    assert (folder / 'seen').read_text().split() == ['seen', 'task-1.started']


@pytest.mark.parametrize('setup', ['exit 5', 'kill -9 $BASHPID'])
def test_setup_that_ends_the_task_is_recorded(folder, setup):
    run(make_script(job(folder), Profile(setup=(setup,))))
    assert (folder / 'task-1.ended').read_text().strip() in ('5', '137')


def test_a_killed_shell_leaves_no_end(folder):
    run(make_script(job(folder, command=('sh', '-c', 'kill -TERM $0', Shell('$$'))), Profile()))
    assert (folder / 'task-1.started').is_file()
    assert not (folder / 'task-1.ended').exists()


def test_modules_and_setup_come_before_nigra(folder):
    profile = Profile(modules=('a b',), setup=('export WORD="x y"',))
    text = make_script(
        job(folder, command=('sh', '-c', 'echo "$WORD"'), tasks=()), profile
    ).replace('\ncd ', '\nmodule() { echo "$2"; }\ncd ')
    assert run(text).stdout.split('\n')[:2] == ['a b', 'x y']
    assert (folder / 'group.ended').read_text() == '0\n'
    missing = run(make_script(job(folder, tasks=()), Profile(modules=('no-such',))))
    assert missing.returncode != 0
    assert missing.stdout == ''  # nigra did not run without it


def test_slurm_reads_limits_and_dependency(folder):
    profile = Profile(partition='short', account='lab', max_running=10)
    text = make_script(job(folder, after=('12', '13'), extra=('--comment=a b',)), profile)
    assert options(text, '#SBATCH') == [
        '--job-name=nigra', '--output=task-%a.log', '--open-mode=append', '--array=1-2%10',
        '--dependency=afterany:12:13', '--kill-on-invalid-dep=yes', '--partition=short',
        '--account=lab', '--time=1:00:00', '--mem=4096M', '--cpus-per-task=2', "'--comment=a b'",
    ]  # fmt: skip


def test_sge_reads_its_own_words(folder):
    text = make_script(job(folder, after=('12', '13')), Profile(scheduler='sge'))
    found = options(text, '#$')
    wanted = {'-t 1-2', '-hold_jid 12,13', '-l h_rt=1:00:00', '-l h_vmem=2048M', '-pe smp 2',
              '-o task-$TASK_ID.log'}  # fmt: skip
    assert wanted <= {part for line in found for part in (line, line.removeprefix('-cwd -j y '))}
    assert '-pe' not in make_script(job(folder, cpus=1), Profile(scheduler='sge'))


def test_pbs_has_no_array_of_one(folder):
    several = options(make_script(job(folder), Profile(scheduler='pbs')), '#PBS')
    assert '-J 1-2' in several
    assert '-l select=1:ncpus=2:mem=4096mb' in several
    one = make_script(job(folder, tasks=(('sub-01',),)), Profile(scheduler='pbs'))
    assert '-J' not in one
    assert '-j oe -o task-1.log' in options(one, '#PBS')


def test_variables_of_the_node_count_and_nothing_else_does(folder):
    text = command_line([sys.executable, '-c', SHOW, with_variables('${SCRATCH}/$(id) $SCRATCH')])
    assert json.loads(run(text, SCRATCH='a  b').stdout) == ['a  b/$(id) a  b']


def test_a_container_is_called_with_what_it_has_to_see(tmp_path, folder):
    """Apptainer itself is not needed: a stand-in writes down how it was called."""
    apptainer = tmp_path / 'apptainer'
    apptainer.write_text(f'#!{sys.executable}\n{SHOW}\n')
    apptainer.chmod(0o755)
    profile = Profile(container=Path('/images/my nigra.sif'), binds=('/annex:/annex:ro',))
    seen = {Path('/my data'): 'ro', Path("/it's out"): 'rw'}
    words = nigra_on_node(profile, ['python'], seen, '$SCRATCH')
    made = job(folder, command=(*words, '/my data', "/it's out", 'participant', LABELS))
    told = run(make_script(made, profile), PATH=f'{tmp_path}:{os.environ["PATH"]}', SCRATCH='/s c')
    assert json.loads(told.stdout) == [
        'run', '--cleanenv', '--bind', '/my data:/my data:ro', '--bind',
        "/it's out:/it's out:rw", '--bind', '/annex:/annex:ro', '--bind', '/s c',
        '/images/my nigra.sif', '/my data', "/it's out", 'participant', 'sub-01',
    ]  # fmt: skip


def test_a_folder_that_a_container_cannot_be_shown_is_refused():
    with pytest.raises(InputError, match=r'/a,b: has : or , in its path'):
        nigra_on_node(Profile(container=Path('x.sif')), ['nigra'], {Path('/a,b'): 'ro'}, None)
