"""Filter files: what they may ask for, and what a user reads about a wrong one."""

import json

import pytest
from helpers import refused

from nigra.interfaces.bids import find_visits
from nigra.interfaces.queries import load_filters
from nigra.nodes.errors import InputError


def test_filter_file(raw, tmp_path):
    path = tmp_path / 'filter.json'
    path.write_text(json.dumps({'gre': {'run': 2}}))
    refused(raw, 'no gradient-echo images', participant='sub-02', filters=load_filters(path))
    path.write_text(json.dumps({'gre': {'run': 1, 'session': 'a'}}))
    assert find_visits(raw, 'sub-02', filters=load_filters(path))


@pytest.mark.parametrize('text', ['{"gre": ', '{"bold": {}}', '[1]', '{"gre": 3}'])
def test_malformed_filter_file(tmp_path, text):
    path = tmp_path / 'filter.json'
    path.write_text(text)
    with pytest.raises(InputError, match=r'filter\.json'):
        load_filters(path)


def test_misspelt_entity_in_filter_file(tmp_path):
    path = tmp_path / 'filter.json'
    path.write_text('{"gre": {"aquisition": "x"}}')
    with pytest.raises(InputError, match=r'"gre".*"aquisition".*acq \(acquisition\)'):
        load_filters(path)


@pytest.mark.parametrize(
    ('name', 'short'),
    [('acq', 'acq'), ('acquisition', 'acq'), ('extension', 'ext'), ('chunk', 'chunk')],
)
def test_entities_by_long_and_short_name(tmp_path, name, short):
    path = tmp_path / 'filter.json'
    path.write_text(json.dumps({'t1w': {name: 'x'}}))
    assert load_filters(path) == {'t1w': {short: 'x'}}
