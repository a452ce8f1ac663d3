"""Methods of stages by name, and settings from texts."""

import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.methods import ONE_STEP, STEPS
from nigra.nodes.stages import (
    STAGES,
    by_step,
    choose,
    method_names,
    read_setting,
    read_settings,
    setting_text,
    stage_methods,
)


@pytest.mark.parametrize('stage', STAGES)
def test_every_method_of_a_stage_is_named_and_chosen(stage):
    methods, told = stage_methods(stage), method_names(stage)
    assert choose(stage) == next(iter(methods.values()))
    for name, chain in methods.items():
        assert choose(stage, name) == chain
        assert all(part in told for part in name.split('+'))
    expected = np.prod([len(STEPS[step]) for step in STAGES[stage]])
    assert len(methods) == expected + len(ONE_STEP.get(stage, {}))
    assert (' or ' in told) == bool(len(STAGES[stage]) > 1 and ONE_STEP.get(stage))


@pytest.mark.parametrize('name', ['nonsense', 'pdf+nonsense', 'pdf+vsharp', 'pdf+tkd+tkd', ''])
def test_names_that_are_no_method_of_the_stage(name):
    with pytest.raises(NigraError, match='has no method'):
        choose('bfr+dipole', name)


def test_an_unknown_stage_is_told_with_those_there_are():
    with pytest.raises(NigraError, match='there is no stage'):
        stage_methods('nowhere')


CHAIN = by_step(choose('bfr+dipole', 'pdf+tkd'))


@pytest.mark.parametrize(
    ('text', 'found'),
    [('threshold=0.2', ('inversion', 'threshold', 0.2)),
     ('inversion.threshold = 0.2', ('inversion', 'threshold', 0.2)),
     ('iterations=1e2', ('background', 'iterations', 100))],
)  # fmt: skip
def test_settings_are_found_with_and_without_their_step(text, found):
    assert read_setting(CHAIN, text) == found
    assert isinstance(read_setting(CHAIN, text)[2], type(found[2]))


@pytest.mark.parametrize(
    ('text', 'words'),
    [('threshold', 'is written STEP.NAME=VALUE'), ('=3', 'is written STEP.NAME=VALUE'),
     ('background.threshold=1', 'there is no setting'), ('iterations=1.5', 'a whole number'),
     ('threshold=x', 'a number')],
)  # fmt: skip
def test_settings_that_cannot_be_read(text, words):
    with pytest.raises(NigraError, match=words):
        read_setting(CHAIN, text)


def test_a_setting_of_two_steps_needs_its_step():
    both = by_step(choose('bfr+dipole', 'pdf+tv'))
    shared = next(iter(set(both['background'].defaults) & set(both['inversion'].defaults)))
    with pytest.raises(NigraError, match='is ambiguous; write background'):
        read_setting(both, f'{shared}=5')
    found = read_settings(both, [f'background.{shared}=5', f'background.{shared}=7'])
    assert found == {'background': {shared: 7}, 'inversion': {}}  # the last counts


@pytest.mark.parametrize(
    ('value', 'text'),
    [(True, 'x=true'), (False, 'x=false'), ((3.0, 2.0), 'x=3.0,2.0'), (np.array([1, 2]), 'x=1,2'),
     (0.5, 'x=0.5'), ('word', 'x=word')],
)  # fmt: skip
def test_settings_are_written_as_they_are_read(value, text):
    assert setting_text('x', value) == text
