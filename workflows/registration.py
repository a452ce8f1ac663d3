"""One gradient-echo run and the T1w image: rigid alignment, and labels on the acquisition grid."""

from __future__ import annotations

from nipype.pipeline.engine import Node, Workflow

from ..interfaces.anatomy.bias import CorrectBias
from ..interfaces.anatomy.gre_to_t1w import AlignGre
from ..interfaces.anatomy.label_gre import LabelGre
from ..interfaces.anatomy.susceptibility import AlignSusceptibility
from ..interfaces.methods import Methods
from .graph import (
    ANTS_MEMORY,
    add_ends,
    engine_options,
    gather_reports,
    merge_warnings,
    nodes_of,
)

INPUTS = ('gre_magnitude', 't1w_preproc', 'brain_mask', 'template_to_t1w_xfm')
"""Magnitude, 3D, whose grid is the acquisition grid; the others come from
`nigra.workflows.anat.init_anat_wf`."""
LABELS = ('dseg', 'dseg_tsv', 'fractions')
"""Labels on the acquisition grid; index, name, region and hemisphere of each; how much of each
voxel they fill, and how large they are beyond the field of view."""
OUTPUTS = (
    'gre_to_t1w_xfm', 't1w_to_gre_xfm', 'brain_mask_in_gre', 't1w_in_gre', *LABELS, 'warnings',
    'quality', 'parameters',
)  # fmt: skip
"""Rigid ITK transforms; brain and T1w on the acquisition grid; `LABELS`; what the steps report of
themselves."""
GRE_TO_T1W_INPUTS = ('gre_magnitude', 't1w_preproc', 'brain_mask')
"""Magnitude, 3D, and T1w, both without bias field; its brain."""
GRE_TO_T1W_OUTPUTS = ('gre_to_t1w_xfm', 't1w_to_gre_xfm', 'warnings', 'quality', 'parameters')
"""Rigid ITK transforms; what the step reports of itself."""
HYBRID_INPUTS = (*INPUTS, 't1w_to_template_xfm', 'gre_to_t1w_xfm', 't1w_to_gre_xfm', 'chimap')
"""Beside `INPUTS`: the other transforms of the anatomy and of `OUTPUTS`, and a map, ppm."""
HYBRID_OUTPUTS = (*LABELS, 'labels_in_t1w', 'quality', 'parameters')
"""`LABELS`, labels on the T1w grid, and what the steps report of themselves."""
_FOR_LABELS = [('gre_magnitude', 'gre_magnitude'), ('t1w_preproc', 't1w'),
               ('brain_mask', 'brain_mask')]  # fmt: skip
"""What `LabelGre` and `AlignGre` take, whatever the transforms."""


def init_registration_wf(
    methods: Methods, *, nthreads: int = 1, name: str = 'registration_wf'
) -> Workflow:
    """Carry brain mask and deep grey labels onto the grid of a gradient-echo run.

    The magnitude is aligned rigidly with the T1w image by mutual information; labels come from
    the template through one composed transform and one interpolation, so that no label value can
    be invented and no nucleus is blurred twice.

    Parameters
    ----------
    methods, nthreads, name
        As in `nigra.workflows.anat.init_anat_wf`.

    Inputs are `INPUTS`, outputs `OUTPUTS`.
    """
    workflow = Workflow(name=name)
    engine = engine_options(methods, nthreads)
    add_ends(workflow, INPUTS, OUTPUTS)
    workflow.add_nodes([
        Node(CorrectBias(entry='gre_bias', **engine), name='correct_bias', **ANTS_MEMORY),
        init_gre_to_t1w_wf(methods, nthreads=nthreads),
        Node(LabelGre(**engine), name='label_gre', **ANTS_MEMORY),
    ])  # fmt: skip
    _connect_registration(workflow)
    gather_reports(workflow, 'quality', {'gre_to_t1w': 'gre_to_t1w_wf', 'labels': 'label_gre'})
    gather_reports(
        workflow, 'parameters', {'gre_bias': 'correct_bias', 'gre_to_t1w': 'gre_to_t1w_wf'}
    )
    merge_warnings(workflow, 'gre_to_t1w_wf', 'label_gre')
    return workflow


