"""Limits of what files may hold: the last value that is taken, and the first that is refused."""

from contextlib import nullcontext
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from helpers import add_run, anat, write_image, write_sidecar

from nigra.interfaces.bids import find_visits
from nigra.interfaces.given import check_together, four_axes, geometry, take, take_mask
from nigra.interfaces.headers import (
    FARTHEST_MM,
    POSITION_TOLERANCE,
    TRANSFORMS_MM,
    VOXEL_MM,
    largest_distance,
    position_warnings,
    read_header,
)
from nigra.interfaces.metadata import FIELD_RANGE_T, field_strength, times_of
from nigra.interfaces.scans import UNEVEN_SPACING, _spacing_warnings
from nigra.interfaces.survey import COARSE_MM, LEAST_VIEW_MM, header_warnings
from nigra.nodes.errors import InputError

# Headers


def with_affine(folder, affine, shape=(3, 4, 5), name='x'):
    return write_image(folder / f'{name}.nii.gz', np.zeros(shape), affine=affine, dtype=np.uint8)


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize(
    ('edge', 'taken'),
    [(VOXEL_MM[0] * 1.001, True), (VOXEL_MM[0] * 0.99, False), (VOXEL_MM[1] * 0.999, True),
     (VOXEL_MM[1] * 1.01, False)],
)  # fmt: skip
def test_voxels_of_possible_size(tmp_path, axis, edge, taken):
    affine = np.eye(4)
    affine[axis, axis] = edge
    path = with_affine(tmp_path, affine)
    if taken:
        assert read_header(path).voxel_mm[axis] == pytest.approx(edge)
    else:
        with pytest.raises(InputError, match='has voxels of'):
            read_header(path)


@pytest.mark.parametrize(('place', 'taken'), [(0.99, True), (-0.99, True), (1.01, False),
                                              (-1.01, False)])  # fmt: skip
def test_images_lie_near_the_scanner(tmp_path, place, taken):
    affine = np.eye(4)
    affine[1, 3] = place * FARTHEST_MM
    path = with_affine(tmp_path, affine)
    with nullcontext() if taken else pytest.raises(InputError, match='lies at'):
        read_header(path)


@pytest.mark.parametrize(('lean', 'taken'), [(0.0, True), (1.2, True), (10.0, False)])
def test_axes_do_not_lie_in_one_plane(tmp_path, lean, taken):
    affine = np.eye(4)
    affine[0, 1] = lean  # the second axis leans over to the first
    path = with_affine(tmp_path, affine)
    with nullcontext() if taken else pytest.raises(InputError, match='lie in one plane'):
        read_header(path)


@pytest.mark.parametrize(('apart', 'told'), [(0.9, False), (1.1, True)])
def test_transforms_that_contradict_each_other_are_told(tmp_path, apart, told):
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.uint8), np.eye(4))
    moved = np.eye(4)
    moved[2, 3] = apart * TRANSFORMS_MM
    image.set_sform(np.eye(4), 1)
    image.set_qform(moved, 1)
    nib.save(image, tmp_path / 'x.nii.gz')
    assert bool(position_warnings(tmp_path / 'x.nii.gz')) == told
    assert read_header(tmp_path / 'x.nii.gz').apart_mm == pytest.approx(apart * TRANSFORMS_MM)


def test_the_corner_that_is_furthest_away_counts():
    turned = np.eye(4)
    turned[0, 1] = 0.1
    # 0.1 mm a voxel along the second axis: the last of its 11 lies 1 mm off
    assert largest_distance(np.eye(4), turned, (5, 11, 3)) == pytest.approx(1)
    assert largest_distance(turned, np.eye(4), (5, 11)) == pytest.approx(1)
    assert largest_distance(turned, turned, (5, 11, 3)) == 0


# Images in memory


def image(shape=(3, 4, 5), affine=None):
    return take('x', nib.Nifti1Image(np.zeros(shape, np.float32), affine))


