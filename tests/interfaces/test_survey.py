"""How long a run will take and what it will leave, against what was measured."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import write_image

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


@pytest.mark.parametrize(
    ('t1w', 'gre', 'echoes', 'seconds', 'results', 'work'),
    [(1.7, 0.8, 1, 59, 30, 212), (6.8, 4.5, 1, 160, 87, 549)],
)
def test_estimates_are_near_what_was_measured(tmp_path, t1w, gre, echoes, seconds, results, work):
    one = visit(tmp_path, t1w, gre, echoes)
    assert 3600 * hours_of(one, 'precise') == pytest.approx(seconds, rel=0.15)
    assert hours_of(one, 'testing') < hours_of(one, 'fast') < hours_of(one, 'precise')
    assert disk_mb(one) == pytest.approx((results, work), rel=0.3)


def test_more_echoes_and_more_runs_take_longer(tmp_path):
    one, several = visit(tmp_path, 1.0, 1.0, 1), visit(tmp_path, 1.0, 1.0, 5)
    assert hours_of(several, 'fast') > hours_of(one, 'fast')
    twice = SimpleNamespace(t1w=one.t1w, scans=one.scans * 2)
    assert hours_of(twice, 'fast') > hours_of(one, 'fast')
    assert all(a < b for a, b in zip(disk_mb(one), disk_mb(several), strict=True))
    assert all(a < b for a, b in zip(disk_mb(one), disk_mb(twice), strict=True))
