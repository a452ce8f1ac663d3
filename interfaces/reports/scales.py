"""Scales of charts: from values to px, with round numbers beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...nodes.errors import NigraError
from .svg import Element, add, number


@dataclass(frozen=True)
class Axis:
    """Linear scale from values to px.

    Attributes
    ----------
    low, high
        Values at its ends.
    start, end
        Their places, px; `start` lies below `end` on a vertical axis, since y grows downwards.
    """

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: NDArray[np.float64], start: float, end: float) -> Axis:
        """Scale that holds all values with a margin; a single value sits in the middle."""
        low, high = float(values.min()), float(values.max())
        margin = 0.06 * (high - low) or max(abs(low) * 0.1, 1e-6)
        return cls(low - margin, high + margin, start, end)

    def __call__(self, value):
        """Place of a value (or array), px."""
        fraction = (np.asarray(value, float) - self.low) / (self.high - self.low)
        return self.start + fraction * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round values on the scale."""
        # Wide axes have room for twice as many numbers.
        return ticks(self.low, self.high, 4 if abs(self.end - self.start) < 400 else 8)

    def draw_left(self, root: Element, *, x: float, right: float, unit: str) -> None:
        """Draw grid lines from `x` to `right`, numbers to their left and the unit above."""
        for value in self.ticks:
            y = float(self(value))
            add(root, 'line', x1=x, x2=right, y1=y, y2=y, class_=_grid_class(value))
            add(root, 'text', number(value), x=x - 6, y=y + 4, class_='tick end')
        add(root, 'text', unit, x=4, y=11, class_='tick')

    def draw_below(self, root: Element, *, top: float, bottom: float) -> None:
        """Draw grid lines from `top` to `bottom` and numbers below them."""
        for value in self.ticks:
            x = float(self(value))
            add(root, 'line', x1=x, x2=x, y1=top, y2=bottom, class_=_grid_class(value))
            add(root, 'text', number(value), x=x, y=bottom + 14, class_='tick mid')


def _grid_class(value: float) -> str:
    return 'grid zero' if value == 0 else 'grid'


def nice_step(span: float, count: int = 5) -> float:
    """Step of 1, 2 or 5 times a power of ten that cuts `span` into about `count` parts.

    Examples
    --------
    >>> nice_step(97), nice_step(0.43)
    (20.0, 0.1)
    """
    if not (math.isfinite(span) and span > 0):
        raise NigraError(f'span must be positive, got {span}')
    return _round_up(span / count, (1, 2, 5, 10))


def nice_limit(value: float) -> float:
    """Smallest of 1, 1.5, 2, 3, 5, 7 times a power of ten that is not below `value`.

    Examples
    --------
    >>> nice_limit(0.043), nice_limit(12), nice_limit(0)
    (0.05, 15.0, 1.0)
    """
    if not (math.isfinite(value) and value > 0):
        return 1.0
    return _round_up(value, (1, 1.5, 2, 3, 5, 7, 10))


def _round_up(value: float, factors: tuple[float, ...]) -> float:
    """Smallest of the factors times the value's power of ten that is not below the value."""
    power = 10.0 ** math.floor(math.log10(value))
    # The tolerance keeps 0.3 / 0.1 = 3.0000000000000004 at factor 3.
    factor = next(f for f in factors if value / power <= f * 1.0001)
    return float(f'{factor * power:.6g}')


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values inside an interval, two or more: one alone would tell no scale.

    Examples
    --------
    >>> ticks(-7, 21), ticks(56, 148, 4)
    ([0.0, 10.0, 20.0], [60.0, 80.0, 100.0, 120.0, 140.0])
    """
    found = _multiples(nice_step(high - low, count), low, high)
    return found if len(found) > 1 else _multiples(nice_step(high - low, 2 * count), low, high)


def _multiples(step: float, low: float, high: float) -> list[float]:
    """Multiples of a step inside an interval."""
    # An end that is itself a multiple of the step counts, whatever its last digits.
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f'{i * step:.10g}') for i in range(first, last + 1)]
