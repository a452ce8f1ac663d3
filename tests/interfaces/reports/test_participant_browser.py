"""A person's page in a real browser: pictures that fade, and a rating that is saved."""

import pytest
from toy_browser import BROWSER, driven
from toy_page import NAMES, write_visit

from nigra.interfaces.ratings import excluded_visits, read_ratings
from nigra.interfaces.reports.report import render_participant

pytestmark = pytest.mark.skipif(not BROWSER, reason='no Chromium on this machine')


def page_of(folder, visit):
    """Page of a visit with one run."""
    given, run = write_visit(folder)
    page = folder / f'{visit}.html'
    html = render_participant(participant_id=visit, runs=[run], names=NAMES, **given)
    page.write_text(html, encoding='utf-8')
    return page


def test_pictures_of_a_participant_fade_and_lose_their_outlines(tmp_path):
    told = driven(page_of(tmp_path, 'sub-01'), """
      const figure = document.querySelector('#run-1 figure.picture');
      const style = (css) => getComputedStyle(figure.querySelector(css));
      const state = () => [style('.layer.over').opacity, style('svg .outlines').display].join(' ');
      const before = state(), slider = figure.querySelector('input[type=range]');
      slider.value = 1; slider.dispatchEvent(new Event('input'));
      figure.querySelector('input.outlines').click();
      document.documentElement.dataset.told = [before, state()].join(' ');
    """)  # fmt: skip
    assert told == '0 inline 1 none'


def test_a_rating_is_a_table_that_the_group_level_reads(tmp_path):
    told = driven(page_of(tmp_path, 'sub-01_ses-a'), """
      let saved;
      URL.createObjectURL = (blob) => { saved = blob; return 'data:,'; };
      // a download may keep the browser from ending
      HTMLAnchorElement.prototype.click = () => {};
      const form = document.getElementById('rate');
      form.elements.rating.value = 'exclude';
      form.querySelector('[value=movement]').checked = true;
      form.querySelector('[value=labels]').checked = true;
      form.elements.comment.value = 'a\\tb';
      form.requestSubmit();
      const root = document.documentElement;
      const read = new FileReader();
      read.onload = () => { root.dataset.told = read.result.replaceAll('\\n', '|'); };
      read.readAsText(saved);
    """)  # fmt: skip
    file = tmp_path / 'rating.tsv'
    file.write_text(told.replace('|', '\n'))
    assert excluded_visits(read_ratings([file])) == {
        ('sub-01', 'ses-a'): 'rated exclude (movement; labels)'
    }
