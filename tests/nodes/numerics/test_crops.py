"""Crops, transforms and convolutions: what flips, margins and odd lengths change, and do not."""

import itertools

import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.numerics import fft
from nigra.nodes.numerics.fft import (
    convolver,
    crop_to_mask,
    empty_spectrum,
    fast_shape,
    half_shape,
    irfftn,
    multiplicity,
    rfftn,
)


@pytest.mark.parametrize(
    ('counts', 'back'),
    [([1, 2, 5], False), ([5, 2, 1], True), ([3, 1, 3], False), ([4], False), ([2, 2], False),
     ([0, 1, 1, 5], False), ([9, 1, 1, 1], True)],
)  # fmt: skip
def test_a_distribution_leans_by_its_third_moment(counts, back):
    place = np.arange(len(counts)) - (len(counts) - 1) / 2
    assert fft._leans_back(np.array(counts)) == back == bool((counts * place**3).sum() < 0)


@pytest.mark.parametrize('flips', list(itertools.product((False, True), repeat=3)))
def test_a_flipped_image_is_held_the_same_way(flips):
    rng = np.random.default_rng(0)
    mask = np.zeros((14, 17, 12), bool)
    mask[3:10, 4:15, 2:9] = rng.random((7, 11, 7)) < np.linspace(0.2, 1, 7)[:, None, None]
    image, grid = rng.random(mask.shape), Grid(mask.shape, (1.0, 1.5, 2.0), (0.6, 0.0, 0.8))
    plain = crop_to_mask(mask, grid, margin=4.0)
    turn = tuple(slice(None, None, -1 if f else 1) for f in flips)
    b = tuple(-c if f else c for c, f in zip(grid.b0_dir, flips, strict=True))
    other = crop_to_mask(mask[turn], Grid(mask.shape, grid.voxel_size, b), margin=4.0)
    np.testing.assert_array_equal(other.take(image[turn]), plain.take(image))
    assert other.grid.b0_dir == pytest.approx(plain.grid.b0_dir)
    # and what is put back lies where it was
    back = plain.put(plain.take(image))
    np.testing.assert_array_equal(back[plain.source], image[plain.source])
    assert back.sum() == pytest.approx(image[plain.source].sum())
    np.testing.assert_array_equal(other.put(other.take(image[turn])), back[turn])


@pytest.mark.parametrize('margin', [0.0, 2.0, 3.1])
def test_margins_are_in_mm_and_lengths_fast(margin):
    size = (1.0, 1.5, 2.0)
    mask = np.ones((20, 21, 22), bool)
    crop = crop_to_mask(mask, Grid(mask.shape, size), margin=margin)
    for n, target, length, edge in zip(
        mask.shape, crop.target, crop.grid.shape, size, strict=True
    ):
        least = n + 2 * int(np.ceil(margin / edge))
        assert length == fast_shape((1, 1, least))[2]
        assert target.stop - target.start == n
        before, after = target.start, length - target.stop
        assert min(before, after) * edge >= margin
        assert 0 <= after - before <= 1
    filled = crop.take(np.zeros(mask.shape), fill=7)
    assert (filled == 7).sum() == filled.size - mask.size


@pytest.mark.parametrize('shape', [(5, 6, 7), (6, 5, 8), (4, 4, 2), (3, 3, 1)])
@pytest.mark.parametrize('nthreads', [1, 3])
def test_transforms_are_those_of_numpy(shape, nthreads):
    image = np.random.default_rng(1).standard_normal(shape)
    expected = np.fft.rfftn(image)
    spectrum = rfftn(image, nthreads=nthreads)
    assert spectrum.shape == half_shape(shape) == expected.shape == empty_spectrum(image).shape
    assert spectrum == pytest.approx(expected)
    assert irfftn(spectrum, np.empty(shape), nthreads=nthreads) == pytest.approx(image)
    # Parseval's sum over half a spectrum counts what stands for two frequencies twice
    weight = multiplicity(shape[2])
    assert (np.abs(expected) ** 2 * weight).sum() == pytest.approx(image.size * (image**2).sum())


def test_fast_lengths_are_products_of_small_primes_and_no_shorter():
    for n in range(1, 200):
        length = fast_shape((n, n, n))
        assert all(m >= n for m in length)
        assert all(m <= 1.34 * n + 3 for m in length)
        for m in length:
            rest = m
            for prime in (2, 3, 5, 7, 11):
                while rest % prime == 0:
                    rest //= prime
            assert rest == 1


def test_convolutions_multiply_spectra_and_refuse_other_shapes():
    rng = np.random.default_rng(2)
    image, kernel = rng.standard_normal((6, 5, 7)), rng.standard_normal((6, 5, 4))
    apply = convolver(kernel, image.shape)
    expected = np.fft.irfftn(np.fft.rfftn(image) * kernel, image.shape, (0, 1, 2))
    assert apply(image) == pytest.approx(expected)
    assert apply(image, image) is image
    assert image == pytest.approx(expected)
    with pytest.raises(NigraError, match='does not fit images'):
        convolver(kernel, (6, 5, 8))
