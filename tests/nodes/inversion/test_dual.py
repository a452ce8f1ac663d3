"""The default inversion: two sparse maps, one of susceptibility and one of local frequency."""

import numpy as np
import pytest
from inversion_checks import noisy_field, nucleus_errors
from phantoms import ball, head
from scipy import ndimage

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.inversion.dual import _minimise, _Objective, _solve_pair, dual_tv
from nigra.nodes.inversion.problem import prepare
from nigra.nodes.inversion.tkd import tkd
from nigra.nodes.inversion.tv import tv_admm
from nigra.nodes.numerics.fft import rfftn
from nigra.nodes.numerics.kernels import dipole_kernel, forward_field, second_differences
from nigra.nodes.numerics.stencils import reciprocal_steps


@pytest.mark.parametrize(
    ('shape', 'voxel_size', 'b0_dir'),
    [
        ((48, 44, 40), (2.0, 2.0, 2.0), (0, 0, 1)),
        ((47, 45, 41), (2.0, 2.0, 2.0), (0.2, -0.3, 0.9)),
        ((61, 59, 31), (1.5, 1.5, 3.0), (0, 0.3, 1)),
    ],
)
def test_recovers_the_nuclei(shape, voxel_size, b0_dir):
    phantom = head(shape, voxel_size, b0_dir)
    chi = dual_tv(noisy_field(phantom), phantom['mask'], phantom['grid'])
    assert chi.dtype == np.float32
    assert not chi[~phantom['mask']].any()
    assert np.abs(nucleus_errors(chi, phantom)).max() < 0.012


def test_a_local_shift_does_not_become_susceptibility():
    phantom = head((64, 60, 56))
    grid, mask = phantom['grid'], phantom['mask']
    # a shell about a nucleus shifts the frequency where it is, as white matter does
    shell = ball(grid, 12, (10, 0, 0)) - ball(grid, 7, (10, 0, 0))
    shifted = noisy_field(phantom) - np.float32(0.02) * np.clip(shell, 0, 1) * mask
    with_offset = nucleus_errors(dual_tv(shifted, mask, grid), phantom)
    without = nucleus_errors(dual_tv(shifted, mask, grid, offset_cost=1e3), phantom)
    assert abs(with_offset[0]) < 0.6 * abs(without[0])
    assert abs(with_offset[0]) < 0.006


@pytest.mark.parametrize('faint', [0.003, 0.010])
def test_faint_detail_is_kept(faint):
    """What is no bright nucleus must not fade: shrinkage alone leaves a third of it."""
    phantom = head((64, 60, 56), (1.5, 1.5, 1.5))
    grid, mask = phantom['grid'], phantom['mask']
    rng = np.random.default_rng(0)
    detail = ndimage.gaussian_filter(rng.standard_normal(mask.shape), 2.0)
    detail = np.where(mask, faint * detail / detail[mask].std(), 0).astype(np.float32)
    field = noisy_field(phantom)
    plain = dual_tv(field, mask, grid)
    detailed = dual_tv(field + np.where(mask, forward_field(detail, grid), 0), mask, grid)
    true, found = (image[mask] - image[mask].mean() for image in (detail, detailed - plain))
    assert 0.5 < (true @ found) / (true @ true) < 1.1


@pytest.mark.parametrize('cone', [(0.2, 0.1), (0.1,), (-0.1, 0.2)])
def test_a_cone_that_does_not_rise_is_refused(cone):
    phantom = head()
    with pytest.raises(NigraError, match='cone must be two rising numbers'):
        dual_tv(phantom['local'], phantom['mask'], phantom['grid'], cone=cone)


def test_beats_direct_division_in_noise():
    phantom = head()
    grid, mask = phantom['grid'], phantom['mask']
    field = noisy_field(phantom, sd=4e-3)
    truth = phantom['chi'] - phantom['chi'][mask].mean()

    def error(chi):
        return np.linalg.norm((chi - chi[mask].mean() - truth)[mask])

    assert error(dual_tv(field, mask, grid)) < 0.7 * error(tkd(field, mask, grid))


