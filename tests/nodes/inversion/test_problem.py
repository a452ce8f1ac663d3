"""The skeleton of inversions: what it refuses, weighs and puts back, for every method by name."""

import numpy as np
import pytest
from inversion_checks import noisy_field
from phantoms import ball, head

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.inversion.problem import (
    data_weights,
    edge_weights,
    prepare,
    without_constant,
)
from nigra.nodes.methods import INVERSION

METHODS = {name: method.function for name, method in INVERSION.items()}
WITH_NOISE = [name for name, f in METHODS.items() if 'noise' in f.__kwdefaults__]
WITH_MAGNITUDE = [name for name, f in METHODS.items() if 'magnitude' in f.__kwdefaults__]
WITH_PROGRESS = [name for name, f in METHODS.items() if 'progress' in f.__kwdefaults__]


@pytest.fixture(scope='module')
def phantom():
    return head((29, 26, 23), (4.0, 4.0, 4.0), (0.2, -0.3, 0.9))


@pytest.mark.parametrize('name', METHODS)
def test_wrong_input_is_named(phantom, name):
    local, mask, grid = phantom['local'], phantom['mask'], phantom['grid']
    with pytest.raises(NigraError, match='field has shape'):
        METHODS[name](local[1:], mask, grid)
    with pytest.raises(NigraError, match='mask has shape'):
        METHODS[name](local, mask[1:], grid)
    with pytest.raises(NigraError, match='empty'):
        METHODS[name](local, np.zeros_like(mask), grid)
    with pytest.raises(NigraError, match='margin must'):
        METHODS[name](local, mask, grid, margin=-1.0)


@pytest.mark.parametrize('name', METHODS)
@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_one_missing_value_inside_the_mask_is_refused(phantom, name, bad):
    local, mask = phantom['local'].copy(), phantom['mask']
    local[tuple(np.argwhere(mask)[7])] = bad
    with pytest.raises(NigraError, match='1 values inside the mask that are not finite'):
        METHODS[name](local, mask, phantom['grid'])


@pytest.mark.parametrize('name', WITH_NOISE)
def test_noise_must_fit(phantom, name):
    with pytest.raises(NigraError, match='noise has shape'):
        METHODS[name](phantom['local'], phantom['mask'], phantom['grid'], noise=np.ones((2, 2, 2)))


@pytest.mark.parametrize('name', WITH_MAGNITUDE)
def test_magnitude_must_fit(phantom, name):
    settings = {'magnitude_edges': 0.5} if name == 'dual' else {}
    with pytest.raises(NigraError, match='magnitude has shape'):
        METHODS[name](
            phantom['local'], phantom['mask'], phantom['grid'], magnitude=np.ones((2, 2, 2)),
            **settings,
        )  # fmt: skip


@pytest.mark.parametrize('name', METHODS)
def test_zero_outside_the_mask_whatever_the_field_is_there(phantom, name):
    local, mask = phantom['local'], phantom['mask']
    chi = METHODS[name](np.where(mask, local, np.nan), mask, phantom['grid'])
    assert chi.dtype == np.float32
    assert chi.shape == mask.shape
    assert not chi[~mask].any()
    assert chi[mask].any()
    assert np.array_equal(chi, METHODS[name](np.where(mask, local, 7), mask, phantom['grid']))


@pytest.mark.parametrize('name', METHODS)
def test_threads_change_nothing(phantom, name):
    field = noisy_field(phantom)
    one, three = (
        METHODS[name](field, phantom['mask'], phantom['grid'], nthreads=n) for n in (1, 3)
    )
    assert np.array_equal(one, three)


@pytest.mark.parametrize('name', METHODS)
@pytest.mark.parametrize('axes', [(0,), (1, 2)])
def test_storage_order_does_not_matter_where_the_mask_has_a_shape(phantom, name, axes):
    grid, mask, field = phantom['grid'], phantom['mask'].copy(), noisy_field(phantom)
    mask &= ~((ball(grid, 12, (16, 14, 10)) > 0.5) | (ball(grid, 16, (20, -20, -16)) > 0.5))
    b0_dir = [-b if a in axes else b for a, b in enumerate(grid.b0_dir)]
    turned = Grid(grid.shape, grid.voxel_size, tuple(b0_dir))
    there = METHODS[name](np.flip(field, axes), np.flip(mask, axes), turned)
    here = METHODS[name](field, mask, grid)
    assert np.allclose(np.flip(there, axes), here, atol=1e-4)


