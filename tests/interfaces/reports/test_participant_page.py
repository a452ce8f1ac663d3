"""Participant pages: everything is shown, safe with any name, numbers as in the table."""

import numpy as np
import pytest
from PIL import Image
from toy_page import EVIL, NAMES, Page, check_alone, region_rows, write_visit

from nigra.interfaces.reports import participant_page
from nigra.interfaces.reports.participant_page import (
    fact_pairs,
    quality_answers,
    quality_pairs,
    run_page,
)
from nigra.interfaces.reports.report import ParticipantReport, Thumbnail, render_participant
from nigra.nodes.errors import NigraError


@pytest.fixture(scope='module')
def visit(tmp_path_factory):
    return write_visit(tmp_path_factory.mktemp('visit'))


def render(visit, **changes):
    given, run = visit
    return render_participant(
        participant_id='sub-01', runs=[run | changes], names=NAMES, versions={'nigra': '9.9'},
        warnings=[f'two T1w images {EVIL}'], methods_html='<p>as <b>told</b></p>', **given,
    )  # fmt: skip


def test_participant_page_stands_alone_and_shows_everything(visit):
    html = render(visit)
    page = check_alone(html)
    for text in ('Brain mask', 'T1w to template', 'Deep grey nuclei on the T1w image',
                 'Gradient echo to T1w', 'Deep grey nuclei on the susceptibility map',
                 'Susceptibility map', 'Local field', 'Total field', 'R2*', '1.5 T', '20, 40 ms',
                 '1.5 × 1.8 × 3.5 mm', 'inversion.weight', '0.0004', '9.9', 'Overlap', 'as told',
                 '±0.15'[1:], 'brain mask'):  # fmt: skip
        assert text in page.words, text
    assert f'two T1w images {EVIL}' in page.words
    assert f'phase of {EVIL} was rescaled' in page.words
    assert html == render(visit)
    assert len(html) < 1_000_000


def test_region_table_has_full_numbers(visit):
    page = check_alone(render(visit))
    rows = [row for row in page.tables if row and row[0] in ('caudate', 'pallidum', 'brain')]
    expected = region_rows()
    assert len(rows) == len(expected)
    for row, (_, truth) in zip(rows, expected.iterrows(), strict=True):
        assert row[:2] == [truth.region, truth.hemisphere]
        numbers = ['coverage', 'n_voxels', 'volume_mm3', 'chi_median', 'chi_sd']
        np.testing.assert_array_equal(np.array(row[5:10], float), truth[numbers].to_numpy(float))
        volumes = [truth.chi_mean, truth.volume_mm3 / 1000, truth.volume_mm3 / 1.3e6 * 100]
        np.testing.assert_allclose(np.array(row[2:5], float), volumes, equal_nan=False)


def test_one_echo_and_no_labels(visit):
    given, run = visit
    given = {k: v for k, v in given.items() if k != 'labels_in_t1w'}
    html = render_participant(
        participant_id='sub-01', runs=[run | {'r2star': None}], names=NAMES, **given
    )
    words = check_alone(html).words
    assert 'R2* Enlarge' not in words
    assert 'on the T1w image outlines' not in words


def test_the_page_says_why_there_is_no_decay(visit):
    _, run = visit
    one = run | {'r2star': None, 'facts': run['facts'] | {'EchoTimes': [0.02]}}
    told = 'this run has one echo, at 20 ms.'
    assert run_page(one, 1, NAMES, title='x').no_decay.endswith(told)
    assert run_page(run, 1, NAMES, title='x').no_decay == ''
    assert run_page(one | {'facts': None}, 1, NAMES, title='x').no_decay == ''  # not known
    html = render_participant(participant_id='sub-01', runs=[one], names=NAMES, **visit[0])
    words = check_alone(html).words
    assert words.index('Total field') < words.index(told) < words.index('Values of every region')
    assert told not in check_alone(render(visit)).words


def test_one_step_reconstruction_has_no_local_field(visit):
    given, run = visit
    html = render_participant(
        participant_id='sub-01', runs=[run | {'localfield': None}], names=NAMES, **given
    )
    words = check_alone(html).words
    assert 'Local field Enlarge' not in words
    assert 'Total field Enlarge' in words


