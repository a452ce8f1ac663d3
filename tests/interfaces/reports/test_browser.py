"""Reports in a real browser: no errors, sorting, filtering, pictures, nothing loaded."""

import base64
import hashlib
import re
import shutil
import subprocess

import pytest
from toy_cohort import make_people, write_participants, write_study
from toy_page import NAMES, write_visit

from nigra.interfaces.agreement import Told
from nigra.interfaces.methods import Methods
from nigra.interfaces.reports.report import render_participant
from nigra.nodes.statistics.question import Question
from nigra.workflows.group import init_group_wf

BROWSER = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), ''
)
pytestmark = pytest.mark.skipif(not BROWSER, reason='no Chromium on this machine')

EVIL = '<script>document.title="broken"</script>'


def browse(page, *options):
    """The page's DOM after its scripts have run, and what the browser logged."""
    found = subprocess.run(
        [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr',
         '--virtual-time-budget=4000', '--window-size=1300,900', '--dump-dom', *options,
         page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return found.stdout, [line for line in found.stderr.splitlines() if 'CONSOLE' in line]


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp('browser')
    people = make_people({'NMO': 8, 'RRMS': 9, 'HC': 8})
    file = write_study(root, people, shifts={'RRMS': -25.0})
    write_participants(file, people.assign(group=people.group.replace('NMO', EVIL)))
    workflow = init_group_wf(
        derivatives_dir=root, participants_file=file, output_dir=root,
        question=Question(interactions=('age',), bootstraps=100),
        told=Told(Methods(), (0.02,)),
    )  # fmt: skip
    workflow.base_dir = str(root / 'work')
    workflow.run()
    return root / 'group.html'


def driven(page, code):
    """A copy of the page whose own script is followed by `code`, and its DOM."""
    html = page.read_text(encoding='utf-8')
    script = re.search(r'<script>(.*?)</script>', html, re.DOTALL)[1]
    longer = script + code
    digest = base64.b64encode(hashlib.sha256(longer.encode()).digest()).decode()
    html = html.replace(f'<script>{script}</script>', f'<script>{longer}</script>')
    copy = page.with_name('driven.html')
    copy.write_text(re.sub(r"'sha256-[^']+'", f"'sha256-{digest}'", html), encoding='utf-8')
    dom, errors = browse(copy)
    assert errors == []
    return re.search(r'data-told="([^"]*)"', dom)[1]


def test_it_opens_without_errors_under_its_own_policy(page):
    dom, errors = browse(page)
    assert errors == []
    assert 'data-ready="yes"' in dom


def test_names_of_groups_are_text(page):
    dom, _ = browse(page)
    assert '<title>Group comparison · nigra</title>' in dom
    assert '&lt;script&gt;document.title="broken"&lt;/script&gt;: n = 8' in dom


def test_tables_sort_by_number_both_ways(page):
    told = driven(page, """
      const head = [...document.querySelectorAll('#table-contrasts th button')]
        .find((b) => b.textContent === 'estimate');
      const read = () => [...document.querySelectorAll('#table-contrasts tbody tr')]
        .map((r) => Number(r.cells[head.closest('th').cellIndex].dataset.v));
      const rising = (v) => v.every((x, i) => i === 0 || v[i - 1] <= x);
      head.click(); const up = rising(read());
      head.click(); const down = rising(read().reverse());
      document.documentElement.dataset.told = [up, down, read().length].join(' ');
    """)  # fmt: skip
    assert told == 'true true 54'


def test_filter_keeps_rows_with_every_word(page):
    told = driven(page, """
      const box = document.querySelector('input[data-table=table-models]');
      box.value = 'thalamus left'; box.dispatchEvent(new Event('input'));
      const rows = [...document.querySelectorAll('#table-models tbody tr')];
      document.documentElement.dataset.told =
        [rows.filter((r) => !r.hidden).length, rows.length].join(' ');
    """)  # fmt: skip
    assert told == '2 18'


def test_pictures_are_drawn_and_inside_the_page(page):
    told = driven(page, """
      const charts = [...document.querySelectorAll('main svg')];
      const flat = charts.filter((c) => { const b = c.getBoundingClientRect();
        return b.width < 50 || b.height < 20 || b.right > innerWidth + 1; });
      const images = [...document.querySelectorAll('main svg image')];
      const foreign = images.filter((i) => !i.getAttribute('href').startsWith('data:'));
      const unnamed = charts.filter((c) => !c.getAttribute('aria-label'));
      document.documentElement.dataset.told = [charts.length > 15, flat.length,
        images.length > 10, foreign.length, unnamed.length, scrollX,
        document.documentElement.scrollWidth <= innerWidth].join(' ');
    """)  # fmt: skip
    assert told == 'true 0 true 0 0 0 true'


def test_every_heading_and_control_is_named(page):
    told = driven(page, """
      const bare = [...document.querySelectorAll('input, button, a')]
        .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label')));
      const hints = [...document.querySelectorAll('#table-contrasts th')]
        .filter((h) => !h.title);
      const lost = [...document.querySelectorAll('nav a:not(.way)')]
        .filter((a) => !document.querySelector(a.getAttribute('href')));
      document.documentElement.dataset.told =
        [bare.length, hints.length, lost.length, document.documentElement.lang].join(' ');
    """)  # fmt: skip
    assert told == '0 0 0 en'


def test_it_prints(page, tmp_path):
    pdf = tmp_path / 'page.pdf'
    subprocess.run(
        [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', f'--print-to-pdf={pdf}',
         page.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert pdf.stat().st_size > 50_000


def test_pictures_of_a_participant_fade_and_lose_their_outlines(tmp_path):
    given, run = write_visit(tmp_path)
    page = tmp_path / 'sub-01.html'
    html = render_participant(participant_id='sub-01', runs=[run], names=NAMES, **given)
    page.write_text(html, encoding='utf-8')
    told = driven(page, """
      const figure = document.querySelector('#run-1 figure.picture');
      const style = (css) => getComputedStyle(figure.querySelector(css));
      const state = () => [style('.layer.over').opacity, style('svg .outlines').display].join(' ');
      const before = state(), slider = figure.querySelector('input[type=range]');
      slider.value = 1; slider.dispatchEvent(new Event('input'));
      figure.querySelector('input.outlines').click();
      document.documentElement.dataset.told = [before, state()].join(' ');
    """)  # fmt: skip
    assert told == '0 inline 1 none'
