"""Power against statsmodels and against studies drawn."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.study import read_study
from nigra.nodes.errors import NigraError
from nigra.nodes.power import (
    Comparison,
    Precision,
    contrast_power,
    detectable,
    draw_values,
    measured_spread,
    power,
)
from nigra.nodes.simulation.cohort import RegionModel, draw_cohort
from nigra.nodes.statistics.group_models import group_tables


@pytest.mark.parametrize(('n_a', 'n_b'), [(5, 5), (20, 40), (12, 80)])
@pytest.mark.parametrize('size', [0.2, 0.8, 1.3])
def test_two_groups_without_covariates_are_those_of_statsmodels(n_a, n_b, size):
    from statsmodels.stats.power import TTestIndPower

    expected = TTestIndPower().power(size, n_a, 0.05, ratio=n_b / n_a)
    assert power(3 * size, 3.0, Comparison(n_a, n_b, n_a + n_b - 2)) == pytest.approx(
        expected, abs=1e-6
    )


def test_published_table():
    """Cohen, Statistical Power Analysis, 2nd edition 1988, table 2.4.1: d .5 and .8, power .8."""
    for size, n in ((0.5, 64), (0.8, 26)):
        assert power(size, 1.0, Comparison(n, n, 2 * n - 2)) >= 0.8
        assert power(size, 1.0, Comparison(n - 1, n - 1, 2 * n - 4)) < 0.8


def test_what_is_detectable_has_the_power_asked_for():
    plan = Comparison(20, 40, 75, 0.002)
    assert power(detectable(9.0, plan, chance=0.9), 9.0, plan) == pytest.approx(0.9, abs=1e-8)
    assert power(0.0, 1.0, plan) == pytest.approx(0.002)
    assert power(500.0, 1.0, plan) == 1.0
    with pytest.raises(NigraError, match='chance'):
        detectable(1.0, plan, chance=1.0)
    with pytest.raises(NigraError, match='no test'):
        Comparison(1, 20, 19)


def test_the_family_pays_for_all_its_tests():
    table = contrast_power({'A': 20, 'B': 20, 'C': 20}, {'x': 5.0, 'y': 8.0})
    assert len(table) == 6
    one = Comparison(20, 20, 60 - 3 - 2, 0.05 / 6)
    assert table.detectable_family[0] == pytest.approx(detectable(5.0, one))
    flat = contrast_power({'A': 20, 'B': 20}, {'x': 5.0}, slopes={'x': 0.5})
    assert flat.detectable[0] == pytest.approx(2 * detectable(5.0, Comparison(20, 20, 36)))


@pytest.mark.slow
def test_it_is_how_often_drawn_studies_find_it():
    study = read_study('pudlac2020')
    precision = {name: Precision(0.9, 6.0) for name in study.regions}
    spreads = measured_spread(study.regions, precision)
    sizes = {g.name: g.n for g in study.groups.values()}
    effect = study.groups['RRMS'].chi_ppb['thalamus']
    planned = contrast_power(
        sizes, spreads, effects={('thalamus', 'RRMS'): effect},
        slopes=dict.fromkeys(spreads, 0.9),
    ).set_index(['region', 'contrast'])  # fmt: skip
    hits = []
    for seed in range(60):
        sample = draw_values(list(study.groups.values()), study.regions, precision, seed)
        keep = [('chi_mean', 'thalamus', 'both')]
        sample = sample.__class__(**{**vars(sample), 'values': sample.values[keep]})
        rows = group_tables(sample).contrasts.set_index('contrast')
        hits.append(rows.p['RRMS - HC'] < 0.05)
    expected = planned.power['thalamus', 'RRMS - HC']
    assert np.mean(hits) == pytest.approx(expected, abs=3 * np.sqrt(0.25 / 60))


def test_errors_leave_the_people_alone():
    study = read_study('pudlac2020')
    groups = list(study.groups.values())
    true = draw_values(groups, study.regions, {}, 7)
    measured = draw_values(groups, study.regions, {'putamen': Precision(0.8, 5.0, 2.0)}, 7)
    pd.testing.assert_frame_equal(true.people, measured.people)
    same = true.values.columns.get_level_values(1) != 'putamen'
    pd.testing.assert_frame_equal(true.values.loc[:, same], measured.values.loc[:, same])
    key = ('chi_mean', 'putamen', 'both')
    slope, _ = np.polyfit(true.values[key], measured.values[key], 1)
    assert slope == pytest.approx(0.8, abs=0.2)
    assert (measured.values[key] - 0.8 * true.values[key]).std() == pytest.approx(5, abs=1.2)


@pytest.mark.parametrize(
    'wrong', [(1, 20, 19, 0.05), (20, 1, 19, 0.05), (20, 20, 0, 0.05), (20, 20, 38, 0.0),
              (20, 20, 38, 1.0)],
)  # fmt: skip
def test_each_thing_that_allows_no_test_is_refused(wrong):
    with pytest.raises(NigraError, match='no test can be made'):
        Comparison(*wrong)


def test_measured_spread_by_hand():
    """The mean of two sides has half their variance; slope and error act on what is measured."""
    regions = {name: RegionModel(50.0, chi_sd_ppb=8.0, side_sd_ppb=4.0) for name in 'ab'}
    found = measured_spread(regions, {'a': Precision(0.9, 3.0)})
    assert found['a'] == pytest.approx(np.sqrt(0.81 * (64 + 8) + 9))
    assert found['b'] == pytest.approx(np.sqrt(72))


def test_effects_are_differences_of_groups_as_they_are_measured():
    effects = {('x', 'A'): 5.0, ('x', 'C'): 2.0, ('y', 'B'): -4.0}
    table = contrast_power(
        {'A': 10, 'B': 12, 'C': 20}, {'x': 6.0, 'y': 9.0}, n_covariates=3, effects=effects,
        slopes={'x': 0.5}, alpha=0.04, chance=0.9,
    ).set_index(['region', 'contrast'])  # fmt: skip
    assert len(table) == 6
    expected = {('x', 'A - C'): 3, ('x', 'B - C'): -2, ('x', 'A - B'): 5, ('y', 'A - C'): 0,
                ('y', 'B - C'): -4, ('y', 'A - B'): 4}  # fmt: skip
    assert table.effect.to_dict() == expected
    sizes = {'A': 10, 'B': 12, 'C': 20}
    for (region, contrast), row in table.iterrows():
        a, b = (sizes[g] for g in contrast.split(' - '))
        assert (row.n_a, row.n_b) == (a, b)
        sd, slope = {'x': (6.0, 0.5), 'y': (9.0, 1.0)}[region]
        alone, family = (Comparison(a, b, 42 - 3 - 3, level) for level in (0.04, 0.04 / 6))
        assert row.detectable == pytest.approx(detectable(sd, alone, chance=0.9) / slope)
        assert row.detectable_family == pytest.approx(detectable(sd, family, chance=0.9) / slope)
        if row.effect:
            assert row.power == pytest.approx(power(slope * row.effect, sd, alone))
            assert row.power_family == pytest.approx(power(slope * row.effect, sd, family))
        else:
            assert np.isnan(row.power)


@pytest.mark.parametrize(('chance', 'known'), [(0.05, False), (0.051, True), (0.999, True),
                                               (1.0, False)])  # fmt: skip
def test_what_chance_can_be_asked_for(chance, known):
    plan = Comparison(10, 12, 20)
    if known:
        found = detectable(2.0, plan, chance=chance)
        assert power(found, 2.0, plan) == pytest.approx(chance, abs=1e-6)
    else:
        with pytest.raises(NigraError, match='chance must lie between'):
            detectable(2.0, plan, chance=chance)


def test_the_smallest_studies_allow_a_test():
    assert Comparison(2, 2, 1, 0.5).df == 1
    assert detectable(1.0, Comparison(2, 2, 1)) > 10


def test_drawn_values_are_the_people_s_measured_with_error():
    study = read_study('pudlac2020')
    groups = [replace(group, n=150) for group in study.groups.values()]
    people = draw_cohort(groups, study.regions, 5, reference_age=45.0)
    sample = draw_values(groups, study.regions, {'putamen': Precision(1.0, 0.0, 4.0)}, 5)
    index = [f'sub-{p.label}' for p in people]
    for name in ('putamen', 'thalamus'):
        both = [(p.chi_ppb[name, 'L'] + p.chi_ppb[name, 'R']) / 2 for p in people]
        assert sample.values['chi_mean', name, 'both'][index].tolist() == pytest.approx(both)
    volumes = {n: np.array([100 * p.volume_factor[n] for p in people]) for n in study.regions}
    measured = sample.values['volume_normalised']
    assert measured['thalamus', 'both'][index].tolist() == pytest.approx(volumes['thalamus'])
    error = measured['putamen', 'both'][index] / volumes['putamen'] - 1
    assert error.std() == pytest.approx(0.04, rel=0.15)
    assert error.mean() == pytest.approx(0, abs=0.01)
    assert sample.people.age.tolist() == [p.age for p in people]
