"""A question on its way to a node and back."""

import pytest

from nigra.interfaces.stats import plain_question, read_question
from nigra.nodes.statistics.question import Question


@pytest.mark.parametrize(
    ('question', 'told'),
    [
        (Question(), {}),
        (Question(covariates=('age',), seed=7), {'covariates': ['age'], 'seed': 7}),
        (Question(covariates=()), {'covariates': []}),  # none, which is not the default
    ],
)
def test_a_question_tells_what_differs_from_the_default_and_comes_back(question, told):
    assert plain_question(question) == told
    assert read_question(told) == question