def test_only_images_with_a_place_are_compared_in_it():
    moved = np.eye(4)
    moved[0, 3] = 5 * POSITION_TOLERANCE
    placed, array = image(affine=np.eye(4)), take('y', np.zeros((3, 4, 5)))
    check_together(placed, array)
    check_together(array, placed)
    check_together(placed, image(affine=np.eye(4)))
    with pytest.raises(InputError, match=r'is up to 0\.05 mm from'):
        check_together(placed, image(affine=moved))
    moved[0, 3] = 0.9 * POSITION_TOLERANCE
    check_together(placed, image(affine=moved))
    check_together(array, take('z', np.zeros((3, 4, 5, 2))))  # echoes may be more
    with pytest.raises(InputError, match='has shape'):
        check_together(array, take('z', np.zeros((3, 4, 6))))


def test_echoes_become_the_last_axis():
    rng = np.random.default_rng(0)
    echoes = [rng.random((3, 4, 5)) for _ in range(3)]
    stacked = take('phase', echoes)
    assert stacked.data.shape == (3, 4, 5, 3)
    assert stacked.data[..., 2] == pytest.approx(echoes[2])
    assert take('phase', tuple(echoes)).data.shape == (3, 4, 5, 3)
    with pytest.raises(InputError, match='three axes an echo'):
        take('phase', [np.zeros((3, 4, 5, 2))] * 2)
    assert take('numbers', [1.0, 2.0]).data.tolist() == [1, 2]
    assert take('nothing', []).data.size == 0
    placed = take('phase', [nib.Nifti1Image(e, np.eye(4)) for e in echoes])
    assert geometry(None, placed) == pytest.approx(np.eye(4))


@pytest.mark.parametrize(
    ('shape', 'taken'),
    [((3, 4, 5), True), ((3, 4, 5, 1), True), ((3, 4, 5, 2), False), ((3, 4), False)],
)
def test_masks_have_three_axes(shape, taken):
    if taken:
        assert take_mask('mask', np.ones(shape)).data.shape == (3, 4, 5)
    else:
        with pytest.raises(InputError, match='three axes'):
            take_mask('mask', np.ones(shape))


def test_masks_are_binary_and_images_of_one_echo_have_four_axes():
    assert take_mask('mask', np.ones((2, 2, 2), bool)).data.all()
    with pytest.raises(InputError, match='binary'):
        take_mask('mask', np.full((2, 2, 2), 0.5))
    assert four_axes(take('x', np.zeros((3, 4, 5)))).data.shape == (3, 4, 5, 1)
    assert four_axes(take('x', np.zeros((3, 4, 5, 2)))).data.shape == (3, 4, 5, 2)
    for shape in ((3, 4), (3, 4, 5, 2, 2)):
        with pytest.raises(InputError, match=r'give \(x, y, z, echo'):
            four_axes(take('x', np.zeros(shape)))


# Metadata


@pytest.mark.parametrize('b0', [*FIELD_RANGE_T, 1.5])
def test_fields_at_the_ends_of_the_range_are_taken(tmp_path, b0):
    assert field_strength(tmp_path, {'MagneticFieldStrength': b0}) == b0


@pytest.mark.parametrize('b0', [FIELD_RANGE_T[0] * 0.99, FIELD_RANGE_T[1] * 1.01, -3])
def test_fields_beyond_the_range_are_refused(tmp_path, b0):
    with pytest.raises(InputError, match='give it in tesla'):
        field_strength(tmp_path, {'MagneticFieldStrength': b0})


@pytest.mark.parametrize(('factor', 'fits'), [(1.09, True), (0.91, True), (1.11, False),
                                              (0.89, False)])  # fmt: skip
def test_frequencies_may_differ_by_a_tenth(tmp_path, factor, fits):
    told = {'MagneticFieldStrength': 3.0, 'ImagingFrequency': 3 * 42.577478518 * factor}
    if fits:
        assert field_strength(tmp_path, told) == 3
    else:
        with pytest.raises(InputError, match='correct one of the two'):
            field_strength(tmp_path, told)
    assert field_strength(tmp_path, told | {'ImagingFrequency': 0}) == 3  # not known


