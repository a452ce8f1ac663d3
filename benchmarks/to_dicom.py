"""A BIDS data set back as the DICOM files that a scanner would have written, one file a slice.

    python benchmarks/to_dicom.py BIDS_DIR DICOM_DIR

T1w images and gradient echoes (magnitude and phase in -4096..4094) become classic series, with
the geometry of the images. For trials of `nigra-bidsify`; people are called as in the data set.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

PHASE = {'RescaleSlope': 2, 'RescaleIntercept': -4096}
"""How Siemens stores phase: 0..4095 for -4096..4094."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write everybody."""
    source, target = map(Path, sys.argv[1:] if argv is None else argv)
    people = pd.read_csv(source / 'participants.tsv', sep='\t').set_index('participant_id')
    for folder in sorted(source.glob('sub-*')):
        export_person(folder, target / folder.name, people.loc[folder.name])
    return 0


def export_person(folder: Path, target: Path, person: pd.Series) -> None:
    """Write the series of a participant: the T1w image, all magnitudes, all phases."""
    anat = folder / 'anat'
    series = (
        sorted(anat.glob('*_T1w.nii.gz')),
        sorted(anat.glob('*_part-mag_*.nii.gz')),
        sorted(anat.glob('*_part-phase_*.nii.gz')),
    )
    for number, images in enumerate(series, start=1):
        place = target / f'{number:02d}'
        place.mkdir(parents=True)
        for echo, path in enumerate(images, start=1):
            _export_image(path, place, number, echo, person)


def _export_image(
    path: Path, place: Path, number: int, echo: int, person: pd.Series
) -> None:  # fmt: skip
    sidecar = json.loads(path.with_name(path.name.replace('.nii.gz', '.json')).read_text())
    image = nib.load(path)
    kind = (
        'phase' if '_part-phase_' in path.name else 'mag' if '_part-mag_' in path.name else 'T1w'
    )
    stored = np.asarray(image.dataobj, np.float64)
    stored = (stored + 4096) / 2 if kind == 'phase' else stored
    for k in range(image.shape[2]):
        data = _header(sidecar, str(person.name), kind, number, echo)
        data.PatientSex, data.PatientAge = str(person.sex), f'{round(person.age):03d}Y'
        _place(data, image.affine, k)
        _pixels(data, np.clip(np.rint(stored[:, :, k]), 0, 65535).astype('<u2'))
        data.InstanceNumber = (echo - 1) * image.shape[2] + k + 1
        data.SOPInstanceUID = generate_uid(entropy_srcs=[path.name, str(k)])
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.save_as(place / f'{data.InstanceNumber:04d}.dcm', enforce_file_format=True)


def _header(sidecar: dict[str, Any], name: str, kind: str, number: int, echo: int) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = MRImageStorage
    data.Manufacturer, data.Modality, data.PatientPosition = 'SIEMENS', 'MR', 'HFS'
    data.PatientID = data.PatientName = name.removeprefix('sub-')
    data.StudyDate, data.StudyTime, data.AcquisitionTime = '20200102', '101112', '101112'
    data.StudyInstanceUID = generate_uid(entropy_srcs=[name])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=[name, str(number)])
    data.SeriesNumber, data.MRAcquisitionType = number, '3D'
    data.MagneticFieldStrength = sidecar.get('MagneticFieldStrength', 3)
    data.ImagingFrequency = round(42.577 * float(data.MagneticFieldStrength), 3)
    data.FlipAngle = sidecar.get('FlipAngle', 15)
    data.RepetitionTime = 1000 * sidecar.get('RepetitionTime', 0.03)
    data.EchoTime, data.EchoNumbers = 1000 * sidecar.get('EchoTime', 0.003), echo
    data.ScanningSequence, data.SequenceVariant = 'GR', 'SP'
    data.ImageType = ['ORIGINAL', 'PRIMARY', 'P' if kind == 'phase' else 'M', 'ND']
    data.SeriesDescription = {'T1w': 'MPRAGE'}.get(kind, 'GRE')
    if kind == 'T1w':
        data.SequenceVariant, data.InversionTime, data.RepetitionTime = 'MP', 900, 2300
    if kind == 'phase':
        data.update(_phase_scale())
    return data


def _phase_scale() -> Dataset:
    scale = Dataset()
    for name, value in PHASE.items():
        setattr(scale, name, value)
    return scale


def _place(data: Dataset, affine: NDArray[np.float64], k: int) -> None:
    """Position of a slice: NIfTI points right and forwards, DICOM left and backwards."""
    turned = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    size = np.linalg.norm(turned[:3, :3], axis=0)
    axes = turned[:3, :3] / size
    data.ImageOrientationPatient = [*axes[:, 0].round(9), *axes[:, 1].round(9)]
    data.ImagePositionPatient = list((turned @ [0, 0, k, 1])[:3].round(6))
    data.PixelSpacing = [round(float(size[1]), 6), round(float(size[0]), 6)]
    data.SliceThickness = data.SpacingBetweenSlices = round(float(size[2]), 6)


def _pixels(data: Dataset, plane: NDArray[np.uint16]) -> None:
    data.Columns, data.Rows = plane.shape
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 0, 1
    data.PhotometricInterpretation = 'MONOCHROME2'
    data.PixelData = np.ascontiguousarray(plane.T).tobytes()


if __name__ == '__main__':
    sys.exit(main())
