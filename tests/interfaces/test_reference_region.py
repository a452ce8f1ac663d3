"""The region of zero susceptibility by its name: mask, fluid, or labels."""

import nibabel as nib
import numpy as np
import pytest
from phantoms import ball, fluid_brain

from nigra.interfaces.reference import Reference
from nigra.nodes.errors import NigraError


@pytest.fixture
def files(tmp_path):
    grid, mask, inside, rate = fluid_brain()
    chi = np.where(mask, 0.01, 0)
    chi[inside] = 0.05
    labels = (ball(grid, 6, (0, 20, 0)) > 0.5).astype(np.uint8) * 7
    chi[labels > 0] = 0.03
    images = {'chimap': chi, 'mask': mask, 'r2star': rate, 'dseg': labels}
    paths = {}
    for name, data in images.items():
        paths[name] = str(tmp_path / f'{name}.nii.gz')
        kind = np.uint8 if name in ('mask', 'dseg') else np.float32
        nib.save(nib.Nifti1Image(data.astype(kind), np.diag([2.0, 2, 2, 1])), paths[name])
    paths['dseg_tsv'] = str(tmp_path / 'dseg.tsv')
    (tmp_path / 'dseg.tsv').write_text('index\tname\tregion\themisphere\n7\tx\tthalamus\tL\n')
    return paths


@pytest.mark.parametrize(
    ('reference', 'offset'), [('none', 0.0), ('csf', 0.05), ('thalamus', 0.03)]
)
def test_each_reference_by_name(files, tmp_path, monkeypatch, reference, offset):
    monkeypatch.chdir(tmp_path)
    done = Reference(**files, reference=reference).run().outputs
    chi = np.asarray(nib.load(done.chimap).dataobj)
    given = np.asarray(nib.load(files['chimap']).dataobj)
    mask = np.asarray(nib.load(files['mask']).dataobj) > 0
    assert np.allclose(given[mask] - chi[mask], offset, atol=1e-6)
    assert done.parameters['method'] == reference
    assert done.parameters['offset_ppm'] == pytest.approx(offset)


def test_brain_is_the_default(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = Reference(chimap=files['chimap'], mask=files['mask']).run().outputs
    chi = np.asarray(nib.load(done.chimap).dataobj)
    mask = np.asarray(nib.load(files['mask']).dataobj) > 0
    assert chi[mask].mean() == pytest.approx(0, abs=1e-6)


def test_what_a_reference_needs_is_told(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maps = {name: files[name] for name in ('chimap', 'mask')}
    with pytest.raises(NigraError, match='several echoes'):
        Reference(**maps, reference='csf').run()
    with pytest.raises(NigraError, match='no region putamen'):
        Reference(**files, reference='putamen').run()


def test_a_region_is_both_its_sides_and_all_its_parts(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = np.asarray(nib.load(files['dseg']).dataobj).copy()
    middle = labels.shape[1] // 2
    labels[30:, middle:][labels[30:, middle:] > 0] = 8
    labels[10:14, 20:24, 20:24] = 9
    nib.save(nib.Nifti1Image(labels, np.diag([2.0, 2, 2, 1])), files['dseg'])
    rows = ['7\tthalamus\tL\tn/a', '8\tpulvinar\tR\tthalamus', '9\tputamen\tR\tn/a']
    head = 'index\tregion\themisphere\twhole'
    (tmp_path / 'dseg.tsv').write_text('\n'.join([head, *rows]) + '\n')
    regions = {}
    for name in ('thalamus', 'putamen'):
        done = Reference(**files, reference=name).run().outputs
        regions[name] = np.asarray(nib.load(done.region).dataobj) > 0
    assert np.array_equal(regions['thalamus'], np.isin(labels, (7, 8)))
    assert np.array_equal(regions['putamen'], labels == 9)
