"""Stored phase to radians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from .wraps import TWO_PI

_DEGREES = {'deg', 'degree', 'degrees'}
_RADIANS = {'rad', 'radian', 'radians'}
_UNKNOWN = {'arbitrary', 'n/a', ''}
_MOST_REACH = 100
"""Wraps that no phase spans; 4096 steps that `Units` calls rad span 652."""
_UNWRAPPED = 1.05
"""Reach from which a phase may have been unwrapped; interpolation adds a little to 1 (by eye)."""
_NARROW = 0.1
"""Reach below which units may be wrong: noise alone spans a whole wrap in air."""
_TOLERANCE = 0.02
"""Part of a range by which stored limits may miss a known one (by eye)."""
_LEAST_STEPS = 64
"""Fewest integer steps that pass for a scanner's quantisation; 4096 are usual."""
_DEGREE_SLACK = 7
"""Degrees by which a range may miss 360: 2 per cent of it."""
_SAMPLE = 200_000
"""Voxels that are asked whether values are integers, and for their step."""
_NEGATIVE = 0.05
"""Fraction of negative values above which an image is no magnitude.

Filters leave a few, of a phase half are negative. Splines that resampled a masked magnitude ring
around the mask: it is refused as well.
"""
_STEEP = 0.8
"""Part of the range that neighbours differ by at a wrap, and hardly elsewhere."""
_LEAST_STEEP = 2e-3
"""Fraction of steep neighbours from which an image wraps.

At 7 T .002 to .015 of a real phase, none of its magnitude; the tests' head has .045 and .001.
"""
_STEEP_RATIO = 4
"""How much oftener a swapped phase is steep than its magnitude: 40 times on the tests' head."""


@dataclass(frozen=True)
class PhaseScale:
    """How stored phase values became radians.

    Attributes
    ----------
    rule
        `radians` or `degrees`, in which the values were; `steps`, integers that fill one wrap; or
        `range`, the whole range fills one wrap.
    per_wrap
        Stored difference that makes 2 pi.
    low, high
        Lowest and highest stored value.
    steps
        Integer steps that fill one wrap (`steps` only).
    """

    rule: str
    per_wrap: float
    low: float
    high: float
    steps: int = 0

    @property
    def reach(self) -> float:
        """Wraps from the lowest to the highest value."""
        return (self.high - self.low) / self.per_wrap

    @property
    def looks_unwrapped(self) -> bool:
        """Whether the phase spans more than one wrap: it may have been unwrapped before."""
        return self.reach > _UNWRAPPED

    @property
    def looks_narrow(self) -> bool:
        """Whether the phase spans so little of a wrap that its units may be wrong."""
        return self.reach < _NARROW

    @property
    def sentence(self) -> str:
        """What was done, for people.

        Examples
        --------
        >>> PhaseScale('steps', 8192.0, -4096.0, 4094.0, 4096).sentence
        'Phase scaled from 4096 integer steps a cycle (stored -4096 to 4094).'
        """
        note = {
            'radians': 'already in radians',
            'degrees': 'converted from degrees',
            'steps': f'scaled from {self.steps} integer steps a cycle',
            'range': f'scaled so that its whole range of {self.per_wrap:g} is one cycle',
        }[self.rule]
        if self.looks_unwrapped:
            note += f'; it spans {self.reach:.1f} cycles, so it may have been unwrapped before'
        elif self.looks_narrow:
            note += f'; it spans only {self.reach:.2g} of a cycle, so its units may be wrong'
        return f'Phase {note} (stored {self.low:g} to {self.high:g}).'


def to_radians(
    stored: NDArray[Any], *, units: str | None = None
) -> tuple[NDArray[np.float32], PhaseScale]:
    """Stored phase values as radians.

    Parameters
    ----------
    stored
        Phase as read from the file, any shape; NaN and infinity stay as NaN.
    units
        What the sidecar's `Units` says: `rad`, `deg` or `arbitrary`; None where it is silent.

    Returns
    -------
    tuple
        Phase, rad, float32; and how it was scaled.

    Raises
    ------
    NigraError
        The phase is constant, not finite or spans over a hundred wraps, or `units` is unknown.

    Notes
    -----
    `rad` and `deg` are believed. Otherwise, with lowest and highest stored value a and b:

    1. -pi to pi or 0 to 2 pi (to 2 per cent) is radians already;
    2. integers within -180..180 or 0..360 that reach 98 per cent of it are degrees; those whose
       number of steps is within 2 per cent of a power of two of at least 64, such as -4096..4094
       by twos or 0..4095, fill one wrap with that many (scanners quantise so);
    3. anything else fills one wrap: 2 pi (v - a) / (b - a) - pi, or 2 pi v / (b - a) where zero
       is the middle.
    """
    values = np.asarray(stored)
    finite = np.isfinite(values)
    low, high = _limits(values[finite])
    scale = _scale(values[finite], low, high, units)
    if scale.reach > _MOST_REACH:
        raise NigraError(
            f"the phase spans {scale.reach:.0f} times 2 pi as '{units}'; if it is in scanner "
            "units, set Units to 'arbitrary'"
        )
    angle = (values.astype(np.float64) - _centre(scale)) * (TWO_PI / scale.per_wrap)
    angle[~finite] = np.nan
    return angle.astype(np.float32), scale


