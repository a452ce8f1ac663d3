"""One part of an export that cannot be read: told, left out, and nobody else with it."""

import errno
import re
import tarfile
import zipfile

import pandas as pd
import pydicom
import pytest
import toy_dicom as toy

from nigra.cli.bidsify_cli import main
from nigra.interfaces.dicom import unpack
from nigra.interfaces.dicom.bidsify import Request, bidsify
from nigra.interfaces.dicom.convert import convert
from nigra.interfaces.dicom.headers import limits, read_frames
from nigra.interfaces.dicom.series import gather
from nigra.nodes.errors import InputError

pytestmark = pytest.mark.usefixtures('dicom_programs')


def write_person(folder, patient):
    for number, part in enumerate(('mag', 'phase'), 2):
        toy.write_series(folder, parts=(part,), times=(20.0,), number=number, patient=patient)
    return folder


def packed(folder, path):
    with zipfile.ZipFile(path, 'w') as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f'{folder.name}/{file.name}')
    return path


def cut_zip(folder, path):
    path = packed(folder, path.with_suffix('.zip'))
    path.write_bytes(path.read_bytes()[:-200])


def encrypted_zip(folder, path):
    """A zip whose members say that they need a password."""
    path = packed(folder, path.with_suffix('.zip'))
    content = bytearray(path.read_bytes())
    for mark, place in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        for found in re.finditer(re.escape(mark), bytes(content)):
            content[found.start() + place] |= 1
    path.write_bytes(content)


def zip_in_zip(folder, path):
    inner = path.with_name('inner.zip')
    inner.write_bytes(b'no archive at all')
    with zipfile.ZipFile(path.with_suffix('.zip'), 'w') as archive:
        archive.write(inner, 'deep/inner.zip')
        archive.writestr('deep/notes.txt', folder.name)
    inner.unlink()


def cut_tar(folder, path):
    """A tar that ends within the header of its fifth file: Python takes that for the end."""
    path = path.with_suffix('.tar')
    with tarfile.open(path, 'w') as pack:
        pack.add(folder, folder.name)
    with tarfile.open(path) as pack:
        place = pack.getmembers()[5].offset
    path.write_bytes(path.read_bytes()[: place + 100])


def damaged_tar(folder, path):
    """A tar with a damaged header in its middle: Python takes that for the end, too."""
    path = path.with_suffix('.tar')
    with tarfile.open(path, 'w') as pack:
        pack.add(folder, folder.name)
    with tarfile.open(path) as pack:
        place = pack.getmembers()[5].offset
    content = bytearray(path.read_bytes())
    content[place + 100 : place + 200] = b'x' * 100
    path.write_bytes(content)


def other_archive(folder, path):
    path.with_suffix('.7z').write_bytes(b"7z\xbc\xaf'\x1c")


@pytest.mark.parametrize(
    ('spoil', 'words', 'fix'),
    [
        (cut_zip, 'cannot be unpacked (File is not a zip file)', 'pack it again'),
        (encrypted_zip, 'is encrypted, password required', 'unpack it and give its folder'),
        (zip_in_zip, 'cannot be unpacked (File is not a zip file)', 'pack it again'),
        (cut_tar, 'cannot be unpacked (it is cut short, or damaged within)', 'pack it again'),
        (damaged_tar, 'cannot be unpacked (it is cut short, or damaged within)', 'pack it again'),
        (other_archive, 'a kind that is not unpacked here (.7z)', 'unpack it and give its folder'),
    ],
)
def test_an_archive_that_cannot_be_read_takes_nobody_along(tmp_path, capsys, spoil, words, fix):
    dicom, bids, table = tmp_path / 'dicom', tmp_path / 'bids', tmp_path / 'series.tsv'
    write_person(dicom / 'A', 'A')
    spoil(write_person(tmp_path / 'B', 'B'), dicom / 'B')
    packed(write_person(tmp_path / 'C', 'C'), dicom / 'C.zip')
    assert main([str(dicom), str(bids), '--table', str(table)]) == 1
    printed = capsys.readouterr()
    (problem,) = [text for text in printed.out.splitlines() if text.startswith('PROBLEM')]
    name = 'B.zip/deep/inner.zip' if spoil is zip_in_zip else next(dicom.glob('B.*')).name
    assert problem.startswith(f'PROBLEM {dicom / name}: ')
    assert words in problem
    assert fix in problem
    assert problem.endswith(' It is left out.')
    # both others are there, whole, and the table tells of what is not
    assert len(list(bids.glob('sub-*/anat/*.nii.gz'))) == 4
    rows = pd.read_csv(table, sep='\t')
    assert rows[rows.series.isna()].description.tolist() == [name]
    assert words in rows.reason.iloc[-1]
    assert re.search(rf'^ +{re.escape(name)} +ignore ', printed.out, re.MULTILINE)
    # with the table as it is given back, and with a whole archive, nothing else changes
    for path in dicom.glob('B.*'):
        path.unlink()
    packed(tmp_path / 'B', dicom / 'B.zip')
    assert main([str(dicom), str(bids), '--map', str(table)]) == 0
    assert len(list(bids.glob('sub-03/anat/*.nii.gz'))) == 2


def test_an_image_that_the_converter_does_not_read_is_named_where_its_owner_finds_it(tmp_path):
    dicom = tmp_path / 'dicom'
    write_person(dicom / 'A', 'A')
    source = write_person(tmp_path / 'B', 'B')
    path = source / '3_0004.dcm'
    path.write_bytes(path.read_bytes()[:-50])
    packed(source, dicom / 'B.zip')
    outcome = bidsify(Request(dicom, tmp_path / 'bids'))
    (problem,) = outcome.problems
    assert problem.startswith(f'sub-02: {dicom}/B.zip/B/3_0004.dcm: cannot be decoded (')
    assert len(outcome.written) == 2


