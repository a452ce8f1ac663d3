"""Analysis of covariance against published numbers, closed forms, other libraries and by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from test_robust_tests import PLANT_GROWTH

from nigra.nodes.errors import NigraError
from nigra.nodes.statistics.ancova import (
    Ancova,
    _brown_forsythe,
    cooks_distance,
    hedges_g,
    make_design,
)
from nigra.nodes.statistics.covariates import Covariate
from nigra.nodes.statistics.robust_tests import kruskal_wallis, rank_values, welch

AGE, SEX = Covariate('age', False), Covariate('sex', True)


# Leprosy bacilli before and after treatment with drugs A, D and F: Snedecor and Cochran,
# Statistical Methods, 6th edition 1967, p. 422; also the SAS/STAT guide, GLM procedure,
# example "Analysis of covariance", whose printed results are compared with below.
BEFORE = [11, 8, 5, 14, 19, 6, 10, 6, 11, 3, 6, 6, 7, 8, 18, 8, 19, 8, 5, 15,
          16, 13, 11, 9, 21, 16, 12, 12, 7, 12]  # fmt: skip


AFTER = [6, 0, 2, 8, 11, 4, 13, 1, 8, 0, 0, 2, 3, 1, 18, 4, 14, 9, 1, 9,
         13, 10, 18, 5, 23, 12, 5, 16, 1, 20]  # fmt: skip


@pytest.fixture
def drugs():
    people = pd.DataFrame({'before': np.array(BEFORE, float)})
    design = make_design(pd.Series(list('ADF')).repeat(10).reset_index(drop=True), people, 'ADF',
                         [Covariate('before', False)])  # fmt: skip
    return Ancova(np.array(AFTER, float), design)


def test_published_analysis_of_covariance(drugs):
    found = drugs.omnibus()
    assert found['statistic'] == pytest.approx(2.14, abs=0.005)
    assert found['p'] == pytest.approx(0.1384, abs=5e-5)
    assert (found['df_num'], found['df_den']) == (2, 26)
    assert found['partial_eta_squared'] == pytest.approx(68.5537106 / (68.5537106 + 417.2026))
    a, d = drugs.contrast('A', 'F'), drugs.contrast('D', 'F')
    assert a['estimate'] == pytest.approx(-3.446138280, abs=1e-8)
    assert a['estimate'] / a['statistic'] == pytest.approx(1.88678065, abs=1e-7)
    assert (a['statistic'], a['p']) == (pytest.approx(-1.83, abs=0.005),
                                        pytest.approx(0.0793, abs=5e-5))  # fmt: skip
    assert d['estimate'] == pytest.approx(-3.337166948, abs=1e-8)
    assert d['estimate'] / d['statistic'] == pytest.approx(1.85386642, abs=1e-7)
    assert d['p'] == pytest.approx(0.0835, abs=5e-5)


def problem(seed, n=23):
    rng = np.random.default_rng(seed)
    labels = pd.Series(rng.permutation(np.array(['A'] * 5 + ['B'] * 8 + ['C'] * (n - 13))))
    people = pd.DataFrame({
        'age': rng.normal(50, 10, n), 'sex': rng.permutation(['F', 'M', 'O'] * 7 + ['F', 'M'])
    })  # fmt: skip
    values = rng.normal(40, 5, n) + 0.3 * people.age + (labels == 'B') * 4
    return labels, people, values.to_numpy(float)


def residual_squares(values, *columns):
    """Sum of squares that an intercept and the columns leave, by plain least squares."""
    matrix = np.column_stack([np.ones(len(values)), *columns])
    left = values - matrix @ np.linalg.lstsq(matrix, values, rcond=None)[0]
    return left @ left, matrix.shape[1]


@pytest.mark.parametrize('seed', range(5))
def test_omnibus_is_the_comparison_of_models_with_and_without_group(seed):
    labels, people, values = problem(seed)
    covariates = [people.age, people.sex == 'M', people.sex == 'O']
    small, k_small = residual_squares(values, *covariates)
    large, k_large = residual_squares(values, labels == 'A', labels == 'C', *covariates)
    df = len(values) - k_large
    f = (small - large) / (k_large - k_small) / (large / df)
    found = Ancova(values, make_design(labels, people, 'ABC', [AGE, SEX])).omnibus()
    assert found['statistic'] == pytest.approx(f, rel=1e-9)
    assert found['p'] == pytest.approx(stats.f.sf(f, 2, df), rel=1e-9)
    assert found['partial_eta_squared'] == pytest.approx((small - large) / small, rel=1e-9)


def test_omnibus_is_what_statsmodels_calls_type_two():
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    labels, people, values = problem(7)
    frame = people.assign(value=values, group=labels)
    table = anova_lm(smf.ols('value ~ C(group) + age + C(sex)', frame).fit(), typ=2)
    found = Ancova(values, make_design(labels, people, 'ABC', [AGE, SEX])).omnibus()
    assert found['statistic'] == pytest.approx(table.loc['C(group)', 'F'], rel=1e-9)
    assert found['p'] == pytest.approx(table.loc['C(group)', 'PR(>F)'], rel=1e-9)


@pytest.mark.parametrize('pair', list(itertools.permutations('ABC', 2)))
def test_contrast_by_normal_equations(pair):
    labels, people, values = problem(3)
    a, b = pair
    others = [g for g in 'ABC' if g != b]
    matrix = np.column_stack([
        np.ones(len(values)), *(labels == g for g in others), people.age, people.sex == 'M',
        people.sex == 'O',
    ])  # fmt: skip
    inverse = np.linalg.inv(matrix.T @ matrix)
    beta = inverse @ matrix.T @ values
    df = len(values) - matrix.shape[1]
    variance = np.sum((values - matrix @ beta) ** 2) / df
    position = 1 + others.index(a)
    estimate, error = beta[position], np.sqrt(variance * inverse[position, position])
    reach = stats.t.ppf(0.975, df) * error
    found = Ancova(values, make_design(labels, people, 'ABC', [AGE, SEX])).contrast(a, b)
    expected = {
        'estimate': estimate, 'ci_low': estimate - reach, 'ci_high': estimate + reach,
        'statistic': estimate / error, 'p': 2 * stats.t.sf(abs(estimate / error), df),
        'effect_size': hedges_g(estimate, variance, df), 'se': error, 'df': df,
    }  # fmt: skip
    assert {k: found[k] for k in expected} == pytest.approx(expected, rel=1e-8)


def test_without_covariates_two_groups_are_a_t_test():
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 1, 6), rng.normal(1, 1, 9)
    labels = pd.Series(['x'] * 6 + ['y'] * 9)
    fit = Ancova(np.r_[x, y], make_design(labels, pd.DataFrame(index=labels.index), ['x', 'y']))
    t = stats.ttest_ind(x, y)
    found = fit.contrast('x', 'y')
    assert (found['statistic'], found['p']) == pytest.approx((t.statistic, t.pvalue))
    assert fit.omnibus()['statistic'] == pytest.approx(t.statistic**2)


def test_hedges_correction():
    assert hedges_g(1, 1, 2) == pytest.approx(1 / np.sqrt(np.pi))
    assert hedges_g(1, 1, 3) == pytest.approx(np.sqrt(np.pi / 6))
    assert hedges_g(-2, 16, 60) == pytest.approx(-0.5 * (1 - 3 / 239), rel=1e-4)
    assert np.isnan(hedges_g(1, 1, 1))


def test_tests_do_not_depend_on_order_unit_or_offset():
    labels, people, values = problem(4)
    first = Ancova(values, make_design(labels, people, 'ABC', [AGE, SEX]))
    moved = people.assign(age=people.age * 365.25 + 1e6)
    second = Ancova(1e-3 * values - 5, make_design(labels, moved, 'CAB', [SEX, AGE]))
    assert second.omnibus() == pytest.approx(first.omnibus(), rel=1e-6)
    for key in ('statistic', 'p', 'effect_size'):
        assert second.contrast('A', 'C')[key] == pytest.approx(first.contrast('A', 'C')[key], 1e-6)


def test_cooks_distance_by_leaving_out_each():
    labels, people, values = problem(5)
    design = make_design(labels, people, 'ABC', [AGE])
    fit = Ancova(values, design).fit
    x, k = design.matrix, design.matrix.shape[1]
    for i, found in enumerate(cooks_distance(fit)):
        rest = np.arange(len(values)) != i
        beta = np.linalg.lstsq(x[rest], values[rest], rcond=None)[0]
        shift = x @ (fit.params - beta)
        assert found == pytest.approx(shift @ shift / (k * fit.scale), rel=1e-8)


def test_checks_find_what_is_wrong():
    rng = np.random.default_rng(0)
    labels = pd.Series(['A', 'B']).repeat(60).reset_index(drop=True)
    design = make_design(labels, pd.DataFrame(index=labels.index), 'AB')
    names = [f'sub-{i}' for i in range(120)]
    good = rng.normal(size=120)
    checks = Ancova(good, design).checks(names)
    assert min(checks['normality_p'], checks['equal_variance_p']) > 0.01
    uneven = Ancova(np.where(labels == 'A', 10, 1) * good, design).checks(names)
    assert uneven['equal_variance_p'] < 1e-6
    good[17] = 100
    outlier = Ancova(good, design).checks(names)
    assert outlier['normality_p'] < 1e-6
    assert outlier['most_influential'] == 'sub-17'


@pytest.mark.parametrize(
    ('values', 'groups', 'covariate', 'match'),
    [
        ([1.0, 2, 4, 3, 5, 6], 'AB', [1.0] * 6, 'constant or collinear'),
        ([1.0, 2, 4, 3, 5, 6], 'AB', [1.0] * 3 + [2.0] * 3, 'constant or collinear'),
        ([0.0] * 6, 'AB', None, 'do not vary'),
        ([40.1] * 3 + [0.3] * 3, 'AB', None, 'do not vary'),
    ],
)
def test_models_that_cannot_be_tested(values, groups, covariate, match):
    labels = pd.Series(list('AAABBB'))[: 3 * len(groups)]
    people = pd.DataFrame({'c': covariate or [0.0] * 6})[: len(labels)]
    chosen = [Covariate('c', False)] if covariate else []
    with pytest.raises(NigraError, match=match):
        Ancova(np.array(values)[: len(labels)], make_design(labels, people, groups, chosen))


def test_one_of_several_groups_is_not_compared():
    people = pd.DataFrame(index=range(3))
    with pytest.raises(NigraError, match='fewer than two groups'):
        Ancova(np.array([1.0, 2, 4]), make_design(pd.Series(list('AAA')), people, 'AB'))
    alone = Ancova(np.array([1.0, 2, 4]), make_design(pd.Series(list('AAA')), people, 'A'))
    assert np.isnan(alone.omnibus()['p'])
    assert alone.counterparts().keys() == {'p_hc3', 'p_rank', 'p_welch', 'p_kruskal'}


def test_ranks_that_fit_exactly_take_nothing_else_down():
    labels = pd.Series(list('AAABBB'))
    design = make_design(labels, pd.DataFrame(index=labels.index), 'AB')
    fit = Ancova(np.array([1.0, 1, 1, 2, 2, 2.5]), design)
    assert 0 < fit.omnibus()['p'] < 0.05
    assert fit.untested() == ['p_welch n/a: values do not vary in A']
    people = pd.DataFrame({'age': [30.0, 40, 50, 30, 40, 50]})
    slope = make_design(labels, people, 'AB', [Covariate('age', False)])
    fit = Ancova(np.array([1.0, 2, 4, 11, 12, 14]), slope)  # ranks 1 to 6: exact in age and group
    assert fit.ranked is None
    assert np.isnan(fit.counterparts()['p_rank'])
    assert fit.omnibus()['p'] < 0.01
    assert fit.untested() == ['p_rank n/a: the ranks do not vary within groups']


def test_distances_that_do_not_vary_are_no_sign_of_unequal_variance():
    labels = pd.Series(list('AAAABBBB'))
    design = make_design(labels, pd.DataFrame(index=labels.index), 'AB')
    fit = Ancova(np.array([1.0, 1, 2, 2, 10, 10, 14, 14]), design)
    assert np.isnan(fit.checks(list('abcdefgh'))['equal_variance_p'])


@pytest.mark.parametrize(
    ('parts', 'known'),
    [([[10.0, 12], [20, 26]], False), ([[10.0, 12, 13], [20, 26, 40]], True),
     ([[1.0, 5, 9]], False), ([[4.0, 4, 4], [4, 4, 4]], False),
     ([[10.0, 12], [20, 26, 40]], True)],
)  # fmt: skip
def test_equal_variance_is_tested_by_distances_from_medians(parts, known):
    parts = [np.array(part) for part in parts]
    p = _brown_forsythe(parts)
    assert np.isfinite(p) == known
    if known:
        away = [np.abs(part - np.median(part)) for part in parts]
        assert p == pytest.approx(stats.f_oneway(*away).pvalue)
        assert _brown_forsythe([part + 1e3 for part in parts]) == pytest.approx(p)


def test_missing_covariates_are_refused():
    labels = pd.Series(list('AAABBB'))
    people = pd.DataFrame({'age': [1, 2, np.nan, 4, 5, 6]})
    with pytest.raises(NigraError, match='complete'):
        make_design(labels, people, 'AB', [AGE])


def test_p_is_uniform_where_nothing_differs():
    rng = np.random.default_rng(20)
    labels, people, _ = problem(6)
    design = make_design(labels, people, 'ABC', [AGE, SEX])
    fits = [Ancova(rng.normal(size=23) + 0.1 * people.age.to_numpy(), design) for _ in range(600)]
    omnibus = [fit.omnibus()['p'] for fit in fits]
    contrast = [fit.contrast('A', 'C')['p'] for fit in fits]
    assert stats.kstest(omnibus, 'uniform').pvalue > 0.001
    assert stats.kstest(contrast, 'uniform').pvalue > 0.001
    intervals = [fit.contrast('A', 'B') for fit in fits]
    covered = np.mean([i['ci_low'] < 0 < i['ci_high'] for i in intervals])
    assert covered == pytest.approx(0.95, abs=0.03)


def test_contrasts_for_unequal_variances_by_hand():
    """HC3 (Long and Ervin 2000): residuals over 1 - h, squared, in the sandwich."""
    labels, people, values = problem(5)
    design = make_design(labels, people, 'ABC', [AGE, SEX])
    found = Ancova(values, design).contrast('A', 'C')
    x = design.matrix
    inverse = np.linalg.inv(x.T @ x)
    residuals = values - x @ inverse @ x.T @ values
    leverage = np.diag(x @ inverse @ x.T)
    middle = x.T @ np.diag((residuals / (1 - leverage)) ** 2) @ x
    c = design.weights('A', 'C')
    error = np.sqrt(c @ inverse @ middle @ inverse @ c)
    expected = 2 * stats.t.sf(abs(found['estimate']) / error, len(values) - x.shape[1])
    assert found['p_hc3'] == pytest.approx(expected, rel=1e-9)


@pytest.fixture(scope='module')
def plants():
    """PlantGrowth as a model without covariates."""
    values = np.concatenate(list(PLANT_GROWTH.values()))
    labels = pd.Series(np.repeat(list(PLANT_GROWTH), 10))
    return Ancova(values, make_design(labels, pd.DataFrame(), list(PLANT_GROWTH)))


@pytest.fixture(scope='module')
def study():
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
def fit(study):
    values, labels, people = study
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


def test_adjusted_means_are_predictions_at_the_average_covariates(study, fit):
    values, labels, people = study
    frame = people.assign(value=values, group=labels, male=(people.sex == 'M').astype(float))
    model = smf.ols('value ~ C(group) + age + male', frame).fit()
    at = pd.DataFrame({'group': list('ABC'), 'age': frame.age.mean(), 'male': frame.male.mean()})
    expected = model.get_prediction(at).summary_frame()
    found = pd.DataFrame(fit.means())
    np.testing.assert_allclose(found.adjusted_mean, expected['mean'], rtol=1e-10, equal_nan=False)
    np.testing.assert_allclose(found.se, expected['mean_se'], rtol=1e-10, equal_nan=False)
    np.testing.assert_allclose(
        found.ci_low, expected['mean_ci_lower'], rtol=1e-10, equal_nan=False
    )
    np.testing.assert_allclose(found['mean'], frame.groupby('group').value.mean(), equal_nan=False)
    difference = found.adjusted_mean[0] - found.adjusted_mean[2]
    assert fit.contrast('A', 'C')['estimate'] == pytest.approx(difference)


def test_counterparts_by_other_ways(study, fit):
    values, labels, people = study
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


def test_equivalence_is_within_half_a_standard_deviation(fit):
    for pair in (('A', 'B'), ('A', 'C')):
        row, bound = fit.contrast(*pair), 0.5 * np.sqrt(fit.fit.scale)
        worse = max(stats.t.sf((row['estimate'] + bound) / row['se'], row['df']),
                    stats.t.cdf((row['estimate'] - bound) / row['se'], row['df']))  # fmt: skip
        assert row['p_equivalence'] == pytest.approx(worse, rel=1e-10)
