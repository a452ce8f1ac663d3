"""What is submitted for a command: a stand-in takes the place of the scheduler."""

import os
import shlex
import subprocess
import sys

import pytest

from nigra.cli import main
from nigra.cli.arguments import build_parser, parse_settings
from nigra.cli.cluster.plan import array_job, choose_profile, make_tasks
from nigra.cli.status_cli import NOT_YET
from nigra.cli.status_cli import main as status
from nigra.interfaces.bids import find_visits
from nigra.interfaces.claims import claim
from nigra.interfaces.cluster.profile import Profile
from nigra.interfaces.cluster.records import cluster_folder, read_submissions, save_failures
from nigra.interfaces.cluster.scripts import make_script
from nigra.interfaces.completion import mark_complete, marker_folder

SBATCH = """#!/bin/sh
n=$(($(cat {0}/count) + 1)); echo $n > {0}/count
if [ -e {0}/refuse ]; then echo "sbatch: error: no" >&2; exit 1; fi
echo $n
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Folder of a scheduler that numbers jobs; what its file `queue` holds waits or runs."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    (folder / 'count').write_text('10')
    (folder / 'queue').touch()
    for name, text in (
        ('sbatch', SBATCH),
        ('squeue', '#!/bin/sh\ncat {0}/queue\n'),
        ('scontrol', '#!/bin/sh\necho "MaxArraySize = 1001"\n'),
    ):
        (folder / name).write_text(text.format(folder))
        (folder / name).chmod(0o755)
    monkeypatch.setenv('PATH', f'{folder}:{os.environ["PATH"]}')
    monkeypatch.delenv('NIGRA_CLUSTER_PROFILE', raising=False)
    return folder


def submit(raw, *options, levels=('participant', 'group')):
    words = [str(raw), str(raw.parent / 'out'), *levels, '--skip-bids-validation', '--slurm']
    return main([*words, *options])


def scripts(raw):
    """Text of the last submission's scripts, by name."""
    folder = read_submissions(raw.parent / 'out')[-1].folder
    return {path.name: path.read_text() for path in folder.glob('*.sh')}


def command(text):
    """Words of the command in a script."""
    (line,) = (line for line in text.splitlines() if ' -m nigra ' in line)
    return shlex.split(line)


def test_a_task_is_asked_for_what_the_command_was(two, slurm, capsys):
    config = two.parent / 'design.toml'
    config.write_text(
        'covariates = ["age"]\nseparation = true\n'
        '[set.inversion]\noffset_cost = 9\n[set.background]\npasses = 2\n'
    )
    options = ['--config-file', str(config), '--set', 'inversion.offset_cost=10', '--groups', 'A',
               'B', '--contrasts', 'A - B', '--voxelwise', '50', '-v', '-v', '--nprocs', '3',
               '--keep-workdir',
               '--mem-gb', '9', '--participants-file', str(two / 'participants.tsv'),
               '--random-seed', '5']  # fmt: skip
    assert submit(two, *options) == 0
    assert capsys.readouterr().out.split() == ['11', '12']
    made = scripts(two)
    local = [str(two), str(two.parent / 'out'), 'participant', 'group', *options]
    wanted = parse_settings(local)
    for name in ('participants.sh', 'group.sh'):
        words = command(made[name])
        assert str(config) not in words
        got = parse_settings(words[words.index('nigra') + 1 :])
        assert (got.methods, got.question) == (wanted.methods, wanted.question)
        assert (got.nprocs, got.mem_gb, got.verbose) == (3, 8, 2)
        assert got.participants_file == two / 'participants.tsv'
        assert not got.submits
        assert '--mem=9216M' in made[name]
    assert command(made['participants.sh']).count('--participant-label') == 1
    assert '--keep-workdir' in command(made['participants.sh'])
    assert '--keep-workdir' in command(made['group.sh'])
    assert '1) labels=(sub-01) ;;\n2) labels=(sub-02) ;;' in made['participants.sh']
    assert '--dependency=afterany:11' in made['group.sh']


def test_a_task_writes_its_record_into_a_folder_of_any_name(tmp_path, two):
    show = (sys.executable, '-c', 'import sys; print(sys.argv[-1])')
    profile = Profile(command=show)
    folder = tmp_path / "it's $HOME"
    folder.mkdir()
    settings = parse_settings([str(two), str(folder), 'participant', '--slurm'])
    job = array_job(settings, profile, folder, [list(find_visits(two, 'sub-01'))])
    told = subprocess.run(
        ['bash', '-c', make_script(job, profile)], capture_output=True, text=True
    )
    assert told.stdout.strip() == f'{folder}/task-1.json'


def test_every_option_is_handed_on_or_is_of_one_run():
    """A flag that both kinds of tasks lose has to be named among those that are for one run."""
    from nigra.cli.arguments import _ONLY_HERE

    known = {action.dest for action in build_parser()._actions}
    assert set(_ONLY_HERE) <= known


def test_a_dry_run_prints_scripts_and_submits_nothing(two, slurm, capsys):
    assert submit(two, '--dry-run', '--array-size', '2', '--slurm-args=--qos="a b"') == 0
    printed = capsys.readouterr().out
    assert printed.count('#!/bin/bash') == 2
    assert '1) labels=(sub-01 sub-02) ;;' in printed
    assert "#SBATCH '--qos=a b'" in printed
    assert (slurm / 'count').read_text() == '10'
    assert not cluster_folder(two.parent / 'out').exists()


