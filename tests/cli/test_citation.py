"""The methods text before anything has run: what the comparison is going to use."""

import pytest
from toy_cohort import make_people, write_participants

from nigra.cli.arguments import parse_settings
from nigra.cli.citation import group_plan


@pytest.mark.parametrize(
    ('options', 'covariates', 'scores'),
    [
        ([], ['Age'], ['EDSS']),
        (['--covariates', '--scores'], [], []),
        (['--covariates', 'C(sex)', '--interactions', 'Age'], None, None),
        (['--covariates', 'C(site)', '--scores', 'Age'], ['site'], ['Age']),
    ],
    ids=['default', 'none', 'unusable', 'asked'],
)
def test_plan_chooses_as_the_comparison_does(tmp_path, options, covariates, scores):
    people = make_people().rename(columns={'age': 'Age', 'edss': 'EDSS'})
    people = people.assign(sex='F', site=[1, 2] * 8)
    file = write_participants(tmp_path / 'raw' / 'participants.tsv', people)
    settings = parse_settings([str(file.parent), str(tmp_path / 'out'), 'group', *options])
    plan = group_plan(settings)
    if covariates is None:
        assert plan is None
    else:
        assert (plan['covariates'], plan['scores']) == (covariates, scores)
