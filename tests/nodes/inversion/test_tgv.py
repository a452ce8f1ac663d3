"""One-step TGV: maps of known objects, and what it refuses."""

import numpy as np
import phantoms
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.inversion.tgv import tgv, tgv_phase


def scan(b0=1.5, shape=(48, 44, 40), size=(2.0, 2.0, 2.0), b0_dir=(0, 0, 1), times=(0.04,), **k):
    phantom = phantoms.head(shape, size, b0_dir)
    rng = np.random.default_rng(7)
    magnitude, phase, _ = phantoms.signal(phantom, times, b0, rng, **({'snr': 100} | k))
    return phantom, {
        'phase': phase, 'magnitude': magnitude, 'mask': phantom['mask'], 'grid': phantom['grid'],
        'echo_times': times, 'b0': b0,
    }  # fmt: skip


def means(chi, phantom):
    return np.array([chi[m].mean() for m in phantom['nuclei'].values()])


def slope(chi, phantom):
    return np.polyfit(means(phantom['chi'], phantom), means(chi, phantom), 1)[0]


@pytest.mark.parametrize(
    'settings',
    [
        {},
        {'times': (0.01, 0.02, 0.03)},
        {'b0_dir': (0.3, -0.2, 0.93)},
        {'shape': (64, 60, 28), 'size': (1.5, 1.5, 3.0)},
        {'b0': 3.0, 'times': (0.02,)},
    ],
    ids=['single', 'three echoes', 'oblique', 'anisotropic', '3 T'],
)
def test_map_from_wrapped_phase_with_strong_background(settings):
    phantom, data = scan(**settings)
    turns = np.ptp(phantom['total'][phantom['mask']]) * 42.58 * data['b0'] * data['echo_times'][-1]
    assert turns > 1.2  # so it wraps
    chi, kept, _ = tgv_phase(**data)
    assert chi.dtype == np.float32
    assert not chi[~kept].any()
    assert abs(chi[kept].mean()) < 1e-6
    assert (kept <= phantom['mask']).all()
    truth = phantom['chi'] - phantom['chi'][kept].mean()
    assert 0.85 < slope(chi, phantom) < 1.1
    assert np.sqrt(np.mean((chi - truth)[kept] ** 2)) < 0.012
    assert np.abs(means(chi, phantom) - means(truth, phantom)).max() < 0.012


def test_map_from_total_field_with_noise():
    phantom, _ = scan()
    rng = np.random.default_rng(8)
    noise = np.full(phantom['mask'].shape, 1e-3, np.float32)
    noise[:, :20] = 6e-3
    field = phantom['total'] + noise * rng.standard_normal(noise.shape).astype(np.float32)
    truth = phantom['chi']
    errors = []
    for given in (noise, None):
        chi, kept = tgv(field, phantom['mask'], phantom['grid'], noise=given)
        assert 0.8 < slope(chi, phantom) < 1.1
        errors.append(np.std((chi - truth)[kept]))
    assert errors[0] < errors[1] < 0.02


def test_faults_of_unwrapping_do_not_spread():
    phantom, _ = scan()
    field = phantom['total'].copy()
    clean, kept = tgv(field, phantom['mask'], phantom['grid'])
    field[20:23, 14:17, 12:15] += 1 / (42.58 * 1.5 * 0.04)
    faulty, _ = tgv(field, phantom['mask'], phantom['grid'])
    trusting, _ = tgv(field, phantom['mask'], phantom['grid'], limit=9.0)
    changes = [np.std((chi - clean)[kept]) for chi in (faulty, trusting)]
    assert changes[0] < 0.3 * changes[1]


def test_bad_voxels_are_left_out():
    phantom, data = scan(times=(0.02, 0.03))
    for value in (np.nan, np.inf):
        bad = data['phase'].copy()
        bad[18, 20, 18] = value
        chi, kept, _ = tgv_phase(**data | {'phase': bad})
        assert np.isfinite(chi).all()
        assert not kept[18, 20, 18]
        assert slope(chi, phantom) > 0.85


