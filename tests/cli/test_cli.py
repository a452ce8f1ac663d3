"""The command line: options to settings, quick help, sentences instead of tracebacks."""

import operator
import subprocess
import sys

import pytest

from nigra.cli import main
from nigra.cli.arguments import parse_settings
from nigra.cli.checks import check_folders, find_participants_file
from nigra.cli.find import find_all
from nigra.cli.run import Progress, plugin_for
from nigra.cli.settings import Settings
from nigra.cli.told import tell_phases
from nigra.cli.work import tidy_work, work_folder
from nigra.interfaces.claims import claim
from nigra.interfaces.methods import Methods
from nigra.nodes.errors import InputError


def test_bids_app_arguments(tmp_path):
    settings = parse_settings(
        [str(tmp_path), 'out', 'participant', 'group', '--participant-label', '01', 'sub-02']
    )
    assert settings.levels == ('participant', 'group')
    assert settings.participant_label == ('01', 'sub-02')
    assert settings.output_dir.is_absolute()
    assert settings.nprocs >= 1


def test_config_file_gives_defaults_and_the_command_line_wins(tmp_path):
    config = tmp_path / 'nigra.toml'
    config.write_text('group-column = "diagnosis"\nrandom_seed = 5\nwork-dir = "/w"\n')
    settings = parse_settings(
        ['a', 'b', 'group', '--config-file', str(config), '--random-seed', '7']
    )
    assert (settings.question.group_column, settings.methods.random_seed) == ('diagnosis', 7)
    assert str(settings.work_dir) == '/w'


def test_config_file_with_an_unknown_option(tmp_path):
    config = tmp_path / 'nigra.toml'
    config.write_text('colour = "red"\n')
    with pytest.raises(InputError, match=r"nigra\.toml: has the unknown option 'colour'"):
        parse_settings(['a', 'b', 'group', '--config-file', str(config)])


@pytest.mark.parametrize('text', ['x = ', '[a'])
def test_config_file_that_is_not_toml(tmp_path, text):
    config = tmp_path / 'nigra.toml'
    config.write_text(text)
    with pytest.raises(InputError, match='cannot be read as TOML'):
        parse_settings(['a', 'b', 'group', '--config-file', str(config)])


def test_help_and_version_import_nothing_heavy():
    code = (
        'import sys\n'
        'from nigra.cli import main\n'
        'try:\n    main(["--help"])\n'
        'except SystemExit as end:\n    assert end.code == 0\n'
        'heavy = {"numpy", "nibabel", "nipype", "ants", "matplotlib"} & set(sys.modules)\n'
        'assert not heavy, heavy\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_folders_that_would_endanger_the_input(raw):
    with pytest.raises(InputError, match='is also the input'):
        check_folders(parse_settings([str(raw), str(raw), 'participant']))
    with pytest.raises(InputError, match='is also the input'):
        check_folders(parse_settings([str(raw), str(raw), 'group']))
    with pytest.raises(InputError, match='lies inside the input'):
        check_folders(parse_settings([str(raw), str(raw / 'sub-01'), 'participant']))
    check_folders(parse_settings([str(raw), str(raw / 'derivatives' / 'nigra'), 'participant']))
    with pytest.raises(InputError, match='lies inside the input'):
        check_folders(parse_settings([str(raw), 'o', 'participant', '-w', str(raw / 'work')]))
    with pytest.raises(InputError, match=r'--bids-filter-file .*nothing: is not a file'):
        check_folders(
            parse_settings([str(raw), 'o', 'participant', '--bids-filter-file', 'nothing'])
        )


def test_missing_input_is_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path / 'none'), str(tmp_path / 'out'), 'participant']) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'none: is not a folder' in error


def test_unknown_participant(raw, tmp_path, capsys):
    arguments = [str(raw), str(tmp_path / 'out'), 'participant', '--participant-label', '77']
    assert main([*arguments, '--skip-bids-validation']) == 1
    assert '--participant-label 77: is not in' in capsys.readouterr().err


