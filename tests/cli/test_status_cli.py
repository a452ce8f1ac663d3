"""`nigra-status` after runs of the group level, and after looks, as `nigra` makes them."""

import json
import os

import pytest
from helpers import look
from toy_cohort import make_people, write_study

from nigra.cli import main
from nigra.cli.status_cli import main as status
from nigra.interfaces.completion import mark_complete, marker_folder

QUICK = ('--permutations', '0', '--bootstraps', '0', '--nprocs', '1')


@pytest.fixture
def study(tmp_path):
    out = tmp_path / 'out'
    file = write_study(out, make_people())
    made_by = {'GeneratedBy': [{'Name': 'nigra'}], 'DatasetType': 'derivative'}
    (out / 'dataset_description.json').write_text(json.dumps(made_by))
    return out, file


def run(out, *options):
    return main([str(out.parent / 'raw'), str(out), 'group', *QUICK, *options])


def told(out, capsys):
    """Exit status of `nigra-status`, and what it prints."""
    capsys.readouterr()
    return status([str(out)]), capsys.readouterr().out


def finish(out, visit):
    page = out / f'{visit}.html'
    page.write_text('x')
    mark_complete(marker_folder(out) / f'{visit}.json', 'key', [page], out)


def test_a_comparison_that_is_refused_after_one_that_was_made_is_not_done(study, capsys):
    out, file = study
    assert run(out) == 0
    assert told(out, capsys) == (0, 'group level done\n')
    whole = file.read_text()
    file.write_text(whole.splitlines()[0] + '\n')
    assert run(out) == 1
    code, text = told(out, capsys)
    assert code == 1
    assert text.endswith('group level failed\n')
    assert f'{file}: ' in text
    assert 'What is there is of an earlier run.' in text
    # a look alone is no attempt, and one that finds all as it was is
    file.write_text(whole)
    run(out, '--dry-run')
    assert told(out, capsys)[0] == 1
    assert run(out) == 0
    assert told(out, capsys) == (0, 'group level done\n')


def test_a_run_that_cannot_start_is_the_newest_attempt_too(study, capsys):
    out, _ = study
    assert run(out) == 0
    plugin = out.parent / 'plugin.yml'
    plugin.write_text('plugin: Nowhere')
    assert run(out, '--use-plugin', str(plugin)) == 1
    code, text = told(out, capsys)
    assert (code, 'names Nowhere' in text) == (1, True)


def test_the_first_attempt_at_a_comparison_is_told_where_it_failed(study, capsys):
    out, file = study
    (out / 'logs').mkdir()
    file.unlink()
    assert run(out) == 1
    code, text = told(out, capsys)
    assert (code, 'participants.tsv: is missing' in text) == (1, True)
    assert 'of an earlier run' not in text


def test_comparisons_with_names_of_their_own_are_told(study, capsys):
    out, file = study
    assert run(out, '--analysis-name', 'arms') == 0
    assert told(out, capsys) == (0, 'group arms level done\n')
    file.unlink()
    assert run(out, '--analysis-name', 'arms') == 1
    code, text = told(out, capsys)
    assert (code, text.splitlines()[-1]) == (1, 'group arms level failed')


def test_somebody_finished_whom_a_later_look_leaves_out_is_not_done(two, capsys):
    out = two.parent / 'out'
    look(two)
    for visit in ('sub-01', 'sub-02_ses-a'):
        finish(out, visit)
    assert '2 done' in told(out, capsys)[1]
    (two / 'sub-01' / 'anat' / 'sub-01_part-phase_T2starw.nii.gz').unlink()
    look(two)
    os.utime(out / 'logs' / 'look.tsv', (2e9, 2e9))
    code, text = told(out, capsys)
    assert (code, text.splitlines()[-1]) == (1, '1 done, 1 failed')
    assert 'has no part-phase image' in text
    finish(out, 'sub-01')
    os.utime(out / 'logs' / 'look.tsv', (1e9, 1e9))
    assert told(out, capsys)[0] == 0
