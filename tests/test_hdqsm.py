"""Hybrid inversion: its two data terms, its solver, and maps of known objects."""

import numpy as np
import pytest
from phantoms import ball, head

from nigra.nodes.cg import with_constant
from nigra.nodes.errors import NigraError
from nigra.nodes.fft import rfftn
from nigra.nodes.grid import Grid
from nigra.nodes.hdqsm import (
    _Absolute,
    _solve,
    _Solver,
    _split_absolute,
    _split_squares,
    _Squares,
    hdqsm,
)
from nigra.nodes.inversion import tv_admm
from nigra.nodes.kernels import dipole_kernel, gradient_kernel
from nigra.nodes.tkd import tkd

GEOMETRIES = [
    ((48, 44, 40), (2.0, 2.0, 2.0), (0, 0, 1)),
    ((47, 45, 41), (2.0, 2.0, 2.0), (0.2, -0.3, 0.9)),
    ((61, 59, 31), (1.5, 1.5, 3.0), (0, 0.3, 1)),
]


def noisy_field(phantom, seed=0, sd=1e-3):
    rng = np.random.default_rng(seed)
    noise = sd * rng.standard_normal(phantom['grid'].shape)
    return np.where(phantom['mask'], phantom['local'] + noise, 0).astype(np.float32)


def nucleus_errors(chi, phantom):
    """Errors of the nuclei's means relative to the whole mask, ppm."""
    mask = phantom['mask']
    own, true = chi - chi[mask].mean(), phantom['chi'] - phantom['chi'][mask].mean()
    return np.array([own[n].mean() - true[n].mean() for n in phantom['nuclei'].values()])


@pytest.mark.parametrize(('shape', 'voxel_size', 'b0_dir'), GEOMETRIES)
def test_recovers_the_nuclei(shape, voxel_size, b0_dir):
    phantom = head(shape, voxel_size, b0_dir)
    chi = hdqsm(noisy_field(phantom), phantom['mask'], phantom['grid'])
    assert chi.dtype == np.float32
    assert not chi[~phantom['mask']].any()
    assert np.abs(nucleus_errors(chi, phantom)).max() < 0.02


@pytest.mark.parametrize(
    ('split', 'limit', 'cost'),
    [
        (_split_absolute, lambda mu: 1 / mu, lambda q, w: w * np.abs(q)),
        (_split_squares, lambda mu: mu, lambda q, w: w * q**2 / 2),
    ],
)
def test_splits_are_proximal_steps(split, limit, cost):
    rng = np.random.default_rng(0)
    shape, mu = (4, 3, 5), 1.7
    model, field, dual = (rng.standard_normal(shape).astype(np.float32) for _ in range(3))
    weight = rng.random(shape).astype(np.float32)
    weight[0] = 0
    v = model - field + dual
    reflected, multiplier = model.copy(), dual.copy()
    split(reflected, field, multiplier, weight, np.float32(limit(mu)))
    candidates = np.linspace(-6, 6, 24001)[:, None, None, None]
    values = cost(candidates, weight) + mu / 2 * (candidates - v) ** 2
    q = np.take_along_axis(candidates, values.argmin(axis=0)[None], axis=0)[0]
    assert np.allclose(multiplier, v - q, atol=1e-3)
    assert np.allclose(reflected, field + q - (v - q), atol=2e-3)


def test_the_map_solves_its_normal_equations():
    grid = Grid((6, 5, 7), (1.0, 1.5, 2.0), (0.3, 0.1, 0.9))
    rng = np.random.default_rng(2)
    data, sparse = (rfftn(rng.standard_normal(grid.shape).astype(np.float32)) for _ in range(2))
    kernel, edges = with_constant(dipole_kernel(grid)), gradient_kernel(grid)
    field, x, ratio = data.copy(), sparse.copy(), np.float32(0.03)
    _solve(field, x, kernel, edges, ratio, 0, grid.shape[0])
    rest = (kernel**2 + ratio * edges) * x - kernel * data - ratio * sparse
    assert np.abs(rest).max() < 1e-4 * np.abs(data).max()
    assert np.allclose(field, kernel * x)


@pytest.mark.parametrize('name', ['absolute', 'squares'])
def test_the_objective_falls_towards_its_minimum(name):
    grid = Grid((24, 21, 18), (2.0, 2.0, 3.0), (0.2, 0.0, 1.0))
    chi = 0.1 * ball(grid, 9, (4, 0, 0)) - 0.05 * ball(grid, 7, (-10, 4, 3))
    rng = np.random.default_rng(4)
    kernel = with_constant(dipole_kernel(grid))
    weight = (ball(grid, 24) > 0.5).astype(np.float32)
    field = np.fft.irfftn(rfftn(chi) * kernel, grid.shape, axes=(0, 1, 2))
    field = ((field + 0.004 * rng.standard_normal(grid.shape)) * weight).astype(np.float32)
    strength = 0.05 if name == 'absolute' else 4e-4
    values = []

    def objective(x, model):
        slopes = [(np.roll(x, -1, a) - x) / h for a, h in enumerate(grid.voxel_size)]
        variation = np.sqrt(sum(s.astype(np.float64) ** 2 for s in slopes)).sum()
        rest = (model - field).astype(np.float64)
        data = np.abs(rest) if name == 'absolute' else rest**2 / 2
        values.append(float((weight * data).sum() + strength * variation))

    spread = float(np.std(field[weight > 0]))
    term = _Absolute(weight, spread) if name == 'absolute' else _Squares(weight)
    solver = _Solver(grid, field, 1 / 30, 1)
    solver.run(term, strength, 600, 0.0, lambda step: None, objective)
    assert len(values) == 600
    assert values[5] > values[30] > values[120] > values[-1]
    assert values[120] < 1.05 * values[-1]
    # no direction leads further down
    lowest = values[-1]
    for step in (chi, rng.standard_normal(grid.shape).astype(np.float32)):
        for factor in np.float32([-0.05, 0.05]):
            change = np.fft.irfftn(rfftn(step) * kernel, grid.shape, axes=(0, 1, 2))
            objective(solver.map + factor * step, solver.model + factor * change)
            assert values[-1] > lowest


