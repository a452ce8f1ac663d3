"""Reference regions: which voxels they are, and what their mean being zero does."""

import nibabel as nib
import numpy as np
import pytest
from phantoms import ball

from nigra.interfaces.reference import Reference
from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.inversion.reference import reference_to, ventricles


def fluid_brain(noise=0.5):
    """A brain of 20 1/s with two ventricles of 2.5 1/s, and a cistern of the same far out."""
    grid = Grid((60, 60, 50), (2.0, 2.0, 2.0))
    mask = ball(grid, 45) > 0.5
    inside = (ball(grid, 9, (-12, 0, 6)) > 0.5) | (ball(grid, 9, (12, 0, 6)) > 0.5)
    cistern = ball(grid, 8, (0, -38, -10)) > 0.5
    rng = np.random.default_rng(0)
    rate = np.where(inside | cistern, 2.5, 20) + rng.normal(0, noise, grid.shape)
    return grid, mask, inside, np.where(mask, np.maximum(rate, 0), 0).astype(np.float32)


@pytest.mark.parametrize('noise', [0.5, 4.0])
def test_ventricles_are_found_and_nothing_else(noise):
    grid, mask, inside, rate = fluid_brain(noise)
    found = ventricles(rate, mask, grid)
    assert found.sum() > 0.15 * inside.sum()
    assert not found[~inside].any()
    for side in (slice(0, 30), slice(30, 60)):
        assert found[side].any()


def test_no_fluid_is_told():
    grid, mask, _, rate = fluid_brain()
    with pytest.raises(NigraError, match='fluid'):
        ventricles(np.where(rate < 10, 20, rate), mask, grid)
    with pytest.raises(NigraError, match='shape'):
        ventricles(rate[1:], mask, grid)


def test_failed_fits_are_no_fluid():
    grid, mask, _, rate = fluid_brain()
    holes = ball(grid, 6, (0, 20, 0)) > 0.5
    found = ventricles(np.where(holes, 0, rate), mask, grid)
    assert not found[holes].any()


def test_a_vein_in_the_ventricle_is_left_out():
    grid, mask, inside, rate = fluid_brain()
    middle = tuple(np.round(np.argwhere(inside & (rate > 0)).mean(0)).astype(int))
    vein = (slice(None), middle[1], middle[2])
    rate[vein] = np.where(inside[vein], 18, rate[vein])
    found = ventricles(rate, mask, grid)
    assert found.any()
    assert rate[found].max() < 15


def test_the_mean_is_taken_away():
    _, mask, inside, _ = fluid_brain()
    chi = np.where(mask, 0.01, 0).astype(np.float32)
    chi[inside] = 0.05
    out, offset = reference_to(chi, mask, inside)
    assert offset == pytest.approx(0.05)
    assert out[inside].mean() == pytest.approx(0, abs=1e-7)
    assert not out[~mask].any()


@pytest.fixture
def files(tmp_path):
    grid, mask, inside, rate = fluid_brain()
    chi = np.where(mask, 0.01, 0)
    chi[inside] = 0.05
    labels = (ball(grid, 6, (0, 20, 0)) > 0.5).astype(np.uint8) * 7
    chi[labels > 0] = 0.03
    images = {'chimap': chi, 'mask': mask, 'r2star': rate, 'dseg': labels}
    paths = {}
    for name, data in images.items():
        paths[name] = str(tmp_path / f'{name}.nii.gz')
        kind = np.uint8 if name in ('mask', 'dseg') else np.float32
        nib.save(nib.Nifti1Image(data.astype(kind), np.diag([2.0, 2, 2, 1])), paths[name])
    paths['dseg_tsv'] = str(tmp_path / 'dseg.tsv')
    (tmp_path / 'dseg.tsv').write_text('index\tname\tregion\themisphere\n7\tx\tthalamus\tL\n')
    return paths


@pytest.mark.parametrize(
    ('reference', 'offset'), [('none', 0.0), ('csf', 0.05), ('thalamus', 0.03)]
)
def test_each_reference_by_name(files, tmp_path, monkeypatch, reference, offset):
    monkeypatch.chdir(tmp_path)
    done = Reference(**files, reference=reference).run().outputs
    chi = np.asarray(nib.load(done.chimap).dataobj)
    given = np.asarray(nib.load(files['chimap']).dataobj)
    mask = np.asarray(nib.load(files['mask']).dataobj) > 0
    assert np.allclose(given[mask] - chi[mask], offset, atol=1e-6)
    assert done.parameters['method'] == reference
    assert done.parameters['offset_ppm'] == pytest.approx(offset)


def test_brain_is_the_default(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = Reference(chimap=files['chimap'], mask=files['mask']).run().outputs
    chi = np.asarray(nib.load(done.chimap).dataobj)
    mask = np.asarray(nib.load(files['mask']).dataobj) > 0
    assert chi[mask].mean() == pytest.approx(0, abs=1e-6)


def test_what_a_reference_needs_is_told(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maps = {name: files[name] for name in ('chimap', 'mask')}
    with pytest.raises(NigraError, match='several echoes'):
        Reference(**maps, reference='csf').run()
    with pytest.raises(NigraError, match='no region putamen'):
        Reference(**files, reference='putamen').run()


def test_reference_region():
    chi = np.array([[[0.1, 0.3, 5.0]]])
    mask = np.array([[[True, True, False]]])
    shifted, offset = reference_to(chi, mask, np.array([[[False, True, True]]]))
    assert np.isclose(offset, 0.3)
    assert np.allclose(shifted, [[[-0.2, 0, 0]]])
    with pytest.raises(NigraError, match='no voxel'):
        reference_to(chi, mask, ~mask)
