import itertools

import nibabel as nib
import numpy as np
import pytest
from toy_anatomy import grid_around, pose, sample, save

from nigra.interfaces.anatomy.itk import Engine, Volume, load_preset, presets, read_volume, write
from nigra.nodes.errors import InputError, NigraError

ENGINE = Engine(nthreads=1, seed=3)


def blobs(affine, shape):
    """Smooth image without symmetry, defined in world coordinates."""
    index = np.indices(shape).reshape(3, -1)
    x, y, z = affine[:3, :3] @ index + affine[:3, 3:]
    centres = ((0, 0, 0, 9), (12, 5, -4, 6), (-8, 10, 9, 5), (3, -14, 6, 7))
    image = sum(
        (k + 2) * np.exp(-((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / (2 * s**2))
        for k, (a, b, c, s) in enumerate(centres)
    )
    return image.reshape(shape).astype(np.float32)


def volume(shape=(30, 32, 28), voxel=(2, 2, 2), turn=(0, 0, 0), centre=(0, 0, 0)):
    affine = grid_around(np.array(centre), shape, voxel, turn)
    return Volume(blobs(affine, shape), affine)


def test_every_preset_is_whole():
    steps = {'start', 'gre_start', 'affine', 'whole_brain', 'deep_grey', 'gre_to_t1w'}
    assert list(presets()) == ['precise', 'fast', 'testing']
    for name in presets():
        preset = load_preset(name)
        assert preset['field_mm'] > 0
        for entry in ('head_bias', 'bias', 'gre_bias'):
            assert set(preset[entry]) == {
                'resolution_mm', 'spline_mm', 'iterations', 'tolerance', 'thinned'
            }  # fmt: skip
        for step in steps:
            assert preset[step]['resolution_mm'] > 0
            for stage in preset[step]['stages']:
                lengths = {len(stage[k]) for k in ('iterations', 'shrink', 'smoothing_vox')}
                assert len(lengths) == 1
                assert 1e-6 <= stage['threshold'] <= 1e-5


def test_unknown_preset_is_one_sentence_that_names_the_known():
    with pytest.raises(InputError, match=r"--registration: 'best' is no preset; use .*test"):
        load_preset('best')


@pytest.mark.parametrize(
    ('shape', 'fill', 'affine', 'message'),
    [
        ((6, 6, 6, 2), None, np.eye(4), r'has shape \(6, 6, 6, 2\); give a single 3D volume'),
        ((6, 6), None, np.eye(4), 'give a single 3D volume'),
        ((6, 6, 6), 7, np.eye(4), 'is 7 in every voxel'),
        ((6, 6, 6), np.nan, np.eye(4), 'is 0 in every voxel'),
        ((6, 6, 6), None, np.eye(4) + np.eye(4, k=1) * 0.2, 'not perpendicular'),
    ],
)
def test_images_that_cannot_be_registered_are_refused(tmp_path, shape, fill, affine, message):
    data = np.arange(np.prod(shape)).reshape(shape) if fill is None else np.full(shape, fill)
    path = save(data, affine, tmp_path / 'odd.nii.gz')
    with pytest.raises(InputError, match=rf'odd\.nii\.gz.*{message}') as raised:
        read_volume(path)
    assert '\n' not in str(raised.value)


def test_trailing_axes_and_holes_are_taken_care_of(tmp_path):
    data = np.ones((4, 5, 6, 1))
    data[0, 0, 0] = np.inf
    read = read_volume(save(data, np.eye(4), tmp_path / 'a.nii'))
    assert read.data.shape == (4, 5, 6)
    assert read.data[0, 0, 0] == 0


def test_canonical_reading_forgets_the_order_of_storage(tmp_path):
    first = read_volume(save(volume().data, volume().affine, tmp_path / 'a.nii'), canonical=True)
    image = nib.Nifti1Image(volume().data, volume().affine)
    for codes in ('LPS', 'PIR', 'SLA'):
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes)
        )
        nib.save(image.as_reoriented(turn), tmp_path / 'b.nii')
        second = read_volume(tmp_path / 'b.nii', canonical=True)
        np.testing.assert_array_equal(first.data, second.data)
        np.testing.assert_allclose(first.affine, second.affine, atol=1e-5, equal_nan=False)


def test_a_written_transform_moves_points_as_it_says(tmp_path):
    matrix = pose((10, -5, 20), (4, -6, 3))
    grid = volume(turn=(0, 0, 15))
    reference = write(grid, tmp_path / 'grid.nii')
    moving = volume(shape=(48, 48, 48))
    path = ENGINE.linear_transform(matrix, tmp_path / 'move.mat')
    seen = ENGINE.resample(write(moving, tmp_path / 'moving.nii'), reference, [path])
    expected = sample(moving.data, moving.affine, matrix @ grid.affine, grid.data.shape)
    np.testing.assert_allclose(seen, expected, atol=1e-3, equal_nan=False)
    vectors = ENGINE.displacement([path], reference)
    index = np.indices(grid.data.shape).reshape(3, -1)
    points = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    moved = matrix[:3, :3] @ points + matrix[:3, 3:]
    np.testing.assert_allclose(vectors.reshape(3, -1), moved - points, atol=1e-3, equal_nan=False)


