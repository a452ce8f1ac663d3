"""How scans were measured, in the entries and words in which those of a study are compared."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from .headers import read_header
from .scans import GreScan

_FROM_SIDECAR = (
    'RepetitionTime', 'FlipAngle', 'Manufacturer', 'ManufacturersModelName', 'SoftwareVersions'
)  # fmt: skip
_PLANES = {'L': 'sagittal', 'R': 'sagittal', 'A': 'coronal', 'P': 'coronal'}


def _echo_times(value: Any) -> str:
    return ', '.join(f'{1e3 * float(time):.4g}' for time in value)


def _lengths(value: Any) -> str:
    return ' x '.join(f'{float(length):.3g}' for length in value)


def _number(value: Any) -> str:
    return f'{float(value):.4g}'


PROTOCOL: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    'MagneticFieldStrength': ('field strength (T)', _number),
    'EchoTimes': ('echo times (ms)', _echo_times),
    'VoxelSize': ('voxel size (mm)', _lengths),
    'SliceOrientation': ('orientation of the slices', str),
    'RepetitionTime': ('repetition time (s)', _number),
    'FlipAngle': ('flip angle (degrees)', _number),
    'Manufacturer': ('manufacturer of the scanner', str),
    'ManufacturersModelName': ('model of the scanner', str),
    'SoftwareVersions': ('software of the scanner', str),
}
"""Entries of region tables' sidecars that tell the measurement: in words, and how they are written
where scans are compared, so that rounding makes no difference."""


def protocol_of(scan: GreScan) -> dict[str, Any]:
    """How a run was measured: the entries of `PROTOCOL` that are known."""
    header = read_header(scan.phase[0])
    return {
        'MagneticFieldStrength': scan.b0,
        'EchoTimes': list(scan.echo_times),
        'VoxelSize': [round(edge, 4) for edge in header.voxel_mm],
        'SliceOrientation': slice_orientation(header.affine),
        **{key: scan.metadata[key] for key in _FROM_SIDECAR if scan.metadata.get(key)},
    }


def slice_orientation(affine: NDArray[np.float64]) -> str:
    """Plane that the slices are nearest to, the third axis of an image going through them.

    Examples
    --------
    >>> slice_orientation(np.eye(4)), slice_orientation(np.eye(4)[[2, 0, 1, 3]])
    ('axial', 'sagittal')
    """
    return _plane(tuple(map(tuple, np.asarray(affine, float).tolist())))


@functools.lru_cache(64)
def _plane(affine: tuple[tuple[float, ...], ...]) -> str:
    return _PLANES.get(nib.aff2axcodes(np.array(affine))[2], 'axial')


def in_words(key: str, value: Any) -> str | None:
    """An entry as it is compared and shown; None where it is not known."""
    if value is None:
        return None
    try:
        return PROTOCOL[key][1](value)
    except (TypeError, ValueError):  # a sidecar may hold anything
        return str(value)
