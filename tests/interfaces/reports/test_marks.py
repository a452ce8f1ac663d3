"""Marks: points of similar value stay apart."""

import numpy as np

from nigra.interfaces.reports.marks import spread


def test_spread_is_bounded_and_parts_equal_values():
    for n in (1, 2, 7, 300):
        offsets = spread(np.zeros(n), 10.0)
        assert np.abs(offsets).max() <= 10
        assert len(set(offsets.tolist())) == n
    crowd = np.concatenate([np.zeros(100), np.linspace(5, 50, 10)])
    offsets = spread(crowd, 10.0)
    assert np.abs(offsets[:100]).max() > 2 * np.abs(offsets[100:]).max()
