"""Numbers of the simulated tissue by hand: mixtures, steady states, decay, contrast."""

import numpy as np
import pytest

from nigra.nodes.simulation import tissue
from nigra.nodes.simulation.head import Material
from nigra.nodes.simulation.tissue import (
    CSF_INTENSITY,
    DEEP_GREY,
    FLUID,
    GREY,
    GREY_INTENSITY,
    R2STAR_PER_PPM_TESLA,
    SUBSTANCES,
    WHITE,
    WHITE_INTENSITY,
    TissueModel,
    brain_ppm,
    signal_maps,
    t1_weighted,
)

MODEL = TissueModel()
NONE = np.zeros(1, np.float32)


@pytest.mark.parametrize(
    ('intensity', 'parts'),
    [(CSF_INTENSITY, (1, 0, 0)), (0.25 * CSF_INTENSITY + 0.75 * GREY_INTENSITY, (0.25, 0.75, 0)),
     (GREY_INTENSITY, (0, 1, 0)), (0.4 * GREY_INTENSITY + 0.6 * WHITE_INTENSITY, (0, 0.4, 0.6)),
     (0.0, (1, 0, 0)), (200.0, (0, 0, 1))],
)  # fmt: skip
def test_two_tissues_at_a_time_make_an_intensity(intensity, parts):
    found = tissue.fractions(np.array([intensity], np.float32))
    assert np.ravel(found) == pytest.approx(parts, abs=1e-6)


def background(material):
    return float(tissue.background_ppm(np.array([material], np.uint8), MODEL)[0])


def test_materials_relative_to_air():
    soft = -MODEL.air_ppm
    assert background(Material.AIR) == 0
    for material in (Material.BRAIN, Material.CSF, Material.SKIN, Material.VITREOUS):
        assert background(material) == pytest.approx(soft)
    assert background(Material.MARROW) == pytest.approx(soft + 0.3 * MODEL.bone_ppm)
    assert background(Material.FAT) == pytest.approx(soft + 0.6)
    assert background(Material.MASTOID) == pytest.approx(soft / 2)  # half air
    assert background(Material.SINUS) == pytest.approx(soft + MODEL.vein_ppb / 1000)


def voxels(material, intensity, label=0, texture=0.0, n=1):
    """Materials, intensities, labels and texture of some voxels."""
    return (
        np.full(n, material, np.uint8), np.full(n, intensity, np.float32),
        np.full(n, label, np.uint8), np.resize(np.float32(texture), n),
    )  # fmt: skip


def chi(*arguments, values=(), **more):
    return 1000 * brain_ppm(*voxels(*arguments, **more), dict(values), MODEL)


def test_susceptibilities_of_mixtures_add_by_volume():
    half = (GREY_INTENSITY + WHITE_INTENSITY) / 2
    mean = (MODEL.grey_matter_ppb + MODEL.white_matter_ppb) / 2
    assert chi(Material.BRAIN, half) == pytest.approx(mean)
    wet = (GREY_INTENSITY + CSF_INTENSITY) / 2
    damp = (MODEL.grey_matter_ppb + MODEL.csf_ppb) / 2
    assert chi(Material.BRAIN, wet) == pytest.approx(damp)
    # texture is one of tissue, of which there is half
    grain = damp + 2 * MODEL.texture_ppb / 2
    assert chi(Material.BRAIN, wet, texture=2.0) == pytest.approx(grain)
    assert chi(Material.DENTATE, GREY_INTENSITY) == pytest.approx(MODEL.dentate_ppb)
    assert chi(Material.DENTATE, wet) == pytest.approx(damp)  # its fluid is none
    assert chi(Material.VEIN, GREY_INTENSITY) == pytest.approx(MODEL.vein_ppb)
    assert chi(Material.MUSCLE, GREY_INTENSITY) == 0


def test_nuclei_meet_their_value_and_their_texture_grows_with_it():
    grain = np.array([1.0, -1, 2, 4])
    for value in (-80.0, 0.0, 150.0):
        found = chi(Material.BRAIN, 75, 3, grain, n=4, values={3: value})
        spread = MODEL.texture_ppb * (0.7 + abs(value) / 100)
        assert found == pytest.approx(value + spread * (grain - 1.5), abs=1e-3)


def steady(substance, b0, repetition_time, flip):
    t1 = substance.t1 if substance.t1 > 3 else substance.t1 * (b0 / 1.5) ** 0.3
    e, a = np.exp(-repetition_time / t1), np.deg2rad(flip)
    return substance.density * np.sin(a) * (1 - e) / (1 - e * np.cos(a))


def maps(*arguments, b0=3.0, chi_ppm=0.0, **more):
    materials, intensity, labels, _ = voxels(*arguments, **more)
    return signal_maps(
        materials, intensity, labels, np.full(len(labels), chi_ppm, np.float32), b0=b0,
        repetition_time=0.04, flip_angle=25,
    )  # fmt: skip


