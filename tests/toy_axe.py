"""axe-core, which tells what of a page not everybody can use."""

import html
import importlib.util
import json
import os
import re
from pathlib import Path

import pytest
from toy_browser import BROWSER, browse

GRAVE = """axe.run({resultTypes: ['violations']}).then((found) => found.violations
  .filter((v) => ['serious', 'critical'].includes(v.impact))
  .map((v) => [v.id, v.nodes[0].html]))"""
RUN = """
axe.run({resultTypes: ['violations']}).then((found) => {
  document.documentElement.dataset.told = JSON.stringify(
    found.violations.map((v) => [v.impact, v.id, v.nodes[0].html.slice(0, 200)]));
});
"""


def find_axe():
    """The script of axe-core: `AXE` names it, or a Python or Node package has it."""
    places = [Path(os.environ['AXE'])] if 'AXE' in os.environ else []
    places.append(Path(__file__).parents[1] / 'node_modules' / 'axe-core' / 'axe.min.js')
    for name in ('axe_playwright_python', 'axe_selenium_python', 'axe_core_python'):
        found = importlib.util.find_spec(name)
        if found and found.origin:
            places += Path(found.origin).parent.rglob('axe.min.js')
    return next((path for path in places if path.is_file()), None)


AXE = find_axe()
needs_axe = pytest.mark.skipif(
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
