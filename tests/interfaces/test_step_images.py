from pathlib import Path

import numpy as np
import pytest

from nigra.interfaces.headers import load_data, load_image
from nigra.interfaces.step_images import save_step

FULL = np.random.default_rng(1).normal(size=(12, 10, 8)).astype(np.float32)
INSIDE = np.zeros(FULL.shape, bool)
INSIDE[3:9, 3:8, 2:6] = True


@pytest.mark.parametrize(
    ('image', 'suffix', 'dtype'),
    [
        (FULL, '.nii', np.float32),
        (np.where(INSIDE, FULL, np.nan), '.nii', np.float32),
        (np.where(INSIDE, FULL, 0), '.nii.gz', np.float32),
        (INSIDE, '.nii.gz', np.uint8),
    ],
    ids=['full', 'not finite outside', 'zero outside', 'mask'],
)
def test_what_is_mostly_zero_is_compressed_and_nothing_is_lost(tmp_path, image, suffix, dtype):
    path = Path(save_step(image, np.diag([1.0, 1, 2, 1]), tmp_path, 'image'))
    assert path.name == f'image{suffix}'
    assert load_image(path).get_data_dtype() == dtype
    np.testing.assert_array_equal(load_data(path), image)


def test_a_compressed_step_takes_a_part_of_the_room(tmp_path):
    path = Path(save_step(np.where(INSIDE, FULL, 0), np.eye(4), tmp_path, 'image'))
    assert path.stat().st_size < FULL.nbytes / 3
