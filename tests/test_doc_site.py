"""The site of the documentation: it builds without a warning, works from disk, and tells all."""

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from toy_axe import AXE, GRAVE, needs_axe
from toy_browser import BROWSER, browse, in_frames

from nigra import __version__
from nigra.nodes.methods import BACKGROUND, INVERSION, ONE_STEP

DOCS = Path(__file__).parents[1] / 'docs'
NEEDED = ('sphinx', 'furo', 'myst_parser', 'sphinx_design')
LACKING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_sphinx = pytest.mark.skipif(
    bool(LACKING), reason=f"not installed: {', '.join(LACKING)} (pip install 'nigra[docs]')"
)


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', '-b', 'html', '-d',
         str(out / 'doctrees'), str(DOCS), str(out / 'html')],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, '')
    return out / 'html'


class _Links(HTMLParser):
    """Anchors of a page, where it leads, and what it loads."""

    def __init__(self):
        super().__init__()
        self.anchors, self.leads, self.loads = set(), set(), set()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors.add(found.get('id'))
        if tag == 'a' and found.get('href'):
            self.leads.add(found['href'])
        elif tag in ('img', 'script', 'source', 'iframe') and found.get('src'):
            self.loads.add(found['src'])
        elif tag == 'link' and found.get('rel') == 'stylesheet':
            self.loads.add(found['href'])


def links(page):
    parser = _Links()
    parser.feed(page.read_text(encoding='utf-8'))
    return parser


@needs_sphinx
def test_every_page_names_the_version(site):
    pages = [p for p in site.rglob('*.html') if '_static' not in p.parts]
    assert len(pages) > 25
    titles = [re.search(r'<title>(.*?)</title>', p.read_text('utf-8'), re.S)[1] for p in pages]
    assert all(f'nigra {__version__}' in title for title in titles)


@needs_sphinx
def test_links_within_lead_somewhere_and_nothing_is_loaded_from_elsewhere(site):
    pages = {p: links(p) for p in site.rglob('*.html') if '_static' not in p.parts}
    dead, foreign = [], []
    for page, found in pages.items():
        foreign += [src for src in found.loads if re.match(r'(https?:)?//', src)]
        for href in found.leads | found.loads:
            if re.match(r'\w+:|//', href):
                continue
            path, anchor = urldefrag(href)
            target = (page.parent / unquote(path.split('?')[0])).resolve() if path else page
            known = pages.get(target)
            if not target.exists() or (anchor and known and anchor not in known.anchors):
                dead.append(f'{page.name}: {href}')
    assert (dead, foreign) == ([], [])


def test_pictures_are_small():
    assert sum(p.stat().st_size for p in (DOCS / 'pictures').rglob('*.*')) < 3e6


@needs_sphinx
@pytest.mark.skipif(not BROWSER, reason='no Chromium')
def test_the_search_finds_from_disk(site):
    found, errors = browse(site / 'search.html', query='q=pallidum')
    assert 'tutorial.html' in re.search(r'id="search-results".*', found, re.S)[0]
    assert errors == []


def pages_of(site):
    return [path for path in site.rglob('*.html') if '_static' not in path.parts]


@needs_sphinx
@pytest.mark.skipif(not BROWSER, reason='no Chromium')
def test_pages_fit_a_phone_and_ask_for_nothing(site):
    told, errors = in_frames(pages_of(site), '--virtual-time-budget=8000')
    assert errors == []
    wrong = {page.name: found for page, found in told.items() if found[:3] != [390, 390, 0]}
    assert wrong == {}


@needs_sphinx
@needs_axe
@pytest.mark.parametrize('width', [390, 1300])
def test_pages_are_for_everybody(site, width):
    pages = pages_of(site)
    for start in range(0, len(pages), 8):
        told, _ = in_frames(
            pages[start : start + 8], '--virtual-time-budget=90000', width=width,
            before=AXE.read_text(encoding='utf-8'), code=GRAVE,
        )  # fmt: skip
        assert {page.name: found for page, (*_, found) in told.items() if found} == {}


@needs_sphinx
def test_every_option_and_every_function_stands_there(site):
    options = (site / 'options.html').read_text(encoding='utf-8')
    for flag in ('--voxelwise', '--slurm-args', '--keep-private', '--repetitions',
                 '--list-methods', '--truth', '--phase-sign', '--no-browser'):  # fmt: skip
        assert re.search(rf'<span class="pre">{flag}', options), flag
    functions = (site / 'api.html').read_text(encoding='utf-8')
    for name in ('reconstruct', 'measure', 'compare', 'Reconstruction.save'):
        assert re.search(rf'id="nigra\.(\w+\.)*{name}"', functions), name


def first_column(path):
    rows = re.findall(r'^\| `(\w+)` \|', (DOCS / path).read_text(encoding='utf-8'), re.M)
    return set(rows)


def test_every_method_has_its_measured_accuracy_and_a_picture():
    inversions = {*INVERSION, *ONE_STEP['bfr+dipole']}
    assert first_column('tables/inversions.md') == inversions
    assert first_column('tables/backgrounds.md') == set(BACKGROUND)
    page = (DOCS / 'methods.md').read_text(encoding='utf-8')
    for name in inversions:
        assert (DOCS / 'pictures' / 'inversions' / f'{name}.png').is_file()
        assert f'pictures/inversions/{name}.png' in page
    equations = page.split('## Equations')[1].split('\n## ')[0]
    assert all(f'`{name}`' in equations for name in inversions | set(BACKGROUND))


def test_tables_tell_what_made_them():
    for path in (DOCS / 'tables').glob('*.md'):
        script = re.search(r'Made by nigra [\d.]+.*`(benchmarks/\w+\.py)', path.read_text('utf-8'))
        assert (DOCS.parent / script[1]).is_file()


def test_every_page_is_in_the_table_of_contents():
    named = set()
    for index in (DOCS / 'index.md', DOCS / 'howto' / 'index.md'):
        for block in re.findall(r'```\{toctree\}\n(.*?)```', index.read_text('utf-8'), re.S):
            lines = [line for line in block.splitlines() if line and not line.startswith(':')]
            named |= {(index.parent / f'{line}.md').resolve() for line in lines}
    pages = {p for p in DOCS.rglob('*.md') if 'tables' not in p.parts} - {DOCS / 'index.md'}
    assert {p.resolve() for p in pages} == named
