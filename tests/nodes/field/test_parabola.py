"""One echo's phase at time zero, against analytic parabolas and heads that conduct."""

import numpy as np
import pytest
from phantoms import coordinates, head, signal

from nigra.nodes.field.offsets import remove_offsets
from nigra.nodes.field.parabola import CONDUCTIVITY
from nigra.nodes.field.totalfield import laplacian_field, romeo_field
from nigra.nodes.field.wraps import wrap
from nigra.nodes.grid import conducting_curvature, hz_per_ppm

B0, TIME = 3.0, 0.02


def one_echo(conductivity, shape=(64, 60, 52), size=(2.5, 2.5, 2.5), seed=0, **change):
    """A head of some 100 mm with a phase of that conductivity, and the parabola itself."""
    phantom = head(shape, size)
    magnitude, angle, _ = signal(phantom, [TIME], B0, np.random.default_rng(seed))
    x, y, z = (1e-3 * axis for axis in coordinates(phantom['grid']))
    # a third each of the Laplacian would be a sphere's; harmonic functions come from the coils
    shape = 0.45 * x**2 + 0.3 * (y - 0.02) ** 2 + 0.25 * z**2 + 0.1 * x * z
    start = conductivity * conducting_curvature(B0) / 2 * shape
    return phantom, magnitude, wrap(angle + start[..., None]), start


@pytest.mark.parametrize('conductivity', [0.5, 0.65, 0.8])
def test_conductivity_is_found(conductivity):
    phantom, magnitude, angle, _ = one_echo(conductivity)
    *_, curvature = remove_offsets(
        angle, magnitude, [TIME], phantom['mask'], phantom['grid'], b0=B0
    )
    assert abs(curvature / conducting_curvature(B0) - conductivity) < 0.07


def test_what_is_removed_has_the_curvature_and_is_harmonic_from_the_truth():
    phantom, magnitude, angle, _ = one_echo(0.7)
    mask = phantom['mask']
    out, offset, curvature = remove_offsets(angle, magnitude, [TIME], mask, phantom['grid'], b0=B0)
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1, 1:-1] = mask[1:-1, 1:-1, 1:-1]
    for axis in range(3):
        inner &= np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
    laplacian = sum(np.roll(offset, 1, a) + np.roll(offset, -1, a) - 2 * offset for a in range(3))
    assert np.allclose(laplacian[inner] / 0.0025**2, curvature, rtol=0.02)
    assert abs(offset[mask].mean()) < 1e-4
    assert np.abs(wrap(out[..., 0] + offset - angle[..., 0]))[mask].max() < 1e-4
    assert not offset[~mask].any()


def test_an_inverted_phase_gives_the_same_with_the_other_sign():
    phantom, magnitude, angle, _ = one_echo(0.6)
    shared = (magnitude, [TIME], phantom['mask'], phantom['grid'])
    out, offset, curvature = remove_offsets(angle, *shared, b0=B0)
    turned, other, negative = remove_offsets(-angle, *shared, b0=B0)
    assert negative == pytest.approx(-curvature, rel=1e-3)
    np.testing.assert_allclose(other, -offset, atol=1e-4, equal_nan=False)
    assert np.abs(wrap(turned + out))[phantom['mask']].max() < 1e-3


def test_where_nothing_can_be_told_the_expected_conductivity_stands():
    phantom, magnitude, _, _ = one_echo(0.65)
    rng = np.random.default_rng(1)
    noise = rng.uniform(-np.pi, np.pi, magnitude.shape).astype(np.float32)
    few = np.zeros_like(phantom['mask'])
    few[30:34, 28:32, 24:28] = True
    *_, curvature = remove_offsets(noise, magnitude, [TIME], few, phantom['grid'], b0=B0)
    assert curvature == pytest.approx(CONDUCTIVITY * conducting_curvature(B0), rel=0.1)


@pytest.mark.parametrize('method', [romeo_field, laplacian_field])
def test_total_field_has_no_parabola_left(method):
    phantom, magnitude, angle, start = one_echo(0.65)
    mask, grid = phantom['mask'], phantom['grid']
    fields = {}
    for name, image in (('bent', angle), ('flat', wrap(angle - start[..., None]))):
        fields[name] = method(image, magnitude, mask, grid, echo_times=[TIME], b0=B0)[0]
    plain = romeo_field(angle, magnitude, mask, grid, echo_times=[TIME], b0=B0, offsets=False)

    def bend(field):
        """Mean Laplacian deep in the mask, as a conductivity."""
        x, y, z = (1e-3 * axis for axis in coordinates(grid))
        rows = np.stack([np.ones_like(x), x, y, z, x**2, y**2, z**2, x * y, x * z, y * z], -1)
        fit = np.linalg.lstsq(rows[mask], field[mask].astype(float), rcond=None)[0]
        radians = 2 * np.pi * hz_per_ppm(B0) * TIME
        return 2 * fit[4:7].sum() * radians / conducting_curvature(B0)

    assert bend(plain[0]) - bend(fields['flat']) > 0.5
    assert abs(bend(fields['bent'])) < 0.12


def test_threads_change_nothing():
    phantom, magnitude, angle, _ = one_echo(0.65, (40, 36, 30), (3.0, 3.0, 3.0))
    common = ([TIME], phantom['mask'], phantom['grid'])
    a, b = (remove_offsets(angle, magnitude, *common, b0=B0, nthreads=n)[2] for n in (1, 3))
    assert a == b
