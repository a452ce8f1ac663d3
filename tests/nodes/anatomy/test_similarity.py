import numpy as np
import pytest

from nigra.nodes.anatomy.similarity import (
    _binned,
    correlation,
    dice,
    normalised_mutual_information,
)
from nigra.nodes.errors import NigraError

RNG = np.random.default_rng(5)
IMAGE = RNG.normal(size=(20, 20, 20))
EVERYWHERE = np.ones(IMAGE.shape, bool)


def nmi(a, b):
    return normalised_mutual_information(a, b, EVERYWHERE)


def test_mutual_information_sees_through_contrast():
    assert nmi(IMAGE, IMAGE) == pytest.approx(2)
    assert nmi(IMAGE, -3 * IMAGE + 7) == pytest.approx(2, abs=0.02)
    assert nmi(IMAGE, np.abs(IMAGE)) > 1.5


def test_mutual_information_falls_with_noise_to_one():
    noise = np.random.default_rng(6).normal(size=IMAGE.shape)
    values = [nmi(IMAGE, IMAGE + s * noise) for s in (0, 0.3, 1, 30)]
    assert sorted(values, reverse=True) == values
    assert values[-1] == pytest.approx(1, abs=0.02)


def test_mutual_information_is_symmetric_and_one_for_nothing():
    other = IMAGE**2 + 0.1 * IMAGE
    assert nmi(IMAGE, other) == pytest.approx(nmi(other, IMAGE))
    assert normalised_mutual_information(IMAGE, IMAGE, ~EVERYWHERE) == 1
    assert nmi(IMAGE, np.zeros_like(IMAGE)) == pytest.approx(1)


def test_shapes_must_agree():
    with pytest.raises(NigraError, match='shapes differ'):
        normalised_mutual_information(IMAGE, IMAGE[1:], EVERYWHERE)


def test_dice_of_known_overlaps():
    a = np.zeros(10, bool)
    a[:6] = True
    assert dice(a, a) == 1
    assert dice(a, ~a) == 0
    assert dice(a, np.roll(a, 3)) == pytest.approx(0.5)
    assert np.isnan(dice(a[:0], a[:0]))


def test_correlation_has_a_sign_and_needs_contrast():
    assert correlation(IMAGE, 2 * IMAGE + 1, EVERYWHERE) == pytest.approx(1)
    assert correlation(IMAGE, -IMAGE, EVERYWHERE) == pytest.approx(-1)
    assert np.isnan(correlation(IMAGE, np.ones_like(IMAGE), EVERYWHERE))


def test_mutual_information_of_a_known_table():
    """Two values each, of which one image tells three quarters of the other's."""
    a = np.repeat([0.0, 0, 1, 1], 200).reshape(8, 10, 10)
    b = np.concatenate([np.repeat([0.0, 1], [300, 100]), np.repeat([0.0, 1], [100, 300])])
    joint = np.array([3, 1, 1, 3]) / 8
    expected = 2 * np.log(2) / -(joint * np.log(joint)).sum()
    found = normalised_mutual_information(a, b.reshape(a.shape), np.ones(a.shape, bool))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(('size', 'known'), [(31, False), (32, True)])
def test_fewer_voxels_than_bins_say_nothing(size, known):
    mask = np.zeros(IMAGE.shape, bool)
    mask.ravel()[:size] = True
    assert (normalised_mutual_information(IMAGE, IMAGE, mask) > 1.5) == known


def test_every_bin_is_as_wide_as_the_others():
    values = np.linspace(0, 1, 10_001)
    counts = np.bincount(_binned(values, 8), minlength=8)
    assert counts[1:-1] == pytest.approx(counts[1:-1].mean(), rel=0.01)
    assert counts[[0, -1]] == pytest.approx(0.98e4 / 8 + 100, abs=5)  # what lies beyond the ends
    assert not _binned(np.ones(5), 8).any()


@pytest.mark.parametrize('size', [0, 1, 2])
def test_two_values_are_the_least_that_correlate(size):
    mask = np.zeros(IMAGE.shape, bool)
    mask.ravel()[:size] = True
    assert np.isfinite(correlation(IMAGE, 2 * IMAGE, mask)) == (size > 1)