def test_wrong_voxels_spoil_less_than_with_squares_alone():
    phantom = head()
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    bad = ball(grid, 5, (-4, 14, 4)) > 0.5
    field[bad] += 0.4
    around = (ball(grid, 14, (-4, 14, 4)) > 0.5) & mask & ~bad

    def error(chi):
        return np.std((chi - phantom['chi'])[around])

    assert error(hdqsm(field, mask, grid)) < 0.7 * error(tv_admm(field, mask, grid))


def test_beats_direct_division_in_noise():
    phantom = head(b0_dir=(0.2, 0.1, 0.9))
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom, sd=4e-3)
    truth = phantom['chi'] - phantom['chi'][mask].mean()

    def error(chi):
        return np.linalg.norm((chi - chi[mask].mean() - truth)[mask])

    assert error(hdqsm(field, mask, grid)) < 0.7 * error(tkd(field, mask, grid))


def test_the_same_for_any_number_of_threads():
    phantom = head((37, 31, 29), (3.0, 3.0, 3.0))
    field = noisy_field(phantom)
    one, three = (
        hdqsm(field, phantom['mask'], phantom['grid'], nthreads=n, iterations=6) for n in (1, 3)
    )
    assert np.array_equal(one, three)


def test_room_around_the_head_changes_nothing():
    phantom = head()
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    wide = [np.pad(a, ((7, 2), (0, 5), (3, 3))) for a in (field, mask)]
    padded = hdqsm(*wide, Grid(wide[0].shape, grid.voxel_size, grid.b0_dir))
    inside = tuple(slice(a, a + n) for a, n in zip((7, 0, 3), grid.shape, strict=True))
    assert np.allclose(padded[inside], hdqsm(field, mask, grid), atol=1e-6)


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_a_flipped_image_gives_the_flipped_map(axis):
    phantom = head((40, 36, 32), b0_dir=(0.2, 0.3, 0.9))
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    b0_dir = [-b if a == axis else b for a, b in enumerate(grid.b0_dir)]
    turned = Grid(grid.shape, grid.voxel_size, tuple(b0_dir))
    same = np.flip(hdqsm(np.flip(field, axis), np.flip(mask, axis), turned), axis)
    direct = hdqsm(field, mask, grid)
    means = [[c[n].mean() for n in phantom['nuclei'].values()] for c in (same, direct)]
    assert np.allclose(*means, atol=0.002)
    # forward differences make total variation a little lopsided
    assert np.linalg.norm(same - direct) < 0.1 * np.linalg.norm(direct)


def test_a_constant_in_the_field_changes_nothing():
    phantom = head((37, 31, 29), (3.0, 3.0, 3.0))
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    raised = hdqsm(field + np.float32(0.7), mask, grid)
    assert np.allclose(raised, hdqsm(field, mask, grid), atol=1e-5)


def test_noisy_voxels_count_less():
    phantom = head()
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    bad = ball(grid, 6, (-4, 14, 4)) > 0.5
    around = (ball(grid, 14, (-4, 14, 4)) > 0.5) & mask & ~bad
    field[bad] += np.random.default_rng(5).normal(0, 0.3, int(bad.sum())).astype(np.float32)
    noise = np.where(bad, 0.3, 1e-3).astype(np.float32)
    noise[mask & (np.arange(grid.shape[2]) == 3)] = np.nan

    def error(**settings):
        chi = hdqsm(field, mask, grid, **settings)
        assert np.isfinite(chi).all()
        return np.std((chi - phantom['chi'])[around])

    assert error(noise=noise) < 0.7 * error()


def test_an_empty_field_gives_an_empty_map():
    grid = Grid((16, 15, 14), (3, 3, 3))
    chi = hdqsm(np.zeros(grid.shape, np.float32), ball(grid, 15) > 0.5, grid)
    assert np.array_equal(chi, np.zeros(grid.shape))


def test_progress_counts_up_over_both_stages():
    phantom = head((24, 22, 20), (4.0, 4.0, 4.0))
    seen = []
    hdqsm(
        noisy_field(phantom), phantom['mask'], phantom['grid'], first_iterations=2, iterations=3,
        tolerance=0, progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(n, 5) for n in range(1, 6)]


@pytest.mark.parametrize(
    ('setting', 'value'),
    [
        ('regularisation', 0.0),
        ('first_regularisation', -1.0),
        ('outlier', 0.0),
        ('outlier', 101.0),
        ('penalty', 0.0),
        ('first_iterations', 0),
        ('iterations', 0),
        ('tolerance', -1.0),
        ('margin', -1.0),
    ],
)
def test_wrong_settings_are_named(setting, value):
    grid = Grid((8, 8, 8))
    with pytest.raises(NigraError, match=f'^{setting} must'):
        hdqsm(np.zeros(grid.shape), np.ones(grid.shape, bool), grid, **{setting: value})


def test_arrays_that_do_not_fit_are_refused():
    grid = Grid((8, 8, 8))
    field, mask = np.zeros(grid.shape, np.float32), np.ones(grid.shape, bool)
    with pytest.raises(NigraError, match='field has shape'):
        hdqsm(field[1:], mask, grid)
    with pytest.raises(NigraError, match='mask is empty'):
        hdqsm(field, ~mask, grid)
