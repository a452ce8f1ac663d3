"""Real DICOM files of two makers: what comes out is what they hold, and can be mapped."""

import io
import tarfile

import nibabel as nib
import numpy as np
import pytest
from helpers import load_only_scan

from nigra.interfaces.dicom.bidsify import Request, bidsify
from nigra.interfaces.files import read_json, save_image, save_json
from nigra.interfaces.stage import run_stage
from nigra.nodes.field.masks import signal_mask

pytestmark = pytest.mark.usefixtures('dicom_programs')


def test_a_real_head_comes_out_as_its_dicom_files_hold_it(shared_data, tmp_path):
    """Voxel by voxel what pydicom reads from the same files, in radians and in R, A, S."""
    import pydicom

    archive = shared_data / 'philips-head-dicom' / 'dicom.tar.xz'
    outcome = bidsify(Request(archive, tmp_path / 'bids'))
    assert not outcome.problems
    assert outcome.table.role.tolist() == ['T1w', 'gre']
    places = {}
    with tarfile.open(archive) as pack:
        for member in pack:
            if '/2001_' in member.name and '_e2_ph' in member.name:
                data = pydicom.dcmread(io.BytesIO(pack.extractfile(member).read()))
                stored = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
                places[float(data.ImagePositionPatient[2])] = stored[::-1, ::-1].T / 1000
    wanted = np.stack([places[z] for z in sorted(places)], axis=-1)
    anat = tmp_path / 'bids' / 'sub-01' / 'anat'
    made = nib.load(anat / 'sub-01_echo-2_part-phase_MEGRE.nii.gz')
    assert read_json(anat / 'sub-01_echo-2_part-phase_MEGRE.json')['Units'] == 'rad'
    found = nib.as_closest_canonical(made).get_fdata()
    assert np.abs(found - wanted).max() < 2e-3
    scan, _ = load_only_scan(tmp_path / 'bids')
    assert scan.echo_times == (0.0023, 0.0046)
    assert nib.load(anat / 'sub-01_T1w.nii.gz').shape == (170, 256, 256)


def test_a_real_spine_gives_field_and_relaxation(shared_data, tmp_path):
    archive = shared_data / 'siemens-megre-dicom' / 'dicom.tar.gz'
    outcome = bidsify(Request(archive, tmp_path / 'bids'))
    assert not outcome.problems
    assert any('no T1w image' in told for told in outcome.warnings)
    scan, read = load_only_scan(tmp_path / 'bids')
    assert scan.echo_times == (0.0025, 0.0055, 0.0085, 0.0115, 0.0145, 0.0175)
    assert (read['parameters']['stored_as'], read['parameters']['stored_per_cycle']) == (
        'steps', 4096
    )  # fmt: skip
    mask = signal_mask(read['magnitude'][..., 0])
    stage = tmp_path / 'stage'
    for name, data in {**read, 'mask': mask}.items():
        if name in ('phase', 'magnitude', 'mask'):
            save_image(data, read['affine'], stage / f'{name}.nii.gz')
    zooms = [float(z) for z in nib.load(stage / 'mask.nii.gz').header.get_zooms()]
    save_json(
        {'TE': scan.echo_times, 'B0': scan.b0, 'B0_dir': [0, 0, 1], 'voxel_size': zooms},
        stage / 'params.json',
    )
    made = {}
    for name in ('field-mapping', 'relaxometry'):
        run_stage(name, stage, tmp_path / 'out', version='0')
    for path in (tmp_path / 'out').glob('*.nii.gz'):
        made[path.name] = nib.load(path).get_fdata()[mask]
    field, rate = made['totalfield.nii.gz'], made['r2star.nii.gz']
    assert 0.05 < np.std(field) < 5
    assert 10 < np.median(rate[rate > 0]) < 100
