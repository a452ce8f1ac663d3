"""Quality in numbers: tissue overlap, sides, and who stands apart from the others."""

import numpy as np
import pandas as pd
import pytest

from nigra.nodes.anatomy.quality import (
    STANDS_APART,
    asymmetries,
    iron_contrast,
    modified_z,
    standing_apart,
    tissue_agreement,
    tissue_classes,
    tissue_limits,
)
from nigra.nodes.errors import NigraError


@pytest.fixture
def brain():
    """Image of three tissues with noise, its mask and its classes; shells from the middle out."""
    r = np.sqrt(sum((x - 11.5) ** 2 for x in np.indices((24, 24, 24))))
    classes = np.select([r < 3, r < 7, r < 11], [1, 3, 2], 0).astype(np.uint8)
    rng = np.random.default_rng(3)
    image = np.array([0.0, 20, 60, 90])[classes] + 4 * rng.standard_normal(r.shape)
    return image, classes > 0, classes


def test_classes_are_those_that_made_the_image(brain):
    image, mask, classes = brain
    low, high = tissue_limits(image, mask)
    assert 33 < low < 47
    assert 69 < high < 81
    found = tissue_classes(image, mask, (low, high))
    assert (found[mask] == classes[mask]).mean() > 0.999
    assert not found[~mask].any()


def test_classes_do_not_depend_on_scale(brain):
    image, mask, _ = brain
    limits = np.array(tissue_limits(image, mask))
    np.testing.assert_allclose(tissue_limits(7 * image + 100, mask), 7 * limits + 100, rtol=1e-6)


def test_agreement_is_whole_for_the_same_image_and_falls_when_it_slides(brain):
    image, mask, classes = brain
    labels = (classes == 3).astype(np.uint8)
    same = tissue_agreement(image, np.where(mask, image, 0), mask, labels)
    assert [same[f'{t}_overlap'] for t in ('fluid', 'grey', 'white')] == [1, 1, 1]
    assert same['nuclei_in_fluid'] == 0
    moved = np.roll(np.where(mask, image, 0), 2, axis=0)
    slid = tissue_agreement(image, moved, mask, np.roll(labels, 3, axis=0))
    assert max(slid[f'{t}_overlap'] for t in ('fluid', 'grey', 'white')) < 0.95
    inside = np.roll(labels, 3, axis=0) > 0
    assert slid['nuclei_in_fluid'] == pytest.approx(np.mean(classes[inside] == 1), abs=0.01)


def test_no_contrast_and_no_overlap_are_sentences(brain):
    image, mask, classes = brain
    with pytest.raises(NigraError, match='no three intensities'):
        tissue_limits(np.ones_like(image), mask)
    with pytest.raises(NigraError, match='no voxel in common'):
        tissue_agreement(image, np.where(mask, 0, image), mask, classes)


def test_sides_are_compared_by_region_and_unpaired_regions_do_not_count():
    rows = [
        ('caudate', 'L', 1000.0, 30.0),
        ('caudate', 'R', 1500.0, 36.0),
        ('nigra', 'L', 10.0, 90.0),
        ('nigra', 'both', 10.0, 90.0),
        ('tiny', 'L', 40.0, 90.0),
        ('tiny', 'R', 90.0, 20.0),
        ('putamen', 'L', 1000.0, np.nan),
        ('putamen', 'R', 1000.0, 20.0),
    ]
    table = pd.DataFrame(rows, columns=['region', 'hemisphere', 'volume_mm3', 'chi_mean'])
    assert asymmetries(table) == {'volume_asymmetry': 0.4, 'chi_asymmetry_ppb': 6.0}
    alone = asymmetries(table[table.region == 'nigra'])
    assert all(np.isnan(v) for v in alone.values())


def test_iron_contrast_is_pallidum_less_thalamus():
    rows = [('pallidum', 'both', 90.0), ('pallidum', 'L', 5.0), ('thalamus', 'both', -10.0)]
    table = pd.DataFrame(rows, columns=['region', 'hemisphere', 'chi_mean'])
    assert iron_contrast(table) == 100
    assert np.isnan(iron_contrast(table[:2]))
    assert np.isnan(iron_contrast(table.assign(chi_mean=[90.0, 5.0, np.nan])))


def test_modified_z_by_hand():
    values = np.array([3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, np.nan, 29.0])
    # median of the eight known ones 10, absolute deviations 7 5 3 1 1 3 5 19, their median 4
    expected = 0.6745 * (values - 10) / 4
    np.testing.assert_allclose(modified_z(values), expected)
    assert np.isnan(modified_z(values[:7])).all()
    assert np.isnan(modified_z(np.r_[np.ones(8), 2.0])).all()


def test_only_the_bad_side_stands_apart():
    column = np.array([10.0, 11, 9, 10.5, 9.5, 10, 11.5, 8.5, 30])
    table = pd.DataFrame({'low': column, 'high': column, 'both': -column})
    apart = standing_apart(table, {'low': 'low', 'high': 'high', 'both': 'both'})
    assert apart.iloc[-1].tolist() == [False, True, True]
    assert not apart.iloc[:-1].any(axis=None)
    assert modified_z(column)[-1] > STANDS_APART
