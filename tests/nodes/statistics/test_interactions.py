"""Interactions against statsmodels' analysis of variance, slopes against fits of each group."""

import numpy as np
import pytest
from toy_cohort import make_people, make_regions

from nigra.nodes.errors import InputError
from nigra.nodes.statistics.interactions import interaction_table
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.sample import make_sample


@pytest.fixture(scope='module')
def regions():
    people = make_people({'NMO': 14, 'RRMS': 18, 'HC': 15}, seed=2)
    regions = make_regions(people)
    steep = (regions.group == 'NMO') & (regions.region == 'putamen')
    regions.loc[steep, 'chi_mean'] += 0.8 * (regions.age - 50)
    return regions


def rows(regions, **options):
    sample = make_sample(regions, Question(**options))
    table = interaction_table(sample)
    return table[(table.measure == 'chi_mean') & (table.hemisphere == 'both')]


@pytest.mark.parametrize(('name', 'term'), [('age', 'age'), ('sex', 'C(sex)')])
def test_joint_test_is_that_of_statsmodels(regions, name, term):
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    found = rows(regions, interactions=(name,))
    own = regions[(regions.region == 'putamen') & (regions.hemisphere == 'both')]
    fit = smf.ols(f'chi_mean ~ C(group) + age + C(sex) + C(group):{term}', own).fit()
    table = anova_lm(fit, typ=2)
    row = found[(found.region == 'putamen') & found.group.isna()].iloc[0]
    label = next(i for i in table.index if ':' in i)
    assert row.statistic == pytest.approx(table.loc[label, 'F'], rel=1e-9)
    assert row.p == pytest.approx(table.loc[label, 'PR(>F)'], rel=1e-9)
    assert row.df_num == 2
    assert row.formula == f'value ~ C(group) + age + C(sex) + C(group):{term}'


def test_slopes_are_those_of_each_group_alone(regions):
    found = rows(regions, covariates=(), interactions=('age',))
    for (region, group), own in regions[regions.hemisphere == 'both'].groupby(['region', 'group']):
        if region == 'brain':
            continue
        row = found[(found.region == region) & (found.group == group)].iloc[0]
        assert row.slope == pytest.approx(np.polyfit(own.age, own.chi_mean, 1)[0], rel=1e-9)
        assert row.ci_low < row.slope < row.ci_high
        assert row.n == len(own)


def test_only_joint_tests_are_adjusted(regions):
    found = rows(regions, interactions=('age',))
    assert found.p_adjusted[found.group.isna()].notna().all()
    assert found.p_adjusted[found.group.notna()].isna().all()
    hits = found[found.p_adjusted < 0.05]
    assert hits.region.tolist() == ['putamen']


def test_an_interaction_makes_a_covariate(regions):
    sample = make_sample(regions, Question(covariates=(), interactions=('age',)))
    assert [c.name for c in sample.covariates] == ['age']
    with pytest.raises(InputError, match='--interactions'):
        make_sample(regions, Question(interactions=('shoe size',)))


def test_none_asked_for_gives_an_empty_table(regions):
    assert interaction_table(make_sample(regions)).empty