def test_damaged_headers_of_a_folder_are_told_at_once(tmp_path):
    dicom = tmp_path / 'dicom'
    write_person(dicom / 'A', 'A')
    for path in sorted(write_person(dicom / 'B', 'B').glob('3_*')):
        data = pydicom.dcmread(path)
        data.PixelSpacing = None
        data.save_as(path)
    outcome = bidsify(Request(dicom, tmp_path / 'bids'))
    lost, lacking = outcome.problems
    assert lost.startswith(f'{dicom}/B/3_0001.dcm: has a damaged header (PixelSpacing is ')
    assert lost.endswith('It is left out, and so are 5 others of its folder.')
    assert 'no gradient echo with phase' in lacking
    assert outcome.table.description.iloc[-1] == 'B/3_0001.dcm (+5)'
    assert outcome.table.reason.iloc[-1].startswith('has a damaged header (')


def test_a_file_that_may_not_be_read_is_told_and_not_taken_for_another_kind(tmp_path, monkeypatch):
    dicom = write_person(tmp_path / 'dicom', 'A')
    real = pydicom.dcmread

    def guarded(path, **options):
        if path.name == '2_0006.dcm':
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return real(path, **options)

    monkeypatch.setattr(pydicom, 'dcmread', guarded)
    outcome = bidsify(Request(dicom, tmp_path / 'bids'))
    assert outcome.problems[0].startswith(
        f'{dicom}/2_0006.dcm: cannot be read (Permission denied); copy it again'
    )


def test_somebody_who_is_two_people_takes_nobody_along(tmp_path, capsys):
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    for patient in 'ABC':
        write_person(dicom / patient, patient)
    for path in (dicom / 'B').glob('3_*'):
        data = pydicom.dcmread(path)
        data.PatientSex = 'M'
        data.save_as(path)
    assert main([str(dicom), str(bids)]) == 1
    printed = capsys.readouterr().out
    assert "PROBLEM patient ID 'B': has two values of sex" in printed
    assert re.search("^ +patient ID 'B' +ignore +has two values of sex", printed, re.MULTILINE)
    assert sorted(path.name for path in bids.glob('sub-*')) == ['sub-01', 'sub-02']


def test_somebody_of_whom_there_is_a_visit_without_session_takes_nobody_along(tmp_path):
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    write_person(dicom / 'A', 'A')
    assert not bidsify(Request(dicom, bids)).problems
    for number, part in enumerate(('mag', 'phase'), 2):
        toy.write_series(dicom / 'later', parts=(part,), times=(20.0,), number=number,
                         patient='A', date='20210101')  # fmt: skip
    write_person(dicom / 'B', 'B')
    (problem,) = bidsify(Request(dicom, bids)).problems
    assert problem.startswith('sub-01: was written as the only visit, and now there is another')
    assert len(list(bids.glob('sub-02/anat/*.nii.gz'))) == 2


def test_the_table_counts_all_images_of_a_series_those_at_one_place_too(tmp_path):
    dicom = write_person(tmp_path / 'dicom', 'A')
    for number in (1, 2):
        toy.write_series(dicom / str(number), number=5, AcquisitionNumber=number)
    table = bidsify(Request(dicom, tmp_path / 'bids', dry_run=True)).table
    assert dict(zip(table.series, table.images, strict=True)) == {2: 6, 3: 6, 5: 12}


def test_a_file_of_nothing_is_told_where_its_name_says_that_it_is_an_image(tmp_path):
    dicom = write_person(tmp_path / 'dicom', 'A')
    (dicom / '3_0007.dcm').write_bytes(b'')
    (dicom / 'nothing.txt').write_bytes(b'')
    outcome = bidsify(Request(dicom, tmp_path / 'bids'))
    assert outcome.problems == [f'{dicom}/3_0007.dcm: is empty; copy it again. It is left out.']
    assert len(outcome.written) == 2


def test_texts_of_headers_that_would_steer_a_terminal_are_written_out(tmp_path, capsys):
    """dcm2niix copies them into its sidecars, which then are no JSON by the letter."""
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    for number, part in enumerate(('mag', 'phase'), 2):
        toy.write_series(dicom, parts=(part,), times=(20.0,), number=number,
                         SeriesDescription='gre\nnew\x1b[2J')  # fmt: skip
    assert main([str(dicom), str(bids)]) == 0
    assert 'gre\\nnew\\x1b[2J' in capsys.readouterr().out
    assert len(list(bids.glob('sub-01/anat/*.nii.gz'))) == 2


def test_a_full_disk_is_no_damage_of_an_archive(tmp_path, monkeypatch):
    dicom = tmp_path / 'dicom'
    write_person(dicom / 'A', 'A')
    packed(write_person(tmp_path / 'B', 'B'), dicom / 'B.zip')

    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(unpack, '_unpack', full)
    with pytest.raises(InputError, match=r'has no room to unpack .*B\.zip; set TMPDIR'):
        bidsify(Request(dicom, tmp_path / 'bids'))


def test_a_converter_that_prints_letters_of_its_own_is_told_as_another_one(tmp_path):
    source = write_person(tmp_path / 'dicom', 'A')
    program = tmp_path / 'dcm2niix'
    program.write_text('#!/bin/sh\nprintf "bad \\344\\n"\nexit 1\n')
    program.chmod(0o755)
    series = gather([f for p in sorted(source.glob('2_*')) for f in read_frames(p)], limits)[0]
    with pytest.raises(InputError, match='dcm2niix makes 0 images of its mag'):
        convert(program, series, series.volumes[0], 'mag', tmp_path)
