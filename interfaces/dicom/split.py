"""DICOM files written anew for the converter: frames of enhanced ones become classic images.

Converters stack the frames of files that hold several echoes or parts in orders that differ
between makers; one image a file leaves no order to guess.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.errors import InputError

_UTF8 = 'ISO_IR 192'
_CLASSIC_MR = '1.2.840.10008.5.1.4.1.1.4'
_GROUPS = ('SharedFunctionalGroupsSequence', 'PerFrameFunctionalGroupsSequence')
_PLAIN_NAMES = {'EffectiveEchoTime': 'EchoTime', 'FrameType': 'ImageType',
                'InversionTimes': 'InversionTime'}  # fmt: skip
"""Fields that classic headers call otherwise."""


def read_pixels(source: Path) -> tuple[Any, np.ndarray]:
    """Data set of a file and its pixels.

    Raises
    ------
    InputError
        The pixels cannot be decoded.
    """
    import pydicom

    data = pydicom.dcmread(source)
    try:
        return data, data.pixel_array
    except (AttributeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _undecodable(source, error) from error


def write_plain(source: Path, path: Path) -> None:
    """Write a file again with its texts in UTF-8, and not deflated.

    Raises
    ------
    InputError
        A field cannot be read.
    """
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian

    data = pydicom.dcmread(source)
    try:
        data.decode()
        data.SpecificCharacterSet = _UTF8
        if data.file_meta.TransferSyntaxUID.is_deflated:
            data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.save_as(path)
    except (AttributeError, ValueError, TypeError, NotImplementedError) as error:
        raise InputError(source, f'has a damaged header ({error})', 'export it again') from error


def split_frames(source: Path, frames: Sequence[int], folder: Path, first: int) -> None:
    """Write frames of an enhanced file as classic images; compressed ones stay as they are.

    Parameters
    ----------
    source
        The file.
    frames
        From 0.
    folder
        Where to.
    first
        Instance number of the first; the others follow.

    Raises
    ------
    InputError
        The pixels cannot be decoded.
    """
    import pydicom
    from pydicom.encaps import encapsulate

    data = pydicom.dcmread(source)
    data.decode()
    compressed = data.file_meta.TransferSyntaxUID.is_encapsulated
    stored = _streams(source, data) if compressed else _planes(source)
    for number, frame in enumerate(frames, first):
        image = _classic(data, frame, number)
        image.PixelData = encapsulate([stored[frame]]) if compressed else stored[frame]
        if compressed:
            image.file_meta.TransferSyntaxUID = data.file_meta.TransferSyntaxUID
            image['PixelData'].VR, image['PixelData'].is_undefined_length = 'OB', True
        image.save_as(folder / f'{number:06d}.dcm', enforce_file_format=True)


def _planes(source: Path) -> list[bytes]:
    """Pixels of each frame of a file that is not compressed."""
    data, pixels = read_pixels(source)
    planes = pixels.reshape(-1, int(data.Rows), int(data.Columns))
    return [plane.astype(plane.dtype.newbyteorder('<')).tobytes() for plane in planes]


def _streams(source: Path, data: Any) -> list[bytes]:
    """Each frame of a compressed file as it is stored: the converter knows more ways than we."""
    from pydicom.encaps import generate_frames

    count = len(data.get(_GROUPS[1]))
    try:
        streams = list(generate_frames(data.PixelData, number_of_frames=count))
    except (AttributeError, ValueError, EOFError, struct.error) as error:
        raise _undecodable(source, error) from error
    if len(streams) < count:
        raise _undecodable(source, f'it holds {len(streams)} of {count} frames')
    return streams


def _undecodable(source: Path, why: object) -> InputError:
    text = str(why).splitlines()[0].rstrip(':')
    return InputError(
        source, f'cannot be decoded ({text})', 'copy it again, or export it uncompressed'
    )


def _classic(data: Any, frame: int, number: int) -> Any:
    """Header of one frame: what the file says, then its functional groups, all on one level."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

    out = Dataset()
    out.file_meta = FileMetaDataset()
    out.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for element in data:
        if element.keyword not in (*_GROUPS, 'PixelData', 'NumberOfFrames'):
            out[element.tag] = element
    shared = data.get(_GROUPS[0]) or [Dataset()]
    for group in (shared[0], data.get(_GROUPS[1])[frame]):
        for sequence in group:
            for element in sequence.value[0] if sequence.VR == 'SQ' and sequence.value else ():
                out[element.tag] = element
    for name, plain in _PLAIN_NAMES.items():
        if name in out:
            setattr(out, plain, out[name].value)
    out.SOPClassUID = out.file_meta.MediaStorageSOPClassUID = UID(_CLASSIC_MR)
    out.SOPInstanceUID = out.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    out.InstanceNumber, out.ScanningSequence = number, 'GR'
    out.SpecificCharacterSet = _UTF8
    return out