@pytest.mark.parametrize('name', WITH_PROGRESS)
def test_progress_counts_up(phantom, name):
    seen = []
    METHODS[name](
        phantom['local'], phantom['mask'], phantom['grid'],
        progress=lambda step, count: seen.append((step, count)),
    )  # fmt: skip
    assert [step for step, _ in seen] == list(range(1, len(seen) + 1))
    assert all(step <= count for step, count in seen)


def test_noisy_voxels_weigh_less_from_a_multiple_of_the_median_on():
    mask = np.array([[[True, True, True, True, True, False]]])
    noise = np.array([[[1.0, 1.0, 2.0, np.nan, 0.0, 1.0]]])
    assert np.allclose(data_weights(noise, mask), [[[1, 1, 0.25, 0, 0, 0]]])
    assert np.allclose(data_weights(noise, mask, 1.5), [[[1, 1, 0.5625, 0, 0, 0]]])
    assert np.array_equal(data_weights(None, mask), mask)
    assert np.array_equal(data_weights(np.zeros(mask.shape), mask), mask)


def test_the_problem_is_centred_and_comes_back_in_place():
    grid = Grid((20, 15, 12), (1.0, 2.0, 3.0), (0.0, 0.6, 0.8))
    mask = ball(grid, 6, (3, -4, 2)) > 0.5
    mask[:, :7, :6] = False
    field = np.random.default_rng(0).normal(5, 1, grid.shape)
    problem = prepare(field, mask, grid, margin=4)
    assert problem.field.mean() == pytest.approx(0, abs=1e-6)
    assert not problem.field[~problem.inside].any()
    assert problem.inside.sum() == mask.sum()
    expected = np.where(mask, field - field[mask].mean(), 0)
    assert np.allclose(
        problem.put_back(problem.field + np.float32(3)) - 3 * mask, expected, atol=1e-6
    )
    # room on every side, also where the solver asks for more than the user
    for margin, least in ((4, 0), (0, 4)):
        inside = prepare(field, mask, grid, margin=margin, least_margin=least).inside
        for axis, h in enumerate(grid.voxel_size):
            used = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
            assert min(used[0], inside.shape[axis] - 1 - used[-1]) * h >= 4


def test_a_constant_of_the_field_is_taken_out_of_the_map():
    image = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    assert np.allclose(without_constant(image), image - 29.5)
    assert np.allclose(without_constant(image + np.float32(7)), without_constant(image))


@pytest.mark.parametrize('strength', [0.3, 0.9])
def test_edge_weights_are_one_where_flat_and_half_as_strong_on_a_ramp(strength):
    shape, size = (10, 12, 8), (1.0, 2.0, 3.0)
    mask = np.zeros(shape, bool)
    mask[1:-1, 1:-1, 1:-1] = True
    flat = edge_weights(np.full(shape, 7.0), mask, Grid(shape, size), strength)
    assert np.array_equal(flat, np.ones(shape, np.float32))
    for axis in range(3):
        ramp = 5.0 * np.indices(shape)[axis]
        found = edge_weights(ramp, mask, Grid(shape, size), strength)
        within = mask & np.roll(mask, -1, axis)
        # every slope is the typical one, which halves the strength
        assert found[within] == pytest.approx(1 - strength / 2, abs=1e-6)
        assert found[~within] == pytest.approx(1)


def test_edge_weights_know_no_unit_of_the_magnitude_and_keep_their_limits():
    rng = np.random.default_rng(4)
    image = np.cumsum(rng.standard_normal((12, 12, 12)), axis=0)
    mask = np.ones(image.shape, bool)
    grid = Grid(image.shape, (1.0, 1.0, 1.0))
    found = edge_weights(image, mask, grid, 0.8)
    assert edge_weights(1000 * image, mask, grid, 0.8) == pytest.approx(found, abs=1e-5)
    assert found.min() >= 1 - 0.8 - 1e-6
    assert found.max() <= 1
    sharp = image.copy()
    sharp[6:] += 1e6
    edge = edge_weights(sharp, mask, grid, 0.8)
    assert edge[5].mean() < 0.61 < 0.9 < edge[2].mean()
