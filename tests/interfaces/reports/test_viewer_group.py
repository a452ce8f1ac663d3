"""The viewer of the group level: colours of effects, and what is painted where."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.anatomy.atlas import load_dgm_atlas
from nigra.interfaces.files import save_json
from nigra.interfaces.reports import viewer_group
from nigra.interfaces.reports.colours import LARGE_EFFECT, diverging_rgb
from nigra.interfaces.reports.group_data import GroupData
from nigra.interfaces.reports.viewer_group import group_images


def test_colours_of_effects_are_those_of_the_charts_and_clear_in_the_middle():
    colours = viewer_group._effect_colours()
    rgb = np.array([colours[channel] for channel in 'RGB']).T
    assert colours['I'][0] == 0
    assert colours['I'][-1] == 255
    assert rgb[0].tolist() == diverging_rgb(-LARGE_EFFECT).tolist()
    assert rgb[-1].tolist() == diverging_rgb(LARGE_EFFECT).tolist()
    for place, colour, alpha in zip(colours['I'], rgb, colours['A'], strict=True):
        effect = (place / 255 * 2 - 1) * LARGE_EFFECT
        assert np.abs(colour.astype(int) - diverging_rgb(effect).astype(int)).max() <= 1
        assert alpha == (0 if place in (127, 128) else 255)


@pytest.fixture
def data():
    rows = [('chi_mean', 'NMO - HC', region, 'both', size) for region, size in
            (('putamen', 1.2), ('thalamus', -0.6))]  # fmt: skip
    columns = ['measure', 'contrast', 'region', 'hemisphere', 'effect_size']
    return GroupData({'contrasts': pd.DataFrame(rows, columns=columns)}, {})


def test_effects_are_painted_on_both_sides_of_their_region(data):
    images, boxes = group_images(data, [])
    assert images[0].title == 'Template'
    assert len(images) == len(boxes) == 3
    painted, regions = images[1], images[-1]
    assert painted.unit == 'g'
    assert painted.window[0] == -painted.window[1] < -1.2 + 1e-6
    table = load_dgm_atlas().regions
    for region, size in (('putamen', 1.2), ('thalamus', -0.6)):
        own = table[table.region == region]['index']
        assert set(table[table.region == region].hemisphere) == {'L', 'R'}
        assert painted.data[np.isin(regions.data, own)] == pytest.approx(size)
    assert not painted.data[regions.data == 0].any()


def test_tests_of_voxels_keep_their_grid_and_an_even_scale(data, tmp_path):
    values = np.zeros((4, 5, 6), np.float32)
    values[1, 2, 3], values[2, 2, 2] = -6.0, 4.0
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    paths = []
    for statistic in (viewer_group.T_STATISTIC, viewer_group.P_STATISTIC):
        path = tmp_path / f'group_x_{viewer_group.stat_map(statistic)}.nii.gz'
        nib.save(nib.Nifti1Image(values, affine), path)
        save_json({'Contrast': 'NMO - HC'}, viewer_group.sidecar_of(path))
        paths += [path, viewer_group.sidecar_of(path)]
    images, boxes = group_images(data, paths)
    t, p = images[1:3]
    assert t.title == 't, voxel-wise: NMO - HC'
    assert p.title == 'p, voxel-wise: NMO - HC'
    assert t.window == (-6, 6)
    assert np.asarray(t.affine)[:3, :3] == pytest.approx(affine[:3, :3])
    assert boxes[1] == boxes[2] == (slice(0, 4), slice(0, 5), slice(0, 6))
