from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage
from toy_head import CENTRE, still_body, toy_head

from nigra.nodes.grid import hz_per_ppm
from nigra.nodes.simulation import scan
from nigra.nodes.simulation.head import Material
from nigra.nodes.simulation.scan import GreProtocol, T1wProtocol, simulate_gre, simulate_t1w
from nigra.nodes.simulation.scanner import Slab, scan_affine
from nigra.nodes.simulation.tissue import DEEP_GREY, R2STAR_PER_PPM_TESLA, TissueModel
from nigra.nodes.simulation.warp import smooth_noise

EMPTY = TissueModel(*[0.0] * 10)
PARTS = {**{('nucleus', str(n)): (n,) for n in range(1, 17)}, ('brain', 'both'): ()}
VALUES = {n: 10.0 * n for n in range(1, 17)}
SCAN = GreProtocol(
    echo_times=(0.01, 0.03),
    matrix=(44, 46, 30),
    voxel_mm=(2.0, 2.0, 3.0),
    centre_mm=tuple(CENTRE),
    oversampling=(2, 2, 3),
    snr=4000.0,
    conducting=0.0,
    coil_rad=0.0,
    rough_rad=0.0,
    gain=0.0,
    shim_order=0,
    phase='rad',
    padding=2,
)
T1W = T1wProtocol(
    matrix=(52, 56, 50),
    voxel_mm=(2.0, 2.0, 2.0),
    centre_mm=tuple(CENTRE),
    noise=2.0,
    white_matter=60.0,
    bias_percent=0.0,
    contrast_sd=0.0,
)


@pytest.fixture(scope='module')
def head():
    return toy_head()


def scan_of(body, protocol=SCAN, tissue=EMPTY, values=VALUES, seed=0, maps=True, parts=PARTS):
    return simulate_gre(
        body, protocol, tissue, values, np.random.default_rng(seed), parts=parts, maps=maps
    )


def wrapped(angle):
    return np.angle(np.exp(1j * angle))


@pytest.fixture(scope='module')
def plain(head):
    return scan_of(still_body(head), tissue=TissueModel())


@pytest.mark.parametrize('tilt', [(0, 0, 0), (15, -8, 0)])
def test_field_of_a_sphere_in_the_head_is_analytic(tilt):
    head = toy_head()
    head.labels[:] = 0
    points = np.indices(head.labels.shape) + head.affine[:3, 3, None, None, None]
    radius = np.sqrt(sum((p - c) ** 2 for p, c in zip(points, CENTRE, strict=True)))
    head.labels[radius <= 10] = 1
    volume = float((head.labels == 1).sum())
    scan = scan_of(
        still_body(head),
        replace(SCAN, tilt_deg=tilt),
        values={1: 100.0},
        parts={('nucleus', '1'): (1,)},
    )
    index = np.indices(scan.brain.shape, float)
    affine = scan.slab.affine
    x, y, z = np.tensordot(affine[:3, :3], index, 1) + affine[:3, 3, None, None, None]
    x, y, z = x - CENTRE[0], y - CENTRE[1], z - CENTRE[2]
    r = np.sqrt(x**2 + y**2 + z**2) + 1e-9
    exact = 0.1 * volume / (4 * np.pi) * (3 * z**2 / r**2 - 1) / r**3
    away = (r > 14) & scan.brain
    difference = scan.total_field - exact
    peak = 0.1 * 2 / 3
    # Shimming of order zero takes away a constant.
    assert np.abs(difference[away] - np.median(difference[away])).max() < 0.02 * peak
    inside = r < 7
    level = np.median(difference[away])
    assert np.abs(scan.total_field[inside] - level).max() < 0.02 * peak


def test_phase_encodes_the_field_of_its_echo_time(plain):
    factor = 2 * np.pi * hz_per_ppm(SCAN.b0)
    step = factor * plain.total_field * (SCAN.echo_times[1] - SCAN.echo_times[0])
    error = wrapped(plain.phase[..., 1] - plain.phase[..., 0] - step)
    core = ndimage.binary_erosion(plain.brain, iterations=2)
    assert np.percentile(np.abs(error[core]), 95) < 0.02
    offset = wrapped(plain.phase[..., 0] - factor * plain.total_field * SCAN.echo_times[0])[core]
    mean = np.angle(np.exp(1j * offset).mean())
    assert np.percentile(np.abs(wrapped(offset - mean)), 95) < 0.02


