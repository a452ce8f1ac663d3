import numpy as np
import pytest
from inversion_checks import whole
from phantoms import ball

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.edge_terms import weighted_laplacian
from nigra.nodes.inversion.ilsqr import _fall, _fast_map, _field_weight, _flat, _streaks, ilsqr
from nigra.nodes.numerics.fft import irfftn, rfftn
from nigra.nodes.numerics.kernels import dipole_kernel, forward_field
from nigra.nodes.numerics.stencils import reciprocal_steps

GRID = Grid((30, 28, 25), (1.0, 1.2, 1.5), (0.3, -0.4, 0.8))


def problem(field, inside):
    return whole(GRID, field, inside.astype(np.float32), inside)


@pytest.fixture(scope='module')
def scene():
    """A ball, a mask, the cone, and a streak that lies in the cone."""
    chi = 0.1 * ball(GRID, 6)
    inside = ball(GRID, 13) > 0.5
    cone = np.abs(dipole_kernel(GRID)) < 0.1
    noise = np.random.default_rng(0).standard_normal(GRID.shape).astype(np.float32)
    spectrum = rfftn(noise)
    spectrum *= cone
    spectrum[0, 0, 0] = 0
    streak = irfftn(spectrum, np.empty_like(noise)) * np.float32(0.02)
    return chi.astype(np.float32), inside, cone, streak


def test_streaks_over_flat_tissue_are_found(scene):
    chi, inside, cone, streak = scene
    flat = _flat(chi, np.ones_like(inside), (50.0, 99.0))
    found = _streaks(problem(chi, inside), chi + streak, flat, cone, 60, 1e-4)
    assert np.linalg.norm(found - streak) < 0.3 * np.linalg.norm(streak)


def test_streaks_lie_in_the_cone_and_explain_ever_more(scene):
    chi, inside, cone, streak = scene
    flat = _flat(chi, inside, (70.0, 90.0))
    image, out, energies = chi + streak, np.empty_like(chi), []
    for steps in (1, 3, 9, 27):
        found = _streaks(problem(chi, inside), image, flat, cone, steps, 0.0)
        weighted_laplacian(image - found, flat, reciprocal_steps(GRID.voxel_size), out, 0, 30)
        energies.append(float(np.vdot(image - found, out)))
    assert np.all(np.diff(energies) <= 0)
    assert energies[-1] < energies[0]
    outside = rfftn(found)[~cone]
    assert np.abs(outside).max() < 1e-4 * np.abs(rfftn(found)).max()


def test_edges_get_no_weight_and_the_mask_border_none_either(scene):
    chi, inside, _, _ = scene
    flat = _flat(chi, inside, (50.0, 99.0))
    assert flat.min() >= 0
    assert flat.max() == 1
    assert not flat[:, ~inside].any()
    slope = np.abs(np.roll(chi, -1, 0) - chi)
    assert flat[0][inside & (slope == slope.max())].max() == 0


def test_fast_map_shows_the_ball(scene):
    chi, inside, _, _ = scene
    field = np.where(inside, forward_field(chi, GRID), 0).astype(np.float32)
    fast = _fast_map(problem(field, inside))
    contrast = fast[ball(GRID, 4) > 0.9].mean() - fast[inside & (ball(GRID, 8) == 0)].mean()
    assert 0.06 < contrast < 0.14


def test_weights_fall_with_the_laplacian_of_the_field(scene):
    chi, inside, _, _ = scene
    field = np.where(inside, forward_field(chi, GRID), 0).astype(np.float32)
    field[15, 14, 12] += 0.2
    weight = _field_weight(problem(field, inside), (90.0, 100.0))
    assert weight[15, 14, 12] == 0
    assert np.mean(weight[inside] == 1) == pytest.approx(0.9, abs=0.01)
    assert np.allclose(_fall(np.float32([0, 1, 2, 3, 4]), 1.0, 3.0), [1, 1, 0.5, 0, 0])


def test_a_single_slice_does_not_end_in_a_crash():
    grid = Grid((16, 16, 1), (1, 1, 2))
    mask = np.zeros(grid.shape, bool)
    mask[3:13, 3:13] = True
    field = np.random.default_rng(0).standard_normal(grid.shape).astype(np.float32) * mask
    assert np.isfinite(ilsqr(field, mask, grid)).all()
