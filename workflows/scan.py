"""One gradient-echo run: register, reconstruct, label, measure, save."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.anatomy.user_atlas import AtlasSource, atlas_sources
from ..interfaces.bids import Visit
from ..interfaces.gre import LOADING, LoadGre
from ..interfaces.names import images, output_path
from ..interfaces.outputs import Gather
from ..interfaces.quality import RunQuality
from ..interfaces.regions import RegionTable
from ..interfaces.reports.participant_page import RUN_FACTS, RUN_FILES, RUN_MAPS, RUN_WARNINGS
from ..interfaces.scans import GreScan
from ..interfaces.sidecars import (
    Plan,
    aligned_to,
    anat_folder,
    atlas_metadata,
    region_provenance,
    scan_facts,
    scan_metadata,
    scan_voxels,
)
from ..interfaces.survey import image_warnings
from ..nodes.grid import hz_per_ppm
from .graph import light, nodes_of
from .measure import init_atlas_wf
from .outputs import init_scan_outputs_wf
from .qsm import MAPS, init_qsm_wf
from .registration import init_hybrid_wf, init_registration_wf

FROM_ANATOMY = ('t1w_preproc', 'brain_mask', 't1w_to_template_xfm', 'template_to_t1w_xfm',
                'labels_in_t1w')  # fmt: skip
"""What a run takes from the anatomical workflow under the same name."""


def init_scan_wf(scan: GreScan, visit: Visit, plan: Plan, *, name: str) -> Workflow:
    """One gradient-echo run: load, register, reconstruct, label, measure, save.

    Parameters
    ----------
    scan
        Checked files and metadata of the run.
    visit
        The visit it belongs to.
    plan
        Methods and places.
    name
        Of the workflow.

    Inputs
    ------
    t1w_preproc, brain_mask, t1w_to_template_xfm, template_to_t1w_xfm, labels_in_t1w, anat_quality
        From the anatomical workflow.
    tissues
        From `TissueAgreement`.

    Outputs
    -------
    run
        What the report shows of this run.
    files
        Everything saved.
    """
    workflow = Workflow(name=name)
    atlases = atlas_sources(plan.methods.atlases, visit.participant_id)
    workflow.add_nodes([
        Node(IdentityInterface([*FROM_ANATOMY, 'anat_quality', 'tissues']), name='inputnode'),
        Node(IdentityInterface(['run', 'files']), name='outputnode'),
        light(Merge(4 + len(atlases)), 'files'),
        light(Merge(1 + len(atlases)), 'registration_warnings'),
        _load_node(scan), _measure_node(scan, visit, plan), _quality_node(scan, visit, plan),
        _facts_node(scan),
    ])  # fmt: skip
    _add_registration(workflow, plan)
    _add_reconstruction(workflow, scan, plan)
    _add_outputs(workflow, scan, visit, plan)
    _connect_measures(workflow, several_echoes=len(scan.echo_times) > 1)
    _connect_facts(workflow, made_maps(scan, plan))
    _connect_labels(workflow, plan)
    for field in ('atlas_labels', 'atlas_tables') if atlases else ():
        workflow.connect(
            Node(Merge(len(atlases)), name=field), 'out', workflow.get_node('facts'), field
        )
    for slot, source in enumerate(atlases, start=1):
        _add_atlas(workflow, source, scan, visit, plan, slot)
    return workflow


def what_there_is(scan: GreScan, plan: Plan) -> set[str]:
    """What a run has of `names.Output.needs`."""
    found = {'echoes'} if len(scan.echo_times) > 1 else set()
    found |= {'separation'} if plan.methods.separation else set()
    return found if plan.methods.one_step else found | {'background'}


def made_maps(scan: GreScan, plan: Plan) -> list[str]:
    """Images that the reconstruction of this run makes."""
    made = images('scan', what_there_is(scan, plan))
    return [name for name in MAPS if name in made]


def _add_registration(workflow: Workflow, plan: Plan) -> None:
    """Brain mask and labels on the grid of the run."""
    inputnode, load_gre = nodes_of(workflow, 'inputnode', 'load_gre')
    registration_wf = init_registration_wf(plan.methods, nthreads=plan.nthreads)
    workflow.connect([
        (load_gre, registration_wf, [('combined_magnitude', 'inputnode.gre_magnitude')]),
        (inputnode, registration_wf, [(f, f'inputnode.{f}') for f in
                                      ('t1w_preproc', 'brain_mask', 'template_to_t1w_xfm')]),
    ])  # fmt: skip


def _add_reconstruction(workflow: Workflow, scan: GreScan, plan: Plan) -> None:
    """Phase to susceptibility, inside the brain that the registration found."""
    load_gre, registration_wf = nodes_of(workflow, 'load_gre', 'registration_wf')
    qsm_wf = init_qsm_wf(
        plan.methods,
        b0=scan.b0,
        n_echoes=len(scan.echo_times),
        nthreads=plan.nthreads,
        voxels=scan_voxels(scan),
        metadata=scan.metadata,
    )
    workflow.connect([
        (load_gre, qsm_wf, [(f, f'inputnode.{f}') for f in ('phase', 'magnitude', 'echo_times')]
                           + [('parameters', 'inputnode.loaded')]),
        (registration_wf, qsm_wf, [('outputnode.brain_mask_in_gre', 'inputnode.brain_mask'),
                                   ('outputnode.dseg', 'inputnode.dseg'),
                                   ('outputnode.dseg_tsv', 'inputnode.dseg_tsv')]),
    ])  # fmt: skip


def _add_outputs(workflow: Workflow, scan: GreScan, visit: Visit, plan: Plan) -> None:
    """Save maps and transforms, and gather the names of all files saved."""
    registration_wf, qsm_wf, measure, quality, files, outputnode = nodes_of(
        workflow, 'registration_wf', 'qsm_wf', 'measure', 'quality', 'files', 'outputnode'
    )
    outputs_wf = init_scan_outputs_wf(
        folder=_folder(scan, visit, plan),
        prefix=scan.prefix,
        metadata=scan_metadata(scan, visit, plan),
        hz_per_ppm=hz_per_ppm(scan.b0),
        there=what_there_is(scan, plan),
    )
    workflow.connect([
        (qsm_wf, outputs_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                              (*made_maps(scan, plan), 'parameters')]),
        (registration_wf, outputs_wf, [('outputnode.gre_to_t1w_xfm', 'inputnode.gre_to_t1w_xfm')]),
        (outputs_wf, files, [('outputnode.files', 'in1')]),
        (measure, files, [('regions_tsv', 'in2'), ('regions_json', 'in3')]),
        (quality, files, [('out_file', 'in4')]),
        (files, outputnode, [('out', 'files')]),
    ])  # fmt: skip


def _connect_measures(workflow: Workflow, *, several_echoes: bool) -> None:
    """Region table and quality, from the maps on the grid of the run."""
    inputnode, load_gre, registration_wf, qsm_wf, measure, quality = nodes_of(
        workflow, 'inputnode', 'load_gre', 'registration_wf', 'qsm_wf', 'measure', 'quality'
    )
    workflow.connect([
        (inputnode, measure, [('brain_mask', 't1w_brain_mask')]),
        (load_gre, measure, [('combined_magnitude', 'magnitude')]),
        (registration_wf, measure, [('outputnode.brain_mask_in_gre', 'brain_mask')]),
        (qsm_wf, measure, [('outputnode.chimap', 'chimap'), ('outputnode.qsm_mask', 'mask')]),
        (inputnode, quality, [('anat_quality', 'anatomy'), ('tissues', 'tissues')]),
        (load_gre, quality, [('combined_magnitude', 'magnitude')]),
        (registration_wf, quality, [('outputnode.quality', 'registration'),
                                    ('outputnode.brain_mask_in_gre', 'brain_mask')]),
        (qsm_wf, quality, [('outputnode.chimap', 'chimap'), ('outputnode.qsm_mask', 'mask'),
                           ('outputnode.quality', 'phase')]),
        (measure, quality, [('regions_tsv', 'regions_tsv')]),
    ])  # fmt: skip
    if several_echoes:
        workflow.connect(qsm_wf, 'outputnode.r2star', measure, 'r2star')


def _connect_facts(workflow: Workflow, maps: Sequence[str]) -> None:
    """What the report shows of a run."""
    load_gre, registration_wf, qsm_wf, measure, quality, warnings, facts, outputnode = nodes_of(
        workflow, 'load_gre', 'registration_wf', 'qsm_wf', 'measure', 'quality',
        'registration_warnings', 'facts', 'outputnode'
    )  # fmt: skip
    workflow.connect([
        (load_gre, facts, [('combined_magnitude', 'magnitude'), ('warnings', 'load_warnings')]),
        (qsm_wf, facts, [(f'outputnode.{f}', f) for f in maps if f in RUN_MAPS]
                        + [('outputnode.parameters', 'parameters'),
                           ('outputnode.reference_region', 'reference_region')]
                        + [('outputnode.warnings', 'field_warnings')]),
        (registration_wf, facts, [('outputnode.t1w_in_gre', 't1w_in_gre')]),
        (registration_wf, warnings, [('outputnode.warnings', 'in1')]),
        (warnings, facts, [('out', 'registration_warnings')]),
        (measure, facts, [('regions_tsv', 'regions_tsv')]),
        (quality, facts, [('quality', 'quality')]),
        (facts, outputnode, [('out', 'run')]),
    ])  # fmt: skip


def _connect_labels(workflow: Workflow, plan: Plan) -> None:
    """Hand the built-in labels on: by T1w contrast, or by that of the susceptibility map, too."""
    if plan.methods.label_contrast == 'hybrid':
        labels_wf = _add_hybrid(workflow, plan)
    else:
        labels_wf = workflow.get_node('registration_wf')
        _connect_t1w_labels(workflow)
    outputs_wf, measure, facts = nodes_of(workflow, 'scan_outputs_wf', 'measure', 'facts')
    workflow.connect([
        (labels_wf, outputs_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                                 ('dseg', 'dseg_tsv')]),
        (labels_wf, measure, [('outputnode.dseg', 'dseg'), ('outputnode.fractions', 'fractions')]),
        (labels_wf, facts, [('outputnode.dseg', 'dseg')]),
    ])  # fmt: skip


def _connect_t1w_labels(workflow: Workflow) -> None:
    """Labels on the T1w grid, and how labels came about, where the T1w contrast alone counts."""
    inputnode, registration_wf, outputs_wf, measure = nodes_of(
        workflow, 'inputnode', 'registration_wf', 'scan_outputs_wf', 'measure'
    )
    workflow.connect([
        (inputnode, measure, [('labels_in_t1w', 'labels_in_t1w')]),
        (registration_wf, outputs_wf, [('outputnode.parameters', 'inputnode.label_parameters')]),
    ])  # fmt: skip


def _add_hybrid(workflow: Workflow, plan: Plan) -> Workflow:
    """Labels refined by the contrast of the susceptibility map."""
    load_gre, inputnode, registration_wf, qsm_wf, outputs_wf, measure, quality = nodes_of(
        workflow, 'load_gre', 'inputnode', 'registration_wf', 'qsm_wf', 'scan_outputs_wf',
        'measure', 'quality'
    )  # fmt: skip
    hybrid_wf = init_hybrid_wf(plan.methods, nthreads=plan.nthreads)
    parameters = light(Gather(['t1w', 'susceptibility']), 'label_parameters')
    workflow.connect([
        (load_gre, hybrid_wf, [('combined_magnitude', 'inputnode.gre_magnitude')]),
        (inputnode, hybrid_wf, [(f, f'inputnode.{f}') for f in
                                ('t1w_preproc', 'brain_mask', 't1w_to_template_xfm',
                                 'template_to_t1w_xfm')]),
        (registration_wf, hybrid_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                                      ('gre_to_t1w_xfm', 't1w_to_gre_xfm')]),
        (qsm_wf, hybrid_wf, [('outputnode.chimap', 'inputnode.chimap')]),
        (registration_wf, parameters, [('outputnode.parameters', 't1w')]),
        (hybrid_wf, parameters, [('outputnode.parameters', 'susceptibility')]),
        (hybrid_wf, quality, [('outputnode.quality', 'labels')]),
        (hybrid_wf, measure, [('outputnode.labels_in_t1w', 'labels_in_t1w')]),
        (parameters, outputs_wf, [('out', 'inputnode.label_parameters')]),
    ])  # fmt: skip
    return hybrid_wf


def _add_atlas(
    workflow: Workflow, source: AtlasSource, scan: GreScan, visit: Visit, plan: Plan, slot: int
) -> None:
    """Measure a run by an atlas of the user, too; `slot` numbers its files and warnings."""
    node = workflow.get_node
    several = len(scan.echo_times) > 1
    atlas_wf = init_atlas_wf(
        source,
        plan.methods,
        folder=_folder(scan, visit, plan),
        prefix=scan.prefix,
        entities=_entities(scan, visit),
        provenance={**region_provenance(scan, visit, plan), **atlas_metadata(source, plan)},
        metadata={**aligned_to(plan, scan.magnitude[0]), **atlas_metadata(source, plan)},
        several_echoes=several,
        name=f'atlas_{source.name}_wf',
    )
    workflow.connect([
        (node('load_gre'), atlas_wf, [('combined_magnitude', 'inputnode.gre_magnitude'),
                                      ('combined_magnitude', 'inputnode.magnitude')]),
        (node('inputnode'), atlas_wf, [(f, f'inputnode.{f}') for f in
                                       ('t1w_preproc', 'brain_mask', 'template_to_t1w_xfm')]),
        (node('registration_wf'), atlas_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                                             ('t1w_to_gre_xfm', 'brain_mask_in_gre')]),
        (node('qsm_wf'), atlas_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                                    ('chimap', 'qsm_mask', *(['r2star'] if several else []))]),
        (atlas_wf, node('files'), [('outputnode.files', f'in{slot + 4}')]),
        (atlas_wf, node('atlas_labels'), [('outputnode.dseg', f'in{slot}')]),
        (atlas_wf, node('atlas_tables'), [('outputnode.dseg_tsv', f'in{slot}')]),
        (atlas_wf, node('registration_warnings'), [('outputnode.warnings', f'in{slot + 1}')]),
    ])  # fmt: skip


def _entities(scan: GreScan, visit: Visit) -> dict[str, str]:
    """Entities of a run as region tables name them."""
    return {
        'participant_id': visit.participant_id,
        'session_id': scan.session_id or 'n/a',
        'run_id': scan.run_id or 'n/a',
    }


def _folder(scan: GreScan, visit: Visit, plan: Plan) -> Path:
    return anat_folder(plan.output_dir, visit.participant_id, scan.session_id)


def _load_node(scan: GreScan) -> Node:
    """Step that reads the echoes of a run."""
    return Node(
        LoadGre(
            magnitude=[str(p) for p in scan.magnitude],
            phase=[str(p) for p in scan.phase],
            echo_times=list(scan.echo_times),
            b0=scan.b0,
            complex_parts=scan.complex_parts,
            units=str(scan.metadata.get('Units', '')),
            acquisition=str(scan.metadata.get('MRAcquisitionType', '')),
        ),
        name='load_gre',
        mem_gb=LOADING.gb(scan_voxels(scan), len(scan.echo_times)),
    )


def _measure_node(scan: GreScan, visit: Visit, plan: Plan) -> Node:
    """Step that writes the region table of a run."""
    return Node(
        RegionTable(
            **_entities(scan, visit),
            provenance=region_provenance(scan, visit, plan),
            out_file=output_path('regions_tsv', _folder(scan, visit, plan), scan.prefix),
        ),
        name='measure',
    )


def _quality_node(scan: GreScan, visit: Visit, plan: Plan) -> Node:
    """Step that writes the quality of a run."""
    return Node(
        RunQuality(
            entities={
                'participant_id': visit.participant_id,
                'session_id': scan.session_id,
                'run_id': scan.run_id,
            },
            out_file=output_path('quality', _folder(scan, visit, plan), scan.prefix),
        ),
        name='quality',
    )


def _facts_node(scan: GreScan) -> Node:
    """Step that gathers what the report shows of a run."""
    facts = light(Gather([*RUN_FILES, *RUN_WARNINGS, *RUN_FACTS]), 'facts')
    facts.inputs.entities = {
        k: v for k, v in (('session', scan.session_id), ('run', scan.run_id)) if v
    } | {'prefix': scan.prefix}
    facts.inputs.facts = scan_facts(scan)
    shown = image_warnings('gradient-echo', scan.phase[0])
    facts.inputs.scan_warnings = [*scan.warnings, *shown]
    return facts
