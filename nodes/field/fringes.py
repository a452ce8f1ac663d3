"""Fringe lines of the phase that end in tissue with signal, where no unwrapping can be right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import NigraError
from ..numerics.distances import distances
from ..volumes import bounding_box
from .wraps import wrap

LEAST_LINE_MM = 15.0
"""Length from which such a line is no chance. The nine people of `bids_example` have up to 6 mm at
any echo, two real scans 1.5; of 52 straight lines through those brains 50 have 19 mm and more."""
_DEPTH_MM = 10.0
"""Distance from the mask's border from which a voxel counts: above air the field of healthy people
turns by half a cycle from voxel to voxel, and lines of up to 40 mm lie there."""
_SIGNAL = 0.5
"""Fraction of the mask's median magnitude that all four corners of a loop need: where signal is
lost the phase turns by noise, or by a field that one voxel does not follow."""
_MOST_TURNING = 0.01
"""Part of the voxels about which phase may turn: of noise it is more than a half, and its lines
are a web that means nothing. One line through a brain takes .0003 of them."""
_PLANES = ((0, 1), (1, 2), (0, 2))
"""Axes of the loops."""


def open_fringe_length(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    mask: NDArray[np.bool_],
    voxel_size: tuple[float, float, float],
) -> float:
    """Length of the longest line in tissue with signal about which the phase turns once.

    Parameters
    ----------
    phase
        Wrapped phase of one echo, rad, (x, y, z).
    magnitude
        Magnitude, same shape.
    mask
        Brain; voxels that are not finite do not count.
    voxel_size
        mm.

    Returns
    -------
    float
        mm, from one end of the line to the other; 0 where there is none deep inside, or nothing
        but noise.

    Raises
    ------
    NigraError
        Shapes differ.

    Notes
    -----
    Around a loop of four voxels wrapped differences of a field's phase add up to zero. Where
    channels of a coil were added up without their phases aligned, their sum vanishes along lines,
    and the phase turns about these; a magnitude that was made as a sum of squares does not show
    it (Robinson et al. 2017, doi 10.1002/nbm.3601). Fringes end there, so that what unwrapping
    finds depends on the way it takes.
    """
    if not phase.shape == magnitude.shape == mask.shape:
        raise NigraError(
            f'phase, magnitude and mask differ in shape: {phase.shape}, {magnitude.shape}, '
            f'{mask.shape}'
        )
    good = mask & np.isfinite(phase) & np.isfinite(magnitude)
    if not good.any():
        return 0.0
    good &= magnitude >= _SIGNAL * np.median(magnitude[good])
    if not mask.all():
        good &= distances(mask, voxel_size, _DEPTH_MM) > _DEPTH_MM
    if not good.any():
        return 0.0
    box = bounding_box(good)
    turning = _turning(np.where(good[box], phase[box], 0), good[box])
    if np.count_nonzero(turning) > _MOST_TURNING * np.count_nonzero(good):
        return 0.0
    # loops that share a corner belong to one line
    lines, _ = ndimage.label(turning, np.ones((3, 3, 3)))
    extents = [[s.stop - s.start for s in found] for found in ndimage.find_objects(lines)]
    return max((float(np.linalg.norm(np.multiply(e, voxel_size))) for e in extents), default=0.0)


def _turning(phase: NDArray[Any], good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """First corners of loops of good voxels about which the phase turns."""
    out = np.zeros(phase.shape, bool)
    for first, second in _PLANES:
        corners = []
        for steps in ((0, 0), (1, 0), (1, 1), (0, 1)):
            corner = [slice(None)] * 3
            for axis, step in zip((first, second), steps, strict=True):
                corner[axis] = slice(step, phase.shape[axis] - 1 + step)
            corners.append(tuple(corner))
        angles = [phase[corner] for corner in corners]
        around = sum(wrap(b - a) for a, b in zip(angles, [*angles[1:], angles[0]], strict=True))
        inside = np.logical_and.reduce([good[corner] for corner in corners])
        out[corners[0]] |= inside & (np.abs(around) > np.pi)
    return out
