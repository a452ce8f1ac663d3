"""Exports as strangers bring them: cut short, damaged, in other letters, without IDs."""

import json

import pydicom
import pytest
import toy_dicom as toy

from nigra.interfaces.dicom.bidsify import Request, bidsify
from nigra.nodes.errors import InputError

pytestmark = pytest.mark.usefixtures('dicom_programs')


def convert(dicom):
    return bidsify(Request(dicom, dicom.parent / 'bids'))


def write_pair(folder, **options):
    for number, part in enumerate(('mag', 'phase'), 2):
        toy.write_series(folder, parts=(part,), times=(20.0,), number=number, **options)


def sidecar(folder):
    (path,) = folder.glob('bids/sub-01/anat/*_part-phase_T2starw.json')
    return json.loads(path.read_text('utf-8'))


def write_enhanced_pair(folder, **options):
    toy.write_enhanced(folder, parts=('mag', 'phase'), times=(20.0,), **options)


def test_a_file_that_is_cut_short_is_named(tmp_path):
    write_pair(tmp_path / 'dicom')
    path = tmp_path / 'dicom' / '3_0004.dcm'
    path.write_bytes(path.read_bytes()[:-50])
    (problem,) = convert(tmp_path / 'dicom').problems
    assert f'{path}: cannot be decoded (' in problem
    assert problem.endswith('copy it again, or export it uncompressed.')


def test_a_damaged_header_is_told_and_takes_nobody_along(tmp_path):
    for patient in 'AB':
        write_pair(tmp_path / 'dicom' / patient, patient=patient)
    path = tmp_path / 'dicom' / 'A' / '2_0003.dcm'
    data = pydicom.dcmread(path)
    data.ImagePositionPatient = None
    data.save_as(path)
    outcome = convert(tmp_path / 'dicom')
    lost, lacking, *_ = outcome.problems
    assert lost.startswith(f'{path}: has a damaged header (ImagePositionPatient is ')
    assert lost.endswith(' It is left out.')
    assert outcome.table.description.iloc[-1] == 'A/2_0003.dcm'
    assert 'sub-01: series 2 () is left out: ' in lacking
    assert 'lacks 1 of 6 slices' in lacking
    assert (tmp_path / 'bids' / 'sub-02').is_dir()


@pytest.mark.parametrize(
    ('sets', 'name', 'description'),
    [
        ('ISO_IR 192', 'Müller^Jürgen', 'gre Schädel'),
        ('ISO_IR 144', 'Иванов^Иван', 'голова'),
        ('GB18030', 'Wang^XiaoDong=王^小东', '头部'),
        (['', 'ISO 2022 IR 87'], 'Yamada^Hanako=山田^花子=やまだ^はなこ', '頭部あ'),
    ],
)
@pytest.mark.parametrize('write', [write_pair, write_enhanced_pair])
def test_letters_of_all_countries_are_read_and_names_in_them_are_not_told(
    tmp_path, sets, name, description, write
):
    options = {'SpecificCharacterSet': sets, 'PatientName': name}
    write(tmp_path / 'a' / 'dicom', SeriesDescription=description, **options)
    outcome = convert(tmp_path / 'a' / 'dicom')
    assert not outcome.problems
    assert sidecar(tmp_path / 'a')['SeriesDescription'] == description
    own = name.split('^')[-1]
    write(tmp_path / 'b' / 'dicom', SeriesDescription=f'gre {own} 2', **options)
    convert(tmp_path / 'b' / 'dicom')
    assert 'SeriesDescription' not in sidecar(tmp_path / 'b')


def test_a_target_that_is_a_file_is_refused_before_the_key_is_written(tmp_path):
    write_pair(tmp_path / 'dicom')
    (tmp_path / 'bids').write_text('x')
    with pytest.raises(InputError, match='bids: is a file; give a new or empty folder'):
        convert(tmp_path / 'dicom')
    assert not (tmp_path / 'bids_key.tsv').exists()


def test_files_without_ids_directly_in_the_folder_are_one_person(tmp_path):
    toy.write_t1w(tmp_path / 'dicom', patient='')
    write_pair(tmp_path / 'dicom', patient='')
    outcome = convert(tmp_path / 'dicom')
    assert not outcome.problems
    assert set(outcome.table.participant_id) == {'sub-01'}