def test_threads_change_nothing():
    _, data = scan(shape=(35, 33, 30), size=(2.5, 2.5, 2.5))
    maps = [tgv_phase(**data, iterations=5, nthreads=n)[0] for n in (1, 3)]
    assert np.array_equal(*maps)


def test_padding_changes_nothing():
    _, data = scan()
    grid = data['grid']
    chi, kept, _ = tgv_phase(**data, iterations=10)
    pad = [(3, 0), (1, 6), (2, 5)]
    wide = {k: np.pad(data[k], [*pad, (0, 0)]) for k in ('phase', 'magnitude')}
    wide['mask'] = np.pad(data['mask'], pad)
    wide['grid'] = Grid(wide['mask'].shape, grid.voxel_size, grid.b0_dir)
    padded, more, _ = tgv_phase(**data | wide, iterations=10)
    inner = tuple(slice(a, a + n) for (a, _), n in zip(pad, grid.shape, strict=True))
    assert np.array_equal(more[inner], kept)
    assert np.allclose(padded[inner], chi, atol=1e-6)


def test_flips_and_orders_of_axes_only_flip_the_map():
    _, data = scan(shape=(40, 36, 32), size=(2.0, 2.2, 2.4), b0_dir=(0.2, 0.1, 0.97))
    chi, *_ = tgv_phase(**data, iterations=20)
    size, b = data['grid'].voxel_size, data['grid'].b0_dir
    turned = {
        k: np.ascontiguousarray(data[k].swapaxes(0, 2)[::-1])
        for k in ('phase', 'magnitude', 'mask')
    }
    turned['grid'] = Grid(turned['mask'].shape, size[::-1], (-b[2], b[1], b[0]))
    other, *_ = tgv_phase(**data | turned, iterations=20)
    back = other[::-1].swapaxes(0, 2)
    assert np.corrcoef(back[data['mask']], chi[data['mask']])[0, 1] > 0.99


def test_progress_and_iterations():
    _, data = scan(shape=(30, 28, 26), size=(3.0, 3.0, 3.0))
    seen = []
    tgv_phase(**data, iterations=3, progress=lambda i, n: seen.append((i, n)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'alpha1': 0.0}, 'alpha1'),
        ({'alpha0': -1.0}, 'alpha0'),
        ({'alpha1': np.nan}, 'alpha1'),
        ({'erosions': -1}, 'erosions'),
        ({'erosions': 40}, 'erosion'),
        ({'iterations': 0}, 'iterations'),
        ({'margin': -1.0}, 'margin'),
        ({'limit': 4.0}, 'limit'),
        ({'limit': 1e-9}, 'smooth enough'),
        ({'b0': 0.0}, 'b0'),
        ({'echo_times': (0.04, 0.05)}, 'echo'),
        ({'grid': Grid((3, 3, 3))}, 'mask has shape'),
    ],
)
def test_bad_settings_of_phase(change, message):
    _, data = scan(shape=(30, 28, 26), size=(3.0, 3.0, 3.0))
    with pytest.raises(NigraError, match=message):
        tgv_phase(**data | change)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'totalfield': np.zeros((2, 2, 2))}, 'totalfield has shape'),
        ({'noise': np.zeros((2, 2, 2))}, 'noise has shape'),
        ({'mask': np.zeros((8, 8, 8), bool)}, 'empty'),
        ({'limit': 0.0}, 'limit'),
        ({'iterations': 0}, 'iterations'),
        ({'noise': np.full((8, 8, 8), np.nan)}, 'no voxel'),
    ],
)
def test_bad_settings_of_field(change, message):
    data = {
        'totalfield': np.zeros((8, 8, 8)), 'mask': np.ones((8, 8, 8), bool),
        'grid': Grid((8, 8, 8)), 'noise': None,
    }  # fmt: skip
    with pytest.raises(NigraError, match=message):
        tgv(**data | change)
