"""Susceptibility mapping of one gradient-echo run: phase to total field to local field to map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nipype.interfaces.base import SimpleInterface
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.methods import Methods
from ..interfaces.names import images
from ..interfaces.phase_sign import CHECKING, CheckSign
from ..interfaces.qsm import (
    FieldMap,
    FitR2star,
    InvertDipole,
    ReconstructOneStep,
    RemoveBackground,
    SeparateSources,
)
from ..interfaces.reference import Reference
from ..nodes.memory import Memory
from .graph import add_ends, gather_reports, merge_warnings, nodes_of

INPUTS = ('phase', 'magnitude', 'brain_mask', 'echo_times', 'dseg', 'dseg_tsv', 'loaded')
"""Phase (rad) and magnitude, one volume per echo; brain mask, in acquisition space; echo times, s;
labels in acquisition space and their regions, read where the reference is one; what loading the
phase has found."""
MAPS = tuple(name for name in images('scan') if name != 'dseg')
"""Images of a run that come from its reconstruction; labels come from the registration."""
OUTPUTS = (*MAPS, 'reference_region', 'warnings', 'parameters', 'quality')
"""Images as `names.images` describes them, fields in ppm; where the map is zero on average; what
the steps report of themselves."""
_ECHOES = ('phase', 'magnitude', 'brain_mask', 'echo_times')


def init_qsm_wf(
    methods: Methods,
    *,
    b0: float,
    n_echoes: int,
    nthreads: int = 1,
    voxels: int = 0,
    metadata: Mapping[str, Any] | None = None,
    name: str = 'qsm_wf',
) -> Workflow:
    """Reconstruct susceptibility from the phase of one run.

    Phase is unwrapped and echoes are combined before the background field is removed, and the
    map is relative to the mean over `Methods.reference`: the QSM mask by default, as a consensus
    suggests (Bilgic 2024, doi 10.1002/mrm.30006).

    Parameters
    ----------
    methods
        The steps and their settings. An inversion that takes the phase in one step leaves the
        background out.
    b0
        Field strength, tesla.
    n_echoes
        R2* is fitted, and parts of the map are separated, where there are several.
    nthreads
        Threads of FFTs and kernels; the result does not depend on it.
    voxels
        Of one image; tells how much memory each step takes.
    metadata
        Sidecar of the phase, for hints on its sign and filters.
    name
        Of the workflow.

    Inputs
    ------
    `INPUTS`

    Outputs
    -------
    `OUTPUTS`; those that this run does not make stay undefined.
    """
    workflow = Workflow(name=name)
    add_ends(workflow, INPUTS, OUTPUTS)
    make = _StepMaker(workflow, methods, b0, nthreads, voxels, n_echoes)
    steps = _add_field_and_reference(workflow, make)
    steps['phase'] = _add_sign(workflow, make, metadata or {})
    steps |= _add_one_step(workflow, make) if methods.one_step else _add_two_steps(workflow, make)
    if n_echoes > 1:
        steps |= _add_relaxometry(workflow, make)
        if methods.separation:
            steps |= _add_separation(workflow, make)
    gather_reports(workflow, 'parameters', {step: node.name for step, node in steps.items()})
    return workflow


@dataclass(frozen=True)
class _StepMaker:
    """Makes the node of a step with its method, settings and resources."""

    workflow: Workflow
    methods: Methods
    b0: float
    nthreads: int
    voxels: int
    n_echoes: int

    def __call__(self, name: str, interface: type[SimpleInterface], step: str) -> Node:
        """Node `name` that does `step`, a key of `Methods.steps`."""
        options: dict[str, Any] = {'settings': self.methods.settings_of(step)}
        known = interface.input_spec().trait_names()
        if 'b0' in known:
            options['b0'] = self.b0
        if 'method' in known:
            options['method'] = getattr(self.methods, step)
        node = Node(
            interface(nthreads=self.nthreads, **options),
            name=name,
            n_procs=self.nthreads,
            mem_gb=self.memory_gb(self.methods.steps()[step].memory),
        )
        self.workflow.add_nodes([node])
        return node

    def memory_gb(self, memory: Memory) -> float:
        """Memory of a step on the images of this run, GB."""
        return memory.gb(self.voxels, self.n_echoes)


def _add_field_and_reference(workflow: Workflow, make: _StepMaker) -> dict[str, Node]:
    """The first step and the last, whatever lies between them."""
    inputnode, outputnode = nodes_of(workflow, 'inputnode', 'outputnode')
    field_map = make('field_map', FieldMap, 'field')
    set_reference = Node(Reference(reference=make.methods.reference), name='set_reference')
    workflow.connect([
        (inputnode, field_map, [(field, field) for field in _ECHOES]),
        (inputnode, set_reference, [('dseg', 'dseg'), ('dseg_tsv', 'dseg_tsv')]),
        (set_reference, outputnode, [('chimap', 'chimap'), ('region', 'reference_region')]),
    ])  # fmt: skip
    return {'field': field_map, 'reference': set_reference}


def _add_sign(workflow: Workflow, make: _StepMaker, metadata: Mapping[str, Any]) -> Node:
    """Phase and total field with the right sign, for all steps after the field."""
    inputnode, field_map, outputnode = nodes_of(workflow, 'inputnode', 'field_map', 'outputnode')
    check_sign = Node(
        CheckSign(sign=make.methods.phase_sign, metadata=dict(metadata)),
        name='check_sign',
        mem_gb=make.memory_gb(CHECKING),
    )
    workflow.connect([
        (inputnode, check_sign, [(name, name) for name in ('phase', 'magnitude', 'loaded')]),
        (field_map, check_sign, [
            (name, name) for name in ('totalfield', 'mask', 'conductivity', 'found')
        ]),
        (check_sign, outputnode, [('totalfield', 'totalfield'), ('quality', 'quality')]),
    ])  # fmt: skip
    merge_warnings(workflow, 'field_map', 'check_sign')
    return check_sign


def _add_one_step(workflow: Workflow, make: _StepMaker) -> dict[str, Node]:
    """From the phase to the map at once."""
    inputnode, field_map, check_sign, set_reference, outputnode = nodes_of(
        workflow, 'inputnode', 'field_map', 'check_sign', 'set_reference', 'outputnode'
    )
    one_step = make('one_step', ReconstructOneStep, 'inversion')
    workflow.connect([
        (inputnode, one_step, [(f, f) for f in ('magnitude', 'echo_times')]),
        (check_sign, one_step, [('phase', 'phase')]),
        (field_map, one_step, [('mask', 'mask')]),
        (one_step, set_reference, [('chimap', 'chimap'), ('mask', 'mask')]),
        (one_step, outputnode, [('mask', 'qsm_mask')]),
    ])  # fmt: skip
    return {'inversion': one_step}


def _add_two_steps(workflow: Workflow, make: _StepMaker) -> dict[str, Node]:
    """From the total to the local field, and from that to the map."""
    inputnode, field_map, check_sign, set_reference, outputnode = nodes_of(
        workflow, 'inputnode', 'field_map', 'check_sign', 'set_reference', 'outputnode'
    )
    remove_background = make('remove_background', RemoveBackground, 'background')
    invert_dipole = make('invert_dipole', InvertDipole, 'inversion')
    workflow.connect([
        (check_sign, remove_background, [('totalfield', 'totalfield')]),
        (field_map, remove_background, [('mask', 'mask'), ('noise', 'noise')]),
        (inputnode, invert_dipole, [('magnitude', 'magnitude'), ('echo_times', 'echo_times')]),
        (field_map, invert_dipole, [('noise', 'noise')]),
        (remove_background, invert_dipole, [('localfield', 'localfield'), ('mask', 'mask')]),
        (invert_dipole, set_reference, [('chimap', 'chimap')]),
        (remove_background, set_reference, [('mask', 'mask')]),
        (remove_background, outputnode, [('localfield', 'localfield'), ('mask', 'qsm_mask')]),
    ])  # fmt: skip
    return {'background': remove_background, 'inversion': invert_dipole}


def _add_relaxometry(workflow: Workflow, make: _StepMaker) -> dict[str, Node]:
    """R2* and what follows from it, of several echoes."""
    inputnode, field_map, set_reference, outputnode = nodes_of(
        workflow, 'inputnode', 'field_map', 'set_reference', 'outputnode'
    )
    fit_r2star = make('fit_r2star', FitR2star, 'relaxometry')
    workflow.connect([
        (inputnode, fit_r2star, [('magnitude', 'magnitude'), ('echo_times', 'echo_times')]),
        (field_map, fit_r2star, [('mask', 'mask')]),
        (fit_r2star, outputnode, [(name, name) for name in ('r2star', 't2star', 's0')]),
        (fit_r2star, set_reference, [('r2star', 'r2star')]),
    ])  # fmt: skip
    return {'r2star': fit_r2star}


def _add_separation(workflow: Workflow, make: _StepMaker) -> dict[str, Node]:
    """Para- and diamagnetic parts of the map."""
    set_reference, fit_r2star, outputnode = nodes_of(
        workflow, 'set_reference', 'fit_r2star', 'outputnode'
    )
    separate_sources = make('separate_sources', SeparateSources, 'separation')
    workflow.connect([
        (set_reference, separate_sources, [('chimap', 'chimap'), ('mask', 'mask')]),
        (fit_r2star, separate_sources, [('r2star', 'r2star')]),
        (separate_sources, outputnode, [(name, name) for name in ('paramagnetic', 'diamagnetic')]),
    ])  # fmt: skip
    return {'separation': separate_sources}
