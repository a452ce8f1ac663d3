import numpy as np
import pytest

from nigra.nodes.simulation.head import Material
from nigra.nodes.simulation.tissue import (
    TissueModel,
    background_ppm,
    brain_ppm,
    dentate_nuclei,
    fibre_directions,
    fractions,
    signal_maps,
    t1_weighted,
)


def test_fractions_of_fluid_grey_and_white():
    intensity = np.linspace(0, 100, 201).astype(np.float32)
    parts = fractions(intensity)
    assert np.sum(parts, axis=0) == pytest.approx(np.ones(201), abs=1e-6)
    assert min(s.min() for s in parts) >= 0
    assert [float(s[i]) for s, i in zip(parts, (60, 128, 172), strict=True)] == [1, 1, 1]


def test_susceptibility_of_materials_is_relative_to_air():
    tissue = TissueModel()
    codes = np.array([Material.AIR, Material.MUSCLE, Material.BONE, Material.SINUS], np.uint8)
    chi = background_ppm(codes, tissue)
    assert chi == pytest.approx([0, -9.4, -11.4, -9.1])


def test_brain_susceptibility_meets_values_and_leaves_the_rest_to_tissue():
    materials = np.full((6, 6, 6), Material.BRAIN, np.uint8)
    materials[0] = Material.CSF
    materials[5] = Material.VEIN
    intensity = np.full(materials.shape, 86, np.float32)
    labels = np.zeros(materials.shape, np.uint8)
    labels[2:4, 2:4] = 3
    texture = np.random.default_rng(0).standard_normal(materials.shape).astype(np.float32)
    chi = brain_ppm(materials, intensity, labels, texture, {3: 120.0}, TissueModel())
    assert chi[labels == 3].mean() == pytest.approx(0.120, abs=1e-6)
    assert chi[labels == 3].std() > 0.003
    assert np.all(chi[0] == 0)
    assert chi[5] == pytest.approx(np.full((6, 6), 0.3))
    smooth = brain_ppm(materials, intensity, labels, 0 * texture, {3: 120.0}, TissueModel())
    assert smooth[1, 0, 0] == pytest.approx(-0.030)


def test_signal_of_materials_has_the_expected_order():
    codes = np.array([[[m for m in Material]]], np.uint8)
    blank = np.full(codes.shape, 64, np.float32)
    maps = signal_maps(codes, blank, np.zeros_like(codes), 0 * blank, b0=1.5,
                       repetition_time=0.05, flip_angle=20)  # fmt: skip
    amplitude = dict(zip(Material, maps.amplitude.ravel(), strict=True))
    assert amplitude[Material.AIR] == 0
    assert amplitude[Material.BONE] < 0.3 * amplitude[Material.BRAIN]
    assert amplitude[Material.FAT] > amplitude[Material.BRAIN] > amplitude[Material.CSF]
    shift = dict(zip(Material, maps.shift_ppm.ravel(), strict=True))
    assert shift[Material.FAT] == pytest.approx(-3.4)
    assert shift[Material.BRAIN] == 0
    stronger = signal_maps(codes, blank, np.zeros_like(codes), 0 * blank, b0=3.0,
                           repetition_time=0.05, flip_angle=20)  # fmt: skip
    tissue = codes.ravel() == Material.BRAIN
    assert (stronger.r2star.ravel() > maps.r2star.ravel())[tissue].all()


def test_t1w_contrast_puts_fat_over_white_over_grey_over_fluid():
    codes = np.array([[[Material.FAT, Material.BRAIN, Material.BRAIN, Material.CSF,
                        Material.BONE]]], np.uint8)  # fmt: skip
    intensity = np.array([[[30, 86, 64, 30, 30]]], np.float32)
    image = t1_weighted(codes, intensity, 0 * intensity).ravel()
    assert np.all(np.diff(image) < 0)


def test_fibres_are_unit_vectors_and_run_left_right_in_the_callosum():
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-60, -80, -40)
    fibres = fibre_directions(np.random.default_rng(0), (60, 70, 60), affine)
    assert np.sqrt((fibres**2).sum(axis=0)) == pytest.approx(np.ones((60, 70, 60)), abs=1e-5)
    callosum = fibres[:, 28:32, 35:40, 30:33]
    assert np.abs(callosum[0]).mean() > 0.8


def template_like(low, high):
    """Voxel-to-world matrix and shape of voxels of 1 mm between two corners, mm."""
    affine = np.eye(4)
    affine[:3, 3] = low
    return affine, tuple(int(b - a) for a, b in zip(low, high, strict=True))


def test_fibres_follow_the_tracts_and_nothing_elsewhere():
    """Squares of the directions along each axis, over many heads: a third each is by chance."""
    low, spacing, shape = np.array((-76.0, -96, -60)), 4.0, (38, 41, 36)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = low
    heads = [fibre_directions(np.random.default_rng(seed), shape, affine) for seed in range(30)]
    assert np.linalg.norm(heads, axis=1) == pytest.approx(1, abs=1e-4)
    along = np.mean(np.square(heads), axis=0)
    x, y, z = spacing * np.indices(shape) + low[:, None, None, None]
    callosum = (abs(x) < 6) & (abs(y + 5) < 20) & (abs(z - 22) < 6)
    assert along[0][callosum].mean() > 0.6
    stem = (abs(x) < 8) & (abs(y + 28) < 8) & (z < -15)
    assert along[2][stem].mean() > 0.6
    for side in (-1, 1):
        crown = (abs(side * x - 26) < 4) & (abs(y + 15) < 10) & (abs(z - 20) < 10)
        assert along[2][crown].mean() > 0.45
    beside = abs(abs(x) - 26) < 6
    for far in ((abs(x) > 55) & (y > 20), (abs(x) > 50) & (z > 50), (abs(x) > 50) & (z < -40),
                (abs(x) > 50) & (y < -60), beside & (y > 42), beside & (z > 70)):  # fmt: skip
        assert along[2][far].mean() == pytest.approx(1 / 3, abs=0.07)


@pytest.mark.parametrize('low', [(-40, -80, -60), (-35, -90, -50), (-96, -132, -78)])
def test_dentate_nuclei_lie_at_one_place_of_the_world_whatever_the_grid(low):
    affine, shape = template_like(low, (45, 10, 10))
    mask = dentate_nuclei(affine, shape)
    places = np.argwhere(mask) + np.array(low)
    left, right = places[places[:, 0] < 0], places[places[:, 0] > 0]
    assert len(left) + len(right) == len(places)
    # mirror images, behind and below the commissures, and some 1 mL together
    assert np.array_equal(np.sort(-left[:, 0]), np.sort(right[:, 0]))
    assert right.mean(axis=0) == pytest.approx([16, -58, -33.5], abs=1.5)
    assert 500 < len(places) < 2000
