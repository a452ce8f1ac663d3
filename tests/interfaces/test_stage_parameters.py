"""What a stage takes for its parameters and images, up to the last that is allowed."""

import json
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from nigra.interfaces.stage_input import (
    SIZE_TOLERANCE,
    _checked,
    _grid,
    _read_params,
    _ready,
    _shaped,
    load_inputs,
)
from nigra.nodes.errors import InputError
from nigra.nodes.grid import STRONGEST_T
from nigra.nodes.stages import choose, scan_values

HERE = Path('params.json')
PHASE = scan_values(choose('field-mapping'))
MAYBE = scan_values(choose('dipole', 'medi'))
AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])


@pytest.mark.parametrize(
    ('params', 'wanted', 'times', 'b0'),
    [
        ({'TE': [0.01, 0.02], 'B0': 3}, PHASE, (0.01, 0.02), 3.0),
        ({'TE': 0.01, 'B0': 1.5}, PHASE, (0.01,), 1.5),
        ({'TE': [0.5, 1.0], 'B0': 3}, PHASE, (0.5, 1.0), 3.0),  # a second is the longest
        ({'TE': [0.01], 'B0': 3}, {}, (0.01,), 3.0),
        ({}, {}, (), np.nan),
        ({}, MAYBE, (), np.nan),
        ({'TE': None, 'B0': None}, MAYBE, (), np.nan),
        ({'TE': [0.01]}, scan_values(choose('relaxometry')), (0.01,), np.nan),
        # what no method takes is as good as not told where it cannot be used
        ({'TE': [20], 'B0': '3'}, {}, (), np.nan),
        ({'TE': [0.02, 0.01], 'B0': True}, {}, (), np.nan),
        ({'TE': [0.02, 0.02]}, {}, (), np.nan),
        ({'TE': [0.0, 0.02]}, {}, (), np.nan),
        ({'TE': ['a'], 'B0': 10**400}, {}, (), np.nan),
    ],
)
def test_parameters_that_are_taken(params, wanted, times, b0):
    found = _checked(HERE, params, wanted)
    assert found['TE'] == times
    assert found['B0'] == pytest.approx(b0, nan_ok=True)


@pytest.mark.parametrize(
    ('params', 'words'),
    [
        ({'B0': 3}, 'has no TE; give TE in seconds'),
        ({'TE': [0.01]}, 'has no B0; give B0 in tesla'),
        ({'TE': [0.01], 'B0': 0}, 'has B0 0; give it in tesla, above 0 and up to 30'),
        ({'TE': [0.01], 'B0': float('inf')}, 'has B0 inf; give it in tesla'),
        ({'TE': [0.01], 'B0': True}, 'has B0 True; give it in tesla'),
        ({'TE': [0.01], 'B0': 10**400}, 'has B0 10*; give it in tesla'),
        ({'TE': [0.0], 'B0': 3}, r'has TE \[0.0\]; give rising echo times in seconds'),
        ({'TE': [10**400], 'B0': 3}, r'has TE \[10*\]; give rising echo times in seconds'),
        ({'TE': [0.5, 1.01], 'B0': 3}, 'rising echo times in seconds'),
        ({'TE': [0.02, 0.02], 'B0': 3}, 'rising echo times in seconds'),
    ],
)
def test_parameters_that_are_refused(params, words):
    with pytest.raises(InputError, match=words):
        _checked(HERE, params, PHASE)
    if 'has no' not in words:  # a method that could do without does not go on without
        with pytest.raises(InputError, match=words):
            _checked(HERE, params, MAYBE)


@pytest.mark.parametrize('b0', [0.064, 14.1, STRONGEST_T])
def test_field_strengths_of_small_magnets_and_of_those_for_animals_are_taken(tmp_path, b0):
    (tmp_path / 'params.json').write_text(json.dumps({'TE': [0.02], 'B0': b0}))
    assert _read_params(tmp_path, 'field-mapping', PHASE)['B0'] == b0


