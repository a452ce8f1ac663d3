"""Nipype interfaces of the susceptibility reconstruction, one per step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from ..nodes.field.masks import finite_mask
from ..nodes.field.relaxometry import r2star_method, t2star
from ..nodes.grid import Grid
from ..nodes.methods import BACKGROUND, FIELD, INVERSION, ONE_STEP, RELAXOMETRY, SEPARATION, Method
from ..nodes.stages import Arrays, Scan, parameters, run_step
from .phase_found import tell_alternation
from .reconstruction import conductivity, trust
from .step_images import load_step, save_step


class _StepInputSpec(BaseInterfaceInputSpec):
    settings = traits.Dict(desc='settings of the method that differ from its defaults')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='threads')


class _StepOutputSpec(TraitedSpec):
    parameters = traits.Dict(desc='method and every setting')


class _Step(SimpleInterface):
    """Load the images, run one method of a step, save what it makes.

    A step names its images and its methods; `_prepare` and `_finish` are for what it does beside
    its method.
    """

    _methods: ClassVar[Mapping[str, Method]]
    _reads: ClassVar[tuple[str, ...]]
    _makes: ClassVar[tuple[str, ...]]
    _mask: ClassVar[str] = 'mask'

    def _run_interface(self, runtime):
        inputs = self.inputs
        data, grid, affine = load_step(inputs, *self._reads, mask=self._mask)
        self._prepare(data, grid)
        method = self._methods[getattr(inputs, 'method', next(iter(self._methods)))]
        settings = dict(inputs.settings) if isdefined(inputs.settings) else {}
        data |= run_step(
            method, data, self._scan(grid), settings=settings, nthreads=inputs.nthreads
        )
        self._results['parameters'] = parameters(method, settings)
        self._finish(data)
        for name in self._makes:
            self._results[name] = save_step(data[name], affine, Path(runtime.cwd), name)
        return runtime

    def _scan(self, grid: Grid) -> Scan:
        """Geometry, with echo times and field strength where the step takes them."""
        known = {
            name: getattr(self.inputs, name)
            for name in ('echo_times', 'b0')
            if name in self.inputs.trait_names()
        }
        if not all(isdefined(value) for value in known.values()):
            return Scan(grid)  # one of the two alone would be half of what a phase model needs
        if 'echo_times' in known:
            known['echo_times'] = tuple(known['echo_times'])
        return Scan(grid, **known)

    def _prepare(self, data: Arrays, grid: Grid) -> None:
        """Change the images before the method sees them."""

    def _finish(self, data: Arrays) -> None:
        """Add to the results what follows from what the method made."""


class _FieldMapInputSpec(_StepInputSpec):
    phase = File(exists=True, mandatory=True, desc='(x, y, z, echo), rad')
    magnitude = File(exists=True, mandatory=True, desc='(x, y, z, echo)')
    brain_mask = File(exists=True, mandatory=True, desc='brain on the same grid')
    echo_times = traits.List(traits.Float, mandatory=True, desc='rising, s')
    b0 = traits.Float(mandatory=True, desc='main field, T')
    method = traits.Enum(*FIELD, usedefault=True, desc='unwrapping and fit')


class _FieldMapOutputSpec(_StepOutputSpec):
    totalfield = File(desc='total field, ppm')
    noise = File(desc='its standard deviation, ppm')
    mask = File(desc='part of the brain in which the phase can be trusted')
    warnings = traits.List(traits.Str, desc='what the user should know')
    conductivity = traits.Float(desc='by the curvature of the phase at time zero, S/m')
    found = traits.Dict(desc='open fringe lines, and what alternated from echo to echo')


class FieldMap(_Step):
    """Unwrap the phase and fit the total field inside a mask that can be trusted."""

    input_spec = _FieldMapInputSpec
    output_spec = _FieldMapOutputSpec
    _methods = FIELD
    _reads = ('phase', 'magnitude')
    _makes = ('totalfield', 'noise', 'mask')
    _mask = 'brain_mask'

    def _prepare(self, data: Arrays, grid: Grid) -> None:
        scan = Scan(grid, tuple(self.inputs.echo_times), self.inputs.b0)
        made = trust(data, scan, self.inputs.nthreads)
        data['mask'] = made.data['mask']
        self._results['found'] = made.parameters['phase']
        self._results['warnings'] = made.warnings

    def _finish(self, data: Arrays) -> None:
        self._results['conductivity'] = conductivity(data['curvature'], self.inputs.b0)
        found, told = tell_alternation(float(data['alternation']))
        self._results['found'] |= found
        self._results['warnings'] += told


class _RemoveBackgroundInputSpec(_StepInputSpec):
    totalfield = File(exists=True, mandatory=True, desc='total field, ppm')
    mask = File(exists=True, mandatory=True, desc='where it is known')
    noise = File(exists=True, desc='its standard deviation, ppm')
    method = traits.Enum(*BACKGROUND, usedefault=True, desc='method')


class _RemoveBackgroundOutputSpec(_StepOutputSpec):
    localfield = File(desc='local field, ppm')
    mask = File(desc='where it is known')


class RemoveBackground(_Step):
    """Take away the field of sources outside the brain."""

    input_spec = _RemoveBackgroundInputSpec
    output_spec = _RemoveBackgroundOutputSpec
    _methods = BACKGROUND
    _reads = ('totalfield', 'noise')
    _makes = ('localfield', 'mask')


class _InvertDipoleInputSpec(_StepInputSpec):
    localfield = File(exists=True, mandatory=True, desc='local field, ppm')
    mask = File(exists=True, mandatory=True, desc='where it is known')
    magnitude = File(exists=True, desc='magnitude, (x, y, z) or (x, y, z, echo)')
    noise = File(exists=True, desc='standard deviation of the field, ppm')
    echo_times = traits.List(traits.Float, desc='rising, s')
    b0 = traits.Float(desc='main field, T')
    method = traits.Enum(*INVERSION, usedefault=True, desc='method')


class _InvertDipoleOutputSpec(_StepOutputSpec):
    chimap = File(desc='susceptibility, ppm, reference not set')


class InvertDipole(_Step):
    """Local field to susceptibility."""

    input_spec = _InvertDipoleInputSpec
    output_spec = _InvertDipoleOutputSpec
    _methods = INVERSION
    _reads = ('localfield', 'magnitude', 'noise')
    _makes = ('chimap',)


class _ReconstructOneStepInputSpec(_StepInputSpec):
    phase = File(exists=True, mandatory=True, desc='(x, y, z, echo), rad')
    magnitude = File(exists=True, mandatory=True, desc='(x, y, z, echo)')
    mask = File(exists=True, mandatory=True, desc='where the phase can be trusted')
    echo_times = traits.List(traits.Float, mandatory=True, desc='rising, s')
    b0 = traits.Float(mandatory=True, desc='main field, T')
    method = traits.Enum(*ONE_STEP['end-to-end'], usedefault=True, desc='method')


class _ReconstructOneStepOutputSpec(_StepOutputSpec):
    chimap = File(desc='susceptibility, ppm, reference not set')
    mask = File(desc='where it is known')


class ReconstructOneStep(_Step):
    """Wrapped phase to susceptibility in one step."""

    input_spec = _ReconstructOneStepInputSpec
    output_spec = _ReconstructOneStepOutputSpec
    _methods = ONE_STEP['end-to-end']
    _reads = ('phase', 'magnitude')
    _makes = ('chimap', 'mask')

    def _prepare(self, data: Arrays, grid: Grid) -> None:
        data['mask'] = data['mask'] & finite_mask(data['phase'], data['magnitude'])
        np.nan_to_num(data['phase'], copy=False)


class _FitR2starInputSpec(_StepInputSpec):
    magnitude = File(exists=True, mandatory=True, desc='(x, y, z, echo)')
    echo_times = traits.List(traits.Float, mandatory=True, desc='rising, s')
    mask = File(exists=True, mandatory=True, desc='where to fit')


class _FitR2starOutputSpec(_StepOutputSpec):
    r2star = File(desc='R2*, 1/s')
    t2star = File(desc='T2*, s')
    s0 = File(desc='signal at echo time zero')


class FitR2star(_Step):
    """Fit the decay of the magnitude."""

    input_spec = _FitR2starInputSpec
    output_spec = _FitR2starOutputSpec
    _methods = RELAXOMETRY
    _reads = ('magnitude',)
    _makes = ('r2star', 't2star', 's0')

    def _finish(self, data: Arrays) -> None:
        data['t2star'] = t2star(data['r2star'], data['mask'])
        times = list(self.inputs.echo_times)
        known = self._results['parameters']
        known |= {'method': r2star_method(known['method']), 'echo_times': times}


class _SeparateSourcesInputSpec(_StepInputSpec):
    chimap = File(exists=True, mandatory=True, desc='susceptibility, ppm')
    r2star = File(exists=True, mandatory=True, desc='R2*, 1/s')
    mask = File(exists=True, mandatory=True, desc='where the map is known')
    b0 = traits.Float(mandatory=True, desc='main field, T')


class _SeparateSourcesOutputSpec(_StepOutputSpec):
    paramagnetic = File(desc='paramagnetic part, ppm, not negative')
    diamagnetic = File(desc='diamagnetic part, ppm, not positive')


class SeparateSources(_Step):
    """Para- and diamagnetic susceptibility from the map and R2*."""

    input_spec = _SeparateSourcesInputSpec
    output_spec = _SeparateSourcesOutputSpec
    _methods = SEPARATION
    _reads = ('chimap', 'r2star')
    _makes = ('paramagnetic', 'diamagnetic')
