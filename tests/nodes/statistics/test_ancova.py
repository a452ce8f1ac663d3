"""What stands beside the group comparison: adjusted means, counterparts, stricter corrections."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from test_robust_tests import PLANT_GROWTH
from toy_cohort import make_people, make_regions

from nigra.nodes.statistics.ancova import Ancova, make_design
from nigra.nodes.statistics.covariates import Covariate
from nigra.nodes.statistics.group_models import group_tables
from nigra.nodes.statistics.multiplicity import adjust_holm
from nigra.nodes.statistics.robust_tests import kruskal_wallis, rank_values, welch
from nigra.nodes.statistics.sample import make_sample


@pytest.fixture(scope='module')
def plants():
    """PlantGrowth as a model without covariates."""
    values = np.concatenate(list(PLANT_GROWTH.values()))
    labels = pd.Series(np.repeat(list(PLANT_GROWTH), 10))
    return Ancova(values, make_design(labels, pd.DataFrame(), list(PLANT_GROWTH)))


@pytest.fixture(scope='module')
def problem():
    """Three groups, two covariates; values, labels, people."""
    rng = np.random.default_rng(11)
    labels = pd.Series(np.repeat(['A', 'B', 'C'], [9, 12, 8]))
    people = pd.DataFrame(
        {'age': rng.uniform(20, 80, 29), 'sex': np.where(np.arange(29) % 3, 'F', 'M')}
    )
    values = rng.standard_normal(29) * np.where(labels == 'B', 3, 1) + 0.1 * people.age
    return values.to_numpy(), labels, people


COVARIATES = [Covariate('age', False), Covariate('sex', True)]


@pytest.fixture(scope='module')
def fit(problem):
    values, labels, people = problem
    return Ancova(values, make_design(labels, people, 'ABC', COVARIATES))


@pytest.mark.parametrize(
    ('pair', 'expected'),
    [
        (('ctrl', 'trt1'), 0.3908711442),
        (('ctrl', 'trt2'), 0.1979959913),
        (('trt1', 'trt2'), 0.0120064240),
    ],
)
def test_tukey_as_pingouin_has_it(plants, pair, expected):
    """pingouin 0.7.0, pairwise_tukey; R's TukeyHSD prints .3908711, .1979960, .0120064."""
    assert plants.contrast(*pair)['p_tukey'] == pytest.approx(expected, rel=1e-7)


def test_ancova_as_pingouin_has_it():
    """pingouin 0.7.0, ancova of ctrl and trt1 with trt2 as covariate."""
    values = np.concatenate([PLANT_GROWTH['ctrl'], PLANT_GROWTH['trt1']])
    people = pd.DataFrame(
        {'x': np.concatenate([PLANT_GROWTH['trt2'], PLANT_GROWTH['trt2'][::-1]])}
    )
    labels = pd.Series(np.repeat(['a', 'b'], 10))
    found = Ancova(values, make_design(labels, people, 'ab', [Covariate('x', False)])).omnibus()
    assert found['statistic'] == pytest.approx(1.3683110050, rel=1e-8)
    assert found['p'] == pytest.approx(0.2582416154, rel=1e-8)
    assert found['partial_eta_squared'] == pytest.approx(0.0744930225, rel=1e-8)


def test_adjusted_means_are_predictions_at_the_average_covariates(problem, fit):
    values, labels, people = problem
    frame = people.assign(value=values, group=labels, male=(people.sex == 'M').astype(float))
    model = smf.ols('value ~ C(group) + age + male', frame).fit()
    at = pd.DataFrame({'group': list('ABC'), 'age': frame.age.mean(), 'male': frame.male.mean()})
    expected = model.get_prediction(at).summary_frame()
    found = pd.DataFrame(fit.means())
    np.testing.assert_allclose(found.adjusted_mean, expected['mean'], rtol=1e-10)
    np.testing.assert_allclose(found.se, expected['mean_se'], rtol=1e-10)
    np.testing.assert_allclose(found.ci_low, expected['mean_ci_lower'], rtol=1e-10)
    np.testing.assert_allclose(found['mean'], frame.groupby('group').value.mean())
    difference = found.adjusted_mean[0] - found.adjusted_mean[2]
    assert fit.contrast('A', 'C')['estimate'] == pytest.approx(difference)


