"""Anatomy of one T1w image: bias field, brain mask, template registration, deep grey labels."""

from __future__ import annotations

from pathlib import Path

from nipype.pipeline.engine import Node, Workflow

from ..interfaces.anatomy.bias import CorrectBias
from ..interfaces.anatomy.brain_mask import BrainMask
from ..interfaces.anatomy.deep_grey import AlignDeepGrey
from ..interfaces.anatomy.template_on_t1w import TemplateOnT1w
from ..interfaces.anatomy.whole_brain import AlignTemplate
from ..interfaces.methods import Methods
from .graph import (
    ANTS_MEMORY,
    add_ends,
    engine_options,
    gather_reports,
    merge_warnings,
    nodes_of,
)

INPUTS = ('t1w',)
"""3D, with or without skull."""
OUTPUTS = (
    't1w_preproc', 'brain_mask', 'template_in_t1w', 't1w_to_template_xfm', 'template_to_t1w_xfm',
    'labels_in_t1w', 'warnings', 'quality', 'parameters',
)  # fmt: skip
"""T1w without bias field and its brain, template and deep grey labels, all on the T1w grid; one
displacement field for each direction, for `antsApplyTransforms`; what the steps report of
themselves."""


def init_anat_wf(
    methods: Methods,
    *,
    nthreads: int = 1,
    brain_mask: str | Path | None = None,
    name: str = 'anat_wf',
) -> Workflow:
    """Find the brain and its deep grey nuclei on a T1w image.

    The image is aligned with the MNI ICBM 2009c template in two steps of symmetric
    diffeomorphic normalisation (Avants 2008, doi 10.1016/j.media.2007.06.004), the whole brain on
    coarse voxels and then the deep grey matter on finer ones; N4 removes the bias field
    (Tustison 2010, doi 10.1109/TMI.2010.2046908), and tissue intensities sharpen the brain mask.

    Parameters
    ----------
    methods
        Preset and seed of the registration.
    nthreads
        Threads of the costly stages; the result does not depend on their number.
    brain_mask
        Mask to use instead of a new one, in the space of the T1w image.
    name
        Of the workflow.

    Inputs are `INPUTS`, outputs `OUTPUTS`.
    """
    workflow = Workflow(name=name)
    engine = engine_options(methods, nthreads)
    resources = {'n_procs': nthreads, **ANTS_MEMORY}
    given = {} if brain_mask is None else {'given': str(brain_mask)}
    add_ends(workflow, INPUTS, OUTPUTS)
    workflow.add_nodes([
        Node(AlignTemplate(**engine), name='align_template', **resources),
        Node(CorrectBias(entry='bias', **engine), name='correct_bias', **ANTS_MEMORY),
        Node(BrainMask(**given), name='brain_mask', **ANTS_MEMORY),
        Node(AlignDeepGrey(**engine), name='align_deep_grey', **resources),
        Node(TemplateOnT1w(**engine), name='template_on_t1w', **ANTS_MEMORY),
    ])  # fmt: skip
    _connect_steps(workflow)
    _connect_reports(workflow)
    _connect_results(workflow)
    return workflow


def _connect_steps(workflow: Workflow) -> None:
    """Whole brain, bias field, brain mask, deep grey, labels."""
    inputnode, align_template, correct_bias, brain_mask, align_deep_grey, template_on_t1w = (
        nodes_of(workflow, 'inputnode', 'align_template', 'correct_bias', 'brain_mask',
                 'align_deep_grey', 'template_on_t1w')
    )  # fmt: skip
    workflow.connect([
        (inputnode, align_template, [('t1w', 't1w')]),
        (inputnode, correct_bias, [('t1w', 'in_file')]),
        (align_template, correct_bias, [('prior', 'mask')]),
        (align_template, brain_mask, [('prior', 'prior')]),
        (correct_bias, brain_mask, [('out_file', 't1w')]),
        (correct_bias, align_deep_grey, [('out_file', 't1w')]),
        (align_template, align_deep_grey, [('t1w_to_template', 't1w_to_template'),
                                           ('template_to_t1w', 'template_to_t1w')]),
        (correct_bias, template_on_t1w, [('out_file', 't1w')]),
        (brain_mask, template_on_t1w, [('brain_mask', 'brain_mask')]),
        (align_deep_grey, template_on_t1w, [('template_to_t1w_xfm', 'template_to_t1w_xfm')]),
    ])  # fmt: skip


def _connect_reports(workflow: Workflow) -> None:
    """What the steps report of themselves, by the names that sidecars and quality know."""
    judged = {
        'start': 'align_template',
        'brain': 'brain_mask',
        'deep_grey': 'align_deep_grey',
        'template': 'template_on_t1w',
    }
    done = {
        'whole_brain': 'align_template',
        'bias': 'correct_bias',
        'deep_grey': 'align_deep_grey',
    }
    gather_reports(workflow, 'quality', judged)
    gather_reports(workflow, 'parameters', done)
    merge_warnings(workflow, 'brain_mask', 'template_on_t1w')


def _connect_results(workflow: Workflow) -> None:
    """Images and transforms."""
    correct_bias, brain_mask, align_deep_grey, template_on_t1w, outputnode = nodes_of(
        workflow, 'correct_bias', 'brain_mask', 'align_deep_grey', 'template_on_t1w', 'outputnode'
    )
    workflow.connect([
        (correct_bias, outputnode, [('out_file', 't1w_preproc')]),
        (brain_mask, outputnode, [('brain_mask', 'brain_mask')]),
        (align_deep_grey, outputnode, [('t1w_to_template_xfm', 't1w_to_template_xfm'),
                                       ('template_to_t1w_xfm', 'template_to_t1w_xfm')]),
        (template_on_t1w, outputnode, [('template_in_t1w', 'template_in_t1w'),
                                       ('labels_in_t1w', 'labels_in_t1w')]),
    ])  # fmt: skip
