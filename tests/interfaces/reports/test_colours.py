"""Colours: nuclei keep theirs, and effects of both signs can be told apart."""

import numpy as np

from nigra.interfaces.reports.colours import (
    LARGE_EFFECT,
    diverging,
    diverging_rgb,
    group_colours,
)


def test_groups_start_again_after_the_last_colour():
    colours = list(group_colours([str(i) for i in range(9)]).values())
    assert len(set(colours[:7])) == 7
    assert colours[7:] == colours[:2]


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