def _limits(values: NDArray[Any]) -> tuple[float, float]:
    """Lowest and highest value, after checking that there is more than one."""
    if not values.size:
        raise NigraError('the phase has no finite value')
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise NigraError(f'the phase is constant ({low:g}); give the phase image')
    return low, high


def _centre(scale: PhaseScale) -> float:
    """Stored value that becomes zero: 0 for symmetric ranges, half a wrap for 0..wrap."""
    low, high, per_wrap = scale.low, scale.high, scale.per_wrap
    if low < 0:
        return 0.0
    # more than half a wrap above zero cannot be a part of -pi to pi; .6 leaves room for offsets
    return per_wrap / 2 if high > 0.6 * per_wrap else low + per_wrap / 2


def _scale(values: NDArray[Any], low: float, high: float, units: str | None) -> PhaseScale:
    """What the units say, or the stored values where they are silent."""
    known = '' if units is None else units.strip().lower()
    if known in _RADIANS:
        return PhaseScale('radians', TWO_PI, low, high)
    if known in _DEGREES:
        return PhaseScale('degrees', 360.0, low, high)
    if known not in _UNKNOWN:
        raise NigraError(f"phase Units must be 'rad', 'deg' or 'arbitrary', got '{units}'")
    span = high - low
    zero_in_place = abs(low) < 0.1 or abs(low + high) < 0.1
    if abs(span - TWO_PI) < _TOLERANCE * TWO_PI and zero_in_place:
        return PhaseScale('radians', TWO_PI, low, high)
    sample = values[:: max(1, values.size // _SAMPLE)].astype(np.float64)
    if np.array_equal(sample, np.rint(sample)):
        return _integer_scale(sample, low, high)
    return PhaseScale('range', span, low, high)


def _integer_scale(sample: NDArray[np.float64], low: float, high: float) -> PhaseScale:
    """Whether integers are degrees, or how many steps of a scanner's quantisation they fill."""
    span = high - low
    if abs(span - 360) <= _DEGREE_SLACK and high <= 360 and low >= -180:
        return PhaseScale('degrees', 360.0, low, high)
    # greatest common distance: some scanners store every second or fourth integer only
    step = float(np.gcd.reduce(np.diff(np.unique(sample)).astype(np.int64)))
    steps = span / step + 1
    power = 2.0 ** np.round(np.log2(steps))
    if power >= _LEAST_STEPS and abs(steps / power - 1) < _TOLERANCE:
        return PhaseScale('steps', power * step, low, high, int(power))
    # the highest value and the lowest are one step apart across the wrap
    return PhaseScale('range', span + step, low, high)


def looks_swapped(phase: NDArray[Any], magnitude: NDArray[Any]) -> bool:
    """Whether an image given as magnitude is the phase and the other the magnitude.

    Parameters
    ----------
    phase, magnitude
        As stored, same shape, not scaled.

    Returns
    -------
    bool
        True where more than 5 per cent of the `magnitude` is negative (interpolation and filters
        leave a few), or where neighbours differ by more than 0.8 of its range (wraps) far more
        often than in `phase`; zeros (masked background) do not count.
    """
    if np.nanmin(phase) == np.nanmax(phase):
        return False  # constant: another mistake, told elsewhere
    negative = np.count_nonzero(magnitude < 0)
    if negative > _NEGATIVE * np.count_nonzero(magnitude):
        return True
    here, there = _wrap_fraction(magnitude), _wrap_fraction(phase)
    return here > _LEAST_STEEP and here > _STEEP_RATIO * there


def _wrap_fraction(image: NDArray[Any]) -> float:
    """Fraction of neighbours along the first axis that differ by more than 0.8 of the range."""
    values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
    span = float(values.max() - values.min())
    if span == 0:
        return 0.0
    there = values != 0
    steep = np.abs(np.diff(values, axis=0)) > _STEEP * span
    return float(np.mean(steep & there[1:] & there[:-1]))