def test_counterparts_by_other_ways(problem, fit):
    values, labels, people = problem
    frame = people.assign(value=values, group=labels)
    robust = smf.ols('value ~ C(group) + age + C(sex)', frame).fit(cov_type='HC3', use_t=True)
    names = [n for n in robust.params.index if n.startswith('C(group)')]
    wald = robust.f_test(
        np.eye(len(robust.params))[[robust.params.index.get_loc(n) for n in names]]
    )
    found = fit.counterparts()
    assert found['p_hc3'] == pytest.approx(float(wald.pvalue), rel=1e-8)
    ranked = Ancova(rank_values(values), make_design(labels, people, 'ABC', COVARIATES))
    assert found['p_rank'] == ranked.omnibus()['p']
    groups = {g: values[labels == g] for g in 'ABC'}
    assert found['p_welch'] == welch(groups)['p']
    assert found['p_kruskal'] == kruskal_wallis(groups)['p']


def test_a_participant_whom_the_fit_must_meet_leaves_hc3_out():
    labels = pd.Series(['A'] * 4 + ['B'] * 4)
    people = pd.DataFrame({'site': ['x'] * 7 + ['y']})
    values = np.random.default_rng(0).standard_normal(8)
    fit = Ancova(values, make_design(labels, people, 'AB', [Covariate('site', True)]))
    assert np.isnan(fit.counterparts()['p_hc3'])


@pytest.fixture(scope='module')
def sample():
    people = make_people({'NMO': 8, 'RRMS': 9, 'HC': 7})
    regions = make_regions(people, shifts={'RRMS': -12.0})
    return make_sample(regions)


@pytest.fixture(scope='module')
def tables(sample):
    return group_tables(sample, permutations=400, seed=3)


def test_corrections_keep_their_order(tables):
    rows = tables.contrasts
    assert (rows.p_tukey >= rows.p - 1e-12).all()
    assert (rows.p_holm >= rows.p - 1e-12).all()
    assert (rows.p_max >= rows.p_permutation - 1e-12).all()
    thalamus = rows[(rows.region == 'thalamus') & (rows.measure == 'chi_mean')
                    & (rows.hemisphere == 'both')]  # fmt: skip
    np.testing.assert_allclose(thalamus.p_holm, adjust_holm(thalamus.p))
    assert stats.spearmanr(rows.p, rows.p_permutation).statistic > 0.97


def test_strong_effect_survives_the_strictest_correction(tables):
    rows = tables.contrasts.set_index(['measure', 'region', 'hemisphere', 'contrast'])
    hit = rows.loc[('chi_mean', 'thalamus', 'both', 'RRMS - HC')]
    assert hit.p_max <= 0.01
    assert hit.bayes_factor > 10
    assert (rows.p_max >= 1 / 400).all()


def test_equivalence_is_within_half_a_standard_deviation(fit):
    for pair in (('A', 'B'), ('A', 'C')):
        row, bound = fit.contrast(*pair), 0.5 * np.sqrt(fit.fit.scale)
        worse = max(stats.t.sf((row['estimate'] + bound) / row['se'], row['df']),
                    stats.t.cdf((row['estimate'] - bound) / row['se'], row['df']))  # fmt: skip
        assert row['p_equivalence'] == pytest.approx(worse, rel=1e-10)


def test_permutations_repeat_for_a_seed_and_any_threads(sample, tables):
    again = group_tables(sample, permutations=400, seed=3, nthreads=2)
    pd.testing.assert_frame_equal(again.contrasts, tables.contrasts)
    other = group_tables(sample, permutations=400, seed=4)
    assert not other.contrasts.p_permutation.equals(tables.contrasts.p_permutation)


def test_without_permutations_their_columns_are_empty(sample):
    rows = group_tables(sample).contrasts
    assert rows[['p_permutation', 'p_max']].isna().all(axis=None)


def test_advice_names_the_counterpart():
    people = make_people({'A': 20, 'B': 20})
    regions = make_regions(people)
    wide = (regions.group == 'A') & (regions.region == 'putamen')
    regions.loc[wide, 'chi_mean'] = 40 + 12 * (regions.loc[wide, 'chi_mean'] - 40)
    models = group_tables(make_sample(regions)).models
    rows = models[(models.measure == 'chi_mean') & (models.region == 'putamen')]
    assert rows.advice.str.contains('unequal variances: see p_hc3').all()


def test_means_have_a_row_per_group(tables, sample):
    assert len(tables.means) == 3 * len(tables.models)
    assert set(tables.means.group) == set(sample.groups)
