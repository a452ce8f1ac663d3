import numpy as np
import pytest
from inversion_checks import whole
from phantoms import head

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.medi import _costly, _gauss_newton, _Objective, _phase_per_ppm, medi
from nigra.nodes.numerics.fft import irfftn


@pytest.fixture(scope='module')
def phantom():
    return head((40, 36, 32), b0_dir=(0.3, -0.4, 0.8))


def objective(phase, regularisation=1e-3, shape=(10, 9, 12), seed=0):
    rng = np.random.default_rng(seed)
    field, weight = (rng.standard_normal((2, *shape)) * 0.05).astype(np.float32)
    keep = rng.integers(0, 8, shape).astype(np.uint8)
    grid = Grid(shape, (1.0, 1.2, 1.5), (0.3, -0.4, 0.8))
    problem = whole(grid, field, 20 * np.abs(weight), np.ones(shape, bool))
    return _Objective(problem, keep, phase, regularisation, 3e-3)


def put(p, chi):
    """Set the map and the field that it makes."""
    p.map[...] = chi
    spectrum = np.fft.rfftn(chi).astype(np.complex64) * p.kernel
    irfftn(spectrum, p.model)


@pytest.mark.parametrize('phase', [0.0, 3.0, 30.0])
def test_gradient_is_that_of_the_objective(phase):
    p = objective(phase)
    rng = np.random.default_rng(1)
    chi, move = (rng.standard_normal((2, *p.map.shape)) * 0.05).astype(np.float32)
    put(p, chi)
    p.linearise()
    p.gradient(p.first)
    slope = float(np.vdot(irfftn(p.first, np.empty_like(chi)), move))
    step, costs = 0.02, []
    for sign in (1, -1):
        put(p, chi + np.float32(sign * step) * move)
        costs.append(p.linearise())
    assert np.isclose((costs[0] - costs[1]) / (2 * step), slope, rtol=5e-3)


@pytest.mark.parametrize('phase', [0.0, 30.0])
def test_hessian_bounds_the_objective_from_above(phase):
    p = objective(phase)
    rng = np.random.default_rng(2)
    chi, move = (rng.standard_normal((2, *p.map.shape)) * 0.05).astype(np.float32)
    put(p, chi)
    cost = p.linearise()
    p.gradient(p.first)
    slope = float(np.vdot(irfftn(p.first, np.empty_like(chi)), move))
    spectrum = np.fft.rfftn(move).astype(np.complex64)
    image = np.empty_like(spectrum)
    p.hessian(spectrum, image)
    bend = float(np.vdot(irfftn(image, np.empty_like(chi)), move))
    for step in (0.1, 0.5, 1.0):
        put(p, chi + np.float32(step) * move)
        assert p.linearise() <= cost + step * slope + step**2 / 2 * bend + 1e-5 * cost


@pytest.mark.parametrize('phase', [0.0, 10.0, 60.0])
def test_objective_never_rises(phase):
    p = objective(phase)
    costs = [*_gauss_newton(p, 12, 3, 0.0, False), p.linearise()]
    assert np.all(np.diff(costs) <= 1e-5 * costs[0])
    assert costs[-1] < 0.8 * costs[0]


def test_edges_of_the_magnitude_cost_nothing():
    grid = Grid((12, 10, 8))
    inside = np.ones(grid.shape, bool)
    image = np.zeros(grid.shape, np.float32)
    image[6:] = 1
    keep = _costly(image, inside, grid, 0.1)
    assert np.all(keep[5] == 6)
    assert np.all(np.delete(keep, [5, 11], axis=0) == 7)
    assert np.all(_costly(None, inside, grid, 0.3) == 7)


def test_magnitude_sharpens_the_nuclei(phantom):
    magnitude = 1 + 4 * phantom['chi']
    mask, truth = phantom['mask'], phantom['chi']
    errors = []
    for image in (None, magnitude.astype(np.float32)):
        chi = medi(phantom['local'], mask, phantom['grid'], magnitude=image)
        difference = (chi - truth)[mask]
        errors.append(np.std(difference))
    assert errors[1] < 0.85 * errors[0]


def test_wraps_do_not_matter_to_the_phase_term(phantom):
    mask, local = phantom['mask'], phantom['local'].copy()
    scan = {'echo_times': (0.005, 0.02), 'b0': 3.0}
    clean = medi(local, mask, phantom['grid'], **scan)
    wrap = 2 * np.pi / (2 * np.pi * 42.577478518 * 3.0 * 0.02)
    bad = mask & (np.random.default_rng(5).random(mask.shape) < 0.01)
    local[bad] += np.float32(wrap)
    wrapped = medi(local, mask, phantom['grid'], **scan)
    linear = medi(local, mask, phantom['grid'])
    # the mean over the mask, which is taken away first, moves a little
    assert np.std((wrapped - clean)[mask]) < 0.2 * np.std((linear - clean)[mask])


def test_merit_distrusts_outliers(phantom):
    mask, local = phantom['mask'], phantom['local'].copy()
    clean = medi(local, mask, phantom['grid'])
    bad = mask & (np.random.default_rng(5).random(mask.shape) < 0.003)
    local[bad] += np.float32(0.3)
    error = [
        np.std((medi(local, mask, phantom['grid'], merit=m, iterations=12) - clean)[mask & ~bad])
        for m in (False, True)
    ]
    assert error[1] < 0.7 * error[0]


def test_radians_per_ppm_at_the_last_echo():
    # 42.577 MHz/T x 3 T are 127.7 Hz per ppm, which turn 2.555 times in 20 ms
    assert np.isclose(_phase_per_ppm((0.005, 0.02), 3.0), 2 * np.pi * 2.55465, rtol=1e-4)
    assert _phase_per_ppm(None, None) == 0
