"""Quality in numbers: tissue overlap, sides, and who stands apart from the others."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import write_image

from nigra.interfaces.quality import (
    GatherQuality,
    RunQuality,
    gather_quality,
    quality_dictionary,
    quality_measures,
    quality_warnings,
)
from nigra.interfaces.reports.quality_part import quality_table
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
from nigra.nodes.errors import InputError, NigraError


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


def write_quality(folder, label, **numbers):
    path = folder / f'sub-{label}' / 'anat' / f'sub-{label}_quality.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    entities = {'participant_id': f'sub-{label}', 'session_id': None, 'run_id': None}
    path.write_text(json.dumps({**entities, **numbers}))
    return path


def test_a_study_is_gathered_and_its_outlier_named(tmp_path):
    for i in range(9):
        write_quality(tmp_path, f'0{i}', snr=50.0 + i % 3, turn_deg=1.0 + 0.1 * i, brain_ml=None)
    write_quality(tmp_path, '9', snr=5.0, turn_deg=0.0, brain_ml=None)
    result = GatherQuality(derivatives_dir=str(tmp_path)).run(cwd=str(tmp_path)).outputs
    table = pd.read_csv(result.quality_tsv, sep='\t', na_values='n/a')
    assert table.participant_id.tolist()[-1] == 'sub-9'
    assert table['flags'].notna().tolist() == [False] * 9 + [True]
    assert table['flags'].iloc[-1].startswith('snr (-')
    assert table.brain_ml.isna().all()
    assert set(table.columns) == set(json.loads(Path(result.quality_json).read_text()))
    (sentence,) = result.warnings
    assert sentence.startswith('1 of 10 runs stands apart from the others in quality (sub-9)')
    shown = quality_table(result.quality_tsv)
    assert shown.row_classes[0] == 'flagged'
    assert shown.rows[0][0].text == 'sub-9'
    assert 'brain (mL)' not in [c.title for c in shown.columns]


def test_derivatives_without_numbers_are_no_error(tmp_path):
    result = GatherQuality(derivatives_dir=str(tmp_path)).run(cwd=str(tmp_path)).outputs
    assert quality_table(result.quality_tsv) is None
    assert result.warnings == []
    assert quality_warnings(gather_quality([])) == []


@pytest.mark.parametrize('text', ['{', '[]', '{"snr": 3}'])
def test_damaged_numbers_are_named(tmp_path, text):
    path = write_quality(tmp_path, '01')
    path.write_text(text)
    with pytest.raises(InputError, match=r'sub-01_quality.json: .*participant level again'):
        gather_quality([path])


def test_each_measure_is_described():
    described = quality_dictionary()
    for name, measure in quality_measures().items():
        assert measure['worse'] in ('low', 'high', 'both')
        assert described[name]['Description']


def test_numbers_of_a_run(tmp_path):
    rng = np.random.default_rng(0)
    brain = np.zeros((20, 20, 20), bool)
    brain[3:17, 3:17, 3:17] = True
    mask = brain.copy()
    mask[3:10] = False
    files = {
        'magnitude': 1000 + 20 * rng.standard_normal(brain.shape),
        'brain_mask': brain,
        'mask': mask,
        'chimap': np.where(mask, 0.05 * np.sign(np.indices(brain.shape)[1] - 9.5), 0),
    }
    paths = {
        name: write_image(tmp_path / f'{name}.nii.gz', data, dtype=np.float32)
        for name, data in files.items()
    }
    regions = tmp_path / 'regions.tsv'
    regions.write_text(
        'region\themisphere\tn_voxels\tvolume_mm3\tcoverage\tchi_mean\n'
        'caudate\tL\t90\t900\t1\t10\ncaudate\tR\t110\t1100\t0.4\t15\n'
        'brain\tboth\t9\t1e6\t1\tn/a\n'
    )
    out = RunQuality(
        entities={'participant_id': 'sub-01', 'session_id': None, 'run_id': 'run-1'},
        anatomy={'brain': {'brain_ml': 1400.0}, 'deep_grey': None},
        registration={'gre_to_t1w': {'nmi': 1.2, 'nmi_headers': 1.1}},
        phase={'sign_correlation': 0.5, 'phase_inverted': 1.0},
        regions_tsv=regions, out_file=str(tmp_path / 'sub-01_quality.json'), **paths,
    ).run(cwd=str(tmp_path)).outputs.out_file  # fmt: skip
    found = json.loads(Path(out).read_text())
    assert found['problems'] == ['coverage']
    assert found['run_id'] == 'run-1'
    assert (found['brain_ml'], found['nmi'], found['white_overlap']) == (1400.0, 1.2, None)
    assert (found['sign_correlation'], found['phase_inverted']) == (0.5, 1)
    assert found['mask_kept'] == 0.5
    assert found['chi_sd'] == pytest.approx(50.0)
    assert found['volume_asymmetry'] == pytest.approx(0.2)
    assert found['snr'] == pytest.approx(50, rel=0.1)