def test_fluid_as_reference_needs_several_echoes(raw, tmp_path, caplog):
    settings = Settings(raw, tmp_path / 'out', ('participant',), Methods(reference='csf'))
    visits, failed = find_all(settings, ['sub-01', 'sub-02'], {})
    assert [v.participant_id for v in visits] == ['sub-02']
    assert failed['sub-01'][0].startswith(f'{raw}/sub-01/anat/sub-01_part-mag_T2starw.nii.gz: is')


def test_participants_table_is_looked_for(raw, tmp_path):
    settings = parse_settings([str(raw), str(tmp_path), 'group'])
    with pytest.raises(InputError, match=r'participants\.tsv: is missing.*group'):
        find_participants_file(settings)
    (tmp_path / 'participants.tsv').write_text('participant_id\n')
    assert find_participants_file(settings) == tmp_path / 'participants.tsv'
    (raw / 'participants.tsv').write_text('participant_id\n')
    assert find_participants_file(settings) == raw / 'participants.tsv'


def test_plugin_file(tmp_path):
    path = tmp_path / 'plugin.yml'
    path.write_text('plugin: MultiProc\nplugin_args: {n_procs: 3}\n')
    settings = parse_settings(['a', 'b', 'participant', '--use-plugin', str(path)])
    assert plugin_for(settings) == ('MultiProc', {'n_procs': 3})
    path.write_text('n_procs: 3\n')
    with pytest.raises(InputError, match='is not a Nipype plugin file'):
        plugin_for(settings)


def test_processors_choose_the_plugin():
    name, arguments = plugin_for(
        parse_settings(['a', 'b', 'participant', '--nprocs', '3', '--mem-gb', '8'])
    )
    assert (name, arguments['n_procs'], arguments['memory_gb']) == ('MultiProc', 3, 8)


class Step:
    def __init__(self, fullname):
        self.fullname = fullname


def test_progress_counts_each_step_once():
    lines = []
    progress = Progress(report=lines.append)
    progress.begin({'sub_01_wf': 2})
    for _ in range(2):
        progress(Step('nigra_wf.sub_01_wf.report'), 'end')
    progress(Step('nigra_wf.sub_01_wf.anat_wf.bias'), 'exception')
    assert lines == ['[1/2] sub-01: report']
    assert progress.failures == {'sub_01_wf': []}


