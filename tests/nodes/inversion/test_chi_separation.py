import numpy as np
import pytest
from phantoms import ball

from nigra.nodes.errors import NigraError
from nigra.nodes.field.relaxometry import fit_r2star
from nigra.nodes.grid import Grid
from nigra.nodes.inversion.chi_separation import separate_sources, typical_r2

GRID = Grid((36, 33, 34), (1.25, 1.25, 1.25))
MASK = ball(GRID, 19) > 0.5
THALAMUS, PALLIDUM = ball(GRID, 7, (7, 0, 0)) > 0.5, ball(GRID, 5, (-9, 5, 0)) > 0.5
INSIDE = {
    'thalamus': ball(GRID, 5.5, (7, 0, 0)) > 0.9,
    'pallidum': ball(GRID, 3.5, (-9, 5, 0)) > 0.9,
}


def sources():
    """Iron and myelin mixed in one nucleus, iron alone in the other, ppm."""
    para, dia = np.full(GRID.shape, 0.02), np.full(GRID.shape, -0.012)
    para[THALAMUS], dia[THALAMUS] = 0.05, -0.035
    para[PALLIDUM], dia[PALLIDUM] = 0.13, 0.0
    return para * MASK, dia * MASK


def relaxation(para, dia, b0, dr_para=137.0, dr_dia=137.0):
    return typical_r2(b0) + b0 / 3 * (dr_para * para - dr_dia * dia)


def scan(b0, snr, seed=0):
    """Noisy chimap and R2* of the sources."""
    rng, (para, dia) = np.random.default_rng(seed), sources()
    times = np.array([0.004, 0.010, 0.016, 0.022, 0.028]) * (1 if b0 == 3 else 1.6)
    size = np.exp(-relaxation(para, dia, b0)[..., None] * times)
    noise = rng.standard_normal((2, *size.shape)) / snr
    r2star, _ = fit_r2star(
        np.abs(size + noise[0] + 1j * noise[1]), times, MASK, method='nonlinear'
    )
    chi = para + dia + rng.standard_normal(GRID.shape) * 0.005 * 30 / snr * 3 / b0
    return (chi * MASK).astype(np.float32), r2star


@pytest.mark.parametrize('b0', [1.5, 3.0, 7.0])
@pytest.mark.parametrize('rates', [(137.0, 137.0), (180.0, 90.0)])
def test_exact_data_give_the_exact_sources(b0, rates):
    para, dia = sources()
    names = {'dr_para': rates[0], 'dr_dia': rates[1]}
    r2star = relaxation(para, dia, b0, *rates)
    for smoothness in (0.0, 1.0):
        maps = separate_sources(
            para + dia, r2star, MASK, GRID, b0=b0, smoothness=smoothness, **names
        )
        assert np.allclose(maps[0], para, atol=1e-4)
        assert np.allclose(maps[1], dia, atol=1e-4)


@pytest.mark.parametrize(('b0', 'snr'), [(3.0, 30), (3.0, 60), (1.5, 30), (1.5, 60)])
def test_sharing_neighbours_beats_voxel_by_voxel(b0, snr):
    chi, r2star = scan(b0, snr)
    truth, error, bias = sources(), [], []
    for smoothness in (0.0, 1.0):
        maps = separate_sources(chi, r2star, MASK, GRID, b0=b0, smoothness=smoothness)
        gaps = [1000 * (image - true) for image, true in zip(maps, truth, strict=True)]
        error.append(np.sqrt(np.mean([gap[MASK] ** 2 for gap in gaps])))
        bias.append([abs(gap[m].mean()) for gap in gaps for m in INSIDE.values()])
    assert error[1] < 0.6 * error[0]
    assert np.max(bias[1]) < 0.75 * np.max(bias[0])
    assert bias[1][0] < 0.05 * 1000 * 0.035  # of the thalamus' myelin


@pytest.mark.parametrize('offset', [0.0, 0.015])
@pytest.mark.parametrize('smoothness', [0.0, 1.0, 5.0])
def test_signs_and_sum_hold(smoothness, offset):
    chi, r2star = scan(3.0, 15)
    para, dia = separate_sources(
        chi, r2star, MASK, GRID, b0=3.0, smoothness=smoothness, chi_offset=offset
    )
    assert para.min() >= 0
    assert dia.max() <= 0
    assert np.allclose((para + dia)[MASK], chi[MASK] + offset, atol=1e-6)
    assert not para[~MASK].any()
    assert not dia[~MASK].any()
    assert para.dtype == dia.dtype == np.float32


