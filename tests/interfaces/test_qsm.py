from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import head, signal

from nigra.interfaces.gre import LoadGre
from nigra.interfaces.qsm import (
    FieldMap,
    FitR2star,
    InvertDipole,
    RemoveBackground,
    SeparateSources,
)
from nigra.interfaces.reference import Reference
from nigra.nodes.errors import InputError
from nigra.nodes.field.relaxometry import fit_r2star
from nigra.nodes.methods import SEPARATION

TIMES = [0.006, 0.014, 0.022]
AFFINE = np.array([[0, -2.0, 0, 5], [2, 0, 0, -7], [0, 0, 2, 3], [0, 0, 0, 1]])


@pytest.fixture(scope='module')
def phantom():
    return head()


@pytest.fixture
def echoes(tmp_path, phantom):
    """Magnitude and integer phase files, in falling order of echo time."""
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    stored = np.rint(angle / np.pi * 4096).clip(-4096, 4095).astype(np.int16)
    files = {'magnitude': [], 'phase': []}
    for echo in (2, 1, 0):
        for name, data in (('magnitude', size), ('phase', stored)):
            path = tmp_path / f'{name}_{echo}.nii.gz'
            nib.save(nib.Nifti1Image(data[..., echo], AFFINE), path)
            files[name].append(str(path))
    return {**files, 'echo_times': TIMES[::-1], 'b0': 3.0}


@pytest.fixture
def work(tmp_path, monkeypatch):
    folder = tmp_path / 'work'
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def load(path):
    return np.asarray(nib.load(path).dataobj)


def test_the_chain_goes_from_files_to_a_referenced_map(echoes, phantom, work):
    brain = work / 'brain.nii.gz'
    nib.save(nib.Nifti1Image(phantom['mask'].astype(np.uint8), AFFINE), brain)
    gre = LoadGre(**echoes).run().outputs
    assert gre.echo_times == TIMES
    assert gre.warnings == []
    assert load(gre.phase).shape == (*phantom['mask'].shape, 3)
    assert np.abs(load(gre.phase)).max() < 3.2
    field = FieldMap(
        phase=gre.phase, magnitude=gre.magnitude, brain_mask=str(brain),
        echo_times=gre.echo_times, b0=3.0,
    ).run().outputs  # fmt: skip
    assert nib.load(field.mask).get_data_dtype() == np.uint8
    assert field.parameters['method'] == 'romeo'
    local = RemoveBackground(
        totalfield=field.totalfield, noise=field.noise, mask=field.mask
    ).run().outputs  # fmt: skip
    chi = InvertDipole(
        localfield=local.localfield, mask=local.mask, magnitude=gre.magnitude, method='tkd'
    ).run().outputs  # fmt: skip
    assert chi.parameters['method'] == 'tkd'
    assert chi.parameters['threshold'] == 0.15
    final = Reference(chimap=chi.chimap, mask=local.mask).run().outputs
    mask = load(local.mask) > 0
    assert abs(load(final.chimap)[mask].mean()) < 1e-6
    assert np.allclose(load(chi.chimap)[mask] - load(final.chimap)[mask], final.offset, atol=1e-6)
    assert np.allclose(nib.load(final.chimap).affine, AFFINE)
    decay = FitR2star(
        magnitude=gre.magnitude, echo_times=gre.echo_times, mask=field.mask
    ).run().outputs  # fmt: skip
    assert abs(np.median(load(decay.r2star)[mask]) - 20) < 1
    assert decay.parameters['method'] == 'nonlinear'
    assert np.allclose(load(decay.t2star)[mask] * load(decay.r2star)[mask], 1, atol=1e-4)
    start = load(decay.s0)[mask] * np.exp(-load(decay.r2star)[mask] * TIMES[0])
    assert np.median(start / load(gre.magnitude)[mask][:, 0]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize('method', ['arlo', 'loglinear'])
def test_r2star_by_name(phantom, work, method):
    size, _, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    for name, data in (('magnitude', size), ('mask', phantom['mask'])):
        nib.save(nib.Nifti1Image(data.astype(np.float32), AFFINE), work / f'{name}.nii')
    out = FitR2star(
        magnitude=str(work / 'magnitude.nii'), mask=str(work / 'mask.nii'), echo_times=TIMES,
        settings={'method': method},
    ).run().outputs  # fmt: skip
    expected, _ = fit_r2star(size.astype(np.float32), TIMES, phantom['mask'], method=method)
    assert np.array_equal(load(out.r2star), expected)
    assert out.parameters['method'] == method


def test_parts_add_up_to_the_map(phantom, work):
    chi, mask = phantom['chi'].astype(np.float32), phantom['mask']
    rate = np.where(mask, 14 + 200 * np.abs(chi), 0)
    for key, data in (('chi', chi), ('rate', rate), ('mask', mask)):
        nib.save(nib.Nifti1Image(data.astype(np.float32), AFFINE), work / f'{key}.nii')
    out = SeparateSources(
        chimap=str(work / 'chi.nii'), r2star=str(work / 'rate.nii'), mask=str(work / 'mask.nii'),
        b0=3.0,
    ).run().outputs  # fmt: skip
    positive, negative = load(out.paramagnetic), load(out.diamagnetic)
    assert positive.min() >= 0
    assert negative.max() <= 0
    assert np.allclose((positive + negative)[mask], chi[mask], atol=1e-6)
    assert not positive[~mask].any()
    assert out.parameters['method'] == next(iter(SEPARATION))
    assert out.parameters['dr_para'] == 137


def test_the_affine_gives_the_field_direction(phantom, work):
    """The same voxels in another position are a coronal scan: B0 runs along another axis."""
    coronal = np.array([[2.0, 0, 0, 0], [0, 0, 2, 0], [0, 2, 0, 0], [0, 0, 0, 1]])
    maps = []
    for affine in (AFFINE, coronal):
        for name, data in (('local', phantom['local']), ('mask', phantom['mask'])):
            nib.save(nib.Nifti1Image(data.astype(np.float32), affine), work / f'{name}.nii')
        out = InvertDipole(
            localfield=str(work / 'local.nii'), mask=str(work / 'mask.nii'), method='tkd'
        ).run().outputs  # fmt: skip
        maps.append(load(out.chimap))
    error = [np.std((chi - phantom['chi'])[phantom['mask']]) for chi in maps]
    assert error[0] < 0.5 * error[1]


def test_broken_voxels_are_counted(echoes, work):
    image = nib.load(echoes['magnitude'][0])
    data = np.asarray(image.dataobj).copy()
    data[0, 0, :3] = np.nan
    nib.save(nib.Nifti1Image(data, AFFINE), echoes['magnitude'][0])
    gre = LoadGre(**echoes).run().outputs
    assert len(gre.warnings) == 1
    assert '3 voxels' in gre.warnings[0]
    assert np.isfinite(load(gre.magnitude)).all()
    assert np.isfinite(load(gre.combined_magnitude)).all()
    assert np.isnan(load(gre.phase)[..., 0]).sum() == 3


def test_negative_magnitudes_are_told_and_set_to_zero(echoes, work):
    image = nib.load(echoes['magnitude'][2])
    data = np.asarray(image.dataobj).copy()
    data[24, 22, 20] = -0.5
    nib.save(nib.Nifti1Image(data, AFFINE), echoes['magnitude'][2])
    gre = LoadGre(**echoes).run().outputs
    assert len(gre.warnings) == 1
    assert '1 negative' in gre.warnings[0]
    assert load(gre.magnitude).min() == 0
    assert load(gre.magnitude)[24, 22, 20, 0] == 0


@pytest.mark.parametrize('kind', ['magnitude', 'phase'])
def test_truncated_echoes_are_refused(echoes, work, kind):
    path = Path(echoes[kind][1])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf'{path.name}: cannot be read to its end'):
        LoadGre(**echoes).run()