def describe(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    text = f'{{"Name": "x", "GeneratedBy": [{{"Name": "{name}"}}]}}'
    (folder / 'dataset_description.json').write_text(text)


def test_another_programs_data_set_is_not_written_into(raw, tmp_path):
    (tmp_path / 'old').mkdir()
    with pytest.raises(InputError, match='nigra did not make'):
        check_folders(parse_settings([str(tmp_path / 'old'), str(raw), 'participant']))  # swapped
    describe(tmp_path / 'fmriprep', 'fMRIPrep')
    with pytest.raises(InputError, match='nigra did not make'):
        check_folders(parse_settings([str(raw), str(tmp_path / 'fmriprep'), 'participant']))
    describe(tmp_path / 'own', 'nigra')
    check_folders(parse_settings([str(raw), str(tmp_path / 'own'), 'participant']))


def test_group_level_needs_no_raw_data(tmp_path):
    own = tmp_path / 'own'
    describe(own, 'nigra')
    check_folders(parse_settings([str(tmp_path / 'gone'), str(own), 'group']))
    check_folders(parse_settings([str(own), str(own), 'group']))
    with pytest.raises(InputError, match='does not apply to the group level alone'):
        check_folders(parse_settings([str(own), str(own), 'group', '--participant-label', '1']))


@pytest.mark.parametrize('work', ['.', 'out', 'raw', 'raw/w'])
def test_working_folder_has_its_own_place(raw, tmp_path, work):
    arguments = [str(raw), str(tmp_path / 'out'), 'participant', '-w', str(tmp_path / work)]
    with pytest.raises(InputError, match='working folder'):
        check_folders(parse_settings(arguments))


def test_tidying_leaves_what_a_later_run_takes_up(tmp_path):
    settings = parse_settings(['raw', 'out', 'group', '-w', str(tmp_path / 'home')])
    work = work_folder(settings)
    failed = work / 'nigra_wf' / 'sub_02_wf'
    failed.mkdir(parents=True)
    with claim(work, ['sub-01']):
        tidy_work(settings)
        assert list((work / 'running').glob('*.json'))
    tidy_work(settings)
    assert failed.is_dir()
    failed.rmdir()
    (tmp_path / 'home' / 'thesis').mkdir()
    tidy_work(settings)
    assert [p.name for p in (tmp_path / 'home').iterdir()] == ['thesis']
    (tmp_path / 'home' / 'thesis').rmdir()
    tidy_work(settings)
    assert not (tmp_path / 'home').exists()


@pytest.mark.parametrize(
    ('option', 'kept'),
    [((), False), (('--clean-workdir',), False), (('--keep-workdir',), True)],
)
def test_the_working_folder_is_kept_on_demand(tmp_path, option, kept):
    assert parse_settings(['a', 'b', 'group', *option]).keep_workdir is kept
    config = tmp_path / 'nigra.toml'
    config.write_text(''.join(f'{name[2:]} = true\n' for name in option))
    assert parse_settings(['a', 'b', 'group', '--config-file', str(config)]).keep_workdir is kept


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('participant-label = "01"', ('participant_label', ('01',))),
        ('covariates = "age"', ('question.covariates', ('age',))),
        ('skip-bids-validation = true', ('skip_bids_validation', True)),
        ('nprocs = 3', ('nprocs', 3)),
    ],
)
def test_config_values_take_their_type(tmp_path, text, expected):
    config = tmp_path / 'nigra.toml'
    config.write_text(text)
    settings = parse_settings(['a', 'b', 'group', '--config-file', str(config)])
    name, value = expected
    assert operator.attrgetter(name)(settings) == value


@pytest.mark.parametrize(
    'text', ['nprocs = 0', 'nprocs = "many"', 'skip-bids-validation = "no"', 'random-seed = [1]']
)
def test_config_values_of_a_wrong_type(tmp_path, text):
    config = tmp_path / 'nigra.toml'
    config.write_text(text)
    with pytest.raises(InputError, match=r'nigra\.toml: has'):
        parse_settings(['a', 'b', 'group', '--config-file', str(config)])


def test_empty_plugin_arguments(tmp_path):
    path = tmp_path / 'plugin.yml'
    path.write_text('plugin: Linear\nplugin_args:\n')
    settings = parse_settings(['a', 'b', 'participant', '--use-plugin', str(path)])
    assert plugin_for(settings) == ('Linear', {})


def test_what_the_phase_needs_is_told_in_the_log(tmp_path, caplog):
    for label, inverted in (('01', 1), ('02', 0)):
        path = tmp_path / f'sub-{label}' / 'anat' / f'sub-{label}_quality.json'
        path.parent.mkdir(parents=True)
        path.write_text(f'{{"participant_id": "sub-{label}", "phase_inverted": {inverted}}}')
    settings = Settings(bids_dir=tmp_path, output_dir=tmp_path, levels=('participant',))
    tell_phases(settings, ['sub-02'])
    assert not caplog.records
    tell_phases(settings)
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == '1 of 2 runs had the sign of the phase turned (sub-01).'
    assert 'mixed' in told[1]


@pytest.mark.parametrize('option', ['--permutations', '--bootstraps', '--voxelwise'])
def test_no_more_is_drawn_than_anybody_can_wait_for(tmp_path, capsys, option):
    told = parse_settings([str(tmp_path), str(tmp_path / 'out'), 'group', option, '10000000'])
    assert 10_000_000 in (
        told.question.permutations, told.question.bootstraps, told.question.voxelwise
    )  # fmt: skip
    with pytest.raises(SystemExit):
        parse_settings([str(tmp_path), str(tmp_path / 'out'), 'group', option, '1' + 400 * '0'])
    assert 'is more than 10000000' in capsys.readouterr().err
