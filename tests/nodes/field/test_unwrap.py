from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import ball, coordinates, head, signal

from nigra.nodes.field.echo_box import cut_echoes
from nigra.nodes.field.masks import trusted_mask
from nigra.nodes.field.offsets import remove_offsets
from nigra.nodes.field.phase import to_radians
from nigra.nodes.field.unwrap import choose_template, unwrap_romeo
from nigra.nodes.field.wraps import wrap
from nigra.nodes.grid import Grid, hz_per_ppm

CROP = Path(__file__).parents[4] / 'shared' / 'data' / 'megre-7t-crop'
needs_crop = pytest.mark.skipif(not CROP.is_dir(), reason='real 7 T data are not beside the tree')
TIMES = (0.006, 0.014, 0.022, 0.03)


def unwrapped(phase, magnitude, times, mask, **settings):
    """Phase, (x, y, z, echo), unwrapped in the mask and zero outside."""
    echoes = cut_echoes(phase, magnitude, times, mask)
    unwrap_romeo(echoes, choose_template(echoes.times), **settings)
    return np.stack([echoes.put_back(angle, mask.shape) for angle in echoes.angle], axis=-1)


def part_of_a_wrap(after, before, mask):
    """Largest distance of their difference from a multiple of 2 pi, in wraps."""
    wraps = (after - before)[mask] / (2 * np.pi)
    return np.abs(wraps - np.rint(wraps)).max()


def steep(grid, wraps=6):
    """Smooth phase of several wraps, zero in the middle."""
    x, y, z = (2 * c / max(np.ptp(c), 1) for c in coordinates(grid))
    return wraps * np.pi * (0.6 * x + 0.3 * x * y - 0.5 * z**2 + 0.1 * y)


@pytest.mark.parametrize('shape', [(32, 30, 28), (31, 17, 23), (40, 40, 1)])
def test_smooth_phase_comes_back_exactly(shape):
    grid = Grid(shape)
    truth = steep(grid).astype(np.float32)
    if shape[2] == 1:
        truth = np.broadcast_to(steep(Grid((40, 40, 3)))[..., 1:2], shape).astype(np.float32)
    mask = np.ones(shape, bool)
    out = unwrapped(wrap(truth)[..., None], np.ones((*shape, 1)), [0.02], mask)[..., 0]
    gap = out - truth
    assert np.allclose(gap, gap.flat[0], atol=1e-3)
    assert np.isclose(gap.flat[0] / (2 * np.pi), np.rint(gap.flat[0] / (2 * np.pi)), atol=1e-4)
    assert abs(np.median(out)) <= np.pi + 1e-3


@pytest.mark.parametrize('echoes', [1, 2, 4])
def test_noisy_phase_is_right_and_congruent(echoes):
    phantom = head()
    times, mask = TIMES[:echoes] if echoes > 1 else (0.03,), phantom['mask']
    magnitude, angle, _ = signal(phantom, times, 3.0, np.random.default_rng(0), offset=False)
    out = unwrapped(angle, magnitude, times, mask)
    truth = 2 * np.pi * hz_per_ppm(3.0) * phantom['total'][..., None] * np.asarray(times)
    assert np.ptp(truth[mask]) > 6
    assert part_of_a_wrap(out, angle, mask) < 1e-5
    error = out - truth
    for echo in range(echoes):
        shifted = error[..., echo][mask]
        shifted -= 2 * np.pi * np.rint(np.median(shifted) / (2 * np.pi))
        assert np.mean(np.abs(shifted) > np.pi) < 1e-3
    assert not out[~mask].any()


def test_separate_parts_are_each_centred():
    grid = Grid((40, 20, 20))
    mask = (ball(grid, 7, (-10, 0, 0)) + ball(grid, 7, (10, 0, 0))) > 0.5
    truth = (0.5 * coordinates(grid)[0] + 40 * (coordinates(grid)[0] > 0)).astype(np.float32)
    out = unwrapped(wrap(truth)[..., None], np.ones((*mask.shape, 1)), [0.01], mask)[..., 0]
    for part in (mask & (coordinates(grid)[0] > 0), mask & (coordinates(grid)[0] < 0)):
        assert np.ptp((out - truth)[part]) < 1e-4
        assert abs(np.median(out[part])) <= np.pi


def test_path_goes_round_noise():
    """A noisy wall with a gap: values beyond it must come through the gap."""
    grid = Grid((40, 40, 5))
    truth = steep(Grid((40, 40, 41)), 8)[..., 18:23].astype(np.float32)
    rng = np.random.default_rng(4)
    wall = np.zeros(grid.shape, bool)
    wall[18:21, :34] = True
    angle, magnitude = wrap(truth), np.ones(grid.shape, np.float32)
    angle[wall] = rng.uniform(-np.pi, np.pi, wall.sum())
    magnitude[wall] = 0.05 * rng.random(wall.sum())
    out = unwrapped(angle[..., None], magnitude[..., None], [0.02], np.ones(grid.shape, bool))[
        ..., 0
    ]
    assert np.ptp((out - truth)[~wall]) < 1e-3


@needs_crop
def test_real_phase_is_unwrapped():
    stored = np.asarray(nib.load(CROP / 'phase.nii.gz').dataobj)
    magnitude = np.asarray(nib.load(CROP / 'magnitude.nii.gz').dataobj, dtype=np.float32)
    angle, _ = to_radians(stored)
    mask = trusted_mask(angle, magnitude, np.ones(magnitude.shape[:3], bool))
    assert mask.mean() > 0.95
    out = unwrapped(angle, magnitude, [0.004, 0.012, 0.02], mask)
    assert part_of_a_wrap(out, angle, mask) < 1e-5
    for axis in range(3):
        jumps = np.abs(np.diff(out, axis=axis))
        both = np.delete(mask, 0, axis) & np.delete(mask, -1, axis)
        assert np.mean(jumps[both] > np.pi) < 1e-3


def test_template_is_the_first_echo_where_the_second_is_near():
    assert choose_template(np.array([0.004, 0.01]), removed=True) == 0
    assert choose_template(np.array([0.002, 0.01]), removed=True) == 1
    assert choose_template(np.array([0.02])) == 0
    assert choose_template(np.array([0.004, 0.01]), 2, removed=True) == 1


def test_individual_echoes_agree():
    phantom = head()
    magnitude, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    out, *_ = remove_offsets(angle, magnitude, TIMES, phantom['mask'], phantom['grid'], b0=3.0)
    a, b = (
        unwrapped(out, magnitude, TIMES, phantom['mask'], individual=individual)
        for individual in (False, True)
    )
    assert np.mean(np.abs(a - b) > 1) < 1e-4
