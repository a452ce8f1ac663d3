"""What `nigra-stage` refuses: options, parameters and images, each in one sentence."""

import json
import shutil
from functools import partial

import nibabel as nib
import numpy as np
import pytest
from stage_folder import run

from nigra.cli.stage_cli import main
from nigra.interfaces.stage import run_stage
from nigra.interfaces.stage_input import MOST_WRAPS, _check_radians
from nigra.nodes.errors import InputError, NigraError, SettingError


@pytest.mark.parametrize(
    ('stage', 'options', 'words'),
    [
        ('bfr', ['--method', 'magic'], ['magic', 'pdf, vsharp']),
        ('bfr', ['--set', 'iterations=many'], ['iterations', 'whole number', 'many']),
        ('bfr', ['--set', 'colour=red'], ['colour', 'tolerance']),
        ('bfr', ['--set', 'iterations'], ['STEP.NAME=VALUE']),
        ('bfr+dipole', ['--set', 'iterations=3'], ['ambiguous', 'background.iterations']),
        ('dipole', ['--set', 'strength=-1'], ['strength', 'positive']),
        ('dip', [], ['dip', 'end-to-end']),
        ('dip', ['--list-methods'], ['dip', 'end-to-end']),
        ('dipole', ['--set', 'margin=1e30'], ['margin', '200 mm', '1e+30']),
        ('field-mapping', ['--method', 'laplacian', '--set', 'margin=inf'], ['margin', 'inf']),
    ],
)
def test_wrong_options_get_one_sentence(folder, capsys, stage, options, words):
    assert run(stage, folder, *options) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert all(word in error for word in words)
    assert not (folder / 'out').exists()


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'TE': [6, 14, 22]}, ['params.json', 'seconds']),
        ({'TE': [0.014, 0.006, 0.022]}, ['rising']),
        ({'TE': [0.01, 0.02]}, ['phase.nii.gz', 'TE']),
        ({'TE': []}, ['no TE']),
        ({'B0': None}, ['no B0']),
        ({'B0': '3'}, ["B0 '3'", 'tesla']),
        ({'B0_dir': [0, 0, 0]}, ['geometry']),
        ({'voxel_size': [1, 1]}, ['geometry']),
    ],
)
def test_wrong_parameters_get_one_sentence(folder, capsys, change, words):
    params = json.loads((folder / 'params.json').read_text())
    (folder / 'params.json').write_text(json.dumps(params | change))
    assert run('field-mapping', folder) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert all(word in error for word in words)


def test_wrong_files_get_one_sentence(folder, capsys):
    (folder / 'localfield.nii.gz').write_bytes(b'not an image')
    assert run('dipole', folder) == 1
    assert 'localfield.nii.gz' in capsys.readouterr().err
    (folder / 'localfield.nii.gz').unlink()
    assert run('dipole', folder) == 1
    told = capsys.readouterr().err
    assert 'localfield.nii.gz: is missing; stage dipole reads localfield, mask (magnitude' in told
    assert 'mask (magnitude and noise if there), the mask also by --mask.' in told
    image = nib.load(folder / 'mask.nii.gz')
    nib.save(nib.Nifti1Image(np.full(image.shape, 7.0), image.affine), folder / 'mask.nii.gz')
    assert run('bfr', folder) == 1
    assert 'binary' in capsys.readouterr().err
    nib.save(nib.Nifti1Image(np.ones((3, 4, 5)), image.affine), folder / 'mask.nii.gz')
    assert run('bfr', folder) == 1
    assert '(3, 4, 5)' in capsys.readouterr().err


def change(folder, name, edit, shift=0.0):
    path = folder / f'{name}.nii.gz'
    image = nib.load(path)
    affine = image.affine.copy()
    affine[0, 3] += shift
    nib.save(nib.Nifti1Image(edit(np.asarray(image.dataobj)), affine), path)


EMPTY = {
    'mask': ('mask', np.zeros, 'mask.nii.gz: is empty; give 1 in the brain, else 0'),
    'magnitude': ('magnitude', np.zeros, 'magnitude.nii.gz: has no value above 0'),
    'phase': ('phase', partial(np.full, fill_value=np.nan), 'at which all images are finite'),
}


@pytest.mark.parametrize('case', EMPTY)
def test_images_without_content_get_one_sentence(folder, capsys, case):
    name, make, words = EMPTY[case]
    path = folder / f'{name}.nii.gz'
    image = nib.load(path)
    data = make(image.shape).astype(np.uint8 if name == 'mask' else np.float32)
    nib.save(nib.Nifti1Image(data, image.affine), path)
    assert main(['field-mapping', str(folder), str(folder.parent / 'new')]) == 1
    assert words in capsys.readouterr().err
    assert not list((folder.parent / 'new').glob('*.nii.gz'))


