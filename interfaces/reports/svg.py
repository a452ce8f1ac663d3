"""Small pieces that every drawing of the reports is made of."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

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


def number(value: float, digits: int = 6) -> str:
    """Plain number with a true minus sign and thousands set apart, as tables have them.

    Examples
    --------
    >>> number(-0.05), number(10158.4, 4) == '10\u202f158', number(9999.6, 4) == '10\u202f000'
    ('−0.05', True, True)
    """
    rounded = float(f'{value:.{digits}g}')
    text = f'{value:,.0f}' if abs(rounded) >= 10**digits else f'{rounded:,.{digits}g}'
    return text.replace('-', '−').replace(',', '\u202f')


def shorten(text: str, room: float) -> str:
    """Cut text that would not fit into `room` px, at about 6.6 px a character.

    Examples
    --------
    >>> shorten('substantia nigra', 80)
    'substantia …'
    """
    most = max(4, int(room / 6.6))
    return text if len(text) <= most else text[: most - 1] + '…'


def empty_chart(root: Element, width: float, height: float) -> str:
    """Markup of a chart that says that it has nothing to show."""
    add(root, 'text', 'no values', x=width / 2, y=height / 2, class_='tick mid')
    return to_text(root)
