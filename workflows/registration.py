"""One gradient-echo run and the T1w image: rigid alignment, and labels on the acquisition grid."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.anatomy.ants import AlignGre, AlignSusceptibility, CorrectBias, LabelGre
from ..interfaces.outputs import Gather

INPUTS = ('gre_magnitude', 't1w_preproc', 'brain_mask', 'template_to_t1w_xfm')
OUTPUTS = (
    'gre_to_t1w_xfm',
    't1w_to_gre_xfm',
    'brain_mask_in_gre',
    't1w_in_gre',
    'dseg',
    'dseg_tsv',
    'fractions',
    'warnings',
    'quality',
    'parameters',
)


def init_registration_wf(
    *,
    preset: str = 'precise',
    nthreads: int = 1,
    random_seed: int = 1,
    name: str = 'registration_wf',
) -> Workflow:
    """Carry brain mask and deep grey labels onto the grid of a gradient-echo run.

    The magnitude is aligned rigidly with the T1w image by mutual information; labels come from
    the template through one composed transform and one interpolation, so that no label value can
    be invented and no nucleus is blurred twice.

    Parameters
    ----------
    preset
        Entry of `data/registration.json`.
    nthreads
        Threads of the costly stages; the result does not depend on their number.
    random_seed
        Of random sampling.
    name
        Of the workflow.

    Inputs
    ------
    gre_magnitude
        3D; its grid is the acquisition grid.
    t1w_preproc, brain_mask, template_to_t1w_xfm
        From `nigra.workflows.anat.init_anat_wf`.

    Outputs
    -------
    gre_to_t1w_xfm, t1w_to_gre_xfm
        Rigid ITK transforms.
    brain_mask_in_gre, t1w_in_gre, dseg
        Brain, T1w and labels on the acquisition grid.
    dseg_tsv
        Index, name, region and hemisphere of each label.
    fractions
        How much of each voxel labels fill, and how large they are beyond the field of view.
    warnings, quality, parameters
        What the steps report of themselves.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(INPUTS)), name='inputnode')
    outputnode = Node(IdentityInterface(list(OUTPUTS)), name='outputnode')
    engine = {'preset': preset, 'nthreads': nthreads, 'random_seed': random_seed}
    resources = {'mem_gb': 1.5}
    correct_bias = Node(CorrectBias(entry='gre_bias', **engine), name='correct_bias', **resources)
    gre_to_t1w_wf = init_gre_to_t1w_wf(preset=preset, nthreads=nthreads, random_seed=random_seed)
    label_gre = Node(LabelGre(**engine), name='label_gre', **resources)
    warnings = Node(Merge(2), name='warnings')
    quality = Node(Gather(['gre_to_t1w', 'labels']), name='quality')
    parameters = Node(Gather(['gre_bias', 'gre_to_t1w']), name='parameters')
    workflow.connect([
        (inputnode, correct_bias, [('gre_magnitude', 'in_file')]),
        (correct_bias, gre_to_t1w_wf, [('out_file', 'inputnode.gre_magnitude')]),
        (inputnode, gre_to_t1w_wf, [('t1w_preproc', 'inputnode.t1w_preproc'),
                                    ('brain_mask', 'inputnode.brain_mask')]),
        (inputnode, label_gre, [('gre_magnitude', 'gre_magnitude'), ('t1w_preproc', 't1w'),
                                ('brain_mask', 'brain_mask'),
                                ('template_to_t1w_xfm', 'template_to_t1w_xfm')]),
        (gre_to_t1w_wf, label_gre, [('outputnode.t1w_to_gre_xfm', 't1w_to_gre_xfm')]),
        (gre_to_t1w_wf, warnings, [('outputnode.warnings', 'in1')]),
        (label_gre, warnings, [('warnings', 'in2')]),
        (gre_to_t1w_wf, quality, [('outputnode.quality', 'gre_to_t1w')]),
        (label_gre, quality, [('quality', 'labels')]),
        (correct_bias, parameters, [('parameters', 'gre_bias')]),
        (gre_to_t1w_wf, parameters, [('outputnode.parameters', 'gre_to_t1w')]),
        (gre_to_t1w_wf, outputnode, [('outputnode.gre_to_t1w_xfm', 'gre_to_t1w_xfm'),
                                     ('outputnode.t1w_to_gre_xfm', 't1w_to_gre_xfm')]),
        (label_gre, outputnode, [(f, f) for f in
                                 ('brain_mask_in_gre', 't1w_in_gre', 'dseg', 'dseg_tsv',
                                                          'fractions')]),
        (warnings, outputnode, [('out', 'warnings')]),
        (quality, outputnode, [('out', 'quality')]),
        (parameters, outputnode, [('out', 'parameters')]),
    ])  # fmt: skip
    return workflow


