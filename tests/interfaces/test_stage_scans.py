"""`nigra-stage` on what scanners store: BIDS folders, and images of dcm2niix."""

import json
import re

import nibabel as nib
import numpy as np
import pytest
from helpers import write_sidecar
from phantoms import head, signal

from nigra.cli.stage_cli import main
from nigra.interfaces.stage import run_stage
from nigra.interfaces.stage_scans import find_scan
from nigra.nodes.errors import InputError

TIMES = [0.006, 0.014]
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
QUICK = ['background.iterations=3']


@pytest.fixture(scope='module')
def images():
    """Phase as a scanner stores it, its magnitude, and the brain."""
    phantom = head((30, 28, 26))
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    stored = np.rint(angle / np.pi * 2048).clip(-2048, 2047).astype(np.int16)
    return {'phase': stored, 'mag': size, 'mask': phantom['mask'].astype(np.uint8)}


def save(data, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


@pytest.fixture
def bids(tmp_path, images):
    """A data set of one participant, with what all echoes share above them."""
    root = tmp_path / 'raw'
    root.mkdir()
    (root / 'dataset_description.json').write_text('{"Name": "one", "BIDSVersion": "1.10.0"}')
    (root / 'MEGRE.json').write_text('{"MagneticFieldStrength": 3.0}')
    for echo, time in enumerate(TIMES):
        for part in ('mag', 'phase'):
            name = f'sub-1_echo-{echo + 1}_part-{part}_MEGRE.nii.gz'
            path = save(images[part][..., echo], root / 'sub-1' / 'anat' / name)
            write_sidecar(path, EchoTime=time)
    return root


def contract(folder, images):
    """The same as the contract between stages has it: radians, and params.json."""
    phase = (images['phase'] * (np.pi / 2048)).astype(np.float32)
    for name, data in (('phase', phase), ('magnitude', images['mag']), ('mask', images['mask'])):
        save(data, folder / f'{name}.nii.gz')
    (folder / 'params.json').write_text(json.dumps({'TE': TIMES, 'B0': 3.0}))
    return folder


def load(path):
    return np.asarray(nib.load(path).dataobj)


@pytest.mark.parametrize('place', ['.', 'sub-1', 'sub-1/anat'])
def test_a_folder_of_bids_gives_the_map_of_the_contract(tmp_path, bids, images, place):
    mask = save(images['mask'], tmp_path / 'elsewhere' / 'brain.nii.gz')
    words = ['--method', 'tkd', '--set', QUICK[0]]
    where = [str(bids / place), str(tmp_path / 'out'), '--mask', str(mask)]
    assert main(['end-to-end', *where, *words]) == 0
    run_stage('end-to-end', contract(tmp_path / 'plain', images), tmp_path / 'want', method='tkd',
              settings=QUICK)  # fmt: skip
    want = load(tmp_path / 'want' / 'chimap.nii.gz')
    assert np.abs(want).max() > 0.02
    np.testing.assert_allclose(
        load(tmp_path / 'out' / 'chimap.nii.gz'), want, atol=1e-6, equal_nan=False
    )
    record = json.loads((tmp_path / 'out' / 'chimap.json').read_text())
    assert record['phase']['stored_as'] == 'steps'
    assert record['phase_sign'] == 'auto'
    assert 'sub-1_echo-1_part-phase_MEGRE.nii.gz' in record['inputs']


def test_images_of_dcm2niix_are_told_apart_by_their_sidecars(tmp_path, images):
    folder = tmp_path / 'niix'
    for echo, time in enumerate(TIMES):
        shared = {'EchoTime': time, 'MagneticFieldStrength': 3.0}
        mag = save(images['mag'][..., echo], folder / f'gre_e{echo + 1}.nii.gz')
        write_sidecar(mag, ImageType=['ORIGINAL', 'PRIMARY', 'M', 'NORM'], **shared)
        # the first has no ImageType: the name tells
        phase = save(images['phase'][..., echo], folder / f'gre_e{echo + 1}_ph.nii.gz')
        kind = {'ImageType': ['ORIGINAL', 'PRIMARY', 'P']} if echo else {}
        write_sidecar(phase, **kind, **shared)
    save(images['mask'], folder / 'mask.nii.gz')
    scan = find_scan(folder)
    assert [path.name for path in scan.phase] == ['gre_e1_ph.nii.gz', 'gre_e2_ph.nii.gz']
    assert scan.echo_times == tuple(TIMES)
    assert main(['field-mapping', str(folder), str(tmp_path / 'out')]) == 0
    assert load(tmp_path / 'out' / 'totalfield.nii.gz').any()
    (folder / 'gre_e2_ph.json').unlink()
    with pytest.raises(InputError, match='one run, with magnitude and phase of every echo'):
        find_scan(folder)


def test_sidecars_stand_in_for_the_parameters(tmp_path, images):
    folder = contract(tmp_path / 'plain', images)
    run_stage('field-mapping', folder, tmp_path / 'want')
    (folder / 'params.json').unlink()
    with pytest.raises(InputError, match=r'params\.json: is missing.*sidecars'):
        run_stage('field-mapping', folder, tmp_path / 'out')
    (folder / 'phase.json').write_text(
        json.dumps({'EchoTimes': TIMES, 'MagneticFieldStrength': 3.0})
    )
    run_stage('field-mapping', folder, tmp_path / 'out')
    want = load(tmp_path / 'want' / 'totalfield.nii.gz')
    np.testing.assert_array_equal(load(tmp_path / 'out' / 'totalfield.nii.gz'), want)


def test_an_inverted_phase_is_turned_where_it_is_asked_for(tmp_path, bids, images):
    mask = save(images['mask'], tmp_path / 'mask.nii.gz')
    fields = {}
    for sign in ('keep', 'invert'):
        run_stage('field-mapping', bids, tmp_path / sign, mask=mask, phase_sign=sign)
        fields[sign] = load(tmp_path / sign / 'totalfield.nii.gz')
    assert fields['keep'].any()
    np.testing.assert_array_equal(fields['invert'], 0 - fields['keep'])


def test_what_is_not_clear_gets_one_sentence(tmp_path, bids, images):
    def refused(words, **options):
        with pytest.raises(InputError, match=words) as caught:
            run_stage('end-to-end', bids, tmp_path / 'out', **options)
        assert str(caught.value).count('\n') == 0

    anat = bids / 'sub-1' / 'anat'
    refused('no mask of the brain.*--mask')
    for name in ('a_mask', 'b_mask'):
        save(images['mask'], anat / f'{name}.nii.gz')
    refused('several masks.*a_mask')
    for path in list(anat.glob('*_part-*')):
        other = path.with_name(path.name.replace('_echo', '_run-2_echo'))
        other.write_bytes(path.read_bytes())
    refused(re.escape('holds 2 runs (sub-1, sub-1_run-2)') + '.*--scan')
    refused('--scan sub-9.*use sub-1', scan='sub-9')
    mask = anat / 'a_mask.nii.gz'
    assert find_scan(bids, 'sub-1_run-2').prefix == 'sub-1_run-2'
    shifted = AFFINE.copy()
    shifted[0, 3] = 5
    nib.save(nib.Nifti1Image(images['mask'], shifted), mask)
    refused('5.00 mm', scan='sub-1', mask=mask)
