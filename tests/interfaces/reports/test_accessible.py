"""Pages for people who do not see or use a mouse: axe finds nothing serious."""

from toy_axe import needs_axe, violations
from toy_cohort import make_people, write_study
from toy_page import NAMES, write_visit

from nigra.interfaces.reports.index_page import write_index
from nigra.interfaces.reports.report import render_participant
from nigra.workflows.group import init_group_wf

pytestmark = needs_axe


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
