"""Checks of a run: green where all is well, and what is wrong where not."""

import pandas as pd
import pytest
from toy_page import region_rows

from nigra.interfaces.reports.checks import (
    PROBLEMS,
    phase_check,
    problems_of,
    region_checks,
    run_checks,
    verdict,
)


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
        ({'prior_overlap': 0.96, 'nmi': 1.05}, None, 'template and T1w agree by 0.960, T1w and'),
        ({'prior_overlap': 0.7, 'nmi': 1.05}, 'registration', 'T1w agree by 0.700, below 0.85'),
        ({'nmi': 1.005}, 'registration', 'gradient echo agree by 1.005, below 1.02'),
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