def test_geometry_may_differ_by_the_tolerance_and_no_more():
    near, far = 1 + 0.9 * SIZE_TOLERANCE, 1 + 1.1 * SIZE_TOLERANCE
    grid = _grid(HERE, {'voxel_size': [near, 2, 3], 'B0_dir': [0, 0, 2]}, (4, 5, 6), AFFINE)
    assert grid.voxel_size == pytest.approx((near, 2, 3))
    assert grid.b0_dir == pytest.approx((0, 0, 1))
    with pytest.raises(InputError, match='mm but the images have 1 x 2 x 3 mm'):
        _grid(HERE, {'voxel_size': [1, 2, 3 * far]}, (4, 5, 6), AFFINE)
    with pytest.raises(InputError, match='has a wrong geometry'):
        _grid(HERE, {'voxel_size': [1, 2, 10**400]}, (4, 5, 6), AFFINE)
    plain = _grid(HERE, {}, (4, 5, 6), AFFINE)
    assert plain.voxel_size == pytest.approx((1, 2, 3))


@pytest.mark.parametrize(
    ('name', 'shape', 'echoes', 'expected'),
    [
        ('mask', (3, 4, 5, 1), None, (3, 4, 5)),
        ('phase', (3, 4, 5), 1, (3, 4, 5, 1)),
        ('magnitude', (3, 4, 5, 2), 2, (3, 4, 5, 2)),
        ('magnitude', (3, 4, 5, 2), None, (3, 4, 5, 2)),
        ('localfield', (3, 4, 5, 1), None, (3, 4, 5)),
        ('localfield', (3, 4, 5), 2, (3, 4, 5)),
        ('phase', (3, 4, 5, 2), 3, None),
        ('phase', (3, 4), 1, None),
        ('localfield', (3, 4, 5, 2), None, None),
        ('localfield', (3, 4), None, None),
    ],
)
def test_axes_that_images_have(name, shape, echoes, expected):
    image = np.ones(shape)
    if expected is None:
        with pytest.raises(InputError, match='has shape'):
            _shaped(HERE, name, image, echoes)
    else:
        assert _shaped(HERE, name, image, echoes).shape == expected


def test_masks_are_zero_or_one():
    assert _shaped(HERE, 'mask', np.ones((2, 2, 2)), None).dtype == bool
    with pytest.raises(InputError, match='other than 0 and 1'):
        _shaped(HERE, 'mask', np.full((2, 2, 2), 2.0), None)


def broken():
    """Phase and magnitude with a broken voxel each, and one below zero."""
    phase, magnitude = np.ones((2, 3, 4, 5, 1), np.float32)
    phase[0, 0, 0], magnitude[1, 1, 1], magnitude[2, 2, 2] = np.nan, np.inf, -3
    return {'phase': phase, 'magnitude': magnitude, 'mask': np.ones((3, 4, 5), bool)}


def test_broken_voxels_leave_the_mask_or_become_unknown_phase():
    whole = _ready('end-to-end', broken(), HERE)
    assert whole['mask'].all()  # what is trusted is found later, with them
    assert np.isnan(whole['phase'][[0, 1], [0, 1], [0, 1]]).all()
    assert (whole['magnitude'][[0, 1, 2], [0, 1, 2], [0, 1, 2]] == 0).all()
    part = _ready('field-mapping', broken(), HERE)
    assert part['mask'].sum() == 60 - 2
    assert not part['mask'][0, 0, 0]
    assert np.isfinite(part['phase']).all()
    field = np.ones((3, 4, 5), np.float32)
    field[0] = np.inf
    alone = _ready('bfr', {'totalfield': field, 'mask': np.ones((3, 4, 5), bool)}, HERE)
    assert (alone['totalfield'][0] == 0).all()
    assert alone['mask'].sum() == 40
    with pytest.raises(InputError, match='holds no voxel at which all images are finite'):
        _ready('bfr', {'totalfield': np.full_like(field, np.inf), 'mask': alone['mask']}, HERE)


def write(folder, **images):
    for name, data in images.items():
        nib.save(nib.Nifti1Image(data, AFFINE), folder / f'{name}.nii')


