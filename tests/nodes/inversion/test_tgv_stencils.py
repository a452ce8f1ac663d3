"""Sweeps of TGV against whole arrays; as plain Python, which refuses places outside."""

import numpy as np
import pytest

from nigra.nodes.inversion import tgv_stencils as ts

SHAPE = (5, 6, 7)
STEPS = np.array([1.0, 1.25, 0.5])
BITS = (1, 2, 4)
PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
TWICE = np.array([1, 1, 1, 2, 2, 2.0])[:, None, None, None]


def sweep(kernel, *arguments):
    """A kernel on two slabs; their results, if any."""
    return [kernel.py_func(*arguments, first, last) for first, last in ((0, 2), (2, SHAPE[0]))]


def shifted(image, axis, by):
    """The image moved along an axis by one voxel, with nothing (0) coming in."""
    out = np.zeros_like(image)
    here, there = [slice(None)] * 3, [slice(None)] * 3
    here[axis], there[axis] = (
        (slice(1, None), slice(-1)) if by > 0 else (slice(-1), slice(1, None))
    )
    out[tuple(here)] = image[tuple(there)]
    return out


def marked(mask):
    edges, marks = np.zeros(SHAPE, np.int16), np.zeros(SHAPE, np.int16)
    sweep(ts.mark_edges, mask, edges)
    sweep(ts.mark_derivatives, edges, marks)
    return edges, marks


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def mask(rng):
    return rng.random(SHAPE) < 0.85


def on_edges(edges):
    return np.stack([(edges & bit) > 0 for bit in BITS])


def on_derivatives(marks):
    return np.stack([(marks & (8 << n)) > 0 for n in range(6)])


def test_edges_join_neighbours_of_the_mask(mask):
    edges, _ = marked(mask)
    for axis, on in enumerate(on_edges(edges)):
        np.testing.assert_array_equal(on, mask & shifted(mask, axis, -1))
    full, _ = marked(np.ones(SHAPE, bool))
    assert [int(on.sum()) for on in on_edges(full)] == [4 * 42, 5 * 35, 6 * 30]


def test_second_differences_need_all_their_edges(mask):
    edges, marks = marked(mask)
    on = on_edges(edges)
    np.testing.assert_array_equal(marks & 7, edges)
    for (a, b), found in zip(PAIRS, on_derivatives(marks), strict=True):
        expected = on[a] & on[b] & shifted(on[b], a, 1) & shifted(on[a], b, 1)
        np.testing.assert_array_equal(found, expected)


def test_the_gradient_less_the_slope_is_added_on_edges(mask, rng):
    edges, marks = marked(mask)
    x, w, p = rng.normal(size=SHAPE), rng.normal(size=(3, *SHAPE)), rng.normal(size=(3, *SHAPE))
    before = p.copy()
    sweep(ts.add_gradient, x, w, marks, STEPS, 0.7, p)
    for axis, on in enumerate(on_edges(edges)):
        rise = (shifted(x, axis, -1) - x) * STEPS[axis] - w[axis]
        assert p[axis] == pytest.approx(before[axis] + 0.7 * on * rise)


def test_the_adjoint_of_the_gradient(mask, rng):
    edges, marks = marked(mask)
    x, p = rng.normal(size=SHAPE), on_edges(edges) * rng.normal(size=(3, *SHAPE))
    rise, back = np.zeros_like(p), np.full(SHAPE, 9.0)
    sweep(ts.add_gradient, x, np.zeros_like(p), marks, STEPS, 1.0, rise)
    sweep(ts.gradient_adjoint, p, STEPS, back)
    assert np.vdot(back, x) == pytest.approx(np.vdot(p, rise))
    assert not back[~mask].any()


def derivative(w, marks):
    """Symmetrised backward differences, (6, x, y, z)."""
    rows = [
        0.5 * ((w[b] - shifted(w[b], a, 1)) * STEPS[a] + (w[a] - shifted(w[a], b, 1)) * STEPS[b])
        for a, b in PAIRS
    ]
    return on_derivatives(marks) * np.stack(rows)


def test_the_symmetrised_derivative_is_added_where_it_is_whole(mask, rng):
    _, marks = marked(mask)
    w, q = rng.normal(size=(3, *SHAPE)), rng.normal(size=(6, *SHAPE))
    before = q.copy()
    sweep(ts.add_derivative, w, marks, STEPS, 0.7, q)
    assert q == pytest.approx(before + 0.7 * derivative(w, marks))


def test_slopes_descend_by_the_adjoint_that_counts_mixed_entries_twice(mask, rng):
    edges, marks = marked(mask)
    on, whole = on_edges(edges), on_derivatives(marks)
    w, p = (on * rng.normal(size=(3, *SHAPE)) for _ in range(2))
    q, ahead = whole * rng.normal(size=(6, *SHAPE)), np.full((3, *SHAPE), 9.0)
    old = w.copy()
    sweep(ts.descend_slopes, w, ahead, p, q, marks, STEPS, 0.3)
    fall = p - (w - old) / 0.3
    assert np.vdot(fall, old) == pytest.approx((TWICE * q * derivative(old, marks)).sum())
    probe = on * rng.normal(size=(3, *SHAPE))
    assert np.vdot(fall, probe) == pytest.approx((TWICE * q * derivative(probe, marks)).sum())
    assert ahead == pytest.approx(np.where(on, 2 * w - old, 9))
    np.testing.assert_array_equal(w[~on], old[~on])


@pytest.mark.parametrize('limit', [0.5, 1.0, 2.0])
def test_multipliers_are_projected_onto_their_ball(mask, rng, limit):
    p, q = (rng.random(SHAPE) * rng.normal(size=(n, *SHAPE)) for n in (3, 6))
    _, marks = marked(mask)
    inside = (marks >= 8) & mask
    old_p, old_q = p.copy(), q.copy()
    sweep(ts.limit_edges, p, limit)
    sweep(ts.limit_derivatives, q, marks, limit)
    within = q[:, inside], old_q[:, inside], TWICE[:, :, 0, 0]
    for new, old, weight in ((p, old_p, 1.0), within):
        length = np.sqrt((weight * old**2).sum(axis=0))
        assert 0 < (length > limit).mean() < 1
        assert new == pytest.approx(old * np.minimum(1, limit / length), rel=1e-6)
    np.testing.assert_array_equal(q[:, ~inside], old_q[:, ~inside])


def test_the_data_term_voxel_by_voxel(rng):
    model, field, weight = rng.normal(size=SHAPE), rng.normal(size=SHAPE), rng.random(SHAPE)
    total = sum(sweep(ts.weighted_sum, model, field, weight))
    assert total == pytest.approx((weight * (model - field)).sum())
    gap = model.copy()
    sweep(ts.misfit, gap, field, weight, 0.4)
    assert gap == pytest.approx(weight * (model - field - 0.4))
    old = field.copy()
    sweep(ts.extrapolate, model, old)
    assert old == pytest.approx(2 * model - field)


def test_spectra_descend_and_give_field_and_map(rng):
    chi, data, prior = (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE) for _ in range(3))
    kernel, step = rng.uniform(-2 / 3, 1 / 3, SHAPE), rng.random(SHAPE)
    expected = chi - step * (kernel * data + prior)
    sweep(ts.descend_spectrum, chi, data, prior, kernel, step)
    assert chi == pytest.approx(expected)
    np.testing.assert_array_equal(prior, chi)
    assert data == pytest.approx(kernel * expected)
