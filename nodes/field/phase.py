"""Stored phase to radians."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from .strays import value_limits
from .wraps import TWO_PI

_UNITS = {
    'deg': 'degrees', 'degree': 'degrees', 'degrees': 'degrees',
    'rad': 'radians', 'radian': 'radians', 'radians': 'radians',
}  # fmt: skip
_SILENT = {'arbitrary', 'n/a', ''}
_SCALES = {
    'radians': TWO_PI, 'milliradians': 1000 * TWO_PI, 'degrees': 360.0, 'half cycles': 2.0,
    'cycles': 1.0,
}  # fmt: skip
"""Stored difference that makes one cycle, by rule, where limits alone tell it."""
_STEPS = (4096, 8192)
"""Steps a cycle of scanners, known also where interpolation has left fractions."""
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
_PART = 1.1
"""Least limit of numbers within -pi to pi that are taken for part of it: half cycles end at 1."""
_SAMPLE = 200_000
"""Voxels that are asked whether values are integers, and for their step."""
_TOLD = 3
"""Different stray values that are named."""
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
        `radians`, `milliradians`, `degrees`, `half cycles` or `cycles`, in which the values were;
        `steps`, integers that fill one wrap; or `range`, the whole range fills one wrap.
    per_wrap
        Stored difference that makes 2 pi.
    low, high
        Lowest and highest stored value, strays left out.
    steps
        Integer steps that fill one wrap (`steps` only).
    strays
        Voxels beyond the limits, which hold no phase.
    stray_values
        Their values, of many the lowest, median and highest.
    against
        What `Units` said, where the values speak against it.
    """

    rule: str
    per_wrap: float
    low: float
    high: float
    steps: int = 0
    strays: int = 0
    stray_values: tuple[float, ...] = ()
    against: str = ''

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
    def is_doubtful(self) -> bool:
        """Whether the user should know of it."""
        unusual = self.rule in ('half cycles', 'cycles', 'range')
        return unusual or bool(self.against) or self.looks_unwrapped or self.looks_narrow

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
            'steps': f'scaled from {self.steps} integer steps a cycle',
            'range': f'scaled so that its whole range of {self.per_wrap:g} is one cycle',
        }.get(self.rule, f'converted from {self.rule}')
        if self.against:
            note += f" although its Units are '{self.against}', as it wraps at these limits"
        elif self.looks_unwrapped:
            note += f'; it spans {self.reach:.1f} cycles, so it may have been unwrapped before'
        elif self.looks_narrow:
            note += f'; it spans only {self.reach:.2g} of a cycle, so its units may be wrong'
        return f'Phase {note} (stored {self.low:g} to {self.high:g}).'


def to_radians(
    stored: NDArray[Any],
    *,
    units: str | None = None,
    signal: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], PhaseScale]:
    """Stored phase values as radians.

    Parameters
    ----------
    stored
        Phase as read from the file, (x, y, z) or (x, y, z, echo); NaN and infinity stay as NaN.
    units
        What the sidecar's `Units` says: `rad`, `deg` or `arbitrary`; None where it is silent.
    signal
        Voxels with signal, (x, y, z); all by default.

    Returns
    -------
    tuple
        Phase, rad, float32, NaN where the value is a stray (`value_limits`); and how it was
        scaled.

    Raises
    ------
    NigraError
        The phase is constant, not finite, on no known scale or spans over a hundred wraps, or
        `units` is unknown.

    Notes
    -----
    With lowest and highest stored value a and b, strays left out:

    1. `rad` and `deg` are believed, unless the values wrap at the limits of another known scale;
    2. -pi..pi or 0..2 pi (to 2 per cent) is radians, a thousandfold milliradians, -180..180 or
       0..360 degrees, -1..1 or 0..1, where the values wrap, half or whole cycles;
    3. integers whose number of steps is within 2 per cent of a power of two of at least 64, such
       as -4096..4094 by twos or 0..4095, fill one wrap with that many (scanners quantise so), as
       do fractions on a scale of 4096 or 8192;
    4. other fractions within -pi to pi are a part of it;
    5. anything else fills one wrap where neighbours jump from a to b, and is refused where they
       do not: it is no wrapped phase.
    """
    values = np.asarray(stored)
    finite = np.isfinite(values)
    _check_values(values[finite])
    there = np.ones(values.shape[:3], bool) if signal is None else signal
    low, high = value_limits(values, there)
    kept = finite & (values >= low) & (values <= high)
    scale = _scale(values, kept, low, high, units)
    if scale.reach > _MOST_REACH:
        raise NigraError(
            f"the phase spans {scale.reach:.0f} times 2 pi as '{units}'; if it is in scanner "
            "units, set Units to 'arbitrary'"
        )
    strays = values[finite & ~kept]
    scale = replace(scale, strays=strays.size, stray_values=_some_values(strays))
    angle = (values.astype(np.float64) - _centre(scale)) * (TWO_PI / scale.per_wrap)
    angle[~kept] = np.nan
    return angle.astype(np.float32), scale