GRE_TO_T1W_INPUTS = ('gre_magnitude', 't1w_preproc', 'brain_mask')
GRE_TO_T1W_OUTPUTS = ('gre_to_t1w_xfm', 't1w_to_gre_xfm', 'warnings', 'quality', 'parameters')


def init_gre_to_t1w_wf(
    *,
    preset: str = 'precise',
    nthreads: int = 1,
    random_seed: int = 1,
    name: str = 'gre_to_t1w_wf',
) -> Workflow:
    """Align a gradient-echo magnitude rigidly with the T1w image of the same head.

    Parameters
    ----------
    preset, nthreads, random_seed, name
        As in `init_registration_wf`.

    Inputs
    ------
    gre_magnitude
        3D, bias field removed.
    t1w_preproc, brain_mask
        T1w without bias field, and its brain.

    Outputs
    -------
    gre_to_t1w_xfm, t1w_to_gre_xfm
        Rigid ITK transforms.
    warnings, quality, parameters
        What the step reports of itself.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(GRE_TO_T1W_INPUTS)), name='inputnode')
    outputnode = Node(IdentityInterface(list(GRE_TO_T1W_OUTPUTS)), name='outputnode')
    align_gre = Node(
        AlignGre(preset=preset, nthreads=nthreads, random_seed=random_seed),
        name='align_gre',
        mem_gb=1.5,
    )
    workflow.connect([
        (inputnode, align_gre, [('gre_magnitude', 'gre_magnitude'), ('t1w_preproc', 't1w'),
                                ('brain_mask', 'brain_mask')]),
        (align_gre, outputnode, [(field, field) for field in GRE_TO_T1W_OUTPUTS]),
    ])  # fmt: skip
    return workflow


HYBRID_INPUTS = (
    'gre_magnitude', 't1w_preproc', 'brain_mask', 't1w_to_template_xfm', 'template_to_t1w_xfm',
    'gre_to_t1w_xfm', 't1w_to_gre_xfm', 'chimap',
)  # fmt: skip
HYBRID_OUTPUTS = ('dseg', 'dseg_tsv', 'fractions', 'labels_in_t1w', 'quality', 'parameters')


def init_hybrid_wf(
    *,
    preset: str = 'precise',
    nthreads: int = 1,
    random_seed: int = 1,
    name: str = 'hybrid_wf',
) -> Workflow:
    """Labels by T1w and susceptibility contrast together.

    Parameters
    ----------
    preset, nthreads, random_seed, name
        As in `init_registration_wf`.

    Inputs
    ------
    gre_magnitude, t1w_preproc, brain_mask, gre_to_t1w_xfm, t1w_to_gre_xfm
        As in `init_registration_wf`.
    t1w_to_template_xfm, template_to_t1w_xfm
        From `nigra.workflows.anat.init_anat_wf`.
    chimap
        On the acquisition grid, ppm.

    Outputs
    -------
    dseg, dseg_tsv, fractions
        As those of `init_registration_wf`.
    labels_in_t1w
        Labels on the T1w grid.
    quality, parameters
        What the steps report of themselves.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(HYBRID_INPUTS)), name='inputnode')
    outputnode = Node(IdentityInterface(list(HYBRID_OUTPUTS)), name='outputnode')
    engine = {'preset': preset, 'nthreads': nthreads, 'random_seed': random_seed}
    resources = {'mem_gb': 1.5}
    align = Node(
        AlignSusceptibility(**engine), name='align_susceptibility', n_procs=nthreads, **resources
    )
    label_gre = Node(LabelGre(on_t1w=True, **engine), name='label_gre', **resources)
    workflow.connect([
        (inputnode, align, [('t1w_preproc', 't1w'), ('chimap', 'chimap'),
                            ('t1w_to_template_xfm', 't1w_to_template_xfm'),
                            ('template_to_t1w_xfm', 'template_to_t1w_xfm'),
                            ('gre_to_t1w_xfm', 'gre_to_t1w_xfm')]),
        (inputnode, label_gre, [('gre_magnitude', 'gre_magnitude'), ('t1w_preproc', 't1w'),
                                ('brain_mask', 'brain_mask'),
                                ('t1w_to_gre_xfm', 't1w_to_gre_xfm')]),
        (align, label_gre, [('template_to_t1w_xfm', 'template_to_t1w_xfm')]),
        (label_gre, outputnode, [(f, f) for f in HYBRID_OUTPUTS[:4]]),
        (align, outputnode, [('quality', 'quality'), ('parameters', 'parameters')]),
    ])  # fmt: skip
    return workflow
