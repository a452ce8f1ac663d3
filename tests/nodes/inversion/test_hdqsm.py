import numpy as np
import pytest
from inversion_checks import whole
from phantoms import head

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.hdqsm import _Absolute, _Solver, _Squares, hdqsm
from nigra.nodes.numerics.kernels import forward_field


@pytest.fixture(scope='module')
def phantom():
    return head((40, 36, 32), b0_dir=(0.3, -0.4, 0.8))


def variation(x, grid):
    slopes = [(np.roll(x, -1, a) - x) / h for a, h in enumerate(grid.voxel_size)]
    return float(sum(np.abs(s).sum(dtype=np.float64) for s in slopes))


def data_term(term, residual):
    if isinstance(term, _Absolute):
        return float((term.weight * np.abs(residual)).sum(dtype=np.float64))
    return float((term.weight * residual**2).sum(dtype=np.float64)) / 2


@pytest.mark.parametrize(('kind', 'strength'), [(_Absolute, 0.1), (_Squares, 2.5e-4)])
def test_objective_settles_at_its_least(phantom, kind, strength):
    mask, grid, local = phantom['mask'].astype(np.float32), phantom['grid'], phantom['local']
    term = kind(mask, 0.01) if kind is _Absolute else kind(mask)
    solver, costs = _Solver(whole(grid, local, mask, phantom['mask']), 1 / 30), []
    for x in solver.steps(term, strength, 150, 0.0):
        costs.append(data_term(term, solver.model - local) + strength * variation(x, grid))
    best = np.minimum.accumulate(costs)
    assert costs[-1] < 1.005 * best[-1]
    assert costs[-1] < 0.8 * data_term(term, local)
    # no scaled or blended map does better
    for factor in (0.97, 1.03):
        other = data_term(term, factor * solver.model - local)
        assert other + factor * strength * variation(solver.map, grid) > 0.999 * costs[-1]


@pytest.mark.parametrize('term', [_Absolute, _Squares])
def test_splitting_is_the_proximal_map(term):
    rng = np.random.default_rng(0)
    model, field, dual = rng.standard_normal((3, 4, 5, 6)).astype(np.float32)
    weight = rng.random((4, 5, 6)).astype(np.float32)
    this = _Absolute(weight, 2.0) if term is _Absolute else _Squares(weight, 0.7)
    v = model - field + dual
    this.split(model, field, dual, slice(0, 4))
    q = v - dual
    assert np.allclose(model, field + q - dual, atol=1e-5)

    def cost(z):
        data = weight * np.abs(z) if term is _Absolute else weight * z**2 / 2
        return data + this.penalty / 2 * (z - v) ** 2

    for shift in (-0.01, 0.01):
        assert np.all(cost(q) <= cost(q + np.float32(shift)) + 1e-6)


def test_outliers_weigh_less_than_in_least_squares(phantom):
    mask, grid, local = phantom['mask'], phantom['grid'], phantom['local'].copy()
    clean = hdqsm(local, mask, grid)
    bad = mask & (np.random.default_rng(5).random(mask.shape) < 0.002)
    local[bad] += np.float32(0.3)
    robust = hdqsm(local, mask, grid)
    # almost no first stage: every voxel misfits by its own field
    field, weight = np.where(mask, local - local[mask].mean(), 0), mask.astype(np.float32)
    solver = _Solver(whole(grid, field, weight, mask), 1 / 30)
    for _ in solver.steps(_Squares(weight), 2e-4, 40, 1e-2):
        pass
    plain = solver.map - solver.map.mean()
    good = mask & ~bad
    assert np.std((robust - clean)[good]) < 0.5 * np.std((plain - clean)[good])


def test_noise_is_told_from_edges_along_the_axes():
    """Cubes of +-20 ppb in noise: shrinking each difference by itself keeps their faces."""
    rng, grid = np.random.default_rng(2), Grid((48, 48, 48))
    cubes = np.kron(np.sign(rng.standard_normal((12, 12, 12))), np.ones((4, 4, 4)))
    truth = (0.02 * cubes).astype(np.float32)
    mask = np.zeros(grid.shape, bool)
    mask[6:-6, 6:-6, 6:-6] = True
    noise = 0.00125 * rng.standard_normal(grid.shape)
    field = np.where(mask, forward_field(truth, grid, pad=1.2) + noise, 0)
    chi = hdqsm(field.astype(np.float32), mask, grid)
    # .953 where the three differences of an edge are shrunk together
    assert np.corrcoef(truth[mask], chi[mask])[0, 1] > 0.97


def test_the_map_has_no_mean_and_progress_counts_both_stages(phantom):
    """A constant of the field is no susceptibility: the box's mean is taken out."""
    told = []
    whole_box = np.ones(phantom['mask'].shape, bool)
    chi = hdqsm(
        phantom['local'] + np.float32(0.1), whole_box, phantom['grid'], margin=0,
        first_iterations=3, iterations=4, tolerance=0,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert abs(chi.mean()) < 1e-3 * chi.std()
    assert told == [(i, 7) for i in range(1, 8)]
