"""Small data sets that tests share."""

from pathlib import Path

import pytest
from helpers import people, write_image, write_sidecar

from nigra.interfaces.dicom.convert import find_converter
from nigra.nodes.errors import InputError

SHARED = Path(__file__).parents[2] / 'shared' / 'data'


@pytest.fixture(scope='session')
def shared_data():
    """Real images beside the repository; absent on most machines."""
    if not SHARED.is_dir():
        pytest.skip('the real images are not beside this checkout (../shared/data)')
    return SHARED


@pytest.fixture(scope='session')
def dicom_programs():
    """What converts DICOM files, of which a machine may lack a part."""
    try:
        return find_converter()
    except InputError as error:
        pytest.skip(f'DICOM files cannot be converted here: {error}')


@pytest.fixture
def raw(tmp_path):
    """Data set of headers: sub-01 with one echo, sub-02 with three in a session and a run."""
    root = tmp_path / 'raw'
    root.mkdir()
    (root / 'dataset_description.json').write_text('{"Name": "tiny", "BIDSVersion": "1.10.0"}')
    anat = root / 'sub-01' / 'anat'
    write_image(anat / 'sub-01_T1w.nii.gz')
    for part in ('mag', 'phase'):
        path = write_image(anat / f'sub-01_part-{part}_T2starw.nii.gz')
        write_sidecar(path, EchoTime=0.02, MagneticFieldStrength=1.5, Units='arbitrary')
    anat = root / 'sub-02' / 'ses-a' / 'anat'
    write_image(anat / 'sub-02_ses-a_T1w.nii.gz')
    for echo, time in ((1, 0.03), (2, 0.01), (3, 0.02)):
        for part in ('mag', 'phase'):
            name = f'sub-02_ses-a_run-01_echo-{echo}_part-{part}_MEGRE.nii.gz'
            write_sidecar(write_image(anat / name), EchoTime=time, MagneticFieldStrength=3)
    return root


@pytest.fixture
def two(raw):
    """The small data set with a table of participants that names both."""
    people(raw, 'sub-01\tA\t30\tF', 'sub-02\tB\t40\tM')
    return raw
