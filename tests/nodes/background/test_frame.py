"""What all removals of the background have in common."""

import tracemalloc

import numpy as np
import pytest
from phantoms import ball, ball_field, coordinates, head
from scipy import ndimage

from nigra.nodes.background.dipole_part import DipolePart
from nigra.nodes.background.ismv import ismv
from nigra.nodes.background.lbv import lbv
from nigra.nodes.background.pdf import pdf
from nigra.nodes.background.resharp import resharp
from nigra.nodes.background.vsharp import vsharp
from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.numerics.kernels import forward_field

METHODS = {
    'pdf': lambda total, mask, *a, **k: (pdf(total, mask, *a, **k), mask),
    'vsharp': vsharp,
    'resharp': resharp,
    'lbv': lbv,
    'ismv': ismv,
}
GRIDS = {
    'odd': Grid((45, 47, 43)),
    'prime, oblique': Grid((47, 43, 41), (1.0, 1.1, 1.2), (0.4, -0.5, 0.7)),
    'slab': Grid((46, 48, 26), (1.0, 1.0, 2.0), (0.0, 0.2, 1.0)),
}


@pytest.fixture(scope='module', params=[(0, 0, 1), (0.3, -0.4, 0.8)])
def phantom(request):
    return head(b0_dir=request.param)


@pytest.mark.parametrize('name', METHODS)
def test_background_is_removed_and_local_field_kept(phantom, name):
    local, kept = METHODS[name](phantom['total'], phantom['mask'], phantom['grid'])
    core = ndimage.binary_erosion(phantom['mask'], iterations=3)
    error = (local - phantom['local'])[core]
    error -= error.mean()
    assert phantom['background'][core].std() > 0.05
    assert error.std() < 0.0025
    assert not (kept & ~phantom['mask']).any()
    assert not local[~kept].any()
    assert local.dtype == np.float32


