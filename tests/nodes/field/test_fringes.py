import numpy as np
import pytest
from phantoms import head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.fringes import LEAST_LINE_MM, open_fringe_length
from nigra.nodes.field.wraps import wrap


def turn(shape, x, y, lean=0.0):
    """Phase that turns once about a line along z, which leans by `lean` voxels a slice."""
    i, j, k = np.indices(shape)
    return np.angle((i - x - lean * k) + 1j * (j - y))


@pytest.fixture(scope='module')
def scan():
    phantom = head()
    magnitude, angle, _ = signal(phantom, (0.005,), 3.0, np.random.default_rng(0))
    return phantom, magnitude[..., 0], angle[..., 0]


def length(scan, added=0.0):
    phantom, magnitude, angle = scan
    size = phantom['grid'].voxel_size
    return open_fringe_length(wrap(angle + added), magnitude, phantom['mask'], size)


def test_a_field_has_none_and_a_line_through_the_brain_its_own_length(scan):
    phantom, _, angle = scan
    x, y = (n / 2 + 0.4 for n in angle.shape[:2])
    assert length(scan) == 0
    inside = np.flatnonzero(phantom['mask'][int(x), int(y)])
    # what lies within 10 mm of the border does not count
    expected = np.ptp(inside) * phantom['grid'].voxel_size[2] - 2 * 10
    found = length(scan, turn(angle.shape, x, y))
    assert found > LEAST_LINE_MM
    assert found == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize('axes', [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_every_direction_counts_and_so_does_the_voxel_size(axes):
    line = turn((12, 12, 10), 5.5, 5.5)
    phase = np.transpose(line, np.argsort(axes))
    size = tuple(np.array([1.0, 1.0, 3.0])[np.argsort(axes)])
    whole = np.ones(phase.shape, bool)
    found = open_fringe_length(phase, np.ones(phase.shape), whole, size)
    # ten slices of 3 mm, and one loop across
    assert found == pytest.approx(np.sqrt(30**2 + 2))


def test_the_other_sense_and_a_global_phase_change_nothing(scan):
    line = turn(scan[2].shape, 20.4, 22.4, lean=0.2)
    phantom, magnitude, angle = scan
    size = phantom['grid'].voxel_size
    first = length(scan, line)
    turned = open_fringe_length(-wrap(angle + line), magnitude, phantom['mask'], size)
    assert first == turned == length(scan, line + 2.0)


def test_lines_where_signal_is_lost_do_not_count():
    """A sum of channels that vanishes along a line, magnitude and all, is what physics allows."""
    shape = (16, 16, 16)
    i, j, _ = np.indices(shape) - 7.5
    whole = np.ones(shape, bool)
    channel = i + 1j * j
    phase = np.angle(channel)
    lost = np.clip(np.abs(channel) / 5, 0, 1)
    assert open_fringe_length(phase, lost, whole, (2, 2, 2)) == 0
    assert open_fringe_length(phase, np.ones(shape), whole, (2, 2, 2)) > 30
    outside = whole.copy()
    outside[:3] = False  # the line lies 9 or 13.5 mm from there
    assert open_fringe_length(phase, np.ones(shape), outside, (2, 2, 2)) == 0
    assert open_fringe_length(phase, np.ones(shape), outside, (3, 3, 3)) > 45


def test_noise_is_no_line_and_what_is_not_finite_no_signal():
    rng = np.random.default_rng(1)
    noise = rng.uniform(-np.pi, np.pi, (16, 16, 16))
    whole = np.ones(noise.shape, bool)
    assert open_fringe_length(noise, np.ones(noise.shape), whole, (2, 2, 2)) == 0
    nothing = np.full(noise.shape, np.nan)
    assert open_fringe_length(nothing, np.ones(noise.shape), whole, (2, 2, 2)) == 0
    with pytest.raises(NigraError, match='differ in shape'):
        open_fringe_length(noise[1:], np.ones(noise.shape), whole, (2, 2, 2))