def change_affine(echoes):
    nib.save(nib.Nifti1Image(load(echoes['phase'][1]), np.eye(4)), echoes['phase'][1])


def change_shape(echoes):
    nib.save(nib.Nifti1Image(load(echoes['phase'][1])[1:], AFFINE), echoes['phase'][1])


def make_constant(echoes):
    for path in echoes['phase']:
        nib.save(nib.Nifti1Image(np.zeros_like(load(path)), AFFINE), path)


def swap(echoes):
    echoes['phase'], echoes['magnitude'] = echoes['magnitude'], echoes['phase']


@pytest.mark.parametrize(
    ('damage', 'word'),
    [(change_affine, 'although both have the same shape'), (change_shape, 'shape'),
     (make_constant, 'constant'), (swap, 'exchange')],
)  # fmt: skip
def test_scans_that_do_not_fit_are_refused(echoes, work, damage, word):
    damage(echoes)
    with pytest.raises(InputError, match=word):
        LoadGre(**echoes).run()


def test_wrong_units_are_refused(echoes, work):
    with pytest.raises(InputError, match='arbitrary'):
        LoadGre(**echoes, units='rad').run()


def test_small_trusted_part_is_told(echoes, phantom, work):
    brain = work / 'brain.nii.gz'
    nib.save(nib.Nifti1Image(np.ones(phantom['mask'].shape, np.uint8), AFFINE), brain)
    gre = LoadGre(**echoes).run().outputs
    field = FieldMap(
        phase=gre.phase, magnitude=gre.magnitude, brain_mask=str(brain),
        echo_times=gre.echo_times, b0=3.0,
    ).run().outputs  # fmt: skip
    assert len(field.warnings) == 1
    assert 'trusted' in field.warnings[0]
    inside = load(field.mask) > 0
    assert inside[phantom['mask']].mean() > 0.7
    assert inside[~phantom['mask']].mean() < 0.05
