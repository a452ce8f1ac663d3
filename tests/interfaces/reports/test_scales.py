"""Scales: round numbers inside, values in their order."""

import numpy as np
import pytest

from nigra.interfaces.reports.scales import nice_limit, nice_step, ticks
from nigra.nodes.errors import NigraError


def test_ticks_are_round_and_inside():
    rng = np.random.default_rng(1)
    for _ in range(200):
        low = rng.normal() * 10 ** rng.uniform(-6, 6)
        high = low + 10 ** rng.uniform(-5, 5)
        values = ticks(low, high)
        step = nice_step(high - low)
        assert all(low - 1e-6 * step <= v <= high + 1e-6 * step for v in values)
        assert 2 <= len(values) <= 7
        np.testing.assert_allclose(np.diff(values), step, rtol=1e-4)
        mantissa = step / 10 ** np.floor(np.log10(step) + 1e-9)
        assert min(abs(mantissa - m) for m in (1, 2, 5)) < 1e-6


@pytest.mark.parametrize('span', [0.0, -1.0, np.nan, np.inf])
def test_no_step_for_no_span(span):
    with pytest.raises(NigraError, match='span must be positive'):
        nice_step(span)


def test_nice_limit_is_the_next_round_number():
    for value in 10 ** np.random.default_rng(2).uniform(-5, 5, 200):
        limit = nice_limit(value)
        assert value <= limit * (1 + 1e-3)
        assert limit <= 2 * value * (1 + 1e-3)
    assert nice_limit(float('nan')) == 1
