"""Three of twenty participants are broken, each in another way: the others are complete.

The steps of a participant are stood in for by one that writes what it read, so that twenty take
seconds; what finds, refuses, runs and tells is the command's own.
"""

import json

import nibabel as nib
import numpy as np
import pytest
from helpers import add_run, people, write_image, write_sidecar
from nipype.interfaces.utility import Function
from nipype.pipeline.engine import Node, Workflow

from nigra.cli import main
from nigra.interfaces.sidecars import marker_path
from nigra.workflows import base
from nigra.workflows.base import visit_workflow_name

NO_PHASE, CUT, NO_TIME = 'sub-03', 'sub-11', 'sub-17'
EVERYBODY = [f'sub-{n:02d}' for n in range(1, 21)]


def process(image, out_file, marker, key, root):
    """Read a participant's phase to its end and write one result, then the marker."""
    from pathlib import Path

    from nigra.interfaces.completion import mark_complete
    from nigra.interfaces.headers import load_data

    Path(out_file).parent.mkdir(parents=True, exist_ok=True)
    Path(out_file).write_text(str(float(load_data(Path(image)).mean())))
    mark_complete(Path(marker), key, [Path(out_file)], Path(root))
    return out_file


def stand_in(visits, plan, *, work_dir, name='nigra_wf'):
    top = Workflow(name, base_dir=str(work_dir))
    for visit, key in visits:
        workflow = Workflow(visit_workflow_name(visit))
        step = Node(Function(function=process), name='process')
        step.inputs.trait_set(
            image=str(visit.scans[0].phase[0]), key=key, root=str(plan.output_dir),
            out_file=str(plan.output_dir / visit.participant_id / f'{visit.prefix}.txt'),
            marker=str(marker_path(plan.output_dir, visit)),
        )  # fmt: skip
        workflow.add_nodes([step])
        top.add_nodes([workflow])
    return top


@pytest.fixture
def twenty(tmp_path, monkeypatch):
    monkeypatch.setattr(base, 'init_nigra_wf', stand_in)
    raw = tmp_path / 'raw'
    raw.mkdir()
    (raw / 'dataset_description.json').write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    people(raw, *(f'{who}\tA\t{30 + n}\tF' for n, who in enumerate(EVERYBODY)))
    for who in EVERYBODY:
        anat = raw / who / 'anat'
        write_image(anat / f'{who}_T1w.nii.gz')
        add_run(anat, who)
    (raw / NO_PHASE / 'anat' / f'{NO_PHASE}_part-phase_T2starw.nii.gz').unlink()
    write_sidecar(raw / NO_TIME / 'anat' / f'{NO_TIME}_part-phase_T2starw.nii.gz',
                  MagneticFieldStrength=3)  # fmt: skip
    cut = raw / CUT / 'anat' / f'{CUT}_part-phase_T2starw.nii.gz'
    noise = np.random.default_rng(0).integers(0, 4096, (30, 30, 20)).astype(np.int16)
    for part in ('mag', 'phase'):
        path = cut.with_name(cut.name.replace('phase', part))
        nib.save(nib.Nifti1Image(noise, np.diag([2.0, 2, 2, 1])), path)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    return raw


def run(raw, caplog):
    """Exit status, and the sentences of errors."""
    caplog.clear()
    out = raw.parent / 'out'
    status = main([str(raw), str(out), 'participant', '--nprocs', '2', '--skip-bids-validation'])
    return status, [r.getMessage() for r in caplog.records if r.levelname == 'ERROR']


def test_seventeen_are_complete_and_one_summary_names_the_three(twenty, caplog):
    caplog.set_level('INFO', logger='nigra')
    out = twenty.parent / 'out'
    status, errors = run(twenty, caplog)
    assert status == 1
    whole = [w for w in EVERYBODY if w not in (NO_PHASE, CUT, NO_TIME)]
    assert sorted(p.parent.name for p in out.glob('sub-*/sub-*.txt')) == whole
    markers = {p.stem: json.loads(p.read_text()) for p in (out / 'logs/complete').iterdir()}
    assert sorted(who for who, record in markers.items() if record['Outputs']) == whole
    # at the end all three stand together: who, why, and what to do
    summary = [text for text in errors if ' failed: ' in text]
    assert [text.split()[0] for text in summary] == [NO_PHASE, CUT, NO_TIME]
    for text, words in zip(
        summary, ('add the part-phase files', 'cannot be read to its end', 'has no EchoTime'),
        strict=True,
    ):  # fmt: skip
        assert words in text
        assert '\n' not in text
    page = (out / 'index.html').read_text()
    assert all(who in page for who in (NO_PHASE, CUT, NO_TIME))
    lines = (out / 'logs' / 'progress.tsv').read_text().splitlines()
    ended = {line.split('\t')[1]: line.split('\t')[2] for line in lines[1:]}
    assert ended == {**dict.fromkeys(whole, 'complete'), CUT: 'ended'}


def test_only_what_was_mended_is_run_again(twenty, caplog):
    caplog.set_level('INFO', logger='nigra')
    out = twenty.parent / 'out'
    run(twenty, caplog)
    before = {p: p.stat().st_mtime_ns for p in out.glob('sub-*/sub-*.txt')}
    for who in (NO_PHASE, CUT, NO_TIME):
        add_run(twenty / who / 'anat', who)
    assert run(twenty, caplog) == (0, [])
    after = {p: p.stat().st_mtime_ns for p in out.glob('sub-*/sub-*.txt')}
    assert len(after) == 20
    assert all(after[path] == time for path, time in before.items())
