import numpy as np
import pytest
from phantoms import coordinates, head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.phase import looks_swapped, to_radians
from nigra.nodes.field.wraps import wrap

ANGLE = np.random.default_rng(0).uniform(-np.pi, np.pi, (20, 20, 20))


X = np.linspace(-1, 1, 20)
SLOPE = 0.9 * X[:, None, None] + 0.1 * X[:, None] ** 2 + 0 * X
"""A phase without wraps."""


def apart(a, b):
    """Largest distance of two angles that remains after wraps and one constant."""
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
        (np.rint(1000 * ANGLE).astype(np.int16), 0.001),
        (1000 * ANGLE, 0.001),
        (np.degrees(ANGLE), 1e-4),
        (ANGLE / np.pi, 1e-5),
        (ANGLE / (2 * np.pi) + 0.5, 1e-5),
        (ANGLE / np.pi * 4095.4 * 0.999, 0.005),
        (np.rint(ANGLE * 1e4).astype(np.int32), 0.01),
    ],
)
def test_any_stored_range_becomes_radians(stored, tolerance):
    angle, scale = to_radians(stored)
    assert angle.dtype == np.float32
    assert scale.low == stored.min()
    assert scale.high == stored.max()
    assert 0.9 < scale.reach < 1.02
    assert not scale.looks_unwrapped
    assert not scale.looks_narrow
    assert apart(angle, ANGLE) < tolerance


def test_symmetric_ranges_keep_their_zero():
    stored = np.rint(ANGLE / np.pi * 4096).clip(-4096, 4094)
    assert np.abs(to_radians(stored)[0] - ANGLE).max() < 0.004


def test_units_are_believed():
    part = ANGLE[:3] / 4
    assert np.allclose(to_radians(part, units='rad')[0], part, atol=1e-6)
    assert np.allclose(to_radians(np.degrees(part), units='deg')[0], part, atol=1e-6)
    _, scale = to_radians(ANGLE * 3, units='rad')
    assert scale.rule == 'radians'
    assert scale.looks_unwrapped
    assert np.isclose(scale.reach, 3, atol=0.01)
    assert scale.sentence.startswith('Phase already in radians; it spans 3.0 cycles')
    _, scale = to_radians(ANGLE / 1000, units='rad')
    assert scale.looks_narrow
    assert 'it spans only 0.001 of a cycle' in scale.sentence


@pytest.mark.parametrize(
    ('stored', 'units', 'rule'),
    [(ANGLE / np.pi, 'rad', 'half cycles'), (np.degrees(ANGLE), 'rad', 'degrees'),
     (ANGLE * 1000, 'rad', 'milliradians'), (ANGLE, 'deg', 'radians')],
)  # fmt: skip
def test_units_that_the_wraps_contradict_are_repaired_and_told(stored, units, rule):
    angle, scale = to_radians(stored, units=units)
    assert (scale.rule, scale.against) == (rule, units)
    assert scale.is_doubtful
    assert f"although its Units are '{units}'" in scale.sentence
    assert apart(angle, ANGLE) < 1e-3


@pytest.mark.parametrize(('stored', 'units'), [(SLOPE, 'rad'), (180 * SLOPE, 'rad')])
def test_units_are_believed_where_nothing_wraps(stored, units):
    angle, scale = to_radians(stored, units=units)
    assert (scale.rule, scale.against) == ('radians', '')
    assert np.allclose(angle, stored)


def test_a_part_of_the_range_of_radians_is_taken_for_it():
    angle, scale = to_radians(2.4 * SLOPE)
    assert scale.rule == 'radians'
    assert np.allclose(angle, 2.4 * SLOPE)


def test_scales_that_are_guessed_are_told():
    told = {
        rule: to_radians(stored)[1]
        for rule, stored in (
            ('half cycles', ANGLE / np.pi), ('cycles', ANGLE / (2 * np.pi) + 0.5),
            ('range', np.rint(ANGLE * 1e4)), ('steps', np.rint(ANGLE / np.pi * 2047)),
            ('milliradians', np.rint(ANGLE * 1000)), ('radians', ANGLE),
        )
    }  # fmt: skip
    assert {rule: scale.rule for rule, scale in told.items()} == {r: r for r in told}
    doubtful = [rule for rule, scale in told.items() if scale.is_doubtful]
    assert doubtful == ['half cycles', 'cycles', 'range']


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
        (SLOPE * 33.7, None, 'no known scale'),
        (SLOPE * 33.7 - 14, 'arbitrary', 'no known scale'),
        (SLOPE * 0.4, None, 'no known scale'),
        (np.rint(SLOPE * 1500), None, 'no known scale'),
    ],
)
def test_impossible_phase_is_refused(stored, units, word):
    with pytest.raises(NigraError, match=word):
        to_radians(stored, units=units)


@pytest.mark.parametrize('shift', [0, 2048])
def test_swapped_images_are_seen(shift):
    phantom = head()
    magnitude, angle, _ = signal(phantom, [0.02], 3.0, np.random.default_rng(0))
    x, y, z = coordinates(phantom['grid'])
    magnitude = magnitude[..., 0] * np.exp(
        -(x**2 + y**2 + z**2) / 800
    )  # coils: no hard edge of the range
    stored = np.rint(angle[..., 0] / np.pi * 2048) + shift
    assert not looks_swapped(stored, magnitude)
    assert looks_swapped(magnitude, stored)


@pytest.mark.parametrize(('fraction', 'swapped'), [(0, False), (0.03, False), (0.2, True)])
def test_a_few_negative_magnitudes_are_no_phase(fraction, swapped):
    """Filters and interpolation leave some; one voxel always, and zeros never count."""
    phantom = head()
    magnitude, angle, _ = signal(phantom, [0.02], 3.0, np.random.default_rng(0))
    magnitude, angle = np.where(phantom['mask'], magnitude[..., 0], 0), angle[..., 0]
    brain = np.flatnonzero(phantom['mask'])
    magnitude.flat[brain[: 1 + int(fraction * brain.size)]] *= -0.5
    assert looks_swapped(angle, magnitude) is swapped


@pytest.mark.parametrize(
    ('low', 'high', 'step', 'middle'), [(0, 4095, 1, 2048), (-4096, 4094, 2, 0), (0, 1023, 1, 512)]
)
def test_stored_steps_become_radians_between_minus_pi_and_pi(low, high, step, middle):
    rng = np.random.default_rng(4)
    stored = step * rng.integers(low // step, high // step + 1, (12, 12, 12, 1))
    stored[0, 0, 0], stored[1, 1, 1] = low, high
    angle, _ = to_radians(stored.astype(np.int16))
    turn = high - low + step
    assert angle == pytest.approx(2 * np.pi * (stored - middle) / turn, abs=1e-5)
    assert angle.min() == pytest.approx(-np.pi)
    assert angle.max() < np.pi
