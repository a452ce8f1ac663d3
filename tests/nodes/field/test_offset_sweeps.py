"""Sweeps of the offset's smoothing against whole arrays, as plain Python."""

from types import SimpleNamespace

import numpy as np
import pytest

from nigra.nodes.field import offsets
from nigra.nodes.field.offsets import _smooth_angle
from nigra.nodes.field.wraps import wrap

SHAPE = (7, 8, 6)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def echoes_of(inside):
    """What is used of an `EchoBox`."""
    n = inside.shape[0]
    return SimpleNamespace(
        inside=inside, nthreads=1, planes=lambda sweep: [sweep(0, 3), sweep(3, n)]
    )


def trend_of(rng, shape=SHAPE, size=0.08):
    """Centre, slope and bend in one array, as `_trend` wants them."""
    bend = size * rng.standard_normal((3, 3))
    centre = (np.array(shape) - 1) / 2
    return np.concatenate([centre, 0.5 * rng.standard_normal(3), (bend + bend.T).ravel()])


def drawn(trend, shape=SHAPE):
    x = np.indices(shape) - trend[:3].reshape(3, 1, 1, 1)
    bend = trend[6:].reshape(3, 3)
    return np.einsum('a,a...', trend[3:6], x) + np.einsum('a...,ab,b...', x, bend, x) / 2


def test_the_trend_is_a_slope_and_half_a_bend(rng):
    trend = trend_of(rng)
    found = [offsets._trend.py_func(trend, *place) for place in np.ndindex(SHAPE)]
    assert found == pytest.approx(drawn(trend).ravel())


def test_edges_have_the_weight_of_their_darker_end_and_none_leaves_the_array(rng):
    angle, weight = rng.standard_normal(SHAPE), rng.random(SHAPE)
    for axis in range(3):
        for place in np.ndindex(SHAPE):
            far = tuple(np.add(place, np.eye(3, dtype=int)[axis]))
            found = offsets._edge.py_func(angle, weight, *place, axis)
            if far[axis] == SHAPE[axis]:
                assert found == (0, 0)
            else:
                assert found == (min(weight[place], weight[far]), angle[far] - angle[place])


def test_a_wrapped_parabola_is_found_from_part_of_it(rng):
    trend = trend_of(rng)
    trend[3:6] += (2.0, -1.5, 1.0)  # long steps, which wrap
    weight = (rng.random(SHAPE) < 0.8) * rng.uniform(0.5, 2, SHAPE)
    angle = wrap(drawn(trend)).astype(np.float32)
    found = offsets._parabola(angle, weight.astype(np.float32), echoes_of(weight > 0))
    assert found == pytest.approx(trend, abs=1e-4)


def test_moments_and_sums_are_those_of_the_edges(rng):
    angle, weight = rng.standard_normal(SHAPE), rng.random(SHAPE)
    weight[rng.random(SHAPE) < 0.2] = 0
    centre, slope = (np.array(SHAPE) - 1) / 2, rng.standard_normal(3)
    sums = offsets._slope_sums.py_func(angle, weight, 0, 7)
    moments = offsets._rise_moments.py_func(angle, weight, centre, slope, 0, 7)
    parts = [offsets._rise_moments.py_func(angle, weight, centre, slope, *p) for p in
             ((0, 3), (3, 7))]  # fmt: skip
    assert sum(parts) == pytest.approx(moments)
    place = np.indices(SHAPE) - centre.reshape(3, 1, 1, 1)
    for axis in range(3):
        near, far = [slice(None)] * 3, [slice(None)] * 3
        near[axis], far[axis] = slice(-1), slice(1, None)
        near, far = tuple(near), tuple(far)
        shared, rise = np.minimum(weight[near], weight[far]), angle[far] - angle[near]
        total = (shared * np.exp(1j * rise)).sum()
        assert sums[axis] == pytest.approx([total.real, total.imag])
        rest = wrap(rise - slope[axis])
        row = np.stack([np.ones(rest.shape), *(p[near] for p in place), rest])
        expected = np.einsum('axyz,bxyz,xyz', row, row, shared)[:4]
        assert moments[axis] == pytest.approx(expected, abs=1e-4)


