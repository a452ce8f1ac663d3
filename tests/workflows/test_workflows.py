"""Graphs without running them: every combination is built and every edge examined.

Nipype accepts connections to fields that nothing declares and mandatory inputs that nothing
feeds; these tests do not.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import write_image, write_sidecar
from nipype.interfaces.base import isdefined
from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import MapNode

from nigra.interfaces.agreement import Told
from nigra.interfaces.bids import Visit, find_visits
from nigra.interfaces.methods import Methods
from nigra.interfaces.outputs import Discard, Gather
from nigra.interfaces.scans import GreScan
from nigra.interfaces.sidecars import Plan
from nigra.interfaces.survey import header_warnings
from nigra.nodes.methods import BACKGROUND, INVERSION, ONE_STEP
from nigra.nodes.statistics.question import Question
from nigra.workflows.base import init_nigra_wf
from nigra.workflows.group import init_group_wf

OPEN = (IdentityInterface, Merge, Gather)
"""Interfaces whose fields are made when they are."""


def plan(raw, **changes):
    methods = replace(Methods(registration='testing', inversion='tv', random_seed=1), **changes)
    return Plan(bids_dir=raw, output_dir=Path('/out'), methods=methods, nthreads=1, version='0')


def faults(workflow):
    """Sentences on everything that Nipype would let pass."""
    graph = workflow._create_flat_graph()
    found = []
    for node in graph.nodes():
        fed = {
            pair[1] for _, _, data in graph.in_edges(node, data=True) for pair in data['connect']
        }
        if not isinstance(node.interface, OPEN):
            names = set(node.inputs.copyable_trait_names())
            found += [f'{node}: no input {name}' for name in sorted(fed - names)]
            for name in node.inputs.traits(mandatory=True):
                if name not in fed and not isdefined(getattr(node.inputs, name)):
                    found.append(f'{node}: nothing feeds {name}')
        made = node.interface.output_spec() if isinstance(node, MapNode) else node.outputs
        for _, target, data in graph.out_edges(node, data=True):
            for source, _ in data['connect']:
                field = source if isinstance(source, str) else source[0]
                if field not in made.copyable_trait_names():
                    found.append(f'{node}: no output {field} (for {target})')
    return found


@pytest.mark.parametrize('participant', ['sub-01', 'sub-02'])
@pytest.mark.parametrize('background', BACKGROUND)
@pytest.mark.parametrize('inversion', [*INVERSION, *ONE_STEP['end-to-end']])
def test_every_input_is_fed_and_every_output_exists(
    raw, tmp_path, participant, background, inversion
):
    (visit,) = find_visits(raw, participant)
    options = plan(raw, background=background, inversion=inversion)
    workflow = init_nigra_wf([(visit, 'key')], options, work_dir=tmp_path)
    assert faults(workflow) == []


@pytest.mark.parametrize('participant', ['sub-01', 'sub-02'])
def test_own_atlases_and_hybrid_labels_are_fed(raw, tmp_path, participant):
    (visit,) = find_visits(raw, participant)
    atlas = write_image(tmp_path / 'seg-own_dseg.nii.gz')
    (tmp_path / 'dseg.tsv').write_text('index\tname\n1\tx\n')
    options = plan(raw, label_contrast='hybrid', atlases=(atlas,))
    workflow = init_nigra_wf([(visit, 'key')], options, work_dir=tmp_path)
    assert faults(workflow) == []
    assert any(f.endswith('_seg-own_regions.tsv') for f in outputs_of(workflow))


@pytest.mark.parametrize('voxelwise', [0, 50])
def test_group_graph(tmp_path, voxelwise):
    table = tmp_path / 'participants.tsv'
    table.write_text('participant_id\tgroup\n')
    workflow = init_group_wf(
        derivatives_dir=tmp_path, participants_file=table, output_dir=tmp_path,
        question=Question(voxelwise=voxelwise), told=Told(Methods(), (0.02,)),
    )  # fmt: skip
    assert faults(workflow) == []


def test_a_fault_is_found(raw, tmp_path):
    (visit,) = find_visits(raw, 'sub-01')
    workflow = init_nigra_wf([(visit, 'key')], plan(raw), work_dir=tmp_path)
    report = workflow.get_node('sub_01_wf.report')
    report.inputs.trait_set(out_file=type(report.inputs)().out_file)
    assert any('nothing feeds out_file' in sentence for sentence in faults(workflow))


def test_the_page_tells_what_the_look_tells_of_headers(raw, tmp_path):
    for part in ('mag', 'phase'):
        path = raw / 'sub-01' / 'anat' / f'sub-01_part-{part}_T2starw.nii.gz'
        write_sidecar(path, EchoTime=0.0046, MagneticFieldStrength=3)
    (visit,) = find_visits(raw, 'sub-01')
    told = [*header_warnings(visit), *visit.scans[0].warnings]
    workflow = init_nigra_wf([(visit, 'key')], plan(raw), work_dir=tmp_path)
    page = workflow.get_node('sub_01_wf.report').inputs.warnings
    scan = workflow.get_node('sub_01_wf.scan_1_wf.facts').inputs.scan_warnings
    assert len(told) == 3
    assert 'Echoes up to 4.6 ms show little iron' in told[-1]
    assert sorted([*page, *scan]) == sorted(told)


def outputs_of(workflow):
    return {
        value
        for node in workflow._create_flat_graph().nodes()
        for name in ('out_file', 'marker')
        if isinstance(value := getattr(node.inputs, name, None), str) and value.startswith('/out')
    }


def test_names_of_results(raw, tmp_path):
    (visit,) = find_visits(raw, 'sub-02')
    files = outputs_of(init_nigra_wf([(visit, 'key')], plan(raw), work_dir=tmp_path))
    anat = '/out/sub-02/ses-a/anat/sub-02_ses-a'
    assert files == {
        '/out/figures/sub-02_ses-a_thumbnail.png',
        f'{anat}_desc-preproc_T1w.nii.gz',
        f'{anat}_desc-brain_mask.nii.gz',
        f'{anat}_from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5',
        f'{anat}_from-MNI152NLin2009cAsym_to-T1w_mode-image_xfm.h5',
        f'{anat}_run-01_from-GRE_to-T1w_mode-image_xfm.h5',
        f'{anat}_run-01_Chimap.nii.gz',
        f'{anat}_run-01_R2starmap.nii.gz',
        f'{anat}_run-01_T2starmap.nii.gz',
        f'{anat}_run-01_S0map.nii.gz',
        f'{anat}_run-01_desc-total_fieldmap.nii.gz',
        f'{anat}_run-01_desc-local_fieldmap.nii.gz',
        f'{anat}_run-01_space-GRE_desc-qsm_mask.nii.gz',
        f'{anat}_run-01_seg-dgm_dseg.nii.gz',
        f'{anat}_run-01_seg-dgm_dseg.tsv',
        f'{anat}_run-01_seg-dgm_regions.tsv',
        f'{anat}_run-01_quality.json',
        '/out/sub-02_ses-a.html',
        '/out/sub-02_ses-a_viewer.html',
        '/out/logs/complete/sub-02_ses-a.json',
    }


def test_one_echo_has_no_r2star(raw, tmp_path):
    (visit,) = find_visits(raw, 'sub-01')
    files = outputs_of(init_nigra_wf([(visit, 'key')], plan(raw), work_dir=tmp_path))
    assert not any('R2star' in name for name in files)


@pytest.mark.parametrize('participant', ['sub-01', 'sub-02'])
def test_separation_is_made_where_there_are_echoes(raw, tmp_path, participant):
    (visit,) = find_visits(raw, participant)
    workflow = init_nigra_wf([(visit, 'key')], plan(raw, separation=True), work_dir=tmp_path)
    assert faults(workflow) == []
    made = [name for name in outputs_of(workflow) if 'magnetic_Chimap' in name]
    assert len(made) == (2 if len(visit.scans[0].echo_times) > 1 else 0)


@pytest.mark.parametrize('separation', [False, True])
def test_what_is_not_made_is_discarded(raw, tmp_path, separation):
    (visit,) = find_visits(raw, 'sub-02')
    workflow = init_nigra_wf([(visit, 'key')], plan(raw, separation=separation), work_dir=tmp_path)
    discarded = {
        path
        for node in workflow._create_flat_graph().nodes()
        if isinstance(node.interface, Discard)
        for path in node.inputs.files
    }
    assert len([path for path in discarded if 'magnetic_Chimap' in path]) == 2 * (not separation)
    assert not discarded & outputs_of(workflow)


def test_discarding_takes_the_sidecar_and_nothing_else(tmp_path):
    names = ('a_desc-x_Chimap.nii.gz', 'a_desc-x_Chimap.json', 'a_Chimap.nii.gz', 'a_Chimap.json')
    for name in names:
        (tmp_path / name).write_text('')
    stale = [str(tmp_path / names[0]), str(tmp_path / 'never_made.nii.gz')]
    removed = Discard(files=stale).run().outputs.removed
    assert {Path(path).name for path in removed} == set(names[:2])
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names[2:])


@pytest.mark.parametrize('reference', ['none', 'csf', 'thalamus'])
def test_one_step_with_any_reference(raw, tmp_path, reference):
    (visit,) = find_visits(raw, 'sub-02')
    options = plan(raw, inversion='tgv', reference=reference)
    workflow = init_nigra_wf([(visit, 'key')], options, work_dir=tmp_path)
    assert faults(workflow) == []
    names = outputs_of(workflow)
    assert not any('desc-local' in name for name in names)
    assert any(name.endswith('_Chimap.nii.gz') for name in names)


def test_two_runs_of_a_visit_keep_apart(raw, tmp_path):
    (visit,) = find_visits(raw, 'sub-01')
    scan = visit.scans[0]
    runs = tuple(replace(scan, prefix=f'sub-01_run-{n}', run_id=f'run-{n}') for n in (1, 2))
    assert isinstance(scan, GreScan)
    both = Visit(visit.participant_id, None, visit.t1w, runs)
    workflow = init_nigra_wf([(both, 'key')], plan(raw), work_dir=tmp_path)
    assert faults(workflow) == []
    assert len([name for name in outputs_of(workflow) if name.endswith('_Chimap.nii.gz')]) == 2


def test_steps_without_work_need_no_process(raw, tmp_path):
    (visit,) = find_visits(raw, 'sub-02')
    workflow = init_nigra_wf([(visit, 'key')], plan(raw), work_dir=tmp_path)
    nodes = [n for n in workflow._create_flat_graph().nodes() if n.name != 'inputnode']
    light = {n.name for n in nodes if n.run_without_submitting}
    assert light >= {'gather', 'files', 'saved', 'facts', 'warnings', 'parameters', 'quality'}
    assert all(
        n.run_without_submitting
        for n in nodes
        if isinstance(n.interface, (Merge, Gather, Discard))
    )
    assert not [n for n in nodes if n.name.startswith(('save_', 'align_')) and n.name in light]
