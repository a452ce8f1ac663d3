"""Small pieces that every drawing of the reports is made of."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

from ...nodes.errors import NigraError

Element = ElementTree.Element
_FORBIDDEN = re.compile(
    '[^\\t\\n\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]'
)


def drawing(width: float, height: float, *, label: str, css_class: str = 'chart') -> Element:
    """Empty SVG that scales with its column and keeps its aspect ratio.

    Parameters
    ----------
    width, height
        Of the coordinate system, px.
    label
        What the picture shows, for readers who do not see it.
    css_class
        Hook for style sheets.
    """
    root = ElementTree.Element(
        'svg',
        {
            'xmlns': 'http://www.w3.org/2000/svg',
            'viewBox': f'0 0 {short(width)} {short(height)}',
            'class': css_class,
            'role': 'img',
            'aria-label': printable(label),
        },
    )
    root.set('style', f'aspect-ratio:{short(width)}/{short(height)}')
    return root


def add(parent: Element, tag: str, text: str | None = None, **attributes: Any) -> Element:
    """Append an element; `stroke_width=2` becomes `stroke-width="2"`, numbers are shortened.

    Text and attributes are escaped when the drawing is written, so names from tables are safe.

    Examples
    --------
    >>> to_text(add(drawing(10, 5, label='x'), 'text', 'a < b', x=1.23456))
    '<text x="1.23">a &lt; b</text>'
    """
    named = {
        key.rstrip('_').replace('_', '-'): short(value)
        if isinstance(value, float)
        else printable(value)
        for key, value in attributes.items()
        if value is not None
    }
    element = ElementTree.SubElement(parent, tag, named)
    if text is not None:
        element.text = printable(text)
    return element


def to_text(element: Element) -> str:
    """Markup of an element, to be put into HTML or saved as a file."""
    return ElementTree.tostring(element, encoding='unicode')


def printable(text: object) -> str:
    """Text without the control characters that XML forbids."""
    return _FORBIDDEN.sub('', str(text))


def short(value: float, digits: int = 2) -> str:
    """Number without trailing zeros, for coordinates.

    Examples
    --------
    >>> short(12.50), short(3.0), short(-0.001)
    ('12.5', '3', '0')
    """
    text = f'{float(value):.{digits}f}'
    text = text.rstrip('0').rstrip('.') if '.' in text else text
    return '0' if text in {'-0', ''} else text


def nice_step(span: float, count: int = 5) -> float:
    """Step of 1, 2 or 5 times a power of ten that cuts `span` into about `count` parts.

    Examples
    --------
    >>> nice_step(97), nice_step(0.43)
    (20.0, 0.1)
    """
    if not (math.isfinite(span) and span > 0):
        raise NigraError(f'span must be positive, got {span}')
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    factor = next(f for f in (1, 2, 5, 10) if raw / power <= f * 1.0001)
    return float(f'{factor * power:.6g}')


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values inside an interval.

    Examples
    --------
    >>> ticks(-7, 21)
    [0.0, 10.0, 20.0]
    """
    step = nice_step(high - low, count)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f'{i * step:.10g}') for i in range(first, last + 1)]


def nice_limit(value: float) -> float:
    """Smallest of 1, 1.5, 2, 3, 5, 7 times a power of ten that is not below `value`.

    Examples
    --------
    >>> nice_limit(0.043), nice_limit(12), nice_limit(0)
    (0.05, 15.0, 1.0)
    """
    if not (math.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    factor = next(f for f in (1, 1.5, 2, 3, 5, 7, 10) if value / power <= f * 1.0001)
    return float(f'{factor * power:.6g}')


def number(value: float, digits: int = 6) -> str:
    """Plain number with a true minus sign, for axes.

    Examples
    --------
    >>> number(-0.05)
    '−0.05'
    """
    return f'{value:.{digits}g}'.replace('-', '−')