def test_blocks_sum_pointers_of_limited_weight_without_the_trend(rng):
    angle, weight, trend = rng.standard_normal(SHAPE), rng.random(SHAPE), trend_of(rng)
    weight[:, 2] = 0
    block = np.array([2, 3, 4])
    coarse = np.zeros((2, 4, 3, 2))
    for first, last in ((0, 1), (1, 4)):
        offsets._block_sums.py_func(angle, weight, 0.6, trend, block, coarse, first, last)
    pointer = np.minimum(0.6, weight) * np.exp(1j * (angle - drawn(trend)))
    padded = np.pad(pointer, [(0, 1), (0, 1), (0, 2)]).reshape(4, 2, 3, 3, 2, 4)
    expected = padded.sum(axis=(1, 3, 5))
    assert coarse[0] + 1j * coarse[1] == pytest.approx(expected)


def test_a_coarse_image_of_one_angle_is_the_trend_everywhere(rng):
    trend, block = trend_of(rng), np.array([2, 3, 4])
    inside = rng.random(SHAPE) < 0.8
    coarse = np.stack([np.full((4, 3, 2), np.cos(0.7)), np.full((4, 3, 2), np.sin(0.7))])
    out = np.zeros(SHAPE)
    for first, last in ((0, 3), (3, 7)):
        offsets._fine_angle.py_func(coarse, trend, block, inside, out, first, last)
    assert np.exp(1j * out[inside]) == pytest.approx(
        np.exp(1j * (0.7 + drawn(trend)))[inside], abs=1e-5
    )
    assert not out[~inside].any()


def test_between_blocks_the_image_is_linear_along_each_axis():
    """A small angle that rises by blocks rises by voxels after interpolation."""
    block, inside = np.array([2, 3, 2]), np.ones((8, 9, 8), bool)
    still = np.zeros(15)
    for axis in range(3):
        centres = np.arange(inside.shape[axis]).reshape(-1, block[axis]).mean(axis=1)
        ramp = np.moveaxis(np.zeros((4, 3, 4)), axis, 0) + 1e-3 * centres[:, None, None]
        ramp = np.moveaxis(ramp, 0, axis)
        out = np.zeros(inside.shape)
        coarse = np.stack([np.cos(ramp), np.sin(ramp)])
        offsets._fine_angle.py_func(coarse, still, block, inside, out, 0, 8)
        expected = 1e-3 * np.clip(np.arange(inside.shape[axis]), centres[0], centres[-1])
        assert np.moveaxis(out, axis, -1)[2, 4] == pytest.approx(expected, abs=1e-7)


def test_time_zero_is_extrapolated_and_weighed_by_both_echoes(rng):
    phase, grown, magnitude, second = rng.random((4, *SHAPE))
    inside = rng.random(SHAPE) < 0.5
    raw, weight = np.zeros(SHAPE), np.full(SHAPE, 9.0)
    for first, last in ((0, 2), (2, 7)):
        offsets._to_time_zero.py_func(
            phase, grown, magnitude, second, 1.5, inside, raw, weight, first, last
        )
    assert raw == pytest.approx(phase - 1.5 * grown)
    assert weight == pytest.approx(magnitude * second * inside)


@pytest.mark.parametrize('sigma', [1.0, 6.0])
def test_a_parabola_is_smoothed_into_itself_and_tells_its_curvature(rng, sigma):
    shape, size = (20, 18, 16), (1.0, 1.25, 2.0)
    trend = trend_of(rng, shape, size=0.01)
    inside = rng.random(shape) < 0.9
    weight = np.where(inside, rng.uniform(0.5, 1, shape), 0).astype(np.float32)
    angle = wrap(drawn(trend, shape)).astype(np.float32)
    out, curvature = _smooth_angle(angle, weight, echoes_of(inside), size, sigma)
    assert np.abs(wrap(out - angle))[inside].max() < 1e-3
    bend = np.diag(trend[6:].reshape(3, 3))
    # rad/m^2 of an image in mm
    assert curvature == pytest.approx(1e6 * (bend / np.square(size)).sum(), rel=1e-3)


def test_smoothing_averages_noise_over_some_sigma(rng):
    shape = (24, 24, 24)
    inside, noise = np.ones(shape, bool), 0.3 * rng.standard_normal(shape).astype(np.float32)
    echoes = echoes_of(inside)
    rest = [
        _smooth_angle(noise, np.ones(shape, np.float32), echoes, (1, 1, 1), s)[0].std()
        for s in (1.0, 2.0, 4.0)
    ]
    # a Gaussian leaves 1 / (8 pi^1.5 sigma^3) of the variance
    expected = [0.3 / np.sqrt(8 * np.pi**1.5 * s**3) for s in (1.0, 2.0)]
    assert rest[:2] == pytest.approx(expected, rel=0.35)
    assert rest[0] > 2 * rest[1] > 3 * rest[2]
