"""Parts of labelling, masking and bias correction that need no registration."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.anatomy import bias, brain_mask, gre_to_t1w, itk, labels
from nigra.interfaces.anatomy.bias import without_bias
from nigra.interfaces.anatomy.brain_mask import BRAIN_ML, LEAST_PRIOR_OVERLAP, mask_warnings
from nigra.interfaces.anatomy.gre_to_t1w import (
    LEAST_NMI,
    MOST_MISFIT_MM,
    MOST_STRETCH,
    gre_warnings,
    shows_another_head,
)
from nigra.interfaces.anatomy.grids import crop, working_grid
from nigra.interfaces.anatomy.itk import Volume, read_volume, write_like
from nigra.interfaces.anatomy.labels import voting_parts
from nigra.nodes.errors import InputError, NigraError

TURN = np.array([[0, -1.5, 0, 70], [1.2, 0, 0, -20], [0, 0, 1.0, -25], [0, 0, 0, 1]])

# Labels


@pytest.mark.parametrize(
    ('length', 'parts'),
    [(0.3, 1), (labels.VOTING_MM, 1), (labels.VOTING_MM + 0.01, 3), (3 * labels.VOTING_MM, 3),
     (3 * labels.VOTING_MM + 0.01, 5), (4 * labels.VOTING_MM, 5)],
)  # fmt: skip
def test_voxels_are_divided_into_the_least_odd_number_that_suffices(length, parts):
    assert voting_parts(length) == parts


def test_fractions_are_shares_of_blocks():
    drawn = np.random.default_rng(0).integers(0, 4, (9, 10, 12)).astype(np.uint8)
    drawn[:3], drawn[drawn == 2] = 0, 0
    found = labels._fractions(drawn, (3, 1, 2))
    assert set(found) == {1, 3}
    for value, part in found.items():
        blocks = (drawn == value).reshape(3, 3, 10, 1, 6, 2)
        assert part == pytest.approx(blocks.mean(axis=(1, 3, 5)))


def test_a_padded_grid_and_its_parts_lie_where_they_did():
    grid = Volume(np.zeros((6, 7, 8), np.uint8), TURN)
    wide = labels._padded(grid, (1, 0, 3))
    assert wide.data.shape == (8, 7, 14)
    assert wide.affine @ [1, 0, 3, 1] == pytest.approx(TURN @ [0, 0, 0, 1])
    box = (slice(2, 5), slice(0, 4), slice(3, 9))
    fine = labels._subdivided(grid, box, (3, 1, 2))
    assert fine.data.shape == (9, 4, 12)
    # the middle of a divided voxel's parts is the voxel's
    assert fine.affine @ [1, 0, 0.5, 1] == pytest.approx(TURN @ [2, 0, 3, 1])
    assert fine.affine @ [4, 1, 2.5, 1] == pytest.approx(TURN @ [3, 1, 4, 1])


@pytest.mark.parametrize(
    ('box', 'pad', 'n', 'inner', 'own'),
    [((3, 9), 3, 10, (0, 6), (0, 6)), ((1, 9), 3, 10, (2, 8), (0, 6)),
     ((5, 16), 3, 10, (0, 8), (2, 10)), ((0, 2), 3, 10, (3, 3), (0, 0)),
     ((0, 10), 0, 10, (0, 10), (0, 10))],
)  # fmt: skip
def test_what_lies_beyond_the_image_is_cut(box, pad, n, inner, own):
    found = labels._within([slice(*box)], [pad], [n])
    assert found == ((slice(*inner),), (slice(*own),))


def test_fractions_are_kept_and_read_again(tmp_path):
    box = (slice(1, 3), slice(0, 2), slice(4, 6))
    parts = {7: np.full((2, 2, 2), 0.25, np.float32), 2: np.ones((2, 2, 2), np.float32)}
    drawn = labels.Drawn(np.zeros((5, 5, 8)), box, parts, {2: 9})
    kept = labels.load_fractions(labels.save_fractions(drawn, tmp_path / 'x.npz'))
    assert kept.box == box
    assert kept.counts == {2: 9, 7: 0}
    assert {v: float(p.mean()) for v, p in kept.fractions.items()} == {2: 1.0, 7: 0.25}
    none = labels.Drawn(np.zeros((5, 5, 8)), box, {}, {})
    assert labels.load_fractions(labels.save_fractions(none, tmp_path / 'y.npz')).fractions == {}


def test_values_that_the_atlas_lacks_are_a_fault():
    labels.check_labels(np.array([0, 3]), np.array([0, 3, 5]))
    with pytest.raises(NigraError, match=r'values \[4\]'):
        labels.check_labels(np.array([0, 4]), np.array([0, 3, 5]))


# Grids


def test_crops_and_working_grids_stay_in_the_world():
    mask = np.zeros((40, 44, 48), np.float32)
    mask[12:25, 15:30, 20:33] = 1
    volume = Volume(mask, np.diag([1.0, 1, 1, 1]))
    part = crop(volume, (slice(5, 30), slice(10, 40), slice(15, 40)))
    assert part.affine @ [0, 0, 0, 1] == pytest.approx([5, 10, 15, 1])
    assert part.data.sum() == mask.sum()
    wide, box = working_grid(volume, 2.0, margin_mm=4.0, border_mm=6.0)
    assert wide.voxel_size == pytest.approx((2, 2, 2))
    inside = np.argwhere(wide.data > 0.5) @ wide.affine[:3, :3].T + wide.affine[:3, 3]
    assert inside.min(axis=0) == pytest.approx([8, 11, 16], abs=2.1)
    assert inside.max(axis=0) == pytest.approx([28, 33, 36], abs=2.1)
    filled = np.argwhere(wide.data > 0.5)
    assert filled.min() == 3  # a border of 6 mm
    assert [b.stop - b.start for b in box] == list(wide.data.shape)


# Masks


@pytest.mark.parametrize(
    ('volume', 'overlap', 'fraction', 'words'),
    [
        (BRAIN_ML[0], LEAST_PRIOR_OVERLAP, brain_mask._MOST_OF_IMAGE, []),
        (BRAIN_ML[1], 1.0, 0.1, []),
        (BRAIN_ML[0] - 1, 1.0, 0.1, ['holds']),
        (BRAIN_ML[1] + 1, 1.0, 0.1, ['holds']),
        (1300, LEAST_PRIOR_OVERLAP - 0.01, 0.1, ['overlap by']),
        (1300, 1.0, brain_mask._MOST_OF_IMAGE + 0.01, ['fills']),
    ],
)
def test_masks_are_told_beyond_their_limits(volume, overlap, fraction, words):
    told = mask_warnings(volume, overlap, fraction)
    assert len(told) == len(words)
    assert all(word in sentence for word, sentence in zip(words, told, strict=True))


def mask_file(folder, data, affine=None):
    path = folder / 'mask.nii'
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def test_a_given_mask_is_carried_by_the_nearest_voxel_and_told(tmp_path):
    data = np.zeros((20, 20, 20), np.uint8)
    data[5:15, 6:14, 4:16] = 1
    image = Volume(np.zeros((20, 20, 20), np.float32), np.eye(4))
    path = mask_file(tmp_path, data)
    np.testing.assert_array_equal(brain_mask.given_mask(path, image), data > 0)
    assert brain_mask.grid_warning(path, image) == []
    half = Volume(np.zeros((40, 40, 40), np.float32), np.diag([0.5, 0.5, 0.5, 1]))
    half.affine[:3, 3] = -0.25
    drawn = brain_mask.given_mask(path, half)
    assert drawn.sum() == 8 * data.sum()
    (told,) = brain_mask.grid_warning(path, half)
    assert 'voxels of 1 x 1 x 1 mm' in told
    # so much may lie outside of the image
    for shift, taken in ((6, True), (9, False)):
        moved = np.eye(4)
        moved[0, 3] = shift
        lost = max(0, shift - 5) / 10
        assert (1 - lost >= brain_mask._LEAST_KEPT) == taken
        other = Volume(image.data, moved)
        if taken:
            assert brain_mask.given_mask(path, other).sum() == round((1 - lost) * data.sum())
        else:
            with pytest.raises(InputError, match='lies partly outside'):
                brain_mask.given_mask(path, other)


@pytest.mark.parametrize(('edge', 'image_edge'), [(2.0, 1.0), (1.0, 2.0), (0.5, 0.5)])
def test_what_is_kept_of_a_mask_is_counted_in_mm3(tmp_path, edge, image_edge):
    data = np.zeros((20, 20, 20), np.uint8)
    data[4:16, 4:16, 4:16] = 1
    path = mask_file(tmp_path, data, np.diag([edge, edge, edge, 1.0]))
    n = int(20 * edge / image_edge)
    affine = np.diag([image_edge] * 3 + [1.0])
    affine[:3, 3] = (image_edge - edge) / 2  # the corners of both lie at one place
    whole = Volume(np.zeros((n, n, n), np.float32), affine)
    kept = brain_mask.given_mask(path, whole)
    assert kept.sum() * image_edge**3 == pytest.approx(data.sum() * edge**3)
    half = Volume(np.zeros((n // 2, n, n), np.float32), affine)
    with pytest.raises(InputError, match='lies partly outside'):
        brain_mask.given_mask(path, half)


@pytest.mark.parametrize(
    ('values', 'words'),
    [([0, 0], 'all voxels are alike'), ([1, 1], 'all voxels are alike'),
     ([0, np.nan], 'not finite'), ([0, 1, 2], 'more than two values')],
)  # fmt: skip
def test_files_that_are_no_masks(tmp_path, values, words):
    data = np.resize(np.float32(values), (4, 4, 4))
    with pytest.raises(InputError, match=words):
        brain_mask._read_given(mask_file(tmp_path, data))
    brain_mask._read_given(mask_file(tmp_path, np.resize(np.float32([0, 5]), (4, 4, 4))))


# Gradient echo and T1w

GOOD = {'nmi': 2.0, 'nmi_headers': 1.0, 'misfit_mm': 0.1, 'stretch': 1.0, 'shift_mm': 1.0,
        'turn_deg': 1.0}  # fmt: skip


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({}, ''),
        ({'nmi': LEAST_NMI, 'nmi_headers': LEAST_NMI}, ''),
        ({'nmi': LEAST_NMI - 0.001, 'nmi_headers': 0.0}, 'has probably failed'),
        ({'nmi_headers': 2.0 + 0.9 * gre_to_t1w._NMI_LOSS}, ''),
        ({'nmi_headers': 2.0 + 1.1 * gre_to_t1w._NMI_LOSS}, 'agree less after registration'),
        ({'misfit_mm': MOST_MISFIT_MM + 0.1}, ''),
        ({'stretch': MOST_STRETCH + 0.01}, ''),
        ({'misfit_mm': MOST_MISFIT_MM + 0.1, 'stretch': MOST_STRETCH + 0.01}, 'different heads'),
        ({'shift_mm': gre_to_t1w.MOST_MOTION_MM, 'turn_deg': gre_to_t1w.MOST_TURN_DEG}, ''),
        ({'shift_mm': gre_to_t1w.MOST_MOTION_MM + 0.1}, 'have moved by'),
        ({'turn_deg': gre_to_t1w.MOST_TURN_DEG + 0.1}, 'have moved by'),
    ],
)
def test_alignments_are_told_beyond_their_limits(change, words):
    told = gre_warnings({**GOOD, **change})
    assert len(told) == bool(words)
    assert all(words in sentence for sentence in told)


def test_how_much_a_head_is_stretched_is_told_in_percent():
    (told,) = gre_warnings({**GOOD, 'misfit_mm': 9.04, 'stretch': 1.123})
    assert 'by 9.0 mm and stretches it by 12 %' in told
    assert f'or {100 * (MOST_STRETCH - 1):.0f} %' in told
    assert not shows_another_head({'misfit_mm': 99.0})
    assert not shows_another_head({'stretch': 9.0})
    assert not shows_another_head({'misfit_mm': MOST_MISFIT_MM, 'stretch': MOST_STRETCH})


# Bias


def test_the_field_is_divided_out_where_each_voxel_lies(tmp_path):
    """Of a field that is known on the coarse grid: linear in between, its mean over the mask 1."""
    affine = np.diag([1.0, 1, 2, 1])
    affine[:3, 3] = (-3, 4, 5)
    shape = (40, 36, 20)
    x = np.arange(shape[0])[:, None, None] + 0.0 * np.zeros(shape)
    image = Volume(np.full(shape, 100.0, np.float32) * (1 + 0.01 * x).astype(np.float32), affine)
    mask = np.zeros(shape, bool)
    mask[6:34, 6:30, 3:17] = True
    seen = {}

    def known(path, where, settings):
        coarse = nib.load(path)
        world = np.arange(coarse.shape[0]) * coarse.affine[0, 0] + coarse.affine[0, 3]
        seen['inside'] = np.asarray(nib.load(where).dataobj) > 0
        field = 3 * (1 + 0.01 * (world + 3))
        seen['field'] = np.broadcast_to(field[:, None, None], coarse.shape).astype(np.float32)
        return seen['field'].copy()

    flat = without_bias(
        image, mask, tmp_path, SimpleNamespace(bias_field=known),
        {'resolution_mm': 4.0, 'thinned': False},
    )  # fmt: skip
    mean = float(seen['field'][seen['inside']].mean())
    expected = 100 / 3 * mean
    assert flat.data[8:32, 8:28, 4:16] == pytest.approx(expected, rel=2e-3)
    np.testing.assert_array_equal(flat.affine, affine)


@pytest.mark.parametrize('masked', [True, False])
def test_fields_are_fitted_where_it_is_bright(masked):
    data = np.zeros((12, 12, 12), np.float32)
    data[2:8] = 50
    data[8:10] = 5
    image = Volume(data, np.eye(4))
    mask = np.ones(data.shape, bool) if masked else None
    where = bias._where_fitted(image, image, mask, 1.0)
    np.testing.assert_array_equal(where, data > (0 if masked else data.mean()))
    with pytest.raises(NigraError, match='no voxel of the mask is bright'):
        bias._where_fitted(image, image, np.zeros(data.shape, bool), 1.0)


# Files for ANTs


@pytest.mark.parametrize('codes', ['RAS', 'LPS', 'PIR'])
def test_what_was_turned_is_written_as_it_was(tmp_path, codes):
    data = np.random.default_rng(1).random((5, 6, 7)).astype(np.float32)
    image = nib.Nifti1Image(data, np.diag([1.0, 2, 3, 1]))
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes)
    )
    stored = image.as_reoriented(turn)
    nib.save(stored, tmp_path / 'x.nii')
    volume = read_volume(tmp_path / 'x.nii', canonical=True)
    np.testing.assert_array_equal(volume.data, data)
    assert volume.voxel_size == pytest.approx((1, 2, 3))
    doubled = Volume(2 * volume.data, volume.affine)
    back = nib.load(write_like(doubled, tmp_path / 'x.nii', tmp_path / 'y.nii'))
    np.testing.assert_array_equal(np.asarray(back.dataobj), 2 * np.asarray(stored.dataobj))
    np.testing.assert_allclose(back.affine, stored.affine, equal_nan=False)


@pytest.mark.parametrize(
    ('change', 'words'),
    [({'shape': (4, 4, 4, 2)}, 'give a single 3D volume'), ({'value': 3.0}, 'is 3 in every'),
     ({'lean': 0.5}, 'not perpendicular')],
)  # fmt: skip
def test_images_that_registration_cannot_use(tmp_path, change, words):
    shape = change.get('shape', (4, 4, 4))
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    if 'value' in change:
        data[:] = change['value']
    affine = np.eye(4)
    affine[0, 1] = change.get('lean', 0.0)
    nib.save(nib.Nifti1Image(data, affine), tmp_path / 'x.nii')
    with pytest.raises(InputError, match=words):
        read_volume(tmp_path / 'x.nii')
    if 'value' in change:
        assert read_volume(tmp_path / 'x.nii', must_vary=False).data.max() == 3


def test_stages_are_told_to_ants_as_it_reads_them(tmp_path):
    stage = {'transform': 'Rigid[0.1]', 'metric': 'MI', 'options': '32', 'iterations': [100, 50],
             'threshold': 1e-5, 'shrink': [4, 2], 'smoothing_vox': [1, 0]}  # fmt: skip
    words = itk._stage_arguments(stage, ['a,b', 'c,d'], tmp_path / 'mask.nii')
    told = dict(zip(words[::2], words[1::2], strict=True))
    assert told['--convergence'] == '[100x50,1e-05,10]'
    assert told['--shrink-factors'] == '4x2'
    assert told['--smoothing-sigmas'] == '1x0vox'
    assert told['--masks'] == str(tmp_path / 'mask.nii')
    assert words.count('--metric') == 2
    assert 'MI[a,b,1,32]' in words
    assert '--masks' not in itk._stage_arguments(stage, ['a,b'], None)
