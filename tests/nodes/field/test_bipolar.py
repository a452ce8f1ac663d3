import numpy as np
import pytest
from phantoms import head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.bipolar import remove_alternation
from nigra.nodes.field.echo_box import cut_echoes
from nigra.nodes.field.totalfield import romeo_field
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
