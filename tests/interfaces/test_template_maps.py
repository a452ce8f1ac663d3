"""Maps in template space: values and places kept, and the visit that is compared."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.anatomy.itk import Engine
from nigra.interfaces.template_maps import MapInTemplate, comparison_ground, find_maps


@pytest.fixture(scope='module')
def identity(tmp_path_factory):
    return Engine().linear_transform(np.eye(4), tmp_path_factory.mktemp('xfm') / 'identity.mat')


def test_a_map_keeps_its_values_and_place(identity, tmp_path, monkeypatch):
    """A map that lies in template space already, on another grid and cut by its mask."""
    monkeypatch.chdir(tmp_path)
    ground = comparison_ground()
    corner = ground.affine[:3, 3] - 4
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[:3, 3] = corner
    shape = tuple(np.ceil(np.array(ground.mask.shape) * [2, 2, 1] + [8, 8, 4]).astype(int))
    x = corner[0] + np.arange(shape[0])
    ramp = np.broadcast_to((x / 1000)[:, None, None], shape).astype(np.float32)
    mask = np.broadcast_to((x > 0)[:, None, None], shape)
    nib.save(nib.Nifti1Image(np.where(mask, ramp, np.nan), affine), 'chi.nii.gz')
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), 'mask.nii.gz')
    out = MapInTemplate(
        chimap='chi.nii.gz', mask='mask.nii.gz', gre_to_t1w_xfm=str(identity),
        t1w_to_template_xfm=str(identity), fwhm=3.0,
    ).run().outputs.out_file  # fmt: skip
    image = nib.load(out)
    found = image.get_fdata()
    place = image.affine[0, 3] + image.affine[0, 0] * np.arange(found.shape[0])
    middle = found[:, 20, 15]
    far = (place > 6) & (place < place.max() - 8)
    np.testing.assert_allclose(
        middle[far], place[far], atol=0.05, equal_nan=False
    )  # ppb, the ramp itself
    assert np.isnan(middle[place < -3]).all()


def test_maps_are_found_by_the_visit_that_is_compared(tmp_path):
    from toy_cohort import region_rows, write_visit

    rng = np.random.default_rng(4)
    for session in ('ses-1', 'ses-2'):
        table = write_visit(tmp_path, region_rows('sub-001', rng, session=session))
        stem = str(table).removesuffix('_seg-dgm_regions.tsv')
        for name in ('_Chimap.nii.gz', '_space-GRE_desc-qsm_mask.nii.gz',
                     '_from-GRE_to-T1w_mode-image_xfm.h5',
                     '_from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5'):  # fmt: skip
            Path(stem + name).touch()
    write_visit(tmp_path, region_rows('sub-002', rng))
    found, warnings = find_maps(tmp_path)
    assert [f.chimap.name for f in found] == ['sub-001_ses-1_Chimap.nii.gz']
    assert 'sub-002 is left out of the voxel-wise comparison' in warnings[0]
    later, _ = find_maps(tmp_path, ['2'])
    assert [f.chimap.name for f in later] == ['sub-001_ses-2_Chimap.nii.gz']
