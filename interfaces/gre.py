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
from ..nodes.field.masks import finite_mask
from ..nodes.field.phase import PhaseScale, looks_swapped, to_radians
from .headers import check_same_grid, load_data, load_image
from .step_images import save_step


class _LoadGreInputSpec(BaseInterfaceInputSpec):
    magnitude = traits.List(File(exists=True), mandatory=True, desc='one image per echo')
    phase = traits.List(File(exists=True), mandatory=True, desc='one image per echo')
    echo_times = traits.List(traits.Float, mandatory=True, desc='in the order of the images, s')
    b0 = traits.Float(mandatory=True, desc='main field, T')
    units = traits.Str(desc='`Units` of the phase sidecar: rad, deg or arbitrary')


class _LoadGreOutputSpec(TraitedSpec):
    magnitude = File(desc='(x, y, z, echo)')
    phase = File(desc='(x, y, z, echo), rad; NaN where either image is not finite')
    combined_magnitude = File(desc='root of the sum of squares over echoes, for registration')
    echo_times = traits.List(traits.Float, desc='rising, s')
    warnings = traits.List(traits.Str, desc='what the user should know')
    parameters = traits.Dict(desc='how the phase was scaled')


class LoadGre(SimpleInterface):
    """Stack echoes by echo time and bring the phase to radians."""

    input_spec = _LoadGreInputSpec
    output_spec = _LoadGreOutputSpec

    def _run_interface(self, runtime):
        units = self.inputs.units if isdefined(self.inputs.units) else None
        scan = load_gre(
            self.inputs.magnitude, self.inputs.phase, self.inputs.echo_times, units=units or None
        )
        folder = Path(runtime.cwd)
        for name in ('magnitude', 'phase', 'combined_magnitude'):
            self._results[name] = save_step(scan[name], scan['affine'], folder, name)
        self._results['echo_times'] = scan['echo_times']
        self._results['warnings'] = scan['warnings']
        self._results['parameters'] = {'phase': scan['note']}
        return runtime


def load_gre(
    magnitude: Sequence[str | Path],
    phase: Sequence[str | Path],
    echo_times: Sequence[float],
    *,
    units: str | None = None,
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

    Returns
    -------
    dict
        `magnitude`, `phase`, `combined_magnitude` (float32), `affine`, `echo_times` (rising),
        `warnings` and `note` (how the phase was scaled).

    Raises
    ------
    InputError
        A file cannot be read, shapes or affines differ, the phase is constant, or magnitude and
        phase are swapped.
    """
    if not len(magnitude) == len(phase) == len(echo_times):
        raise NigraError(
            f'{len(magnitude)} magnitudes, {len(phase)} phases and {len(echo_times)} echo times '
            'do not fit together'
        )
    order = np.argsort(echo_times, kind='stable')
    first, where = Path(magnitude[order[0]]), Path(phase[order[0]])
    affine, shape = _geometry(first)
    magnitudes = _stack([magnitude[i] for i in order], first, shape)
    stored = _stack([phase[i] for i in order], first, shape)
    # the sum of squares of phases would pass for a magnitude all the way to the map
    if looks_swapped(stored[..., 0], magnitudes[..., 0]):
        raise InputError(first, 'looks like a phase image', 'exchange magnitude and phase')
    try:
        angle, scale = to_radians(stored, units=units)
    except NigraError as error:
        raise InputError(where, str(error), 'check the file and its Units') from error
    broken = _leave_out_broken(angle, magnitudes, where.name)
    negative = _empty_negative(magnitudes, first.name)
    return {
        'magnitude': magnitudes,
        'phase': angle,
        'combined_magnitude': combine_magnitude(magnitudes),
        'affine': affine,
        'echo_times': [float(echo_times[i]) for i in order],
        'warnings': [*negative, *broken, *_doubt_scale(scale, where.name)],
        'note': scale.sentence,
    }


def _doubt_scale(scale: PhaseScale, name: str) -> list[str]:
    """Warn where the phase spans more than one wrap or hardly any of it."""
    doubtful = scale.looks_unwrapped or scale.looks_narrow
    return [f'{name}: {scale.sentence}'] if doubtful else []


def _empty_negative(magnitudes: NDArray[np.float32], name: str) -> list[str]:
    """Set negative magnitudes to zero, in place."""
    negative = magnitudes < 0  # interpolation leaves a few; they carry no signal
    if not negative.any():
        return []
    magnitudes[negative] = 0
    return [f'{name}: {int(negative.sum())} negative values are set to zero.']


def _leave_out_broken(
    angle: NDArray[np.float32], magnitudes: NDArray[np.float32], name: str
) -> list[str]:
    """Mark voxels where either image is not finite, in place: no phase, no magnitude."""
    broken = ~finite_mask(angle, magnitudes)
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
