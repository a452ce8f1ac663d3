import numpy as np
import pytest
from phantoms import head
from scipy import ndimage

from nigra.nodes.background import pdf, vsharp
from nigra.nodes.errors import NigraError

METHODS = {
    'pdf': lambda *a, **k: (pdf(*a, **k), a[1]),
    'vsharp': vsharp,
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


@pytest.mark.parametrize('name', METHODS)
def test_result_ignores_offset_field_outside_and_threads(phantom, name):
    total = phantom['total'].copy()
    first, kept = METHODS[name](total, phantom['mask'], phantom['grid'])
    total[~phantom['mask']] = np.nan
    again, _ = METHODS[name](total, phantom['mask'], phantom['grid'], nthreads=2)
    assert np.array_equal(first, again)
    shifted, _ = METHODS[name](phantom['total'] + 0.5, phantom['mask'], phantom['grid'])
    assert np.abs(shifted - first)[kept].max() < 1e-3


def test_noise_weights_shield_from_a_wild_voxel(phantom):
    rng = np.random.default_rng(3)
    total, noise = phantom['total'].copy(), np.full(phantom['mask'].shape, 1e-3, np.float32)
    bad = phantom['mask'] & (rng.random(total.shape) < 0.02)
    total[bad] += rng.normal(0, 0.5, bad.sum()).astype(np.float32)
    noise[bad] = 0.5
    good = phantom['mask'] & ~bad
    plain = pdf(total, phantom['mask'], phantom['grid']) - phantom['local']
    weighted = pdf(total, phantom['mask'], phantom['grid'], noise=noise) - phantom['local']
    assert weighted[good].std() < 0.5 * plain[good].std()


def test_vsharp_erodes_by_its_smallest_ball(phantom):
    _, small = vsharp(phantom['total'], phantom['mask'], phantom['grid'], radii=(8, 4))
    _, large = vsharp(phantom['total'], phantom['mask'], phantom['grid'], radii=(8,))
    assert large.sum() < small.sum() < phantom['mask'].sum()


def test_progress_is_told(phantom):
    seen = []
    pdf(phantom['total'], phantom['mask'], phantom['grid'], iterations=3,
        progress=lambda i, n: seen.append((i, n)))  # fmt: skip
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize('name', METHODS)
def test_wrong_input_is_refused(phantom, name):
    empty = np.zeros_like(phantom['mask'])
    with pytest.raises(NigraError, match='empty'):
        METHODS[name](phantom['total'], empty, phantom['grid'])
    with pytest.raises(NigraError, match='shape'):
        METHODS[name](phantom['total'][1:], phantom['mask'], phantom['grid'])


def test_vsharp_refuses_balls_larger_than_the_mask(phantom):
    with pytest.raises(NigraError, match='fits'):
        vsharp(phantom['total'], phantom['mask'], phantom['grid'], radii=(38,))
    with pytest.raises(NigraError, match='radii'):
        vsharp(phantom['total'], phantom['mask'], phantom['grid'], radii=())
