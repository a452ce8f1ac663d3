"""Power against statsmodels and against studies drawn, and what the command refuses."""

import numpy as np
import pandas as pd
import pytest

from nigra.cli.power_cli import main
from nigra.interfaces.power import load_precision, plan_power, spread_within_groups
from nigra.interfaces.study import read_study
from nigra.nodes.errors import InputError, NigraError
from nigra.nodes.power import (
    Comparison,
    Precision,
    contrast_power,
    detectable,
    draw_values,
    measured_spread,
    power,
)
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


def test_precision_of_every_region_is_known():
    precision = load_precision()
    assert set(read_study('pudlac2020').regions) <= set(precision)
    for how in precision.values():
        assert 0.4 < how.chi_slope < 1.2
        assert 0 < how.chi_error_ppb < 20


def test_spread_of_an_own_study(tmp_path):
    pd.DataFrame({
        'measure': 'chi_mean', 'region': ['putamen'] * 2, 'hemisphere': 'both',
        'group': ['A', 'B'], 'n': [5, 9], 'sd': [3.0, 4.0],
    }).to_csv(tmp_path / 'group_means.tsv', sep='\t', index=False)  # fmt: skip
    expected = np.sqrt((4 * 9 + 8 * 16) / 12)
    found = spread_within_groups(tmp_path / 'group_means.tsv')
    assert found == {'putamen': pytest.approx(expected)}
    table = plan_power(study='pudlac2020', derivatives=tmp_path, groups=['PD=30', 'HC=30'])
    assert table.sd.tolist() == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (['--groups', 'PD30', 'HC=3'], '--groups PD30: is not NAME=N'),
        (['--groups', 'PD=30'], 'names fewer than two groups'),
        (['--groups', 'HC=30', 'PD=9', 'HC=20'], '--groups HC=20: names HC twice'),
        (['--effects', 'putamen:XX=3'], '--effects putamen:XX=3: is not REGION:GROUP=PPB'),
        (['--regions', 'foo'], '--regions foo: has no known spread'),
        (['--power', '1.2'], 'cannot be'),
        (['--groups', 'PD=2', 'HC=2'], 'PD=2 HC=2 --covariates 2: leave no degrees of freedom'),
        (['--study', 'nope.toml'], 'nope.toml: cannot be read'),
        (['--derivatives', '/nowhere'], 'group_means.tsv: cannot be read'),
    ],
)
def test_what_is_refused(options, match, capsys):
    assert main(options) == 1
    assert match in capsys.readouterr().err


def test_command_prints_and_saves(tmp_path, capsys):
    out = tmp_path / 'power.tsv'
    options = ['--groups', 'PD=30', 'HC=30', '--effects', 'substantia_nigra:PD=25', '--regions',
               'substantia_nigra', 'putamen', '--repetitions', '3', '--out', str(out)]  # fmt: skip
    assert main(options) == 0
    text = capsys.readouterr().out
    assert 'substantia_nigra' in text
    assert 'PD - HC' in text
    table = pd.read_csv(out, sep='\t')
    assert table.power_drawn.between(0, 1).all()
    assert table.effect.tolist() == [0.0, 25.0]


def test_nothing_to_refuse_in_the_example():
    with pytest.raises(InputError, match='is not NAME=N'):
        plan_power(study='example', groups=['HC=1', 'PD=3'])


@pytest.mark.parametrize('regions', [['thalamus'], ['putamen'], ['substantia_nigra', 'putamen']])
def test_some_regions_of_a_study_are_drawn(regions):
    """The study's effects on other regions are no business of these."""
    table = plan_power(study='pudlac2020', regions=regions, repetitions=2)
    assert set(table.region) == set(regions)
    assert table.power_drawn.between(0, 1).all()


@pytest.mark.parametrize(
    'wrong', [(1, 20, 19, 0.05), (20, 1, 19, 0.05), (20, 20, 0, 0.05), (20, 20, 38, 0.0),
              (20, 20, 38, 1.0)],
)  # fmt: skip
def test_each_thing_that_allows_no_test_is_refused(wrong):
    with pytest.raises(NigraError, match='no test can be made'):
        Comparison(*wrong)
