"""What stands beside results: geometry, memory that a run needs, sources, and the reference."""

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from helpers import write_image

from nigra.interfaces.gre import LOADING
from nigra.interfaces.methods import Methods
from nigra.interfaces.sidecars import (
    Plan,
    anat_folder,
    reference_text,
    region_provenance,
    scan_facts,
    scan_memory_gb,
    shared_metadata,
)
from nigra.nodes.memory import PROGRAM_GB
from nigra.nodes.methods import BACKGROUND, INVERSION, ONE_STEP


def scan(folder, shape=(50, 40, 30), affine=None, echoes=3):
    """A run whose images are headers only."""
    path = write_image(folder / 'phase.nii.gz', np.zeros(shape), affine=affine, dtype=np.uint8)
    times = tuple(0.01 * n for n in range(1, echoes + 1))
    return SimpleNamespace(phase=(path,), echo_times=times, b0=3.0, metadata={})


@pytest.mark.parametrize(
    ('methods', 'echoes', 'largest'),
    [
        (Methods(), 1, INVERSION['dual'].memory),
        (Methods(), 20, LOADING),
        (Methods(inversion='tgv2'), 1, INVERSION['tgv2'].memory),
        (Methods(inversion='tkd'), 1, BACKGROUND['pdf'].memory),
        (Methods(inversion='tgv', background='vsharp'), 1, ONE_STEP['end-to-end']['tgv'].memory),
    ],
)
def test_memory_is_that_of_the_largest_step_that_runs(tmp_path, methods, echoes, largest):
    tiny = scan_memory_gb(scan(tmp_path / 'tiny', (1, 1, 1), echoes=1), methods)
    assert tiny == pytest.approx(PROGRAM_GB, abs=1e-6)
    million = scan(tmp_path, (100, 100, 100), echoes=echoes)
    wanted = PROGRAM_GB + 1e6 * (largest.fixed + largest.echo * echoes) / 1e9
    assert scan_memory_gb(million, methods) == pytest.approx(wanted)


def test_facts_are_those_of_the_images(tmp_path):
    angle = np.deg2rad(10)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    facts = scan_facts(scan(tmp_path, affine=turn @ np.diag([1.0, 2.0, 3.0, 1.0])))
    assert facts['VoxelSize'] == pytest.approx([1, 2, 3])
    # the world's z axis as the turned voxels see it
    assert facts['B0Direction'] == pytest.approx([0, np.sin(angle), np.cos(angle)], abs=1e-5)
    assert facts['Shape'] == [50, 40, 30]
    assert facts['EchoTimes'] == [0.01, 0.02, 0.03]
    assert nib.aff2axcodes(turn) == ('R', 'A', 'S')


def test_sources_are_told_from_the_root_of_the_data_set():
    plan = Plan(Path('/data/raw'), Path('/data/out'), Methods(), 2, '1.2', {'numpy': '2'})
    raw = Path('/data/raw/sub-1/anat/sub-1_T1w.nii.gz')
    told = shared_metadata(plan, [raw])
    assert told['Sources'] == ['bids:raw:sub-1/anat/sub-1_T1w.nii.gz']
    assert told['Threads'] == 2
    assert told['LibraryVersions'] == {'numpy': '2'}
    assert Methods(**told['Methods']).record() == Methods().record()


@pytest.mark.parametrize(
    ('session', 'inside'), [(None, 'sub-1/anat'), ('ses-a', 'sub-1/ses-a/anat')]
)
def test_results_lie_below_participant_and_session(session, inside):
    assert anat_folder(Path('/out'), 'sub-1', session) == Path('/out') / inside


@pytest.mark.parametrize('reference', ['brain', 'csf', 'none', 'thalamus'])
def test_the_reference_is_told_to_the_group_level(tmp_path, reference):
    plan = Plan(tmp_path, tmp_path, Methods(reference=reference), 1, '1.2')
    told = region_provenance(scan(tmp_path), SimpleNamespace(brain_mask=None), plan)
    assert told['ReferenceRegion'] == reference_text(reference)
    assert told['Methods']['reference'] == reference
    assert (told['NigraVersion'], told['Units']) == ('1.2', 'ppb')
    assert ('thalamus' in told['ReferenceRegion']) == (reference == 'thalamus')


@pytest.mark.parametrize(('mask', 'told'), [(None, 'made'), (Path('x_mask.nii.gz'), 'given')])
def test_where_the_brain_mask_came_from_is_told_to_the_group_level(tmp_path, mask, told):
    plan = Plan(tmp_path, tmp_path, Methods(), 1, '1.2')
    visit = SimpleNamespace(brain_mask=mask)
    assert region_provenance(scan(tmp_path), visit, plan)['BrainMask'] == told
