"""Brain masks that people give, views that cut a nucleus off, registrations that fail.

One run of the command over many people at once: whose mask cannot serve is named in a sentence,
the others are complete, and what is doubtful in them stands on their pages and in their quality.
"""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from nigra.cli import main
from nigra.interfaces.anatomy.atlas import compared_regions
from nigra.interfaces.tables import read_table, readable

EXAMPLE = Path(__file__).parents[2] / 'bids_example'
SOURCE = 'sub-04'
MASK = EXAMPLE / 'derivatives' / 'truth' / SOURCE / 'anat' / f'{SOURCE}_desc-brain_mask.nii.gz'
pytestmark = pytest.mark.slow


def values(change):
    """The mask with other values in its voxels."""

    def apply(image):
        data = change(np.asanyarray(image.dataobj).astype(np.float32))
        return nib.Nifti1Image(data, image.affine)

    return apply


def three_values(data):
    data[40:60, 60:80, 40:60] = 0.5
    return data


def not_finite(data):
    data[0, 0, 0] = np.nan
    return data


def elsewhere(image):
    """60 mm to one side, where the T1w image ends."""
    affine = image.affine.copy()
    affine[0, 3] += 60
    return nib.Nifti1Image(np.asanyarray(image.dataobj), affine)


def other_grid(image):
    """Every second voxel along each axis, at the same place."""
    affine = image.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    return nib.Nifti1Image(np.asanyarray(image.dataobj)[::2, ::2, ::2], affine)


def nearly_all(data):
    data[:] = 1
    data[:2] = 0
    return data


REFUSED = {
    'sub-50': (values(np.zeros_like), 'is no mask: all voxels are alike; give 1 in the brain'),
    'sub-51': (values(np.ones_like), 'is no mask: all voxels are alike; give 1 in the brain'),
    'sub-52': (values(three_values), 'holds more than two values; give 1 in the brain, else 0'),
    'sub-52nan': (values(not_finite), 'holds values that are not finite; give 1 in the brain'),
    'sub-53': (elsewhere, 'lies partly outside the T1w image; give a mask in the space of'),
}
"""How the mask is changed, by a participant with the number of the case, and what is said."""


def without_top(folder):
    """A gradient echo that ends below the pulvinar."""
    for path in folder.glob('*T2starw.nii.gz'):
        image = nib.load(path)
        nib.save(image.slicer[:, :, :20], path)


def upside_down(folder):
    """Voxels of the gradient echo in another order than the header says."""
    for path in folder.glob('*T2starw.nii.gz'):
        image = nib.load(path)
        data = np.asanyarray(image.dataobj)[:, ::-1, ::-1]
        nib.save(nib.Nifti1Image(data, image.affine, image.header), path)


