import json
import re
import shutil
from functools import partial

import nibabel as nib
import numpy as np
import pytest
from phantoms import head, signal

from nigra.cli.stage_cli import main
from nigra.interfaces.stage import run_stage
from nigra.interfaces.stage_input import MOST_WRAPS, _check_radians
from nigra.nodes.errors import InputError, NigraError, SettingError
from nigra.nodes.stages import (
    STAGES,
    by_step,
    choose,
    method_names,
    parameters,
    read_settings,
    stage_methods,
)

TIMES = [0.006, 0.014, 0.022]
RESULTS = {
    'field-mapping': 'totalfield',
    'bfr': 'localfield',
    'dipole': 'chimap',
    'bfr+dipole': 'chimap',
    'end-to-end': 'chimap',
}
FAST = {
    'bfr+dipole': ['background.iterations=15', 'inversion.iterations=10'],
    'end-to-end': ['background.iterations=15', 'inversion.iterations=10'],
}


@pytest.fixture(scope='module')
def phantom():
    return head(b0_dir=(0.2, 0, 1))


@pytest.fixture
def folder(tmp_path, phantom):
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    affine = np.diag([*phantom['grid'].voxel_size, 1.0])
    images = {
        'phase': angle,
        'magnitude': size,
        'mask': phantom['mask'].astype(np.uint8),
        'totalfield': phantom['total'],
        'localfield': phantom['local'],
    }
    for name, data in images.items():
        nib.save(nib.Nifti1Image(data, affine), tmp_path / f'{name}.nii.gz')
    params = {
        'TE': TIMES,
        'B0': 3.0,
        'B0_dir': list(phantom['grid'].b0_dir),
        'voxel_size': list(phantom['grid'].voxel_size),
    }
    (tmp_path / 'params.json').write_text(json.dumps(params))
    return tmp_path


def run(stage, folder, *options):
    return main([stage, str(folder), str(folder / 'out'), *options])


def load(path):
    return np.asarray(nib.load(path).dataobj)


@pytest.mark.parametrize('stage', RESULTS)
def test_each_stage_writes_its_result_and_how_it_was_made(stage, folder, phantom, capsys):
    options = [word for setting in FAST.get(stage, []) for word in ('--set', setting)]
    assert run(stage, folder, *options) == 0
    name = RESULTS[stage]
    files = {p.name for p in (folder / 'out').iterdir()}
    beside = ['noise.nii.gz'] if stage == 'field-mapping' else []
    names = [f'{name}.nii.gz', *beside, f'{name}.json']
    assert files == set(names)
    assert capsys.readouterr().out.split() == [str(folder / 'out' / n) for n in names]
    result = load(folder / 'out' / f'{name}.nii.gz')
    truth = {'totalfield': 'total', 'localfield': 'local', 'chimap': 'chi'}[name]
    mask = phantom['mask']
    assert result.dtype == np.float32
    assert np.corrcoef(result[mask], phantom[truth][mask])[0, 1] > 0.85
    record = json.loads((folder / 'out' / f'{name}.json').read_text())
    assert list(record['steps']) == list(STAGES[stage])
    if stage in FAST:
        assert record['steps']['background']['iterations'] == 15


def test_stage_follows_the_field_direction_of_the_parameters(folder, phantom):
    assert run('dipole', folder, '--method', 'tkd') == 0
    right = load(folder / 'out' / 'chimap.nii.gz')
    params = json.loads((folder / 'params.json').read_text())
    (folder / 'params.json').write_text(json.dumps(params | {'B0_dir': [1, 0, 0]}))
    assert run('dipole', folder, '--method', 'tkd') == 0
    wrong = load(folder / 'out' / 'chimap.nii.gz')
    mask, truth = phantom['mask'], phantom['chi']
    assert np.std((right - truth)[mask]) < 0.5 * np.std((wrong - truth)[mask])


