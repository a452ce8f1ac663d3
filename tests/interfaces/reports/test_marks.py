"""Marks: points of similar value stay apart."""

from xml.etree.ElementTree import Element

import numpy as np
import pytest

from nigra.interfaces.reports.marks import draw_mark, spread


def test_spread_is_bounded_and_parts_equal_values():
    for n in (1, 2, 7, 300):
        offsets = spread(np.zeros(n), 10.0)
        assert np.abs(offsets).max() <= 10
        assert len(set(offsets.tolist())) == n
    crowd = np.concatenate([np.zeros(100), np.linspace(5, 50, 10)])
    offsets = spread(crowd, 10.0)
    assert np.abs(offsets[:100]).max() > 2 * np.abs(offsets[100:]).max()


def test_marks_of_one_size_stand_around_their_place_and_a_triangle_points_up():
    corners = {}
    for mark in ('triangle', 'diamond'):
        text = draw_mark(Element('g'), mark, 50.0, 30.0, 4.0).get('points')
        corners[mark] = np.array([pair.split(',') for pair in text.split()], float)
    up = corners['triangle']
    # down the page y grows: one corner above, two below at one height
    assert sorted(up[:, 1] < 30) == [False, False, True]
    assert up[:, 0].mean() == pytest.approx(50, abs=0.1)
    assert up[:, 1].mean() == pytest.approx(30, abs=1)
    assert corners['diamond'].mean(axis=0) == pytest.approx((50, 30), abs=0.1)
