"""Numbers and markup that all drawings fraction."""

from xml.etree import ElementTree

import numpy as np
import pytest

from nigra.interfaces.reports.svg import add, drawing, nice_limit, nice_step, short, ticks, to_text
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


def test_short_keeps_two_decimals():
    for value in np.random.default_rng(3).normal(scale=100, size=200):
        assert abs(float(short(value)) - value) <= 0.005 + 1e-9
    assert short(100) == '100'


def test_text_and_attributes_are_escaped_and_printable():
    root = drawing(10, 10, label='"><script>alert(1)</script>')
    add(root, 'text', 'a\x00<b>&\u00a0\u202f−é😀', x=1.0, data_name='<"&>')
    text = to_text(root)
    assert '<script' not in text
    parsed = ElementTree.fromstring(text)
    assert parsed.get('aria-label') == '"><script>alert(1)</script>'
    assert parsed[0].text == 'a<b>&\u00a0\u202f−é😀'
    assert parsed[0].get('data-name') == '<"&>'