def test_sidecars_serve_where_no_parameters_are_and_the_first_image_s_counts(tmp_path):
    ones = np.ones((3, 4, 5), np.float32)
    write(tmp_path, phase=ones, magnitude=ones, mask=ones.astype(np.uint8))
    (tmp_path / 'magnitude.json').write_text('{"EchoTime": 0.03, "MagneticFieldStrength": 7}')
    (tmp_path / 'phase.json').write_text('{"EchoTime": 0.02}')
    params = _read_params(tmp_path, 'field-mapping', PHASE)
    assert (params['TE'], params['B0']) == ((0.02,), 7)
    (tmp_path / 'params.json').write_text('{"TE": [0.04], "B0": 3}')
    assert _read_params(tmp_path, 'field-mapping', PHASE)['TE'] == (0.04,)


@pytest.mark.parametrize(
    ('stage', 'method', 'needed'),
    [
        ('dipole', 'dual', ''), ('dipole', 'medi', ''), ('bfr', 'pdf', ''),
        ('bfr+dipole', 'tgv', ''), ('field-mapping', 'romeo', 'TE and B0'),
        ('end-to-end', 'tgv', 'TE and B0'), ('relaxometry', 'r2star', 'TE'),
        ('chi-separation', 'r2star', 'B0'),
    ],
)  # fmt: skip
def test_only_what_a_method_needs_is_asked_for(tmp_path, stage, method, needed):
    wanted = scan_values(choose(stage, method))
    if not needed:
        found = _read_params(tmp_path, stage, wanted)
        assert found['TE'] == ()
        return
    told = rf'is missing; write {needed} there, or give JSON sidecars\.'
    with pytest.raises(InputError, match=told):
        _read_params(tmp_path, stage, wanted)


@pytest.mark.parametrize(
    ('params', 'missed'),
    [({}, 'TE and B0'), ({'TE': [0.02]}, 'TE and B0'), ({'B0': 3}, 'TE and B0'),
     ({'TE': [0.02], 'B0': 3}, None)],
)  # fmt: skip
def test_a_method_that_went_without_what_it_takes_is_told(tmp_path, params, missed):
    ones = np.ones((3, 4, 5), np.float32)
    write(tmp_path, localfield=ones, mask=ones.astype(np.uint8))
    (tmp_path / 'params.json').write_text(json.dumps(params))
    found = load_inputs('dipole', tmp_path, chain=choose('dipole', 'medi'))
    assert found.scan.echo_times == (() if missed else (0.02,))
    assert found.scan.b0 == pytest.approx(np.nan if missed else 3, nan_ok=True)
    assert [f'without {missed}, which' in text for text in found.warnings] == [True] * bool(missed)
    assert not load_inputs('dipole', tmp_path).warnings  # the default takes neither


@pytest.mark.parametrize(
    ('stage', 'times', 'b0'),
    [('bfr', None, None), ('bfr', 0.02, 3.0), ('chi-separation', None, 3.0)],
)
def test_a_field_strength_alone_serves_only_where_no_phase_is_modelled(tmp_path, stage, times, b0):
    ones = np.ones((3, 4, 5), np.float32)
    write(tmp_path, totalfield=ones, chimap=ones, r2star=ones, mask=ones.astype(np.uint8))
    told = {'B0': 3.0} | ({'TE': times} if times else {})
    (tmp_path / 'params.json').write_text(json.dumps(told))
    found = load_inputs(stage, tmp_path)
    assert found.scan.b0 == pytest.approx(np.nan if b0 is None else b0, nan_ok=True)
    assert found.scan.echo_times == (() if times is None else (times,))
    assert 'noise' not in found.data
    assert not found.as_stored


