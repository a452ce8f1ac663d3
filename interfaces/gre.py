"""One gradient-echo run from its files: echoes stacked by time, phase in radians."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from numpy.typing import NDArray

from ..nodes.errors import InputError, NigraError
from ..nodes.field.echoes import combine_magnitude
from ..nodes.field.masks import finite_mask, signal_mask
from ..nodes.field.phase import looks_swapped, to_radians
from ..nodes.memory import Memory
from .headers import check_same_grid, load_data, load_image
from .phase_repairs import from_parts, look_at_matrix, repair_slices, tell_scale
from .step_images import save_step

LOADING = Memory(60, 22)
"""What the step takes that loads a run."""


class _LoadGreInputSpec(BaseInterfaceInputSpec):
    magnitude = traits.List(File(exists=True), mandatory=True, desc='one image per echo')
    phase = traits.List(File(exists=True), mandatory=True, desc='one image per echo')
    complex_parts = traits.Bool(
        False, usedefault=True, desc='magnitude and phase hold the real and the imaginary part'
    )
    echo_times = traits.List(traits.Float, mandatory=True, desc='in the order of the images, s')
    b0 = traits.Float(mandatory=True, desc='main field, T')
    units = traits.Str(desc='`Units` of the phase sidecar: rad, deg or arbitrary')
    acquisition = traits.Str(desc='`MRAcquisitionType` of the phase sidecar: 2D or 3D')


class _LoadGreOutputSpec(TraitedSpec):
    magnitude = File(desc='(x, y, z, echo)')
    phase = File(desc='(x, y, z, echo), rad; NaN where either image is not finite')
    combined_magnitude = File(desc='root of the sum of squares over echoes, for registration')
    echo_times = traits.List(traits.Float, desc='rising, s')
    warnings = traits.List(traits.Str, desc='what the user should know')
    parameters = traits.Dict(desc='how the phase was stored, and what was repaired')


class LoadGre(SimpleInterface):
    """Stack echoes by echo time and bring the phase to radians."""

    input_spec = _LoadGreInputSpec
    output_spec = _LoadGreOutputSpec

    def _run_interface(self, runtime):
        inputs = self.inputs
        scan = load_gre(
            inputs.magnitude,
            inputs.phase,
            inputs.echo_times,
            units=(inputs.units or None) if isdefined(inputs.units) else None,
            complex_parts=inputs.complex_parts,
            acquisition=inputs.acquisition if isdefined(inputs.acquisition) else '',
        )
        folder = Path(runtime.cwd)
        for name in ('magnitude', 'phase', 'combined_magnitude'):
            self._results[name] = save_step(scan[name], scan['affine'], folder, name)
        self._results['echo_times'] = scan['echo_times']
        self._results['warnings'] = scan['warnings']
        self._results['parameters'] = scan['parameters']
        return runtime


def load_gre(
    magnitude: Sequence[str | Path],
    phase: Sequence[str | Path],
    echo_times: Sequence[float],
    *,
    units: str | None = None,
    complex_parts: bool = False,
    acquisition: str = '',
) -> dict[str, Any]:
    """Read the echoes of one scan, check that they fit, and bring the phase to radians.

    Parameters
    ----------
    magnitude, phase
        One image per echo.
    echo_times
        In the order of the images, s.
    units
        `Units` of the phase sidecar.
    complex_parts
        Whether the images hold the real and the imaginary part in place of magnitude and phase.
    acquisition
        `MRAcquisitionType` of the phase sidecar.

    Returns
    -------
    dict
        `magnitude`, `phase`, `combined_magnitude` (float32), `affine`, `echo_times` (rising),
        `warnings` and `parameters` (how the phase was stored, and what was repaired).

    Raises
    ------
    InputError
        A file cannot be read, shapes or affines differ, the phase is constant or on no known
        scale, or magnitude and phase are swapped.
    """
    pairs, times = _in_order(magnitude, phase, echo_times)
    affine, shape = _geometry(pairs[0][0])
    first, second = (_stack(part, pairs[0][0], shape) for part in zip(*pairs, strict=True))
    read = prepare_gre(
        first, second, pairs, units=units, complex_parts=complex_parts, acquisition=acquisition
    )
    return {**read, 'affine': affine, 'echo_times': times}


def prepare_gre(
    magnitude: NDArray[np.float32], phase: NDArray[np.float32], pairs: Sequence[tuple[Path, Path]],
    *, units: str | None = None, complex_parts: bool = False, acquisition: str = '',
) -> dict[str, Any]:  # fmt: skip
    """Bring stored echoes to magnitude and phase in radians, and repair what can be repaired.

    Parameters
    ----------
    magnitude, phase
        As stored, (x, y, z, echo); `magnitude` may be changed in place.
    pairs
        Names of the two images of each echo, for messages.
    units, complex_parts, acquisition
        As in `load_gre`.

    Returns
    -------
    dict
        What `load_gre` returns, without geometry and echo times.

    Raises
    ------
    InputError
        The phase is constant or on no known scale, or magnitude and phase are swapped.
    """
    first, name = pairs[0][0].name, pairs[0][1].name
    read = from_parts if complex_parts else _from_polar
    magnitudes, angle, parameters, told = read(magnitude, phase, pairs, units)
    broken = _leave_out_broken((magnitude, phase), angle, magnitudes, name)
    negative = _empty_negative(magnitudes, first)
    signal = signal_mask(magnitudes[..., 0])
    angle, steps, jumps = repair_slices(angle, magnitudes, signal, acquisition, name)
    matrix, interpolated = look_at_matrix(angle, magnitudes, name)
    return {
        'magnitude': magnitudes,
        'phase': angle,
        'combined_magnitude': combine_magnitude(magnitudes),
        'warnings': [*negative, *broken, *told, *jumps, *interpolated],
        'parameters': {**parameters, **steps, **matrix},
    }


def _in_order(
    magnitude: Sequence[str | Path], phase: Sequence[str | Path], echo_times: Sequence[float]
) -> tuple[list[tuple[Path, Path]], list[float]]:
    """Files of each echo and echo times, rising."""
    if not len(magnitude) == len(phase) == len(echo_times):
        raise NigraError(
            f'{len(magnitude)} magnitudes, {len(phase)} phases and {len(echo_times)} echo times '
            'do not fit together'
        )
    order = np.argsort(echo_times, kind='stable')
    pairs = [(Path(magnitude[i]), Path(phase[i])) for i in order]
    return pairs, [float(echo_times[i]) for i in order]


def _from_polar(
    magnitudes: NDArray[np.float32],
    stored: NDArray[np.float32],
    pairs: Sequence[tuple[Path, Path]],
    units: str | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, Any], list[str]]:
    """Magnitude, phase in radians, how it was stored, and warnings."""
    _check_magnitudes(magnitudes, [path for path, _ in pairs])
    # the sum of squares of phases would pass for a magnitude all the way to the map
    if looks_swapped(stored[..., 0], magnitudes[..., 0]):
        raise InputError(pairs[0][0], 'looks like a phase image', 'exchange magnitude and phase')
    try:
        angle, scale = to_radians(stored, units=units, signal=signal_mask(magnitudes[..., 0]))
    except NigraError as error:
        raise InputError(pairs[0][1], str(error), 'check the file and its Units') from error
    parameters, told = tell_scale(scale, stored, angle, [path for _, path in pairs])
    return magnitudes, angle, parameters, told


def _check_magnitudes(magnitudes: NDArray[np.float32], paths: Sequence[Path]) -> None:
    """Refuse an echo whose magnitude shows nothing, before a later step names its own file."""
    for echo, path in enumerate(paths):
        values = magnitudes[..., echo]
        finite = values[np.isfinite(values)]
        if not (finite > 0).any():
            raise InputError(
                path, 'has no value above 0', 'give the magnitude of this echo, or leave it out'
            )


def _empty_negative(magnitudes: NDArray[np.float32], name: str) -> list[str]:
    """Set negative magnitudes to zero, in place."""
    negative = magnitudes < 0  # interpolation leaves a few; they carry no signal
    if not negative.any():
        return []
    magnitudes[negative] = 0
    return [f'{name}: {int(negative.sum())} negative values are set to zero.']


def _leave_out_broken(
    stored: Sequence[NDArray[np.float32]],
    angle: NDArray[np.float32],
    magnitudes: NDArray[np.float32],
    name: str,
) -> list[str]:
    """Mark voxels where either image is not finite, in place: no phase, no magnitude."""
    broken = ~finite_mask(*stored)
    angle[broken] = np.nan
    magnitudes[broken] = 0
    if not broken.any():
        return []
    return [f'{name}: {int(broken.sum())} voxels are not finite and left out.']


def _geometry(path: str | Path) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    image = load_image(path)
    return np.asarray(image.affine, float), image.shape[:3]


def _stack(
    paths: Sequence[str | Path], first: Path, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Echoes side by side, after checking that they share a grid."""
    out = np.empty((*shape, len(paths)), np.float32)
    for echo, path in enumerate(paths):
        check_same_grid(first, Path(path))
        if load_image(path).shape[3:] not in ((), (1,)):
            raise InputError(
                path, f'has shape {load_image(path).shape}', 'give one image of three axes an echo'
            )
        out[..., echo] = load_data(path, dtype=np.float32).reshape(shape)
    return out
