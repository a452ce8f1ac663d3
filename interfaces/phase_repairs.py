"""What is repaired in the phase of a run as it is loaded, as sentences and as data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nodes.errors import InputError
from ..nodes.field.phase import PhaseScale
from ..nodes.field.slice_steps import (
    LEAST_STEP,
    LEAST_STEP_3D,
    find_slice_steps,
    pointers,
    remove_slice_steps,
)
from ..nodes.field.zero_filling import measured_part

Image = NDArray[np.float32]
Told = tuple[dict[str, Any], list[str]]
"""Data for the sidecars and the quality of the run; warnings."""


def from_parts(
    real: Image, imaginary: Image, pairs: Sequence[tuple[Path, Path]], units: str | None
) -> tuple[Image, Image, dict[str, Any], list[str]]:
    """Magnitude and phase (rad) of real and imaginary parts; `units` do not matter.

    Raises
    ------
    InputError
        A part has no negative value.
    """
    for part, path in zip((real, imaginary), pairs[0], strict=True):
        if not (part < 0).any():
            raise InputError(
                path,
                'has no negative value, as a real or imaginary part has',
                'give signed parts, or part-mag and part-phase',
            )
    # arctan2 of what is not finite is not finite, too, or a number that is then left out
    magnitude, angle = np.hypot(real, imaginary), np.arctan2(imaginary, real)
    return magnitude, angle, {'stored_as': 'real and imaginary parts', 'stray_voxels': 0}, []


def tell_scale(scale: PhaseScale, stored: Image, angle: Image, files: Sequence[Path]) -> Told:
    """How the phase was stored, and warnings on a doubtful scale and on strays, by file."""
    data = {
        'stored_as': scale.rule,
        'stored_per_cycle': scale.per_wrap,
        'stored_limits': [scale.low, scale.high],
        'units_contradicted': scale.against or None,
        'stray_voxels': scale.strays,
        'stray_values': list(scale.stray_values),
    }
    told = [f'{files[0].name}: {scale.sentence}'] if scale.is_doubtful else []
    if not scale.strays:
        return data, told
    values = ', '.join(f'{value:g}' for value in scale.stray_values)
    limits = f'{scale.low:g} to {scale.high:g}'
    for echo, path in enumerate(files):
        lost = np.count_nonzero(np.isnan(angle[..., echo]) & np.isfinite(stored[..., echo]))
        if lost:
            told.append(
                f'{path.name}: voxels beyond the limits of the phase ({limits}) are left out: '
                f'{lost}, with values {values}.'
            )
    return data, told


def repair_slices(
    angle: Image, magnitudes: Image, signal: NDArray[np.bool_], acquisition: str, name: str
) -> tuple[Image, dict[str, Any], list[str]]:
    """The phase without jumps between slices, what they were, and a warning where there were any.

    Parameters
    ----------
    angle, magnitudes, signal
        As `find_slice_steps` has them.
    acquisition
        `MRAcquisitionType` of the sidecar; empty where it is silent.
    name
        Of the first phase file.
    """
    found = find_slice_steps(angle, magnitudes, signal)
    least = LEAST_STEP_3D if acquisition == '3D' else LEAST_STEP
    there = found.are_there(least)
    data = {
        'slice_step_rad': round(found.step, 4),
        'slices_aligned': there,
        'slices_turned': found.turned,
    }
    if not there:
        return angle, data, []
    several = found.turned or angle.shape[3] > 1
    rest = '' if several else ', up to an error that is smooth along them'
    kind = f' ({acquisition} acquisition)' if acquisition else ''
    if found.turned:
        told = 'alternate slices have the opposite phase (off by pi, as GE scanners store it)'
    else:
        many = found.step > least
        told = (
            f'the phase jumps {"from slice to slice" if many else "at single slices"} by '
            f'{found.step if many else found.single:.2f} rad'
        )
    return (
        remove_slice_steps(angle, magnitudes, signal, found),
        data,
        [f'{name}: {told} along axis {"ijk"[found.axis]}{kind}; the slices were aligned{rest}.'],
    )


def look_at_matrix(angle: Image, magnitudes: Image, name: str) -> Told:
    """Part of k-space that was measured, and a warning where the rest is empty."""
    parts = measured_part(pointers(angle[..., 0], magnitudes[..., 0]))
    data = {'measured_part': list(parts)}
    if min(parts) == 1:
        return data, []
    matrix = ' x '.join(
        str(round(n * part)) for n, part in zip(angle.shape[:3], parts, strict=True)
    )
    stored = ' x '.join(map(str, angle.shape[:3]))
    return data, [
        f'{name}: the matrix of {stored} was interpolated from about {matrix} (the rim of '
        'k-space is empty); the resolution is that of the smaller matrix, and neighbouring voxels '
        'share noise.'
    ]
