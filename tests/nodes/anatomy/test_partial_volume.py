"""A region's own value on coarse voxels, against phantoms whose value is known."""

import gc
import tracemalloc

import numpy as np
import pytest

from nigra.interfaces.anatomy.labels import Drawn, load_fractions, save_fractions
from nigra.nodes.anatomy.partial_volume import pvc_mean
from nigra.nodes.anatomy.regions import Fine, Maps, Region, measure_regions
from nigra.nodes.numerics.resample import block_fraction

FACTOR = 5


def spheres(*parts, shape=(16, 16, 16)):
    """Fractions of coarse voxels of spheres given as (label, centre, radius) in coarse voxels."""
    fine = (np.indices([FACTOR * n for n in shape]) + 0.5) / FACTOR
    labels = np.zeros(fine.shape[1:], int)
    for label, centre, radius in parts:
        r2 = sum((f - c) ** 2 for f, c in zip(fine, centre, strict=True))
        labels[r2 <= radius**2] = label
    return {k: block_fraction(labels == k, (FACTOR,) * 3) for k, _, _ in parts}


def mixed(fractions, values, rest):
    """Map in which every voxel is the mean of what fills it."""
    image = rest * (1 - sum(fractions.values()))
    for label, value in values.items():
        image = image + value * fractions[label]
    return image


@pytest.mark.parametrize('radius', [1.7, 2.5, 4.0])
def test_a_sphere_keeps_its_value_however_coarse_the_voxels(radius):
    fractions = spheres((1, (8.2, 7.6, 8.1), radius))
    image = mixed(fractions, {1: 100.0}, -20.0)
    everywhere = np.ones(image.shape, bool)
    plain = image[fractions[1] > 0.5].mean()
    assert plain < 95
    assert pvc_mean(image, everywhere, fractions, [1]) == pytest.approx(100, abs=0.01)


def test_a_neighbour_of_another_value_does_not_leak_in():
    fractions = spheres((1, (6, 8, 8), 2.4), (2, (10.3, 8, 8), 2.4))
    image = mixed(fractions, {1: 100.0, 2: 60.0}, -30.0)
    everywhere = np.ones(image.shape, bool)
    assert pvc_mean(image, everywhere, fractions, [1]) == pytest.approx(100, abs=0.01)
    assert pvc_mean(image, everywhere, fractions, [2]) == pytest.approx(60, abs=0.01)
    both = pvc_mean(image, everywhere, fractions, [1, 2])
    assert 60 < both < 100


def test_whole_voxels_give_the_mean_of_noise_around_a_value():
    rng = np.random.default_rng(0)
    fraction = np.zeros((12, 12, 12), np.float32)
    fraction[3:9, 3:9, 3:9] = 1
    image = 50 * fraction + rng.standard_normal(fraction.shape)
    found = pvc_mean(image, fraction >= 0, {4: fraction}, [4])
    assert found == pytest.approx(image[fraction == 1].mean(), abs=0.05)


def test_a_vein_in_the_surroundings_weighs_little():
    fractions = spheres((1, (8, 8, 8), 3.0))
    clean = mixed(fractions, {1: 100.0}, 0.0) + 0.5 * np.random.default_rng(1).standard_normal(
        (16, 16, 16)
    )
    vein = clean.copy()
    vein[4:12, 4, 8] = 300
    everywhere = np.ones(clean.shape, bool)
    assert pvc_mean(vein, everywhere, fractions, [1]) == pytest.approx(100, abs=1.5)


def test_flips_and_axes_change_nothing():
    fractions = spheres((1, (7.3, 8.4, 6.9), 2.5))
    image = mixed(fractions, {1: 80.0}, 5.0)
    image += np.random.default_rng(2).standard_normal(image.shape)
    everywhere = np.ones(image.shape, bool)
    first = pvc_mean(image, everywhere, fractions, [1])
    turned = {1: fractions[1][::-1].transpose(2, 0, 1)}
    assert pvc_mean(image[::-1].transpose(2, 0, 1), everywhere, turned, [1]) == pytest.approx(
        first
    )


def test_what_is_too_small_is_not_told():
    fractions = spheres((1, (8, 8, 8), 0.9))
    everywhere = np.ones((16, 16, 16), bool)
    assert np.isnan(pvc_mean(np.ones(everywhere.shape), everywhere, fractions, [1]))
    assert np.isnan(pvc_mean(np.ones(everywhere.shape), everywhere, fractions, [7]))


def test_fractions_reach_the_table_in_their_box(tmp_path):
    full = spheres((1, (8, 8, 8), 3.0))[1]
    image = 1e-3 * mixed({1: full}, {1: 100.0}, -20.0)
    box = (slice(3, 13), slice(2, 14), slice(4, 13))
    drawn = Drawn((full > 0.5).astype(int), box, {1: full[box]}, {1: 200})
    fine = load_fractions(save_fractions(drawn, tmp_path / 'fractions.npz'))
    assert fine.box == box
    assert fine.counts == {1: 200}
    maps = Maps(image, np.ones(image.shape, bool), 1.0)
    (found, *_) = measure_regions(maps, drawn.labels, [Region('a', 'L', (1,))], fine=fine)
    assert found['chi_pvc'] == pytest.approx(100, abs=0.01)
    (without, *_) = measure_regions(maps, drawn.labels, [Region('a', 'L', (1,))], fine=Fine())
    assert np.isnan(without['chi_pvc'])


def test_a_thin_region_is_told_from_the_neighbour_that_shares_all_its_voxels():
    own, beside = np.zeros((9, 9, 9)), np.zeros((9, 9, 9))
    own[4, 2:7, 2:7] = beside[4, 2:7, 2:7] = 0.5
    beside[5:7, 2:7, 2:7] = 1
    image = 100.0 * own + 300.0 * beside
    everywhere = np.ones(own.shape, bool)
    assert pvc_mean(image, everywhere, {1: own, 2: beside}, [1]) == pytest.approx(100, abs=1e-6)


def test_a_neighbour_that_fills_hardly_anything_is_left_to_the_rest():
    """A label of a few hundredths of a voxel has no value of its own, which noise would make."""
    own, trace = np.zeros((9, 9, 9)), np.zeros((9, 9, 9))
    own[3:6, 3:6, 3:6] = 1
    own[2, 3:6, 3:6] = 0.5
    image = 100.0 * own
    trace[2, 3:6, 3:6] = 0.05
    everywhere = np.ones(own.shape, bool)
    alone = pvc_mean(image, everywhere, {1: own}, [1])
    assert pvc_mean(image, everywhere, {1: own, 2: trace}, [1]) == alone


def test_no_iteration_is_kept_in_memory():
    """Results of robust regression refer to themselves: Python finds them late, or never."""
    fractions = spheres((1, (12.2, 11.6, 12.1), 8.0), shape=(24, 24, 24))
    noise = np.random.default_rng(3).normal(0, 10, (24, 24, 24))
    image = mixed(fractions, {1: 100.0}, -20.0) + noise
    everywhere = np.ones(image.shape, bool)
    pvc_mean(image, everywhere, fractions, [1])  # imports
    gc.disable()
    tracemalloc.start()
    try:
        assert pvc_mean(image, everywhere, fractions, [1]) == pytest.approx(100, abs=2)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept < 0.05 * most
