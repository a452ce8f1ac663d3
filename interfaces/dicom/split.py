"""Frames of enhanced DICOM files as classic images, one a file.

Converters stack the frames of files that hold several echoes or parts in orders that differ
between makers; one image a file leaves no order to guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.errors import InputError

_CLASSIC_MR = '1.2.840.10008.5.1.4.1.1.4'
_GROUPS = ('SharedFunctionalGroupsSequence', 'PerFrameFunctionalGroupsSequence')
_PLAIN_NAMES = {'EffectiveEchoTime': 'EchoTime', 'FrameType': 'ImageType',
                'InversionTimes': 'InversionTime'}  # fmt: skip
"""Fields that classic headers call otherwise."""


def split_frames(source: Path, frames: Sequence[int], folder: Path, first: int) -> None:
    """Write frames of an enhanced file as classic images.

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

    data = pydicom.dcmread(source)
    try:
        pixels = np.atleast_3d(data.pixel_array)
    except (AttributeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise InputError(
            source, f'cannot be decoded ({error})', 'export it again without compression'
        ) from error
    pixels = pixels.reshape(-1, int(data.Rows), int(data.Columns))
    for number, frame in enumerate(frames, first):
        image = _classic(data, frame, number)
        image.PixelData = pixels[frame].astype(pixels.dtype.newbyteorder('<')).tobytes()
        image.save_as(folder / f'{number:06d}.dcm', enforce_file_format=True)


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
    return out
