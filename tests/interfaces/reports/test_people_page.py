"""One person beside the others, in a real browser: numbers of the table, and nobody mixed up."""

import html
import json

import numpy as np
import pytest
from toy_axe import needs_axe, violations
from toy_browser import BROWSER, browse, driven, in_frames
from toy_cohort import make_people, region_rows, write_participants, write_study, write_visit

from nigra.interfaces.reports.cells import MINUS
from nigra.interfaces.reports.index_page import write_index
from nigra.interfaces.reports.participant_page import ways
from nigra.interfaces.tables import read_table
from nigra.nodes.statistics.question import Question
from nigra.workflows.group import init_group_wf

pytestmark = pytest.mark.skipif(not BROWSER, reason='no Chromium on this machine')

EVIL = '<b>HC</b>'
TELL = """
  const text = (css, root = document) => root.querySelector(css).textContent;
  const rows = [...document.querySelectorAll('tr[data-row]')].map((r) => [
    r.closest('section').querySelector('h2').textContent, r.cells[0].textContent,
    ...['.own', '.mean', '.ends', '.away'].map((css) => text(css, r)),
    Number(r.querySelector('.person').getAttribute('transform').match(/[\\d.]+/)[0])]);
  document.documentElement.dataset.told = JSON.stringify({rows, name: text('#name'),
    about: text('#about'), others: text('#others'), none: text('#none'),
    unusual: [...document.querySelectorAll('#unusual li')].map((l) => l.textContent),
    told: text('#told'), hidden: document.getElementById('found').hidden,
    own: document.getElementById('own').href.split('/').pop()}).replaceAll('"', "'");
"""


def compare(root, **question):
    """Run the group level; returns the page."""
    workflow = init_group_wf(
        derivatives_dir=root, participants_file=root / 'participants.tsv', output_dir=root,
        question=Question(**question),
    )  # fmt: skip
    workflow.base_dir = str(root / 'work')
    workflow.run()
    return root / 'group_people.html'


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp('people')
    people = make_people({'NMO': 5, 'HC': 7})
    file = write_study(root, people, shifts={'NMO': -90.0})
    write_participants(file, people.assign(group=people.group.replace('HC', EVIL)))
    return compare(root, reference_group=EVIL)


def told(page, name):
    """What the page shows of somebody."""
    code = f"location.hash = '{name}'; setTimeout(() => {{ {TELL} }}, 200);"
    return json.loads(html.unescape(driven(page, code)).replace("'", '"'))


@pytest.mark.parametrize('who', ['sub-003', 'sub-009'])
def test_a_person_has_the_numbers_of_the_table(page, who):
    shown = told(page, who)
    table = read_table(page.with_name('group_deviations.tsv'), text=('group',))
    own = table[(table.participant_id == who) & (table.hemisphere == 'both')]
    assert len(shown['rows']) == len(own) == 6
    for (_, region, value, mean, ends, away, _), row in zip(
        shown['rows'], own.itertuples(), strict=True
    ):
        assert region.lower() == row.region
        assert number(value) == pytest.approx(row.value, rel=0.01, abs=0.06)
        centre, sd = mean.rstrip(')').split(' (SD ')
        assert number(centre) == pytest.approx(row.reference_mean, rel=0.01, abs=0.06)
        assert number(sd) == pytest.approx(row.reference_sd, rel=0.1, abs=0.06)
        low, high = map(number, ends.split(' to '))
        assert (low, high) == pytest.approx((row.reference_low, row.reference_high), abs=0.6)
        assert float(away.split(' ')[0]) == pytest.approx(abs(row.sds_away), abs=0.051)
        assert ('below' in away) == (row.sds_away < 0)
        assert ('unusual here' in away) == (abs(row.sds_away) > 2)
    assert len(shown['unusual']) == (own.sds_away.abs() > 2).sum()
    assert shown['name'] == who
    assert shown['own'] == f'index.html#to={who}'


def number(text):
    return float(text.replace(MINUS, '-').replace('\u202f', ''))


def test_a_patient_stands_beside_all_controls_and_a_control_beside_the_others(page):
    patient, control = told(page, 'sub-001'), told(page, 'sub-010')
    assert patient['others'] == '7 people'
    assert control['others'] == 'the other 6 people'
    assert patient['about'].startswith('NMO; age ')
    assert control['about'].startswith(f'{EVIL}; age ')
    start = 'Mean susceptibility of the thalamus, '
    (lead,) = (text for text in patient['unusual'] if text.startswith(start))
    assert lead.endswith(f' SD below the mean of {EVIL}')