def test_echo_times_lie_between_none_and_a_second(tmp_path):
    assert times_of([(tmp_path, {'EchoTime': 0.999}), (tmp_path, {'EchoTime': 1e-4})]) == [
        0.999, 1e-4,
    ]  # fmt: skip
    for value, words in ((1, 'write 0.001'), (1.5, 'write 0.0015'), (0, 'true echo time'),
                         (-0.01, 'true echo time')):  # fmt: skip
        with pytest.raises(InputError, match=words):
            times_of([(tmp_path, {'EchoTime': value})])


@pytest.mark.parametrize(
    ('times', 'told'),
    [
        ((0.01, 0.02, 0.02 + 0.01 * UNEVEN_SPACING), False),
        ((0.01, 0.02, 0.021 + 0.01 * UNEVEN_SPACING), True),
        ((0.01, 0.03, 0.04), True),
        ((0.01, 0.05), False),
        ((0.01,), False),
    ],
)
def test_spacing_may_be_uneven_up_to_its_limit(times, told):
    assert bool(_spacing_warnings(times)) == told


# Data sets


def test_how_many_images_of_a_run_are_left_out_is_told(raw):
    folder = anat(raw)
    add_run(folder, 'sub-01_run-2', ['part-mag_'])
    (visit,) = find_visits(raw, 'sub-01')
    assert 'more of its run' not in visit.warnings[0]
    for echo in (1, 2, 3):
        name = f'sub-01_run-3_echo-{echo}_part-mag_MEGRE'
        write_sidecar(write_image(folder / f'{name}.nii.gz'), EchoTime=0.01 * echo,
                      MagneticFieldStrength=3)  # fmt: skip
    (visit,) = find_visits(raw, 'sub-01')
    (told,) = [w for w in visit.warnings if 'run-3' in w]
    assert '(and 2 more of its run)' in told


def visit(folder, t1w, gre):
    """A visit of images of (shape, mm) each."""
    paths = [
        with_affine(folder, np.diag([*edges, 1.0]), shape, name)
        for name, (shape, edges) in (('t1w', t1w), ('gre', gre))
    ]
    return SimpleNamespace(t1w=paths[0], scans=[SimpleNamespace(phase=(paths[1],))])


def test_images_show_enough_of_the_head_at_enough_detail(tmp_path):
    view, deep = LEAST_VIEW_MM['T1w'], LEAST_VIEW_MM['gradient-echo']
    good = visit(tmp_path / 'a', ((60, 60, 60), (view / 60,) * 3),
                 ((50, 50, 15), (2, 2, deep / 15)))  # fmt: skip
    assert header_warnings(good) == []
    small = visit(tmp_path / 'b', ((60, 60, 59), (view / 60,) * 3),
                  ((50, 50, 14), (2, 2, deep / 15)))  # fmt: skip
    told = header_warnings(small)
    assert len(told) == 2
    assert f'{view:.0f} x {view:.0f} x {59 * view / 60:.0f} mm' in told[0]
    assert told[1].startswith('gre.nii.gz shows 100 x 100 x ')


@pytest.mark.parametrize(
    ('edge', 'coarse'),
    [(COARSE_MM - 0.1, False), (COARSE_MM - 2e-7, True), (COARSE_MM, True),
     (COARSE_MM + 2e-7, True), (COARSE_MM + 0.1, True)],
)  # fmt: skip
def test_voxels_are_coarse_from_a_limit_on_that_does_not_hang_on_rounding(tmp_path, edge, coarse):
    seen = visit(tmp_path, ((80, 80, 80), (2, 2, 2)), ((50, 50, 20), (2, 2, edge)))
    told = header_warnings(seen)
    assert len(told) == coarse
    assert all('small nuclei can hardly be told apart' in sentence for sentence in told)