def test_input_folder_is_never_the_output_folder(folder, capsys):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    (folder.parent / 'link').unlink(missing_ok=True)
    (folder.parent / 'link').symlink_to(folder)
    for target in (folder, folder / 'x' / '..', folder.parent / 'link'):
        assert main(['bfr', str(folder), str(target), '--method', 'vsharp']) == 1
        assert 'another output folder' in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert main(['bfr', str(folder), str(folder / 'mask.nii.gz'), '--method', 'vsharp']) == 1
    assert 'mask.nii.gz: is no folder; give a folder' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['magnitude', 'mask'])
def test_images_that_lie_elsewhere_are_refused(folder, capsys, name):
    change(folder, name, lambda data: data, shift=3.0)
    assert run('field-mapping', folder) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert all(word in error for word in (f'{name}.nii.gz', '3.00 mm', 'phase.nii.gz'))


@pytest.mark.parametrize(('factor', 'code'), [(1.005, 0), (1.02, 1), (0.5, 1)])
def test_voxel_size_must_be_that_of_the_images(folder, capsys, factor, code):
    params = json.loads((folder / 'params.json').read_text())
    size = params['voxel_size']
    params['voxel_size'] = [*size[:2], size[2] * factor]
    (folder / 'params.json').write_text(json.dumps(params))
    assert run('dipole', folder, '--method', 'tkd') == code
    error = capsys.readouterr().err
    assert error.count('\n') == code
    assert ('voxel_size 2 x 2 x' in error) == bool(code)


@pytest.mark.parametrize(
    'edit',
    [
        lambda angle: np.rint(angle / np.pi * 4096).clip(-4096, 4094).astype(np.int16),
        lambda angle: np.degrees(angle).round(),
        lambda angle: angle / np.pi * 4096,
    ],
)
def test_phase_that_is_not_in_radians_is_refused(folder, capsys, edit):
    change(folder, 'phase', edit)
    assert run('field-mapping', folder) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert all(word in error for word in ('phase.nii.gz', 'radians'))


@pytest.mark.parametrize(
    ('low', 'high', 'refused'),
    [(0, 0.95, False), (-0.95, 0, False), (0, 1.05, True), (-1.05, 0, True)],
)
def test_unwrapped_phase_may_reach_so_many_wraps_to_either_side(low, high, refused):
    """As parts of the most that a head can have."""
    phase = 2 * np.pi * MOST_WRAPS * np.array([low, 0.111, high])
    if refused:
        with pytest.raises(InputError, match='give the phase in radians'):
            _check_radians('phase.nii.gz', phase)
    else:
        _check_radians('phase.nii.gz', phase)


@pytest.mark.parametrize('name', ['localfield', 'mask', 'magnitude'])
def test_truncated_files_are_refused(folder, capsys, name):
    path = folder / f'{name}.nii.gz'
    path.write_bytes(path.read_bytes()[: path.stat().st_size - 60])
    assert run('dipole', folder) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert f'{name}.nii.gz: cannot be read to its end' in error
    assert not (folder / 'out').exists()


def test_a_field_strength_in_mhz_is_refused_where_a_method_takes_it_and_only_there(folder, capsys):
    params = json.loads((folder / 'params.json').read_text())
    (folder / 'params.json').write_text(json.dumps(params | {'B0': 127.7}))
    for name in ('chimap', 'r2star'):
        shutil.copy(folder / 'localfield.nii.gz', folder / f'{name}.nii.gz')
    for stage, method in (('chi-separation', 'r2star'), ('dipole', 'medi')):
        assert run(stage, folder, '--method', method) == 1
        told = 'params.json: has B0 127.7; give it in tesla, above 0 and up to 30'
        assert told in capsys.readouterr().err
    assert run('dipole', folder, '--method', 'tkd') == 0


def test_settings_are_refused_before_images_are_read(tmp_path):
    with pytest.raises(SettingError, match='strength'):
        run_stage('dipole', tmp_path, tmp_path / 'out', settings=['strength=-1'])


def test_threads_are_counted_from_one(folder, capsys):
    with pytest.raises(SystemExit):
        run('bfr', folder, '--nthreads', '0')
    assert '--nthreads: 0 is not at least 1' in capsys.readouterr().err


def test_arguments_are_needed(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['bfr'])
    assert stop.value.code == 2
    assert 'INPUT_DIR' in capsys.readouterr().err


def test_errors_of_files_are_input_errors(folder):
    with pytest.raises(InputError, match='folder'):
        run_stage('bfr', folder / 'nowhere', folder / 'out')
    with pytest.raises(NigraError, match='stage'):
        run_stage('nothing', folder, folder / 'out')
