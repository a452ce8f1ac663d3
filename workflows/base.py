"""From a participant's visits to results: anatomy, maps, labels, region tables, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.anatomy.user_atlas import AtlasSource, atlas_sources
from ..interfaces.bids import GreScan, Visit
from ..interfaces.outputs import Gather, MarkComplete
from ..interfaces.qsm import LoadGre
from ..interfaces.quality import RunQuality, TissueAgreement
from ..interfaces.regions import RegionTable
from ..interfaces.reports.report import ParticipantReport
from ..interfaces.sidecars import (
    Plan,
    anat_folder,
    anat_metadata,
    atlas_metadata,
    marker_path,
    region_provenance,
    scan_facts,
    scan_memory_gb,
    scan_metadata,
)
from ..nodes.grid import hz_per_ppm
from ..nodes.methods import ONE_STEP
from .anat import init_anat_wf
from .measure import init_atlas_wf
from .outputs import (
    ANAT_FILES,
    ANAT_IMAGES,
    init_anat_outputs_wf,
    init_scan_outputs_wf,
    output_path,
)
from .qsm import MAPS, PARTS, SEVERAL_ECHOES, init_qsm_wf
from .registration import init_hybrid_wf, init_registration_wf


def visit_workflow_name(visit: Visit) -> str:
    """Nipype allows letters, digits and underscores only."""
    return visit.prefix.replace('-', '_') + '_wf'


def init_nigra_wf(
    visits: Sequence[tuple[Visit, str]], plan: Plan, *, work_dir: Path, name: str = 'nigra_wf'
) -> Workflow:
    """All visits side by side; none depends on another.

    Parameters
    ----------
    visits
        Each with the fingerprint of its inputs and options.
    plan
        What they have in common.
    work_dir
        Nipype's working folder.
    name
        Of the workflow.
    """
    workflow = Workflow(name=name, base_dir=str(work_dir))
    workflow.add_nodes([init_visit_wf(visit, plan, key=key) for visit, key in visits])
    return workflow


def init_visit_wf(visit: Visit, plan: Plan, *, key: str) -> Workflow:
    """One T1w image, its gradient-echo runs, and the report on both.

    Parameters
    ----------
    visit
        Checked scans.
    plan
        Methods and places.
    key
        Fingerprint that the completion marker carries.

    Outputs
    -------
    Files below `plan.output_dir`, the report, and last the marker that all are whole.
    """
    workflow = Workflow(name=visit_workflow_name(visit))
    t1w = Node(IdentityInterface(['t1w']), name='t1w_source')
    t1w.inputs.t1w = str(visit.t1w)
    anat_wf = init_anat_wf(
        preset=plan.registration,
        nthreads=plan.nthreads,
        random_seed=plan.random_seed,
        brain_mask=visit.brain_mask,
    )
    anat_outputs_wf = init_anat_outputs_wf(
        folder=anat_folder(plan.output_dir, visit.participant_id, visit.session_id),
        prefix=visit.prefix,
        metadata=anat_metadata(visit, plan),
    )
    workflow.connect(t1w, 't1w', anat_wf, 'inputnode.t1w')
    connect_same(workflow, anat_wf, anat_outputs_wf, (*ANAT_IMAGES, *ANAT_FILES, 'parameters'))
    report = Node(
        ParticipantReport(
            participant_id=visit.prefix,
            methods_html=plan.methods_html.get(max(len(s.echo_times) for s in visit.scans), ''),
            versions=dict(plan.versions),
            warnings=list(visit.warnings),
            out_file=str(plan.output_dir / f'{visit.prefix}.html'),
        ),
        name='report',
        mem_gb=1.0,
    )
    workflow.connect([
        (anat_wf, report, [
            ('outputnode.t1w_preproc', 't1w'), ('outputnode.brain_mask', 't1w_brain_mask'),
            ('outputnode.template_in_t1w', 'template_in_t1w'),
            ('outputnode.labels_in_t1w', 'labels_in_t1w'),
            ('outputnode.warnings', 'anat_warnings')]),
    ])  # fmt: skip
    tissues = Node(TissueAgreement(), name='tissues', mem_gb=1.0)
    workflow.connect([
        (anat_wf, tissues, [
            ('outputnode.t1w_preproc', 't1w'), ('outputnode.brain_mask', 'brain_mask'),
            ('outputnode.template_in_t1w', 'template'), ('outputnode.labels_in_t1w', 'labels')]),
    ])  # fmt: skip
    n_scans = len(visit.scans)
    runs = Node(Merge(n_scans), name='runs')
    saved = Node(Merge(n_scans + 2), name='saved')
    for number, scan in enumerate(visit.scans, start=1):
        scan_wf = init_scan_wf(scan, visit, plan, name=f'scan_{number}_wf')
        connect_same(workflow, anat_wf, scan_wf,
                     ('t1w_preproc', 'brain_mask', 't1w_to_template_xfm',
                      'template_to_t1w_xfm', 'labels_in_t1w'))  # fmt: skip
        workflow.connect([
            (anat_wf, scan_wf, [('outputnode.quality', 'inputnode.anat_quality')]),
            (tissues, scan_wf, [('quality', 'inputnode.tissues')]),
        ])  # fmt: skip
        workflow.connect(scan_wf, 'outputnode.run', runs, f'in{number}')
        workflow.connect(scan_wf, 'outputnode.files', saved, f'in{number}')
    complete = Node(
        MarkComplete(
            root=str(plan.output_dir), key=key, marker=str(marker_path(plan.output_dir, visit))
        ),
        name='complete',
    )
    workflow.connect([
        (runs, report, [('out', 'runs')]),
        (anat_outputs_wf, saved, [('outputnode.files', f'in{n_scans + 1}')]),
        (report, saved, [('out_report', f'in{n_scans + 2}')]),
        (saved, complete, [('out', 'files')]),
    ])  # fmt: skip
    return workflow


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
    n_echoes = len(scan.echo_times)
    left_out = left_out_maps(scan, plan)
    inputnode = Node(
        IdentityInterface(
            [
                't1w_preproc',
                'brain_mask',
                't1w_to_template_xfm',
                'template_to_t1w_xfm',
                'labels_in_t1w',
                'anat_quality',
                'tissues',
            ]
        ),
        name='inputnode',
    )
    outputnode = Node(IdentityInterface(['run', 'files']), name='outputnode')
    mem_gb = scan_memory_gb(scan)
    load_gre = _load_node(scan, mem_gb)
    registration_wf = init_registration_wf(
        preset=plan.registration, nthreads=plan.nthreads, random_seed=plan.random_seed
    )
    qsm_wf = init_qsm_wf(
        b0=scan.b0,
        n_echoes=n_echoes,
        background=plan.background,
        inversion=plan.inversion,
        reference=plan.reference,
        separation=plan.separation,
        nthreads=plan.nthreads,
        mem_gb=mem_gb,
    )
    folder = anat_folder(plan.output_dir, visit.participant_id, scan.session_id)
    outputs_wf = init_scan_outputs_wf(
        folder=folder,
        prefix=scan.prefix,
        metadata=scan_metadata(scan, visit, plan),
        hz_per_ppm=hz_per_ppm(scan.b0),
        left_out=left_out,
    )
    measure = _measure_node(scan, visit, plan, folder)
    quality = _quality_node(scan, visit, folder)
    facts = _facts_node(scan)
    atlases = atlas_sources(plan.atlases, visit.participant_id)
    files = Node(Merge(4 + len(atlases)), name='files')
    warnings = Node(Merge(1 + len(atlases)), name='registration_warnings')
    maps = [m for m in (*MAPS, *SEVERAL_ECHOES, *PARTS) if m not in left_out]
    workflow.connect([
        (load_gre, registration_wf, [('first_magnitude', 'inputnode.gre_magnitude')]),
        (inputnode, registration_wf, [(f, f'inputnode.{f}') for f in
                                      ('t1w_preproc', 'brain_mask', 'template_to_t1w_xfm')]),
        (load_gre, qsm_wf, [(f, f'inputnode.{f}') for f in ('phase', 'magnitude', 'echo_times')]),
        (registration_wf, qsm_wf, [('outputnode.brain_mask_in_gre', 'inputnode.brain_mask'),
                                   ('outputnode.dseg', 'inputnode.dseg'),
                                   ('outputnode.dseg_tsv', 'inputnode.dseg_tsv')]),
        (qsm_wf, outputs_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                              (*maps, 'parameters')]),
        (registration_wf, outputs_wf, [('outputnode.gre_to_t1w_xfm', 'inputnode.gre_to_t1w_xfm')]),
        (qsm_wf, measure, [('outputnode.chimap', 'chimap'), ('outputnode.qsm_mask', 'mask')]),
        (load_gre, measure, [('first_magnitude', 'magnitude')]),
        (registration_wf, measure, [('outputnode.brain_mask_in_gre', 'brain_mask')]),
        (load_gre, facts, [('first_magnitude', 'magnitude'), ('warnings', 'load_warnings')]),
        (qsm_wf, facts, [(f'outputnode.{f}', f) for f in maps if f in (*MAPS, 'r2star')]
                        + [('outputnode.parameters', 'parameters')]
                        + [('outputnode.warnings', 'field_warnings')]),
        (registration_wf, facts, [('outputnode.t1w_in_gre', 't1w_in_gre')]),
        (registration_wf, warnings, [('outputnode.warnings', 'in1')]),
        (warnings, facts, [('out', 'registration_warnings')]),
        (quality, facts, [('quality', 'quality')]),
        (inputnode, measure, [('brain_mask', 't1w_brain_mask')]),
        (measure, facts, [('regions_tsv', 'regions_tsv')]),
        (inputnode, quality, [('anat_quality', 'anatomy'), ('tissues', 'tissues')]),
        (load_gre, quality, [('first_magnitude', 'magnitude')]),
        (registration_wf, quality, [('outputnode.quality', 'registration'),
                                    ('outputnode.brain_mask_in_gre', 'brain_mask')]),
        (qsm_wf, quality, [('outputnode.chimap', 'chimap'), ('outputnode.qsm_mask', 'mask')]),
        (measure, quality, [('regions_tsv', 'regions_tsv')]),
        (quality, files, [('out_file', 'in4')]),
        (facts, outputnode, [('out', 'run')]),
        (outputs_wf, files, [('outputnode.files', 'in1')]),
        (measure, files, [('regions_tsv', 'in2'), ('regions_json', 'in3')]),
        (files, outputnode, [('out', 'files')]),
    ])  # fmt: skip
    if n_echoes > 1:
        workflow.connect(qsm_wf, 'outputnode.r2star', measure, 'r2star')
    _connect_labels(workflow, plan)
    for slot, source in enumerate(atlases, start=1):
        _add_atlas(workflow, source, scan, visit, plan, slot)
    return workflow


def _connect_labels(workflow: Workflow, plan: Plan) -> None:
    """Hand the built-in labels on: by T1w contrast, or by that of the susceptibility map, too."""
    inputnode, registration_wf, qsm_wf, outputs_wf, measure, facts, quality = (
        workflow.get_node(name) for name in
        ('inputnode', 'registration_wf', 'qsm_wf', 'scan_outputs_wf', 'measure', 'facts',
         'quality')
    )  # fmt: skip
    labels_wf = registration_wf
    if plan.label_contrast == 'hybrid':
        labels_wf = init_hybrid_wf(
            preset=plan.registration, nthreads=plan.nthreads, random_seed=plan.random_seed
        )
        parameters = Node(Gather(['t1w', 'susceptibility']), name='label_parameters')
        workflow.connect([
            (workflow.get_node('load_gre'), labels_wf,
             [('first_magnitude', 'inputnode.gre_magnitude')]),
            (inputnode, labels_wf, [(f, f'inputnode.{f}') for f in
                                    ('t1w_preproc', 'brain_mask', 't1w_to_template_xfm',
                                     'template_to_t1w_xfm')]),
            (registration_wf, labels_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                                          ('gre_to_t1w_xfm', 't1w_to_gre_xfm')]),
            (qsm_wf, labels_wf, [('outputnode.chimap', 'inputnode.chimap')]),
            (registration_wf, parameters, [('outputnode.parameters', 't1w')]),
            (labels_wf, parameters, [('outputnode.parameters', 'susceptibility')]),
            (labels_wf, quality, [('outputnode.quality', 'labels')]),
            (labels_wf, measure, [('outputnode.labels_in_t1w', 'labels_in_t1w')]),
            (parameters, outputs_wf, [('out', 'inputnode.label_parameters')]),
        ])  # fmt: skip
    else:
        workflow.connect([
            (inputnode, measure, [('labels_in_t1w', 'labels_in_t1w')]),
            (registration_wf, outputs_wf, [('outputnode.parameters',
                                            'inputnode.label_parameters')]),
        ])  # fmt: skip
    workflow.connect([
        (labels_wf, outputs_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                                 ('dseg', 'dseg_tsv')]),
        (labels_wf, measure, [('outputnode.dseg', 'dseg'), ('outputnode.fractions', 'fractions')]),
        (labels_wf, facts, [('outputnode.dseg', 'dseg')]),
    ])  # fmt: skip


def _add_atlas(
    workflow: Workflow, source: AtlasSource, scan: GreScan, visit: Visit, plan: Plan, slot: int
) -> None:
    """Measure a run by an atlas of the user, too; `slot` numbers its files and warnings."""
    node = workflow.get_node
    several = len(scan.echo_times) > 1
    atlas_wf = init_atlas_wf(
        source,
        folder=anat_folder(plan.output_dir, visit.participant_id, scan.session_id),
        prefix=scan.prefix,
        entities=_entities(scan, visit),
        provenance={**region_provenance(scan, plan), **atlas_metadata(source, plan)},
        metadata=atlas_metadata(source, plan),
        several_echoes=several,
        preset=plan.registration,
        random_seed=plan.random_seed,
        name=f'atlas_{source.name}_wf',
    )
    workflow.connect([
        (node('load_gre'), atlas_wf, [('first_magnitude', 'inputnode.gre_magnitude'),
                                      ('first_magnitude', 'inputnode.magnitude')]),
        (node('inputnode'), atlas_wf, [(f, f'inputnode.{f}') for f in
                                       ('t1w_preproc', 'brain_mask', 'template_to_t1w_xfm')]),
        (node('registration_wf'), atlas_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                                             ('t1w_to_gre_xfm', 'brain_mask_in_gre')]),
        (node('qsm_wf'), atlas_wf, [(f'outputnode.{f}', f'inputnode.{f}') for f in
                                    ('chimap', 'qsm_mask', *(['r2star'] if several else []))]),
        (atlas_wf, node('files'), [('outputnode.files', f'in{slot + 4}')]),
        (atlas_wf, node('registration_warnings'), [('outputnode.warnings', f'in{slot + 1}')]),
    ])  # fmt: skip


def _entities(scan: GreScan, visit: Visit) -> dict[str, str]:
    """Entities of a run as region tables name them."""
    return {
        'participant_id': visit.participant_id,
        'session_id': scan.session_id or 'n/a',
        'run_id': scan.run_id or 'n/a',
    }


def left_out_maps(scan: GreScan, plan: Plan) -> set[str]:
    """Maps that this run does not make."""
    several = len(scan.echo_times) > 1
    out = set() if several else set(SEVERAL_ECHOES)
    if not (several and plan.separation):
        out |= set(PARTS)
    if plan.inversion in ONE_STEP['end-to-end']:
        out.add('localfield')
    return out


def _load_node(scan: GreScan, mem_gb: float) -> Node:
    """Step that reads the echoes of a run."""
    return Node(
        LoadGre(
            magnitude=[str(p) for p in scan.magnitude],
            phase=[str(p) for p in scan.phase],
            echo_times=list(scan.echo_times),
            b0=scan.b0,
            units=str(scan.metadata.get('Units', '')),
        ),
        name='load_gre',
        mem_gb=mem_gb,
    )


def _measure_node(scan: GreScan, visit: Visit, plan: Plan, folder: Path) -> Node:
    """Step that writes the region table of a run."""
    return Node(
        RegionTable(
            **_entities(scan, visit),
            provenance=region_provenance(scan, plan),
            out_file=output_path('regions_tsv', folder, scan.prefix),
        ),
        name='measure',
    )


def _quality_node(scan: GreScan, visit: Visit, folder: Path) -> Node:
    """Step that writes the quality of a run."""
    return Node(
        RunQuality(
            entities={
                'participant_id': visit.participant_id,
                'session_id': scan.session_id,
                'run_id': scan.run_id,
            },
            out_file=output_path('quality', folder, scan.prefix),
        ),
        name='quality',
    )


def _facts_node(scan: GreScan) -> Node:
    """Step that gathers what the report shows of a run."""
    facts = Node(
        Gather(['magnitude', 't1w_in_gre', 'qsm_mask', 'totalfield', 'localfield', 'chimap',
                'r2star', 'dseg', 'regions_tsv', 'load_warnings', 'field_warnings',
                'registration_warnings', 'parameters', 'quality', 'entities', 'facts',
                'scan_warnings']),
        name='facts',
    )  # fmt: skip
    facts.inputs.entities = {
        k: v for k, v in (('session', scan.session_id), ('run', scan.run_id)) if v
    } | {'prefix': scan.prefix}
    facts.inputs.facts = scan_facts(scan)
    facts.inputs.scan_warnings = list(scan.warnings)
    return facts


def connect_same(
    workflow: Workflow, source: Workflow, target: Workflow, fields: Sequence[str]
) -> None:
    """Connect outputs of one workflow to inputs of another that have the same names."""
    pairs = [(f'outputnode.{name}', f'inputnode.{name}') for name in fields]
    workflow.connect([(source, target, pairs)])
