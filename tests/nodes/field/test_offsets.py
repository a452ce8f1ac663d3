import numpy as np
import pytest
from phantoms import coordinates, head, signal
from scipy import ndimage

from nigra.nodes.field.offsets import _between, remove_offsets
from nigra.nodes.field.wraps import wrap
from nigra.nodes.grid import hz_per_ppm

SCALE = 2 * np.pi * hz_per_ppm(3.0)


def test_unevenly_spaced_echoes_settle_the_wraps_of_the_offset():
    phantom = head()
    times = [0.004, 0.0101, 0.0148]
    phantom['total'] = phantom['total'] + np.float32(0.9)  # more than half a wrap in 6.1 ms
    magnitude, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(5))
    out, *_ = remove_offsets(angle, magnitude, times, phantom['mask'], phantom['grid'], b0=3.0)
    truth = SCALE * phantom['total'][..., None] * np.array(times)
    rest = wrap(out - truth)[phantom['mask']]
    assert np.abs(np.median(rest, axis=0)).max() < 0.1


def test_offset_is_found_and_removed():
    phantom = head()
    times = [0.005, 0.012, 0.019]
    magnitude, angle, start = signal(phantom, times, 3.0, np.random.default_rng(1))
    _, clean, _ = signal(phantom, times, 3.0, np.random.default_rng(1), offset=False)
    out, offset, _ = remove_offsets(
        angle, magnitude, times, phantom['mask'], phantom['grid'], b0=3.0
    )
    inside = phantom['mask']
    error = wrap(offset - start)[inside]
    assert np.abs(error - np.median(error)).max() < 0.35
    assert error.std() < 0.05
    assert wrap(out - clean)[inside].std() < 0.1
    assert np.abs(wrap(out + offset[..., None] - angle)).max() < 1e-4


def test_a_parabola_is_not_flattened_at_the_rim():
    """A conducting head's phase at time zero is steep where the mask ends."""
    phantom = head((60, 56, 50), (2.5, 2.5, 2.5))
    times = [0.003, 0.006]
    magnitude, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(7), offset=False)
    x, y, z = (1e-3 * axis for axis in coordinates(phantom['grid']))
    start = 300 * x**2 + 250 * y**2 + 100 * z**2 + 50 * x * z + 4 * x
    _, offset, curvature = remove_offsets(
        wrap(angle + start[..., None]), magnitude, times, phantom['mask'], phantom['grid'], b0=3.0
    )
    mask = phantom['mask']
    error = wrap(offset - start)[mask]
    rim = ~ndimage.binary_erosion(mask, iterations=2)[mask]
    assert abs(curvature - 1300) < 40
    assert np.ptp(start[mask]) > 0.6
    assert np.abs(np.mean(error[rim]) - np.mean(error[~rim])) < 0.01
    assert error.std() < 0.03


def test_offset_follows_the_voxel_size():
    phantom = head((48, 44, 20), (2.0, 2.0, 4.0))
    assert np.ptp(coordinates(phantom['grid'])[2]) == 76
    times = [0.006, 0.013]
    magnitude, angle, start = signal(phantom, times, 3.0, np.random.default_rng(3))
    _, offset, _ = remove_offsets(
        angle, magnitude, times, phantom['mask'], phantom['grid'], b0=3.0
    )
    assert wrap(offset - start)[phantom['mask']].std() < 0.06


@pytest.mark.parametrize('block', [1, 3, 4])
def test_a_ramp_of_block_means_is_the_ramp_again(block):
    length = 5
    centres = np.arange(length * block).reshape(length, block).mean(axis=1)
    for n in range(length * block):
        low, high, way = _between(n, block, length)
        between = (1 - way) * centres[low] + way * centres[high]
        assert np.isclose(between, np.clip(n, centres[0], centres[-1]), atol=1e-5)
