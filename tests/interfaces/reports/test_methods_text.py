"""The methods text of a study as files, and what a later run reads of them."""

import json

from nigra.interfaces.methods import Methods
from nigra.interfaces.reports.methods_text import COMPARISON, GroupMethods

SETTINGS = {'group_column': 'diagnosis', 'groups': {'A': 4, 'B': 5}}


def run(folder, **inputs):
    return GroupMethods(
        echo_times=[0.01, 0.02], settings=SETTINGS, version='1.2', out_dir=str(folder), **inputs
    ).run().outputs.html  # fmt: skip


def test_text_references_and_decisions_are_saved(tmp_path):
    html = run(
        tmp_path, methods=Methods(inversion='tkd').record(), notes=['Sub-01 was different.']
    )
    logs = {path.name for path in (tmp_path / 'logs').iterdir()}
    assert logs == {'CITATION.md', 'CITATION.bib', 'comparison.json'}
    text = (tmp_path / 'logs' / 'CITATION.md').read_text()
    assert 'truncated k-space division' in text
    assert 'Sub-01 was different.' in text
    assert 'Sub-01 was different.' in html
    assert '@' in (tmp_path / 'logs' / 'CITATION.bib').read_text()
    assert json.loads((tmp_path / COMPARISON).read_text()) == SETTINGS


def test_results_of_unknown_making_are_not_described(tmp_path):
    html = run(tmp_path)
    assert 'k-space division' not in html
    assert 'diagnosis' in html
