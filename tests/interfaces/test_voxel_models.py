"""The voxel-wise comparison as a node: an effect is found where it is."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from toy_cohort import make_people, make_regions

from nigra.interfaces.reports.group_page import voxel_part
from nigra.interfaces.template_maps import comparison_ground
from nigra.interfaces.voxelwise import (
    VoxelModels,
    cluster_region_names,
    contrast_labels,
)
from nigra.nodes.statistics.question import choose_contrasts
from nigra.nodes.statistics.voxelwise import (
    smooth_known,
)


def test_file_labels_stay_apart():
    contrasts = choose_contrasts(['A b - C', 'A + b - C', 'Ab - C'], ['A b', 'A', 'b', 'C', 'Ab'])
    assert contrast_labels(contrasts) == ['AbvC', 'AbvC2', 'AbvC3']


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
        'maps': paths, 'participants': list(people.participant_id), 'regions_tsv': 'regions.tsv',
        'question': {'covariates': [], 'voxelwise': 60},
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


def test_one_group_is_tested_by_itself(tmp_path, monkeypatch):
    """The caudate's iron rises with age; the mean differs from zero nearly everywhere."""
    monkeypatch.chdir(tmp_path)
    people = make_people({'MS': 12})
    make_regions(people).to_csv('regions.tsv', sep='\t', index=False, na_rep='n/a')
    ground, rng = comparison_ground(), np.random.default_rng(3)
    names = cluster_region_names()
    inside = np.isin(ground.labels, [v for v, n in names.items() if n == 'caudate L'])
    paths = []
    for person in people.itertuples():
        data = rng.normal(30, 8, ground.mask.shape) + 3 * (person.age - 50) * inside
        paths.append(str(tmp_path / f'{person.participant_id}.nii.gz'))
        nib.save(nib.Nifti1Image(data.astype(np.float32), ground.affine), paths[-1])
    found = VoxelModels(
        maps=paths, participants=list(people.participant_id), regions_tsv='regions.tsv',
        question={'covariates': ['age'], 'voxelwise': 40},
    ).run().outputs  # fmt: skip
    maps = {Path(f).name.split('contrast-')[1].split('_')[0] for f in found.out_files
            if '_stat-t_' in f and f.endswith('.nii.gz')}  # fmt: skip
    assert maps == {'mean', 'age', 'edss'}
    clusters = pd.read_csv(found.clusters_tsv, sep='\t')
    age = clusters[clusters.contrast == 'age']
    assert len(age)
    assert age.iloc[0].regions.startswith('caudate L')
    assert age.iloc[0].sign == 'higher'
    assert clusters.group_a.isna().all()
    pictures = voxel_part(found.clusters_tsv, found.out_files, 0.05)['pictures']
    assert [name for name, _ in pictures] == ['mean', 'age', 'edss']
