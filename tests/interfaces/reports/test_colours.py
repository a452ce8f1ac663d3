"""Colours: nuclei keep theirs, and effects of both signs can be told apart."""

import numpy as np

from nigra.interfaces.reports.colours import (
    LARGE_EFFECT,
    diverging,
    diverging_rgb,
    group_colours,
    luminance,
)


def test_groups_start_again_after_the_last_colour():
    colours = list(group_colours([str(i) for i in range(9)]).values())
    assert len(set(colours[:7])) == 7
    assert colours[7:] == colours[:2]


def test_numbers_on_the_colours_of_effects_can_be_read():
    white, black = 1.0, luminance(np.array([0x0B, 0x0E, 0x13]))
    for value in np.linspace(-LARGE_EFFECT, LARGE_EFFECT, 61):
        ground = luminance(diverging_rgb(value))
        ink = white if diverging(value)[1] else black
        light, dark = max(ink, ground), min(ink, ground)
        assert (light + 0.05) / (dark + 0.05) > 4.3


def test_effects_are_full_at_the_limit_and_pale_at_zero():
    steps = np.linspace(0, LARGE_EFFECT, 9)
    for sign in (-1, 1):
        light = [int(diverging_rgb(sign * v).astype(int).sum()) for v in steps]
        assert light == sorted(light, reverse=True)
        assert diverging(sign * 2 * LARGE_EFFECT) == diverging(sign * LARGE_EFFECT)
        assert [diverging(sign * v)[1] for v in (0, LARGE_EFFECT)] == [False, True]
    violet, gold = diverging_rgb(-LARGE_EFFECT), diverging_rgb(LARGE_EFFECT)
    assert violet[2] > violet[1]
    assert gold[0] > gold[2]
    assert diverging(LARGE_EFFECT)[0] == '#' + bytes(gold).hex()
