import numpy as np
from phantoms import coordinates, head, signal

from nigra.nodes.field.offsets import remove_offsets
from nigra.nodes.field.wraps import wrap
from nigra.nodes.grid import hz_per_ppm

SCALE = 2 * np.pi * hz_per_ppm(3.0)


def test_unevenly_spaced_echoes_settle_the_wraps_of_the_offset():
    phantom = head()
    times = [0.004, 0.0101, 0.0148]
    phantom['total'] = phantom['total'] + np.float32(0.9)  # more than half a wrap in 6.1 ms
    magnitude, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(5))
    out, _ = remove_offsets(angle, magnitude, times, phantom['mask'], phantom['grid'])
    truth = SCALE * phantom['total'][..., None] * np.array(times)
    rest = wrap(out - truth)[phantom['mask']]
    assert np.abs(np.median(rest, axis=0)).max() < 0.1


def test_offset_is_found_and_removed():
    phantom = head()
    times = [0.005, 0.012, 0.019]
    magnitude, angle, start = signal(phantom, times, 3.0, np.random.default_rng(1))
    _, clean, _ = signal(phantom, times, 3.0, np.random.default_rng(1), offset=False)
    out, offset = remove_offsets(angle, magnitude, times, phantom['mask'], phantom['grid'])
    inside = phantom['mask']
    error = wrap(offset - start)[inside]
    assert np.abs(error - np.median(error)).max() < 0.35
    assert error.std() < 0.05
    assert wrap(out - clean)[inside].std() < 0.1
    assert np.abs(wrap(out + offset[..., None] - angle)).max() < 1e-4


def test_one_echo_keeps_its_phase():
    phantom = head()
    magnitude, angle, _ = signal(phantom, [0.03], 1.5, np.random.default_rng(2))
    out, offset = remove_offsets(angle, magnitude, [0.03], phantom['mask'], phantom['grid'])
    assert np.array_equal(out, angle)
    assert not offset.any()


def test_offset_follows_the_voxel_size():
    phantom = head((48, 44, 20), (2.0, 2.0, 4.0))
    assert np.ptp(coordinates(phantom['grid'])[2]) == 76
    times = [0.006, 0.013]
    magnitude, angle, start = signal(phantom, times, 3.0, np.random.default_rng(3))
    _, offset = remove_offsets(angle, magnitude, times, phantom['mask'], phantom['grid'])
    assert wrap(offset - start)[phantom['mask']].std() < 0.06