TOLD = {
    'sub-51wide': (values(nearly_all), None, ['the brain mask holds', 'of the T1w image; look']),
    'sub-53grid': (other_grid, None, ['has another grid than the T1w image']),
    'sub-54': (None, without_top, []),
    'sub-57': (None, upside_down, ['it has probably failed']),
}
"""How mask and gradient echo are changed, and what the page says."""


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Output folder, exit status, and all that was told."""
    root = tmp_path_factory.mktemp('masks')
    raw, masks, out = root / 'raw', root / 'masks', root / 'out'
    raw.mkdir()
    masks.mkdir()
    for folder in (raw, masks):
        shutil.copy(EXAMPLE / 'dataset_description.json', folder)
    changes = {who: (mask, None) for who, (mask, _) in REFUSED.items()}
    changes |= {who: (mask, gre) for who, (mask, gre, _) in TOLD.items()}
    for who, (mask, gre) in changes.items():
        anat, given = raw / who / 'anat', masks / who / 'anat'
        anat.mkdir(parents=True)
        given.mkdir(parents=True)
        for path in (EXAMPLE / SOURCE / 'anat').iterdir():
            shutil.copy(path, anat / path.name.replace(SOURCE, who))
        image = nib.load(MASK)
        nib.save(mask(image) if mask else image, given / f'{who}_desc-brain_mask.nii.gz')
        if gre:
            gre(anat)
    told = []
    with pytest.MonkeyPatch.context() as patch:
        for level in ('error', 'warning'):
            patch.setattr(f'nigra.cli.app.LOGGER.{level}', lambda t, *args: told.append(t % args))
        status = main([
            str(raw), str(out), 'participant', '--derivatives', str(masks), '--nprocs', '2',
            '--registration', 'testing', '--inversion', 'tkd', '--skip-bids-validation',
        ])  # fmt: skip
    return out, status, told


@pytest.mark.parametrize('who', REFUSED)
def test_a_mask_that_cannot_serve_is_named(run, who):
    out, status, told = run
    assert status == 1
    (own,) = [text for text in told if text.startswith(f'{who} failed: ')]
    assert f'{who}_desc-brain_mask.nii.gz {REFUSED[who][1]}'.replace(' ', ': ', 1) in own
    assert '\n' not in own
    assert not (out / f'{who}.html').exists()


@pytest.mark.parametrize('who', TOLD)
def test_the_others_are_complete_and_their_pages_tell(run, who):
    out, _, told = run
    marker = json.loads((out / 'logs' / 'complete' / f'{who}.json').read_text())
    assert marker['Outputs']
    page = (out / f'{who}.html').read_text()
    for words in TOLD[who][2]:
        assert words in page
    assert not [text for text in told if text.startswith(f'{who} failed')]


def quality(out, who):
    return json.loads((out / who / 'anat' / f'{who}_quality.json').read_text())


def test_regions_out_of_view_are_rows_without_values(run):
    """Case 54: none is dropped."""
    out, _, told = run
    rows, whole = (
        read_table(out / who / 'anat' / f'{who}_seg-dgm_regions.tsv')
        for who in ('sub-54', 'sub-53grid')
    )
    for column in ('region', 'hemisphere'):
        assert rows[column].tolist() == whole[column].tolist()
    gone = rows[rows.n_voxels == 0]
    assert set(gone.reason) == {'outside the field of view'}
    assert gone.chi_mean.isna().all()
    there, half = rows[rows.n_voxels > 0], rows.region.isin(gone.region)
    pooled = there.hemisphere == 'both'
    assert there[~pooled].chi_mean.notna().all()
    # both sides have no value where one of them has none
    assert (there[pooled].chi_mean.isna() == half[there[pooled].index]).all()
    assert 'region_missing' in quality(out, 'sub-54')['problems']
    assert any('sub-54' in text and 'nucleus without a value' in text for text in told)


def labelled(folder, who, names):
    """Where each label of an image lies, by its name, and the image."""
    image = nib.load(folder / f'{who}_seg-dgm_dseg.nii.gz')
    labels = np.asanyarray(image.dataobj)
    table = read_table(names)
    assert set(np.unique(labels)) - {0} <= set(table['index'])
    return {name: labels == value for value, name in table[['index', 'name']].to_numpy()}, image


def test_interpolation_makes_no_label(run):
    """Case 55: means of two labels would be those of a third, far from where that belongs."""
    out, _, _ = run
    anat, truth = out / 'sub-53grid' / 'anat', MASK.parents[2]
    own, image = labelled(anat, 'sub-53grid', anat / 'sub-53grid_seg-dgm_dseg.tsv')
    true, _ = labelled(MASK.parent, SOURCE, truth / 'seg-dgm_dseg.tsv')
    assert np.issubdtype(image.get_data_dtype(), np.integer)
    shared = [key for key in own if key in true and own[key].any()]
    assert len(shared) >= 12
    for key in shared:
        far = distance_transform_edt(~true[key], sampling=image.header.get_zooms())
        assert far[own[key]].max() < 10, key


@pytest.mark.parametrize('who', TOLD)
def test_a_page_judges_by_what_is_compared(run, who):
    """Case 104: a part of a nucleus of a few voxels makes nothing amber, and no view exceeds 1."""
    out, _, _ = run
    page = (out / f'{who}.html').read_text()
    named = re.findall(r'(?:largest: |lowest: (?:left|right) )([^,<]+),', page)
    assert len(named) == 2
    assert set(named) <= {readable(region) for region in compared_regions()}
    assert quality(out, who)['brain_in_view'] <= 1


def test_a_failed_registration_is_a_problem_that_is_told(run):
    """Case 57."""
    out, _, told = run
    assert 'registration' in quality(out, 'sub-57')['problems']
    assert (
        'seems to have failed: the normalised mutual information of T1w'
        in (out / 'sub-57.html').read_text()
    )
    (sentence,) = [text for text in told if 'registration that seems to have failed' in text]
    assert 'sub-57' in sentence
    for who in ('sub-53grid', 'sub-54'):
        assert 'registration' not in quality(out, who)['problems']
