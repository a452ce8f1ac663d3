"""One atlas of the user on one gradient-echo run: labels, region table, and their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.anatomy.label_gre import LabelGre
from ..interfaces.anatomy.user_atlas import AtlasSource
from ..interfaces.methods import Methods
from ..interfaces.outputs import SaveFile, SaveImage
from ..interfaces.regions import RegionTable
from .graph import ANTS_MEMORY, add_ends, engine_options, light, nodes_of

INPUTS = (
    'gre_magnitude', 't1w_preproc', 'brain_mask', 'template_to_t1w_xfm', 't1w_to_gre_xfm',
    'brain_mask_in_gre', 'chimap', 'qsm_mask', 'magnitude', 'r2star',
)  # fmt: skip
"""Magnitude without bias field, whose grid is the acquisition grid; T1w, brain mask and transforms
from the registration; on the acquisition grid: brain, map and its mask, magnitude and R2*."""
OUTPUTS = ('files', 'warnings', 'dseg', 'dseg_tsv')
"""Everything saved; regions out of view; labels in acquisition space and their names."""


def init_atlas_wf(
    source: AtlasSource,
    methods: Methods,
    *,
    folder: Path,
    prefix: str,
    entities: Mapping[str, str],
    provenance: Mapping[str, Any],
    metadata: Mapping[str, Any],
    several_echoes: bool,
    name: str = 'atlas_wf',
) -> Workflow:
    """Label a run by an atlas that the user has brought, and measure its regions.

    Parameters
    ----------
    source
        Checked files of the atlas.
    methods
        Preset and seed of the registration.
    folder, prefix
        Where files go, and what their names begin with.
    entities
        `participant_id`, `session_id` and `run_id` of the table.
    provenance, metadata
        What stands in the JSON files of the table and of the labels.
    several_echoes
        Whether there is R2*.
    name
        Of the workflow.

    Inputs are `INPUTS`, outputs `OUTPUTS`.
    """
    workflow = Workflow(name=name)
    add_ends(workflow, INPUTS, OUTPUTS)
    stem = f'{folder / prefix}_seg-{source.name}'
    workflow.add_nodes([
        _label_node(source, methods),
        Node(
            RegionTable(
                atlas=source.mapping(), provenance=dict(provenance),
                out_file=f'{stem}_regions.tsv', **entities,
            ),
            name='measure',
        ),
    ])  # fmt: skip
    _connect_measures(workflow, several_echoes=several_echoes)
    if source.space != 'GRE':
        label_gre, measure = nodes_of(workflow, 'label_gre', 'measure')
        workflow.connect(label_gre, 'labels_in_t1w', measure, 'labels_in_t1w')
    _add_files(workflow, stem, metadata)
    return workflow


def _label_node(source: AtlasSource, methods: Methods) -> Node:
    """Step that draws the labels; those of the gradient echo's space need no T1w grid."""
    return Node(
        LabelGre(atlas=source.mapping(), on_t1w=source.space != 'GRE', **engine_options(methods)),
        name='label_gre',
        **ANTS_MEMORY,
    )


def _connect_measures(workflow: Workflow, *, several_echoes: bool) -> None:
    """Labels, and the region table of the maps in them."""
    inputnode, label_gre, measure, outputnode = nodes_of(
        workflow, 'inputnode', 'label_gre', 'measure', 'outputnode'
    )
    workflow.connect([
        (inputnode, label_gre, [('gre_magnitude', 'gre_magnitude'), ('t1w_preproc', 't1w'),
                                ('brain_mask', 'brain_mask'),
                                ('template_to_t1w_xfm', 'template_to_t1w_xfm'),
                                ('t1w_to_gre_xfm', 't1w_to_gre_xfm')]),
        (inputnode, measure, [('chimap', 'chimap'), ('qsm_mask', 'mask'),
                              ('brain_mask_in_gre', 'brain_mask'), ('magnitude', 'magnitude')]),
        (label_gre, measure, [('dseg', 'dseg'), ('fractions', 'fractions')]),
        (label_gre, outputnode, [(f, f) for f in ('warnings', 'dseg')]),
    ])  # fmt: skip
    if several_echoes:
        workflow.connect(inputnode, 'r2star', measure, 'r2star')


def _add_files(workflow: Workflow, stem: str, metadata: Mapping[str, Any]) -> None:
    """Save labels and names, and gather the names of all files saved."""
    label_gre, measure, outputnode = nodes_of(workflow, 'label_gre', 'measure', 'outputnode')
    save_dseg = Node(
        SaveImage(out_file=f'{stem}_dseg.nii.gz', metadata=dict(metadata), dtype='int32'),
        name='save_dseg',
    )
    save_names = Node(SaveFile(out_file=f'{stem}_dseg.tsv'), name='save_names')
    files = light(Merge(5), 'files')
    workflow.connect([
        (label_gre, save_dseg, [('dseg', 'in_file')]),
        (label_gre, save_names, [('dseg_tsv', 'in_file')]),
        (save_dseg, files, [('out_file', 'in1'), ('sidecar', 'in2')]),
        (save_names, files, [('out_file', 'in3')]),
        (save_names, outputnode, [('out_file', 'dseg_tsv')]),
        (measure, files, [('regions_tsv', 'in4'), ('regions_json', 'in5')]),
        (files, outputnode, [('out', 'files')]),
    ])  # fmt: skip
