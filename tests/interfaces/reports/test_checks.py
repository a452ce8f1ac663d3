"""Checks of a run: green where all is well, and what is wrong where not."""

import pandas as pd
import pytest
from toy_page import region_rows

from nigra.interfaces.anatomy.brain_mask import BRAIN_ML, LEAST_PRIOR_OVERLAP
from nigra.interfaces.anatomy.gre_to_t1w import LEAST_NMI, MOST_MISFIT_MM, MOST_STRETCH
from nigra.interfaces.reports.checks import (
    PROBLEMS,
    fringe_check,
    head_check,
    phase_check,
    problems_of,
    region_checks,
    registration_check,
    run_checks,
    verdict,
)
from nigra.nodes.anatomy.quality import LEAST_MM3
from nigra.nodes.field.fringes import LEAST_LINE_MM
from nigra.nodes.field.sign import STRONG


def lights(frame, warnings=()):
    return {c.title: c for c in region_checks(frame, list(warnings))}


def test_lights_are_green_where_all_is_well():
    found = lights(region_rows())
    assert {c.status for c in found.values()} == {'good'}
    assert verdict(list(found.values())).status == 'good'


@pytest.mark.parametrize(
    ('changes', 'title', 'status', 'text'),
    [
        ({'coverage': 0.8}, 'Nuclei inside the map', 'note', 'right caudate, 80 %'),
        ({'coverage': 0.3}, 'Nuclei inside the map', 'bad', 'right caudate, 30 %'),
        ({'volume_mm3': 900.0}, 'Left/right volume difference', 'note', 'caudate, 43 %'),
        ({'n_voxels': 0}, 'Nuclei without a value', 'bad', 'right caudate'),
        ({'chi_mean': float('nan')}, 'Nuclei without a value', 'bad', 'right caudate'),
    ],
)
def test_lights_tell_what_is_wrong(changes, title, status, text):
    found = lights(region_rows(**changes))
    assert found[title].status == status
    assert text in found[title].text
    assert verdict(list(found.values())).status == status


def test_inverted_contrast_is_a_problem():
    frame = region_rows()
    frame['region'] = frame['region'].replace('caudate', 'thalamus')
    assert lights(frame)['Iron contrast'].status == 'good'
    frame['chi_mean'] *= -1
    found = lights(frame)['Iron contrast']
    assert found.status == 'bad'
    assert 'sign of the phase' in found.text


def test_warnings_light():
    found = lights(region_rows(), ['a', 'b'])
    assert found['Warnings'].status == 'note'
    assert found['Warnings'].text == '2 warnings, listed below'


def test_brain_outside_the_usual_volumes_is_told_with_them():
    frame = region_rows()
    frame.loc[frame.region == 'brain', 'volume_mm3'] = 5e5
    found = lights(frame)['Brain volume']
    assert found.status == 'note'
    assert found.text == '500 mL, outside 850 to 2400 mL: check the brain mask'


def test_verdict_counts_the_worst():
    found = list(lights(region_rows(coverage=0.3, n_voxels=10), ['a']).values())
    assert verdict(found).text == '1 problem'
    found = [c for c in found if c.status != 'bad']
    assert (verdict(found).status, verdict(found).text) == ('note', '1 check to review')
    assert verdict([]).text == 'all checks passed'


@pytest.mark.parametrize(
    ('quality', 'status', 'text'),
    [
        ({'sign_correlation': 0.58, 'phase_inverted': 0}, 'good', 'as stored; correlation 0.58'),
        ({'sign_correlation': 0.1}, 'good', 'kept; correlation 0.10'),
        ({'sign_correlation': 0.58, 'phase_inverted': 1}, 'note', 'turned'),
        ({'sign_correlation': -0.58, 'phase_inverted': 0}, 'bad', 'inverted, and kept'),
        ({'sign_correlation': 0.1, 'phase_filtered': 1}, 'bad', 'high-pass filtered'),
    ],
)
def test_the_phase_has_a_light_of_its_own(quality, status, text):
    (light,) = phase_check(quality)
    assert light.status == status
    assert text in light.text


def test_a_phase_that_was_not_tested_has_no_light():
    assert phase_check({'snr': 30.0}) == []


def test_parts_that_nobody_compares_raise_no_flag():
    frame = region_rows()
    part = frame[frame.region == 'pallidum'].assign(region='pallidum_internus')
    part.loc[part.hemisphere == 'L', ['volume_mm3', 'coverage', 'chi_mean']] = [3.0, 0.1, None]
    found = region_checks(pd.concat([frame, part]), [])
    assert {check.status for check in found} == {'good'}


def test_problems_have_names_and_are_all_the_page_calls_so():
    frame = region_rows(coverage=0.3)
    frame.loc[frame.region == 'pallidum', 'chi_mean'] = None
    assert problems_of(frame, {'sign_correlation': -0.5}) == [
        'region_missing', 'coverage', 'phase_sign',
    ]  # fmt: skip
    assert problems_of(region_rows(), {'sign_correlation': 0.5}) == []
    assert set(problems_of(frame, {'sign_correlation': 0.1, 'phase_filtered': 1})) <= set(PROBLEMS)