@pytest.mark.parametrize('b0', [1.5, 3.0, 7.0])
def test_steady_state_and_decay_of_each_material(b0):
    for material, substance in SUBSTANCES.items():
        if material is Material.BRAIN:
            continue
        found = maps(material, 64, b0=b0)
        assert found.amplitude[0] == pytest.approx(steady(substance, b0, 0.04, 25), rel=1e-5)
        rate = substance.r2star + substance.r2star_slope * b0
        assert found.r2star[0] == pytest.approx(rate, rel=1e-5)
        assert found.shift_ppm[0] == pytest.approx(-3.4 if material is Material.FAT else 0)


@pytest.mark.parametrize('part', [0.0, 0.3, 1.0])
def test_brain_voxels_are_mixtures_and_nuclei_hold_iron(part):
    for low, high, a, b in ((CSF_INTENSITY, GREY_INTENSITY, FLUID, GREY),
                            (GREY_INTENSITY, WHITE_INTENSITY, GREY, WHITE)):  # fmt: skip
        found = maps(Material.BRAIN, (1 - part) * low + part * high)
        sizes = [steady(s, 3.0, 0.04, 25) for s in (a, b)]
        rates = [s.r2star + s.r2star_slope * 3 for s in (a, b)]
        assert found.amplitude[0] == pytest.approx(np.dot([1 - part, part], sizes), rel=1e-4)
        assert found.r2star[0] == pytest.approx(np.dot([1 - part, part], rates), rel=1e-4)
    for sign in (-1, 1):
        iron = maps(Material.BRAIN, 64, 5, b0=3.0, chi_ppm=sign * 0.1)
        rate = DEEP_GREY.r2star + DEEP_GREY.r2star_slope * 3 + R2STAR_PER_PPM_TESLA * 3 * 0.1
        assert iron.r2star[0] == pytest.approx(rate, rel=1e-5)
        assert iron.amplitude[0] == pytest.approx(steady(DEEP_GREY, 3.0, 0.04, 25), rel=1e-5)


def t1w(material, intensity, texture=0.0, **more):
    materials, values, _, grain = voxels(material, intensity, texture=texture)
    return float(t1_weighted(materials, values, grain, **more)[0])


def test_t1w_of_the_brain_is_the_template_s_but_darker_in_fluid():
    for value in (60.0, 64.0, 75.0, 86.0, 100.0):
        assert t1w(Material.BRAIN, value) == pytest.approx(value, rel=1e-5)
        assert t1w(Material.DENTATE, value, 1.0) == pytest.approx(value, rel=1e-5)
    assert t1w(Material.BRAIN, 40.0) == pytest.approx(60 - 20 * 1.25, rel=1e-5)
    assert t1w(Material.BRAIN, 5.0) == pytest.approx(18, rel=1e-5)
    expected = WHITE_INTENSITY * (GREY_INTENSITY / WHITE_INTENSITY) ** 1.2
    assert t1w(Material.BRAIN, GREY_INTENSITY, contrast=1.2) == pytest.approx(expected, rel=1e-5)


def test_t1w_around_the_brain_has_grain_and_streaks_of_fat_in_muscle():
    for material in (Material.FAT, Material.BONE, Material.CSF, Material.SKIN):
        plain = SUBSTANCES[material].t1w
        assert t1w(material, 30, 0.5) == pytest.approx(plain * 1.03, rel=1e-5)
    muscle = SUBSTANCES[Material.MUSCLE].t1w
    assert t1w(Material.MUSCLE, 30, 1.1) == pytest.approx((muscle + 6.6) * 1.066, rel=1e-5)
    assert t1w(Material.MUSCLE, 30, 1.2) == pytest.approx((muscle + 40) * 1.072, rel=1e-5)


def test_dentate_nuclei_are_folded_sheets():
    affine = np.eye(4)
    affine[:3, 3] = (-40, -80, -50)
    mask = tissue.dentate_nuclei(affine, (81, 40, 30))
    x, y, z = np.argwhere(mask).T + affine[:3, 3][:, None].astype(int)
    assert (z > -39).all()  # open below
    side = np.abs(x)
    u, v, w = side - 16, y + 58, z + 35
    r = np.sqrt(((u - 0.3 * v) / 5) ** 2 + (v / 8.5) ** 2 + (w / 5.5) ** 2)
    assert ((r > 0.55) & (r < 1)).all()
    # all that is in the shell and within the box is there
    i, j, k = np.indices(mask.shape)
    a, b, c = np.abs(i - 40) - 16, j - 80 + 58, k - 50 + 35
    shell = np.sqrt(((a - 0.3 * b) / 5) ** 2 + (b / 8.5) ** 2 + (c / 5.5) ** 2)
    expected = (shell < 1) & (shell > 0.55) & (c > -4)
    np.testing.assert_array_equal(mask, expected)
    # a grid that ends within them holds its part
    part = tissue.dentate_nuclei(affine, (81, 24, 30))
    np.testing.assert_array_equal(part, expected[:, :24])
