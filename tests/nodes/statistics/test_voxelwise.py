"""Voxel-wise comparison: smoothing, design and clusters as arrays, then maps through the nodes."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from toy_cohort import make_people, make_regions

from nigra.interfaces.anatomy.itk import Engine
from nigra.interfaces.reports.group_page import voxel_part
from nigra.interfaces.template_maps import MapInTemplate, comparison_ground, find_maps
from nigra.interfaces.voxelwise import (
    VoxelModels,
    cluster_region_names,
    contrast_labels,
)
from nigra.nodes.errors import NigraError
from nigra.nodes.statistics.question import choose_contrasts
from nigra.nodes.statistics.voxelwise import (
    cluster_table,
    covered_maps,
    partition_design,
    smooth_known,
)


def test_smoothing_keeps_a_constant_up_to_the_border():
    known = np.zeros((20, 20, 20))
    known[5:15, 5:15, 5:15] = 1
    noise = np.random.default_rng(1).normal(0, 100, known.shape)
    out = smooth_known(np.where(known > 0, 7.0, noise), known, (1.5, 1.5, 1.0))
    assert np.isfinite(out[6:14, 6:14, 6:14]).all()
    np.testing.assert_allclose(out[np.isfinite(out)], 7.0, rtol=1e-5)
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
    table = cluster_table(contrast, t, p, affine, labels, {4: 'putamen L'})
    assert table.sign.tolist() == ['higher', 'lower']
    first = table.iloc[0]
    assert first[['x', 'y', 'z']].tolist() == [-2.0, 8.0, 13.0]
    assert first.volume_mm3 == pytest.approx(27 * 8)
    assert (first.p, first.statistic) == (0.002, 9.0)
    assert first.regions == 'putamen L 67%, outside the nuclei 33%'
    assert table[['contrast', 'group_a', 'group_b']].eq(['A - B', 'A', 'B']).all(axis=None)
    assert cluster_table(contrast, t, np.ones_like(p), affine, labels, {}).empty


def test_file_labels_stay_apart():
    contrasts = choose_contrasts(['A b - C', 'A + b - C', 'Ab - C'], ['A b', 'A', 'b', 'C', 'Ab'])
    assert contrast_labels(contrasts) == ['AbvC', 'AbvC2', 'AbvC3']


@pytest.fixture(scope='module')
def identity(tmp_path_factory):
    return Engine().linear_transform(np.eye(4), tmp_path_factory.mktemp('xfm') / 'identity.mat')


def test_a_map_keeps_its_values_and_place(identity, tmp_path, monkeypatch):
    """A map that lies in template space already, on another grid and cut by its mask."""
    monkeypatch.chdir(tmp_path)
    ground = comparison_ground()
    corner = ground.affine[:3, 3] - 4
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[:3, 3] = corner
    shape = tuple(np.ceil(np.array(ground.mask.shape) * [2, 2, 1] + [8, 8, 4]).astype(int))
    x = corner[0] + np.arange(shape[0])
    ramp = np.broadcast_to((x / 1000)[:, None, None], shape).astype(np.float32)
    mask = np.broadcast_to((x > 0)[:, None, None], shape)
    nib.save(nib.Nifti1Image(np.where(mask, ramp, np.nan), affine), 'chi.nii.gz')
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), 'mask.nii.gz')
    out = MapInTemplate(
        chimap='chi.nii.gz', mask='mask.nii.gz', gre_to_t1w_xfm=str(identity),
        t1w_to_template_xfm=str(identity), fwhm=3.0,
    ).run().outputs.out_file  # fmt: skip
    image = nib.load(out)
    found = image.get_fdata()
    place = image.affine[0, 3] + image.affine[0, 0] * np.arange(found.shape[0])
    middle = found[:, 20, 15]
    far = (place > 6) & (place < place.max() - 8)
    np.testing.assert_allclose(middle[far], place[far], atol=0.05)  # ppb, the ramp itself
    assert np.isnan(middle[place < -3]).all()


@pytest.mark.slow
def test_an_effect_is_found_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people = make_people({'NMO': 7, 'HC': 7})
    regions = make_regions(people)
    regions.to_csv('regions.tsv', sep='\t', index=False, na_rep='n/a')
    ground, rng = comparison_ground(), np.random.default_rng(3)
    names = cluster_region_names()
    inside = np.isin(ground.labels, [v for v, n in names.items() if n == 'caudate L'])
    paths = []
    for person in people.itertuples():
        data = smooth_known(rng.normal(0, 20, ground.mask.shape), np.ones(ground.mask.shape),
                            (1.0, 1.0, 1.0))  # fmt: skip
        data += 60 * inside * (person.group == 'NMO')
        paths.append(str(tmp_path / f'{person.participant_id}.nii.gz'))
        nib.save(nib.Nifti1Image(data, ground.affine), paths[-1])
    given = {
        'maps': paths, 'participants': list(people.participant_id), 'permutations': 60,
        'regions_tsv': 'regions.tsv', 'fwhm': 3.0, 'question': {'covariates': []},
    }  # fmt: skip
    found = VoxelModels(**given).run().outputs
    clusters = pd.read_csv(found.clusters_tsv, sep='\t')
    assert len(clusters)
    assert (clusters.contrast == 'NMO - HC').all()
    first = clusters.iloc[0]
    assert first.sign == 'higher'
    assert first.regions.startswith('caudate L')
    assert first.p < 0.05
    assert first.x < 0
    p_map = next(f for f in found.out_files if f.endswith('stat-pfwe_statmap.nii.gz'))
    p = nib.load(p_map).get_fdata()
    assert np.mean(p[inside & ground.mask] < 0.05) > 0.5
    assert np.mean(p[~inside & ground.mask] < 0.05) < 0.05
    facts = json.loads(Path(p_map.replace('.nii.gz', '.json')).read_text())
    assert facts['Permutations'] == 60
    assert len(facts['Participants']) == 14
    part = voxel_part(found.clusters_tsv, found.out_files, 0.05)
    ((name, svg),) = part['pictures']
    assert name == 'NMO - HC'
    assert 'significant' in svg
    assert len(part['clusters'].rows) == len(clusters)
    again = VoxelModels(**given, nthreads=2).run().outputs
    np.testing.assert_array_equal(nib.load(
        next(f for f in again.out_files if f.endswith('stat-pfwe_statmap.nii.gz'))
    ).get_fdata(), p)  # fmt: skip


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


def test_maps_are_found_by_the_visit_that_is_compared(tmp_path):
    from toy_cohort import region_rows, write_visit

    rng = np.random.default_rng(4)
    for session in ('ses-1', 'ses-2'):
        table = write_visit(tmp_path, region_rows('sub-001', rng, session=session))
        stem = str(table).removesuffix('_seg-dgm_regions.tsv')
        for name in ('_Chimap.nii.gz', '_desc-qsm_mask.nii.gz',
                     '_from-GRE_to-T1w_mode-image_xfm.h5',
                     '_from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5'):  # fmt: skip
            Path(stem + name).touch()
    write_visit(tmp_path, region_rows('sub-002', rng))
    found, warnings = find_maps(tmp_path)
    assert [f.chimap.name for f in found] == ['sub-001_ses-1_Chimap.nii.gz']
    assert 'sub-002 is left out of the voxel-wise comparison' in warnings[0]
    later, _ = find_maps(tmp_path, ['2'])
    assert [f.chimap.name for f in later] == ['sub-001_ses-2_Chimap.nii.gz']