def _connect_registration(workflow: Workflow) -> None:
    """Bias field, rigid alignment, labels."""
    inputnode, correct_bias, gre_to_t1w_wf, label_gre, outputnode = nodes_of(
        workflow, 'inputnode', 'correct_bias', 'gre_to_t1w_wf', 'label_gre', 'outputnode'
    )
    workflow.connect([
        (inputnode, correct_bias, [('gre_magnitude', 'in_file')]),
        (correct_bias, gre_to_t1w_wf, [('out_file', 'inputnode.gre_magnitude')]),
        (inputnode, gre_to_t1w_wf, [('t1w_preproc', 'inputnode.t1w_preproc'),
                                    ('brain_mask', 'inputnode.brain_mask')]),
        (inputnode, label_gre, [*_FOR_LABELS, ('template_to_t1w_xfm', 'template_to_t1w_xfm')]),
        (gre_to_t1w_wf, label_gre, [('outputnode.t1w_to_gre_xfm', 't1w_to_gre_xfm')]),
        (gre_to_t1w_wf, outputnode, [('outputnode.gre_to_t1w_xfm', 'gre_to_t1w_xfm'),
                                     ('outputnode.t1w_to_gre_xfm', 't1w_to_gre_xfm')]),
        (label_gre, outputnode, [(f, f) for f in ('brain_mask_in_gre', 't1w_in_gre', *LABELS)]),
    ])  # fmt: skip


def init_gre_to_t1w_wf(
    methods: Methods, *, nthreads: int = 1, name: str = 'gre_to_t1w_wf'
) -> Workflow:
    """Align a gradient-echo magnitude rigidly with the T1w image of the same head.

    Parameters as in `init_registration_wf`; inputs are `GRE_TO_T1W_INPUTS`, outputs
    `GRE_TO_T1W_OUTPUTS`.
    """
    workflow = Workflow(name=name)
    add_ends(workflow, GRE_TO_T1W_INPUTS, GRE_TO_T1W_OUTPUTS)
    inputnode, outputnode = nodes_of(workflow, 'inputnode', 'outputnode')
    align_gre = Node(
        AlignGre(**engine_options(methods, nthreads)), name='align_gre', **ANTS_MEMORY
    )
    workflow.connect([
        (inputnode, align_gre, [*_FOR_LABELS]),
        (align_gre, outputnode, [(field, field) for field in GRE_TO_T1W_OUTPUTS]),
    ])  # fmt: skip
    return workflow


def init_hybrid_wf(methods: Methods, *, nthreads: int = 1, name: str = 'hybrid_wf') -> Workflow:
    """Labels by T1w and susceptibility contrast together.

    Parameters as in `init_registration_wf`; inputs are `HYBRID_INPUTS`, outputs
    `HYBRID_OUTPUTS`.
    """
    workflow = Workflow(name=name)
    engine = engine_options(methods, nthreads)
    add_ends(workflow, HYBRID_INPUTS, HYBRID_OUTPUTS)
    inputnode, outputnode = nodes_of(workflow, 'inputnode', 'outputnode')
    align = Node(
        AlignSusceptibility(**engine), name='align_susceptibility', n_procs=nthreads, **ANTS_MEMORY
    )
    label_gre = Node(LabelGre(on_t1w=True, **engine), name='label_gre', **ANTS_MEMORY)
    workflow.connect([
        (inputnode, align, [('t1w_preproc', 't1w'), ('chimap', 'chimap'),
                            ('t1w_to_template_xfm', 't1w_to_template_xfm'),
                            ('template_to_t1w_xfm', 'template_to_t1w_xfm'),
                            ('gre_to_t1w_xfm', 'gre_to_t1w_xfm')]),
        (inputnode, label_gre, [*_FOR_LABELS, ('t1w_to_gre_xfm', 't1w_to_gre_xfm')]),
        (align, label_gre, [('template_to_t1w_xfm', 'template_to_t1w_xfm')]),
        (label_gre, outputnode, [(f, f) for f in (*LABELS, 'labels_in_t1w')]),
        (align, outputnode, [('quality', 'quality'), ('parameters', 'parameters')]),
    ])  # fmt: skip
    return workflow
