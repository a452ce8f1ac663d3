import numpy as np
import pytest
from phantoms import head, signal

from nigra.nodes.errors import NigraError
from nigra.nodes.field.zero_filling import measured_part


@pytest.fixture(scope='module')
def image():
    magnitude, angle, _ = signal(head(), [0.01], 3.0, np.random.default_rng(0))
    return (magnitude * np.exp(1j * angle))[..., 0]


def filled(image, shape, first=None):
    """The image on a larger matrix: its k-space with zeros around it."""
    spectrum = np.fft.fftshift(np.fft.fftn(image))
    out = np.zeros(shape, complex)
    starts = first or [(m - n) // 2 for n, m in zip(image.shape, shape, strict=True)]
    out[tuple(slice(s, s + n) for s, n in zip(starts, image.shape, strict=True))] = spectrum
    return np.fft.ifftn(np.fft.ifftshift(out))


@pytest.mark.parametrize('shape', [(64, 44, 40), (64, 60, 40), (96, 88, 80)])
def test_an_empty_rim_is_seen(image, shape):
    wanted = [n / m for n, m in zip(image.shape, shape, strict=True)]
    found = measured_part(filled(image, shape))
    assert found == pytest.approx(wanted, abs=0.03)
    assert [f == 1 for f in found] == [w == 1 for w in wanted]


def test_rounding_to_the_integers_of_a_scanner_does_not_hide_it(image):
    large = filled(image, (64, 44, 40))
    magnitude = np.rint(4095 * np.abs(large) / np.abs(large).max())
    angle = np.rint(np.angle(large) / np.pi * 2048) / 2048 * np.pi
    assert measured_part(magnitude * np.exp(1j * angle))[0] == pytest.approx(0.75, abs=0.03)


def test_what_was_measured_as_it_is_has_no_rim(image):
    assert measured_part(image) == (1, 1, 1)
    # one-sided gaps are partial Fourier, whose resolution is that of the matrix
    gap = np.fft.fftshift(np.fft.fftn(image))
    gap[:8] = 0
    assert measured_part(np.fft.ifftn(np.fft.ifftshift(gap))) == (1, 1, 1)
    assert measured_part(np.zeros((32, 32, 32))) == (1, 1, 1)
    assert measured_part(image[:, :, :6])[2] == 1


def test_images_of_four_axes_are_refused(image):
    with pytest.raises(NigraError, match='three axes'):
        measured_part(image[..., None])
