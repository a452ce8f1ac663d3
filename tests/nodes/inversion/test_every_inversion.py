"""What every established inversion must do, whatever its prior."""

import functools

import numpy as np
import pytest
from inversion_checks import check_reoriented, slope_and_error
from phantoms import ball, coordinates, head

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.inversion.hdqsm import hdqsm
from nigra.nodes.inversion.ilsqr import ilsqr
from nigra.nodes.inversion.medi import medi
from nigra.nodes.inversion.reference import reference_to
from nigra.nodes.inversion.rts import rts
from nigra.nodes.inversion.tkd import tkd
from nigra.nodes.numerics.kernels import forward_field

METHODS = {
    'tkd': tkd,
    'tkd linear': functools.partial(tkd, threshold=0.2, inside='linear', unbiased=True),
    'rts': rts,
    'medi': medi,
    'medi phase': functools.partial(medi, echo_times=(0.01, 0.02), b0=3.0),
    'hdqsm': hdqsm,
    'ilsqr': ilsqr,
}
ITERATIVE = [name for name in METHODS if not name.startswith('tkd')]


@functools.cache
def brain(b0_dir=(0, 0, 1), shape=(48, 44, 40), voxel_size=(2.0, 2.0, 2.0)):
    return head(shape, voxel_size, b0_dir)


@functools.cache
def reconstruct(name, b0_dir=(0, 0, 1), shape=(48, 44, 40), voxel_size=(2.0, 2.0, 2.0)):
    phantom = brain(b0_dir, shape, voxel_size)
    return METHODS[name](phantom['local'], phantom['mask'], phantom['grid'])


@pytest.mark.parametrize('name', METHODS)
@pytest.mark.parametrize(
    'scan',
    [
        ((0, 0, 1), (48, 44, 40), (2.0, 2.0, 2.0)),
        ((0.3, -0.4, 0.8), (48, 44, 40), (2.0, 2.0, 2.0)),
        ((0, 0.2, 0.9), (47, 43, 31), (2.0, 2.0, 3.0)),
    ],
)
def test_nuclei_come_back(name, scan):
    phantom, chi = brain(*scan), reconstruct(name, *scan)
    slope, worst = slope_and_error(chi, phantom)
    assert chi.dtype == np.float32
    assert not chi[~phantom['mask']].any()
    assert 0.8 < slope < 1.12
    assert worst < 0.022


@pytest.mark.parametrize('name', ITERATIVE)
def test_nearer_to_the_truth_than_division_under_noise(name):
    phantom = brain()
    rng = np.random.default_rng(0)
    noisy = phantom['local'] + rng.normal(0, 2e-3, phantom['mask'].shape).astype(np.float32)
    chi, division = (
        reference_to(METHODS[n](noisy, phantom['mask'], phantom['grid']), phantom['mask'])[0]
        for n in (name, 'tkd')
    )
    truth, _ = reference_to(phantom['chi'], phantom['mask'])
    error, plain = (np.std((c - truth)[phantom['mask']]) for c in (chi, division))
    assert error < 0.8 * plain


@pytest.mark.parametrize('name', METHODS)
def test_same_bits_for_any_thread_count(name):
    phantom = brain()
    other = METHODS[name](phantom['local'], phantom['mask'], phantom['grid'], nthreads=3)
    assert np.array_equal(reconstruct(name), other)


@pytest.mark.parametrize('name', METHODS)
def test_empty_border_does_not_matter(name):
    phantom = brain()
    grid = phantom['grid']
    wide = Grid(tuple(n + 6 for n in grid.shape), grid.voxel_size, grid.b0_dir)
    pad = [(4, 2)] * 3
    padded = METHODS[name](np.pad(phantom['local'], pad), np.pad(phantom['mask'], pad), wide)
    assert np.allclose(padded[4:-2, 4:-2, 4:-2], reconstruct(name), atol=1e-6)


