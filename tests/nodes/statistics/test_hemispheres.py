"""Both sides in one model: against statsmodels' mixed model and against known variances."""

import numpy as np
import pandas as pd
import pytest
from toy_cohort import make_people, make_regions

from nigra.nodes.statistics.hemispheres import intraclass, side_table
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.sample import make_sample


@pytest.fixture(scope='module')
def regions():
    people = make_people({'NMO': 12, 'RRMS': 15, 'HC': 13})
    table = make_regions(people, shifts={'RRMS': -4.0})
    shared = np.random.default_rng(3).normal(0, 6, len(people))
    table['chi_mean'] += table.participant_id.map(dict(zip(people.participant_id, shared,
                                                           strict=True)))  # fmt: skip
    table['chi_mean'] += 3.0 * (table.hemisphere == 'L')
    return table


def test_it_is_the_mixed_model(regions):
    """Random intercept by restricted likelihood, sum-to-zero sides: same estimates and errors."""
    import statsmodels.formula.api as smf

    found = side_table(make_sample(regions, Question(covariates=('age',))))
    found = found[(found.measure == 'chi_mean') & (found.region == 'putamen')].set_index('effect')
    own = regions[(regions.region == 'putamen') & (regions.hemisphere != 'both')].assign(
        side=lambda t: np.where(t.hemisphere == 'L', 0.5, -0.5)
    )
    for first, second in (('NMO', 'HC'), ('RRMS', 'HC'), ('NMO', 'RRMS')):
        model = smf.mixedlm(
            f"chi_mean ~ C(group, Treatment('{second}')) * side + age", own,
            groups=own.participant_id,
        ).fit(reml=True, method='powell', ftol=1e-13)  # fmt: skip
        name = f"C(group, Treatment('{second}'))[T.{first}]"
        row = found.loc[f'{first} - {second}']
        assert row.estimate == pytest.approx(model.params[name], rel=1e-6)
        error = row.estimate / row.statistic
        assert error == pytest.approx(model.bse[name], rel=1e-4)
        assert row.df_den == 40 - 4
    side = model.params['side'] + model.params.filter(like=':side').sum() / 3
    assert found.loc['side'].estimate == pytest.approx(side, rel=1e-5)
    variances = float(model.cov_re.iloc[0, 0]), model.scale
    assert found.icc.iloc[0] == pytest.approx(variances[0] / sum(variances), rel=1e-3)


def test_sides_and_interactions_by_hand(regions):
    """The difference of sides is an analysis of variance of its own."""
    from scipy import stats

    found = side_table(make_sample(regions))
    wide = regions[regions.region == 'caudate'].pivot(
        index=['participant_id', 'group'], columns='hemisphere', values='chi_mean'
    )
    difference = (wide.L - wide.R).reset_index()
    parts = [g[0].to_numpy() for _, g in difference.set_index('group').groupby('group')]
    row = found[(found.measure == 'chi_mean') & (found.region == 'caudate')].set_index('effect')
    expected = stats.f_oneway(*parts)
    assert row.loc['group x side'].statistic == pytest.approx(expected.statistic)
    assert row.loc['group x side'].p == pytest.approx(expected.pvalue)
    variance = sum(((p - p.mean()) ** 2).sum() for p in parts) / 37
    error = np.sqrt(variance * sum(1 / len(p) for p in parts)) / 3
    mean = np.mean([p.mean() for p in parts])
    assert row.loc['side'].statistic == pytest.approx(mean / error)
    assert mean > 1


def test_known_variances_come_back():
    assert intraclass(4.0 + 1 / 2, 2.0) == pytest.approx(0.8)
    rng = np.random.default_rng(0)
    person, sides = rng.normal(0, 2, 4000), rng.normal(0, 1, (2, 4000))
    left, right = person + sides
    assert intraclass(np.var((left + right) / 2), np.var(left - right)) == pytest.approx(
        0.8, abs=0.02
    )


def test_everything_has_a_row_and_nothing_is_lost(regions):
    table = side_table(make_sample(regions))
    effects = ['group', 'NMO - HC', 'RRMS - HC', 'NMO - RRMS', 'side', 'group x side']
    for _, rows in table.groupby(['measure', 'region']):
        assert rows.effect.tolist() == effects
    assert table.p.between(0, 1).all()
    assert (table.p_adjusted >= table.p - 1e-12).all()


def test_one_side_only_is_told():
    people = make_people({'A': 4, 'B': 4})
    regions = make_regions(people)
    regions.loc[(regions.hemisphere == 'R') & (regions.region == 'putamen'), 'chi_mean'] = np.nan
    table = side_table(make_sample(regions, Question(covariates=())))
    row = table[(table.measure == 'chi_mean') & (table.region == 'putamen')]
    assert (row.n == 0).all()
    assert row.note.str.startswith('not tested').all()
    assert pd.isna(row.p).all()