def test_single_echo_may_have_three_axes(folder):
    for name in ('phase', 'magnitude'):
        image = nib.load(folder / f'{name}.nii.gz')
        nib.save(
            nib.Nifti1Image(np.asarray(image.dataobj)[..., 2], image.affine),
            folder / f'{name}.nii.gz',
        )
    params = json.loads((folder / 'params.json').read_text())
    (folder / 'params.json').write_text(json.dumps(params | {'TE': TIMES[2]}))
    assert run('field-mapping', folder) == 0


def test_smaller_mask_is_written(folder):
    assert run('bfr', folder, '--method', 'vsharp', '--set', 'radii=8,4') == 0
    kept = load(folder / 'out' / 'mask.nii.gz')
    assert kept.dtype == np.uint8
    assert 0 < kept.sum() < load(folder / 'mask.nii.gz').sum()


def test_broken_voxels_are_left_out(folder):
    image = nib.load(folder / 'localfield.nii.gz')
    data = np.asarray(image.dataobj).copy()
    data[24, 22, 20] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), folder / 'localfield.nii.gz')
    assert run('dipole', folder, '--method', 'tkd') == 0
    chi = load(folder / 'out' / 'chimap.nii.gz')
    assert np.isfinite(chi).all()
    assert chi[24, 22, 20] == 0


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
    assert 'missing' in capsys.readouterr().err
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


def test_methods_are_listed(capsys):
    assert main(['--list-methods']) == 0
    text = capsys.readouterr().out
    for stage in STAGES:
        assert f'(default {next(iter(stage_methods(stage)))})' in text
        assert f'\n{stage}: ' in f'\n{text}'
    assert 'one-step methods of end-to-end' in text
    assert 'threshold=0.1' in text
    assert main(['bfr', '--list-methods']) == 0
    assert 'tkd' not in capsys.readouterr().out


def test_one_step_methods_make_the_map(folder, phantom):
    mask = phantom['mask']
    for stage in ('bfr+dipole', 'end-to-end'):
        assert run(stage, folder, '--method', 'tgv') == 0
        record = json.loads((folder / 'out' / 'chimap.json').read_text())
        (parameters_,) = record['steps'].values()
        assert parameters_['method'] == 'tgv'
        chi = load(folder / 'out' / 'chimap.nii.gz')
        held = mask & (chi != 0)
        assert np.corrcoef(chi[held], phantom['chi'][held])[0, 1] > 0.7


def test_relaxometry_writes_rate_and_signal(folder, phantom):
    assert run('relaxometry', folder, '--set', 'method=nonlinear') == 0
    rate = load(folder / 'out' / 'r2star.nii.gz')
    assert np.median(rate[phantom['mask']]) == pytest.approx(20, abs=1)
    assert (folder / 'out' / 's0.nii.gz').exists()
    record = json.loads((folder / 'out' / 'r2star.json').read_text())
    assert record['units'] == '1/s'
    assert record['steps']['relaxometry']['method'] == 'nonlinear'


def test_chi_separation_writes_both_parts(folder, phantom):
    mask = phantom['mask']
    chi = np.where(mask, phantom['chi'], 0).astype(np.float32)
    rate = np.where(mask, 15 + 137 * np.abs(chi), 0).astype(np.float32)
    affine = np.diag([*phantom['grid'].voxel_size, 1.0])
    for name, image in (('chimap', chi), ('r2star', rate)):
        nib.save(nib.Nifti1Image(image, affine), folder / f'{name}.nii.gz')
    assert run('chi-separation', folder) == 0
    para, dia = (load(folder / 'out' / f'{n}.nii.gz') for n in ('paramagnetic', 'diamagnetic'))
    assert para.min() >= 0
    assert dia.max() <= 0
    one = phantom['nuclei']['one']
    assert para[one].mean() == pytest.approx(0.12, rel=0.25)
    (folder / 'params.json').write_text(json.dumps({'voxel_size': [2, 2, 2]}))
    assert run('chi-separation', folder) == 1


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


def test_a_method_may_name_some_of_the_steps(folder):
    assert [m.name for m in choose('end-to-end', 'tkd')] == ['romeo', 'pdf', 'tkd']
    with pytest.raises(NigraError, match=re.escape(method_names('end-to-end'))):
        choose('end-to-end', 'tkd+magic')


