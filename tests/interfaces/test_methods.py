"""What decides a participant's results is one value: options, record and settings follow it."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from nigra.cli.arguments import build_parser, parse_settings
from nigra.interfaces.methods import OPTIONS, Methods, agreeing
from nigra.nodes.errors import InputError
from nigra.nodes.methods import STEPS

COMMAND = ['raw', 'out', 'participant']


def test_every_field_but_the_settings_is_an_option():
    assert {o.name for o in OPTIONS} == {f.name for f in fields(Methods)} - {'settings'}
    flags = build_parser().format_help()
    assert all('--' + o.name.replace('_', '-') in flags for o in OPTIONS)
    assert parse_settings(COMMAND).methods == Methods()


def test_defaults_are_the_first_of_each_step():
    methods = Methods()
    for step in ('field', 'background', 'inversion'):
        assert getattr(methods, step) == next(iter(STEPS[step]))


def test_options_reach_the_methods():
    settings = parse_settings(
        [*COMMAND, '--inversion', 'tkd', '--separation', '--label-contrast', 'hybrid', '--atlases',
         'mine.nii.gz', '--random-seed', '7']
    )  # fmt: skip
    methods = settings.methods
    assert (methods.inversion, methods.separation, methods.random_seed) == ('tkd', True, 7)
    assert methods.atlases == (Path('mine.nii.gz').absolute(),)


def test_an_atlas_given_twice_is_one():
    twice = ['--atlases', 'mine.nii.gz', 'other.nii.gz', 'mine.nii.gz']
    assert [p.name for p in parse_settings([*COMMAND, *twice]).methods.atlases] == [
        'mine.nii.gz', 'other.nii.gz',
    ]  # fmt: skip


def test_a_choice_from_a_configuration_file_is_checked():
    with pytest.raises(InputError, match='--label-contrast foo'):
        Methods(label_contrast='foo').check_names()


def test_settings_of_steps_are_typed():
    settings = parse_settings(
        [*COMMAND, '--set', 'inversion.offset_cost=10', '--set', 'background.iterations=12']
    )
    assert settings.methods.settings == {
        'inversion': {'offset_cost': 10.0}, 'background': {'iterations': 12},
    }  # fmt: skip
    assert settings.methods.settings_of('inversion') == {'offset_cost': 10.0}
    assert settings.methods.settings_of('field') == {}


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--set', 'inversion.magic=1'], "no setting 'inversion.magic'"),
        (['--set', 'inversion.offset_cost=much'], 'must be a number'),
        (['--set', 'inversion.offset_cost'], 'written STEP.NAME=VALUE'),
        (['--set', 'inversion.strength=-1'], 'strength must be positive'),
        (['--set', 'iterations=3'], 'ambiguous'),
        (['--inversion', 'tgv', '--set', 'background.iterations=3'], 'no setting'),
        (['--inversion', 'magic', '--set', 'inversion.offset_cost=3'], '--inversion magic'),
        (['--set', 'separation.least=1'], 'no setting'),
        (['--set', 'inversion.margin=1e30'], 'margin must be a length from 0 to 200 mm'),
        (['--field', 'laplacian', '--set', 'field.margin=inf'], 'field.margin=inf: margin must'),
        (['--separation', '--set', 'dr_para=-1'], 'dr_para must be positive'),
        (['--set', 'inversion.strength=2', '--set', 'offset_cost=-1'], '^--set offset_cost=-1: '),
        (['--set', 'background.iterations=5.5'], 'must be a whole number'),
        (['--random-seed', '-1', '--set', 'offset_cost=1'], '--random-seed -1'),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        parse_settings([*COMMAND, *arguments])


@pytest.mark.parametrize(
    'text',
    ['set = ["inversion.offset_cost=10"]\n', '[set]\n"inversion.offset_cost" = 10\n',
     '[set.inversion]\noffset_cost = 10\n'],
)  # fmt: skip
def test_settings_come_from_a_configuration_file_too(tmp_path, text):
    config = tmp_path / 'nigra.toml'
    config.write_text(text)
    found = parse_settings([*COMMAND, '--config-file', str(config)])
    assert found.methods.settings == {'inversion': {'offset_cost': 10.0}}
    over = parse_settings(
        [*COMMAND, '--config-file', str(config), '--set', 'inversion.offset_cost=3']
    )
    assert over.methods.settings == {'inversion': {'offset_cost': 3.0}}


def test_the_last_setting_counts_and_the_default_is_no_change():
    asked = ['offset_cost=1', 'inversion.offset_cost=2', 'offset_cost=3', 'strength=0.2']
    found = Methods().with_settings(asked)
    assert found.settings == {'inversion': {'offset_cost': 3.0}}
    assert found.with_settings(['offset_cost=5']) == Methods()


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('set = true\n', r'write a table \[set.STEP\]'),
        ('set = [3]\n', r'write a table \[set.STEP\]'),
        ('[set.foo]\n', r'\[set.foo\] holds no setting'),
        ('[set.inversion]\nmagic = 1\n', 'set inversion.magic=1: there is no setting'),
        ('[set.inversion]\nstrength = -1\n', 'set inversion.strength=-1: strength must be'),
        ('measures = []\n', 'give one value at least'),
    ],
)
def test_a_wrong_setting_of_a_file_is_told_with_the_file(tmp_path, text, words):
    config = tmp_path / 'nigra.toml'
    config.write_text(text)
    with pytest.raises(InputError, match=f'nigra.toml.*{words}'):
        parse_settings([*COMMAND, '--config-file', str(config)])


def test_whole_numbers_may_be_written_as_others(tmp_path):
    config = tmp_path / 'nigra.toml'
    config.write_text('[set.background]\niterations = 5.0\n')
    found = parse_settings([*COMMAND, '--config-file', str(config)]).methods
    assert found.settings == {'background': {'iterations': 5}}
    assert isinstance(found.settings['background']['iterations'], int)


def test_record_tells_everything_and_can_be_read_back():
    methods = Methods(
        inversion='medi', reference='none', separation=True, atlases=(Path('/a/seg-x.nii.gz'),),
        settings={'inversion': {'fidelity': 3.0}},
    )  # fmt: skip
    record = methods.record()
    assert set(record) == {f.name for f in fields(Methods)}
    assert record['atlases'] == ['seg-x.nii.gz']
    assert Methods.from_record(record) == replace(methods, atlases=(Path('seg-x.nii.gz'),))
    assert Methods.from_record({}) == Methods()
    assert Methods.from_record(Methods(inversion='tgv').record()) == Methods(inversion='tgv')


def test_what_must_agree_is_every_field():
    known = agreeing(Methods().record())
    assert set(known) == {f.name for f in fields(Methods)} - {'settings'}
    other = agreeing(Methods(settings={'inversion': {'strength': 1.0}}).record())
    assert other == known | {'settings.inversion.strength': '1.0'}
    assert agreeing({}) == {}
