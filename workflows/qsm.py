"""Susceptibility mapping of one gradient-echo run: phase to total field to local field to map."""

from __future__ import annotations

from typing import Any

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.outputs import Gather
from ..interfaces.qsm import (
    FieldMap,
    FitR2star,
    InvertDipole,
    ReconstructOneStep,
    Reference,
    RemoveBackground,
    SeparateSources,
)
from ..nodes.methods import ONE_STEP

INPUTS = ('phase', 'magnitude', 'brain_mask', 'echo_times', 'dseg', 'dseg_tsv')
MAPS = ('totalfield', 'localfield', 'chimap', 'qsm_mask')
SEVERAL_ECHOES = ('r2star', 't2star', 's0')
PARTS = ('paramagnetic', 'diamagnetic')
OUTPUTS = (*MAPS, *SEVERAL_ECHOES, *PARTS, 'warnings', 'parameters')
_ECHOES = ('phase', 'magnitude', 'brain_mask', 'echo_times')


def init_qsm_wf(
    *,
    b0: float,
    n_echoes: int,
    background: str,
    inversion: str,
    reference: str = 'brain',
    separation: bool = False,
    nthreads: int = 1,
    mem_gb: float = 1.0,
    name: str = 'qsm_wf',
) -> Workflow:
    """Reconstruct susceptibility from the phase of one run.

    Phase is unwrapped and echoes are combined before the background field is removed, and the
    map is referenced to the whole brain (Bilgic 2024, doi 10.1002/mrm.30006).

    Parameters
    ----------
    b0
        Field strength, tesla.
    n_echoes
        R2* is fitted where there are several.
    background, inversion
        Methods by name, as `nigra-stage --list-methods` shows them. An inversion that takes the
        phase in one step leaves the background method out.
    reference
        `none`, `brain`, `csf` or a region of the labels.
    separation
        Separate para- from diamagnetic susceptibility; several echoes only.
    nthreads
        Threads of FFTs and kernels; the result does not depend on it.
    mem_gb
        Memory of the largest step.
    name
        Of the workflow.

    Inputs
    ------
    phase, magnitude
        4D, rad and arbitrary, one volume per echo.
    brain_mask
        In acquisition space.
    echo_times
        Seconds.
    dseg, dseg_tsv
        Labels in acquisition space and their regions; read where the reference is one.

    Outputs
    -------
    totalfield, localfield, chimap
        ppm; there is no local field where one step does all.
    r2star, t2star, s0
        1/s, s, and the magnitude's units; undefined for one echo.
    paramagnetic, diamagnetic
        ppm; undefined unless asked for.
    qsm_mask
        Where the map holds.
    warnings, parameters
        What the steps report of themselves.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(INPUTS)), name='inputnode')
    outputnode = Node(IdentityInterface(list(OUTPUTS)), name='outputnode')
    resources: dict[str, Any] = {'n_procs': nthreads, 'mem_gb': mem_gb}
    field_map = Node(FieldMap(b0=b0, nthreads=nthreads), name='field_map', **resources)
    set_reference = Node(Reference(reference=reference), name='set_reference')
    steps = {'field': field_map, 'reference': set_reference}
    workflow.connect([
        (inputnode, field_map, [(field, field) for field in _ECHOES]),
        (field_map, outputnode, [('totalfield', 'totalfield'), ('warnings', 'warnings')]),
        (inputnode, set_reference, [('dseg', 'dseg'), ('dseg_tsv', 'dseg_tsv')]),
        (set_reference, outputnode, [('chimap', 'chimap')]),
    ])  # fmt: skip
    options: dict[str, Any] = {'nthreads': nthreads, 'resources': resources}
    if inversion in ONE_STEP['end-to-end']:
        steps |= _add_one_step(workflow, inversion, b0, **options)
    else:
        steps |= _add_two_steps(workflow, background, inversion, b0, **options)
    if n_echoes > 1:
        steps |= _add_relaxometry(workflow, **options)
        if separation:
            steps |= _add_separation(workflow, b0, **options)
    parameters = Node(Gather(list(steps)), name='parameters')
    for step, node in steps.items():
        workflow.connect(node, 'parameters', parameters, step)
    workflow.connect(parameters, 'out', outputnode, 'parameters')
    return workflow


def _nodes(workflow: Workflow, *names: str) -> list[Node]:
    return [workflow.get_node(name) for name in names]


def _add_one_step(
    workflow: Workflow, inversion: str, b0: float, *, nthreads: int, resources: dict[str, Any]
) -> dict[str, Node]:
    """From the phase to the map at once."""
    inputnode, field_map, set_reference, outputnode = _nodes(
        workflow, 'inputnode', 'field_map', 'set_reference', 'outputnode'
    )
    one_step = Node(
        ReconstructOneStep(b0=b0, method=inversion, nthreads=nthreads),
        name='one_step',
        **resources,
    )
    workflow.connect([
        (inputnode, one_step, [(f, f) for f in ('phase', 'magnitude', 'echo_times')]),
        (field_map, one_step, [('mask', 'mask')]),
        (one_step, set_reference, [('chimap', 'chimap'), ('mask', 'mask')]),
        (one_step, outputnode, [('mask', 'qsm_mask')]),
    ])  # fmt: skip
    return {'inversion': one_step}


def _add_two_steps(
    workflow: Workflow, background: str, inversion: str, b0: float, *, nthreads: int,
    resources: dict[str, Any],
) -> dict[str, Node]:  # fmt: skip
    """From the total to the local field, and from that to the map."""
    inputnode, field_map, set_reference, outputnode = _nodes(
        workflow, 'inputnode', 'field_map', 'set_reference', 'outputnode'
    )
    remove_background = Node(
        RemoveBackground(method=background, nthreads=nthreads),
        name='remove_background',
        **resources,
    )
    invert_dipole = Node(
        InvertDipole(method=inversion, b0=b0, nthreads=nthreads), name='invert_dipole', **resources
    )
    workflow.connect([
        (field_map, remove_background, [('totalfield', 'totalfield'), ('mask', 'mask'),
                                        ('noise', 'noise')]),
        (inputnode, invert_dipole, [('magnitude', 'magnitude'), ('echo_times', 'echo_times')]),
        (field_map, invert_dipole, [('noise', 'noise')]),
        (remove_background, invert_dipole, [('localfield', 'localfield'), ('mask', 'mask')]),
        (invert_dipole, set_reference, [('chimap', 'chimap')]),
        (remove_background, set_reference, [('mask', 'mask')]),
        (remove_background, outputnode, [('localfield', 'localfield'), ('mask', 'qsm_mask')]),
    ])  # fmt: skip
    return {'background': remove_background, 'inversion': invert_dipole}


def _add_relaxometry(
    workflow: Workflow, *, nthreads: int, resources: dict[str, Any]
) -> dict[str, Node]:
    """R2* and what follows from it, of several echoes."""
    inputnode, field_map, set_reference, outputnode = _nodes(
        workflow, 'inputnode', 'field_map', 'set_reference', 'outputnode'
    )
    fit_r2star = Node(FitR2star(nthreads=nthreads), name='fit_r2star', **resources)
    workflow.connect([
        (inputnode, fit_r2star, [('magnitude', 'magnitude'), ('echo_times', 'echo_times')]),
        (field_map, fit_r2star, [('mask', 'mask')]),
        (fit_r2star, outputnode, [(name, name) for name in SEVERAL_ECHOES]),
        (fit_r2star, set_reference, [('r2star', 'r2star')]),
    ])  # fmt: skip
    return {'r2star': fit_r2star}


def _add_separation(
    workflow: Workflow, b0: float, *, nthreads: int, resources: dict[str, Any]
) -> dict[str, Node]:
    """Para- and diamagnetic parts of the map."""
    set_reference, fit_r2star, outputnode = _nodes(
        workflow, 'set_reference', 'fit_r2star', 'outputnode'
    )
    separate_sources = Node(
        SeparateSources(b0=b0, nthreads=nthreads), name='separate_sources', **resources
    )
    workflow.connect([
        (set_reference, separate_sources, [('chimap', 'chimap'), ('mask', 'mask')]),
        (fit_r2star, separate_sources, [('r2star', 'r2star')]),
        (separate_sources, outputnode, [(name, name) for name in PARTS]),
    ])  # fmt: skip
    return {'separation': separate_sources}