def test_background_is_harmonic_in_the_brain_and_local_is_not(plain):
    spacing = SCAN.voxel_mm

    def laplacian(image):
        return sum(
            np.gradient(np.gradient(image, h, axis=a), h, axis=a) for a, h in enumerate(spacing)
        )

    core = ndimage.binary_erosion(plain.brain, iterations=6)
    background = laplacian(plain.total_field - plain.local_field)[core]
    assert np.std(background) < 0.1 * np.std(laplacian(plain.local_field)[core])
    assert np.abs(background).max() > 0


def test_tissue_values_are_the_ones_given_referenced_to_the_brain(plain):
    reference = VALUES[1] - plain.tissue['nucleus', '1']['chi_mean']
    for n in VALUES:
        row = plain.tissue['nucleus', str(n)]
        assert row['chi_mean'] == pytest.approx(VALUES[n] - reference, abs=0.01)
        assert row['coverage'] == 1.0
    assert plain.tissue['brain', 'both']['chi_mean'] == pytest.approx(0, abs=1e-4)


def test_scan_values_are_those_of_the_map_and_lose_contrast_to_partial_volume(plain):
    assert plain.chi[plain.brain].mean() == pytest.approx(0, abs=1e-5)
    assert np.all(plain.chi[~plain.brain] == 0)
    for n in VALUES:
        seen, own = plain.regions['nucleus', str(n)], plain.tissue['nucleus', str(n)]
        chosen = plain.labels == n
        assert seen['n_voxels'] == chosen.sum()
        assert seen['chi_mean'] == pytest.approx(1000 * plain.chi[chosen].mean(), abs=1e-3)
        assert seen['volume_mm3'] == own['volume_mm3']
    iron, seen = (t['nucleus', '16']['chi_mean'] for t in (plain.tissue, plain.regions))
    assert 0.6 * iron < seen < 0.97 * iron
    core = ndimage.binary_erosion(plain.labels == 16)
    assert 1000 * plain.chi[core].mean() == pytest.approx(iron, abs=2.0)


def test_volumes_come_from_the_model_grid(plain, head):
    for n in VALUES:
        true = float((head.labels == n).sum())
        assert plain.regions['nucleus', str(n)]['volume_mm3'] == pytest.approx(true, rel=0.02)
    brain = plain.regions['brain', 'both']['volume_mm3']
    assert brain == pytest.approx(float(head.brain.sum()), rel=0.01)


def test_iron_makes_the_magnitude_decay_as_the_table_says(plain):
    ratio = plain.magnitude[..., 0] / np.maximum(plain.magnitude[..., 1].astype(float), 1)
    times = SCAN.echo_times
    for n in (4, 12):
        core = ndimage.binary_erosion(plain.labels == n)
        rate = np.log(ratio[core].mean()) / (times[1] - times[0])
        expected = DEEP_GREY.r2star + DEEP_GREY.r2star_slope * SCAN.b0
        expected += R2STAR_PER_PPM_TESLA * SCAN.b0 * VALUES[n] / 1000
        assert plain.tissue['nucleus', str(n)]['r2star_mean'] == pytest.approx(expected, rel=1e-3)
        assert rate == pytest.approx(expected, rel=0.1)


def test_noise_is_what_the_snr_says(head):
    protocol = replace(SCAN, snr=30.0, noise=5.0, echo_times=(0.005,))
    scan = scan_of(still_body(head), protocol, maps=False)
    clean = scan_of(still_body(head), replace(protocol, snr=4000.0, noise=2.0), maps=False)
    core = ndimage.binary_erosion(scan.brain, iterations=2)
    scale = np.median(scan.magnitude[core]) / np.median(clean.magnitude[core])
    rest = scan.magnitude[core] - scale * clean.magnitude[core]
    assert rest.std() == pytest.approx(5.0, rel=0.05)
    assert np.median(scan.magnitude[core]) == pytest.approx(150, rel=0.02)
    assert scan.local_field is None


