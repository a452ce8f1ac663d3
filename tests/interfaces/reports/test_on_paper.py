"""What is printed: no word of what a reader could do on screen only."""

import re
from html.parser import HTMLParser

import pytest
from doc_commands import ROOT
from toy_page import NAMES, write_visit

from nigra.interfaces.reports.report import render_participant

GESTURES = re.compile(
    r'\b(click|drag|fade|flicker|pointer|scroll|slide|slider|tap|unfold|arrow keys)\b', re.I
)
VOID = {'meta', 'input', 'br', 'link', 'img'}


def hidden():
    """Classes, names and elements that the style sheet leaves out of a print."""
    style = (ROOT / 'data' / 'report.css').read_text(encoding='utf-8')
    told = re.findall(r'([^{};]+)\{ display: none; \}', style.split('@media print {')[1])
    return {each.strip() for rule in told for each in rule.split(',')}


class Printed(HTMLParser):
    """The texts of a page, or of its template, that come onto paper."""

    def __init__(self, html):
        super().__init__()
        self.left_out, self.open, self.texts = hidden() | {'script', 'style', 'title'}, [], []
        self.feed(re.sub(r'{%.*?%}|{{.*?}}|{#.*?#}', ' ', html, flags=re.DOTALL))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        names = {tag, f'#{given.get("id")}', *(f'.{c}' for c in given.get('class', '').split())}
        if tag not in VOID:
            self.open.append((tag, bool(names & self.left_out)))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if not any(out for _, out in self.open):
            self.texts.append(data)


def test_the_style_sheet_is_understood():
    assert {'nav', '.tools', '.on-screen', '#rating'} <= hidden()
    printed = Printed('<p>one <span class="a on-screen">click<br></span>two</p><nav>fade</nav>')
    assert ''.join(printed.texts) == 'one two'


@pytest.mark.parametrize('name', ['participant', 'group', 'index', 'people', 'viewer', 'macros'])
def test_templates_print_nothing_that_needs_a_screen(name):
    html = (ROOT / 'data' / f'{name}.html.j2').read_text(encoding='utf-8')
    found = [text for text in Printed(html).texts if GESTURES.search(text)]
    assert not found


def test_a_printed_page_of_a_person_says_nothing_of_what_moves_on_screen(tmp_path):
    given, run = write_visit(tmp_path)
    html = render_participant(participant_id='sub-01', runs=[run], names=NAMES, **given)
    assert 'Slide from the scale of this map' in html
    assert 'Fade or flicker' in html
    texts = Printed(html).texts
    assert any('Edges of the T1w image' in text for text in texts)
    assert not [text for text in texts if GESTURES.search(text)]
