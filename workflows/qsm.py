"""Susceptibility mapping of one gradient-echo run: phase to total field to local field to map."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.outputs import Gather
from ..interfaces.qsm import FieldMap, FitR2star, InvertDipole, Reference, RemoveBackground

INPUTS = ('phase', 'magnitude', 'brain_mask', 'echo_times')
OUTPUTS = ('totalfield', 'localfield', 'chimap', 'r2star', 'qsm_mask', 'warnings', 'parameters')


def init_qsm_wf(
    *,
    b0: float,
    n_echoes: int,
    background: str,
    inversion: str,
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
        Methods by name, as `nigra-stage --list-methods` shows them.
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

    Outputs
    -------
    totalfield, localfield, chimap
        ppm.
    r2star
        1/s; undefined for one echo.
    qsm_mask
        Where the map holds.
    warnings, parameters
        What the steps report of themselves.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(INPUTS)), name='inputnode')
    outputnode = Node(IdentityInterface(list(OUTPUTS)), name='outputnode')
    resources = {'n_procs': nthreads, 'mem_gb': mem_gb}
    field_map = Node(FieldMap(b0=b0, nthreads=nthreads), name='field_map', **resources)
    remove_background = Node(
        RemoveBackground(method=background, nthreads=nthreads),
        name='remove_background',
        **resources,
    )
    invert_dipole = Node(
        InvertDipole(method=inversion, nthreads=nthreads), name='invert_dipole', **resources
    )
    reference = Node(Reference(), name='reference')
    steps = {
        'field': field_map,
        'background': remove_background,
        'inversion': invert_dipole,
        'reference': reference,
    }
    workflow.connect([
        (inputnode, field_map, [(field, field) for field in INPUTS]),
        (field_map, remove_background, [('totalfield', 'totalfield'), ('mask', 'mask'),
                                        ('noise', 'noise')]),
        (inputnode, invert_dipole, [('magnitude', 'magnitude')]),
        (remove_background, invert_dipole, [('localfield', 'localfield'), ('mask', 'mask')]),
        (invert_dipole, reference, [('chimap', 'chimap')]),
        (remove_background, reference, [('mask', 'mask')]),
        (field_map, outputnode, [('totalfield', 'totalfield'), ('warnings', 'warnings')]),
        (remove_background, outputnode, [('localfield', 'localfield'), ('mask', 'qsm_mask')]),
        (reference, outputnode, [('chimap', 'chimap')]),
    ])  # fmt: skip
    if n_echoes > 1:
        fit_r2star = Node(FitR2star(), name='fit_r2star', mem_gb=mem_gb)
        steps['r2star'] = fit_r2star
        workflow.connect([
            (inputnode, fit_r2star, [('magnitude', 'magnitude'), ('echo_times', 'echo_times')]),
            (field_map, fit_r2star, [('mask', 'mask')]),
            (fit_r2star, outputnode, [('r2star', 'r2star')]),
        ])  # fmt: skip
    parameters = Node(Gather(list(steps)), name='parameters')
    for step, node in steps.items():
        workflow.connect(node, 'parameters', parameters, step)
    workflow.connect(parameters, 'out', outputnode, 'parameters')
    return workflow
