"""Tiny DICOM series, classic and enhanced, as scanners of several makers write them."""

import numpy as np

SIZE = (12, 10, 6)
"""Columns, rows, slices."""
SPACING = 2.0
COMPONENTS = {'mag': 'MAGNITUDE', 'phase': 'PHASE', 'real': 'REAL', 'imag': 'IMAGINARY'}
LETTERS = {'mag': 'M', 'phase': 'P', 'real': 'R', 'imag': 'I'}
MAKERS = {
    'siemens': 'SIEMENS', 'philips': 'Philips', 'ge': 'GE MEDICAL SYSTEMS', 'canon': 'CANON_MEC',
    'uih': 'UIH',
}  # fmt: skip


def signal(echo_time):
    """Complex image of a ball whose field varies across it; noise without end in air."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SIZE), indexing='ij')
    inside = x**2 + y**2 + z**2 < 0.9
    noise = np.random.default_rng(int(echo_time * 100)).normal(size=(2, *SIZE))
    ball = inside * 500 * np.exp(-echo_time / 40 + 1j * echo_time * (0.1 + 0.1 * x))
    return ball + 4 * (noise[0] + 1j * noise[1])


def values(part, echo_time, scale=1.0):
    """Stored values of a part; `scale` are steps a radian of the phase."""
    image = signal(echo_time)
    made = {
        'mag': np.abs(image), 'phase': np.angle(image) * scale,
        'real': image.real, 'imag': image.imag,
    }[part]  # fmt: skip
    return np.round(made).astype(np.int16)


def uid(*parts):
    """Unique identifier that is the same for the same names."""
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=[str(part) for part in parts])


def base(maker='siemens', patient='P1', date='20200102', number=1, **fields):
    """Data set with what all images of a series share."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = '1.2.840.10008.5.1.4.1.1.4'
    data.Manufacturer, data.Modality = MAKERS[maker], 'MR'
    data.PatientID, data.PatientName = patient, 'Doe^Jane'
    data.PatientSex, data.PatientAge, data.PatientBirthDate = 'F', '052Y', '19680101'
    data.StudyDate, data.StudyTime, data.AcquisitionTime = date, '101112', '101112'
    data.StudyInstanceUID = uid(patient, date)
    data.SeriesInstanceUID = uid(patient, date, number)
    data.SeriesNumber = number
    data.MagneticFieldStrength, data.ImagingFrequency = 3, 123.2
    data.ScanningSequence, data.SequenceVariant, data.MRAcquisitionType = 'GR', 'SP', '3D'
    data.RepetitionTime, data.FlipAngle = 40, 15
    data.PatientPosition = 'HFS'
    for name, value in fields.items():
        setattr(data, name, value)
    return data


def pixels(data, stored):
    """Put an image (columns, rows[, frames]) into a data set."""
    data.Columns, data.Rows = stored.shape[:2]
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 1, 1
    data.PhotometricInterpretation = 'MONOCHROME2'
    data.PixelData = np.ascontiguousarray(stored.T).astype('<i2').tobytes()


