"""Wraps that the other echoes decide, on voxels whose phase is known."""

import numpy as np
import pytest

from nigra.nodes.field.echo_box import EchoBox
from nigra.nodes.field.in_time import align_parts, echo_chain, follow_echoes, settle_wraps
from nigra.nodes.field.wraps import TWO_PI, wrap

SHAPE = (8, 9, 10)
TIMES = np.array([0.004, 0.0095, 0.014, 0.0215])
RATE = np.linspace(-900, 900, 720, dtype=np.float64).reshape(SHAPE)
"""rad/s; at the last echo up to three wraps."""
ALL = [np.arange(720, dtype=np.int32)]


def box_of(angle, magnitude=None, times=TIMES):
    magnitude = np.ones(angle.shape, np.float32) if magnitude is None else magnitude
    whole = (slice(0, 8), slice(0, 9), slice(0, 10))
    return EchoBox(angle.astype(np.float32), magnitude, times, np.ones(SHAPE, bool), whole)


def truth(times=TIMES):
    return RATE * times.reshape(-1, 1, 1, 1)


@pytest.mark.parametrize('silent', [False, True])
def test_echoes_follow_the_line_through_those_before(silent):
    """Also where the first has no signal, so that its phase alone tells the rate."""
    wrapped = wrap(truth())
    wrapped[0] = truth()[0]
    magnitude = np.ones(wrapped.shape, np.float32)
    if silent:
        magnitude[0, ::2] = 0
    echoes = box_of(wrapped, magnitude)
    follow_echoes(echoes, echo_chain(4, 0))
    assert np.abs(echoes.angle - truth()).max() < 1e-3


@pytest.mark.parametrize('wraps', [-2, -1, 0, 1, 3])
def test_a_part_takes_the_wraps_with_which_the_echoes_agree(wraps):
    grown = (truth()[1] + TWO_PI * wraps).astype(np.float32)
    settle_wraps(grown, box_of(wrap(truth())), ALL, TIMES / TIMES[1], [0, 2, 3])
    assert np.abs(grown - truth()[1]).max() < 1e-3


def test_a_part_stays_where_the_echoes_agree_with_nothing():
    rng = np.random.default_rng(0)
    noise = rng.uniform(-np.pi, np.pi, (4, *SHAPE))
    grown = noise[1].astype(np.float32)
    before = grown.copy()
    settle_wraps(grown, box_of(noise), ALL, TIMES / TIMES[1], [0, 2, 3])
    assert np.array_equal(grown, before)


def test_a_part_is_shifted_as_a_whole_towards_the_line():
    angle = truth()
    angle[3] -= 2 * TWO_PI
    echoes = box_of(angle)
    align_parts(echoes, ALL, np.array([0, 1, 2]), 3)
    assert np.abs(echoes.angle - truth()).max() < 1e-3