@pytest.mark.parametrize('name', METHODS)
def test_values_outside_the_mask_and_constants_do_not_matter(name):
    phantom = brain()
    moved = np.where(phantom['mask'], phantom['local'] + np.float32(0.05), np.nan)
    chi = METHODS[name](moved, phantom['mask'], phantom['grid'])
    assert np.abs(chi - reconstruct(name)).max() < 2e-4


@pytest.mark.parametrize('name', METHODS)
@pytest.mark.parametrize('axes', [(1, 0, 2), (2, 1, 0)])
def test_reoriented_array_gives_the_same_map(name, axes):
    direction = (0.3, -0.4, 0.8)
    phantom, chi = brain(direction), reconstruct(name, direction)
    # forward differences make total variation a little lopsided under reversal
    tolerance = 1e-3 if name.startswith('tkd') else 0.08
    check_reoriented(METHODS[name], phantom, chi, axes, tolerance, 3e-3)


@pytest.mark.parametrize('name', METHODS)
def test_map_scales_with_the_contrast(name):
    """An ellipsoid in prime lengths, in ppm: no constant hides a unit."""
    grid = Grid((31, 29, 37), (2.0, 2.0, 1.5), (0, 0.1, 1))
    x, y, z = coordinates(grid)
    mask = (x / 24) ** 2 + (y / 22) ** 2 + (z / 22) ** 2 < 1
    core = (x / 8) ** 2 + (y / 6) ** 2 + (z / 7) ** 2 < 1
    local = forward_field(0.2 * core.astype(np.float32), grid)
    chi = METHODS[name](np.where(mask, local, 0), mask, grid)
    edge = mask & ~(ball(grid, 14) > 0)
    contrast = chi[(ball(grid, 4) > 0.9)].mean() - chi[edge].mean()
    assert abs(contrast - 0.2) < 0.045


@pytest.mark.parametrize('name', ITERATIVE)
def test_noisy_voxels_are_distrusted(name):
    phantom = brain()
    mask, local = phantom['mask'], phantom['local'].copy()
    bad = ball(phantom['grid'], 5, (4, -2, 12)) > 0.5
    local[bad] += np.random.default_rng(2).normal(0, 0.1, int(bad.sum())).astype(np.float32)
    noise = np.where(bad, 0.1, 1e-3).astype(np.float32)
    blind = METHODS[name](local, mask, phantom['grid'])
    aware = METHODS[name](local, mask, phantom['grid'], noise=noise)
    clean = reconstruct(name)
    good = mask & ~bad
    assert np.std((aware - clean)[good]) < 0.5 * np.std((blind - clean)[good])


@pytest.mark.parametrize(
    ('name', 'setting'),
    [
        ('tkd', {'inside': 'up'}),
        ('tkd', {'margin': -1}),
        ('rts', {'threshold': 0.7}),
        ('rts', {'damping': 0}),
        ('rts', {'fidelity': 0}),
        ('rts', {'iterations': 0}),
        ('medi', {'edges': 1}),
        ('medi', {'regularisation': 0}),
        ('medi', {'smoothing': 0}),
        ('medi', {'echo_times': (0.01,)}),
        ('medi', {'b0': 3.0}),
        ('medi', {'echo_times': (0.0,), 'b0': 3.0}),
        ('medi', {'magnitude': np.ones((2, 2, 2))}),
        ('hdqsm', {'outlier': 0}),
        ('hdqsm', {'penalty': -1}),
        ('hdqsm', {'first_iterations': 0}),
        ('ilsqr', {'edge_percentiles': (70, 50)}),
        ('ilsqr', {'fit_percentiles': (60, 101)}),
        ('ilsqr', {'threshold': 0}),
    ],
)
def test_wrong_settings_are_named(name, setting):
    phantom = brain()
    with pytest.raises(NigraError, match=next(iter(setting))):
        METHODS[name](phantom['local'], phantom['mask'], phantom['grid'], **setting)
