import numpy as np
import pytest
from phantoms import head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.masks import signal_mask
from nigra.nodes.field.slice_steps import find_slice_steps, remove_slice_steps
from nigra.nodes.field.wraps import wrap

RNG = np.random.default_rng(1)


@pytest.fixture(scope='module')
def scan():
    """Magnitude and phase of two echoes, and where there is signal."""
    magnitude, angle, _ = signal(head(), [0.006, 0.014], 3.0, np.random.default_rng(0))
    return magnitude, angle, signal_mask(magnitude[..., 0])


def shifted(angle, offsets, axis):
    shape = [-1 if a == axis else 1 for a in range(4)]
    return wrap(angle + np.reshape(offsets, shape).astype(np.float32))


def apart(one, other, inside, axis):
    """Standard deviation of what two phases differ by, a parabola through the slices aside."""
    gap = np.exp(1j * (one.astype(float) - other))
    slices = np.moveaxis(np.where(inside, gap, 0), axis, 0).sum((1, 2))
    used = np.flatnonzero(np.abs(slices) > 20)
    angles = np.unwrap(np.angle(slices[used]))
    return (angles - np.polyval(np.polyfit(used, angles, 2), used)).std()


OFFSETS = {
    'alternate': lambda n: 0.5 * (np.arange(n) % 2),
    'random': lambda n: RNG.normal(0, 0.3, n),
    'pi': lambda n: np.pi * (np.arange(n) % 2),
    'nearly pi': lambda n: 2.8 * (np.arange(n) % 2),
    'anywhere': lambda n: RNG.uniform(-np.pi, np.pi, n),
    'one slice': lambda n: 1.5 * (np.arange(n) == n // 2),
}


@pytest.mark.parametrize('axis', [0, 2])
@pytest.mark.parametrize('kind', OFFSETS)
def test_steps_between_slices_are_found_and_taken_out(scan, kind, axis):
    magnitude, angle, inside = scan
    broken = shifted(angle, OFFSETS[kind](angle.shape[axis]), axis)
    found = find_slice_steps(broken, magnitude, inside)
    assert found.are_there()
    assert found.axis == axis
    assert found.turned == (kind in ('pi', 'nearly pi'))
    repaired = remove_slice_steps(broken, magnitude, inside, found)
    assert not find_slice_steps(repaired, magnitude, inside).are_there()
    # what is left is smooth; steps from the whole circle take the smooth part along
    limit = 0.6 if kind == 'anywhere' else 0.2
    for echo in (0, 1):
        assert apart(repaired[..., echo], angle[..., echo], inside, axis) < limit


def test_steps_from_the_whole_circle_are_not_taken_for_turns(scan):
    magnitude, angle, inside = scan
    for seed in (1, 4, 15):  # their mean points to pi, but is short
        offsets = np.random.default_rng(seed).uniform(-np.pi, np.pi, angle.shape[2])
        found = find_slice_steps(shifted(angle, offsets, 2), magnitude, inside)
        assert found.are_there()
        assert not found.turned


def test_steps_that_only_a_late_echo_has_are_found(scan):
    magnitude, angle, inside = scan
    broken = angle.copy()
    broken[..., 1:] = shifted(angle[..., 1:], OFFSETS['random'](angle.shape[2]), 2)
    found = find_slice_steps(broken, magnitude, inside)
    assert found.are_there()
    repaired = remove_slice_steps(broken, magnitude, inside, found)
    assert apart(repaired[..., 0], angle[..., 0], inside, 2) < 0.02


def test_slices_without_steps_are_left_alone(scan):
    magnitude, angle, inside = scan
    found = find_slice_steps(angle, magnitude, inside)
    assert not found.are_there()
    assert found.step < 0.02
    # a gradient that is steep but smooth is a field
    steep = shifted(angle, 1.5 * np.arange(angle.shape[2]), 2)
    assert not find_slice_steps(steep, magnitude, inside).are_there()


def test_of_noise_or_few_slices_nothing_is_said(scan):
    magnitude, angle, inside = scan
    noise = RNG.uniform(-np.pi, np.pi, angle.shape).astype(np.float32)
    assert not find_slice_steps(noise, magnitude, inside).are_there()
    few = slice(17, 23)
    broken = shifted(angle, OFFSETS['anywhere'](angle.shape[2]), 2)[:, :, few]
    assert find_slice_steps(broken, magnitude[:, :, few], inside[:, :, few]).axis != 2


def test_voxels_without_phase_stay_without(scan):
    magnitude, angle, inside = scan
    broken = shifted(angle, OFFSETS['pi'](angle.shape[2]), 2)
    broken[20, 20, 20] = np.nan
    found = find_slice_steps(broken, magnitude, inside)
    assert found.turned
    repaired = remove_slice_steps(broken, magnitude, inside, found)
    assert np.isnan(repaired[20, 20, 20]).all()
    assert np.isnan(repaired).sum() == 2


def test_shapes_that_do_not_fit_are_refused(scan):
    magnitude, angle, inside = scan
    with pytest.raises(NigraError, match='do not fit together'):
        find_slice_steps(angle, magnitude, inside[1:])
