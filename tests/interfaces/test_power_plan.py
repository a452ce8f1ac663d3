"""Planning from files: spreads, sizes and effects that arrive, and what the command refuses."""

import numpy as np
import pandas as pd
import pytest

from nigra.cli.power_cli import main
from nigra.interfaces.power import load_precision, plan_power, spread_within_groups
from nigra.interfaces.study import read_study
from nigra.nodes.errors import InputError
from nigra.nodes.power import contrast_power

STUDY = 'pudlac2020'


def test_precision_of_every_region_is_known():
    precision = load_precision()
    assert set(read_study(STUDY).regions) <= set(precision)
    for how in precision.values():
        assert 0.4 < how.chi_slope < 1.2
        assert 0 < how.chi_error_ppb < 20


@pytest.fixture
def finished(tmp_path):
    """Folder of a group level with two groups of different size and spread."""
    rows = [('putamen', 'A', 5, 3.0), ('putamen', 'B', 9, 4.0), ('thalamus', 'A', 5, 6.0),
            ('thalamus', 'B', 9, 6.0)]  # fmt: skip
    table = pd.DataFrame(rows, columns=['region', 'group', 'n', 'sd'])
    table = table.assign(measure='chi_mean', hemisphere='both')
    # rows of one side and of another measure are no part of it
    others = [table.assign(hemisphere='L', sd=50.0), table.assign(measure='volume_mm3', sd=70.0)]
    path = tmp_path / 'group_means.tsv'
    pd.concat([table, *others]).to_csv(path, sep='\t', index=False)
    return tmp_path


def test_spread_of_an_own_study_is_pooled_by_degrees_of_freedom(finished):
    expected = np.sqrt((4 * 9 + 8 * 16) / 12)
    found = spread_within_groups(finished / 'group_means.tsv')
    assert found == {'putamen': pytest.approx(expected), 'thalamus': pytest.approx(6)}
    table = plan_power(study=STUDY, derivatives=finished, groups=['PD=30', 'HC=30'])
    assert table.sd.tolist() == [pytest.approx(expected), pytest.approx(6)]


def test_a_study_without_susceptibility_has_no_spread(finished):
    path = finished / 'group_means.tsv'
    table = pd.read_csv(path, sep='\t')
    table[table.measure != 'chi_mean'].to_csv(path, sep='\t', index=False)
    with pytest.raises(InputError, match='holds no chi_mean'):
        spread_within_groups(path)


def test_options_arrive_in_the_table():
    precision = load_precision()
    table = plan_power(
        study=STUDY, groups=['PD=30', 'HC=20'], regions=['putamen', 'thalamus'],
        effects=['thalamus:PD=-12.5'], n_covariates=4, alpha=0.01, chance=0.9,
    )  # fmt: skip
    assert table[['n_a', 'n_b']].to_numpy().tolist() == [[30, 20]] * 2
    assert dict(zip(table.region, table.effect, strict=True)) == {'putamen': 0, 'thalamus': -12.5}
    same = contrast_power(
        {'PD': 30, 'HC': 20}, dict(zip(table.region, table.sd, strict=True)), n_covariates=4,
        effects={('thalamus', 'PD'): -12.5}, alpha=0.01, chance=0.9,
        slopes={name: precision[name].chi_slope for name in table.region},
    )  # fmt: skip
    pd.testing.assert_frame_equal(table, same)


def test_a_study_s_own_groups_and_effects_are_the_default():
    study = read_study(STUDY)
    table = plan_power(study=STUDY).set_index(['region', 'contrast'])
    healthy = [g.name for g in study.groups.values()][-1]
    for name, group in study.groups.items():
        if name == healthy:
            continue
        rows = table.xs(f'{name} - {healthy}', level='contrast')
        assert set(rows.n_a) == {group.n}
        expected = {r: group.chi_ppb.get(r, 0) - study.groups[healthy].chi_ppb.get(r, 0)
                    for r in rows.index}  # fmt: skip
        assert rows.effect.to_dict() == expected
    # of other groups only those that share a name have the study's effects
    other = plan_power(
        study=STUDY, groups=['RRMS=9', 'PD=9', healthy + '=9'], regions=['thalamus']
    )
    effects = other.set_index('contrast').effect
    assert effects[f'RRMS - {healthy}'] == study.groups['RRMS'].chi_ppb['thalamus']
    assert effects[f'PD - {healthy}'] == 0