def test_both_unknowns_solve_their_normal_equations():
    grid = Grid((6, 5, 7), (1.0, 1.5, 2.0), (0.3, 0.1, 0.9))
    rng = np.random.default_rng(2)
    data, a, b = (rfftn(rng.standard_normal(grid.shape).astype(np.float32)) for _ in range(3))
    kernel = dipole_kernel(grid)
    laplace = [axis.ravel() for axis in second_differences(grid)]
    mu, error = np.array([0.03, 0.2], np.float32), np.float32(2.0)
    x, g = a.copy(), b.copy()
    _solve_pair(data, x, g, kernel, *laplace, mu, error, 0, grid.shape[0])
    e = laplace[0][:, None, None] + laplace[1][:, None] + laplace[2]
    w = 1 / (1 + error * kernel**2)
    first = (w * kernel**2 + mu[0] * e) * x + w * kernel * g - w * kernel * data - mu[0] * a
    second = w * kernel * x + (w + mu[1] * e) * g - w * data - mu[1] * b
    assert x[0, 0, 0] == 0
    for rest in (first, second):
        rest[0, 0, 0] = 0
        assert np.abs(rest).max() < 1e-3 * np.abs(data).max()


def test_the_objective_falls_towards_its_minimum():
    phantom = head((32, 30, 28), (3.0, 3.0, 3.0))
    grid, mask = phantom['grid'], phantom['mask']
    problem = prepare(noisy_field(phantom), mask, grid, margin=9)
    model_error, chi_cost = 0.3, 3e-4
    spectrum = rfftn(problem.field)
    settings = _Objective(problem, spectrum, chi_cost, 5.5, 0.02, model_error)
    ones = np.ones(problem.grid.shape, np.float32)
    weights = (ones, problem.weight)
    steps = reciprocal_steps(problem.grid.voxel_size)

    def variation(image):
        squares = [((np.roll(image, -1, a) - image) * steps[a]) ** 2 for a in range(3)]
        return np.sqrt(sum(squares))

    def objective(iterations):
        *_, state = _minimise(settings, weights, iterations)
        rest = rfftn(state.offset - problem.field) + problem.kernel * rfftn(state.chi)
        weight = 1 / (1 + problem.kernel**2 / model_error)
        full = np.full(rest.shape, 2.0)
        full[..., 0] = 1
        if problem.grid.shape[2] % 2 == 0:
            full[..., -1] = 1
        data = 0.5 * float((full * weight * np.abs(rest) ** 2).sum()) / rest.shape[0]
        data /= problem.grid.shape[1] * problem.grid.shape[2]
        edges = variation(state.chi).sum() + 5.5 * (variation(state.offset) * weights[1]).sum()
        return data + chi_cost * float(edges)

    values = [objective(n) for n in (5, 20, 80, 320)]
    assert values[0] > values[1] > values[2]
    assert values[3] < values[2] < 1.05 * values[3]


def test_the_same_for_any_number_of_threads():
    phantom = head((37, 31, 29), (3.0, 3.0, 3.0))
    field = noisy_field(phantom)
    one, three = (
        dual_tv(field, phantom['mask'], phantom['grid'], nthreads=n, iterations=4) for n in (1, 3)
    )
    assert np.array_equal(one, three)


def test_room_around_the_head_changes_nothing():
    phantom = head()
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    wide = [np.pad(a, ((7, 2), (0, 5), (3, 3))) for a in (field, mask)]
    padded = dual_tv(*wide, Grid(wide[0].shape, grid.voxel_size, grid.b0_dir))
    inside = tuple(slice(a, a + n) for a, n in zip((7, 0, 3), grid.shape, strict=True))
    assert np.allclose(padded[inside], dual_tv(field, mask, grid), atol=1e-6)


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_a_flipped_image_gives_the_flipped_map(axis):
    phantom = head(b0_dir=(0.2, 0.3, 0.9))
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    b0_dir = [-b if a == axis else b for a, b in enumerate(grid.b0_dir)]
    turned = Grid(grid.shape, grid.voxel_size, tuple(b0_dir))
    flipped = dual_tv(np.flip(field, axis), np.flip(mask, axis), turned)
    direct = dual_tv(field, mask, grid)
    same = np.flip(flipped, axis)
    means = [[c[n].mean() for n in phantom['nuclei'].values()] for c in (same, direct)]
    assert np.allclose(*means, atol=0.003)