def test_anisotropy_follows_the_direction_of_the_fibres(head):
    across = scan_of(still_body(head), tissue=replace(EMPTY, microstructure_ppb=-18.0))
    body = still_body(head)
    fibres = body.fibres[[1, 2, 0]]  # along z, the main field
    along = scan_of(replace(body, fibres=fibres), tissue=replace(EMPTY, microstructure_ppb=-18.0))
    white = ndimage.binary_erosion(across.brain & (across.labels == 0), iterations=2)
    white[24:] = False  # the half that is white matter
    grey = ndimage.binary_erosion(across.brain & (across.labels == 0), iterations=2)
    grey[:32] = False
    difference = across.total_field - along.total_field
    contrast = difference[white].mean() - difference[grey].mean()
    assert contrast == pytest.approx(-0.018, rel=0.1)


def test_the_same_seed_gives_the_same_bits(head):
    protocol = replace(SCAN, snr=30.0, coil_rad=0.5)
    a, b, c = (scan_of(still_body(head), protocol, seed=s, maps=False) for s in (1, 1, 2))
    assert np.array_equal(a.phase, b.phase)
    assert np.array_equal(a.magnitude, b.magnitude)
    assert not np.array_equal(a.phase, c.phase)


def test_t1w_shows_tissue_in_order_and_knows_its_truth(head):
    body = still_body(head)
    texture = smooth_noise(np.random.default_rng(0), body.texture.shape, 1.1)
    scan = simulate_t1w(replace(body, texture=texture), T1W, np.random.default_rng(0))
    x = np.arange(52)[:, None, None] * 2 + scan.affine[0, 3]
    core = ndimage.binary_erosion(scan.brain, iterations=2)
    white, grey = scan.image[core & (x < 10)], scan.image[core & (x > 18)]
    assert np.median(white) == pytest.approx(60, abs=1.5)
    assert np.median(grey) == pytest.approx(60 * 64 / 86, abs=1.5)
    air = scan.image[:6, :6, :6]
    assert air.mean() == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.08)
    volume = 8 * (scan.labels > 0).sum()
    assert volume == pytest.approx((head.labels > 0).sum(), rel=0.05)


def test_the_offset_is_a_constant_a_rough_rest_and_what_the_coils_and_tissue_add():
    shape = (30, 32, 28)
    slab = Slab(shape, scan_affine(shape, (2, 2, 2), (0, 0, 0)), (1, 1, 1), (0, 0, 0), shape)
    fine = SimpleNamespace(
        materials=np.full(shape, Material.BRAIN, np.uint8),
        intensity=np.full(shape, 64, np.float32),
    )

    def offset(**changes):
        protocol = replace(SCAN, matrix=shape, voxel_mm=(2.0, 2.0, 2.0), **changes)
        return scan._offset(fine, slab, protocol, np.random.default_rng(3))

    still = offset()
    assert np.ptp(still) < 1e-5
    assert abs(still[0, 0, 0]) < np.pi
    rough = offset(rough_rad=0.2) - still
    assert rough.std() == pytest.approx(0.2, rel=1e-3)
    # smoothed by 8 mm, four voxels: neighbours are alike and far ones not
    assert np.corrcoef(rough[1:].ravel(), rough[:-1].ravel())[0, 1] > 0.95
    assert abs(np.corrcoef(rough[16:].ravel(), rough[:-16].ravel())[0, 1]) < 0.5
    coils = [offset(coil_rad=spread) - still for spread in (0.1, 0.2)]
    assert coils[1] == pytest.approx(2 * coils[0], abs=1e-4)
    bend = ndimage.laplace(coils[1])[1:-1, 1:-1, 1:-1]
    assert np.abs(bend).max() < 1e-4  # a solution of Laplace's equation
    tissue = [offset(conducting=c) - still for c in (0.5, 1.0)]
    assert tissue[1] == pytest.approx(2 * tissue[0], abs=1e-4)
    assert np.ptp(tissue[1]) > 0.01


def test_what_is_stored_fits_the_smallest_kind():
    small = scan._integers(np.array([0.4, 254.6, 30.0]))
    assert (small.dtype, small.tolist()) == (np.uint8, [0, 255, 30])
    large = scan._integers(np.array([0.4, 300.0, 40_000.0]))
    assert (large.dtype, large.tolist()) == (np.int16, [0, 300, 32767])
    outlier = np.full(20_001, 100.0)
    outlier[0] = 9000  # one voxel in ten thousand may be clipped
    assert scan._integers(outlier).max() == 255
