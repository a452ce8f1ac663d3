"""Read DICOM headers, classic and enhanced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.errors import InputError
from .series import Frame, Header, part_of

_SUFFIXES = ('.dcm', '.ima')
_GE_IMAGE_TYPE = (0x0043, 0x102F)
_DAYS_A_YEAR = 365.25
_FAMILIAR = frozenset(['', 'ISO_IR 6', 'ISO_IR 100', 'ISO_IR 192'])
"""Character sets that dcm2niix reads; of others it copies bytes, which may break its JSON."""


def read_frames(path: Path, folder: str = '') -> list[Frame]:
    """Images of a file with their headers; empty where it is no DICOM image of a known place.

    Parameters
    ----------
    path
        The file.
    folder
        Stands for the person where the file has no patient ID of its own.

    Raises
    ------
    InputError
        It is one, but fields that tell its place are no numbers; or it may not be read, or is
        called one and empty.
    """
    import pydicom

    if path.name.upper() == 'DICOMDIR':
        return []
    named = path.suffix.casefold() in _SUFFIXES  # old exports lack the preamble
    if named and not path.stat().st_size:
        raise InputError(path, 'is empty', 'copy it again')
    try:
        data = pydicom.dcmread(path, stop_before_pixels=True, force=named)
    except (pydicom.errors.InvalidDicomError, EOFError, ValueError, KeyError):
        return []
    except OSError as error:
        if not error.strerror:  # pydicom's own
            return []
        raise InputError(
            path, f'cannot be read ({error.strerror})', 'copy it again, or check permissions'
        ) from error
    if 'Rows' not in data or 'Columns' not in data:
        return []
    try:
        if (_number(data, 'SamplesPerPixel') or 1) > 1:  # a picture in colours
            return []
        return _frames(path, data, _header(data, folder))
    except (ValueError, TypeError, AttributeError, LookupError, NotImplementedError) as error:
        raise InputError(path, f'has a damaged header ({error})', 'export it again') from error


def _frames(path: Path, data: Any, header: Header) -> list[Frame]:
    if 'PerFrameFunctionalGroupsSequence' in data:
        return list(_enhanced(path, data, header))
    if 'ImagePositionPatient' not in data or 'ImageOrientationPatient' not in data:
        return []
    kinds = _texts(data, 'ImageType')
    code = data.get(_GE_IMAGE_TYPE)
    return [
        Frame(
            path,
            header,
            kinds,
            part_of(kinds, str(data.get('ComplexImageComponent', '')), _ge_code(code)),
            _number(data, 'EchoTime') or 0.0,
            _numbers(data, 'ImagePositionPatient', 3),
            _numbers(data, 'ImageOrientationPatient', 6),
            (int(data.Rows), int(data.Columns)),
            _numbers(data, 'PixelSpacing', 2),
            str(data.get('SOPInstanceUID', '')),
        )
    ]


def _ge_code(element: Any) -> int | None:
    """GE's private image type, of which an export may keep the value as bytes."""
    if element is None:
        return None
    value = element.value
    if isinstance(value, bytes):
        value = np.frombuffer(value[: len(value) // 2 * 2], '<i2')
    first = np.ravel(value)
    return int(first[0]) if len(first) else None


def _header(data: Any, folder: str) -> Header:
    date = str(data.get('StudyDate', ''))
    contrast = data.get('ContrastBolusAgent') or ''
    return Header(
        study=str(data.get('StudyInstanceUID', '')),
        series=str(data.get('SeriesInstanceUID', data.get('SeriesNumber', ''))),
        patient_id=str(data.get('PatientID') or '').strip(),
        patient_name=str(data.get('PatientName') or ''),
        sex=str(data.get('PatientSex') or '').strip(),
        birth_date=str(data.get('PatientBirthDate') or ''),
        age=_age(str(data.get('PatientAge') or ''), str(data.get('PatientBirthDate') or ''), date),
        date=date,
        folder=folder,
        number=int(_number(data, 'SeriesNumber') or 0),
        description=str(data.get('SeriesDescription') or ''),
        protocol=str(data.get('ProtocolName') or ''),
        manufacturer=str(data.get('Manufacturer') or ''),
        modality=str(data.get('Modality') or ''),
        scanning_sequence=_sequences(data),
        variant=_texts(data, 'SequenceVariant'),
        sequence_name=str(data.get('SequenceName') or data.get('PulseSequenceName') or ''),
        acquisition=str(data.get('MRAcquisitionType') or ''),
        b0=_number(data, 'MagneticFieldStrength'),
        contrast='' if str(contrast).casefold() in ('no', 'none') else str(contrast),
        foreign=_foreign(data),
        **_timing(data),
    )


def _foreign(data: Any) -> bool:
    """Whether dcm2niix does not read a file as it is."""
    sets = set(_texts(data, 'SpecificCharacterSet'))
    syntax = data.file_meta.get('TransferSyntaxUID') if hasattr(data, 'file_meta') else None
    return not sets <= _FAMILIAR or bool(syntax and syntax.is_deflated)


def _timing(data: Any) -> dict[str, Any]:
    """Repetition time, inversion time and flip angle, wherever they stand."""
    shared = _shared(data)
    timing = _item(shared, 'MRTimingAndRelatedParametersSequence')
    modifier = _item(shared, 'MRModifierSequence')
    return {
        'repetition_time': _number(data, 'RepetitionTime') or _number(timing, 'RepetitionTime'),
        'flip_angle': _number(data, 'FlipAngle') or _number(timing, 'FlipAngle'),
        'inversion_time': _number(data, 'InversionTime') or _number(modifier, 'InversionTimes'),
    }


def _sequences(data: Any) -> tuple[str, ...]:
    """`ScanningSequence`, or what enhanced headers say in its place."""
    classic = _texts(data, 'ScanningSequence')
    if classic:
        return classic
    pulse = str(data.get('EchoPulseSequence', ''))
    modifier = _item(_shared(data), 'MRModifierSequence')
    found = {
        'GR': pulse in ('GRADIENT', 'BOTH'),
        'SE': pulse in ('SPIN', 'BOTH'),
        'EP': str(data.get('EchoPlanarPulseSequence', '')) == 'YES',
        'IR': modifier is not None and str(modifier.get('InversionRecovery', '')) == 'YES',
    }
    return tuple(name for name, there in found.items() if there)


def _enhanced(path: Path, data: Any, header: Header) -> Iterator[Frame]:
    """Frames of an enhanced file, whose groups stand by frame or are shared by all."""
    shared = _shared(data)
    uid = str(data.get('SOPInstanceUID', path))
    groups = data.PerFrameFunctionalGroupsSequence
    for i, own in enumerate(groups):

        def group(name: str, own: Any = own) -> Any:
            return _item(own, name) or _item(shared, name)

        kind = group('MRImageFrameTypeSequence')
        component = (kind or data).get('ComplexImageComponent', '')
        kinds = _texts(kind, 'FrameType') or _texts(data, 'ImageType')
        echo = group('MREchoSequence')
        place = group('PlanePositionSequence')
        turn = group('PlaneOrientationSequence')
        if place is None or turn is None:
            return
        yield Frame(
            path, header, kinds, part_of(kinds, str(component)),
            _number(echo, 'EffectiveEchoTime') or _number(data, 'EchoTime') or 0.0,
            _numbers(place, 'ImagePositionPatient', 3),
            _numbers(turn, 'ImageOrientationPatient', 6), (int(data.Rows), int(data.Columns)),
            _numbers(group('PixelMeasuresSequence'), 'PixelSpacing', 2),
            f'{uid}/{i}', i, len(groups),
        )  # fmt: skip


def _shared(data: Any) -> Any:
    return _item(data, 'SharedFunctionalGroupsSequence')


def _item(data: Any, name: str) -> Any:
    """First item of a sequence, or None."""
    found = data.get(name) if data is not None else None
    return found[0] if found else None


def _texts(data: Any, name: str) -> tuple[str, ...]:
    value = data.get(name) if data is not None else None
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _number(data: Any, name: str) -> float | None:
    value = data.get(name) if data is not None else None
    try:
        found = None if value is None or value == '' else float(np.ravel(value)[0])
    except (ValueError, TypeError, IndexError):
        return None
    return found if found is not None and np.isfinite(found) else None


def _numbers(data: Any, name: str, count: int) -> tuple[float, ...]:
    """So many finite numbers; raises ValueError where there are others."""
    value: Any = data.get(name) if data is not None else None
    try:
        found = tuple(map(float, np.ravel(value)))
    except (TypeError, ValueError):
        found = ()
    if len(found) != count or not np.isfinite(found).all():
        raise ValueError(f'{name} is {"empty" if value is None else value}')
    return found


def _age(age: str, birth: str, date: str) -> float | None:
    """Years from DICOM's age (`041Y`, `18M`), else from dates.

    Examples
    --------
    >>> _age('041Y', '', ''), _age('', '19800101', '20200701')
    (41.0, 40.5)
    """
    units = {'Y': 1.0, 'M': 1 / 12, 'W': 7 / _DAYS_A_YEAR, 'D': 1 / _DAYS_A_YEAR}
    if age[:-1].isdigit() and age[-1:] in units:
        return round(int(age[:-1]) * units[age[-1]], 1)
    try:
        days = (_day(date) - _day(birth)) / np.timedelta64(1, 'D')
    except ValueError:
        return None
    return round(float(days) / _DAYS_A_YEAR, 1) if days >= 0 else None


def _day(text: str) -> np.datetime64:
    if len(text) != 8:
        raise ValueError(text)
    return np.datetime64(f'{text[:4]}-{text[4:6]}-{text[6:]}', 'D')


def limits(frame: Frame) -> tuple[float, float]:
    """Lowest and highest value of the file of an image, scaled as its header says.

    A file that cannot be decoded counts as never negative, as most images are.
    """
    import pydicom

    try:
        data = pydicom.dcmread(frame.source)
        values = np.asarray(data.pixel_array, float)
    except (AttributeError, ValueError, RuntimeError, NotImplementedError, OSError):
        return 0.0, 0.0
    slope, zero = _number(data, 'RescaleSlope') or 1.0, _number(data, 'RescaleIntercept') or 0.0
    scaled = values * slope + zero
    return float(scaled.min()), float(scaled.max())
