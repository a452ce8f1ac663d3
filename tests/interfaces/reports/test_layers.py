"""Images made ready for pictures: upright, without what is not finite, in honest colours."""

import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.reports.layers import (
    load_volume,
    map_layer,
    palette,
    robust_range,
    symmetric_limit,
    to_pixels,
)
from nigra.nodes.errors import NigraError


def test_oblique_image_is_shown_in_its_own_planes(tmp_path):
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, :3] = affine[:3, :3] @ np.diag([-1.0, 1, 2])
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), np.float32), affine), tmp_path / 'x.nii')
    volume = load_volume(tmp_path / 'x.nii')
    assert volume.zooms == pytest.approx((1, 1, 2))
    assert volume.affine[0, 0] > 0


def test_load_takes_the_first_echo_and_hides_what_is_not_finite(tmp_path):
    data = np.arange(2 * 3 * 4 * 2, dtype=np.float32).reshape(2, 3, 4, 2)
    data[0, 0, 0, 0] = np.nan
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / 'x.nii')
    volume = load_volume(tmp_path / 'x.nii')
    expected = data[..., 0]
    expected[0, 0, 0] = 0
    np.testing.assert_array_equal(volume.data, expected)


def test_pixels_rise_with_values_and_end_at_the_scale():
    values = np.sort(np.random.default_rng(0).normal(size=500))
    pixels = to_pixels(values, -1.0, 1.0)
    assert np.all(np.diff(pixels.astype(int)) >= 0)
    assert np.all(pixels[values <= -1] == 1)
    assert np.all(pixels[values >= 1] == 255)
    assert np.all(pixels > 0)
    inside = np.abs(values) < 1
    back = (pixels[inside].astype(float) - 1) / 254 * 2 - 1
    np.testing.assert_allclose(back, values[inside], atol=1 / 250, equal_nan=False)
    assert not to_pixels(values, -1, 1, np.zeros(500, bool)).any()
    with pytest.raises(NigraError, match='colour scale must rise'):
        to_pixels(values, 1, 1)


def test_robust_range_never_collapses():
    assert robust_range(np.zeros(9)) == (0.0, 1.0)
    assert robust_range(np.array([np.nan])) == (0.0, 1.0)
    assert symmetric_limit(np.full(100, -0.043)) == pytest.approx(0.05)


def test_map_and_its_bar_have_one_scale():
    values = np.linspace(-1, 1, 27, dtype=np.float32).reshape(3, 3, 3)
    mask = values > -0.5
    layer, bar = map_layer(values, (-0.5, 0.5), 'gray', 'ppm', mask=mask, second=('Hz', 60.0))
    np.testing.assert_array_equal(layer.pixels, to_pixels(values, -0.5, 0.5, mask))
    np.testing.assert_array_equal(layer.palette, palette('gray'))
    assert (bar.low, bar.high, bar.unit) == (-0.5, 0.5, 'ppm')
    assert (bar.second_unit, bar.factor) == ('Hz', 60.0)