def test_noisy_voxels_are_left_to_the_offset():
    phantom = head()
    grid, mask = phantom['grid'], phantom['mask']
    field = noisy_field(phantom)
    bad = ball(grid, 6, (-4, 14, 4)) > 0.5
    around = (ball(grid, 14, (-4, 14, 4)) > 0.5) & mask & ~bad
    field[bad] += np.random.default_rng(5).normal(0, 0.3, int(bad.sum())).astype(np.float32)
    noise = np.where(bad, 0.3, 1e-3).astype(np.float32)

    def error(**settings):
        chi = dual_tv(field, mask, grid, **settings)
        return np.std((chi - phantom['chi'])[around])

    assert error(noise=noise) < 0.7 * error()


def test_an_empty_field_gives_an_empty_map():
    grid = Grid((16, 15, 14), (3, 3, 3))
    mask = ball(grid, 15) > 0.5
    chi = dual_tv(np.zeros(grid.shape, np.float32), mask, grid, iterations=2, first_iterations=2)
    assert np.array_equal(chi, np.zeros(grid.shape))


def test_progress_counts_up():
    phantom = head((24, 22, 20), (4.0, 4.0, 4.0))
    seen = []
    dual_tv(
        noisy_field(phantom), phantom['mask'], phantom['grid'], first_iterations=2, iterations=3,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(n, 5) for n in range(1, 6)]


@pytest.mark.parametrize(
    ('setting', 'value'),
    [
        ('strength', 0.0),
        ('offset_cost', -1.0),
        ('edge_floor', 0.0),
        ('model_error', 0.0),
        ('texture', -1.0),
        ('magnitude_edges', 1.5),
        ('iterations', 0),
        ('first_iterations', 0),
    ],
)
def test_wrong_settings_are_named(setting, value):
    grid = Grid((8, 8, 8))
    with pytest.raises(NigraError, match=setting):
        dual_tv(np.zeros(grid.shape), np.ones(grid.shape, bool), grid, **{setting: value})


def test_the_forward_field_of_the_map_is_the_field():
    phantom = head()
    grid, mask = phantom['grid'], phantom['mask']
    clean = np.where(mask, phantom['local'], 0).astype(np.float32)
    again = forward_field(dual_tv(clean, mask, grid), grid)
    rest = (again - clean)[mask]
    assert np.std(rest) < 0.25 * np.std(clean[mask])


@pytest.mark.parametrize('axes', [(0,), (1, 2), (0, 1, 2)])
def test_storage_order_does_not_matter_where_the_mask_has_a_shape(axes):
    phantom = head(b0_dir=(0.2, 0.3, 0.9))
    grid, mask, field = phantom['grid'], phantom['mask'].copy(), noisy_field(phantom)
    mask &= ~((ball(grid, 9, (16, 14, 10)) > 0.5) | (ball(grid, 12, (20, -20, -16)) > 0.5))
    b0_dir = [-b if a in axes else b for a, b in enumerate(grid.b0_dir)]
    turned = Grid(grid.shape, grid.voxel_size, tuple(b0_dir))
    size = (1 + 10 * np.abs(phantom['chi'])).astype(np.float32)
    flipped = [np.flip(a, axes) for a in (field, mask, size)]
    for solve, settings in ((dual_tv, {'magnitude_edges': 0.5}), (tv_admm, {'iterations': 10})):
        there = solve(*flipped[:2], turned, magnitude=flipped[2], **settings)
        here = solve(field, mask, grid, magnitude=size, **settings)
        assert np.allclose(np.flip(there, axes), here, atol=2e-5)
    direct = dual_tv(field, mask, grid)
    if axes == (0,):
        order = (2, 0, 1)
        stored = Grid(*(tuple(np.array(v)[list(order)]) for v in
                        (grid.shape, grid.voxel_size, grid.b0_dir)))  # fmt: skip
        moved = dual_tv(field.transpose(order), mask.transpose(order), stored)
        assert np.allclose(moved, direct.transpose(order), atol=2e-5)
