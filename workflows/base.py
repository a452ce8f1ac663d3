"""From a participant's visits to results: anatomy, maps, labels, region tables, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.bids import Visit
from ..interfaces.names import outputs
from ..interfaces.outputs import MarkComplete
from ..interfaces.quality import TissueAgreement
from ..interfaces.reports.report import ParticipantReport, Thumbnail, thumbnail_path
from ..interfaces.reports.viewer_files import viewer_path
from ..interfaces.reports.viewer_page import ParticipantViewer
from ..interfaces.sidecars import (
    Plan,
    anat_folder,
    anat_metadata,
    marker_path,
)
from ..interfaces.survey import image_warnings
from .anat import init_anat_wf
from .graph import connect_same, light
from .outputs import init_anat_outputs_wf
from .scan import FROM_ANATOMY, init_scan_wf


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
    Files below `plan.output_dir`, the report, and last the marker that all are complete.
    """
    workflow = Workflow(name=visit_workflow_name(visit))
    t1w = Node(IdentityInterface(['t1w']), name='t1w_source')
    t1w.inputs.t1w = str(visit.t1w)
    anat_wf = init_anat_wf(plan.methods, nthreads=plan.nthreads, brain_mask=visit.brain_mask)
    workflow.connect(t1w, 't1w', anat_wf, 'inputnode.t1w')
    saved = [_add_anat_outputs(workflow, visit, plan)]
    report = _add_report(workflow, visit, plan)
    tissues = _add_tissues(workflow)
    runs = light(Merge(len(visit.scans)), 'runs')
    for number, scan in enumerate(visit.scans, start=1):
        scan_wf = init_scan_wf(scan, visit, plan, name=f'scan_{number}_wf')
        connect_same(workflow, anat_wf, scan_wf, FROM_ANATOMY)
        workflow.connect([
            (anat_wf, scan_wf, [('outputnode.quality', 'inputnode.anat_quality')]),
            (tissues, scan_wf, [('quality', 'inputnode.tissues')]),
            (scan_wf, runs, [('outputnode.run', f'in{number}')]),
        ])  # fmt: skip
        saved.append((scan_wf, 'outputnode.files'))
    workflow.connect(runs, 'out', report, 'runs')
    viewer = _add_viewer(workflow, visit, plan, runs, saved)
    thumbnail = Node(
        Thumbnail(out_file=str(thumbnail_path(plan.output_dir, visit.prefix))), name='thumbnail'
    )
    workflow.connect(runs, 'out', thumbnail, 'runs')
    saved += [(report, 'out_report'), (thumbnail, 'out_file'), (viewer, 'out_viewer')]
    _add_marker(workflow, visit, plan, key, saved)
    return workflow


def _add_anat_outputs(workflow: Workflow, visit: Visit, plan: Plan) -> tuple[Workflow, str]:
    """Save what the anatomy made; returns where the saved files come from."""
    anat_wf = workflow.get_node('anat_wf')
    outputs_wf = init_anat_outputs_wf(
        folder=anat_folder(plan.output_dir, visit.participant_id, visit.session_id),
        prefix=visit.prefix,
        metadata=anat_metadata(visit, plan),
    )
    connect_same(workflow, anat_wf, outputs_wf, (*outputs('anat'), 'parameters'))
    return outputs_wf, 'outputnode.files'


def _add_report(workflow: Workflow, visit: Visit, plan: Plan) -> Node:
    """The participant's page; its runs are connected as they are made."""
    report = Node(
        ParticipantReport(
            participant_id=visit.prefix,
            methods_html=plan.methods_html.get(max(len(s.echo_times) for s in visit.scans), ''),
            versions=dict(plan.versions),
            study=dict(plan.study),
            warnings=[*visit.warnings, *image_warnings('T1w', visit.t1w)],
            out_file=str(plan.output_dir / f'{visit.prefix}.html'),
        ),
        name='report',
        mem_gb=1.0,
    )
    workflow.connect([
        (workflow.get_node('anat_wf'), report, [
            ('outputnode.t1w_preproc', 't1w'), ('outputnode.brain_mask', 't1w_brain_mask'),
            ('outputnode.template_in_t1w', 'template_in_t1w'),
            ('outputnode.labels_in_t1w', 'labels_in_t1w'),
            ('outputnode.warnings', 'anat_warnings')]),
    ])  # fmt: skip
    return report


def _add_viewer(
    workflow: Workflow, visit: Visit, plan: Plan, runs: Node, saved: Sequence[tuple[Any, str]]
) -> Node:
    """The page that shows the images of a visit as they were saved."""
    viewer = Node(
        ParticipantViewer(
            participant_id=visit.prefix,
            version=str(plan.versions.get('nigra', '')),
            study=dict(plan.study),
            out_file=str(viewer_path(plan.output_dir, visit.prefix)),
        ),
        name='viewer',
        mem_gb=1.0,
    )
    images = light(Merge(len(saved)), 'images')
    for slot, (source, output) in enumerate(saved, start=1):
        workflow.connect(source, output, images, f'in{slot}')
    workflow.connect([(images, viewer, [('out', 'files')]), (runs, viewer, [('out', 'runs')])])
    return viewer


def _add_tissues(workflow: Workflow) -> Node:
    """How well the tissues of the T1w image and of the registered template agree."""
    tissues = Node(TissueAgreement(), name='tissues', mem_gb=1.0)
    workflow.connect([
        (workflow.get_node('anat_wf'), tissues, [
            ('outputnode.t1w_preproc', 't1w'), ('outputnode.brain_mask', 'brain_mask'),
            ('outputnode.template_in_t1w', 'template'), ('outputnode.labels_in_t1w', 'labels')]),
    ])  # fmt: skip
    return tissues


def _add_marker(
    workflow: Workflow, visit: Visit, plan: Plan, key: str, saved: Sequence[tuple[Any, str]]
) -> None:
    """Say that a visit is complete once all of its files are."""
    files = light(Merge(len(saved)), 'saved')
    for slot, (source, output) in enumerate(saved, start=1):
        workflow.connect(source, output, files, f'in{slot}')
    complete = Node(
        MarkComplete(
            root=str(plan.output_dir), key=key, marker=str(marker_path(plan.output_dir, visit))
        ),
        name='complete',
    )
    workflow.connect(files, 'out', complete, 'files')
