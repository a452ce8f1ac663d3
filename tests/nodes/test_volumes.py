"""What data of several echoes must have in common, and the box that holds a mask."""

import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.grid import Grid
from nigra.nodes.volumes import bounding_box, check_echoes, check_mask, echo_volumes

PHASE = np.zeros((3, 4, 5, 2))
MASK = np.ones((3, 4, 5), bool)


def test_echoes_that_fit_give_their_times():
    assert check_echoes(PHASE, PHASE, (0.01, 0.02), MASK).tolist() == [0.01, 0.02]
    assert check_echoes(PHASE[..., :1], PHASE[..., :1], 0.01, MASK).tolist() == [0.01]


@pytest.mark.parametrize(
    ('changed', 'words'),
    [
        ({'phase': PHASE[..., 0]}, 'must share a shape'),
        ({'magnitude': PHASE[..., :1]}, 'must share a shape'),
        ({'echo_times': (0.01, 0.02, 0.03)}, '2 echoes but 3 echo times'),
        ({'echo_times': (0.02, 0.01)}, 'must be positive and rise'),
        ({'echo_times': (0.01, 0.01)}, 'must be positive and rise'),
        ({'echo_times': (0.0, 0.01)}, 'must be positive and rise'),
        ({'echo_times': (0.01, np.inf)}, 'must be positive and rise'),
        ({'mask': MASK[1:]}, 'mask has shape'),
        ({'mask': ~MASK}, 'the mask is empty'),
    ],
)
def test_echoes_that_do_not_fit_are_refused(changed, words):
    fit = {'phase': PHASE, 'magnitude': PHASE, 'echo_times': (0.01, 0.02), 'mask': MASK}
    with pytest.raises(NigraError, match=words):
        check_echoes(**{**fit, **changed})


def test_the_box_is_the_smallest_that_holds_the_mask():
    mask = np.zeros((6, 7, 8), bool)
    mask[2, 3:5, 1] = mask[4, 4, 6] = True
    box = bounding_box(mask)
    assert box == (slice(2, 5), slice(3, 5), slice(1, 7))
    assert mask[box].sum() == mask.sum()


def test_echoes_become_volumes_of_the_box():
    images = np.random.default_rng(0).normal(size=(9, 8, 7, 3))
    box = (slice(2, 8), slice(1, 5), slice(0, 7))
    for nthreads in (1, 3):
        volumes = echo_volumes(images, box, nthreads)
        assert volumes.flags.c_contiguous
        np.testing.assert_array_equal(volumes, np.moveaxis(images[box], 3, 0).astype(np.float32))


def test_masks_fit_their_grid_and_are_not_empty():
    check_mask(MASK, Grid(MASK.shape))
    with pytest.raises(NigraError, match=r'mask has shape \(3, 4, 5\) but its grid \(3, 4, 6\)'):
        check_mask(MASK, Grid((3, 4, 6)))
    with pytest.raises(NigraError, match='the mask is empty'):
        check_mask(~MASK, Grid(MASK.shape))
