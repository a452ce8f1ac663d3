"""Frames of enhanced files as classic images: values, places and headers stay."""

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from toy_dicom import SPACING, values, write_enhanced, write_series

from nigra.interfaces.dicom.headers import read_frames
from nigra.interfaces.dicom.split import split_frames, write_plain
from nigra.nodes.errors import InputError


@pytest.fixture
def enhanced(tmp_path):
    folder = write_enhanced(tmp_path / 'in', parts=('mag', 'phase'), times=(5.0, 10.0))
    (path,) = folder.iterdir()
    return path


def test_each_frame_becomes_one_image_of_the_same_values_place_and_time(enhanced, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    frames = read_frames(enhanced)
    chosen = [n for n, f in enumerate(frames) if f.part == 'phase' and f.echo_time == 10]
    split_frames(enhanced, chosen, out, 7)
    paths = sorted(out.iterdir())
    assert [path.name for path in paths] == [f'{n:06d}.dcm' for n in range(7, 7 + len(chosen))]
    for k, path in enumerate(paths):
        data = pydicom.dcmread(path)
        stored = values('phase', 10.0, 1000.0)[:, :, k]
        np.testing.assert_array_equal(data.pixel_array.T, stored)
        assert data.InstanceNumber == 7 + k
        assert data.EchoTime == 10
        assert data.RepetitionTime == 40  # of the group that all frames share
        assert data.ImagePositionPatient == [0, 0, k * SPACING]
        assert data.ImageType[2] == 'P'
        assert 'NumberOfFrames' not in data
        assert not any('FunctionalGroups' in element.keyword for element in data)
        (frame,) = read_frames(path)
        assert (frame.part, frame.echo_time) == ('phase', 10)


def test_groups_that_are_absent_or_empty_hinder_nothing(enhanced, tmp_path):
    data = pydicom.dcmread(enhanced)
    del data.SharedFunctionalGroupsSequence
    own = data.PerFrameFunctionalGroupsSequence[0]
    own.MRModifierSequence = Sequence([])
    own.add_new(0x00189073, 'FD', 3.0)  # an element that is no sequence
    data.save_as(enhanced)
    split_frames(enhanced, [0], tmp_path, 1)
    made = pydicom.dcmread(tmp_path / '000001.dcm')
    assert made.EchoTime == 5
    assert 'RepetitionTime' not in made
    assert 'AcquisitionDuration' not in made


def test_pixels_that_cannot_be_decoded_are_refused(enhanced, tmp_path):
    data = pydicom.dcmread(enhanced)
    data.PixelData = data.PixelData[:-64]
    data.save_as(enhanced)
    with pytest.raises(InputError, match='copy it again, or export it uncompressed'):
        split_frames(enhanced, [0], tmp_path, 1)


def test_compressed_frames_stay_as_they_are_stored(enhanced, tmp_path):
    """So that what dcm2niix decodes need not be decoded here."""
    data = pydicom.dcmread(enhanced)
    wanted = data.pixel_array[3]
    data.compress(pydicom.uid.RLELossless)
    data.save_as(enhanced)
    (stream,) = list(generate_frames(data.PixelData, number_of_frames=24))[3:4]
    split_frames(enhanced, [3], tmp_path, 1)
    made = pydicom.dcmread(tmp_path / '000001.dcm')
    assert made.file_meta.TransferSyntaxUID == pydicom.uid.RLELossless
    assert list(generate_frames(made.PixelData, number_of_frames=1)) == [stream]
    np.testing.assert_array_equal(made.pixel_array, wanted)


def test_a_compressed_file_that_lacks_frames_is_refused(enhanced, tmp_path):
    data = pydicom.dcmread(enhanced)
    data.compress(pydicom.uid.RLELossless)
    frames = list(generate_frames(data.PixelData, number_of_frames=24))
    data.PixelData = encapsulate(frames[:20])
    data.save_as(enhanced)
    with pytest.raises(InputError, match='cannot be decoded'):
        split_frames(enhanced, [0], tmp_path, 1)


def test_plain_copies_hold_the_same_and_their_texts_in_utf_8(tmp_path):
    (path,) = write_series(
        tmp_path / 'in', slices=range(1), SpecificCharacterSet=['', 'ISO 2022 IR 87'],
        PatientName='Yamada^Tarou=山田^太郎', SeriesDescription='頭部あ',
    ).iterdir()  # fmt: skip
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data.save_as(path)
    write_plain(path, tmp_path / 'out.dcm')
    assert '頭部あ'.encode() in (tmp_path / 'out.dcm').read_bytes()
    made = pydicom.dcmread(tmp_path / 'out.dcm')
    assert str(made.PatientName) == 'Yamada^Tarou=山田^太郎'
    np.testing.assert_array_equal(made.pixel_array, data.pixel_array)