def drawn(effect, **options):
    chosen = {'groups': ['PD=40', 'HC=40'], 'regions': ['thalamus'], 'repetitions': 2}
    (row,) = plan_power(
        study=STUDY, effects=[f'thalamus:PD={effect}'], **(chosen | options)
    ).itertuples()  # fmt: skip
    return row.power_drawn


def test_studies_drawn_find_what_is_large_and_miss_what_is_small(finished):
    assert drawn(-400) == 1
    assert drawn(0.1, alpha=1e-6) == 0
    # of the spread of an own study as well, in which people vary by 6 ppb as measured
    assert drawn(15, derivatives=finished) == 1
    assert drawn(1, derivatives=finished, alpha=1e-4) == 0
    table = plan_power(study=STUDY, derivatives=finished, regions=['thalamus'], alpha=0.2,
                       groups=['PD=12', 'HC=12'], effects=['thalamus:PD=5'],
                       repetitions=10)  # fmt: skip
    assert table.power_drawn[0] == pytest.approx(table.power[0], abs=0.4)


def test_each_study_is_another_draw():
    """One and the same study again and again would be found always or never."""
    found = plan_power(
        study=STUDY, groups=['PD=12', 'HC=12'], regions=['thalamus'], alpha=0.5, chance=0.9,
        effects=['thalamus:PD=5'], repetitions=12,
    )  # fmt: skip
    assert 0 < found.power_drawn[0] < 1


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (['--groups', 'PD30', 'HC=3'], '--groups PD30: is not NAME=N'),
        (['--groups', '=30', 'HC=3'], '--groups =30: is not NAME=N'),
        (['--groups', 'PD=x', 'HC=3'], '--groups PD=x: is not NAME=N'),
        (['--groups', 'PD=1', 'HC=30'], '--groups PD=1: is not NAME=N'),
        (['--groups', 'PD=30'], 'names fewer than two groups'),
        (['--groups', 'HC=30', 'PD=9', 'HC=20'], '--groups HC=20: names HC twice'),
        (['--effects', 'putamen:XX=3'], '--effects putamen:XX=3: is not REGION:GROUP=PPB'),
        (['--effects', 'skull:HC=3'], '--effects skull:HC=3: is not REGION:GROUP=PPB'),
        (['--effects', 'putamen:HC=low'], '--effects putamen:HC=low: is not REGION:GROUP=PPB'),
        (['--effects', 'putamen:HC=inf'], '--effects putamen:HC=inf: is not REGION:GROUP=PPB'),
        (['--regions', 'foo'], '--regions foo: has no known spread'),
        (['--power', '1.2'], 'cannot be'),
        (['--power', '1'], 'cannot be'),
        (['--power', '0.05'], 'cannot be'),
        (['--alpha', '0'], 'cannot be'),
        (['--alpha', '1'], 'cannot be'),
        (['--groups', 'PD=2', 'HC=2'], 'PD=2 HC=2 --covariates 2: leave no degrees of freedom'),
        (['--study', 'nope.toml'], 'nope.toml: cannot be read'),
        (['--derivatives', '/nowhere'], 'group_means.tsv: cannot be read'),
    ],
)
def test_what_is_refused(options, match, capsys):
    assert main(options) == 1
    assert match in capsys.readouterr().err


def test_one_degree_of_freedom_is_enough():
    sizes = {'groups': ['PD=2', 'HC=3'], 'regions': ['putamen']}
    assert len(plan_power(study=STUDY, n_covariates=2, **sizes)) == 1
    with pytest.raises(InputError, match='no degrees of freedom'):
        plan_power(study=STUDY, n_covariates=3, **sizes)


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


@pytest.mark.parametrize('regions', [['thalamus'], ['putamen'], ['substantia_nigra', 'putamen']])
def test_some_regions_of_a_study_are_drawn(regions):
    """The study's effects on other regions are no business of these."""
    table = plan_power(study=STUDY, regions=regions, repetitions=2)
    assert set(table.region) == set(regions)
    assert table.power_drawn.between(0, 1).all()
