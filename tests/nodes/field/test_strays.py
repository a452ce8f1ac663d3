import numpy as np
import pytest

from nigra.nodes.field.phase import to_radians
from nigra.nodes.field.strays import value_limits

RNG = np.random.default_rng(0)
SIGNAL = np.zeros((40, 40, 40), bool)
SIGNAL[10:30, 10:30, 10:30] = True
STEPS = RNG.integers(0, 4096, SIGNAL.shape).astype(np.float32)
HOLES = SIGNAL & (RNG.random(SIGNAL.shape) < 0.05)
NOISE = RNG.uniform(-np.pi, np.pi, SIGNAL.shape)


def with_values(places, value):
    image = STEPS.copy()
    image[places] = value
    return image


@pytest.mark.parametrize(
    ('stored', 'count', 'values'),
    [
        (with_values((11, 11, slice(11, 14)), 8191), 3, (8191,)),
        (with_values((0, 0, 0), 32767), 1, (32767,)),
        (with_values((12, 12, 12), -1e30), 1, (np.float32(-1e30),)),
        (with_values(~SIGNAL, -4096), np.count_nonzero(~SIGNAL), (-4096,)),
        (with_values(HOLES, -4096), np.count_nonzero(HOLES), (-4096,)),
        (with_values((0, 0, slice(4)), [6000, 7000, 8000, 9000]), 4, (6000, 8000, 9000)),
    ],
)
def test_strays_leave_the_scale_alone_and_are_named(stored, count, values):
    good, usual = to_radians(STEPS, signal=SIGNAL)
    angle, scale = to_radians(stored, signal=SIGNAL)
    assert (scale.rule, scale.per_wrap) == (usual.rule, usual.per_wrap)
    assert scale.strays == count
    assert scale.stray_values == values
    kept = np.isfinite(angle)
    assert np.count_nonzero(~kept) == count
    assert np.array_equal(angle[kept], good[kept])


@pytest.mark.parametrize(
    'stored',
    [
        STEPS,
        # a short echo: phase fills a part of the wrap in the head, noise all of it in air
        np.where(SIGNAL, 0.1 * NOISE, NOISE),
        # the same in a scanner's steps
        np.where(SIGNAL, 2048 + 0.1 * (STEPS - 2048), STEPS),
        # phase about half a turn lies at both ends, with nothing between them
        np.where(SIGNAL, np.angle(np.exp(1j * (np.pi + 0.3 * NOISE / np.pi))), 0),
        np.where(SIGNAL, 30 * NOISE, 0),
        np.zeros(SIGNAL.shape),
    ],
)
def test_phase_without_strays_keeps_all_its_values(stored):
    assert value_limits(stored, SIGNAL) == (stored.min(), stored.max())


def test_values_that_are_not_finite_are_no_strays():
    stored = np.where(SIGNAL, STEPS, np.nan)
    assert value_limits(stored, SIGNAL) == (STEPS[SIGNAL].min(), STEPS[SIGNAL].max())
    assert to_radians(stored, signal=SIGNAL)[1].strays == 0
