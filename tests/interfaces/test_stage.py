"""What every stage of `nigra-stage` makes on plain files, and how methods and settings go."""

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
from stage_folder import TIMES, load, run

from nigra.cli.stage_cli import main
from nigra.interfaces.stage import run_stage
from nigra.nodes.errors import InputError, NigraError
from nigra.nodes.stages import (
    STAGES,
    by_step,
    choose,
    method_names,
    parameters,
    read_settings,
    stage_methods,
)

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


def test_parameters_hold_every_setting():
    (method,) = choose('bfr', 'vsharp')
    settings = read_settings({method.step: method}, ['threshold=0.1'])['background']
    assert parameters(method, settings) == {
        'method': 'vsharp',
        'radii': method.defaults['radii'],
        'threshold': 0.1,
        'passes': method.defaults['passes'],
    }


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


def test_a_stage_takes_direction_times_and_strength_from_the_record_of_the_one_before(folder):
    params = json.loads((folder / 'params.json').read_text())
    (folder / 'params.json').write_text(json.dumps(params | {'B0_dir': [0.6, 0, 0.8]}))
    mask = folder / 'mask.nii.gz'
    run_stage('field-mapping', folder, folder / 'one', version='1')
    run_stage('bfr', folder / 'one', folder / 'two', mask=mask, method='vsharp', version='1')
    run_stage('dipole', folder / 'two', folder / 'three', mask=mask, method='medi', version='1',
              settings=['iterations=1'])  # fmt: skip
    record = json.loads((folder / 'three' / 'chimap.json').read_text())
    told = {'TE': TIMES, 'B0': 3.0, 'B0_dir': [0.6, 0, 0.8], 'voxel_size': params['voxel_size']}
    assert record['params'].keys() == told.keys()
    for name, value in told.items():
        assert record['params'][name] == pytest.approx(value)
    assert 'warnings' not in record
    (folder / 'two' / 'params.json').write_text('{"B0_dir": [0, 0, 1]}')
    run_stage('dipole', folder / 'two', folder / 'three', mask=mask, method='tkd')
    record = json.loads((folder / 'three' / 'chimap.json').read_text())
    assert record['params']['B0_dir'] == [0, 0, 1]


def test_warnings_are_told(folder, capsys):
    (folder / 'params.json').write_text('{}')
    assert run('dipole', folder, '--method', 'medi', '--set', 'iterations=1') == 0
    sentence = 'The method went without TE and B0, which it uses where both are told.'
    assert capsys.readouterr().err == f'nigra-stage: warning: {sentence}\n'
    record = json.loads((folder / 'out' / 'chimap.json').read_text())
    assert record['warnings'] == [sentence]


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
