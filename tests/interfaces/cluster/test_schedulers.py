"""What schedulers say is read, and what they refuse is told; stand-ins print what real ones do."""

import json
import os

import pytest

from nigra.interfaces.cluster.schedulers import Queued, array_limit, queue, submit
from nigra.nodes.errors import InputError, NigraError

SGE = (
    '<?xml version="1.0"?><job_info><queue_info>{}</queue_info><job_info>{}</job_info></job_info>'
)
JOB = '<job_list><JB_job_number>{}</JB_job_number><state>{}</state>{}</job_list>'
PBS = {'Jobs': {
    '5[].one': {'job_state': 'B'}, '5[1].one': {'job_state': 'X'}, '5[2].one': {'job_state': 'R'},
    '5[3].one': {'job_state': 'Q', 'comment': 'Not Running'}, '6.one': {'job_state': 'H'},
}}  # fmt: skip


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')

    def make(name, out='', *, err='', status=0):
        (tmp_path / 'out').write_text(out)
        path = tmp_path / name
        path.write_text(
            f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat {tmp_path}/out\n'
            f'echo "{err}" >&2\nexit {status}\n'
        )
        path.chmod(0o755)
        return lambda: (tmp_path / 'words').read_text().strip()

    return make


@pytest.mark.parametrize(
    ('name', 'program', 'printed', 'job'),
    [
        ('slurm', 'sbatch', '12\n', '12'),
        ('slurm', 'sbatch', '12;cluster\n', '12'),
        ('pbs', 'qsub', '12[].server.org\n', '12[].server.org'),
        ('sge', 'qsub', '12.1-8:1\n', '12'),
    ],
)
def test_the_id_of_a_job_is_read(stand_in, tmp_path, name, program, printed, job):
    words = stand_in(program, printed)
    assert submit(name, tmp_path / 'participants.sh') == job
    assert words().endswith('participants.sh')


def test_a_refusal_is_told_in_the_words_of_the_scheduler(stand_in, tmp_path):
    stand_in('sbatch', err='sbatch: error: invalid partition specified: x', status=1)
    with pytest.raises(InputError, match=r'refused by Slurm \(sbatch: error: invalid partition'):
        submit('slurm', tmp_path / 'a.sh')


def test_a_machine_without_scheduler_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(InputError, match=r'sbatch: is not installed here'):
        submit('slurm', tmp_path / 'a.sh')
    assert array_limit() is None


def test_tasks_of_slurm(stand_in):
    words = stand_in(
        'squeue', '12|1|RUNNING|None\n12|2|PENDING|Priority\n13|N/A|PENDING|Depen|x\n'
    )
    assert queue('slurm', ['13', '12']) == {
        ('12', 1): Queued(True), ('12', 2): Queued(False, 'Priority'),
        ('13', None): Queued(False, 'Depen|x'),
    }  # fmt: skip
    assert '--jobs=12,13' in words()


def test_jobs_that_slurm_has_forgotten_are_not_queued(stand_in):
    stand_in('squeue', err='slurm_load_jobs error: Invalid job id specified', status=1)
    assert queue('slurm', ['12']) == {}
    stand_in('squeue', err='Unable to contact slurm controller', status=1)
    with pytest.raises(NigraError, match='Slurm does not tell of jobs'):
        queue('slurm', ['12'])
    assert queue('slurm', []) == {}


def test_tasks_of_sge(stand_in):
    waiting = [('7', 'qw', 2), ('7', 'Eqw', 3), ('8', 'hqw', None), ('9', 'qw', None)]
    entries = [
        JOB.format(job, state, f'<tasks>{task}</tasks>' if task else '')
        for job, state, task in [('7', 'r', 1), *waiting]
    ]
    stand_in('qstat', SGE.format(entries[0], ''.join(entries[1:])))
    found = queue('sge', ['7', '8'])
    assert {task: one.running for task, one in found.items()} == {
        ('7', 1): True, ('7', 2): False, ('7', 3): False, ('8', None): False,
    }  # fmt: skip
    assert 'error' in found['7', 3].reason


def test_tasks_of_pbs(stand_in):
    stand_in('qstat', json.dumps(PBS))
    assert queue('pbs', ['5[].one', '6.one']) == {
        ('5[].one', 2): Queued(True), ('5[].one', 3): Queued(False, 'Not Running'),
        ('6.one', None): Queued(False),
    }  # fmt: skip


def test_the_largest_array_is_that_of_the_configuration(stand_in):
    stand_in('scontrol', 'MaxArraySize            = 1001\n')
    assert array_limit() == 1000
