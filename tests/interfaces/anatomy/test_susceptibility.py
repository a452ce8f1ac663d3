"""Labels by the contrast of susceptibility: a midbrain that T1w does not show is found."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from nigra.interfaces.anatomy.atlas import load_dgm_atlas, load_template, susceptibility_template
from nigra.interfaces.anatomy.grids import Pair
from nigra.interfaces.anatomy.itk import Engine, Volume, load_preset, read_volume, write
from nigra.interfaces.anatomy.labels import labels_on
from nigra.interfaces.anatomy.susceptibility import align_susceptibility
from nigra.interfaces.bids import find_visits
from nigra.nodes.anatomy.similarity import dice
from nigra.workflows.base import init_nigra_wf

MIDBRAIN = (11, 12, 13, 14, 19, 20)
SHIFT = np.array([1.0, -1.5, 1.0])
"""By which the T1w registration is wrong, mm."""


def test_susceptibility_template_is_bright_in_the_nuclei_and_dark_elsewhere():
    image = np.asarray(susceptibility_template().dataobj)
    labels = np.asarray(load_dgm_atlas().image.dataobj)
    core = ndimage.binary_erosion(np.isin(labels, (5, 6)))
    assert image[core].mean() == pytest.approx(0.131, rel=0.2)
    assert image.min() >= 0
    assert image[ndimage.distance_transform_edt(labels == 0) > 5].max() < 1e-6


def test_a_wrong_registration_of_the_midbrain_is_mended(tmp_path):
    """The T1w image is flat there, so that only the map can tell."""
    atlas, template, engine = load_dgm_atlas(), load_template(), Engine(seed=1)
    labels = np.asarray(atlas.image.dataobj)
    blurred = ndimage.gaussian_filter(np.isin(labels, MIDBRAIN).astype(float), 4)
    flat = np.asarray(template.dataobj, np.float32)
    flat = np.where(blurred > 0.02, 60, flat).astype(np.float32)
    t1w = write(Volume(flat, template.affine), tmp_path / 't1w.nii')
    susceptibility = susceptibility_template()
    rng = np.random.default_rng(0)
    noisy = np.asarray(susceptibility.dataobj) + 0.01 * rng.standard_normal(labels.shape)
    chimap = write(Volume(noisy.astype(np.float32), template.affine), tmp_path / 'chimap.nii')
    matrix = np.eye(4)
    matrix[:3, 3] = SHIFT
    to_template = engine.linear_transform(matrix, tmp_path / 'there.mat')
    to_t1w = engine.linear_transform(np.linalg.inv(matrix), tmp_path / 'back.mat')
    same = engine.linear_transform(np.eye(4), tmp_path / 'same.mat')
    preset = load_preset('fast')
    stages = [{**preset['susceptibility']['stages'][0], 'iterations': [20, 5]}]
    preset['susceptibility'] = {**preset['susceptibility'], 'stages': stages}
    refined, quality = align_susceptibility(
        Path(t1w), chimap, Pair(to_template, to_t1w), same, tmp_path, engine, preset
    )
    grid = read_volume(t1w)

    def overlap(transform):
        drawn = labels_on(grid, atlas, [transform], tmp_path, engine)
        return dice(np.isin(drawn, MIDBRAIN), np.isin(labels, MIDBRAIN))

    before, after = overlap(to_t1w), overlap(refined)
    assert before < 0.7
    assert after > before + 0.1
    assert 0.3 < quality['susceptibility_mm'] < 3


@pytest.mark.parametrize('contrast', ['t1w', 'hybrid'])
def test_every_result_has_one_source(raw, tmp_path, contrast):
    from test_workflows import plan

    (visit,) = find_visits(raw, 'sub-02')
    workflow = init_nigra_wf(
        [(visit, 'key')], plan(raw, label_contrast=contrast), work_dir=tmp_path
    )
    names = [node.itername for node in workflow._create_flat_graph().nodes()]
    assert any('align_susceptibility' in n for n in names) == (contrast == 'hybrid')
    assert sum('label_gre' in n for n in names) == (2 if contrast == 'hybrid' else 1)
