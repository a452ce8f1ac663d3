import numpy as np
import pytest
from phantoms import head

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.inversion.reference import reference_to
from nigra.nodes.inversion.tv import closed_form_l2, tkd, tv_admm
from nigra.nodes.numerics.kernels import dipole_kernel
from nigra.nodes.numerics.stencils import adjoint_gradient, reciprocal_steps, update_edges

METHODS = {'tv': tv_admm, 'tkd': tkd, 'l2': closed_form_l2}


@pytest.fixture(scope='module', params=[(0, 0, 1), (0.3, -0.4, 0.8)])
def phantom(request):
    return head(b0_dir=request.param)


def region_slope(chi, phantom):
    chi, _ = reference_to(chi, phantom['mask'])
    truth, _ = reference_to(phantom['chi'], phantom['mask'])
    found = [chi[v].mean() for v in phantom['nuclei'].values()]
    true = [truth[v].mean() for v in phantom['nuclei'].values()]
    return np.polyfit(true, found, 1)[0], np.abs(np.subtract(found, true)).max()


@pytest.mark.parametrize(
    ('name', 'lowest', 'error'), [('tv', 0.93, 0.01), ('tkd', 0.85, 0.02), ('l2', 0.6, 0.04)]
)
def test_nuclei_come_back(phantom, name, lowest, error):
    chi = METHODS[name](phantom['local'], phantom['mask'], phantom['grid'])
    slope, worst = region_slope(chi, phantom)
    assert lowest < slope < 1.1
    assert worst < error
    assert not chi[~phantom['mask']].any()


@pytest.mark.parametrize('name', METHODS)
def test_same_bits_for_any_thread_count(phantom, name):
    one, two = (
        METHODS[name](phantom['local'], phantom['mask'], phantom['grid'], nthreads=n)
        for n in (1, 2)
    )
    assert np.array_equal(one, two)


@pytest.mark.parametrize('name', METHODS)
@pytest.mark.parametrize('axes', [(1, 0, 2), (2, 1, 0)])
def test_reoriented_array_gives_the_same_map(name, axes):
    phantom = head((40, 36, 32), b0_dir=(0.3, -0.4, 0.8))
    grid, flip = phantom['grid'], np.s_[::-1]
    chi = METHODS[name](phantom['local'], phantom['mask'], grid)
    moved = Grid(
        tuple(grid.shape[a] for a in axes),
        tuple(grid.voxel_size[a] for a in axes),
        tuple((-1 if i == 0 else 1) * grid.b0_dir[a] for i, a in enumerate(axes)),
    )
    local = np.ascontiguousarray(phantom['local'].transpose(axes)[flip])
    mask = np.ascontiguousarray(phantom['mask'].transpose(axes)[flip])
    other = METHODS[name](local, mask, moved)
    difference = other[flip].transpose(np.argsort(axes)) - chi
    # forward differences make total variation a little lopsided under reversal
    tolerance = 0.08 if name == 'tv' else 1e-3
    assert np.linalg.norm(difference) < tolerance * np.linalg.norm(chi)
    for nucleus in phantom['nuclei'].values():
        assert abs(difference[nucleus].mean()) < 2e-3


def test_tv_beats_division_under_noise(phantom):
    rng = np.random.default_rng(0)
    noisy = phantom['local'] + rng.normal(0, 2e-3, phantom['mask'].shape).astype(np.float32)
    errors = {
        name: np.std((METHODS[name](noisy, phantom['mask'], phantom['grid']) - phantom['chi'])[
            phantom['mask']
        ])
        for name in METHODS
    }  # fmt: skip
    assert errors['tv'] < 0.7 * errors['tkd']


def test_empty_border_does_not_matter(phantom):
    grid = phantom['grid']
    wide = Grid(tuple(n + 6 for n in grid.shape), grid.voxel_size, grid.b0_dir)
    pad = [(4, 2)] * 3
    chi = tv_admm(phantom['local'], phantom['mask'], grid)
    padded = tv_admm(np.pad(phantom['local'], pad), np.pad(phantom['mask'], pad), wide)
    assert np.array_equal(padded[4:-2, 4:-2, 4:-2], chi)


def test_constant_field_makes_no_map(phantom):
    field = np.where(phantom['mask'], np.float32(0.3), 0)
    assert np.abs(tv_admm(field, phantom['mask'], phantom['grid'])).max() < 1e-5


def test_gradient_stencils_are_adjoint():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6, 5, 7)).astype(np.float32)
    field = rng.standard_normal((3, *x.shape)).astype(np.float32)
    steps = reciprocal_steps((1.0, 2.0, 0.5))
    gradient = np.zeros_like(field)
    update_edges(x, gradient, np.ones_like(x), steps, np.float32(1), 0, 6)
    back = np.empty_like(x)
    adjoint_gradient(field, np.ones_like(x), steps, back, 0, 6)
    assert np.isclose(np.vdot(gradient, field), np.vdot(x, back), rtol=1e-4)


def test_truncated_division_undoes_the_kernel_where_it_is_large():
    grid = Grid((32, 32, 32))
    rng = np.random.default_rng(2)
    kernel = dipole_kernel(grid, dtype=np.float64)
    spectrum = np.fft.rfftn(rng.standard_normal(grid.shape)) * (np.abs(kernel) > 0.1)
    chi = np.fft.irfftn(spectrum, grid.shape, axes=(0, 1, 2))
    field = np.fft.irfftn(np.fft.rfftn(chi) * kernel, grid.shape, axes=(0, 1, 2))
    everywhere = np.ones(grid.shape, bool)
    back = tkd(field.astype(np.float32), everywhere, grid, threshold=0.1, margin=0)
    assert np.abs(back - chi).max() < 1e-4 * np.abs(chi).max()


@pytest.mark.parametrize(
    ('name', 'setting'),
    [('tkd', {'threshold': 0}), ('tkd', {'threshold': 1}), ('l2', {'regularisation': 0}),
     ('tv', {'regularisation': -1}), ('tv', {'iterations': 0}), ('tv', {'outside': 2})],
)  # fmt: skip
def test_wrong_settings_are_named(phantom, name, setting):
    with pytest.raises(NigraError, match=next(iter(setting))):
        METHODS[name](phantom['local'], phantom['mask'], phantom['grid'], **setting)


def test_reference_region():
    chi = np.array([[[0.1, 0.3, 5.0]]])
    mask = np.array([[[True, True, False]]])
    shifted, offset = reference_to(chi, mask, np.array([[[False, True, True]]]))
    assert np.isclose(offset, 0.3)
    assert np.allclose(shifted, [[[-0.2, 0, 0]]])
    with pytest.raises(NigraError, match='no voxel'):
        reference_to(chi, mask, ~mask)