def test_marks_of_people_stand_in_the_order_of_their_values(page):
    shown = [told(page, who)['rows'][0] for who in ('sub-001', 'sub-002', 'sub-011')]
    by_value = sorted(shown, key=lambda row: number(row[2]))
    assert by_value == sorted(shown, key=lambda row: row[-1])


def test_the_mark_of_a_person_is_seen(page):
    shown = driven(page, """
      const marks = [...document.querySelectorAll('svg.strip .person')];
      document.documentElement.dataset.told =
        [marks.length, marks.every((m) => m.getBoundingClientRect().width > 5)].join(' ');
    """)  # fmt: skip
    assert shown == '6 true'


def test_who_was_not_compared_is_told_and_a_visit_is_its_person(page):
    nobody = told(page, 'sub-099')
    assert nobody['told'].startswith('sub-099 is not among the people compared')
    assert nobody['hidden']
    assert (nobody['name'], nobody['own']) == ('sub-099', 'index.html#to=sub-099')
    assert told(page, 'sub-002_ses-a')['name'] == 'sub-002'


def test_it_is_reached_from_a_person_and_walks_on(page):
    (address,) = (to for to, name in ways('sub-004') if name == 'Beside others')
    index = write_index(page.parent, study={})
    dom, errors = browse(index, fragment=address.partition('#')[2])
    assert errors == []
    assert '<h2 id="name">sub-004</h2>' in dom
    walked = driven(page, """
      document.getElementById('after').click();
      setTimeout(() => { document.documentElement.dataset.told =
        [document.getElementById('name').textContent, document.getElementById('person').value,
          document.getElementById('before').disabled].join(' '); }, 200);
    """)  # fmt: skip
    assert walked == 'sub-002 sub-002 false'


def test_without_a_comparison_the_list_finds_the_person(tmp_path):
    write_study(tmp_path, make_people({'A': 2}))
    index = write_index(tmp_path, study={})
    dom, errors = browse(index, fragment='beside=sub-001')
    assert errors == []
    assert '1 to 1 of 1' in dom


def test_few_others_have_no_range_and_the_compared_visit_is_named(tmp_path):
    people = make_people({'A': 4, 'B': 4})
    write_study(tmp_path, people.iloc[1:])
    rng = np.random.default_rng(0)
    for session in ('ses-2', 'ses-10'):
        write_visit(tmp_path, region_rows('sub-001', rng, session=session))
    write_participants(tmp_path / 'participants.tsv', people)
    shown = told(compare(tmp_path, covariates=()), 'sub-001')
    assert shown['none'] == 'Beside fewer than 5 people nothing can be called unusual.'
    assert {row[5] for row in shown['rows']} == {'n/a'}
    assert shown['about'].endswith('ses-2')


def test_of_one_group_people_stand_beside_the_others(tmp_path):
    write_study(tmp_path, make_people({'A': 7}))
    write_visit(tmp_path, region_rows('sub-001', np.random.default_rng(0), shift=300.0))
    page = compare(tmp_path)
    shown = told(page, 'sub-001')
    assert shown['others'] == 'the other 6 people'
    assert shown['about'].startswith('age ')
    # the ages are those of all seven
    assert '<span id="others"></span>; everybody: age ' in page.read_text()
    assert [text.endswith(' SD above the mean of the others') for text in shown['unusual']] == [
        True
    ]
    assert '<h1>One person beside the others</h1>' in page.read_text()
    assert ' of A' not in page.read_text()


def test_beside_nobody_there_is_no_range(tmp_path):
    write_study(tmp_path, make_people({'A': 1}))
    shown = told(compare(tmp_path), 'sub-001')
    assert {tuple(row[3:6]) for row in shown['rows']} == {('n/a', 'n/a', 'n/a')}


@pytest.mark.parametrize(
    ('known', 'words'),
    [(True, 'so compare the ages above first'), (False, 'so compare their ages')],
)
def test_ages_are_shown_whatever_was_adjusted_for(tmp_path, known, words):
    people = make_people({'A': 3, 'B': 3})
    write_study(tmp_path, people if known else people.drop(columns='age'))
    page = compare(tmp_path, covariates=())
    assert ('; age ' in told(page, 'sub-001')['about']) == known
    assert words in page.read_text()
    assert '<b>not adjusted for age</b>' in page.read_text()


def test_it_fits_a_phone_and_asks_for_nothing(page):
    shown, errors = in_frames([page])
    assert errors == []
    assert shown[page][:3] == [390, 390, 0]


@needs_axe
def test_it_is_for_everybody(page):
    assert violations(page) == []
