import numpy as np
import pytest
from scipy import ndimage

from nigra.nodes.anatomy.brain import (
    dilate_mm,
    erode_mm,
    largest_part,
    padded_box,
    refine_brain_mask,
    tissue_intensities,
)
from nigra.nodes.anatomy.similarity import dice
from nigra.nodes.errors import NigraError


def radii(shape, voxel):
    axes = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing='ij')
    return np.sqrt(x**2 + y**2 + z**2)


def head(shape=(72, 72, 72), voxel=(2.0, 2.0, 2.0), *, skull=True, seed=0):
    """Ventricle, white and grey matter, fluid, bone, bright scalp; a bridge through the bone."""
    r = radii(shape, voxel)
    image = np.select([r < 15, r < 46, r < 57], [20.0, 100.0, 70.0], 0.0)
    if skull:
        image = np.select([r < 57, r < 59, r < 65, r < 71], [image, 20.0, 5.0, 150.0], 0.0)
        middle = shape[0] // 2
        bridge = np.zeros(shape, bool)
        bridge[middle : middle + 2, middle : middle + 2, : shape[2] // 2] = True
        image[bridge & (r > 55)] = 75
    image = ndimage.gaussian_filter(image, 0.5)
    noise = np.random.default_rng(seed).normal(0, 3, shape)
    return (image + noise * (image > 0)).astype(np.float32), r < 57


@pytest.mark.parametrize('skull', [True, False])
@pytest.mark.parametrize('error_mm', [-4.0, 0.0, 4.0])
def test_refined_mask_is_nearer_the_truth_than_a_prior_too_small_or_too_large(skull, error_mm):
    image, truth = head(skull=skull)
    prior = radii(image.shape, (2.0,) * 3) < 57 + error_mm
    refined = refine_brain_mask(image, prior, (2.0,) * 3)
    assert refined[truth].mean() > 0.99
    assert dice(refined, truth) > 0.94
    if error_mm:
        assert dice(refined, truth) > dice(prior, truth) + 0.01


def test_refined_mask_has_no_hole_and_no_bridge_to_the_scalp():
    image, _ = head()
    r = radii(image.shape, (2.0,) * 3)
    refined = refine_brain_mask(image, r < 59, (2.0,) * 3)
    assert refined[r < 54].all()
    assert not refined[r > 63].any()


def test_refinement_knows_millimetres():
    voxel = (3.0, 1.5, 4.0)
    image, truth = head((48, 96, 36), voxel)
    refined = refine_brain_mask(image, radii(image.shape, voxel) < 61, voxel)
    assert dice(refined, truth) > 0.9


def test_refinement_does_not_depend_on_gain():
    image, _ = head()
    prior = radii(image.shape, (2.0,) * 3) < 59
    first = refine_brain_mask(image, prior, (2.0,) * 3)
    np.testing.assert_array_equal(first, refine_brain_mask(image * 8, prior, (2.0,) * 3))


@pytest.mark.parametrize(
    ('image', 'prior', 'message'),
    [
        (np.ones((4, 4, 4)), np.zeros((4, 4, 4), bool), 'empty'),
        (np.ones((4, 4, 4)), np.ones((4, 4, 5), bool), 'differ in shape'),
        (np.ones((9, 9, 9)), np.ones((9, 9, 9), bool), 'everywhere in the brain'),
    ],
)
def test_bad_masks_and_images_are_refused(image, prior, message):
    with pytest.raises(NigraError, match=message):
        refine_brain_mask(image, prior, (1, 1, 1))


@pytest.mark.parametrize('n_fluid', [0, 30, 3000])
def test_tissue_intensities_need_no_certain_amount_of_fluid(n_fluid):
    rng = np.random.default_rng(1)
    parts = ((20, n_fluid), (70, 4000), (100, 5000))
    values = np.concatenate([rng.normal(m, 4, n) for m, n in parts]).reshape(-1, 1, 1)
    everywhere = np.ones(values.shape, bool)
    tissue = tissue_intensities(values, everywhere, everywhere)
    assert tissue.fluid < 25
    assert 30 < tissue.above(0.5) < 60
    assert 108 < tissue.bright < 150


@pytest.mark.parametrize('voxel', [(1, 1, 1), (0.5, 1, 2)])
def test_erosion_undoes_dilation_of_a_ball(voxel):
    ball = radii((40, 40, 40), voxel) < 6
    grown = dilate_mm(ball, 2.5, voxel)
    assert grown.sum() > ball.sum()
    assert dice(erode_mm(grown, 2.5, voxel), ball) > 0.93


def test_empty_and_full_masks_stay_as_they_are():
    assert not dilate_mm(np.zeros((3, 3, 3), bool), 2, (1, 1, 1)).any()
    assert erode_mm(np.ones((3, 3, 3), bool), 2, (1, 1, 1)).all()


def test_largest_part_and_box():
    mask = np.zeros((10, 10, 10), bool)
    mask[1, 1, 1] = mask[4:7, 5, 2:4] = True
    kept = largest_part(mask)
    assert kept.sum() == 6
    assert not kept[1, 1, 1]
    assert padded_box(kept, (1, 0, 20)) == (slice(3, 8), slice(5, 6), slice(0, 10))
