"""Nuclei keep their colour and their voxels; borders run between tissues."""

import numpy as np
import pytest

from nigra.interfaces.reports.outlines import (
    label_outlines,
    merge_labels,
    tissue_outlines,
    two_thresholds,
)

NAMES = {1: 'caudate', 2: 'caudate', 3: 'putamen', 9: 'my <nucleus>'}


def test_merging_keeps_every_voxel_in_its_region():
    labels = np.random.default_rng(0).choice([0, 1, 2, 3, 9, 12], (8, 9, 7)).astype(np.uint8)
    merged, regions = merge_labels(labels, NAMES)
    assert regions == ['caudate', 'putamen', 'my <nucleus>', 'label 12']
    np.testing.assert_array_equal(merged == 1, np.isin(labels, [1, 2]))
    np.testing.assert_array_equal(merged == 4, labels == 12)
    np.testing.assert_array_equal(merged == 0, labels == 0)


def test_each_region_has_its_own_colour():
    labels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    merged, regions = merge_labels(labels, NAMES)
    outlines = label_outlines(merged, regions)
    assert len({o.colour for o in outlines}) == len(outlines) > 6
    assert outlines[0].label == 'caudate'
    assert (outlines[0].values == outlines[0].equals).sum() == 2


def test_thresholds_part_three_tissues():
    rng = np.random.default_rng(1)
    tissues = [rng.normal(mean, 5, 4000) for mean in (20, 60, 100)]
    dark, bright = two_thresholds(np.concatenate(tissues))
    wrong = [(tissues[0] > dark).mean(), (tissues[2] < bright).mean()]
    wrong.append(((tissues[1] < dark) | (tissues[1] > bright)).mean())
    assert max(wrong) < 0.01


def test_borders_end_where_the_brain_ends():
    data = np.zeros((24, 24, 24), np.float32)
    data[8:16, 8:16, 8:16] = 50
    data[10:14, 10:14, 10:14] = 100
    data[:, :, :3] = 100
    brain = np.zeros(data.shape, bool)
    brain[7:17, 7:17, 7:17] = True
    everywhere = tissue_outlines(data, brain)
    inside = tissue_outlines(data, brain, only_within=True)
    assert np.isfinite(everywhere[0].values).all()
    assert np.isnan(inside[0].values[:, :, :3]).all()
    assert 0 < inside[0].level < 50 < inside[1].level < 100
    assert inside[0].level == pytest.approx(everywhere[0].level)
