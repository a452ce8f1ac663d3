"""Scales and sizes of the maps on the pages, and colours of the group's viewer."""

import io

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nigra.interfaces.reports import viewer_group
from nigra.interfaces.reports.effect_maps import region_labels
from nigra.interfaces.reports.group_data import GroupData
from nigra.interfaces.reports.map_pictures import (
    CHI_LIMIT,
    _two_scales,
    draw_thumbnail,
    own_window,
)
from nigra.interfaces.reports.viewer_group import _painted
from nigra.interfaces.reports.viewer_page import _labels, _window


@pytest.mark.parametrize(
    ('highest', 'limit'),
    [(0.05, CHI_LIMIT), (CHI_LIMIT, CHI_LIMIT), (0.19, 0.2), (0.42, 0.5), (-0.1, CHI_LIMIT)],
)
def test_the_scale_of_a_map_ends_beyond_its_nuclei(highest, limit):
    values = np.full((4, 4, 4), highest)
    values[0], values[1, 0, 0] = 99, np.nan
    nuclei = np.ones(values.shape, bool)
    nuclei[0] = False
    low, high = own_window(values, nuclei)
    assert high == pytest.approx(limit)
    assert low == pytest.approx(-limit / 2)
    assert own_window(values, nuclei & False) == pytest.approx((-CHI_LIMIT / 2, CHI_LIMIT))


def test_a_map_lies_on_its_own_scale_and_on_the_fixed_one():
    data = np.array([[[-0.15, 0.0, 0.15, 0.3]]])
    (own, fixed), bar, names = _two_scales(data, (-0.15, 0.3))
    assert own.pixels.ravel().tolist() == [1, 86, 170, 255]
    assert fixed.pixels.ravel().tolist() == [1, 128, 255, 255]
    assert (bar.low, bar.high) == (-0.15, 0.3)
    assert names == ('own scale, to 0.3', f'fixed, ±{CHI_LIMIT:g} ppm')


@pytest.mark.parametrize('zooms', [(1.0, 1.0, 2.0), (2.0, 1.0, 1.0), (1.0, 3.0, 1.0)])
def test_thumbnails_have_the_proportions_of_the_brain(tmp_path, zooms):
    mask = np.zeros((40, 44, 20), np.uint8)
    mask[10:30, 8:36, 4:16] = 1
    labels = np.zeros_like(mask)
    labels[15:20, 15:20, 9] = 3
    chi = np.where(mask, 0.02, 0).astype(np.float32)
    chi[labels > 0] = 0.14
    run = {}
    for name, data in (('chimap', chi), ('qsm_mask', mask), ('dseg', labels)):
        run[name] = tmp_path / f'{name}.nii'
        nib.save(nib.Nifti1Image(data, np.diag([*zooms, 1.0])), run[name])
    image = Image.open(io.BytesIO(draw_thumbnail(run)))
    margin = [round(3 / z) for z in zooms]
    width, height = image.size
    assert width == pytest.approx((20 + 2 * margin[0]) * zooms[0], abs=1)
    assert height == pytest.approx((28 + 2 * margin[1]) * zooms[1], abs=1)
    grey = np.asarray(image.convert('L')).astype(int)
    assert grey.max() > 200
    bright = np.argwhere(grey > 200).mean(axis=0)
    # left of the middle, where the nucleus lies, and below it, as front is up
    assert bright[1] < width / 2
    assert bright[0] > height / 2


@pytest.mark.parametrize(
    ('name', 'data', 'window'),
    [('totalfield', [-0.4, 0.1], (-0.5, 0.5)), ('localfield', [0.0, 0.019], (-0.02, 0.02)),
     ('r2star', [0.0, 45.0], (0.0, 50.0)), ('negative', [-45.0, -0.1], (-50.0, 0.0)),
     ('wide', [-90.0, 10.0], (0.0, 100.0))],
)  # fmt: skip
def test_scales_of_the_viewer_are_round_and_one_sided_where_the_map_is(name, data, window):
    values = np.repeat(data, 500).reshape(2, 500, 1)
    mask = np.ones(values.shape, bool)
    assert _window(name, values, mask, np.zeros(values.shape, int)) == pytest.approx(window)


