"""One atlas of the user on one gradient-echo run: labels, region table, and their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.anatomy.ants import LabelGre
from ..interfaces.anatomy.user_atlas import AtlasSource
from ..interfaces.outputs import SaveFile, SaveImage
from ..interfaces.regions import RegionTable

INPUTS = (
    'gre_magnitude', 't1w_preproc', 'brain_mask', 'template_to_t1w_xfm', 't1w_to_gre_xfm',
    'brain_mask_in_gre', 'chimap', 'qsm_mask', 'magnitude', 'r2star',
)  # fmt: skip


def init_atlas_wf(
    source: AtlasSource,
    *,
    folder: Path,
    prefix: str,
    entities: Mapping[str, str],
    provenance: Mapping[str, Any],
    metadata: Mapping[str, Any],
    several_echoes: bool,
    preset: str = 'precise',
    random_seed: int = 1,
    name: str = 'atlas_wf',
) -> Workflow:
    """Label a run by an atlas that the user has brought, and measure its regions.

    Parameters
    ----------
    source
        Checked files of the atlas.
    folder, prefix
        Where files go, and what their names begin with.
    entities
        `participant_id`, `session_id` and `run_id` of the table.
    provenance, metadata
        What stands in the JSON files of the table and of the labels.
    several_echoes
        Whether there is R2*.
    preset, random_seed
        Of the registration.
    name
        Of the workflow.

    Inputs
    ------
    gre_magnitude
        Without bias field; its grid is the acquisition grid.
    t1w_preproc, brain_mask, template_to_t1w_xfm, t1w_to_gre_xfm
        From the registration.
    brain_mask_in_gre, chimap, qsm_mask, magnitude, r2star
        On the acquisition grid.

    Outputs
    -------
    files
        Everything saved.
    warnings
        Regions out of view.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(INPUTS)), name='inputnode')
    outputnode = Node(IdentityInterface(['files', 'warnings']), name='outputnode')
    label_gre = Node(
        LabelGre(
            atlas=source.mapping(),
            on_t1w=source.space != 'GRE',
            preset=preset,
            random_seed=random_seed,
        ),
        name='label_gre',
        mem_gb=1.5,
    )
    stem = folder / f'{prefix}_seg-{source.name}'
    save_dseg = Node(
        SaveImage(out_file=f'{stem}_dseg.nii.gz', metadata=dict(metadata), dtype='int32'),
        name='save_dseg',
    )
    save_names = Node(SaveFile(out_file=f'{stem}_dseg.tsv'), name='save_names')
    measure = Node(
        RegionTable(
            atlas=source.mapping(), provenance=dict(provenance),
            out_file=f'{stem}_regions.tsv', **entities,
        ),
        name='measure',
    )  # fmt: skip
    files = Node(Merge(5), name='files')
    workflow.connect([
        (inputnode, label_gre, [('gre_magnitude', 'gre_magnitude'), ('t1w_preproc', 't1w'),
                                ('brain_mask', 'brain_mask'),
                                ('template_to_t1w_xfm', 'template_to_t1w_xfm'),
                                ('t1w_to_gre_xfm', 't1w_to_gre_xfm')]),
        (inputnode, measure, [('chimap', 'chimap'), ('qsm_mask', 'mask'),
                              ('brain_mask_in_gre', 'brain_mask'), ('magnitude', 'magnitude')]),
        (label_gre, measure, [('dseg', 'dseg'), ('fractions', 'fractions')]),
        (label_gre, save_dseg, [('dseg', 'in_file')]),
        (label_gre, save_names, [('dseg_tsv', 'in_file')]),
        (save_dseg, files, [('out_file', 'in1'), ('sidecar', 'in2')]),
        (save_names, files, [('out_file', 'in3')]),
        (measure, files, [('regions_tsv', 'in4'), ('regions_json', 'in5')]),
        (files, outputnode, [('out', 'files')]),
        (label_gre, outputnode, [('warnings', 'warnings')]),
    ])  # fmt: skip
    if source.space != 'GRE':
        workflow.connect(label_gre, 'labels_in_t1w', measure, 'labels_in_t1w')
    if several_echoes:
        workflow.connect(inputnode, 'r2star', measure, 'r2star')
    return workflow
