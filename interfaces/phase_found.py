"""What the field step finds in the phase of a run, as data and as sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nodes.field.fringes import LEAST_LINE_MM, open_fringe_length
from ..nodes.grid import Grid
from .phase_repairs import Told


def look_for_open_fringes(
    phase: NDArray[Any], magnitude: NDArray[Any], brain: NDArray[np.bool_], grid: Grid
) -> Told:
    """Length of the longest open fringe line, and a warning where it is no chance.

    Parameters
    ----------
    phase, magnitude
        (x, y, z, echo); the first echo is judged, for what coils leave is in all of them.
    brain
        Mask, before voxels of a doubtful phase are left out: those along such a line are.
    grid
        Geometry.
    """
    length = open_fringe_length(phase[..., 0], magnitude[..., 0], brain, grid.voxel_size)
    data = {'open_fringe_mm': round(length, 1)}
    if length < LEAST_LINE_MM:
        return data, []
    return data, [
        f'The phase turns once about a line of {length:.0f} mm through tissue with signal (an '
        'open-ended fringe line), as channels of a coil leave it that were added up without their '
        'phases aligned: it cannot be unwrapped, and the map is wrong around there. Export the '
        'phase combined adaptively (or by the vendor), and do not compare this map.'
    ]


def tell_alternation(rise: float) -> Told:
    """How far the phase of every second echo rose over the brain, and that it was taken off.

    Parameters
    ----------
    rise
        rad; 0 where the echoes did not alternate.
    """
    data = {'alternation_rad': round(float(rise), 3)}
    if not rise:
        return data, []
    return data, [
        f'Every second echo has a phase more that rises by {rise:.2f} rad across the brain, as a '
        'bipolar readout leaves it; it was taken off before the field was fitted.'
    ]
