import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from toy_head import CENTRE, toy_head

from nigra.cli.simulate_cli import main, parser
from nigra.interfaces import simulate
from nigra.interfaces.simulate import simulate_study, with_size
from nigra.interfaces.study import TRUTH, read_study
from nigra.nodes.errors import InputError
from nigra.nodes.statistics.values import REGION_COLUMNS


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    head = toy_head()
    monkeypatch.setattr(simulate, 'template_head', lambda: head)


def small_study():
    study = read_study('example')
    size = {'matrix': (34, 36, 24), 'voxel_mm': (3.0, 3.0, 4.0), 'centre_mm': tuple(CENTRE),
            'oversampling': (1, 1, 1), 'padding': 1.2}  # fmt: skip
    return with_size(replace(
        study, protocols={k: replace(p, **size) for k, p in study.protocols.items()},
        t1w=replace(study.t1w, matrix=(40, 40, 36), voxel_mm=(3.0, 3.0, 3.0), oversampling=1,
                    centre_mm=tuple(CENTRE), orientation='PIR'),
        anatomy=replace(study.anatomy, displacement_mm=2.0, cortical_veins=2),
    ), 2)  # fmt: skip


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    head = toy_head()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, 'template_head', lambda: head)
        root = tmp_path_factory.mktemp('study') / 'bids'
        said = []
        simulate_study(
            replace(small_study(), truth='all'),
            root,
            participants=['02', 'sub-03'],
            progress=said.append,
        )
    assert len(said) == 2
    return root


def checksums(root):
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob('*')) if p.is_file()
    }  # fmt: skip


def test_bids_names_and_sidecars(written):
    names = {p.name for p in (written / 'sub-02' / 'anat').iterdir()}
    assert 'sub-02_T1w.nii.gz' in names
    for echo in (1, 2, 3):
        for part in ('mag', 'phase'):
            assert f'sub-02_echo-{echo}_part-{part}_MEGRE.nii.gz' in names
    sidecar = json.loads((written / 'sub-02/anat/sub-02_echo-2_part-phase_MEGRE.json').read_text())
    assert sidecar['EchoTime'] == 0.021
    assert sidecar['Units'] == 'arbitrary'
    assert sidecar['MagneticFieldStrength'] == 1.5
    magnitude = json.loads((written / 'sub-03/anat/sub-03_part-mag_T2starw.json').read_text())
    assert 'Units' not in magnitude


def test_images_are_on_one_grid_and_in_range(written):
    folder = written / 'sub-02' / 'anat'
    magnitude = nib.load(folder / 'sub-02_echo-1_part-mag_MEGRE.nii.gz')
    phase = nib.load(folder / 'sub-02_echo-1_part-phase_MEGRE.nii.gz')
    truth = nib.load(written / 'derivatives/truth/sub-02/anat/sub-02_seg-dgm_dseg.nii.gz')
    assert magnitude.shape == phase.shape == truth.shape == (34, 36, 24)
    assert np.allclose(magnitude.affine, truth.affine)
    values = np.asarray(phase.dataobj)
    assert values.min() >= -4096
    assert values.max() <= 4094
    assert np.all(values % 2 == 0)
    t1w = nib.load(folder / 'sub-02_T1w.nii.gz')
    assert nib.aff2axcodes(t1w.affine) == ('P', 'I', 'R')


def test_oblique_scans_keep_their_tilt_when_reoriented(written):
    image = nib.load(written / 'sub-03/anat/sub-03_part-phase_T2starw.nii.gz')
    assert nib.aff2axcodes(image.affine) == ('L', 'A', 'S')
    tilt = np.degrees(np.arccos(image.affine[2, 2] / 4))
    assert tilt == pytest.approx(12, abs=0.01)


