"""Who a page is of: as the tables have it now, whenever the page was made."""

import json
from pathlib import Path

import pytest
from toy_page import EVIL, Page

from nigra.interfaces.reports.index_page import write_index
from nigra.interfaces.reports.persons import Person, Persons, empty_place, fill_in, read_persons

TABLE = 'participant_id\tgroup\tAge\tsex\n01\tNMO\t46\tM\nsub-02\tHC\t89+\tn/a\nsub-03\t\tn/a\t\n'


@pytest.fixture
def root(tmp_path):
    made = tmp_path / 'logs' / 'complete'
    made.mkdir(parents=True)
    (tmp_path / 'participants.tsv').write_text(TABLE)
    levels = {'group': {'Levels': {'NMO': 'neuromyelitis optica'}}, 'sex': {'Levels': ['M', 'F']}}
    (tmp_path / 'participants.json').write_text(json.dumps(levels))
    for visit in ('sub-01', 'sub-02_ses-a', 'sub-02_ses-b', 'sub-03', 'sub-04'):
        page = tmp_path / f'{visit}.html'
        page.write_text(f'<h1>{visit}</h1>\n{empty_place()}\n<p>the rest</p>')
        outputs = {'Fingerprint': 'x', 'Outputs': {page.name: page.stat().st_size}}
        (made / f'{visit}.json').write_text(json.dumps(outputs))
    return tmp_path


def told(root, visit):
    return Page((root / f'{visit}.html').read_text('utf-8')).words


def test_pages_say_who_they_are_of_and_nothing_of_whom_nothing_is_known(root):
    write_index(root, study={})
    assert told(root, 'sub-01') == (
        'sub-01 group NMO (neuromyelitis optica) · age 46 · sex M'
        ' in participants.tsv when nigra last ran here the rest'
    )
    assert 'group HC · age 89+ in' in told(root, 'sub-02_ses-a')
    assert told(root, 'sub-03') == 'sub-03 the rest'
    assert told(root, 'sub-04') == 'sub-04 the rest'


def test_a_table_that_changed_changes_pages_which_keep_their_sizes(root):
    write_index(root, study={})
    sizes = {path.name: path.stat().st_size for path in root.glob('sub-*.html')}
    (root / 'participants.tsv').write_text(TABLE.replace('NMO\t46', f'{EVIL}\t47'))
    write_index(root, study={})
    html = (root / 'sub-01.html').read_text('utf-8')
    assert EVIL not in html
    assert 'age 47' in html
    assert '46' not in html
    (root / 'participants.tsv').unlink()
    write_index(root, study={})
    assert told(root, 'sub-01') == 'sub-01 the rest'
    assert {path.name: path.stat().st_size for path in root.glob('sub-*.html')} == sizes


def test_a_session_has_its_own_age(root):
    raw = root / 'raw'
    (raw / 'sub-02').mkdir(parents=True)
    (raw / 'sub-02' / 'sub-02_sessions.tsv').write_text('session_id\tage\nb\t91\n')
    write_index(root, study={}, bids_dir=raw)
    told_of = 'group HC · age {} in participants.tsv{} when nigra'.format
    assert told_of('91', ' and the table of sessions') in told(root, 'sub-02_ses-b')
    assert told_of('89+', '') in told(root, 'sub-02_ses-a')


def test_the_longest_values_fit():
    person = Person('"' * 500, '"' * 500, '"' * 500)
    levels = {name: {'"' * 500: '&' * 500} for name in ('group', 'sex')}
    full, empty = Persons({'sub-01_ses-a': person}, levels), Persons({}, {})
    assert len(full.line('sub-01_ses-a')) == len(empty.line('sub-01'))
    assert full.line('sub-01_ses-a').rstrip().endswith(b'</p>')


def test_pages_without_a_place_stay(tmp_path):
    page = tmp_path / 'old.html'
    page.write_text('<p>of a version before</p>')
    fill_in(page, Persons({}, {}).line('sub-01'))
    fill_in(tmp_path / 'none.html', Persons({}, {}).line('sub-01'))
    assert page.read_text() == '<p>of a version before</p>'
    assert read_persons(tmp_path, group_column='group').of('sub-01') == Person()


def test_a_page_with_a_shorter_place_stays(tmp_path):
    """As another version may make it: what follows would be written over."""
    page = tmp_path / 'other.html'
    text = f'<p class="person"></p>{" " * 40}<p>{"the rest" * 500}</p>'
    page.write_text(text)
    fill_in(page, Persons({'sub-01': Person('A')}, {}).line('sub-01'))
    assert page.read_text() == text


def test_a_page_that_is_replaced_while_it_is_read_is_not_broken(root, monkeypatch):
    """Its place may be elsewhere then."""
    page, opened = root / 'sub-01.html', Path.open

    def replaced(path, mode='r', *rest, **more):
        if path == page and mode == 'r+b':
            page.write_text(f'<h1>a longer title</h1>{empty_place()}<p>the rest</p>')
        return opened(path, mode, *rest, **more)

    monkeypatch.setattr(Path, 'open', replaced)
    fill_in(page, read_persons(root, group_column='group').line('sub-01'))
    assert told(root, 'sub-01').startswith('a longer title group NMO')
    assert told(root, 'sub-01').endswith('here the rest')


def test_a_page_that_nobody_may_write_to_is_told(root, monkeypatch, caplog):
    opened = Path.open

    def refused(path, mode='r', *rest, **more):
        if mode == 'r+b':
            raise PermissionError(13, 'Permission denied')
        return opened(path, mode, *rest, **more)

    monkeypatch.setattr(Path, 'open', refused)
    fill_in(root / 'sub-01.html', read_persons(root, group_column='group').line('sub-01'))
    assert 'sub-01.html keeps an older line on its person (Permission denied); make' in caplog.text