@pytest.mark.parametrize(
    ('quality', 'problem', 'words'),
    [
        ({'prior_overlap': 0.96, 'nmi': 1.05}, None, 'by 96 %, the normalised mutual'),
        (
            {'prior_overlap': 0.7, 'nmi': 1.05},
            'registration',
            'brain overlaps the T1w image’s by 70 %, below 85 %',
        ),
        ({'nmi': 1.005}, 'registration', 'gradient echo is 1.005, below 1.02'),
        ({'open_fringe_mm': 80.0}, 'open_fringes', 'a line of 80 mm through tissue'),
        ({'open_fringe_mm': 10.0}, None, ''),
        ({'open_fringe_mm': 80.0, 'phase_filtered': 1}, None, ''),
    ],
)
def test_a_failed_registration_and_open_fringes_are_problems(quality, problem, words):
    checks = run_checks(region_rows(), [], quality)
    assert [c.problem for c in checks if c.status == 'bad'] == ([problem] if problem else [])
    assert problems_of(region_rows(), quality) == ([problem] if problem else [])
    assert not words or any(words in c.text for c in checks)
    assert ('Registration' in {c.title for c in checks}) == ('nmi' in quality)


@pytest.mark.parametrize(
    ('changes', 'title', 'status'),
    [
        ({'coverage': 0.9}, 'Nuclei inside the map', 'good'),
        ({'coverage': 0.899}, 'Nuclei inside the map', 'note'),
        ({'coverage': 0.5}, 'Nuclei inside the map', 'note'),
        ({'coverage': 0.499}, 'Nuclei inside the map', 'bad'),
        ({'coverage': float('nan')}, 'Nuclei inside the map', 'good'),
    ],
)
def test_limits_of_the_lights(changes, title, status):
    assert lights(region_rows(**changes))[title].status == status


@pytest.mark.parametrize(
    ('left', 'right', 'status', 'told'),
    [(1000, 1000, 'good', '0 %'), (875, 1125, 'good', '25 %'), (1130, 870, 'note', '26 %'),
     (870, 1130, 'note', '26 %')],
)  # fmt: skip
def test_sides_are_compared_with_their_mean(left, right, status, told):
    frame = region_rows()
    nucleus = frame.region == 'caudate'
    frame.loc[nucleus & (frame.hemisphere == 'L'), 'volume_mm3'] = float(left)
    frame.loc[nucleus & (frame.hemisphere == 'R'), 'volume_mm3'] = float(right)
    frame.loc[~nucleus & frame.hemisphere.isin(['L', 'R']), 'volume_mm3'] = 2000.0
    found = lights(frame)['Left/right volume difference']
    assert found.status == status
    if told != '0 %':
        assert f'caudate, {told}' in found.text


def test_a_side_alone_is_not_compared_and_small_nuclei_neither():
    frame = region_rows()
    assert 'Left/right volume difference' not in lights(frame[frame.hemisphere != 'R'])
    small = frame.assign(volume_mm3=LEAST_MM3 * 0.99)
    assert 'Left/right volume difference' not in lights(small)
    assert 'Left/right volume difference' in lights(frame.assign(volume_mm3=LEAST_MM3))


@pytest.mark.parametrize(
    ('volume', 'status'),
    [(BRAIN_ML[0], 'good'), (BRAIN_ML[0] - 1, 'note'), (BRAIN_ML[1], 'good'),
     (BRAIN_ML[1] + 1, 'note')],
)  # fmt: skip
def test_brains_may_be_as_small_and_as_large_as_the_limits(volume, status):
    frame = region_rows()
    frame.loc[frame.region == 'brain', 'volume_mm3'] = 1000.0 * volume
    found = lights(frame)['Brain volume']
    assert found.status == status
    assert found.text.startswith(f'{volume:.0f} mL')


@pytest.mark.parametrize(
    ('r', 'status', 'words'),
    [(STRONG, 'good', 'as stored'), (STRONG - 0.01, 'good', 'says little'),
     (-STRONG + 0.01, 'good', 'says little'), (-STRONG, 'bad', 'inverted, and kept')],
)  # fmt: skip
def test_a_correlation_is_strong_from_its_limit_on(r, status, words):
    (found,) = phase_check({'sign_correlation': r})
    assert found.status == status
    assert words in found.text


@pytest.mark.parametrize(
    ('length', 'told'), [(LEAST_LINE_MM, True), (LEAST_LINE_MM - 0.1, False), (None, False)]
)
def test_lines_are_told_from_their_least_length_on(length, told):
    assert bool(fringe_check({'open_fringe_mm': length})) == told
    assert not fringe_check({'open_fringe_mm': length, 'phase_filtered': True})


@pytest.mark.parametrize(
    ('quality', 'statuses'),
    [
        ({}, []),
        ({'nmi': LEAST_NMI}, ['good']),
        ({'nmi': LEAST_NMI - 0.001}, ['bad']),
        ({'prior_overlap': LEAST_PRIOR_OVERLAP}, ['good']),
        ({'prior_overlap': LEAST_PRIOR_OVERLAP - 0.001, 'nmi': 2.0}, ['bad']),
    ],
)
def test_a_registration_fails_below_its_limits(quality, statuses):
    assert [c.status for c in registration_check(quality)] == statuses


@pytest.mark.parametrize(
    ('misfit', 'stretch', 'status'),
    [(MOST_MISFIT_MM + 1, MOST_STRETCH + 0.1, 'bad'), (MOST_MISFIT_MM + 1, 1.0, 'good'),
     (0.2, MOST_STRETCH + 0.1, 'good'), (0.2, 1.02, 'good')],
)  # fmt: skip
def test_another_head_is_moved_and_stretched(misfit, stretch, status):
    (found,) = head_check({'misfit_mm': misfit, 'stretch': stretch})
    assert found.status == status
    assert f'{misfit:.1f} mm' in found.text
    assert f'by {100 * (stretch - 1):.0f} %' in found.text
    assert not head_check({'misfit_mm': misfit})
    assert not head_check({'stretch': stretch})
