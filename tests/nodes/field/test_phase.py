import numpy as np
import pytest
from phantoms import coordinates, head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.phase import looks_swapped, remove_offsets, to_radians
from nigra.nodes.field.unwrap import wrap

ANGLE = np.random.default_rng(0).uniform(-np.pi, np.pi, (20, 20, 20))


def turns_apart(a, b):
    """Largest distance of two angles that remains after whole turns and one constant."""
    gap = np.asarray(a, float) - np.asarray(b, float)
    gap = wrap(gap - gap.flat[0])
    return np.abs(gap - np.median(gap)).max()


@pytest.mark.parametrize(
    ('stored', 'tolerance'),
    [
        (np.rint(ANGLE / np.pi * 4096).clip(-4096, 4094), 0.003),
        (np.rint(ANGLE / np.pi * 2047) * 2, 0.003),
        (np.rint((ANGLE + np.pi) / (2 * np.pi) * 4095), 0.01),
        (np.rint((ANGLE + np.pi) / (2 * np.pi) * 1023), 0.02),
        (np.rint(ANGLE / np.pi * 2048).clip(-2048, 2047).astype(np.int16), 0.005),
        (np.degrees(ANGLE).round(), 0.03),
        (np.degrees(ANGLE + np.pi).round(), 0.03),
        (ANGLE, 1e-5),
        (ANGLE % (2 * np.pi), 1e-5),
        (ANGLE * 1.17e-3, 0.01),
    ],
)
def test_any_stored_range_becomes_radians(stored, tolerance):
    angle, note = to_radians(stored)
    assert angle.dtype == np.float32
    assert note.endswith(').')
    assert turns_apart(angle, ANGLE) < tolerance


def test_symmetric_ranges_keep_their_zero():
    stored = np.rint(ANGLE / np.pi * 4096).clip(-4096, 4094)
    assert np.abs(to_radians(stored)[0] - ANGLE).max() < 0.004


def test_units_are_believed():
    part = ANGLE[:3] / 4
    assert np.allclose(to_radians(part, units='rad')[0], part, atol=1e-6)
    assert np.allclose(to_radians(np.degrees(part), units='deg')[0], part, atol=1e-6)
    assert 'unwrapped' in to_radians(ANGLE * 3, units='rad')[1]
    assert 'only' in to_radians(ANGLE / 1000, units='rad')[1]


def test_known_turn_overrides_the_rule():
    angle, _ = to_radians(ANGLE[:2, :2, :2] / 10 * 4096 / np.pi, full_turn=8192)
    assert np.allclose(angle, ANGLE[:2, :2, :2] / 10, atol=1e-6)


def test_broken_voxels_stay_out():
    stored = ANGLE.copy()
    stored[0, 0, :2] = np.nan, np.inf
    angle, _ = to_radians(stored)
    assert np.isnan(angle[0, 0, :2]).all()
    assert np.isfinite(angle).sum() == angle.size - 2


@pytest.mark.parametrize(
    ('stored', 'units', 'word'),
    [
        (np.zeros((3, 3, 3)), None, 'constant'),
        (np.full((3, 3, 3), np.nan), None, 'finite'),
        (ANGLE, 'furlong', 'Units'),
        (ANGLE * 1303, 'rad', 'arbitrary'),
    ],
)
def test_impossible_phase_is_refused(stored, units, word):
    with pytest.raises(NigraError, match=word):
        to_radians(stored, units=units)


@pytest.mark.parametrize('shift', [0, 2048])
def test_swapped_images_are_seen(shift):
    phantom = head()
    size, angle, _ = signal(phantom, [0.02], 3.0, np.random.default_rng(0))
    x, y, z = coordinates(phantom['grid'])
    size = size[..., 0] * np.exp(-(x**2 + y**2 + z**2) / 800)  # coils: no hard edge of the range
    stored = np.rint(angle[..., 0] / np.pi * 2048) + shift
    assert not looks_swapped(stored, size)
    assert looks_swapped(size, stored)


@pytest.mark.parametrize(('fraction', 'swapped'), [(0, False), (0.03, False), (0.2, True)])
def test_a_few_negative_magnitudes_are_no_phase(fraction, swapped):
    """Filters and interpolation leave some; one voxel always, and zeros never count."""
    phantom = head()
    size, angle, _ = signal(phantom, [0.02], 3.0, np.random.default_rng(0))
    size, angle = np.where(phantom['mask'], size[..., 0], 0), angle[..., 0]
    brain = np.flatnonzero(phantom['mask'])
    size.flat[brain[: 1 + int(fraction * brain.size)]] *= -0.5
    assert looks_swapped(angle, size) is swapped


def test_offset_is_found_and_removed():
    phantom = head()
    times = [0.005, 0.012, 0.019]
    size, angle, start = signal(phantom, times, 3.0, np.random.default_rng(1))
    _, clean, _ = signal(phantom, times, 3.0, np.random.default_rng(1), offset=False)
    out, offset = remove_offsets(angle, size, times, phantom['mask'], phantom['grid'])
    inside = phantom['mask']
    error = wrap(offset - start)[inside]
    assert np.abs(error - np.median(error)).max() < 0.35
    assert error.std() < 0.05
    assert wrap(out - clean)[inside].std() < 0.1
    assert np.abs(wrap(out + offset[..., None] - angle)).max() < 1e-4


def test_one_echo_keeps_its_phase():
    phantom = head()
    size, angle, _ = signal(phantom, [0.03], 1.5, np.random.default_rng(2))
    out, offset = remove_offsets(angle, size, [0.03], phantom['mask'], phantom['grid'])
    assert np.array_equal(out, angle)
    assert not offset.any()


def test_offset_follows_the_voxel_size():
    phantom = head((48, 44, 20), (2.0, 2.0, 4.0))
    assert np.ptp(coordinates(phantom['grid'])[2]) == 76
    times = [0.006, 0.013]
    size, angle, start = signal(phantom, times, 3.0, np.random.default_rng(3))
    _, offset = remove_offsets(angle, size, times, phantom['mask'], phantom['grid'])
    assert wrap(offset - start)[phantom['mask']].std() < 0.06
