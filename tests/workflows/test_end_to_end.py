"""The command on two people of the example, one of them without phase."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra.cli import main
from nigra.cli.app import make_plan
from nigra.cli.arguments import parse_settings
from nigra.cli.find import find_all
from nigra.workflows.base import init_nigra_wf
from nigra.workflows.graph import final_files

EXAMPLE = Path(__file__).parents[2] / 'bids_example'
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Root folder, exit status and messages of a run with the quickest registration."""
    root = tmp_path_factory.mktemp('study with spaces')
    raw = root / 'raw.v1'
    for name in ('dataset_description.json', 'participants.tsv', 'participants.json'):
        raw.mkdir(exist_ok=True)
        shutil.copy(EXAMPLE / name, raw / name)
    for label in ('sub-02', 'sub-05'):
        shutil.copytree(EXAMPLE / label, raw / label)
    for path in (raw / 'sub-05' / 'anat').glob('*phase*'):
        path.unlink()
    return root, raw


def command(root, raw, *levels):
    return main([
        str(raw), str(root / 'out'), *levels, '--registration', 'testing', '--nprocs', '1',
        '--skip-bids-validation', '--separation',
    ])  # fmt: skip


def snapshot(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob('*') if p.is_file()}


def test_one_completes_and_the_other_is_named(run, caplog):
    root, raw = run
    before = snapshot(raw)
    assert command(root, raw, 'participant') == 1  # not everything asked for exists
    errors = [r.getMessage() for r in caplog.records if r.levelname == 'ERROR']
    assert any('sub-05' in e and 'no part-phase image' in e for e in errors)
    assert not any('sub-02' in e for e in errors)
    out = root / 'out'
    assert (out / 'sub-02.html').exists()
    assert not (out / 'sub-05.html').exists()
    assert snapshot(raw) == before  # the input is never written to
    assert not list(out.rglob('.part-*'))


def test_map_and_sidecar(run):
    anat = run[0] / 'out' / 'sub-02' / 'anat'
    sidecar = json.loads((anat / 'sub-02_Chimap.json').read_text())
    assert sidecar['Units'] == 'ppm'
    assert 'whole brain' in sidecar['ReferenceRegion']
    assert sidecar['Parameters']['inversion']['method'] == 'dual'
    assert sidecar['EchoTimes'] == [0.008, 0.021, 0.034]
    chi = nib.load(anat / 'sub-02_Chimap.nii.gz').get_fdata()
    mask = nib.load(anat / 'sub-02_space-GRE_desc-qsm_mask.nii.gz').get_fdata() > 0
    assert abs(chi[mask].mean()) < 1e-6
    assert not chi[~mask].any()
    names = ('R2starmap', 'T2starmap', 'S0map', 'desc-total_fieldmap', 'desc-local_fieldmap')
    for name in names:
        assert np.isfinite(nib.load(anat / f'sub-02_{name}.nii.gz').get_fdata()).all()
    signs = {'para': 1, 'dia': -1}
    parts = {
        name: nib.load(anat / f'sub-02_desc-{name}magnetic_Chimap.nii.gz').get_fdata()
        for name in signs
    }
    assert all((sign * parts[name] >= 0).all() for name, sign in signs.items())
    assert np.allclose(parts['para'] + parts['dia'], chi, atol=1e-6)
    sidecar = json.loads((anat / 'sub-02_desc-paramagnetic_Chimap.json').read_text())
    assert sidecar['Parameters']['separation']['dr_para'] == 137


def test_region_means_follow_the_truth(run):
    name = 'sub-02_seg-dgm_regions.tsv'
    measured = pd.read_csv(run[0] / 'out' / 'sub-02' / 'anat' / name, sep='\t')
    truth = pd.read_csv(EXAMPLE / 'derivatives' / 'truth' / 'sub-02' / 'anat' / name, sep='\t')
    assert set(truth.columns) <= set(measured.columns)
    both = measured.merge(truth, on=['region', 'hemisphere'], suffixes=('', '_true'))
    both = both[(both.hemisphere == 'both') & (both.region != 'brain')]
    slope, _ = np.polyfit(both.chi_mean_true, both.chi_mean, 1)
    assert 0.7 < slope < 1.3  # the quickest registration; benchmarks/truth.py has the default's
    assert (both.chi_mean - both.chi_mean_true).abs().mean() < 20
    assert both.r2star_mean.notna().all()
    iron = both.set_index('region').iron_mean
    assert iron['pallidum'] == pytest.approx(both.set_index('region').chi_mean['pallidum'] / 0.97)
    assert iron.index[iron.isna()].sort_values().tolist() == [
        'pulvinar', 'thalamus', 'thalamus_whole',
    ]  # fmt: skip
    brain = measured[measured.region == 'brain'].iloc[0]
    true_brain = truth[truth.region == 'brain'].iloc[0]
    assert brain.volume_mm3 == pytest.approx(true_brain.volume_mm3, rel=0.15)


def test_labels_are_those_of_the_table(run):
    anat = run[0] / 'out' / 'sub-02' / 'anat'
    labels = np.asanyarray(nib.load(anat / 'sub-02_seg-dgm_dseg.nii.gz').dataobj)
    table = pd.read_csv(anat / 'sub-02_seg-dgm_dseg.tsv', sep='\t')
    assert set(np.unique(labels)) - {0} <= set(table['index'])


def test_what_is_made_is_what_was_planned(run):
    """So that whatever a killed run has left is known and can be removed."""
    root, raw = run
    arguments = [str(raw), str(root / 'out'), 'participant', '--registration', 'testing']
    settings = parse_settings([*arguments, '--separation'])
    visits, _ = find_all(settings, ['sub-02'], {})
    plan = make_plan(settings, visits)
    graph = init_nigra_wf([(visit, '') for visit in visits], plan, work_dir=root)
    planned = {path.relative_to(root / 'out').as_posix() for path in final_files(graph, root)}
    marker = root / 'out' / 'logs' / 'complete' / 'sub-02.json'
    assert set(json.loads(marker.read_text())['Outputs']) == planned


def test_the_same_command_does_nothing_anew(run):
    root, raw = run
    done = root / 'out' / 'sub-02'
    before = snapshot(done)
    assert command(root, raw, 'participant') == 1
    assert snapshot(done) == before


def test_a_deleted_result_comes_back_the_same(run):
    root, raw = run
    chimap = root / 'out' / 'sub-02' / 'anat' / 'sub-02_Chimap.nii.gz'
    before = nib.load(chimap).get_fdata()
    chimap.unlink()
    command(root, raw, 'participant')
    assert np.array_equal(nib.load(chimap).get_fdata(), before)


def test_group_level_tells_what_it_cannot_do(run, caplog):
    caplog.set_level('INFO')
    root, raw = run
    assert command(root, raw, 'group', '--contrasts', 'NMO - HC') == 1
    messages = [r.getMessage() for r in caplog.records]
    assert any("names 'HC', which is no group" in m for m in messages)
    assert not any('group: report' in m for m in messages)  # it did not run, so nobody says so
    assert not (root / 'out' / 'group.html').exists()
    # one person of one group is nothing to test, which the page says
    assert command(root, raw, 'group') == 0
    page = (root / 'out' / 'group.html').read_text()
    assert 'holds only &#39;NMO&#39;' in page
    assert 'Groups with fewer than 3 participants' in page
