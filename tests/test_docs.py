"""What the pages on Python and on other programs say: their code runs, their names exist."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import head, signal
from toy_cohort import make_people, write_study

import nigra
from nigra.cli.stage_cli import main as stage
from nigra.interfaces.methods import Methods
from nigra.nodes.methods import ONE_STEP, STEPS

DOCS = Path(__file__).parents[1] / 'docs'
SIZE = np.diag([2.0, 2.0, 2.0, 1.0])


def blocks(page):
    text = (DOCS / page).read_text(encoding='utf-8')
    return re.findall(r'^```python\n(.*?)^```', text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Folder with the files that the pages name, and the arrays that they take for granted."""
    phantom = head((30, 28, 26))
    times = [0.006, 0.014]
    size, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(0))
    labels = np.zeros(phantom['mask'].shape, np.uint8)
    for number, name in enumerate(('one', 'two'), start=1):
        labels[phantom['nuclei'][name]] = number
    mask = phantom['mask'].astype(np.uint8)
    files = {'mask.nii.gz': mask, 'labels.nii.gz': labels, 'sub-01_mask.nii': mask,
             'sub-01_dseg.nii': labels, 'sub-01_Chimap.nii': phantom['chi'].astype(np.float32),
             'Sepia_localfield.nii.gz': 127.7324 * phantom['local'],
             'Sepia_mask_QSM.nii.gz': mask}  # fmt: skip
    for echo in range(2):
        files[f'echo{echo + 1}_phase.nii.gz'] = angle[..., echo]
        files[f'echo{echo + 1}_mag.nii.gz'] = size[..., echo]
    for name, data in files.items():
        nib.save(nib.Nifti1Image(data, SIZE), tmp_path / name)
    (tmp_path / 'sub-01_dseg.tsv').write_text('index\tname\n1\tPutamen_L\n2\tPutamen_R\n')
    (tmp_path / 'stage').mkdir()
    (tmp_path / 'stage' / 'params.json').write_text('{"TE": [0.006, 0.014], "B0": 3.0}')
    write_study(tmp_path / 'derivatives', make_people())
    monkeypatch.chdir(tmp_path)
    names = {1: 'Left Putamen', 2: 'Right Putamen'}
    return {'nigra': nigra, 'phase': angle, 'magnitude': size, 'mask': mask, 'echo_times': times,
            'b0': 3.0, 'affine': SIZE, 'labels': labels, 'names': names}  # fmt: skip


def test_the_page_on_python_runs(place, capsys):
    quick = ("'derivatives/participants.tsv',", "'derivatives/participants.tsv', permutations=99,")
    for number, block in enumerate(blocks('python.md'), start=1):
        exec(compile(block.replace(*quick), f'block {number}', 'exec'), place)
    told = capsys.readouterr().out
    assert '100% end' in told
    assert 'thalamus' in told
    assert len(place['files']) >= 6
    assert place['table'].chi_mean.notna().all()


def test_files_of_other_programs_go_on(place, tmp_path):
    for number, block in enumerate(blocks('other_tools.md'), start=1):
        exec(compile(block, f'block {number}', 'exec'), place)
    assert set(place['table'].region) == {'putamen'}
    words = ['dipole', 'stage', 'out', '--mask', 'Sepia_mask_QSM.nii.gz']
    assert f'nigra-stage {" ".join(words)}' in (DOCS / 'other_tools.md').read_text('utf-8')
    assert stage([*words, '--method', 'tkd']) == 0
    chi = np.asarray(nib.load('out/chimap.nii.gz').dataobj)
    assert chi[place['labels'] == 1].mean() == pytest.approx(0.1, abs=0.02)
    assert json.loads(Path('out/chimap.json').read_text())['units'] == 'ppm'


def test_methods_and_settings_of_the_tables_exist():
    rows = [line for line in (DOCS / 'other_tools.md').read_text('utf-8').splitlines()
            if re.search(r"`(field|background|inversion)='", line)]  # fmt: skip
    found = set()
    for row in rows:
        step, name = re.search(r"`(field|background|inversion)='(\w+)'`", row).groups()
        found.add((step, name))
        steps = Methods(**{step: name}).steps()
        for owner, setting in re.findall(r'`(field|background|inversion)\.(\w+)`', row):
            assert setting in steps[owner].defaults, (name, setting)
    ours = {(step, name) for step in ('field', 'background', 'inversion') for name in STEPS[step]}
    ours |= {('inversion', name) for name in ONE_STEP['end-to-end']}
    assert ours - found == {('inversion', 'tgv2')}  # neither has it
