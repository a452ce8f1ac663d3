"""Configurations that the docs give to other programs ask for options that there are."""

import json
import re
from pathlib import Path

import yaml

from nigra.cli.arguments import build_parser
from nigra.interfaces.cluster.profile import read_profile

DOCS = Path(__file__).parents[3] / 'docs'
FLAGS = set(build_parser()._option_string_actions)


def test_babs_asks_for_options_that_there_are():
    arguments = yaml.safe_load((DOCS / 'babs' / 'nigra.yaml').read_text())['bids_app_args']
    asked = {arguments.pop('$SUBJECT_SELECTION_FLAG'), *arguments}
    assert asked <= FLAGS
    assert len(asked) > 3


def test_nipoppy_asks_for_options_that_there_are():
    descriptor = json.loads((DOCS / 'nipoppy' / 'descriptor.json').read_text())
    inputs = {entry['id']: entry for entry in descriptor['inputs']}
    asked = {entry.get('command-line-flag') for entry in inputs.values()} - {None}
    assert asked <= FLAGS
    assert all(entry['value-key'] in descriptor['command-line'] for entry in inputs.values())
    given = re.findall(r'^ +"(\w+)":', (DOCS / 'nipoppy' / 'invocation.json5').read_text(), re.M)
    assert set(given) <= set(inputs)
    choices = next(a for a in build_parser()._actions if a.dest == 'registration')
    assert all(name in choices.help for name in inputs['registration']['value-choices'])


def test_the_profile_of_the_page_can_be_read(tmp_path):
    section = (DOCS / 'cluster.md').read_text().split("## A site's profile")[1]
    lines = [line[4:] for line in section.splitlines() if line.startswith('    ')]
    text = '\n'.join(line for line in lines if not line.startswith('command'))
    (tmp_path / 'site.toml').write_text(text.split('apptainer run')[0])
    assert read_profile(tmp_path / 'site.toml').max_running == 40
