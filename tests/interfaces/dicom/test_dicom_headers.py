"""What is read of DICOM files beside their headers' words."""

import pytest
from toy_dicom import values, write_series

from nigra.interfaces.dicom.headers import limits, read_frames


@pytest.mark.parametrize(('slope', 'intercept'), [(None, None), (2.0, -4096.0), (0.5, 10.0)])
def test_limits_are_those_of_the_values_that_the_header_means(tmp_path, slope, intercept):
    scale = {} if slope is None else {'RescaleSlope': slope, 'RescaleIntercept': intercept}
    folder = write_series(tmp_path / 'x', parts=('real',), slices=range(2, 3), **scale)
    (path,) = folder.iterdir()
    (frame,) = read_frames(path)
    stored = values('real', 5.0, 1000.0)[:, :, 2].astype(float)
    assert stored.min() < 0 < stored.max()
    meant = stored * (slope or 1) + (intercept or 0)
    assert limits(frame) == (meant.min(), meant.max())
    path.write_bytes(path.read_bytes()[:-20])  # what cannot be decoded counts as never negative
    assert limits(frame) == (0, 0)