def write_series(
    folder, *, maker='siemens', parts=('mag',), times=(5.0,), kinds=None, scale=1000.0,
    ge_code=False, component=False, slices=range(SIZE[2]), orientation=(1, 0, 0, 0, 1, 0),
    **fields,
):  # fmt: skip
    """Write a classic series, one file an image, echoes and parts interleaved.

    Parameters
    ----------
    folder
        Where to.
    maker, fields
        Of `base`.
    parts, times
        Echo times in ms.
    kinds
        Words of ImageType by part; the maker's usual ones where None.
    scale
        Stored steps a radian.
    ge_code
        Whether GE's private image type is there.
    component
        Whether ComplexImageComponent is there.
    slices
        Those that are there.
    orientation
        Direction cosines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shared = {'number': 1, 'patient': 'P1', 'date': '20200102'} | fields
    instance = 0
    for k in slices:
        for e, time in enumerate(times, 1):
            for part in parts:
                instance += 1
                data = base(maker, **shared)
                word = LETTERS[part] if kinds is None else kinds[part]
                extra = [] if word is None else [word]
                data.ImageType = ['ORIGINAL', 'PRIMARY', *np.atleast_1d(extra).tolist(), 'ND']
                if component:
                    data.ComplexImageComponent = COMPONENTS[part]
                if ge_code:
                    block = data.private_block(0x43, 'GEMS_PARM_01', create=True)
                    block.add_new(0x2F, 'SS', list(COMPONENTS).index(part))
                data.EchoTime, data.EchoNumbers, data.EchoTrainLength = time, e, len(times)
                data.InstanceNumber = instance
                _place(data, k, orientation)
                pixels(data, values(part, time, scale)[:, :, k])
                data.SOPInstanceUID = uid(*shared.values(), part, time, k)
                data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
                name = f'{shared["number"]}_{instance:04d}.dcm'
                data.save_as(folder / name, enforce_file_format=True)
    return folder


def write_pair(folder, **options):
    """Write magnitude and phase as two series, as Siemens does; `options` of `write_series`."""
    write_series(folder, parts=('mag',), number=2, **options)
    write_series(folder, parts=('phase',), number=3, scale=4096 / np.pi, **options)


def _place(data, k, orientation):
    normal = np.cross(orientation[:3], orientation[3:])
    data.ImageOrientationPatient = list(orientation)
    data.ImagePositionPatient = [float(x) for x in normal * k * SPACING]
    data.PixelSpacing, data.SliceThickness = [SPACING, SPACING], SPACING
    data.SpacingBetweenSlices = SPACING


def write_enhanced(folder, *, maker='siemens', parts=('mag',), times=(5.0,), scale=1000.0,
                   **fields):  # fmt: skip
    """Write an enhanced file of all slices, echo times and parts."""
    from pydicom.dataset import Dataset

    folder.mkdir(parents=True, exist_ok=True)
    shared = {'number': 1, 'patient': 'P1', 'date': '20200102'} | fields
    data = base(maker, **shared)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = '1.2.840.10008.5.1.4.1.1.4.1'
    for name in ('ScanningSequence', 'RepetitionTime', 'FlipAngle'):
        delattr(data, name)
    data.EchoPulseSequence, data.EchoPlanarPulseSequence = 'GRADIENT', 'NO'
    data.ImageType = ['ORIGINAL', 'PRIMARY', LETTERS[parts[0]], 'NONE']
    timing = Dataset()
    timing.RepetitionTime, timing.FlipAngle, timing.EchoTrainLength = 40, 15, len(times)
    common = Dataset()
    common.MRTimingAndRelatedParametersSequence = [timing]
    data.SharedFunctionalGroupsSequence = [common]
    frames, stack = [], []
    for k in range(SIZE[2]):
        for e, time in enumerate(times, 1):
            for part in parts:
                frames.append(_frame(part, time, k, e))
                stack.append(values(part, time, scale)[:, :, k])
    data.PerFrameFunctionalGroupsSequence = frames
    data.NumberOfFrames, data.InstanceNumber = len(frames), 1
    data.SOPInstanceUID = uid(*shared.values(), *parts, *times)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    pixels(data, np.stack(stack, axis=-1))
    path = folder / f'{shared["number"]}_{times[0]:g}.dcm'
    data.save_as(path, enforce_file_format=True)
    return folder


def _frame(part, time, k, echo):
    """Functional groups of one frame."""
    from pydicom.dataset import Dataset

    place, turn, measures, echoes, kind, content = (Dataset() for _ in range(6))
    place.ImagePositionPatient = [0.0, 0.0, k * SPACING]
    turn.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [SPACING, SPACING], SPACING
    measures.SpacingBetweenSlices = SPACING
    echoes.EffectiveEchoTime = time
    kind.FrameType = ['ORIGINAL', 'PRIMARY', LETTERS[part], 'NONE']
    kind.ComplexImageComponent = COMPONENTS[part]
    content.StackID, content.InStackPositionNumber = '1', k + 1
    content.DimensionIndexValues = [k + 1, echo]
    out = Dataset()
    out.PlanePositionSequence, out.PlaneOrientationSequence = [place], [turn]
    out.PixelMeasuresSequence, out.MREchoSequence = [measures], [echoes]
    out.MRImageFrameTypeSequence, out.FrameContentSequence = [kind], [content]
    return out


def write_t1w(folder, **fields):
    """Write an MPRAGE series."""
    chosen = {
        'number': 9, 'SeriesDescription': 'MPRAGE', 'SequenceVariant': 'MP', 'InversionTime': 900,
        'RepetitionTime': 2300, 'FlipAngle': 8,
    }  # fmt: skip
    return write_series(folder, times=(3.0,), **(chosen | fields))
