"""The sign of the phase on its way through the graph."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from helpers import add_run, anat
from phantoms import real_head

from nigra.interfaces.bids import find_visits
from nigra.interfaces.methods import Methods
from nigra.interfaces.sidecars import Plan
from nigra.nodes.grid import hz_per_ppm
from nigra.workflows.base import init_nigra_wf
from nigra.workflows.qsm import init_qsm_wf

TIMES = [0.008, 0.016]
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def reconstruct(folder, *, sign, methods):
    """Maps of a head whose phase was multiplied by `sign`, from the graph of one run."""
    scan = real_head()
    turn = 2 * np.pi * hz_per_ppm(3.0)
    angle = sign * turn * scan['totalfield'][..., None] * np.array(TIMES)
    images = {
        'phase': np.angle(np.exp(1j * angle)),
        'magnitude': scan['magnitude'][..., None] * np.array([1.0, 0.8]),
        'brain_mask': scan['mask'],
    }
    workflow = init_qsm_wf(methods, b0=3.0, n_echoes=1)  # no R2*, which the sign does not touch
    for name, image in images.items():
        path = folder / f'{name}.nii.gz'
        nib.save(nib.Nifti1Image(image.astype(np.float32), AFFINE), path)
        setattr(workflow.inputs.inputnode, name, str(path))
    workflow.inputs.inputnode.echo_times = TIMES
    workflow.base_dir = str(folder)
    ran = {node.name: node for node in workflow.run(plugin='Linear').nodes()}
    return {
        'chimap': np.asarray(nib.load(ran['set_reference'].result.outputs.chimap).dataobj),
        'total': np.asarray(nib.load(ran['check_sign'].result.outputs.totalfield).dataobj),
        'inverted': ran['check_sign'].result.outputs.parameters['phase_inverted'],
        'parameters': ran['parameters'].result.outputs.out,
    }


@pytest.mark.parametrize('inversion', ['tkd', 'tgv'])
def test_an_inverted_phase_gives_the_same_map(tmp_path, inversion):
    methods = Methods(inversion=inversion, background='pdf', reference='none')
    if inversion == 'tgv':
        methods = methods.with_settings(['inversion.iterations=20'])
    found = {}
    for name, sign in (('right', 1), ('inverted', -1)):
        folder = tmp_path / name
        folder.mkdir()
        found[name] = reconstruct(folder, sign=sign, methods=methods)
    right, inverted = found['right'], found['inverted']
    assert (right['inverted'], inverted['inverted']) == (False, True)
    assert inverted['parameters']['phase']['sign_verdict'] == 'inverted'
    assert np.abs(inverted['total'] - right['total']).max() < 1e-4
    size = np.abs(right['chimap']).max()
    assert size > 0.03
    assert np.abs(inverted['chimap'] - right['chimap']).max() < 0.01 * size


def test_keep_keeps_an_inverted_phase(tmp_path):
    methods = Methods(inversion='tkd', reference='none', phase_sign='keep')
    found = reconstruct(tmp_path, sign=-1, methods=methods)
    assert found['inverted'] is False
    assert found['parameters']['phase']['sign_verdict'] == 'inverted'


def test_option_and_sidecar_reach_the_steps(raw, tmp_path):
    in_parts = anat(raw)
    for path in in_parts.glob('*_part-*'):
        path.unlink()
    add_run(in_parts, 'sub-01', parts=('part-real_', 'part-imag_'))
    path = in_parts / 'sub-01_part-imag_T2starw.json'
    path.write_text(
        '{"EchoTime": 0.02, "MagneticFieldStrength": 3, "Manufacturer": "GE", '
        '"MRAcquisitionType": "2D"}'
    )
    (visit,) = find_visits(raw, 'sub-01')
    methods = replace(Methods(registration='testing'), phase_sign='invert')
    plan = Plan(raw, tmp_path, methods, nthreads=1, version='0')
    workflow = init_nigra_wf([(visit, 'key')], plan, work_dir=tmp_path)
    load = workflow.get_node('sub_01_wf.scan_1_wf.load_gre').inputs
    assert (load.complex_parts, load.acquisition) == (True, '2D')
    assert load.magnitude[0].endswith('part-real_T2starw.nii.gz')
    check = workflow.get_node('sub_01_wf.scan_1_wf.qsm_wf.check_sign').inputs
    assert (check.sign, check.metadata['Manufacturer']) == ('invert', 'GE')
