"""From the derivatives of all participants to the group comparison and its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import MapNode, Node, Workflow

from .. import __version__
from ..interfaces.gather import GatherRegions
from ..interfaces.outputs import SaveFile, SaveFolder
from ..interfaces.quality import GatherQuality
from ..interfaces.reports.report import GroupReport
from ..interfaces.stats import GroupModels, plain_question
from ..interfaces.template_maps import GatherMaps, MapInTemplate
from ..interfaces.voxelwise import STEM, VoxelModels
from ..nodes.statistics.question import Question

TABLES = {
    'regions': 'group_regions',
    'models': 'group_models',
    'contrasts': 'group_contrasts',
    'means': 'group_means',
    'sides': 'group_sides',
    'interactions': 'group_interactions',
    'correlations': 'group_correlations',
    'exclusions': 'exclusions',
    'values': 'group_values',
    'quality': 'group_quality',
}
"""Final names without suffix, by table."""

REPORT = 'group.html'
GROUP_OUTPUTS = (*(f'{name}.{kind}' for name in TABLES.values() for kind in ('tsv', 'json')),
                 REPORT)  # fmt: skip
"""Everything that the group level leaves in the output folder."""


def init_group_wf(
    *,
    derivatives_dir: str | Path,
    participants_file: str | Path,
    output_dir: str | Path,
    question: Question | None = None,
    regions: Sequence[str] | None = None,
    sessions: Sequence[str] = (),
    nthreads: int = 1,
    voxelwise: int = 0,
    smoothing: float = 3.0,
    methods_html: str = '',
    name: str = 'group_wf',
) -> Workflow:
    """Gather region tables, compare groups, save tables, report.

    gather -> models -> save_* -> report, and quality beside them

    Parameters
    ----------
    derivatives_dir
        Root of the participants' derivatives; nothing else of the study is read.
    participants_file
        Table of participants.
    output_dir
        Where `GROUP_OUTPUTS` go.
    question
        Who is compared, in what; the default by default.
    regions
        Regions to compare; all but the fine parts of nuclei if None.
    sessions
        Sessions to compare; the first of each participant if empty.
    nthreads
        Threads of permutations and resamples.
    voxelwise
        Permutations of the voxel-wise comparison; 0 for none.
    smoothing
        Full width at half maximum before it, mm.
    methods_html
        Methods text for the report.
    name
        Of the workflow.

    Outputs
    -------
    Files `GROUP_OUTPUTS` in `output_dir`.
    """
    output_dir = Path(output_dir)
    workflow = Workflow(name=name)
    question = question or Question()
    gather = Node(
        GatherRegions(
            derivatives_dir=str(derivatives_dir),
            participants_file=str(participants_file),
            group_column=question.group_column,
            sessions=list(sessions),
        ),
        name='gather',
    )
    models = Node(
        GroupModels(
            question=plain_question(question), source=str(participants_file), nthreads=nthreads
        ),
        name='models',
    )
    if regions is not None:
        models.inputs.regions = list(regions)
    quality = Node(GatherQuality(derivatives_dir=str(derivatives_dir)), name='quality')
    warnings = Node(Merge(5 if voxelwise else 3), name='warnings')
    report = Node(
        GroupReport(
            methods_html=methods_html,
            version=__version__,
            out_file=str(output_dir / REPORT),
        ),
        name='report',
    )
    workflow.connect([
        (gather, models, [('regions_tsv', 'regions_tsv'), ('exclusions_tsv', 'exclusions_tsv')]),
        (gather, warnings, [('warnings', 'in1')]),
        (models, warnings, [('warnings', 'in2')]),
        (quality, warnings, [('warnings', 'in3')]),
        (warnings, report, [('out', 'warnings')]),
        (models, report, [('settings', 'settings')]),
    ])  # fmt: skip
    for table, stem in TABLES.items():
        source = {'regions': gather, 'quality': quality}.get(table, models)
        for kind in ('tsv', 'json'):
            save = Node(
                SaveFile(out_file=str(output_dir / f'{stem}.{kind}')), name=f'save_{table}_{kind}'
            )
            workflow.connect(source, f'{table}_{kind}', save, 'in_file')
            if kind == 'tsv':
                workflow.connect(save, 'out_file', report, f'{table}_tsv')
    if voxelwise:
        voxels_wf = init_voxels_wf(
            derivatives_dir=derivatives_dir, participants_file=participants_file,
            output_dir=output_dir, question=question, sessions=sessions, nthreads=nthreads,
            permutations=voxelwise, smoothing=smoothing,
        )  # fmt: skip
        workflow.connect([
            (gather, voxels_wf, [('regions_tsv', 'inputnode.regions_tsv')]),
            (voxels_wf, warnings, [('outputnode.gather_warnings', 'in4'),
                                   ('outputnode.warnings', 'in5')]),
            (voxels_wf, report, [('outputnode.clusters_tsv', 'clusters_tsv'),
                                 ('outputnode.maps', 'voxel_maps')]),
        ])  # fmt: skip
    return workflow


def init_voxels_wf(
    *,
    derivatives_dir: str | Path,
    participants_file: str | Path,
    output_dir: Path,
    question: Question,
    sessions: Sequence[str],
    permutations: int,
    smoothing: float,
    nthreads: int,
    name: str = 'voxels_wf',
) -> Workflow:
    """Carry all maps into template space and compare the groups voxel by voxel.

    maps -> in_template (one per map) -> models -> save_*

    Parameters
    ----------
    derivatives_dir, participants_file, output_dir, question, sessions, nthreads
        As in `init_group_wf`.
    permutations
        Of the residuals.
    smoothing
        Full width at half maximum, mm.
    name
        Of the workflow.

    Inputs
    ------
    regions_tsv
        Region tables with the participants' columns.

    Outputs
    -------
    maps
        Images of tests, under their final names.
    clusters_tsv
        Table of clusters.
    gather_warnings, warnings
        Sentences.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(['regions_tsv']), name='inputnode')
    outputnode = Node(
        IdentityInterface(['maps', 'clusters_tsv', 'gather_warnings', 'warnings']),
        name='outputnode',
    )
    maps = Node(
        GatherMaps(derivatives_dir=str(derivatives_dir), sessions=list(sessions)), name='maps'
    )
    fields = ['chimap', 'mask', 'gre_to_t1w_xfm', 't1w_to_template_xfm']
    in_template = MapNode(MapInTemplate(fwhm=smoothing), iterfield=fields, name='in_template')
    models = Node(
        VoxelModels(
            question=plain_question(question), permutations=permutations, fwhm=smoothing,
            nthreads=nthreads, source=str(participants_file),
        ),
        name='models',
    )  # fmt: skip
    save_maps = Node(SaveFolder(out_dir=str(output_dir), pattern=f'{STEM}_*'), name='save_maps')
    workflow.connect([
        (maps, in_template, [(f'{field}s', field) for field in fields]),
        (maps, models, [('participants', 'participants')]),
        (in_template, models, [('out_file', 'maps')]),
        (inputnode, models, [('regions_tsv', 'regions_tsv')]),
        (models, save_maps, [('out_files', 'in_files')]),
        (maps, outputnode, [('warnings', 'gather_warnings')]),
        (models, outputnode, [('warnings', 'warnings')]),
        (save_maps, outputnode, [('out_files', 'maps')]),
    ])  # fmt: skip
    for kind in ('tsv', 'json'):
        save = Node(
            SaveFile(out_file=str(output_dir / f'group_clusters.{kind}')),
            name=f'save_clusters_{kind}',
        )
        workflow.connect(models, f'clusters_{kind}', save, 'in_file')
        if kind == 'tsv':
            workflow.connect(save, 'out_file', outputnode, 'clusters_tsv')
    return workflow