def test_a_mask_from_elsewhere_goes_before_that_of_the_folder(tmp_path):
    field, ones = np.ones((3, 4, 5), np.float32), np.ones((3, 4, 5), np.uint8)
    write(tmp_path, totalfield=field, noise=field, mask=ones)
    (tmp_path / 'params.json').write_text('{}')
    other = tmp_path / 'other'
    other.mkdir()
    ones[0] = 0
    write(other, mask=ones)
    assert load_inputs('bfr', tmp_path).data['mask'].sum() == 60
    found = load_inputs('bfr', tmp_path, mask=other / 'mask.nii')
    assert found.data['mask'].sum() == 40
    assert 'noise' in found.data
    with pytest.raises(InputError, match='is missing'):
        load_inputs('dipole', tmp_path)


@pytest.mark.parametrize(
    ('name', 'change', 'words'),
    [
        ('mask', lambda a: np.stack([a, a], -1), 'has shape (3, 4, 5, 2); give a mask of three'),
        (
            'magnitude',
            lambda a: a + np.arange(5) / 2 - 2,
            'is below 0 in 40 % of the voxels of the mask; give the magnitude',
        ),
        ('totalfield', lambda a: 40 * np.arange(60).reshape(3, 4, 5) - 900, 'in ppm of B0, which'),
        ('localfield', lambda a: 9 * (np.arange(60).reshape(3, 4, 5) % 5), 'in ppm of B0, which'),
    ],
)
def test_images_of_another_kind_than_their_name_are_refused(tmp_path, name, change, words):
    ones = np.ones((3, 4, 5), np.float32)
    images = dict.fromkeys(('phase', 'magnitude', 'totalfield', 'localfield'), ones)
    images |= {'mask': ones.astype(np.uint8)}
    write(tmp_path, **images | {name: change(images[name]).astype(images[name].dtype)})
    (tmp_path / 'params.json').write_text('{"TE": [0.02], "B0": 3}')
    stage = {'magnitude': 'field-mapping', 'localfield': 'dipole'}.get(name, 'bfr')
    with pytest.raises(InputError, match=rf'{name}\.nii: .*{re.escape(words)}'):
        load_inputs(stage, tmp_path)
    write(tmp_path, **images)
    load_inputs(stage, tmp_path)


def test_a_brain_that_was_cut_out_and_moved_by_splines_is_a_magnitude(tmp_path):
    """Outside the brain splines swing about zero."""
    x, y, z = np.indices((20, 22, 24)) - 11.5
    inside = (x / 6) ** 2 + (y / 7) ** 2 + (z / 7) ** 2 < 1
    moved = ndimage.shift(100.0 * inside, (0.4, 0.3, 0.2)).astype(np.float32)
    assert np.mean(moved < 0) > 0.3
    write(tmp_path, phase=np.ones_like(moved), magnitude=moved, mask=inside.astype(np.uint8))
    (tmp_path / 'params.json').write_text('{"TE": [0.02], "B0": 3}')
    found = load_inputs('field-mapping', tmp_path)
    assert found.data['mask'].sum() == inside.sum()
    assert found.data['magnitude'].min() == 0


@pytest.mark.parametrize('b0', [127.7, 123.2, 3e4, 30.1, -3])
def test_a_field_strength_that_is_not_in_tesla_is_refused(tmp_path, b0):
    (tmp_path / 'params.json').write_text(json.dumps({'TE': [0.02], 'B0': b0}))
    with pytest.raises(InputError, match=r'params\.json: has B0 .*; give it in tesla, above 0'):
        _read_params(tmp_path, 'field-mapping', PHASE)


def test_parameters_are_read_as_every_json_object_is(tmp_path):
    path = tmp_path / 'params.json'
    path.write_bytes(b'\xef\xbb\xbf{"TE": [0.02], "B0": 3}')  # as editors of Windows save it
    assert _read_params(tmp_path, 'field-mapping', PHASE)['TE'] == (0.02,)
    for text, words in (
        ('[0.02, 3]', r'is no JSON object; write TE, B0, B0_dir and voxel_size there'),
        ('{"TE": ' * 100_000, r'cannot be read as JSON \(maximum recursion'),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=rf'params\.json: {words}'):
            _read_params(tmp_path, 'field-mapping', PHASE)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match='is no file but a pipe'):
        _read_params(tmp_path, 'field-mapping', PHASE)
