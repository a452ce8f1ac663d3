import numpy as np
import pytest
from scipy import ndimage

from nigra.interfaces.simulate import template_head
from nigra.nodes.errors import NigraError
from nigra.nodes.simulation.head import (
    Material,
    _smooth_union,
    build_head,
    distance_to_segment,
    world_axes,
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


def test_marrow_lies_between_two_tables_of_bone(head):
    """Along a ray to the top of the skull, and with bone or soft tissue around it everywhere."""
    marrow = head.materials == Material.MARROW
    assert marrow.sum() > 10_000
    x, y = voxel(head, (30, -20, 30))[0], voxel(head, (0, -20, 0))[1]
    above = head.materials[x, y, voxel(head, (0, 0, 30))[2] :]
    order = [m for i, m in enumerate(above) if i == 0 or above[i - 1] != m]
    at = order.index(Material.MARROW)
    assert order[at - 1] == order[at + 1] == Material.BONE


def test_a_union_is_the_nearer_of_two_distances_rounded_where_they_meet():
    near, blend = np.linspace(-40, 40, 81), 16.0
    for other in (-30.0, 0.0, 25.0):
        found = _smooth_union(near, np.full_like(near, other), blend)
        turned = _smooth_union(np.full_like(near, other), near, blend)
        assert found == pytest.approx(turned, abs=1e-4)
        least = np.minimum(near, other)
        apart = np.abs(near - other) >= blend
        assert found[apart] == pytest.approx(least[apart], abs=1e-4)
        # it only ever adds to the body, and most where both are equally near: a quarter of it
        assert (found <= least + 1e-4).all()
        assert (least - found).max() == pytest.approx(blend / 4, abs=0.01)
