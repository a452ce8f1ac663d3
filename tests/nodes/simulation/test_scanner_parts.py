"""Parts of the simulated scanner by hand: blocks, slabs, turns, harmonics, storage."""

import numpy as np
import pytest

from nigra.nodes.grid import hz_per_ppm
from nigra.nodes.simulation import scanner
from nigra.nodes.simulation.scanner import (
    half,
    harmonic_phase,
    majority,
    place_slab,
    rotation,
    scan_affine,
    shift_affine,
    signal,
    smooth_polynomial,
    store_phase,
    world_points,
)


@pytest.mark.parametrize('factor', [(2, 2, 2), (2, 1, 1), (1, 2, 4)])
def test_draws_go_to_the_first_and_the_last_corner_by_turns(factor):
    shape = (3, 4, 5)
    fine = np.zeros([n * f for n, f in zip(shape, factor, strict=True)], np.uint8)
    axis = int(np.argmax(factor))
    # along one axis the second half of each block is 7, the first 0
    place = np.indices(fine.shape)[axis] % factor[axis]
    fine[place >= factor[axis] // 2] = 7
    i, j, k = np.indices(shape)
    expected = np.where((i + j + k) % 2 == 1, 7, 0)
    np.testing.assert_array_equal(majority(fine, factor), expected)
    np.testing.assert_array_equal(half(fine > 0, factor), np.ones(shape, bool))


def test_most_of_a_block_wins_whatever_its_corner():
    rng = np.random.default_rng(0)
    fine = rng.choice([0, 2, 9], (6, 9, 4)).astype(np.uint8)
    found = majority(fine, (2, 3, 2))
    for place in np.ndindex(found.shape):
        block = fine[
            tuple(slice(p * f, (p + 1) * f) for p, f in zip(place, (2, 3, 2), strict=True))
        ]
        counts = np.bincount(block.ravel(), minlength=10)
        assert counts[found[place]] == counts.max()
    filled = np.array([[[True, False], [True, False]], [[False, False], [False, False]]])
    assert not half(filled, (2, 2, 2))[0, 0, 0]
    filled[1, 1] = True
    assert half(filled, (2, 2, 2))[0, 0, 0]


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_turns_are_right_handed_about_axes_of_the_world(axis):
    degrees = [0.0, 0, 0]
    degrees[axis] = 90
    x, y, z = np.eye(3)
    first, second = ((y, z), (z, x), (x, y))[axis]
    turn = rotation(degrees)
    assert turn @ first == pytest.approx(second)
    assert turn @ second == pytest.approx(-first)
    # about x, then y, then z
    parts = [rotation([a if n == m else 0 for m in range(3)]) for n, a in
             enumerate((20, -35, 50))]  # fmt: skip
    assert rotation((20, -35, 50)) == pytest.approx(parts[2] @ parts[1] @ parts[0])
    assert np.linalg.det(turn) == pytest.approx(1)


def test_slabs_turn_about_their_middle_and_parts_begin_at_their_voxel():
    affine = scan_affine((5, 8, 4), (1.0, 2.0, 3.0), (4, -5, 6), (10, 20, 30))
    assert affine @ [2, 3.5, 1.5, 1] == pytest.approx([4, -5, 6, 1])
    assert np.linalg.norm(affine[:3, :3], axis=0) == pytest.approx([1, 2, 3])
    part = shift_affine(affine, (1, 2, -3))
    assert part @ [0, 0, 0, 1] == pytest.approx(affine @ [1, 2, -3, 1])
    assert part @ [1, 1, 1, 1] == pytest.approx(affine @ [2, 3, -2, 1])


@pytest.mark.parametrize(
    ('corners', 'start', 'size'),
    [
        ([(0.0, 0, 0)], (0, 0, 0), (4, 5, 6)),
        ([(-1.5, 0, 0), (5.2, 1, 1)], (-2, 0, 0), (9, 5, 6)),
        ([(0, -3.0, 2), (0, 4.0, 9.0)], (0, -3, 0), (4, 8, 10)),
    ],
)
def test_the_model_covers_scan_and_corners(corners, start, size):
    slab = place_slab((4, 5, 6), np.eye(4), (2, 3, 1), np.array(corners))
    assert (slab.start, slab.model_shape) == (start, size)
    assert slab.fine_shape == tuple(n * f for n, f in zip(size, (2, 3, 1), strict=True))
    assert [s.start for s in slab.scan] == [-s for s in start]
    assert [s.stop - s.start for s in slab.scan] == [4, 5, 6]
    assert [s.start for s in slab.fine_scan] == [
        -s * f for s, f in zip(start, (2, 3, 1), strict=True)
    ]
    # the middle of the first scan voxel's parts is the voxel
    first = [s.start for s in slab.fine_scan]
    middle = np.array(first) + (np.array([2, 3, 1]) - 1) / 2
    assert slab.fine_affine @ [*middle, 1] == pytest.approx([0, 0, 0, 1])
    assert slab.coarse_grid.shape == size


def test_points_are_in_units_of_100_mm():
    affine = scan_affine((4, 5, 6), (10.0, 20.0, 30.0), (0, 50, -20), (0, 0, 90))
    points = world_points(affine, (4, 5, 6))
    for place in ((0, 0, 0), (3, 1, 5)):
        assert points[(slice(None), *place)] == pytest.approx(
            (affine @ [*place, 1])[:3] / 100, abs=1e-6
        )


@pytest.mark.parametrize(('order', 'count'), [(0, 1), (1, 4), (2, 9)])
def test_harmonics_solve_laplace_s_equation_and_are_independent(order, count):
    rng = np.random.default_rng(1)
    points = rng.uniform(-1, 1, (3, 200))
    terms = scanner._harmonics(points, order)
    assert len(terms) == count
    assert np.linalg.matrix_rank(terms) == count
    step = 1e-2
    bend = -6 * terms
    for axis in range(3):
        for sign in (-1, 1):
            moved = points.copy()
            moved[axis] += sign * step
            bend = bend + scanner._harmonics(moved, order)
    assert np.abs(bend / step**2).max() < 1e-6


@pytest.mark.parametrize('make', [harmonic_phase, smooth_polynomial])
def test_random_smooth_functions_have_no_mean_and_scale_with_their_spread(make):
    affine, shape = scan_affine((20, 22, 18), (9, 9, 9), (0, 0, 0)), (20, 22, 18)
    one, two = (make(np.random.default_rng(2), affine, shape, s) for s in (0.3, 0.6))
    assert one.mean() == pytest.approx(0, abs=1e-4)
    assert two == pytest.approx(2 * one, abs=1e-4)
    bend = sum(np.diff(one, 2, axis)[tuple(slice(None) if a == axis else slice(1, -1)
               for a in range(3))] for axis in range(3))  # fmt: skip
    assert (np.abs(bend).max() < 1e-4) == (make is harmonic_phase)
    spread = np.std([make(np.random.default_rng(n), affine, shape, 0.3)[3, 4, 5]
                     for n in range(60)])  # fmt: skip
    x, y, z = world_points(affine, shape)
    if make is harmonic_phase:
        terms = scanner._harmonics(np.stack([x, y, z]), 2)
    else:
        terms = [x, y, z, x * y, y * z, x * z, x**2, y**2, z**2, x**3, y**3, x * y * z]
    away = [t[3, 4, 5] - t.mean() for t in terms]
    assert spread == pytest.approx(0.3 * np.linalg.norm(away), rel=0.3)


def test_signals_are_means_of_decaying_pointers():
    rng = np.random.default_rng(3)
    amplitude, rate = rng.random((2, 4, 6, 4)).astype(np.float32) * [[[[1]]], [[[40]]]]
    frequency = 0.3 * rng.standard_normal((4, 6, 4))
    found = signal(amplitude, rate, frequency.astype(np.float32), 0.02, 3.0, (2, 3, 1))
    pointers = amplitude * np.exp(-0.02 * rate + 2j * np.pi * hz_per_ppm(3.0) * 0.02 * frequency)
    expected = pointers.reshape(2, 2, 2, 3, 4, 1).mean(axis=(1, 3, 5))
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ('code', 'stored'),
    [('0..4095', [0, 1024, 2048, 3072, 0]), ('-4096..4094', [-4096, -2048, 0, 2048, -4096])],
)
def test_phase_is_stored_in_steps_and_pi_is_minus_pi(code, stored):
    phase = np.pi * np.array([-1, -0.5, 0, 0.5, 1], np.float32)
    assert store_phase(phase, code).tolist() == stored
    step = 2 * np.pi / 4096
    near = store_phase(np.float32([0.49 * step, 0.51 * step]), code)
    assert np.diff(near) == (1 if code == '0..4095' else 2)
    empty = store_phase(phase, code, empty=np.array([True, False, False, False, False]))
    assert empty[0] == 0
