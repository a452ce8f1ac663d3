"""Nipype interfaces of the susceptibility reconstruction, one per step."""

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
from ..nodes.field.masks import finite_mask, trusted_mask
from ..nodes.field.phase import looks_swapped, to_radians
from ..nodes.field.relaxometry import METHODS as R2STAR_METHODS
from ..nodes.field.relaxometry import fit_r2star, r2star_method, t2star
from ..nodes.grid import Grid
from ..nodes.inversion.reference import reference_to, ventricles
from ..nodes.methods import (
    BACKGROUND,
    FIELD,
    INVERSION,
    ONE_STEP,
    SEPARATION,
    Arrays,
    Method,
    Scan,
    parameters,
    run_step,
)
from .files import save_image
from .headers import load_data, load_image

MASK_WARNING = 0.75
"""Warn when less than this fraction of the brain mask has phase that can be trusted."""


class _LoadGreInputSpec(BaseInterfaceInputSpec):
    magnitude = traits.List(File(exists=True), mandatory=True, desc='one image per echo')
    phase = traits.List(File(exists=True), mandatory=True, desc='one image per echo')
    echo_times = traits.List(traits.Float, mandatory=True, desc='in the order of the images, s')
    b0 = traits.Float(mandatory=True, desc='main field, T')
    units = traits.Str(desc='`Units` of the phase sidecar: rad, deg or arbitrary')


class _LoadGreOutputSpec(TraitedSpec):
    magnitude = File(desc='(x, y, z, echo)')
    phase = File(desc='(x, y, z, echo), rad; NaN where either image is not finite')
    first_magnitude = File(desc='root of the sum of squares over echoes, for registration')
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
        for name in ('magnitude', 'phase', 'first_magnitude'):
            self._results[name] = _save(scan[name], scan['affine'], folder, name)
        self._results['echo_times'] = scan['echo_times']
        self._results['warnings'] = scan['warnings']
        self._results['parameters'] = {'phase': scan['note']}
        return runtime


class _FieldMapInputSpec(BaseInterfaceInputSpec):
    phase = File(exists=True, mandatory=True, desc='(x, y, z, echo), rad')
    magnitude = File(exists=True, mandatory=True, desc='(x, y, z, echo)')
    brain_mask = File(exists=True, mandatory=True, desc='brain on the same grid')
    echo_times = traits.List(traits.Float, mandatory=True, desc='rising, s')
    b0 = traits.Float(mandatory=True, desc='main field, T')
    method = traits.Enum(*FIELD, usedefault=True, desc='unwrapping and fit')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='threads')


class _FieldMapOutputSpec(TraitedSpec):
    totalfield = File(desc='total field, ppm')
    noise = File(desc='its standard deviation, ppm')
    mask = File(desc='part of the brain in which the phase can be trusted')
    warnings = traits.List(traits.Str, desc='what the user should know')
    parameters = traits.Dict(desc='method and every setting')


class FieldMap(SimpleInterface):
    """Unwrap the phase and fit the total field inside a mask that can be trusted."""

    input_spec = _FieldMapInputSpec
    output_spec = _FieldMapOutputSpec

    def _run_interface(self, runtime):
        data, grid, affine = _load(self.inputs, 'phase', 'magnitude', mask='brain_mask')
        brain = data['mask']
        data['mask'] = trusted_mask(
            data['phase'], data['magnitude'], brain, echo_times=self.inputs.echo_times,
            nthreads=self.inputs.nthreads,
        )  # fmt: skip
        scan = Scan(grid, tuple(self.inputs.echo_times), self.inputs.b0)
        method = FIELD[self.inputs.method]
        data |= run_step(method, data, scan, nthreads=self.inputs.nthreads)
        self._results['warnings'] = _mask_warnings(brain, data['mask'])
        _finish(self, runtime, data, affine, ('totalfield', 'noise', 'mask'), method)
        return runtime


class _RemoveBackgroundInputSpec(BaseInterfaceInputSpec):
    totalfield = File(exists=True, mandatory=True, desc='total field, ppm')
    mask = File(exists=True, mandatory=True, desc='where it holds')
    noise = File(exists=True, desc='its standard deviation, ppm')
    method = traits.Enum(*BACKGROUND, usedefault=True, desc='method')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='threads')


class _RemoveBackgroundOutputSpec(TraitedSpec):
    localfield = File(desc='local field, ppm')
    mask = File(desc='where it holds')
    parameters = traits.Dict(desc='method and every setting')