def test_participants_and_truth_tables(written):
    people = pd.read_csv(written / 'participants.tsv', sep='\t')
    assert people.participant_id.tolist() == ['sub-02', 'sub-03']
    assert people.group.tolist() == ['NMO', 'RRMS']
    dictionary = json.loads((written / 'participants.json').read_text())
    assert set(people.columns) <= set(dictionary)
    table = pd.read_csv(written / 'derivatives/truth/group_regions.tsv', sep='\t')
    assert list(table.columns[: len(REGION_COLUMNS)]) == list(REGION_COLUMNS)
    assert {'group', 'age', 'sex', 'disease_duration', 'edss'} <= set(table.columns)
    assert len(table) == 2 * 28
    both = table[(table.participant_id == 'sub-03') & (table.hemisphere == 'both')]
    both = both.set_index('region').volume_mm3
    assert both['thalamus_whole'] == pytest.approx(both['thalamus'] + both['pulvinar'])
    own = pd.read_csv(
        written / 'derivatives/truth/sub-02/anat/sub-02_seg-dgm_regions.tsv', sep='\t'
    )
    assert list(own.columns) == list(REGION_COLUMNS)


def test_true_values_carry_the_group_effects(written):
    """The example's people: RRMS has a low thalamus, NMO a high substantia nigra."""
    table = pd.read_csv(written / 'derivatives/truth/group_desc-tissue_regions.tsv', sep='\t')
    chi = table[table.hemisphere == 'both'].pivot(index='group', columns='region',
                                                  values='chi_mean')  # fmt: skip
    difference = chi.loc['NMO'] - chi.loc['RRMS'] - (chi.loc['NMO'] - chi.loc['RRMS'])['caudate']
    assert difference['substantia_nigra'] > 20
    assert difference['thalamus'] > 15


def test_truth_maps_have_units_and_belong_to_the_brain(written):
    folder = written / 'derivatives/truth/sub-02/anat'
    chi = np.asarray(nib.load(folder / 'sub-02_Chimap.nii.gz').dataobj)
    brain = np.asarray(nib.load(folder / 'sub-02_space-GRE_desc-brain_mask.nii.gz').dataobj) > 0
    assert np.abs(chi[~brain]).max() <= np.abs(chi[brain]).max()
    for name, units in (('Chimap', 'ppm'), ('desc-total_fieldmap', 'Hz'),
                        ('desc-local_fieldmap', 'Hz')):  # fmt: skip
        assert json.loads((folder / f'sub-02_{name}.json').read_text())['Units'] == units


def test_bits_depend_on_the_seed_alone(tmp_path, written):
    whole = replace(small_study(), truth='all')
    again = simulate_study(whole, tmp_path / 'b', participants=['02', '03'], nprocs=2)
    assert checksums(again) == checksums(written)
    few = simulate_study(
        replace(small_study(), seed=1, truth='tables'), tmp_path / 'c', participants=['02']
    )
    name = 'sub-02/anat/sub-02_T1w.nii.gz'
    assert checksums(few)[name] != checksums(written)[name]
    assert not list(few.rglob('*Chimap*'))
    assert not list(few.rglob('*dseg.nii.gz'))
    assert not [name for name in checksums(few) if '.part-' in name]


def test_folders_and_options_that_cannot_be_used_are_refused(tmp_path):
    (tmp_path / 'file').write_text('x')
    study = small_study()
    with pytest.raises(InputError, match='empty folder'):
        simulate_study(study, tmp_path)
    with pytest.raises(InputError, match='not in the study'):
        simulate_study(study, tmp_path / 'new', participants=['77'])
    with pytest.raises(InputError, match='truth'):
        simulate_study(replace(study, truth='some'), tmp_path / 'new')
    with pytest.raises(InputError, match='at least 1'):
        with_size(study, 0)
    assert not (tmp_path / 'new').exists()


def test_the_command_tells_what_is_wrong_in_a_sentence(tmp_path, capsys):
    assert main([str(tmp_path / 'out'), '--study', 'none.toml']) == 1
    told = capsys.readouterr().err
    assert told.startswith('nigra-simulate: none.toml: ')
    assert told.count('\n') == 1


def test_the_command_offers_what_a_study_may_ask_for():
    choices = {action.dest: action.choices for action in parser()._actions}
    assert tuple(choices['truth']) == TRUTH


def test_help_needs_no_heavy_import():
    code = (
        'import sys; from nigra.cli.simulate_cli import parser; parser().format_help(); '
        'sys.exit(bool({"numpy", "pandas", "nibabel", "scipy"} & set(sys.modules)))'
    )
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