def test_only_what_is_missing_and_not_submitted_is_submitted(two, slurm):
    out = two.parent / 'out'
    assert submit(two) == 0
    (slurm / 'queue').write_text('11|1|RUNNING|None\n11|2|PENDING|Priority\n12|N/A|PENDING|D\n')
    assert submit(two) == 0
    assert len(read_submissions(out)) == 1  # everybody is waited for, and the group level too
    assert status([str(out)]) == NOT_YET
    (slurm / 'queue').write_text('11|1|RUNNING|None\n12|N/A|PENDING|Dependency\n')
    assert submit(two) == 0
    last = read_submissions(out)[-1]
    assert last.tasks == (('sub-02_ses-a',),)
    assert '--dependency=afterany:13:11:12' in scripts(two)['group.sh']


def test_status_tells_by_its_number(two, slurm, capsys):
    out = two.parent / 'out'
    assert submit(two, levels=('participant',)) == 0
    made = read_submissions(out)[-1]
    save_failures({'sub-01': ['sub-01_T1w.nii.gz: is bad; mend it.']}, made.folder / 'task-1.json')
    for visit in ('sub-02_ses-a',):
        mark_complete(marker_folder(out) / f'{visit}.json', 'key', [], out)
    capsys.readouterr()
    assert status([str(out)]) == 1
    mark_complete(marker_folder(out) / 'sub-01.json', 'key', [], out)
    assert status([str(out)]) == 0
    with pytest.raises(SystemExit) as caught:
        status([])
    assert caught.value.code == 2
    assert status([str(two)]) == 1
    assert 'holds no results of nigra' in capsys.readouterr().err


def test_who_cannot_be_processed_is_left_out_and_told(two, slurm, caplog):
    (two / 'sub-01' / 'anat' / 'sub-01_part-phase_T2starw.nii.gz').unlink()
    assert submit(two) == 1
    (made,) = read_submissions(two.parent / 'out')
    assert made.tasks == (('sub-02_ses-a',),)
    assert 'has no part-phase image' in made.left_out['sub-01'][0]
    assert any('sub-01' in r.getMessage() and 'part-phase' in r.getMessage()
               for r in caplog.records)  # fmt: skip


def test_what_the_scheduler_refuses_is_told_and_can_be_tried_again(two, slurm, capsys):
    (slurm / 'refuse').touch()
    assert submit(two) == 1
    assert 'was refused by Slurm (sbatch: error: no)' in capsys.readouterr().err
    assert read_submissions(two.parent / 'out') == []
    (slurm / 'refuse').unlink()
    assert submit(two) == 0


def test_two_commands_at_once_do_not_submit_the_same(two, slurm, capsys):
    with claim(cluster_folder(two.parent / 'out'), ['submission']):
        assert submit(two) == 1
    assert 'another command submits its tasks' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'profile', 'match'),
    [
        (['--slurm', '--sge'], None, '--slurm --sge: and the scheduler slurm cannot both serve'),
        (['--slurm'], 'scheduler = "pbs"', '--slurm: and the scheduler pbs cannot'),
        (['--sge', '--slurm-args=-x'], None, 'is not for SGE'),
        (['--slurm', "--slurm-args='x"], None, 'No closing quotation'),
    ],
)
def test_schedulers_that_contradict_each_other_are_refused(
    two, slurm, capsys, options, profile, match
):
    if profile:
        (slurm / 'site.toml').write_text(profile)
        options = [*options, '--cluster-profile', str(slurm / 'site.toml')]
    assert main([str(two), str(two.parent / 'out'), 'participant', *options]) == 1
    assert match in capsys.readouterr().err


def test_the_profile_alone_is_enough(two, slurm, monkeypatch):
    site = slurm / 'site.toml'
    site.write_text('scheduler = "slurm"\ntime = "7:00:00"\nwork_dir = "$TMPDIR/x y"\n')
    words = [str(two), str(two.parent / 'out'), 'participant', '--skip-bids-validation']
    assert main([*words, '--cluster-profile', str(site)]) == 0
    text = scripts(two)['participants.sh']
    assert '--time=7:00:00' in text
    assert """--work-dir "${TMPDIR}"'/x y'""" in text


def test_a_container_sees_what_is_read_and_written(two, slurm):
    site = slurm / 'site.toml'
    site.write_text('container = "nigra.sif"\n')
    table = two.parent / 'tables' / 'people.tsv'
    table.parent.mkdir()
    table.write_text((two / 'participants.tsv').read_text())
    out, work = two.parent / 'out', two.parent / 'scratch'
    options = ['--participants-file', str(table), '-w', str(work), '--cluster-profile', str(site)]
    assert submit(two, *options) == 0
    text = scripts(two)['group.sh'].replace("'", '')
    for folder, mode in ((two, 'ro'), (table.parent, 'ro'), (out, 'rw'), (work, 'rw')):
        assert f'--bind {folder}:{folder}:{mode} ' in text
    assert f'{slurm}/nigra.sif {two} {out} group --work-dir {work} ' in text


def test_sessions_of_a_participant_are_one_task_and_tasks_fit_the_array(two, slurm):
    visits = [v for who in ('sub-01', 'sub-02') for v in find_visits(two, who)]
    visits += [visits[1]]
    profile = choose_profile(parse_settings([str(two), 'out', 'participant', '--slurm']))
    assert [len(task) for task in make_tasks(visits, profile)] == [1, 2]
    (slurm / 'scontrol').write_text('#!/bin/sh\necho "MaxArraySize = 2"\n')
    assert [len(task) for task in make_tasks(visits, profile)] == [3]
