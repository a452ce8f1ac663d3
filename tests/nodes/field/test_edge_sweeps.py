"""Costs of edges and rises along axes against whole arrays; in plain Python where it can run."""

from types import SimpleNamespace

import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.field import bipolar, edges
from nigra.nodes.field.bipolar import check_bipolar
from nigra.nodes.field.edges import edge_costs
from nigra.nodes.field.wraps import wrap

SHAPE = (4, 5, 6)


def ends(axis):
    near, far = [slice(None)] * 3, [slice(None)] * 3
    near[axis], far[axis] = slice(-1), slice(1, None)
    return tuple(near), tuple(far)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def weights(phase, other, magnitude, mask, ratio, scale, axis):
    """The four factors of an edge's weight, by their formulas."""
    near, far = ends(axis)
    jump, gap = wrap(phase[far] - phase[near]), wrap(other[far] - other[near])
    in_space = 1 - abs(jump) / np.pi
    in_time = 1 - 0.9 * abs(wrap(jump - ratio * gap)) / np.pi if ratio > 0 else 1
    low = np.minimum(magnitude[near], magnitude[far])
    high = np.maximum(magnitude[near], magnitude[far])
    alike = 0.1 + 0.9 * (low / high) ** 2
    bright = 0.5 + 0.5 * np.minimum(1, low * scale)
    return mask[near] & mask[far], in_space * in_time * alike * bright


@pytest.mark.parametrize('ratio', [0.0, 0.6, 1.7])
def test_costs_are_those_of_the_four_coherences(rng, ratio):
    phase, other = wrap(3 * rng.standard_normal((2, *SHAPE))).astype(np.float32)
    magnitude = rng.uniform(0.2, 2, SHAPE).astype(np.float32)
    mask = rng.random(SHAPE) < 0.8
    costs = np.full((*SHAPE, 3), 99, np.uint8)
    for first, last in ((0, 2), (2, 4)):
        edges._edge_costs.py_func(
            phase, other, magnitude, mask, np.float32(ratio), np.float32(0.8), costs, first, last
        )
    for axis in range(3):
        there, weight = weights(phase, other, magnitude, mask, ratio, 0.8, axis)
        expected = np.where(there, np.clip(254 - np.rint(253 * weight), 1, 254), 0)
        near, _ = ends(axis)
        found = costs[..., axis].astype(int)
        assert np.abs(found[near] - expected).max() <= 1
        found[near] = 0
        assert not found.any()  # no edge leaves the array


def test_mean_weights_count_the_edges_on_both_sides(rng):
    costs = rng.integers(0, 255, (*SHAPE, 3)).astype(np.uint8)
    costs[rng.random(costs.shape) < 0.3] = 0
    costs[-1, :, :, 0] = costs[:, -1, :, 1] = costs[:, :, -1, 2] = 0
    total, count = np.zeros(SHAPE), np.zeros(SHAPE)
    for axis in range(3):
        near, far = ends(axis)
        cost = costs[..., axis].astype(float)
        worth = np.where(cost > 0, (254 - cost) / 253, 0)
        total += worth
        count += cost > 0
        total[far] += worth[near]
        count[far] += cost[near] > 0
    out = np.zeros(SHAPE, np.float32)
    for first, last in ((0, 1), (1, 4)):
        edges._mean_weight.py_func(costs, out, first, last)
    assert out == pytest.approx(np.where(count > 0, total / np.maximum(count, 1), 0), abs=1e-6)


@pytest.mark.parametrize(('echo', 'other'), [(0, 1), (1, 0), (2, 1)])
def test_each_echo_is_judged_beside_its_neighbour(monkeypatch, rng, echo, other):
    shape = (5, 5, 5)
    magnitude = rng.uniform(0, 10, (3, *shape))
    seen = {}

    def catch(phase, phase2, size, mask, ratio, per_half, costs, first, last):
        seen.update(phase=phase, phase2=phase2, ratio=ratio, per_half=per_half)

    monkeypatch.setattr(edges, '_edge_costs', catch)
    box = SimpleNamespace(
        times=np.array([0.004, 0.01, 0.02]), magnitude=magnitude, inside=np.ones(shape, bool),
        angle=rng.random((3, *shape)), planes=lambda task: [task(0, 5)],
    )  # fmt: skip
    edge_costs(box, echo)
    assert seen['phase'] is not None
    np.testing.assert_array_equal(seen['phase'], box.angle[echo])
    np.testing.assert_array_equal(seen['phase2'], box.angle[other])
    assert seen['ratio'] == pytest.approx(box.times[echo] / box.times[other])
    assert seen['per_half'] == pytest.approx(2 / np.percentile(magnitude[echo], 95))
    alone = SimpleNamespace(**{**vars(box), 'times': box.times[:1]})
    edge_costs(alone, 0)
    assert seen['ratio'] == 0  # no second echo


