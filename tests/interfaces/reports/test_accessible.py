"""Pages for people who do not see or use a mouse: axe finds nothing serious."""

import html
import importlib.util
import json
import os
import re
from pathlib import Path

import pytest
from toy_browser import BROWSER, browse
from toy_cohort import make_people, write_study
from toy_page import NAMES, write_visit

from nigra.interfaces.reports.index_page import write_index
from nigra.interfaces.reports.report import render_participant
from nigra.workflows.group import init_group_wf

RUN = """
axe.run({resultTypes: ['violations']}).then((found) => {
  document.documentElement.dataset.told = JSON.stringify(
    found.violations.map((v) => [v.impact, v.id, v.nodes[0].html.slice(0, 200)]));
});
"""


def find_axe():
    """The script of axe-core: `AXE` names it, or a Python or Node package has it."""
    places = [Path(os.environ['AXE'])] if 'AXE' in os.environ else []
    places.append(Path(__file__).parents[3] / 'node_modules' / 'axe-core' / 'axe.min.js')
    for name in ('axe_playwright_python', 'axe_selenium_python', 'axe_core_python'):
        found = importlib.util.find_spec(name)
        if found and found.origin:
            places += Path(found.origin).parent.rglob('axe.min.js')
    return next((path for path in places if path.is_file()), None)


AXE = find_axe()
pytestmark = pytest.mark.skipif(
    not (BROWSER and AXE),
    reason='no Chromium, or no axe-core (set AXE to axe.min.js of the npm package axe-core)',
)


def violations(page, *options):
    """What axe says of a page, serious and critical."""
    text = page.read_text(encoding='utf-8')
    # axe is a script of its own, which the page's policy would not let run
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', '', text)
    script = AXE.read_text(encoding='utf-8')
    body = f'<script>{script}</script><script>{RUN}</script></body>'
    copy = page.with_name(f'axe_{page.name}')
    copy.write_text(text.replace('</body>', body), encoding='utf-8')
    dom, _ = browse(copy, '--virtual-time-budget=60000', *options)
    told = json.loads(html.unescape(re.search(r'data-told="([^"]*)"', dom)[1]))
    return [v for v in told if v[0] in ('serious', 'critical')]


def test_axe_sees_what_is_wrong(tmp_path):
    page = tmp_path / 'bad.html'
    page.write_text('<!DOCTYPE html><html lang="en"><title>x</title><body><input></body></html>')
    assert [v[1] for v in violations(page)] == ['label']


def test_pages_of_participants_are_for_everybody(tmp_path):
    given, run = write_visit(tmp_path)
    page = tmp_path / 'sub-01.html'
    text = render_participant(participant_id='sub-01', runs=[run], names=NAMES, **given)
    page.write_text(text, encoding='utf-8')
    assert violations(page) == []


def test_pages_of_the_study_are_for_everybody(tmp_path):
    file = write_study(tmp_path, make_people({'NMO': 6, 'HC': 6}), shifts={'NMO': 40.0})
    workflow = init_group_wf(derivatives_dir=tmp_path, participants_file=file, output_dir=tmp_path)
    workflow.base_dir = str(tmp_path / 'work')
    workflow.run()
    assert violations(tmp_path / 'group.html') == []
    assert violations(write_index(tmp_path, study={'data_set': 'toy', 'simulated': True})) == []
