"""Files of a simulated scan: parts, echoes and units as their sidecars say."""

import json
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.simulated_files import write_dataset_files, write_gre, write_truth_images
from nigra.interfaces.study import read_study
from nigra.nodes.grid import hz_per_ppm
from nigra.nodes.simulation.scan import GreProtocol

EXAMPLE = Path(__file__).parents[2] / 'bids_example'


@pytest.mark.parametrize(
    ('times', 'stored', 'suffix', 'units'),
    [((0.02,), 'rad', 'T2starw', 'rad'), ((0.01, 0.02), '-4096..4094', 'MEGRE', 'arbitrary')],
)
def test_echoes_and_units_are_told(tmp_path, times, stored, suffix, units):
    protocol = GreProtocol(times, 3.0, 0.05, 15.0, (4, 5, 6), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0),
                           phase=stored)  # fmt: skip
    parts = np.arange(120 * len(times), dtype=np.int16).reshape(4, 5, 6, -1)
    scan = SimpleNamespace(
        magnitude=parts, phase=-parts, slab=SimpleNamespace(affine=np.diag([1.0, 1, 2, 1]))
    )
    write_gre(tmp_path, 'sub-01', scan, protocol)
    files = sorted(p.name for p in (tmp_path / 'sub-01' / 'anat').glob('*.nii.gz'))
    assert len(files) == 2 * len(times)
    assert all(name.endswith(f'_{suffix}.nii.gz') for name in files)
    for echo, time in enumerate(times):
        entity = f'_echo-{echo + 1}' if len(times) > 1 else ''
        path = tmp_path / 'sub-01' / 'anat' / f'sub-01{entity}_part-phase_{suffix}.nii.gz'
        sidecar = json.loads(path.with_name(path.name.replace('.nii.gz', '.json')).read_text())
        assert (sidecar['EchoTime'], sidecar['Units']) == (time, units)
        stored_data = np.asanyarray(nib.load(path).dataobj)
        assert np.array_equal(np.sort(stored_data, None), np.sort(-parts[..., echo], None))


def test_truth_has_its_folder_its_units_and_its_orientation(tmp_path):
    shape, b0 = (4, 5, 6), 3.0
    protocol = GreProtocol((0.02,), b0, 0.05, 15.0, shape, (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))
    image = SimpleNamespace(affine=np.eye(4), labels=np.full(shape, 3, np.uint8),
                            brain=np.ones(shape, bool))  # fmt: skip
    field = np.linspace(-1, 1, 120).reshape(shape).astype(np.float32)
    scan = SimpleNamespace(
        slab=SimpleNamespace(affine=np.diag([1.0, 1, 2, 1])), labels=image.labels,
        brain=image.brain, chi=field / 10, total_field=field, local_field=field / 2,
    )  # fmt: skip
    write_truth_images(
        tmp_path, 'sub-01', (image, SimpleNamespace(orientation='RAS')), (scan, protocol)
    )
    folder = tmp_path / 'derivatives' / 'truth' / 'sub-01' / 'anat'
    read = {
        name: nib.as_closest_canonical(nib.load(folder / f'sub-01_{name}.nii.gz')).get_fdata()
        for name in ('Chimap', 'desc-total_fieldmap', 'desc-local_fieldmap')
    }
    # fields in Hz, susceptibility in ppm
    assert read['desc-total_fieldmap'] == pytest.approx(field * hz_per_ppm(b0), rel=1e-5)
    assert read['desc-local_fieldmap'] == pytest.approx(field * hz_per_ppm(b0) / 2, rel=1e-5)
    assert read['Chimap'] == pytest.approx(field / 10, rel=1e-5)
    assert len(list(folder.glob('*.nii.gz'))) == len(list(folder.glob('*.json'))) == 7


def test_the_example_is_described_as_it_is_written_and_by_more_than_one(tmp_path):
    """The validator warns of a single author, and derivatives take the authors over."""
    write_dataset_files(read_study('example'), [], tmp_path)
    made, kept = (
        json.loads((root / 'dataset_description.json').read_text()) for root in (tmp_path, EXAMPLE)
    )
    assert made['Authors'] == kept['Authors']
    assert len(made['Authors']) > 1
