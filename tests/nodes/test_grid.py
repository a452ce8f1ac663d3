"""What is no grid and no field is refused, and frequencies follow the field."""

import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid, check_field_strength, hz_per_ppm


@pytest.mark.parametrize(
    'wrong',
    [
        {'shape': (4, 5)}, {'shape': (4, 5, 6, 7)}, {'shape': (4, 0, 6)}, {'shape': (4, 5, -1)},
        {'voxel_size': (1.0, 2.0)}, {'voxel_size': (1.0, 0.0, 1.0)},
        {'voxel_size': (1.0, np.inf, 1.0)}, {'b0_dir': (0.0, 0.0, 0.0)},
        {'b0_dir': (0.0, np.nan, 1.0)}, {'b0_dir': (0.0, 1.0)},
    ],
)  # fmt: skip
def test_what_is_no_grid_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(NigraError, match=name):
        Grid(**{'shape': (4, 5, 6), **wrong})


@pytest.mark.parametrize('b0', [0.0, -3.0, np.inf, np.nan, 63.9, 127.7])
def test_what_is_no_main_field_is_refused(b0):
    with pytest.raises(NigraError, match='b0 must be a positive field strength'):
        check_field_strength(b0)


def test_the_proton_turns_42_6_million_times_a_second_in_one_tesla():
    check_field_strength(1.5)
    assert hz_per_ppm(1.0) == pytest.approx(42.577, abs=1e-3)
    assert hz_per_ppm(7.0) == pytest.approx(7 * hz_per_ppm(1.0))


def test_the_field_of_a_turned_image_stays_along_the_bore():
    c, s = np.cos(0.3), np.sin(0.3)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.0, 2.0, 3.0])
    grid = Grid.from_affine((4, 5, 6, 2), affine)
    assert grid.shape == (4, 5, 6)
    assert grid.voxel_volume == pytest.approx(6.0)
    assert turn @ grid.b0_dir == pytest.approx([0, 0, 1])
