"""Files of a simulated scan: parts, echoes and units as their sidecars say."""

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.simulated_files import write_gre
from nigra.nodes.simulation.scan import GreProtocol


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
