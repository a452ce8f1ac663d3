"""Scales: round numbers inside, values in their order."""

import numpy as np
import pytest

from nigra.interfaces.reports.scales import Axis, nice_limit, nice_step, ticks
from nigra.interfaces.reports.svg import drawing, short
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
        np.testing.assert_allclose(np.diff(values), step, rtol=1e-4, equal_nan=False)
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


@pytest.mark.parametrize('values', [[3.0], [-2.0, 5.0, 1.0], [1e-9, 2e-9], [0.0, 0.0]])
def test_axis_holds_its_values_in_order_with_a_margin(values):
    values = np.array(values)
    axis = Axis.around(values, 200.0, 10.0)
    places = axis(np.sort(values))
    assert np.all(np.diff(places) <= 0)
    assert places.min() > 10
    assert places.max() < 200
    assert all(axis.low <= t <= axis.high for t in axis.ticks)
    if len(set(values)) == 1:
        assert places[0] == pytest.approx(105)


def test_grid_lines_stand_at_the_ticks_and_zero_is_marked():
    root = drawing(300, 200, label='x')
    axis = Axis(-10, 10, 50, 250)
    axis.draw_below(root, top=5, bottom=150)
    axis.draw_left(root, x=40, right=290, unit='ppb')
    lines = [e for e in root if e.tag == 'line']
    below, left = lines[: len(axis.ticks)], lines[len(axis.ticks) :]
    expected = [short(float(axis(t))) for t in axis.ticks]
    assert [e.get('x1') for e in below] == [e.get('y1') for e in left] == expected
    zero = [e.get('class') == 'grid zero' for e in below]
    assert zero == [t == 0 for t in axis.ticks]


@pytest.mark.parametrize('low', [0.1 + 0.2, -(0.1 + 0.2), 0.3])
def test_an_end_that_is_a_tick_up_to_rounding_is_one(low):
    high = low + 0.4
    assert ticks(low, high) == pytest.approx(np.arange(5) * 0.1 + round(low, 1))
    assert ticks(low + 0.01, high - 0.01) == pytest.approx(np.arange(1, 4) * 0.1 + round(low, 1))


def test_a_scale_has_more_than_one_number():
    rng = np.random.default_rng(0)
    for low, span in zip(rng.uniform(-500, 500, 2000), rng.uniform(1e-3, 300, 2000), strict=True):
        for count in (4, 5, 8):
            found = ticks(low, low + span, count)
            assert 2 <= len(found) <= 9
            assert low <= found[0] < found[-1] <= low + span


def test_numbers_stand_beside_their_lines_and_the_unit_above():
    root = drawing(300, 200, label='x')
    axis = Axis(-10, 10, 150, 20)
    axis.draw_left(root, x=46, right=290, unit='ppb')
    lines = [e for e in root if e.tag == 'line']
    *texts, unit = [e for e in root if e.tag == 'text']
    for line, text in zip(lines, texts, strict=True):
        assert (line.get('x1'), line.get('x2')) == ('46', '290')
        assert float(text.get('x')) == 46 - 6
        assert float(text.get('y')) == pytest.approx(float(line.get('y1')) + 4)
    assert (unit.text, unit.get('x'), unit.get('y')) == ('ppb', '4', '11')
    below = drawing(300, 200, label='x')
    Axis(-10, 10, 50, 250).draw_below(below, top=5, bottom=150)
    lines, texts = ([e for e in below if e.tag == tag] for tag in ('line', 'text'))
    for line, text in zip(lines, texts, strict=True):
        assert (line.get('y1'), line.get('y2')) == ('5', '150')
        assert (text.get('x'), text.get('y')) == (line.get('x1'), '164')