@pytest.mark.parametrize('known', [('TE', 'B0'), ('B0',), ()])
def test_every_inversion_runs_by_name_whatever_the_parameters_tell(folder, known):
    params = json.loads((folder / 'params.json').read_text())
    params = {k: v for k, v in params.items() if k in known or k not in ('TE', 'B0')}
    (folder / 'params.json').write_text(json.dumps(params))
    for method in ('dual', 'medi', 'tkd'):
        run_stage('dipole', folder, folder / 'out', method=method)
        assert np.isfinite(nib.load(folder / 'out' / 'chimap.nii.gz').get_fdata()).all()


def test_the_last_of_a_setting_counts():
    chain = by_step(choose('bfr', 'pdf'))
    texts = ['iterations=1', 'background.iterations=2', 'iterations=3.0']
    assert read_settings(chain, texts) == {'background': {'iterations': 3}}


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


def test_parameters_hold_every_setting():
    (method,) = choose('bfr', 'vsharp')
    settings = read_settings({method.step: method}, ['threshold=0.1'])['background']
    assert parameters(method, settings) == {
        'method': 'vsharp',
        'radii': method.defaults['radii'],
        'threshold': 0.1,
        'passes': method.defaults['passes'],
    }


def test_errors_of_files_are_input_errors(folder):
    from nigra.interfaces.stage import run_stage

    with pytest.raises(InputError, match='folder'):
        run_stage('bfr', folder / 'nowhere', folder / 'out')
    with pytest.raises(NigraError, match='stage'):
        run_stage('nothing', folder, folder / 'out')


def test_stages_one_by_one_give_what_all_at_once_gives(folder):
    few = FAST['end-to-end']
    run_stage('end-to-end', folder, folder / 'whole', settings=few)
    assert not (folder / 'whole' / 'mask.nii.gz').exists()  # all of it can be trusted
    run_stage('field-mapping', folder, folder / 'out')
    for name in ('totalfield', 'noise'):
        shutil.copy(folder / 'out' / f'{name}.nii.gz', folder)
    run_stage('bfr', folder, folder / 'out', settings=few[:1])
    shutil.copy(folder / 'out' / 'localfield.nii.gz', folder)
    run_stage('dipole', folder, folder / 'out', settings=few[1:])
    want = load(folder / 'whole' / 'chimap.nii.gz')
    np.testing.assert_array_equal(load(folder / 'out' / 'chimap.nii.gz'), want)
    (folder / 'noise.nii.gz').unlink()
    run_stage('bfr+dipole', folder, folder / 'out', settings=few)
    assert np.abs(load(folder / 'out' / 'chimap.nii.gz') - want).max() > 1e-5


@pytest.mark.parametrize('reference', ['brain', 'none'])
def test_the_map_is_relative_to_its_mask_unless_told_otherwise(folder, phantom, reference):
    assert run('dipole', folder, '--method', 'tkd', '--reference', reference) == 0
    mean = load(folder / 'out' / 'chimap.nii.gz')[phantom['mask']].mean(dtype=float)
    assert (abs(mean) < 1e-8) == (reference == 'brain')
    record = json.loads((folder / 'out' / 'chimap.json').read_text())
    assert record['reference']['method'] == reference


def test_settings_of_a_benchmark_count_before_those_of_the_command(folder):
    (folder / 'config.json').write_text('{"threshold": 0.3}')
    assert run('dipole', folder, '--method', 'tkd') == 0
    record = json.loads((folder / 'out' / 'chimap.json').read_text())
    assert record['steps']['inversion']['threshold'] == 0.3
    assert run('dipole', folder, '--method', 'tkd', '--set', 'threshold=0.2') == 0
    record = json.loads((folder / 'out' / 'chimap.json').read_text())
    assert record['steps']['inversion']['threshold'] == 0.2
    (folder / 'config.json').write_text('[1]')
    with pytest.raises(InputError, match=r'config\.json'):
        run_stage('dipole', folder, folder / 'out')
