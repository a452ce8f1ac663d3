"""Reports in a real browser: no errors, sorting, filtering, pictures, nothing loaded."""

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from toy_browser import BROWSER, browse, driven, in_frames
from toy_cohort import make_people, write_participants, write_study
from toy_page import NAMES, write_visit

from nigra.interfaces.agreement import Told
from nigra.interfaces.methods import Methods
from nigra.interfaces.reports.index_page import write_index
from nigra.interfaces.reports.report import render_participant
from nigra.nodes.statistics.question import Question
from nigra.workflows.group import init_group_wf

pytestmark = pytest.mark.skipif(not BROWSER, reason='no Chromium on this machine')

EVIL = '<script>document.title="broken"</script>'


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
      document.querySelectorAll('details').forEach((d) => { d.open = true; });
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


def sheets(page, pdf):
    """How many sheets of paper a page takes."""
    subprocess.run(
        [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', f'--print-to-pdf={pdf}',
         '--virtual-time-budget=4000', page.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    return len(re.findall(rb'/Type /Page\b', pdf.read_bytes()))


def test_what_is_folded_stays_folded_on_paper(page, tmp_path):
    folded = sheets(page, tmp_path / 'folded.pdf')
    assert 5 <= folded <= 8
    opened = page.with_name('opened.html')
    text = page.read_text('utf-8')
    opened.write_text(re.sub(r'<details( class="\w+")?>', r'<details\1 open>', text), 'utf-8')
    assert sheets(opened, tmp_path / 'opened.pdf') > folded + 2


def test_a_check_that_did_not_fail_is_not_one_that_is_not_known(page):
    told = driven(page, """
      const heads = [...document.querySelectorAll('#table-models th')];
      const at = heads.findIndex((h) => h.textContent === 'failed checks');
      const rows = [...document.querySelectorAll('#table-models tbody tr')];
      const cells = rows.map((r) => r.cells[at]);
      document.documentElement.dataset.told =
        [cells.some((c) => c.textContent === 'none'), cells.some((c) => c.textContent === 'n/a')]
          .join(' ');
    """)  # fmt: skip
    assert told == 'true false'


def test_columns_unfold(page):
    told = driven(page, """
      const table = document.getElementById('table-contrasts');
      const seen = () => [...table.tHead.rows[0].cells].filter((c) => c.offsetWidth).length;
      const button = document.querySelector('button[aria-controls=table-contrasts]');
      const before = seen(); button.click();
      document.documentElement.dataset.told =
        [before, seen() > 20, button.getAttribute('aria-expanded')].join(' ');
    """)  # fmt: skip
    assert told == '9 true true'


def test_a_point_leads_to_its_person(page):
    told = driven(page, """
      const point = document.querySelector('.point');
      navigation.addEventListener('navigate', (event) => {
        event.preventDefault();
        document.documentElement.dataset.told =
          [event.destination.url.split('/').pop(), point.textContent.split(':')[0]].join(' ');
      });
      point.dispatchEvent(new MouseEvent('click', {bubbles: true}));
    """)  # fmt: skip
    address, person = told.split()
    assert address == f'index.html#to={person}'


KEYS = """
  const root = document.documentElement, gone = [];
  document.querySelectorAll('details').forEach((d) => { d.open = true; });
  navigation.addEventListener('navigate', (event) => {
    event.preventDefault();
    gone.push(decodeURIComponent(event.destination.url.split('#to=')[1]));
  });
  const key = (name) => document.activeElement.dispatchEvent(
    new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));
  const charts = [...document.querySelectorAll('svg.chart')]
    .filter((c) => c.querySelector('.point'));
  const stops = (chart) => chart.querySelectorAll('[tabindex="0"]');
  const name = () => document.activeElement.getAttribute('aria-label');
  const plain = (text) => Number(text.replace('\u202f', '').replace('−', '-'));
  const value = () => plain(name().match(/: ([−\\d.\u202f]+)/)[1]);
"""  # fmt: skip


def test_a_chart_is_one_stop_of_the_keyboard_whose_points_are_named(page):
    told = driven(page, KEYS + """
      const points = charts.flatMap((c) => [...c.querySelectorAll('.point')]);
      const told = /^sub-\\w+: −?[\\d.\u202f]+ (ppb|mm³\\/L), (RRMS|HC|<script>.*)$/;
      root.dataset.told = [charts.length > 5, charts.every((c) => stops(c).length === 1),
        charts.every((c) => c.getAttribute('role') === 'group'),
        points.every((p) => p.getAttribute('role') === 'link'),
        points.filter((p) => !told.test(p.getAttribute('aria-label'))).length].join(' ');
    """)  # fmt: skip
    assert told == 'true true true true 0'


def test_arrow_keys_go_from_person_to_person_and_enter_opens(page):
    told = driven(page, KEYS + """
      const group = () => name().split(', ').at(-1), told = [], chart = charts[0];
      stops(chart)[0].focus();
      key('Home');
      const met = [value()], first = group();
      for (let i = 1; i < chart.querySelector('.group').querySelectorAll('.point').length; i++) {
        key('ArrowUp');
        met.push(value());
      }
      const end = name();
      key('ArrowUp');  // beyond the last there is none
      told.push(met.every((v, i) => !i || met[i - 1] <= v), met.length, name() === end);
      key('End'); told.push(name() === end);
      key('ArrowDown'); told.push(value() === met.at(-2));
      key('ArrowRight'); const second = group();
      key('ArrowLeft'); told.push(second !== first, group() === first);
      told.push(stops(chart).length, stops(chart)[0] === document.activeElement);
      told.push(document.querySelector('.tip').textContent === name());
      key('Enter');
      root.dataset.told = [...told, gone.length, gone[0] === name().split(':')[0]].join(' ');
    """)  # fmt: skip
    assert told == 'true 8 true true true true true 1 true true 1 true'


def test_a_finding_leads_to_everybody(page):
    told = driven(page, """
      const charts = [...document.querySelectorAll('a.whom')]
        .map((a) => document.getElementById(a.hash.slice(1)));
      document.documentElement.dataset.told =
        [charts.length > 0, charts.every((c) => c?.querySelector('.point'))].join(' ');
    """)  # fmt: skip
    assert told == 'true true'


def test_the_walk_of_the_tutorial_finds_its_links(page, tmp_path):
    walk = runpy.run_path(str(Path(__file__).parents[3] / 'benchmarks' / 'walk.py'))
    shutil.copy(page, tmp_path)
    write_index(tmp_path, study={})
    people = set(re.findall(r'<title>(sub-\w+): ', page.read_text('utf-8')))
    for name in people:
        links = ''.join(f'<a href="index.html#{way}={name}">' for way in ('view', 'beside'))
        (tmp_path / f'{name}.html').write_text(links)
    names, addresses, _ = zip(*walk['steps'](tmp_path, 'thalamus'), strict=True)
    assert names == ('everybody', 'findings', 'in_whom', 'person', 'viewer', 'beside')
    assert addresses[2].startswith('group.html#measure-1-thalamus')
    assert addresses[3].removeprefix('index.html#to=') in people
    with pytest.raises(SystemExit, match=r'group\.html has no'):
        walk['steps'](tmp_path, 'nowhere')


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    """Three finished visits, somebody who failed, and one who has not begun."""
    root = tmp_path_factory.mktemp('study')
    made = root / 'logs' / 'complete'
    made.mkdir(parents=True)
    for name in ('sub-01', 'sub-02_ses-a', 'sub-03'):
        (made / f'{name}.json').write_text('{"Outputs": {"x": 1}}')
        (root / f'{name}.html').write_text(f'<!DOCTYPE html><title>page of {name}</title>')
    (made / 'sub-04.json').write_text('{"Outputs": {}}')
    (root / 'group.html').write_text('<!DOCTYPE html><title>groups</title>')
    (root / 'sub-01_viewer.html').write_text('<!DOCTYPE html><title>viewer of sub-01</title>')
    people = pd.DataFrame({'participant_id': ['sub-01', 'sub-02', 'sub-05'],
                           'group': [EVIL, 'HC', 'HC']})  # fmt: skip
    write_participants(root / 'participants.tsv', people)
    about = {'data_set': 'toy', 'simulated': True, 'command': 'nigra x'}
    return write_index(root, study=about, bids_dir='raw data')


@pytest.mark.parametrize(
    ('way', 'title'),
    [('after=sub-01', 'page of sub-02_ses-a'), ('before=sub-03', 'page of sub-02_ses-a'),
     ('to=sub-03', 'page of sub-03'), ('group', 'groups'),
     ('after=sub-03', 'All participants · nigra'), ('to=sub-02', 'All participants · nigra'),
     ('view=sub-01', 'viewer of sub-01'), ('view=sub-03', 'All participants · nigra')],
)  # fmt: skip
def test_the_index_leads_to_neighbours_people_and_groups(study, way, title):
    dom, errors = browse(study, fragment=way)
    assert errors == []
    assert f'<title>{title}</title>' in dom


@pytest.mark.parametrize(
    ('way', 'told'),
    [('view-after=sub-01', 'sub-01 is the last.'),
     ('before=sub-01', 'sub-01 is the first.'), ('after=sub-03', 'sub-03 is the last.'),
     ('view=sub-03', 'sub-03 has no viewer.'), ('to=sub-02', 'sub-02 has one visit: choose it.'),
     ('to=sub-05', 'sub-05 has no page yet.'),
     ('beside=sub-01', 'Nobody has been set beside the others yet. Once all participants are '
                       "finished, run nigra 'raw data' ROOT group")],
)  # fmt: skip
def test_the_index_says_why_a_way_ends_there(study, way, told):
    dom, errors = browse(study, fragment=way)
    assert errors == []
    hint = re.search(r'id="hint"[^>]*>([^<]*)<', dom)[1]
    assert hint.replace(str(study.parent), 'ROOT') == told
    assert 'id="hint" role="status" hidden' not in dom


def test_ratings_of_nobody_are_no_file(study):
    told = driven(study, """
      document.getElementById('ratings').click();
      document.documentElement.dataset.told = document.getElementById('hint').textContent;
    """)  # fmt: skip
    assert told.startswith('Nobody has been rated in this browser yet')


def test_the_index_says_what_to_run_before_any_comparison(tmp_path):
    dom, _ = browse(write_index(tmp_path, study={}), fragment='group')
    hint = re.search(r'id="hint"[^>]*>([^<]*)<', dom)[1]
    assert hint.startswith('No groups have been compared yet. Once all participants are finished')
    assert hint.endswith(f'run nigra BIDS_DIR {tmp_path} group')
    (tmp_path / 'group.html').touch()
    (tmp_path / 'group_people.html').touch()
    assert 'run <code>' not in write_index(tmp_path, study={}).read_text('utf-8')


def test_the_index_shows_everybody_and_finds(study):
    told = driven(study, """
      const rows = () => [...document.querySelectorAll('#index tbody tr')]
        .map((r) => r.cells[1].textContent + ' ' + r.cells[4].textContent);
      const all = rows(), search = document.getElementById('search');
      search.value = 'hc wait'; search.dispatchEvent(new Event('input'));
      document.documentElement.dataset.told = [...all, rows().length, rows()[0]].join('; ');
    """)  # fmt: skip
    assert told == (
        'sub-01 viewer finished; sub-02_ses-a finished; sub-03 finished; sub-04 unfinished; '
        'sub-05 waiting; 1; sub-05 waiting'
    )


def test_the_index_sorts_and_keeps_who_has_nothing_last(study):
    told = driven(study, """
      const groups = () => [...document.querySelectorAll('#index tbody tr')]
        .map((r) => r.cells[2].textContent).join(',');
      const head = document.querySelector('#index th button[data-key="1"]');
      head.click(); const up = groups(); head.click();
      document.documentElement.dataset.told =
        [up.endsWith('HC,,') || up.endsWith(',,'), groups().endsWith(',,')].join(' ');
    """)  # fmt: skip
    assert told == 'true true'


def test_a_picture_is_saved_with_its_style(page):
    told = driven(page, """
      const saved = [];
      URL.createObjectURL = (blob) => { saved.push(blob); return 'data:,'; };
      // a download may keep the browser from ending
      HTMLAnchorElement.prototype.click = () => {};
      const [svg, png] = document.querySelectorAll('button.save');
      svg.click(); png.click();
      const wait = setInterval(async () => {
        if (saved.length < 2) return;
        clearInterval(wait);
        const text = await saved[0].text();
        document.documentElement.dataset.told = [saved[0].type, text.includes('<style'),
          text.includes('--ink'), saved[1].type, saved[1].size > 5000].join(' ');
      }, 50);
    """)  # fmt: skip
    assert told == 'image/svg+xml true true image/png true'


def test_what_a_phone_would_cut_off_is_seen(tmp_path):
    page = tmp_path / 'wide.html'
    page.write_text('<!DOCTYPE html><body><p style="width:391px">x</p></body>')
    told, _ = in_frames([page])
    content, frame, *_ = told[page]
    assert content > frame == 390


def test_pages_fit_a_phone_and_ask_for_nothing(page, study, tmp_path):
    given, run = write_visit(tmp_path)
    person = tmp_path / 'sub-01.html'
    html = render_participant(participant_id='sub-01', runs=[run], names=NAMES, **given)
    person.write_text(html, encoding='utf-8')
    told, errors = in_frames([page, study, person])
    assert errors == []
    found = {at.name: (content, asked) for at, (content, _, asked, _) in told.items()}
    assert found == dict.fromkeys(('group.html', 'index.html', 'sub-01.html'), (390, 0))


def test_hints_in_boxes_are_not_cut_off(page, study):
    code = """[...document.querySelectorAll('input[placeholder]')].filter((box) => {
      const style = getComputedStyle(box), pen = document.createElement('canvas').getContext('2d');
      pen.font = `${style.fontSize} ${style.fontFamily}`;
      const rim = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
      return pen.measureText(box.placeholder).width > box.clientWidth - rim;
    }).map((box) => box.placeholder)"""
    for width in (390, 1300):
        told, _ = in_frames([page, study], width=width, code=code)
        assert [cut for *_, cut in told.values()] == [[], []]
