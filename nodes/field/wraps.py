"""Multiples of 2 pi: phase brought into [-pi, pi]."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

TWO_PI = 2 * np.pi


def wrap(phase: NDArray[Any]) -> NDArray[Any]:
    """Phase without its wraps, in [-pi, pi]; the array's dtype is kept.

    Examples
    --------
    >>> float(np.round(wrap(np.array([3.5])), 4)[0])
    -2.7832
    """
    wraps = np.rint(phase / TWO_PI).astype(phase.dtype)
    return phase - phase.dtype.type(TWO_PI) * wraps


@numba.njit(cache=True, nogil=True, inline='always')
def wrapped(angle):
    """One angle without its wraps, float32 (gamma in ROMEO)."""
    return angle - np.float32(2 * np.pi) * np.rint(angle * np.float32(0.5 / np.pi))