# Alternating phase


def test_rises_are_means_over_edges_by_the_darker_end(rng):
    ratio = 0.45
    angle = np.stack([np.zeros(SHAPE), *wrap(0.6 * rng.standard_normal((2, *SHAPE)))])
    angle = (angle + rng.uniform(-3, 3)).astype(np.float32)
    magnitude = rng.uniform(0.5, 2, (3, *SHAPE))
    inside = rng.random(SHAPE) < 0.8
    parts = [
        bipolar._rise_sums.py_func(angle, magnitude, inside, np.float32(ratio), *planes)
        for planes in ((0, 1), (1, 4))
    ]
    found = sum(parts)
    for axis in range(3):
        near, far = ends(axis)
        base = angle[0][far] - angle[0][near]
        second = wrap(angle[1][far] - angle[1][near] - base)
        third = wrap(angle[2][far] - angle[2][near] - base)
        weight = np.minimum(magnitude[2][near], magnitude[2][far])
        weight = weight * (inside[near] & inside[far]) * (abs(third) <= bipolar._NEAR_WRAP)
        rise = wrap(second - ratio * third)
        assert found[axis] == pytest.approx([(weight * rise).sum(), weight.sum()], rel=1e-4)


def test_the_extent_of_a_mask_is_in_steps():
    inside = np.zeros((9, 8, 7), bool)
    inside[2:7, 3, 1] = inside[4, 1:8, 5] = True
    box = SimpleNamespace(inside=inside)
    assert bipolar._extent(box).tolist() == [4, 6, 4]
    assert bipolar.alternating_rise(box, np.float32([0, -0.5, 0.1])) == pytest.approx(3)


def test_lines_are_fitted_past_outliers():
    rng = np.random.default_rng(3)
    along = rng.uniform(-20, 20, 500)
    rest = 0.3 + 0.02 * along + 0.01 * rng.standard_normal(500)
    rest[:40] = 3.0
    weight = rng.uniform(0.5, 2, 500)
    level, slope = np.sum(list(bipolar._line_steps(along, rest, weight)), axis=0)
    assert (level, slope) == (pytest.approx(0.3, abs=5e-3), pytest.approx(0.02, abs=5e-4))
    # of one round without outliers it is the weighted regression
    clean = 0.1 + 0.01 * along + 0.01 * rng.standard_normal(500)
    found = next(bipolar._line_steps(along, clean, weight))
    assert found[::-1] == pytest.approx(tuple(np.polyfit(along, clean, 1, w=np.sqrt(weight))))


@pytest.mark.parametrize('wraps', [0, 1, -2])
@pytest.mark.parametrize('constant', [0.4, -1.1])
def test_later_echoes_tell_the_wraps_of_the_difference(wraps, constant):
    times = np.array([0.004, 0.0095, 0.0142, 0.0201, 0.0253])
    ratio = (times - times[0]) / (times[2] - times[0])
    turns = 2 * np.pi * wraps * ratio + constant * (np.arange(5) % 2)
    n, found = bipolar._constant(7.0 * np.exp(1j * turns), ratio)
    assert (n, found) == (wraps, pytest.approx(constant))


@pytest.mark.parametrize('constant', [0.3, -0.9, 1.4])
def test_of_three_echoes_the_smallest_constant_is_taken(constant):
    ratio = np.array([0, 0.5, 1.0])
    _, found = bipolar._constant(np.exp(1j * np.array([0, constant, 0])), ratio)
    assert found == pytest.approx(constant)
    _, far = bipolar._constant(np.exp(1j * np.array([0, 2.8, 0])), ratio)
    assert far == pytest.approx(2.8 - np.pi)  # a wrap of the difference less


@pytest.mark.parametrize(('choice', 'echoes', 'taken'), [
    ('on', 3, True), ('on', 2, False), ('on', None, True), ('auto', 2, True), ('off', 1, True),
    ('maybe', 5, False),
])  # fmt: skip
def test_a_bipolar_readout_needs_three_echoes(choice, echoes, taken):
    if taken:
        check_bipolar(choice, echoes)
    else:
        with pytest.raises(NigraError, match='bipolar'):
            check_bipolar(choice, echoes)
