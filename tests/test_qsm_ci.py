"""Our entries for the benchmark QSM-CI: what their manifests say holds, and they run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from phantoms import head, signal

from nigra.interfaces.stage_input import READS
from nigra.nodes.stages import by_step, choose, read_settings

ENTRIES = sorted((Path(__file__).parents[1] / 'benchmarks' / 'qsm-ci').glob('*/algorithm.yml'))
MAKES = {
    'field-mapping': 'totalfield', 'bfr': 'localfield', 'dipole': 'chimap',
    'bfr+dipole': 'chimap', 'end-to-end': 'chimap',
}  # fmt: skip
TIMES = [0.006, 0.014]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Inputs of every stage, small."""
    root = tmp_path_factory.mktemp('input')
    phantom = head((30, 28, 26))
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    images = {
        'phase': angle, 'magnitude': size, 'mask': phantom['mask'].astype(np.uint8),
        'totalfield': phantom['total'], 'localfield': phantom['local'], 'truth': phantom['chi'],
    }  # fmt: skip
    for name, data in images.items():
        nib.save(nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1])), root / f'{name}.nii.gz')
    params = {'TE': TIMES, 'B0': 3.0, 'B0_dir': [0, 0, 1], 'voxel_size': [2, 2, 2]}
    (root / 'params.json').write_text(json.dumps(params))
    return root


@pytest.fixture
def environment(tmp_path):
    """Environment in which the command `nigra-stage` is found, installed or not."""
    command = tmp_path / 'bin' / 'nigra-stage'
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nigra.cli.stage_cli "$@"\n')
    command.chmod(0o755)
    paths = [str(command.parent), str(Path(sys.executable).parent), os.environ['PATH']]
    return {**os.environ, 'PATH': os.pathsep.join(paths)}


def test_there_is_an_entry_for_every_stage():
    stages = [yaml.safe_load(path.read_text())['stage'] for path in ENTRIES]
    assert sorted(stages) == sorted(MAKES)


@pytest.mark.parametrize('manifest', ENTRIES, ids=lambda path: path.parent.name)
def test_parameters_are_settings_with_their_defaults(manifest):
    entry = yaml.safe_load(manifest.read_text())
    assert entry['slug'] == manifest.parent.name
    chain = by_step(choose(entry['stage']))
    for parameter in entry['parameters']:
        setting = f'{parameter["name"]}={parameter["default"]}'
        for step, values in read_settings(chain, [setting]).items():
            assert all(chain[step].defaults[name] == value for name, value in values.items())


@pytest.mark.parametrize('manifest', ENTRIES, ids=lambda path: path.parent.name)
def test_an_entry_writes_what_its_stage_makes(manifest, folder, tmp_path, environment):
    entry = yaml.safe_load(manifest.read_text())
    given, out = tmp_path / 'given', tmp_path / 'out'
    given.mkdir()
    for name in {*READS[entry['stage']], 'magnitude'}:
        (given / f'{name}.nii.gz').symlink_to(folder / f'{name}.nii.gz')
    (given / 'params.json').symlink_to(folder / 'params.json')
    # an override, as the platform leaves it
    name = entry['parameters'][-1]['name']
    value = entry['parameters'][-1]['default']
    (given / 'config.json').write_text(json.dumps({name: value}))
    subprocess.run(
        ['bash', 'run.sh', str(given), str(out)], cwd=manifest.parent, env=environment, check=True
    )
    made = nib.load(out / f'{MAKES[entry["stage"]]}.nii.gz')
    assert made.shape == (30, 28, 26)
    assert np.asarray(made.dataobj).any()


def test_the_platform_runs_and_scores_an_entry(folder, tmp_path, environment):
    pytest.importorskip('qsm_ci')
    images = {name: str(folder / f'{name}.nii.gz') for name in ('localfield', 'mask', 'truth')}
    done = subprocess.run(
        [
            sys.executable, '-m', 'qsm_ci.cli', 'run', 'nigra-dual', '--runner', 'local',
            *(word for name, path in images.items() for word in (f'--{name}', path)),
            '--params', str(folder / 'params.json'), '--set', 'strength=0.4',
            '-o', str(tmp_path / 'chi.nii.gz'),
        ],
        env={**environment, 'QSMCI_ALGORITHMS': str(ENTRIES[0].parents[1])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert 'wrote' in done.stdout
    assert (tmp_path / 'chi.nii.gz').exists()
