"""Which slices are shown: inside the mask, apart from each other, every label on one."""

import numpy as np

from nigra.interfaces.reports.slices import covering_slices, even_slices, outline_box


def test_box_holds_the_mask_with_its_margin():
    mask = np.zeros((30, 30, 30), bool)
    mask[10:15, 12:13, 2:29] = True
    box = outline_box(mask, (1.0, 2.0, 1.0), margin=4)
    assert box == (slice(6, 19), slice(10, 15), slice(0, 30))
    assert outline_box(mask & False, (1, 1, 1)) == (slice(0, 30),) * 3


def test_even_slices_lie_in_the_mask_and_rise():
    mask = np.zeros((9, 9, 50), bool)
    mask[3:6, 3:6, 11:40] = True
    places = [i for _, i in even_slices(mask, 2, 6)]
    assert len(places) == 6
    assert places == sorted(set(places))
    assert min(places) > 11
    assert max(places) < 39
    assert len(even_slices(mask[:, :, :12], 2, 6)) == 1


def test_covering_slices_show_every_label_and_keep_apart():
    rng = np.random.default_rng(5)
    labels = np.zeros((20, 20, 60), np.uint8)
    for value in range(1, 5):
        z = 13 * (value - 1) + int(rng.integers(2, 6))
        labels[2:9, 3:9, z : z + 5] = value
    views = covering_slices(labels, 2, 4, gap=4)
    places = [i for _, i in views]
    assert {int(v) for i in places for v in np.unique(labels[:, :, i])} - {0} == {1, 2, 3, 4}
    assert min(np.diff(places)) >= 4
    assert covering_slices(labels * 0, 2, 3)