@pytest.mark.parametrize('grid', GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize('name', METHODS)
def test_field_of_a_sphere_outside_vanishes(name, grid):
    mask = ball(grid, 17) > 0.5
    field, distance = ball_field(grid, 6, (13, 18, -8))
    assert distance[mask].min() > 6
    local, kept = METHODS[name](field, mask, grid)
    assert kept.sum() > 0.3 * mask.sum()
    assert local[kept].std() < 0.02 * field[kept].std()


@pytest.mark.parametrize('grid', GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize('name', METHODS)
def test_field_of_a_sphere_inside_stays(name, grid):
    mask, chi = ball(grid, 18) > 0.5, ball(grid, 4, (1, -2, 1))
    field = forward_field(chi, grid)
    local, kept = METHODS[name](field, mask, grid)
    near = kept & (ball(grid, 8, (1, -2, 1)) > 0.5)
    error = local[near] - field[near]
    limit = {'vsharp': 0.2, 'resharp': 0.15}.get(name, 0.1)
    assert (error - error.mean()).std() < limit * field[near].std()


@pytest.mark.parametrize('name', METHODS)
def test_result_ignores_offset_field_outside_and_threads(phantom, name):
    total = phantom['total'].copy()
    first, kept = METHODS[name](total, phantom['mask'], phantom['grid'])
    total[~phantom['mask']] = np.nan
    again, _ = METHODS[name](total, phantom['mask'], phantom['grid'], nthreads=2)
    assert np.array_equal(first, again)
    shifted, _ = METHODS[name](phantom['total'] + 0.5, phantom['mask'], phantom['grid'])
    assert np.abs(shifted - first)[kept].max() < 1e-3


@pytest.mark.parametrize('name', METHODS)
def test_room_around_the_mask_does_not_matter(phantom, name):
    first, kept = METHODS[name](phantom['total'], phantom['mask'], phantom['grid'])
    room = ((3, 0), (1, 6), (0, 5))
    grid = phantom['grid']
    wide = Grid(tuple(n + sum(r) for n, r in zip(grid.shape, room, strict=True)),
                grid.voxel_size, grid.b0_dir)  # fmt: skip
    local, mask = METHODS[name](
        np.pad(phantom['total'], room), np.pad(phantom['mask'], room), wide
    )
    inner = tuple(slice(a, a + n) for n, (a, _) in zip(grid.shape, room, strict=True))
    assert np.array_equal(local[inner], first)
    assert np.array_equal(mask[inner], kept)


@pytest.mark.parametrize('name', METHODS)
def test_turning_the_axes_turns_the_result(phantom, name):
    first, _ = METHODS[name](phantom['total'], phantom['mask'], phantom['grid'])

    def turn(image):
        return np.ascontiguousarray(image.transpose(2, 0, 1)[::-1])

    grid, b = phantom['grid'], phantom['grid'].b0_dir
    turned = Grid(turn(first).shape, grid.voxel_size, (-b[2], b[0], b[1]))
    local, kept = METHODS[name](turn(phantom['total']), turn(phantom['mask']), turned)
    # PDF's further passes end a little sooner or later
    assert np.abs(local - turn(first))[kept].max() < (5e-4 if name == 'pdf' else 2e-4)


@pytest.mark.parametrize('name', ['pdf', 'lbv', 'vsharp', 'ismv'])
def test_the_mask_may_fill_the_array(name):
    grid = Grid((31, 29, 23), (1, 1, 1.5), (0, 0.3, 1))
    x, y, z = (axis / 20 for axis in coordinates(grid))
    background = 0.3 * (x * y - z**2 + y**2) + 0.1 * z
    local = forward_field(0.1 * ball(grid, 3), grid)
    settings = {'radii': (6, 5, 4, 3, 2)} if name == 'vsharp' else {}
    mask = np.ones(grid.shape, bool)
    found, kept = METHODS[name](local + background, mask, grid, **settings)
    near = kept & (ball(grid, 6) > 0.5)
    error = (found - local)[near]
    assert np.isfinite(found).all()
    assert (error - error.mean()).std() < 0.1 * local[near].std()


@pytest.mark.parametrize('name', METHODS)
def test_progress_is_told(phantom, name):
    seen = []
    settings = {'radii': (8, 6, 4)} if name == 'vsharp' else {'iterations': 3, 'tolerance': 0}
    METHODS[name](phantom['total'], phantom['mask'], phantom['grid'], passes=2,
                  progress=lambda i, n: seen.append((i, n)), **settings)  # fmt: skip
    assert seen == [(i, 6) for i in range(1, 7)]


@pytest.mark.parametrize('name', METHODS)
def test_what_a_removal_takes_of_the_local_field_is_given_back(phantom, name):
    """Further passes return much of it; one pass gives nothing back."""
    core = ndimage.binary_erosion(phantom['mask'], iterations=3)
    settings = {} if name == 'vsharp' else {'tolerance': 1e-3}
    lost = []
    for passes in (1, 2, 5):
        found, kept = METHODS[name](
            phantom['local'], phantom['mask'], phantom['grid'], passes=passes, **settings
        )
        gap = (found - phantom['local'])[core & kept]
        lost.append(gap.std())
    assert lost[1] < 0.98 * lost[0]
    assert lost[2] < 0.98 * lost[0]


@pytest.mark.parametrize('name', METHODS)
def test_outer_sources_get_nothing_back(phantom, name):
    mask, background = phantom['mask'], phantom['background']
    settings = {} if name == 'vsharp' else {'tolerance': 1e-4}
    core = ndimage.binary_erosion(mask, iterations=3)
    ones, more = (
        METHODS[name](background, mask, phantom['grid'], passes=n, **settings)[0] for n in (1, 4)
    )
    assert more[core].std() < 2 * ones[core].std() + 1e-4
    assert more[core].std() < 0.005 * background[core].std()


def test_between_passes_no_padded_images_are_kept(phantom):
    """They are several times as large as the field, and the next removal needs memory, too."""
    variance, grid = phantom['mask'].astype(np.float32), phantom['grid']
    DipolePart(variance, grid)(phantom['local'])  # what is imported or compiled once
    part = DipolePart(variance, grid)
    tracemalloc.start()
    try:
        found = part(phantom['local'])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1.2 * found.nbytes


@pytest.mark.parametrize('name', METHODS)
def test_passes_end_where_they_would_add_more_and_more(name):
    """In a thin plate what V-SHARP and PDF give back grows from pass to pass."""
    grid = Grid((40, 40, 12), b0_dir=(1, 0, 0))
    mask = np.zeros(grid.shape, bool)
    mask[2:-2, 2:-2, 2:-2] = True
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(grid.shape), 3)
    settings = {'radius': 3.0} if name in ('resharp', 'ismv') else {}
    few, many = (METHODS[name](field, mask, grid, passes=n, **settings)[0] for n in (3, 20))
    assert many.std() < 1.5 * few.std()


@pytest.mark.parametrize('name', METHODS)
def test_wrong_input_is_refused(phantom, name):
    total, mask, grid = phantom['total'], phantom['mask'], phantom['grid']
    with pytest.raises(NigraError, match='empty'):
        METHODS[name](total, np.zeros_like(mask), grid)
    with pytest.raises(NigraError, match='shape'):
        METHODS[name](total[1:], mask, grid)
    with pytest.raises(NigraError, match='3 values inside the mask that are not finite'):
        METHODS[name](np.where(np.cumsum(mask).reshape(mask.shape) < 4, np.inf, total), mask, grid)


@pytest.mark.parametrize(
    ('name', 'settings', 'words'),
    [
        *(
            (name, {'passes': n}, 'passes must be a whole number from 1 to 20')
            for name in METHODS
            for n in (0, 21, 1.5)
        ),
        ('vsharp', {'radii': (38,)}, 'fits'),
        ('vsharp', {'radii': ()}, 'radii'),
        ('vsharp', {'radii': (5, -1)}, 'radii'),
        ('vsharp', {'threshold': 1}, 'threshold'),
        ('resharp', {'radius': 0}, 'radius must be a positive length up to 200 mm, got 0'),
        ('resharp', {'radius': 35}, 'no ball of 35 mm fits'),
        ('resharp', {'regularisation': 0}, 'regularisation'),
        ('resharp', {'iterations': 0}, 'iterations'),
        ('resharp', {'tolerance': -0.1}, 'tolerance'),
        ('ismv', {'radius': float('nan')}, 'radius'),
        ('ismv', {'radius': 35}, 'no ball of 35 mm fits'),
        ('ismv', {'iterations': 0}, 'iterations'),
        ('ismv', {'tolerance': float('nan')}, 'tolerance'),
        ('lbv', {'peel': -1}, 'peel'),
        ('lbv', {'peel': float('nan')}, 'peel'),
        ('lbv', {'tolerance': -1}, 'tolerance'),
        ('lbv', {'peel': 40}, 'nothing is left of the mask after 41 layers'),
        ('lbv', {'iterations': 0}, 'iterations'),
        ('pdf', {'iterations': 0}, 'iterations'),
        ('pdf', {'tolerance': float('inf')}, 'tolerance'),
        ('pdf', {'offset_order': 4}, 'offset_order must be a whole number from 0 to 3, got 4'),
        ('pdf', {'local_sd': 0.0}, 'local_sd'),
        ('pdf', {'rim': 1e-30}, 'rim must lie between 0.01 and 200 mm, got 1e-30'),
        ('pdf', {'rim': 201}, 'rim must lie between 0.01 and 200 mm, got 201'),
        ('pdf', {'noise': np.ones((2, 2, 2))}, 'noise has shape'),
    ],
)
def test_wrong_settings_are_refused(phantom, name, settings, words):
    with pytest.raises(NigraError, match=words):
        METHODS[name](phantom['total'], phantom['mask'], phantom['grid'], **settings)


@pytest.mark.parametrize(
    ('name', 'settings'),
    [
        *((name, {'passes': 0}) for name in METHODS),
        ('vsharp', {'radii': (5, float('nan'))}),
        ('vsharp', {'threshold': 0}),
        ('resharp', {'radius': -1}),
        ('resharp', {'regularisation': 0}),
        ('ismv', {'radius': float('inf')}),
        ('lbv', {'peel': 0.5}),
        ('pdf', {'offset_order': 1.5}),
        ('pdf', {'local_sd': float('inf')}),
        ('pdf', {'rim': float('nan')}),
        *((name, {'iterations': 0}) for name in METHODS if name != 'vsharp'),
        *((name, {'tolerance': -1}) for name in METHODS if name != 'vsharp'),
    ],
)
def test_settings_are_looked_at_before_the_images(name, settings):
    with pytest.raises(NigraError, match=next(iter(settings))):
        METHODS[name](np.zeros((1, 1, 1)), np.ones((2, 2, 2), bool), Grid((3, 3, 3)), **settings)
