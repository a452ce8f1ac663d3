"""What decides a participant's results is one value: options, record and settings follow it."""

from dataclasses import fields
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
        (['--set', 'inversion.offset_cost'], 'write --set STEP.NAME=VALUE'),
        (['--set', 'inversion.strength=-1'], 'strength must be positive'),
        (['--set', 'iterations=3'], 'ambiguous'),
        (['--inversion', 'tgv', '--set', 'background.iterations=3'], 'no setting'),
        (['--inversion', 'magic', '--set', 'inversion.offset_cost=3'], '--inversion magic'),
        (['--set', 'separation.least=1'], 'no setting'),
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


def test_record_tells_everything_and_can_be_read_back():
    methods = Methods(
        inversion='medi', reference='none', separation=True, atlases=(Path('/a/seg-x.nii.gz'),),
        settings={'inversion': {'fidelity': 3.0}},
    )  # fmt: skip
    record = methods.record()
    assert set(record) == {f.name for f in fields(Methods)}
    assert record['atlases'] == ['seg-x.nii.gz']
    back = Methods.from_record(record, Methods(atlases=methods.atlases))
    assert back == methods
    assert Methods.from_record({}, methods) == methods


def test_what_must_agree_is_every_field():
    known = agreeing({'Methods': Methods().record()})
    assert set(known) == {f.name for f in fields(Methods)}
    other = agreeing({'Methods': Methods(settings={'inversion': {'strength': 1.0}}).record()})
    assert {k for k in known if known[k] != other[k]} == {'settings'}
    assert agreeing({}) == {}