def test_effects_are_painted_on_the_regions_of_the_atlas():
    row = {'measure': 'chi_mean', 'hemisphere': 'both', 'contrast': 'A - B', 'group_a': 'A',
           'group_b': 'B'}  # fmt: skip
    rows = [row | {'region': 'putamen', 'effect_size': 0.6}, row | {'region': 'caudate',
            'effect_size': np.nan}, row | {'region': 'thalamus', 'effect_size': -1.0,
            'contrast': 'C - B'}, row | {'region': 'nowhere', 'effect_size': 2.0,
            'contrast': 'D - B'}]  # fmt: skip
    data = GroupData({'contrasts': pd.DataFrame(rows)})
    known = region_labels()
    labels = np.arange(256, dtype=np.uint8).reshape(1, 1, 256)
    first, second = _painted(data, labels, np.eye(4))
    painted = np.flatnonzero(first.data.ravel())
    assert painted.tolist() == sorted(known['putamen'])
    assert set(first.data.ravel()[painted]) == {np.float32(0.6)}
    assert np.flatnonzero(second.data.ravel()).tolist() == sorted(known['thalamus'])
    assert (first.over, second.over) == (True, False)
    assert first.window[0] == -first.window[1]
    assert first.window[1] >= 0.6
    assert first.title.endswith(': A - B')
    none = GroupData({'contrasts': pd.DataFrame(rows).drop(columns='effect_size')})
    assert _painted(none, labels, np.eye(4)) == []


def test_colours_of_effects_are_see_through_in_the_middle_only():
    found = viewer_group._effect_colours()
    clear = [p for p, a in zip(found['I'], found['A'], strict=True) if a == 0]
    assert clear == [127, 128]
    assert set(found['A']) == {0, 255}
    for channel in 'RGB':
        assert len(found[channel]) == len(found['I'])
    # warm where it is more, cold where it is less
    assert found['R'][-1] > found['B'][-1]
    assert found['R'][0] < found['B'][0]


def test_tests_of_voxels_are_shown_whole_and_t_symmetrically(tmp_path):
    values = np.linspace(-3, 9, 24, dtype=np.float32).reshape(2, 3, 4)
    names = {s: viewer_group.stat_map(s) for s in (viewer_group.T_STATISTIC,
                                                   viewer_group.P_STATISTIC)}  # fmt: skip
    made = {}
    for statistic, name in names.items():
        path = tmp_path / f'x{name}.nii.gz'
        nib.save(nib.Nifti1Image(values, np.eye(4)), path)
        path.with_name(f'x{name}.json').write_text('{"Contrast": "A - B"}')
        made[statistic] = viewer_group._test_image(path)
        assert viewer_group._statistic(str(path)) in ('t', 'p')
        assert viewer_group._statistic(str(path).replace('.nii.gz', '.json')) == ''
    t, p = made.values()
    limit = np.clip(9, *viewer_group.T_LIMITS)
    assert t.window == (-limit, limit)
    assert t.title == 't, voxel-wise: A - B'
    assert p.title == 'p, voxel-wise: A - B'
    assert viewer_group._whole(t) == (slice(0, 2), slice(0, 3), slice(0, 4))


@pytest.mark.parametrize('sides', [True, False])
def test_labels_of_an_atlas_are_named_with_their_side_where_it_has_one(tmp_path, sides):
    table = pd.DataFrame({'index': [3, 5, 8], 'region': ['red_nucleus', 'red_nucleus', 'brain']})
    if sides:
        table['hemisphere'] = ['L', 'R', np.nan]
    table.to_csv(tmp_path / 'dseg.tsv', sep='\t', index=False, na_rep='n/a')
    labels = _labels(tmp_path / 'dseg.tsv')
    names = ['red nucleus left', 'red nucleus right'] if sides else ['red nucleus'] * 2
    assert labels.names == dict(zip((3, 5, 8), [*names, 'brain'], strict=True))
    assert labels.colours[3] == labels.colours[5] != labels.colours[8]