def test_offset_puts_a_shifted_reference_right():
    para, dia = sources()
    r2star = relaxation(para, dia, 3.0)
    shifted = para + dia - 0.02
    right, _ = separate_sources(shifted, r2star, MASK, GRID, b0=3.0, chi_offset=0.02)
    wrong, _ = separate_sources(shifted, r2star, MASK, GRID, b0=3.0)
    assert np.allclose(right, para, atol=1e-4)
    assert np.allclose((wrong - para)[INSIDE['thalamus']], -0.01, atol=1e-3)


def test_field_scales_the_rates_and_a_measured_r2_is_used():
    para, dia = sources()
    r2 = 10 + 5 * THALAMUS
    prime = 137 * (para - dia)
    low = separate_sources(para + dia, r2 + prime / 2, MASK, GRID, b0=1.5, r2=r2)
    high = separate_sources(para + dia, r2 + prime, MASK, GRID, b0=3.0, r2=r2)
    assert np.allclose(low[0], high[0], atol=1e-5)
    assert np.allclose(high[0], para, atol=1e-4)
    flat = separate_sources(para + dia, 20 + prime, MASK, GRID, b0=3.0, r2_constant=20.0)
    assert np.allclose(flat[1], dia, atol=1e-4)


def test_swapping_the_signs_swaps_the_maps():
    chi, r2star = scan(3.0, 30)
    one = separate_sources(chi, r2star, MASK, GRID, b0=3.0, dr_para=150.0, dr_dia=100.0)
    two = separate_sources(-chi, r2star, MASK, GRID, b0=3.0, dr_para=100.0, dr_dia=150.0)
    assert np.allclose(one[0], -two[1], atol=2e-4)
    assert np.allclose(one[1], -two[0], atol=2e-4)


def test_more_steps_lower_the_objective_and_change_little():
    chi, r2star = scan(3.0, 30)
    default, few, many = (
        separate_sources(chi, r2star, MASK, GRID, b0=3.0, iterations=n)[0] for n in (40, 5, 300)
    )
    assert np.sqrt(np.mean((default - many)[MASK] ** 2)) < 3e-4
    assert np.abs(few - many).mean() > 3 * np.abs(default - many).mean()


def test_threads_padding_and_flips_do_not_matter():
    chi, r2star = scan(3.0, 20)
    one = separate_sources(chi, r2star, MASK, GRID, b0=3.0)
    for image, again in zip(
        one, separate_sources(chi, r2star, MASK, GRID, b0=3.0, nthreads=3), strict=True
    ):
        assert np.array_equal(image, again)
    wide = Grid(tuple(n + 6 for n in GRID.shape), GRID.voxel_size)
    padded = separate_sources(np.pad(chi, 3), np.pad(r2star, 3), np.pad(MASK, 3), wide, b0=3.0)
    assert np.allclose(padded[0][3:-3, 3:-3, 3:-3], one[0], atol=1e-6)
    flipped = separate_sources(chi[:, ::-1], r2star[:, ::-1], MASK[:, ::-1], GRID, b0=3.0)
    assert np.sqrt(np.mean((flipped[0][:, ::-1] - one[0])[MASK] ** 2)) < 3e-3


def test_gaps_in_the_data_stay_finite_and_progress_is_told():
    chi, r2star = scan(3.0, 30)
    chi[18, 16, 17], r2star[18, 16, 18] = np.nan, np.inf
    calls = []
    maps = separate_sources(
        chi, r2star, MASK, GRID, b0=3.0, iterations=3, progress=lambda *done: calls.append(done)
    )
    assert all(np.isfinite(image).all() for image in maps)
    assert calls[-1] == (6, 6)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'b0': 0.0}, 'b0'),
        ({'dr_para': -1.0}, 'dr_para'),
        ({'dr_dia': np.nan}, 'dr_dia'),
        ({'r2': np.ones((2, 2, 2))}, 'r2 has shape'),
        ({'r2_constant': -1.0}, 'r2_constant'),
        ({'smoothness': -1.0}, 'smoothness'),
        ({'chi_offset': np.inf}, 'chi_offset'),
        ({'iterations': 0}, 'iterations'),
        ({'chimap': np.ones((2, 2, 2))}, 'chimap has shape'),
        ({'r2star': np.ones((2, 2, 2))}, 'r2star has shape'),
        ({'mask': np.zeros(GRID.shape, bool)}, 'mask'),
    ],
)
def test_bad_arguments_are_refused(change, message):
    ones = np.ones(GRID.shape, np.float32)
    arguments = {'chimap': ones, 'r2star': ones, 'mask': MASK, 'grid': GRID, 'b0': 3.0} | change
    with pytest.raises(NigraError, match=message):
        separate_sources(**arguments)
