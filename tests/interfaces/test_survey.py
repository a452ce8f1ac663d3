"""How long a run will take and what it will leave, against what was measured."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import write_image

from nigra.interfaces.methods import Methods
from nigra.interfaces.survey import disk_mb, hours_of


def visit(folder, t1w, gre, echoes):
    """A visit with images of some millions of voxels."""
    sizes = {'t1w': (100, 100, round(100 * t1w)), 'gre': (100, 100, round(100 * gre))}
    paths = {
        name: write_image(folder / f'{name}.nii.gz', np.zeros(shape), dtype=np.uint8)
        for name, shape in sizes.items()
    }
    times = tuple(0.01 * n for n in range(1, echoes + 1))
    scan = SimpleNamespace(echo_times=times, phase=(paths['gre'],))
    return SimpleNamespace(t1w=paths['t1w'], scans=[scan])


@pytest.mark.parametrize(('t1w', 'gre', 'seconds'), [(1.7, 0.8, 59), (6.8, 4.5, 160)])
def test_estimates_are_near_what_was_measured(tmp_path, t1w, gre, seconds):
    one = visit(tmp_path, t1w, gre, 1)
    assert 3600 * hours_of(one, 'precise') == pytest.approx(seconds, rel=0.15)
    assert hours_of(one, 'testing') < hours_of(one, 'fast') < hours_of(one, 'precise')


@pytest.mark.parametrize(
    ('t1w', 'gre', 'echoes', 'preset', 'results', 'work'),
    [
        (1.67, 0.82, 1, 'precise', 68, 101),
        (1.67, 0.82, 3, 'fast', 44, 73),
        (6.8, 5.0, 1, 'testing', 60, 173),
        (6.8, 5.0, 3, 'testing', 69, 268),
        (6.8, 5.0, 3, 'fast', 90, 286),
        (6.8, 5.0, 1, 'precise', 106, 218),
    ],
)
def test_room_on_the_disk_is_more_than_was_measured_and_less_than_twice(
    tmp_path, t1w, gre, echoes, preset, results, work
):
    told = disk_mb(visit(tmp_path, t1w, gre, echoes), Methods(registration=preset))
    for estimate, measured in zip(told, (results, work), strict=True):
        assert measured < estimate < 2 * measured


def test_more_echoes_and_more_runs_take_longer(tmp_path):
    one, several = visit(tmp_path, 1.0, 1.0, 1), visit(tmp_path, 1.0, 1.0, 5)
    assert hours_of(several, 'fast') > hours_of(one, 'fast')
    twice = SimpleNamespace(t1w=one.t1w, scans=one.scans * 2)
    assert hours_of(twice, 'fast') > hours_of(one, 'fast')
    least = disk_mb(one, Methods())
    assert all(a < b for a, b in zip(least, disk_mb(several, Methods()), strict=True))
    assert all(a < b for a, b in zip(least, disk_mb(twice, Methods()), strict=True))
    more = disk_mb(several, Methods(separation=True))
    assert all(a < b for a, b in zip(disk_mb(several, Methods()), more, strict=True))