def _check_values(values: NDArray[Any]) -> None:
    """Refuse a phase without values, or with only one."""
    if not values.size:
        raise NigraError('the phase has no finite value')
    if values.min() == values.max():
        raise NigraError(f'the phase is constant ({values[0]:g}); give the phase image')


def _some_values(strays: NDArray[Any]) -> tuple[float, ...]:
    """The different values; of many the lowest, median and highest."""
    different = np.unique(strays)
    if different.size > _TOLD:
        different = np.quantile(different, (0, 0.5, 1), method='nearest')
    return tuple(float(value) for value in different)


def _centre(scale: PhaseScale) -> float:
    """Stored value that becomes zero: 0 for symmetric ranges, half a wrap for 0..wrap."""
    low, high, per_wrap = scale.low, scale.high, scale.per_wrap
    if low < 0:
        return 0.0
    # more than half a wrap above zero cannot be a part of -pi to pi; .6 leaves room for offsets
    return per_wrap / 2 if high > 0.6 * per_wrap else low + per_wrap / 2


def _scale(
    values: NDArray[Any], kept: NDArray[np.bool_], low: float, high: float, units: str | None
) -> PhaseScale:
    """What the units say, or the stored values where they are silent or speak against it."""
    given = '' if units is None else units.strip().lower()
    known = _known_scale(low, high)
    if given in _UNITS:
        believed = PhaseScale(_UNITS[given], _SCALES[_UNITS[given]], low, high)
        if known and known.rule != believed.rule and _wraps(values, kept, low, high):
            return replace(known, against=given)
        return believed
    if given not in _SILENT:
        raise NigraError(f"phase Units must be 'rad', 'deg' or 'arbitrary', got '{units}'")
    if known and (known.rule not in ('half cycles', 'cycles') or _wraps(values, kept, low, high)):
        return known
    found = _other_scale(values[kept], low, high)
    if found.rule == 'range' and not _wraps(values, kept, low, high):
        raise NigraError(
            f'the phase lies between {low:g} and {high:g}, which is no known scale, and does not '
            "wrap there; write its Units, 'rad' or 'deg', into the sidecar, or convert it to "
            'radians'
        )
    return found


def _known_scale(low: float, high: float) -> PhaseScale | None:
    """The scale that has these limits, from -1/2 to 1/2 of a cycle or from 0 to a whole one."""
    for rule, per_wrap in _SCALES.items():
        if _fills(low, high, per_wrap) and not (rule == 'cycles' and low < -_TOLERANCE):
            return PhaseScale(rule, per_wrap, low, high)
    return None


def _fills(low: float, high: float, per_wrap: float) -> bool:
    """Whether the values fill one cycle, with zero as its middle or its begin."""
    slack = _TOLERANCE * per_wrap
    zero_in_place = abs(low) < slack or abs(low + high) < slack
    return abs(high - low - per_wrap) < slack and zero_in_place


def _wraps(values: NDArray[Any], kept: NDArray[np.bool_], low: float, high: float) -> bool:
    """Whether neighbours jump from one limit to the other, as they do where a phase wraps."""
    image = np.where(kept, values, 0)
    return _steep_fraction(image, kept & (image != 0), high - low) > _LEAST_STEEP


def _other_scale(values: NDArray[Any], low: float, high: float) -> PhaseScale:
    """Scale that limits alone do not tell: steps, a part of radians, else the whole range."""
    span = high - low
    sample = values[:: max(1, values.size // _SAMPLE)].astype(np.float64)
    if np.array_equal(sample, np.rint(sample)):
        # greatest common distance: some scanners store every second or fourth integer only
        step = float(np.gcd.reduce(np.diff(np.unique(sample)).astype(np.int64)))
        steps = span / step + 1
        power = 2.0 ** np.round(np.log2(steps))
        if power >= _LEAST_STEPS and abs(steps / power - 1) < _TOLERANCE:
            return PhaseScale('steps', float(power * step), low, high, int(power))
        # the highest value and the lowest are one step apart across the wrap
        return PhaseScale('range', span + step, low, high)
    for count in _STEPS:
        if _fills(low, high, count):
            return PhaseScale('steps', float(count), low, high, count)
    most = max(abs(low), abs(high))
    if _PART < most < (1 + _TOLERANCE) * np.pi:
        return PhaseScale('radians', TWO_PI, low, high)
    return PhaseScale('range', span, low, high)


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
    return _steep_fraction(values, values != 0, float(values.max() - values.min()))


def _steep_fraction(image: NDArray[Any], there: NDArray[np.bool_], span: float) -> float:
    """Fraction of neighbours along the first axis that differ by more than 0.8 of a span."""
    if span == 0:
        return 0.0
    steep = np.abs(np.diff(image, axis=0)) > _STEEP * span
    return float(np.mean(steep & there[1:] & there[:-1]))