def test_runs_have_their_own_sections(visit):
    given, run = visit
    runs = [run | {'entities': {'prefix': f'sub-01_run-{i}'}} for i in (1, 2)]
    html = render_participant(participant_id='sub-01', runs=runs, names=NAMES, **given)
    assert check_alone(html).words.count('Gradient echo run-2') >= 2
    assert {'#run-1', '#run-2'} <= set(Page(html).links)


def test_participant_interface_writes_the_page(visit, tmp_path):
    given, run = visit
    out = tmp_path / 'deep' / 'sub-01.html'
    result = ParticipantReport(
        participant_id='sub-01', runs=[run], warnings=['one'], anat_warnings=['two'],
        versions={'nigra': '1'}, out_file=str(out), **given,
    ).run()  # fmt: skip
    assert result.outputs.out_report == str(out)
    words = check_alone(out.read_text(encoding='utf-8')).words
    assert 'one two' in words


def test_the_small_picture_is_not_stretched(visit, tmp_path):
    out = tmp_path / 'figures' / 'sub-01_thumbnail.png'
    Thumbnail(runs=[visit[1]], out_file=str(out)).run()
    with Image.open(out) as picture:
        # the voxels are 1.5 x 1.8 mm, and a ball is drawn round
        assert picture.width == pytest.approx(picture.height, abs=5)


def test_runs_of_a_page_are_summed_up_with_the_visit(visit):
    given, run = visit
    runs = [run | {'entities': {'prefix': f'sub-01_run-{i}'}} for i in (1, 2)]
    runs[0]['load_warnings'] = None
    html = render_participant(
        participant_id='sub-01', runs=runs, names=NAMES, warnings=['one', 'two'], **given
    )
    words = check_alone(html).words
    assert '▲ review Warnings on the visit 2 warnings, listed below' in words
    assert '✓ ok Gradient echo run-1 all checks passed' in words
    assert '▲ review Gradient echo run-2 1 check to review' in words


def test_what_the_page_would_not_show_is_refused(visit):
    _, run = visit
    with pytest.raises(NigraError, match='does not show new_warnings'):
        run_page(run | {'new_warnings': ['x']}, 1, NAMES, title='x')


def test_a_region_without_a_value_says_why():
    rows = region_rows(chi_mean=np.nan).assign(reason=None)
    assert 'Why n/a' not in [c.title for c in participant_page.region_rows(rows).columns]
    rows.loc[1, 'reason'] = '4 voxels, 5 are needed'
    table = participant_page.region_rows(rows)
    at = [c.title for c in table.columns].index('Why n/a')
    assert at < table.lead
    assert [row[at].text for row in table.rows[:3]] == ['', '4 voxels, 5 are needed', '']


def test_the_few_measures_that_answer_a_question_stand_first_and_once(tmp_path):
    quality = {'chi_sd': 31.0, 'snr': 54.25, 'jacobian_min': 0.4, 'shift_mm': None}
    asked = quality_answers(quality)
    assert [(name, text) for name, text, _ in asked] == [
        ('Is there enough signal?', 'SNR: 54.25'),
        ('How strongly does the map vary?', 'Map’s spread: 31 ppb'.replace('’', "'")),
    ]
    _, run = write_visit(tmp_path)
    page = run_page({**run, 'quality': quality}, 1, NAMES, title='x')
    assert page.answers == asked
    assert 'Smallest Jacobian' in [name for name, *_ in page.quality]
    assert not {'SNR', "Map's spread"} & {name for name, *_ in page.quality}


def test_facts_are_shown_with_their_units():
    quality = {'turn_deg': 1.71, 'brain_ml': 1500.0, 'snr': 54.25, 'own_measure': 1}
    told = quality_pairs(quality)
    assert [name for name, _, hint in told if hint] == ['Turn', 'Brain', 'SNR']
    assert [text for _, text, _ in told] == ['1.71°', '1500 mL', '54.25', '1']
    facts = fact_pairs({'MagneticFieldStrength': 3, 'Coil': 'head'})
    assert facts == [('Field strength', '3 T'), ('Coil', 'head')]