class RemoveBackground(SimpleInterface):
    """Take away the field of sources outside the brain."""

    input_spec = _RemoveBackgroundInputSpec
    output_spec = _RemoveBackgroundOutputSpec

    def _run_interface(self, runtime):
        data, grid, affine = _load(self.inputs, 'totalfield', 'noise', mask='mask')
        method = BACKGROUND[self.inputs.method]
        data |= run_step(method, data, Scan(grid), nthreads=self.inputs.nthreads)
        _finish(self, runtime, data, affine, ('localfield', 'mask'), method)
        return runtime


class _InvertDipoleInputSpec(BaseInterfaceInputSpec):
    localfield = File(exists=True, mandatory=True, desc='local field, ppm')
    mask = File(exists=True, mandatory=True, desc='where it holds')
    magnitude = File(exists=True, desc='magnitude, (x, y, z) or (x, y, z, echo)')
    noise = File(exists=True, desc='standard deviation of the field, ppm')
    echo_times = traits.List(traits.Float, desc='rising, s')
    b0 = traits.Float(desc='main field, T')
    method = traits.Enum(*INVERSION, usedefault=True, desc='method')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='threads')


class _InvertDipoleOutputSpec(TraitedSpec):
    chimap = File(desc='susceptibility, ppm, reference not set')
    parameters = traits.Dict(desc='method and every setting')


class InvertDipole(SimpleInterface):
    """Local field to susceptibility."""

    input_spec = _InvertDipoleInputSpec
    output_spec = _InvertDipoleOutputSpec

    def _run_interface(self, runtime):
        data, grid, affine = _load(self.inputs, 'localfield', 'magnitude', 'noise', mask='mask')
        method = INVERSION[self.inputs.method]
        known = isdefined(self.inputs.echo_times) and isdefined(self.inputs.b0)
        scan = Scan(grid, tuple(self.inputs.echo_times), self.inputs.b0) if known else Scan(grid)
        data |= run_step(method, data, scan, nthreads=self.inputs.nthreads)
        _finish(self, runtime, data, affine, ('chimap',), method)
        return runtime


class _ReconstructOneStepInputSpec(BaseInterfaceInputSpec):
    phase = File(exists=True, mandatory=True, desc='(x, y, z, echo), rad')
    magnitude = File(exists=True, mandatory=True, desc='(x, y, z, echo)')
    mask = File(exists=True, mandatory=True, desc='where the phase can be trusted')
    echo_times = traits.List(traits.Float, mandatory=True, desc='rising, s')
    b0 = traits.Float(mandatory=True, desc='main field, T')
    method = traits.Enum(*ONE_STEP['end-to-end'], usedefault=True, desc='method')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='threads')


class _ReconstructOneStepOutputSpec(TraitedSpec):
    chimap = File(desc='susceptibility, ppm, reference not set')
    mask = File(desc='where it holds')
    parameters = traits.Dict(desc='method and every setting')


class ReconstructOneStep(SimpleInterface):
    """Wrapped phase to susceptibility in one step."""

    input_spec = _ReconstructOneStepInputSpec
    output_spec = _ReconstructOneStepOutputSpec

    def _run_interface(self, runtime):
        data, grid, affine = _load(self.inputs, 'phase', 'magnitude', mask='mask')
        method = ONE_STEP['end-to-end'][self.inputs.method]
        data['mask'] = data['mask'] & finite_mask(data['phase'], data['magnitude'])
        np.nan_to_num(data['phase'], copy=False)
        scan = Scan(grid, tuple(self.inputs.echo_times), self.inputs.b0)
        data |= run_step(method, data, scan, nthreads=self.inputs.nthreads)
        _finish(self, runtime, data, affine, ('chimap', 'mask'), method)
        return runtime


class _ReferenceInputSpec(BaseInterfaceInputSpec):
    chimap = File(exists=True, mandatory=True, desc='susceptibility, ppm')
    mask = File(exists=True, mandatory=True, desc='where it holds')
    reference = traits.Str('brain', usedefault=True, desc='none, brain, csf, or a region')
    dseg = File(exists=True, desc='labels, for a region')
    dseg_tsv = File(exists=True, desc='index and region of each label')
    r2star = File(exists=True, desc='R2*, 1/s, for csf')


class _ReferenceOutputSpec(TraitedSpec):
    chimap = File(desc='susceptibility, ppm, mean zero over the reference region')
    mask = File(desc='where the map holds, as given')
    region = File(desc='the reference region')
    offset = traits.Float(desc='mean that was taken away, ppm')
    parameters = traits.Dict(desc='reference region and offset')


