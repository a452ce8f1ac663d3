"""Matrices that were interpolated before they were stored: k-space with an empty rim."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ..errors import NigraError

_EDGE_DB = 12.0
"""Fall of the power at the edge of what was measured. Zero-filled images fall by 30 and more,
through rounding to 12 bits, too; real and simulated ones by up to 5, and by 8 about the centre,
within as many lines."""
_LINES = 3
"""Lines on either side of an edge that are compared, and fewest that make a rim."""
_LEAST_RIM = 0.03
"""Part of half an axis that a rim takes at least."""


def measured_part(pointers: NDArray[Any]) -> tuple[float, float, float]:
    """Part of k-space along each axis that was measured; the rest was filled with zeros.

    Parameters
    ----------
    pointers
        Complex image of one echo, (x, y, z); what is not finite counts as zero.

    Returns
    -------
    tuple
        From 0 to 1 for each axis; 1 where k-space has no empty rim. One-sided gaps (partial
        Fourier) are no rim.

    Raises
    ------
    NigraError
        The image has not three axes.

    Notes
    -----
    Power along an axis, averaged over the two others and both directions, falls towards the rim to
    that of the noise. Where it falls by 12 dB more from three lines to the next three, nothing was
    measured beyond. Neighbouring voxels then share noise, and the resolution is lower than the
    voxel size says.

    Examples
    --------
    >>> image = np.random.default_rng(0).standard_normal((48, 16, 16)) + 0j
    >>> spectrum = np.fft.fft(image, axis=0)
    >>> spectrum[18:31] = 0
    >>> measured_part(np.fft.ifft(spectrum, axis=0))
    (0.729, 1.0, 1.0)
    """
    if pointers.ndim != 3:
        raise NigraError(f'the image must have three axes, got shape {pointers.shape}')
    image = np.nan_to_num(pointers)
    x, y, z = (_measured(image, axis) for axis in range(3))
    return x, y, z


def _measured(image: NDArray[Any], axis: int) -> float:
    """Part of one axis of k-space inside the rim."""
    others = tuple(a for a in range(3) if a != axis)
    power = np.mean(np.abs(fft.fft(image, axis=axis)) ** 2, axis=others)
    half = power.size // 2
    # line k and line -k together; the one at the end of an even axis has no counterpart
    lines = (power[1:half] + power[:-half:-1]) / 2
    if lines.size < 3 * _LINES or not lines.max() > 0:
        return 1.0
    level = 10 * np.log10(np.maximum(lines, 1e-12 * lines.max()))
    inner = np.lib.stride_tricks.sliding_window_view(level, _LINES).mean(axis=-1)
    # fall from the three lines before an edge to the three behind it
    falls = inner[:-_LINES] - inner[_LINES:]
    edge = int(np.argmax(falls)) + _LINES
    rim = lines.size - edge
    if falls.max() < _EDGE_DB or rim < max(_LINES, _LEAST_RIM * lines.size):
        return 1.0
    return round((edge + 0.5) / half, 3)
