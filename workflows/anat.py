"""Anatomy of one T1w image: bias field, brain mask, template registration, deep grey labels."""

from __future__ import annotations

from pathlib import Path

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.anatomy.ants import (
    AlignDeepGrey,
    AlignTemplate,
    BrainMask,
    CorrectBias,
    TemplateOnT1w,
)
from ..interfaces.outputs import Gather

INPUTS = ('t1w',)
OUTPUTS = (
    't1w_preproc',
    'brain_mask',
    'template_in_t1w',
    't1w_to_template_xfm',
    'template_to_t1w_xfm',
    'labels_in_t1w',
    'warnings',
    'quality',
    'parameters',
)


def init_anat_wf(
    *,
    preset: str = 'precise',
    nthreads: int = 1,
    random_seed: int = 1,
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
    preset
        Entry of `data/registration.json`.
    nthreads
        Threads of the costly stages; the result does not depend on their number.
    random_seed
        Of random sampling.
    brain_mask
        Mask to use instead of a new one, in the space of the T1w image.
    name
        Of the workflow.

    Inputs
    ------
    t1w
        3D, with or without skull.

    Outputs
    -------
    t1w_preproc, brain_mask
        T1w without bias field, and its brain, on the T1w grid.
    template_in_t1w, labels_in_t1w
        Template and deep grey labels on the T1w grid.
    t1w_to_template_xfm, template_to_t1w_xfm
        One displacement field each, for `antsApplyTransforms`.
    warnings, quality, parameters
        What the steps report of themselves.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(INPUTS)), name='inputnode')
    outputnode = Node(IdentityInterface(list(OUTPUTS)), name='outputnode')
    engine = {'preset': preset, 'nthreads': nthreads, 'random_seed': random_seed}
    threads, memory = {'n_procs': nthreads}, {'mem_gb': 1.5}
    align_template = Node(AlignTemplate(**engine), name='align_template', **threads, **memory)
    correct_bias = Node(CorrectBias(entry='bias', **engine), name='correct_bias', **memory)
    find_brain = Node(BrainMask(), name='brain_mask', **memory)
    if brain_mask is not None:
        find_brain.inputs.given = str(brain_mask)
    align_deep_grey = Node(AlignDeepGrey(**engine), name='align_deep_grey', **threads, **memory)
    template_on_t1w = Node(TemplateOnT1w(**engine), name='template_on_t1w', **memory)
    warnings = Node(Merge(2), name='warnings')
    judged = {
        'start': align_template,
        'brain': find_brain,
        'deep_grey': align_deep_grey,
        'template': template_on_t1w,
    }
    done = {
        'whole_brain': align_template,
        'bias': correct_bias,
        'deep_grey': align_deep_grey,
    }
    quality = Node(Gather(list(judged)), name='quality')
    parameters = Node(Gather(list(done)), name='parameters')
    workflow.connect([
        (inputnode, align_template, [('t1w', 't1w')]),
        (inputnode, correct_bias, [('t1w', 'in_file')]),
        (align_template, correct_bias, [('prior', 'mask')]),
        (align_template, find_brain, [('prior', 'prior')]),
        (correct_bias, find_brain, [('out_file', 't1w')]),
        (correct_bias, align_deep_grey, [('out_file', 't1w')]),
        (align_template, align_deep_grey, [('t1w_to_template', 't1w_to_template'),
                                           ('template_to_t1w', 'template_to_t1w')]),
        (correct_bias, template_on_t1w, [('out_file', 't1w')]),
        (find_brain, template_on_t1w, [('brain_mask', 'brain_mask')]),
        (align_deep_grey, template_on_t1w, [('template_to_t1w_xfm', 'template_to_t1w_xfm')]),
        (find_brain, warnings, [('warnings', 'in1')]),
        (template_on_t1w, warnings, [('warnings', 'in2')]),
        (correct_bias, outputnode, [('out_file', 't1w_preproc')]),
        (find_brain, outputnode, [('brain_mask', 'brain_mask')]),
        (align_deep_grey, outputnode, [('t1w_to_template_xfm', 't1w_to_template_xfm'),
                                       ('template_to_t1w_xfm', 'template_to_t1w_xfm')]),
        (template_on_t1w, outputnode, [('template_in_t1w', 'template_in_t1w'),
                                       ('labels_in_t1w', 'labels_in_t1w')]),
        (warnings, outputnode, [('out', 'warnings')]),
        (quality, outputnode, [('out', 'quality')]),
        (parameters, outputnode, [('out', 'parameters')]),
    ])  # fmt: skip
    workflow.connect([(node, quality, [('quality', key)]) for key, node in judged.items()])
    workflow.connect([(node, parameters, [('parameters', key)]) for key, node in done.items()])
    return workflow
