"""Inversion with total generalised variation: maps of known objects, slopes, and input."""

import numpy as np
import pytest
from inversion_checks import noisy_field, nucleus_errors
from phantoms import ball, coordinates, head

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.inversion.tgv_local import tgv_inversion
from nigra.nodes.inversion.tkd import tkd
from nigra.nodes.numerics.kernels import forward_field

GEOMETRIES = [
    ((48, 44, 40), (2.0, 2.0, 2.0), (0, 0, 1)),
    ((47, 45, 41), (2.0, 2.0, 2.0), (0.2, -0.3, 0.9)),
    ((61, 59, 31), (1.5, 1.5, 3.0), (0, 0.3, 1)),
]


@pytest.mark.parametrize(('shape', 'voxel_size', 'b0_dir'), GEOMETRIES)
def test_recovers_the_nuclei(shape, voxel_size, b0_dir):
    phantom = head(shape, voxel_size, b0_dir)
    chi = tgv_inversion(noisy_field(phantom), phantom['mask'], phantom['grid'])
    assert chi.dtype == np.float32
    assert not chi[~phantom['mask']].any()
    assert abs(chi[phantom['mask']].mean()) < 1e-6
    assert np.abs(nucleus_errors(chi, phantom)).max() < 0.015


def test_a_slope_stays_a_slope():
    grid = Grid((40, 36, 32), (2.0, 2.0, 2.0), (0, 0, 1))
    mask = ball(grid, 22) > 0.5
    x = coordinates(grid)[0]
    ramp = (0.004 * x * (ball(grid, 15) > 0.5)).astype(np.float32)
    field = np.where(mask, forward_field(ramp, grid), 0)
    field += np.where(mask, 2e-3 * np.random.default_rng(1).standard_normal(grid.shape), 0)
    middle = ball(grid, 11) > 0.9

    def roughness(**settings):
        chi = tgv_inversion(field.astype(np.float32), mask, grid, iterations=120, **settings)
        rise = (np.roll(chi, -1, 0) - chi)[middle]
        return np.std(rise - 0.008)

    # with alpha0 beyond reach, w stays 0 and total variation makes steps of the slope
    assert roughness() < 0.8 * roughness(alpha0=1.0)


def test_beats_direct_division_in_noise():
    phantom = head(b0_dir=(0.2, 0.1, 0.9))
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom, sd=4e-3)
    truth = phantom['chi'] - phantom['chi'][mask].mean()

    def error(chi):
        return np.linalg.norm((chi - chi[mask].mean() - truth)[mask])

    assert error(tgv_inversion(field, mask, grid)) < 0.7 * error(tkd(field, mask, grid))


def test_the_same_for_any_number_of_threads():
    phantom = head((37, 31, 29), (3.0, 3.0, 3.0))
    field = noisy_field(phantom)
    one, three = (
        tgv_inversion(field, phantom['mask'], phantom['grid'], nthreads=n, iterations=6)
        for n in (1, 3)
    )
    assert np.array_equal(one, three)


@pytest.mark.parametrize('margin', [0.0, 10.0])
def test_room_around_the_head_changes_nothing(margin):
    phantom = head((37, 31, 29), (3.0, 3.0, 3.0))
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    wide = [np.pad(a, ((7, 2), (0, 5), (3, 3))) for a in (field, mask)]
    padded = tgv_inversion(*wide, Grid(wide[0].shape, grid.voxel_size, grid.b0_dir), margin=margin)
    inside = tuple(slice(a, a + n) for a, n in zip((7, 0, 3), grid.shape, strict=True))
    assert np.allclose(padded[inside], tgv_inversion(field, mask, grid, margin=margin), atol=1e-6)


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_a_flipped_image_gives_the_flipped_map(axis):
    phantom = head((40, 36, 32), b0_dir=(0.2, 0.3, 0.9))
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    b0_dir = [-b if a == axis else b for a, b in enumerate(grid.b0_dir)]
    turned = Grid(grid.shape, grid.voxel_size, tuple(b0_dir))
    same = np.flip(tgv_inversion(np.flip(field, axis), np.flip(mask, axis), turned), axis)
    direct = tgv_inversion(field, mask, grid)
    means = [[c[n].mean() for n in phantom['nuclei'].values()] for c in (same, direct)]
    assert np.allclose(*means, atol=0.002)
    # forward differences make the variation a little lopsided
    assert np.linalg.norm(same - direct) < 0.1 * np.linalg.norm(direct)


def test_constants_and_values_outside_change_nothing():
    phantom = head((37, 31, 29), (3.0, 3.0, 3.0))
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    moved = np.where(mask, field + np.float32(0.7), np.nan)
    raised = tgv_inversion(moved, mask, grid)
    assert np.allclose(raised, tgv_inversion(field, mask, grid), atol=1e-5)


def test_noisy_voxels_count_less():
    phantom = head()
    grid, mask, field = phantom['grid'], phantom['mask'], noisy_field(phantom)
    bad = ball(grid, 6, (-4, 14, 4)) > 0.5
    around = (ball(grid, 14, (-4, 14, 4)) > 0.5) & mask & ~bad
    field[bad] += np.random.default_rng(5).normal(0, 0.3, int(bad.sum())).astype(np.float32)
    noise = np.where(bad, 0.3, 1e-3).astype(np.float32)

    def error(**settings):
        return np.std((tgv_inversion(field, mask, grid, **settings) - phantom['chi'])[around])

    assert error(noise=noise) < 0.7 * error()


def test_an_empty_field_gives_an_empty_map():
    grid = Grid((16, 15, 14), (3, 3, 3))
    chi = tgv_inversion(np.zeros(grid.shape, np.float32), ball(grid, 15) > 0.5, grid, iterations=3)
    assert np.array_equal(chi, np.zeros(grid.shape))


def test_progress_counts_up():
    phantom = head((24, 22, 20), (4.0, 4.0, 4.0))
    seen = []
    tgv_inversion(
        noisy_field(phantom), phantom['mask'], phantom['grid'], iterations=4,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(n, 4) for n in range(1, 5)]


@pytest.mark.parametrize(
    ('setting', 'value'),
    [('alpha1', 0.0), ('alpha0', np.nan), ('alpha0', -1.0), ('iterations', 0), ('margin', -1.0)],
)
def test_wrong_settings_are_named(setting, value):
    grid = Grid((8, 8, 8))
    with pytest.raises(NigraError, match=f'^{setting} must'):
        tgv_inversion(np.zeros(grid.shape), np.ones(grid.shape, bool), grid, **{setting: value})


def test_arrays_that_do_not_fit_are_refused():
    grid = Grid((8, 8, 8))
    field, mask = np.zeros(grid.shape, np.float32), np.ones(grid.shape, bool)
    with pytest.raises(NigraError, match='field has shape'):
        tgv_inversion(field[1:], mask, grid)
    with pytest.raises(NigraError, match='mask is empty'):
        tgv_inversion(field, ~mask, grid)
    field[2, 2, 2] = np.nan
    with pytest.raises(NigraError, match='not finite'):
        tgv_inversion(field, mask, grid)
