"""Quality of runs as files, and of a study as one table."""

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
from nigra.nodes.errors import InputError


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
    titles = [c.title for c in shown.columns]
    assert 'brain (mL)' not in titles
    # what everybody asks for stands first, whatever its place among the measures
    assert titles.index('SNR') < titles.index('turn (degree)')
    assert shown.rows[1][titles.index('stands apart by')].text == 'none'


def test_of_few_runs_nobody_is_said_to_stand_apart_by_nothing(tmp_path):
    for i in range(3):
        write_quality(tmp_path, f'0{i}', snr=50.0 + i)
    result = GatherQuality(derivatives_dir=str(tmp_path)).run(cwd=str(tmp_path)).outputs
    shown = quality_table(result.quality_tsv)
    at = [c.title for c in shown.columns].index('stands apart by')
    assert {row[at].text for row in shown.rows} == {'n/a'}


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