class Reference(SimpleInterface):
    """Make the mean over the reference region zero."""

    input_spec = _ReferenceInputSpec
    output_spec = _ReferenceOutputSpec

    def _run_interface(self, runtime):
        name, folder = self.inputs.reference, Path(runtime.cwd)
        data, grid, affine = _load(self.inputs, 'chimap', 'dseg', 'r2star', mask='mask')
        region = reference_region(name, data, grid, self.inputs)
        if name == 'none':
            chi, offset = np.where(data['mask'], data['chimap'], 0).astype(np.float32), 0.0
        else:
            chi, offset = reference_to(data['chimap'], data['mask'], region)
        self._results['chimap'] = _save(chi, affine, folder, 'chimap_referenced')
        self._results['mask'] = self.inputs.mask
        self._results['region'] = _save(region, affine, folder, 'reference')
        self._results['offset'] = offset
        self._results['parameters'] = {
            'method': name,
            'offset_ppm': offset,
            'n_voxels': 0 if name == 'none' else int((region & data['mask']).sum()),
        }
        return runtime


def reference_region(name: str, data: Arrays, grid: Grid, inputs: Any) -> NDArray[np.bool_]:
    """Voxels of the reference region.

    Parameters
    ----------
    name
        `none` and `brain` are the whole mask, `csf` the ventricles, anything else a region of the
        labels, both sides.
    data
        `mask`; `r2star` for `csf`; `dseg` for a region.
    grid
        Geometry.
    inputs
        `dseg_tsv` names the labels.

    Raises
    ------
    NigraError
        What the reference needs is not there.
    """
    if name in ('none', 'brain'):
        return data['mask']
    if name == 'csf':
        if 'r2star' not in data:
            raise NigraError(
                'the reference csf needs R2* and so several echoes, but this scan has one; use '
                '--reference brain or a region'
            )
        return ventricles(data['r2star'], data['mask'], grid)
    if 'dseg' not in data or not isdefined(inputs.dseg_tsv):
        raise NigraError(f'the reference {name} needs labels')
    import pandas as pd

    table = pd.read_csv(inputs.dseg_tsv, sep='\t')
    own = table['region'] == name
    if 'whole' in table:
        own |= table['whole'] == name
    chosen = table.loc[own, 'index'].tolist()
    if not chosen:
        raise NigraError(f'the labels have no region {name} to refer to')
    return np.isin(data['dseg'], chosen)


class _FitR2starInputSpec(BaseInterfaceInputSpec):
    magnitude = File(exists=True, mandatory=True, desc='(x, y, z, echo)')
    echo_times = traits.List(traits.Float, mandatory=True, desc='rising, s')
    mask = File(exists=True, mandatory=True, desc='where to fit')
    method = traits.Enum(*R2STAR_METHODS, usedefault=True, desc='fit; auto by the echo times')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='threads')


class _FitR2starOutputSpec(TraitedSpec):
    r2star = File(desc='R2*, 1/s')
    t2star = File(desc='T2*, s')
    s0 = File(desc='signal at echo time zero')
    parameters = traits.Dict(desc='method')


class FitR2star(SimpleInterface):
    """Fit the decay of the magnitude."""

    input_spec = _FitR2starInputSpec
    output_spec = _FitR2starOutputSpec

    def _run_interface(self, runtime):
        data, _, affine = _load(self.inputs, 'magnitude', mask='mask')
        times, mask = list(self.inputs.echo_times), data['mask']
        method = r2star_method(times, self.inputs.method)
        r2star, s0 = fit_r2star(
            data['magnitude'], times, mask, method=method, nthreads=self.inputs.nthreads
        )
        images = {'r2star': r2star, 't2star': t2star(r2star, mask), 's0': s0}
        for name, image in images.items():
            self._results[name] = _save(image, affine, Path(runtime.cwd), name)
        self._results['parameters'] = {'method': method, 'echo_times': times}
        return runtime


class _SeparateSourcesInputSpec(BaseInterfaceInputSpec):
    chimap = File(exists=True, mandatory=True, desc='susceptibility, ppm')
    r2star = File(exists=True, mandatory=True, desc='R2*, 1/s')
    mask = File(exists=True, mandatory=True, desc='where the map holds')
    b0 = traits.Float(mandatory=True, desc='main field, T')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='threads')


class _SeparateSourcesOutputSpec(TraitedSpec):
    paramagnetic = File(desc='paramagnetic part, ppm, not negative')
    diamagnetic = File(desc='diamagnetic part, ppm, not positive')
    parameters = traits.Dict(desc='method and every setting')


