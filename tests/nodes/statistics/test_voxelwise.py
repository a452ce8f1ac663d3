"""Voxel-wise comparison as arrays: smoothing, design, sample, grid and clusters."""

import numpy as np
import pytest
from toy_cohort import make_people, make_regions

from nigra.interfaces.template_maps import comparison_ground
from nigra.nodes.errors import NigraError
from nigra.nodes.statistics.question import Question, choose_contrasts
from nigra.nodes.statistics.voxelwise import (
    cluster_table,
    covered_maps,
    ground_around,
    partition_design,
    smooth_known,
    voxel_sample,
)


def test_smoothing_keeps_a_constant_up_to_the_border():
    known = np.zeros((20, 20, 20))
    known[5:15, 5:15, 5:15] = 1
    noise = np.random.default_rng(1).normal(0, 100, known.shape)
    out = smooth_known(np.where(known > 0, 7.0, noise), known, (1.5, 1.5, 1.0))
    assert np.isfinite(out[6:14, 6:14, 6:14]).all()
    np.testing.assert_allclose(out[np.isfinite(out)], 7.0, rtol=1e-5, equal_nan=False)
    assert np.isnan(out[0, 0, 0])


def test_smoothing_of_an_open_field_is_the_gaussian():
    values = np.zeros((21, 21, 21))
    values[10, 10, 10] = 1
    out = smooth_known(values, np.ones_like(values), (1.0, 2.0, 1.0))
    ratio = out[10, 12, 10] / out[10, 10, 10]
    assert ratio == pytest.approx(np.exp(-(2**2) / (2 * 2**2)), rel=1e-3)


def test_the_tested_column_has_the_contrast_for_coefficient():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.eye(3), [6, 9, 5], axis=0)
    x = np.column_stack([groups, rng.standard_normal((20, 2))])
    y = rng.standard_normal(20)
    c = np.array([0.5, 0.5, -1.0, 0.0, 0.0])
    tested, rest = partition_design(x, c)
    whole = np.linalg.lstsq(x, y, rcond=None)[0]
    parts = np.linalg.lstsq(np.hstack([tested, rest]), y, rcond=None)[0]
    assert parts[0] == pytest.approx(c @ whole)
    assert rest.shape == (20, 4)
    with pytest.raises(NigraError, match='weigh'):
        partition_design(x, np.zeros(5))


def test_clusters_have_place_size_and_name():
    t, p = np.zeros((12, 12, 12)), np.ones((12, 12, 12))
    labels = np.zeros((12, 12, 12), int)
    labels[2:5] = 4
    t[3:6, 3:6, 3:6], p[3:6, 3:6, 3:6] = 4.0, 0.01
    t[4, 4, 4], p[4, 4, 4] = 9.0, 0.002
    t[9, 9, 9], p[9, 9, 9] = -5.0, 0.03
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = [-10, 0, 5]
    (contrast,) = choose_contrasts(None, 'AB')
    table = cluster_table(contrast.columns, t, p, affine, labels, {4: 'putamen L'})
    assert table.sign.tolist() == ['higher', 'lower']
    first = table.iloc[0]
    assert first[['x', 'y', 'z']].tolist() == [-2.0, 8.0, 13.0]
    assert first.volume_mm3 == pytest.approx(27 * 8)
    assert (first.p, first.statistic) == (0.002, 9.0)
    assert first.regions == 'putamen L 67%, outside the nuclei 33%'
    assert table[['contrast', 'group_a', 'group_b']].eq(['A - B', 'A', 'B']).all(axis=None)
    assert cluster_table(contrast.columns, t, np.ones_like(p), affine, labels, {}).empty


def test_a_slab_among_whole_maps_is_left_out():
    ground = comparison_ground()
    full = np.zeros(ground.mask.shape, np.float32)
    slab = full.copy()
    slab[:, :, : slab.shape[2] // 2] = np.nan
    maps, told = covered_maps(dict(zip('abc', [full, slab, full], strict=True)), ground.mask)
    assert list(maps) == ['a', 'c']
    assert 'left out of the voxel-wise comparison are b.' in told[0]
    same, silent = covered_maps({'a': slab, 'b': slab}, ground.mask)
    assert list(same) == ['a', 'b']
    assert silent == []


def test_whoever_lacks_a_map_or_a_group_is_left_out():
    people = make_people({'NMO': 4, 'RRMS': 5, 'HC': 4})
    regions = make_regions(people)
    mapped = [p for p in people.participant_id if p not in ('sub-001', 'sub-002', 'sub-013')]
    sample, told = voxel_sample(regions, Question(), mapped, source='p.tsv')
    assert sample.groups == ('RRMS', 'HC')  # two maps of NMO are too few
    assert list(sample.labels.index) == mapped[2:]
    assert list(sample.people.index) == list(sample.values.index) == mapped[2:]
    assert told == []


def test_scanners_become_a_covariate():
    people = make_people({'NMO': 8, 'HC': 8})
    regions = make_regions(people.assign(site=np.arange(16) % 2 + 1.0))
    question = Question(covariates=('age',), harmonise='site')
    sample, told = voxel_sample(regions, question, list(people.participant_id), source='p.tsv')
    assert [(c.name, c.categorical) for c in sample.covariates] == [('age', False), ('site', True)]
    assert 'ComBat is used for regions only' in told[0]
    assert not any('no model takes' in sentence for sentence in sample.warnings)


def test_the_grid_has_the_labels_and_what_is_near_them():
    labels = np.zeros((30, 30, 30), int)
    labels[10:21, 12:20, 14:18] = 7
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = (-15, -10, 3)
    ground = ground_around(labels, affine, near=3.0, step=2)
    assert ground.mask.shape == ground.labels.shape
    assert ground.mask[ground.labels == 7].all()
    inside = np.argwhere(ground.labels == 7).mean(axis=0)
    place = ground.affine @ [*inside, 1.0]
    np.testing.assert_allclose(place[:3], [0.0, 5.5, 18.5], atol=1.0, equal_nan=False)
    assert ground.affine[0, 0] == 2.0
    assert ground.mask.sum() * 8 == pytest.approx((17 * 14 * 10), rel=0.35)
