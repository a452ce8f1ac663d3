"""Numbers of quality by hand: what a run's images give, and who stands apart in a study."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from toy_page import region_rows

from nigra.interfaces.quality import (
    RunQuality,
    _leaves,
    _plain,
    gather_quality,
    quality_measures,
)
from nigra.nodes.anatomy.quality import LEAST_RUNS, STANDS_APART, modified_z
from nigra.nodes.field.echoes import magnitude_noise


def run(folder, magnitude, brain, mask, chimap):
    images = {'magnitude': magnitude, 'brain_mask': brain, 'mask': mask, 'chimap': chimap}
    for name, data in images.items():
        kind = np.float32 if data.dtype != bool else np.uint8
        nib.save(nib.Nifti1Image(data.astype(kind), np.eye(4)), folder / f'{name}.nii')
    region_rows().to_csv(folder / 'regions.tsv', sep='\t', index=False, na_rep='n/a')
    RunQuality(
        **{name: str(folder / f'{name}.nii') for name in images},
        entities={'participant_id': 'sub-1'}, anatomy={'brain_ml': 1234.5678},
        regions_tsv=str(folder / 'regions.tsv'), out_file=str(folder / 'q.json'),
    ).run()  # fmt: skip
    return json.loads((folder / 'q.json').read_text())


def test_numbers_of_a_run_are_those_of_its_images(tmp_path):
    rng = np.random.default_rng(0)
    shape = (20, 20, 20)
    brain, mask = np.zeros(shape, bool), np.zeros(shape, bool)
    brain[2:18, 2:18, 2:18] = True
    mask[2:10, 2:18, 2:18] = mask[0, :2, :2] = True
    magnitude = (200 + 5 * rng.standard_normal(shape)).astype(np.float32)
    chimap = np.where(mask, 0.05 * rng.standard_normal(shape), 9).astype(np.float32)
    found = run(tmp_path, magnitude, brain, mask, chimap)
    assert found['mask_kept'] == pytest.approx(0.5)
    noise = magnitude_noise(magnitude, brain)
    assert found['snr'] == pytest.approx(np.median(magnitude[brain]) / noise, rel=1e-4)
    assert found['snr'] == pytest.approx(40, rel=0.1)
    assert found['chi_sd'] == pytest.approx(1000 * chimap[mask].std(), rel=1e-4)
    assert found['brain_ml'] == 1234.57
    assert found['participant_id'] == 'sub-1'


def test_an_image_without_noise_or_brain_has_no_ratio(tmp_path):
    shape = (12, 12, 12)
    brain = np.zeros(shape, bool)
    brain[3:9, 3:9, 3:9] = True
    flat = run(tmp_path, np.full(shape, 7.0), brain, brain, np.zeros(shape))
    assert flat['snr'] is None
    assert flat['chi_sd'] == 0


def test_numbers_are_found_however_deep_they_lie():
    found = _leaves({'a': 1, 'b': {'c': 2.5, 'd': {'e': True}}, 'f': 'text', 'g': None}, {'a': 3})
    assert found == {'a': 3.0, 'c': 2.5, 'e': 1.0}
    assert (_plain(1.23456789), _plain(float('nan')), _plain(float('inf'))) == (
        1.23457,
        None,
        None,
    )


@pytest.mark.parametrize('worst', ['low', 'high'])
def test_who_stands_apart_on_the_bad_side_is_told_with_the_distance(tmp_path, worst):
    names = quality_measures()
    low, high = (next(n for n, m in names.items() if m['worse'] == side) for side in
                 ('low', 'high'))  # fmt: skip
    rows = []
    for n in range(LEAST_RUNS + 2):
        rows.append({'participant_id': f'sub-{n}', low: 10.0 + 0.1 * n, high: 5.0 + 0.1 * n})
    rows[0][low if worst == 'low' else high] = 4.0 if worst == 'low' else 20.0
    rows[1][low if worst == 'high' else high] = 30.0 if worst == 'high' else -20.0  # the good side
    rows[2]['problems'] = ['a', 'b']
    paths = []
    for row in rows:
        paths.append(tmp_path / f'{row["participant_id"]}_quality.json')
        paths[-1].write_text(json.dumps(row))
    table = gather_quality(paths).set_index('participant_id')
    name = low if worst == 'low' else high
    z = modified_z(np.array([row[name] for row in rows]))
    assert abs(z[0]) > STANDS_APART
    assert table['flags']['sub-0'] == f'{name} ({z[0]:+.1f})'
    assert pd.isna(table['flags']['sub-1'])
    assert table['problems']['sub-2'] == 'a; b'
    assert pd.isna(table['problems']['sub-0'])
