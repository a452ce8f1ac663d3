"""What is tested in voxels: t of each test is that of ordinary least squares."""

import numpy as np
import pytest
from toy_cohort import make_people, make_regions

from nigra.nodes.errors import NigraError
from nigra.nodes.statistics.enhancement import enhancement_test
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.voxel_tests import voxel_tests
from nigra.nodes.statistics.voxelwise import voxel_sample


def made_of(people):
    regions = make_regions(people)
    sample, _ = voxel_sample(regions, Question(), list(people.participant_id), source='p.tsv')
    return sample, voxel_tests(sample)


def test_one_group_has_its_mean_covariates_and_scores():
    import statsmodels.formula.api as smf

    people = make_people({'MS': 18})
    people.loc[[2, 5], 'edss'] = np.nan
    sample, tests = made_of(people)
    assert [t.name for t in tests] == ['mean', 'age', 'sex M - F', 'edss']
    assert all(t.columns['group_a'] is None for t in tests)
    rng, mask = np.random.default_rng(0), np.ones((3, 3, 3), bool)
    values = rng.normal(1, 3, (18, 27))
    frame = sample.people.assign(y=values[:, 4])
    frame['age0'] = frame.age - frame.age.mean()
    frame['male0'] = (frame.sex == 'M') - (frame.sex == 'M').mean()
    mean = smf.ols('y ~ age0 + male0', frame).fit().tvalues
    score = smf.ols('y ~ age + C(sex) + edss', frame).fit().tvalues['edss']
    expected = [mean['Intercept'], mean['age0'], mean['male0'], score]
    for test, t in zip(tests, expected, strict=True):
        found, p = enhancement_test(values[test.who], test.tested, test.rest, mask,
                                    permutations=19, seed=1)  # fmt: skip
        assert found[4] == pytest.approx(t), test.name
        assert ((p > 0) & (p <= 1)).all()


def test_groups_are_contrasted_and_nothing_else():
    _, tests = made_of(make_people({'MS': 6, 'HC': 6}))
    assert [t.name for t in tests] == ['MS - HC']


def test_one_of_two_groups_with_too_few_maps_is_no_study_of_one():
    people = make_people({'MS': 6, 'HC': 6})
    regions = make_regions(people)
    mapped = list(people.participant_id[:8])
    sample, _ = voxel_sample(regions, Question(), mapped, source='p.tsv')
    with pytest.raises(NigraError, match='too few participants with maps'):
        voxel_tests(sample)


def test_contrasts_of_groups_without_maps_are_told():
    people = make_people({'MS': 6, 'HC': 6, 'NMO': 6})
    question = Question(contrasts=('MS - NMO',))
    mapped = list(people.participant_id[:12])
    sample, _ = voxel_sample(make_regions(people), question, mapped, source='p.tsv')
    with pytest.raises(NigraError, match='too few participants with maps'):
        voxel_tests(sample)


@pytest.mark.parametrize(
    ('scores', 'tested'),
    [
        ([2.0, 3.0], False),  # two people are no regression
        ([4.0] * 9, False),  # a score that does not vary
        ([1.0, 2.0, 6.0, 3.5, 2.5, 4.0, 1.5, 5.0, 3.0], True),
        ([], False),
    ],
)
def test_only_scores_that_enough_people_have_and_that_vary_are_tested(scores, tested):
    people = make_people({'MS': 18})
    people['edss'] = [*scores, *[np.nan] * (18 - len(scores))]
    _, tests = made_of(people)
    assert ('edss' in {t.name for t in tests}) == tested