class SeparateSources(SimpleInterface):
    """Para- and diamagnetic susceptibility from the map and R2*."""

    input_spec = _SeparateSourcesInputSpec
    output_spec = _SeparateSourcesOutputSpec

    def _run_interface(self, runtime):
        data, grid, affine = _load(self.inputs, 'chimap', 'r2star', mask='mask')
        method = next(iter(SEPARATION.values()))
        scan = Scan(grid, b0=self.inputs.b0)
        data |= run_step(method, data, scan, nthreads=self.inputs.nthreads)
        _finish(self, runtime, data, affine, ('paramagnetic', 'diamagnetic'), method)
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
        `magnitude`, `phase`, `first_magnitude` (float32), `affine`, `echo_times` (rising),
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
    affine, shape = _geometry(magnitude[order[0]])
    sizes = _stack([magnitude[i] for i in order], affine, shape)
    stored = _stack([phase[i] for i in order], affine, shape)
    where = Path(phase[order[0]])
    if looks_swapped(stored[..., 0], sizes[..., 0]):
        raise InputError(
            magnitude[order[0]], 'looks like a phase image', 'exchange magnitude and phase'
        )
    try:
        angle, note = to_radians(stored, units=units)
    except NigraError as error:
        raise InputError(where, str(error), 'check the file and its Units') from error
    broken = ~finite_mask(angle, sizes)
    angle[broken] = np.nan
    sizes[broken] = 0
    warnings = []
    negative = sizes < 0  # interpolation leaves a few; they carry no signal
    if negative.any():
        name = Path(magnitude[order[0]]).name
        warnings.append(f'{name}: {int(negative.sum())} negative values are set to zero.')
        sizes[negative] = 0
    if broken.any():
        warnings.append(f'{where.name}: {int(broken.sum())} voxels are not finite and left out.')
    if 'it spans' in note:
        warnings.append(f'{where.name}: {note}')
    return {
        'magnitude': sizes,
        'phase': angle,
        'first_magnitude': combine_magnitude(sizes),
        'affine': affine,
        'echo_times': [float(echo_times[i]) for i in order],
        'warnings': warnings,
        'note': note,
    }


def _geometry(path: str | Path) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    image = load_image(path)
    return np.asarray(image.affine, float), image.shape[:3]


def _stack(
    paths: Sequence[str | Path], affine: NDArray[Any], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Echoes side by side, after checking that they share a grid."""
    out = np.empty((*shape, len(paths)), np.float32)
    for echo, path in enumerate(paths):
        image = load_image(path)
        if image.shape[:3] != shape or image.shape[3:] not in ((), (1,)):
            raise InputError(
                path, f'has shape {image.shape}, the first echo {shape}', 'give one grid per scan'
            )
        if not np.allclose(image.affine, affine, atol=1e-2):
            raise InputError(
                path, 'lies elsewhere than the first echo', 'give images of one acquisition'
            )
        out[..., echo] = load_data(path, dtype=np.float32).reshape(shape)
    return out


def _load(inputs: Any, *names: str, mask: str) -> tuple[Arrays, Grid, NDArray[Any]]:
    """Defined images by name, float32, and the mask; all on one grid."""
    image = load_image(getattr(inputs, mask))
    data: Arrays = {'mask': load_data(getattr(inputs, mask)).reshape(image.shape[:3]) > 0}
    for name in names:
        path = getattr(inputs, name)
        if not isdefined(path):
            continue
        other = load_image(path)
        if other.shape[:3] != image.shape[:3] or not np.allclose(
            other.affine, image.affine, atol=1e-2
        ):
            raise InputError(
                path, 'is not on the grid of its mask', f'resample {getattr(inputs, mask)}'
            )
        data[name] = load_data(path, dtype=np.float32)
    affine = np.asarray(image.affine, float)
    return data, Grid.from_affine(image.shape, affine), affine


def _save(array: NDArray[Any], affine: NDArray[Any], folder: Path, name: str) -> str:
    """Write an intermediate image without compression, which would take longer than the step."""
    dtype = np.uint8 if array.dtype == bool else np.float32
    return str(save_image(array, affine, folder / f'{name}.nii', dtype=dtype))


def _finish(
    interface: SimpleInterface,
    runtime: Any,
    data: Arrays,
    affine: NDArray[Any],
    names: Sequence[str],
    method: Method,
) -> None:
    for name in names:
        interface._results[name] = _save(data[name], affine, Path(runtime.cwd), name)
    interface._results['parameters'] = parameters(method)


def _mask_warnings(brain: NDArray[np.bool_], trusted: NDArray[np.bool_]) -> list[str]:
    fraction = trusted.sum() / max(1, brain.sum())
    if fraction >= MASK_WARNING:
        return []
    return [f'Only {100 * fraction:.0f} % of the brain mask has phase that can be trusted.']
