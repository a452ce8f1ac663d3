"""The built-in labels: parts make wholes; the simulator has none of them, few are compared."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.anatomy.atlas import (
    _on_grid,
    compared_regions,
    load_dgm_atlas,
    load_whole_atlas,
    parse_labels,
    region_table,
    with_wholes,
)
from nigra.interfaces.stats import choose_regions
from nigra.nodes.errors import InputError


def labels(atlas):
    return np.asarray(atlas.image.dataobj)


def test_every_label_of_the_image_is_in_the_table_once():
    table = region_table()
    assert table['index'].is_unique
    assert set(np.unique(labels(load_dgm_atlas()))) == {0, *table['index']}
    assert not table.duplicated(['region', 'hemisphere']).any()


def test_parts_make_their_wholes():
    regions = load_dgm_atlas().regions.set_index(['region', 'hemisphere'])
    assert regions.loc[('pallidum', 'L'), 'parts'] == (5, 17)
    assert regions.loc[('substantia_nigra', 'R'), 'parts'] == (12, 20)
    assert regions.loc[('thalamus_whole', 'L'), 'parts'] == (7, 9)
    assert pd.isna(regions.loc[('pallidum', 'L'), 'index'])


def test_wholes_stand_before_their_parts():
    names = load_dgm_atlas().regions.region.tolist()
    for part, whole in (('pallidum_externus', 'pallidum'), ('pulvinar', 'thalamus_whole')):
        assert names.index(whole) < names.index(part)


def test_the_simulators_labels_are_ours_without_parts():
    fine, whole = load_dgm_atlas(), load_whole_atlas()
    for row in whole.regions.itertuples():
        ours = fine.regions[
            (fine.regions.region == row.region) & (fine.regions.hemisphere == row.hemisphere)
        ].parts.iloc[0]
        np.testing.assert_array_equal(np.isin(labels(whole), row.parts),
                                      np.isin(labels(fine), ours))  # fmt: skip
    assert not whole.regions.part.any()
    assert labels(whole).max() == 16


def test_left_is_left():
    atlas = load_dgm_atlas()
    for row in atlas.regions.itertuples():
        where = np.argwhere(np.isin(labels(atlas), row.parts)).mean(axis=0)
        x = (atlas.image.affine[:3, :3] @ where + atlas.image.affine[:3, 3])[0]
        assert (x < 0) == (row.hemisphere == 'L')


def test_externus_lies_outside_internus_and_compacta_behind_reticulata():
    atlas = load_dgm_atlas()
    middle = {
        (row.region, row.hemisphere): np.argwhere(np.isin(labels(atlas), row.parts)).mean(axis=0)
        for row in atlas.regions.itertuples()
    }
    for side, outwards in (('L', -1), ('R', 1)):
        gap = middle['pallidum_externus', side] - middle['pallidum_internus', side]
        assert gap[0] * outwards > 1
        behind = middle['substantia_nigra_compacta', side][1]
        assert behind < middle['substantia_nigra_reticulata', side][1]


def test_the_group_level_compares_what_it_compared_before_there_were_parts():
    assert set(compared_regions()) == {
        'caudate', 'putamen', 'pallidum', 'thalamus', 'pulvinar', 'thalamus_whole',
        'substantia_nigra', 'red_nucleus', 'accumbens',
    }  # fmt: skip


def test_regions_to_compare():
    rows = [('dgm', 'pallidum'), ('dgm', 'pallidum_externus'), ('dgm', 'brain'), ('own', 'x')]
    table = pd.DataFrame(rows, columns=['atlas', 'region'])
    assert choose_regions(table, None).region.tolist() == ['pallidum', 'brain', 'x']
    asked = choose_regions(table, ['pallidum_externus'])
    assert asked.region.tolist() == ['pallidum_externus', 'brain']
    with pytest.raises(InputError, match='--regions putamen: is in no region table'):
        choose_regions(table, ['putamen'])


def test_a_table_without_wholes_stays_as_it_is():
    table = pd.DataFrame({
        'index': [3, 4], 'region': ['a', 'a'], 'hemisphere': ['L', 'R'],
        'whole': [np.nan, np.nan], 'part': [False, False],
    })  # fmt: skip
    assert with_wholes(table).parts.tolist() == [(3,), (4,)]


@pytest.mark.parametrize(
    ('offset', 'spacing', 'taken'),
    [((0, 0, 0), 1, True), ((2, 0, 3), 1, True), ((-1, 0, 0), 1, False), ((0, 0.5, 0), 1, False),
     ((0, 0, 0), 2, False)],
)  # fmt: skip
def test_labels_are_copied_only_onto_the_template_s_own_voxels(offset, spacing, taken):
    template = nib.Nifti1Image(np.zeros((8, 8, 8), np.uint8), np.eye(4))
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = offset
    own = np.random.default_rng(0).integers(0, 9, (4, 5, 5)).astype(np.int16)
    image = nib.Nifti1Image(own, affine)
    if not taken:
        with pytest.raises(InputError, match='is not on the template grid'):
            _on_grid(image, template)
        return
    found = _on_grid(image, template)
    x, y, z = offset
    np.testing.assert_array_equal(found[x : x + 4, y : y + 5, z : z + 5], own)
    assert (found > 0).sum() == (own > 0).sum()


@pytest.mark.parametrize(
    ('text', 'values'),
    [
        ('7', (7,)),
        ('3,5', (3, 5)),
        ('361-363,370', (361, 362, 363, 370)),
        ('4-4', (4,)),
        (9, (9,)),
    ],
)
def test_labels_are_written_as_lists_with_ranges(text, values):
    assert parse_labels(text) == values