def test_a_composed_transform_read_from_disk_does_the_same(tmp_path):
    grid = volume(turn=(5, 0, 0))
    reference = write(grid, tmp_path / 'grid.nii')
    moving = write(volume(shape=(40, 40, 40)), tmp_path / 'moving.nii')
    parts = [
        ENGINE.linear_transform(pose((8, 0, 0), (2, 0, 0)), tmp_path / 'a.mat'),
        ENGINE.linear_transform(pose((0, 0, -12), (0, 3, 1)), tmp_path / 'b.mat'),
    ]
    one = ENGINE.compose(parts, reference, tmp_path / 'one.h5')
    np.testing.assert_allclose(
        ENGINE.resample(moving, reference, [one]),
        ENGINE.resample(moving, reference, parts),
        atol=5e-3,
        equal_nan=False,
    )


@pytest.mark.parametrize('seed', [1, 2])
def test_rigid_registration_finds_a_known_pose_and_repeats_itself(tmp_path, seed):
    engine, truth = Engine(seed=seed), pose((6, -4, 5), (2, 3, -2))
    fixed = volume()
    moved = Volume(fixed.data, truth @ fixed.affine)  # the same head, elsewhere
    fixed_path = write(fixed, tmp_path / 'fixed.nii')
    moving_path = write(moved, tmp_path / 'moving.nii')
    stages = load_preset('testing')['gre_to_t1w']['stages']
    found = []
    for run in ('a', 'b'):
        forward, inverse = engine.register(fixed_path, moving_path, tmp_path / f'{run}_', stages)
        found.append(engine.displacement([forward], fixed_path))
        back = engine.displacement([forward, inverse], fixed_path)
        assert np.abs(back).max() < 1e-2
    np.testing.assert_array_equal(*found)
    index = np.indices(fixed.data.shape).reshape(3, -1)
    points = fixed.affine[:3, :3] @ index + fixed.affine[:3, 3:]
    expected = truth[:3, :3] @ points + truth[:3, 3:] - points
    error = np.linalg.norm(found[0].reshape(3, -1) - expected, axis=0)
    near = np.linalg.norm(points, axis=0) < 20
    assert error[near].mean() < 0.5


def test_a_stage_ends_where_its_metric_gains_less_than_its_threshold(tmp_path):
    fixed_path = write(volume(), tmp_path / 'fixed.nii')
    moved = volume(turn=(6, -4, 5), centre=(2, 3, -2))
    moving_path = write(moved, tmp_path / 'moving.nii')
    slow = {'transform': 'SyN[0.05,3,0]', 'iterations': [20]}
    stage = {**load_preset('testing')['deep_grey']['stages'][0], **slow}
    found = []
    for threshold in (1e-6, 10):
        stages = [{**stage, 'threshold': threshold}]
        forward, _ = ENGINE.register(fixed_path, moving_path, tmp_path / 'a_', stages)
        found.append(np.abs(ENGINE.displacement([forward], fixed_path)).mean())
    assert found[0] > 1.2 * found[1]


def test_n4_removes_most_of_a_smooth_gain(tmp_path):
    rng = np.random.default_rng(0)
    shape = (24, 24, 24)
    tissue = np.where(rng.random(shape) < 0.5, 70.0, 100.0)
    ramp = np.linspace(-0.4, 0.4, 24)
    gain = np.exp(sum(np.meshgrid(ramp, 0.5 * ramp, 0 * ramp, indexing='ij')))
    affine = np.diag([4.0, 4, 4, 1])
    image = write(Volume(tissue * gain, affine), tmp_path / 'image.nii')
    mask = write(Volume(np.ones(shape), affine), tmp_path / 'mask.nii', dtype=np.uint8)
    settings = {'spline_mm': 80, 'iterations': [10, 10], 'tolerance': 1e-4}
    field = ENGINE.bias_field(image, mask, settings)
    assert np.log(gain / field).std() < 0.5 * np.log(gain).std()


def test_results_do_not_depend_on_the_number_of_threads(tmp_path):
    fixed = write(volume(), tmp_path / 'fixed.nii')
    moving = write(volume(turn=(4, 3, 0), centre=(1, 2, 0)), tmp_path / 'moving.nii')
    stages = [{**load_preset('testing')['deep_grey']['stages'][0], 'iterations': [4]}]
    found = []
    for nthreads in (1, 2):
        engine = Engine(nthreads=nthreads)
        forward, _ = engine.register(fixed, moving, tmp_path / f'{nthreads}_', stages)
        found.append(engine.displacement([forward], fixed))
    assert np.abs(found[0]).max() > 0.1
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize('nthreads', [1, 2])
def test_a_registration_that_ants_refuses_is_one_sentence(tmp_path, nthreads):
    path = write(volume(), tmp_path / 'head.nii')
    stage = load_preset('testing')['deep_grey']['stages'][0]
    bad = {**stage, 'transform': 'Teleport[0.1]'}
    with pytest.raises(NigraError, match=r'registration of head\.nii to head\.nii') as raised:
        Engine(nthreads=nthreads).register(path, path, tmp_path / 'x_', [bad])
    assert '\n' not in str(raised.value)


def test_volume_knows_its_voxels():
    for voxel in itertools.permutations((1.0, 2.0, 3.5)):
        assert volume(voxel=voxel, turn=(10, 20, 30)).voxel_size == pytest.approx(voxel)
