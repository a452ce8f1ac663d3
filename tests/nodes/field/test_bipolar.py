import numpy as np
import pytest
from phantoms import head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.bipolar import remove_alternation
from nigra.nodes.field.echo_box import cut_echoes
from nigra.nodes.field.offsets import remove_offsets
from nigra.nodes.field.totalfield import laplacian_field, romeo_field
from nigra.nodes.field.wraps import wrap

EVEN = (0.005, 0.011, 0.017, 0.023)
UNEVEN = (0.005, 0.0104, 0.0171, 0.0232)


def alternating(phase, axis, constant, slope):
    """Phase whose second and fourth echo have a plane more."""
    steps = np.arange(phase.shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)])
    out = phase.copy()
    out[..., 1::2] += (constant + slope * steps)[..., None]
    return wrap(out).astype(np.float32)


def corrected(phase, magnitude, times, mask, **settings):
    """Phase without its alternating part and the slopes of that, rad a voxel."""
    echoes = cut_echoes(phase, magnitude, times, mask)
    constant, slope = remove_alternation(echoes, **settings)
    out = phase.copy()
    for echo, angle in enumerate(echoes.angle):
        out[echoes.box][..., echo][echoes.inside] = angle[echoes.inside]
    return out, (constant, *slope)


@pytest.fixture(scope='module', params=[EVEN, UNEVEN])
def scan(request):
    phantom = head()
    magnitude, angle, _ = signal(phantom, request.param, 3.0, np.random.default_rng(0))
    return phantom, angle, magnitude, request.param


@pytest.mark.parametrize(('axis', 'constant', 'slope'), [(0, 0.5, 0.04), (1, -0.7, -0.1)])
def test_readout_line_is_found_and_removed(scan, axis, constant, slope):
    phantom, angle, magnitude, times = scan
    given = alternating(angle, axis, constant, slope)
    out, line = corrected(given, magnitude, times, phantom['mask'])
    assert np.isclose(line[1 + axis], slope, atol=5e-4)
    assert [line[1 + a] for a in range(3) if a != axis] == [0, 0]
    rest = wrap(out - angle)[phantom['mask']]
    if times == EVEN:  # evenly spaced echoes cannot tell half a wrap from a constant field
        rest = wrap(2 * rest) / 2
    assert np.abs(rest).max() < 0.03
    assert np.array_equal(out[..., ::2], given[..., ::2])


def test_field_of_a_bipolar_scan_is_as_good(scan):
    phantom, angle, magnitude, times = scan
    given = alternating(angle, 0, 0.3, 0.05)
    spread = {}
    for name, phase, bipolar in (
        ('plain', angle, 'auto'), ('corrected', given, 'auto'), ('uncorrected', given, 'off'),
    ):  # fmt: skip
        field, *_ = romeo_field(
            phase, magnitude, phantom['mask'], phantom['grid'], echo_times=times, b0=3.0,
            bipolar=bipolar,
        )  # fmt: skip
        spread[name] = (field - phantom['total'])[phantom['mask']].std()
    assert spread['corrected'] < 1.1 * spread['plain']
    assert spread['uncorrected'] > 3 * spread['plain']


@pytest.mark.parametrize('method', [romeo_field, laplacian_field])
def test_what_was_taken_off_is_told(scan, method):
    phantom, angle, magnitude, times = scan
    given = alternating(angle, 1, 0.3, 0.05)
    mask, common = phantom['mask'], {'echo_times': times, 'b0': 3.0}
    _, _, _, rise = method(given, magnitude, mask, phantom['grid'], **common)
    rows = np.flatnonzero(mask.any(axis=(0, 2)))
    assert rise == pytest.approx(0.05 * (rows[-1] - rows[0]), rel=0.02)
    assert method(angle, magnitude, mask, phantom['grid'], **common)[3] == 0


def test_the_other_ways_to_a_field_take_it_off_too(scan):
    phantom, angle, magnitude, times = scan
    given = alternating(angle, 0, 0.3, 0.05)
    mask, grid = phantom['mask'], phantom['grid']
    fields = [
        laplacian_field(phase, magnitude, mask, grid, echo_times=times, b0=3.0)[0]
        for phase in (angle, given)
    ]
    assert np.abs(fields[1] - fields[0])[mask].std() < 0.1 * fields[0][mask].std()
    plain, cleaned = (
        remove_offsets(phase, magnitude, times, mask, grid, b0=3.0)[0] for phase in (angle, given)
    )
    rest = wrap(cleaned - plain)[mask]
    if times == EVEN:  # half a wrap, as above
        rest = wrap(2 * rest) / 2
    assert np.abs(rest).mean() < 0.02


def test_monopolar_scan_is_left_alone(scan):
    phantom, angle, magnitude, times = scan
    out, line = corrected(angle, magnitude, times, phantom['mask'])
    assert line == (0, 0, 0, 0)
    assert np.array_equal(out, angle)
    forced, line = corrected(angle, magnitude, times, phantom['mask'], bipolar='on')
    assert np.abs(wrap(forced - angle))[phantom['mask']].max() < 0.02


def test_two_echoes_cannot_be_corrected(scan):
    phantom, angle, magnitude, times = scan
    with pytest.raises(NigraError, match='3 echoes'):
        corrected(angle[..., :2], magnitude[..., :2], times[:2], phantom['mask'], bipolar='on')
    out, _ = corrected(angle[..., :2], magnitude[..., :2], times[:2], phantom['mask'])
    assert np.array_equal(out, angle[..., :2])
    with pytest.raises(NigraError, match='auto'):
        corrected(angle, magnitude, times, phantom['mask'], bipolar='perhaps')
