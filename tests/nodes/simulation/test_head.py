import numpy as np
import pytest
from scipy import ndimage

from nigra.interfaces.simulate import template_head
from nigra.nodes.errors import NigraError
from nigra.nodes.simulation.head import Material, build_head, distance_to_segment, world_axes
from nigra.nodes.simulation.tissue import (
    TissueModel,
    background_ppm,
    brain_ppm,
    fibre_directions,
    fractions,
    signal_maps,
    t1_weighted,
)
from nigra.nodes.simulation.veins import vein_mask


@pytest.fixture(scope='module')
def head():
    return template_head()


def voxel(head, point):
    return tuple(np.rint(np.asarray(point) - head.affine[:3, 3]).astype(int))


def test_the_brain_is_wrapped_in_fluid_bone_and_skin_everywhere(head):
    brain = head.brain
    assert head.materials[0, 0, -1] == Material.AIR
    air = head.materials == Material.AIR
    near = ndimage.binary_dilation(brain, iterations=3)
    assert not (near & air).any()
    shell = ndimage.binary_dilation(brain, iterations=2) & ~brain
    fluid = np.isin(head.materials[shell], (Material.CSF, Material.CORD)).mean()
    assert fluid > 0.6
    top = head.materials[voxel(head, (30, -20, 30))[0], voxel(head, (0, -20, 0))[1]]
    order = [Material(m) for m in top[top > 0]]
    for outer in (Material.CSF, Material.BONE, Material.FAT, Material.SKIN):
        assert outer in order


@pytest.mark.parametrize(
    ('point', 'material'),
    [
        ((0, 22, -42), Material.AIR),  # sphenoid sinus
        ((30, 48, -66), Material.AIR),  # maxillary sinus
        ((-30, 48, -66), Material.AIR),
        ((-32, 62, -34), Material.VITREOUS),
        ((0, -43, -100), Material.CORD),
        ((75, -25, -42), Material.AIR),  # ear canal
        ((52, -38, -50), Material.MASTOID),
    ],
)
def test_structures_lie_where_anatomy_has_them(head, point, material):
    assert head.materials[voxel(head, point)] == material


def test_every_label_is_in_the_brain(head):
    assert set(np.unique(head.labels)) == set(range(17))
    assert head.brain[head.labels > 0].all()


def test_a_template_that_cannot_be_used_is_refused():
    image, labels = np.ones((8, 8, 8), np.float32), np.zeros((8, 8, 8), np.uint8)
    with pytest.raises(NigraError, match='1 mm'):
        build_head(image, labels, np.diag([2.0, 2, 2, 1]))
    with pytest.raises(NigraError, match='shape'):
        build_head(image, labels[:4], np.eye(4))
    with pytest.raises(NigraError, match='no brain'):
        build_head(0 * image, labels, np.eye(4))


def test_distance_to_a_segment():
    axes = world_axes(np.eye(4), (9, 9, 9))
    distance = distance_to_segment(axes, np.array([2.0, 4, 4]), np.array([6.0, 4, 4]))
    assert distance[4, 4, 7] == pytest.approx(3)
    assert distance[8, 4, 4] == pytest.approx(2)
    assert distance[0, 1, 4] == pytest.approx(np.hypot(2, 3))


def test_veins_reach_the_sinuses_and_fill_little_of_the_brain(head):
    veins = vein_mask(np.random.default_rng(0), head.brain, head.affine)
    assert veins[voxel(head, (0, -48, 12))]
    assert 0.001 < (veins & head.brain).sum() / head.brain.sum() < 0.02
    vertex = np.flatnonzero(veins[voxel(head, (0, 0, 0))[0], voxel(head, (0, -20, 0))[1]])
    assert vertex.max() + head.affine[2, 3] > 70
    other = vein_mask(np.random.default_rng(1), head.brain, head.affine)
    assert (veins & ~other).sum() > 100


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
