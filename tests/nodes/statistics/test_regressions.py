"""Regressions and means against statsmodels' formulae and against scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from toy_cohort import make_people, make_regions

from nigra.nodes.statistics.comparison import compare_groups
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.regressions import covariate_table
from nigra.nodes.statistics.sample import make_sample


def wide(regions, region='thalamus', side='both'):
    return regions[(regions.region == region) & (regions.hemisphere == side)]


def of(table, region='thalamus', side='both'):
    return table[(table.measure == 'chi_mean') & (table.region == region)
                 & (table.hemisphere == side)]  # fmt: skip


@pytest.mark.parametrize('sizes', [{'MS': 25}, {'MS': 12, 'HC': 13}])
def test_slopes_are_those_of_statsmodels(sizes):
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    people = make_people(sizes)
    people['site'] = np.resize(['x', 'y', 'z', 'y'], len(people))
    regions = make_regions(people)
    group = ' + C(group)' if len(sizes) > 1 else ''
    found = of(covariate_table(make_sample(regions, Question(covariates=('age', 'sex', 'site')))))
    fit = smf.ols(f'chi_mean ~ age + C(sex) + C(site){group}', wide(regions)).fit()
    robust = fit.get_robustcov_results('HC3')
    names = {('age', None): 'age', ('sex', 'M - F'): 'C(sex)[T.M]',
             ('site', 'y - x'): 'C(site)[T.y]', ('site', 'z - x'): 'C(site)[T.z]'}  # fmt: skip
    for (covariate, level), name in names.items():
        row = found[(found.covariate == covariate) & (found.level.fillna('') == (level or ''))
                    & found.slope.notna()].iloc[0]  # fmt: skip
        low, high = fit.conf_int().loc[name]
        place = list(fit.params.index).index(name)
        expected = (fit.params[name], low, high, fit.tvalues[name], fit.pvalues[name],
                    robust.pvalues[place], fit.df_resid)  # fmt: skip
        got = (row.slope, row.ci_low, row.ci_high, row.statistic, row.p, row.p_hc3, row.df_den)
        np.testing.assert_allclose(got, expected, rtol=1e-7, equal_nan=False)
    joint = found[(found.covariate == 'site') & found.level.isna()].iloc[0]
    line = anova_lm(fit, typ=2).loc['C(site)']
    assert (joint.statistic, joint.p) == pytest.approx((line.F, line['PR(>F)']))
    assert joint.df_num == 2


def test_a_partial_correlation_is_one_of_residuals():
    people = make_people({'MS': 20})
    regions = make_regions(people)
    row = of(covariate_table(make_sample(regions))).iloc[0]
    own = wide(regions)
    other = np.column_stack([np.ones(20), own.sex == 'M'])
    rest = [v - other @ np.linalg.lstsq(other, v, rcond=None)[0] for v in (own.chi_mean, own.age)]
    assert row.r_partial == pytest.approx(stats.pearsonr(*rest).statistic)


def test_families_are_a_covariate_of_a_measure():
    regions = make_regions(make_people({'MS': 20}).assign(site=list('xyzy') * 5))
    table = covariate_table(make_sample(regions, Question(covariates=('age', 'site'))))
    for (_, covariate), rows in table[table.hemisphere == 'both'].groupby(
        ['measure', 'covariate']
    ):
        whole = rows[rows.level.isna()]
        assert len(whole) == 3
        np.testing.assert_allclose(
            whole.p_adjusted, stats.false_discovery_control(whole.p), equal_nan=False
        )
        assert rows[rows.level.notna()].p_adjusted.isna().all(), covariate


def test_means_of_one_group_are_students():
    people = make_people({'MS': 9})
    regions = make_regions(people)
    result = compare_groups(regions, Question(covariates=()))
    row, own = of(result.means).iloc[0], wide(regions).chi_mean
    low, high = stats.t.interval(0.95, 8, own.mean(), stats.sem(own))
    assert (row.adjusted_mean, row.ci_low, row.ci_high) == pytest.approx((own.mean(), low, high))
    assert (row['mean'], row.sd) == pytest.approx((own.mean(), own.std()))
    assert result.contrasts.empty
    assert result.covariates.empty


def test_sides_and_scores_of_one_group():
    people = make_people({'MS': 15})
    regions = make_regions(people)
    result = compare_groups(regions)
    own = {
        side: wide(regions, side=side).set_index('participant_id') for side in ('L', 'R', 'both')
    }
    paired = stats.ttest_rel(own['L'].chi_mean, own['R'].chi_mean)
    sides = result.sides[
        (result.sides.measure == 'chi_mean') & (result.sides.region == 'thalamus')
    ]
    assert list(sides.effect) == ['side']
    assert (sides.statistic.iloc[0], sides.p.iloc[0]) == pytest.approx(
        (paired.statistic, paired.pvalue)
    )
    rho = stats.spearmanr(own['both'].chi_mean, own['both'].edss)
    row = of(result.correlations).iloc[0]
    assert (row.rho, row.p) == pytest.approx((rho.statistic, rho.pvalue))
    assert not any('not tested' in w for w in result.warnings)
    assert result.settings['reference_group'] is None


def test_what_cannot_be_fitted_has_a_reason():
    regions = make_regions(make_people({'MS': 4}))
    regions.loc[regions.region == 'caudate', 'chi_mean'] = 7.0
    table = covariate_table(make_sample(regions))
    rows = of(table, 'caudate')
    assert list(rows.covariate) == ['age', 'sex']
    assert rows.note.str.contains('not tested: values do not vary').all()
    assert pd.isna(rows.p).all()
