"""What stands beside results: geometry, memory that a run needs, sources, and the reference."""

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from helpers import write_image

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


def scan(folder, shape=(50, 40, 30), affine=None, echoes=3):
    """A run whose images are headers only."""
    path = write_image(folder / 'phase.nii.gz', np.zeros(shape), affine=affine, dtype=np.uint8)
    times = tuple(0.01 * n for n in range(1, echoes + 1))
    return SimpleNamespace(phase=(path,), echo_times=times, b0=3.0, metadata={})


def test_memory_grows_with_voxels_and_with_echoes(tmp_path):
    """Four images of 4 bytes an echo, fifteen of the fields, and what Python itself takes."""
    million = scan(tmp_path, (100, 100, 100), echoes=1)
    base = scan_memory_gb(scan(tmp_path / 'tiny', (1, 1, 1), echoes=1))
    assert base == pytest.approx(0.5, abs=1e-6)
    assert scan_memory_gb(million) - base == pytest.approx(1e6 * 4 * (15 + 4) / 1e9, rel=1e-4)
    million.echo_times = (0.01,) * 6
    assert scan_memory_gb(million) - base == pytest.approx(1e6 * 4 * (15 + 24) / 1e9, rel=1e-4)


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
    told = region_provenance(scan(tmp_path), plan)
    assert told['ReferenceRegion'] == reference_text(reference)
    assert told['Methods']['reference'] == reference
    assert (told['NigraVersion'], told['Units']) == ('1.2', 'ppb')
    assert ('thalamus' in told['ReferenceRegion']) == (reference == 'thalamus')
