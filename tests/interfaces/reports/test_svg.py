"""Numbers and markup that all drawings share."""

from xml.etree import ElementTree

import numpy as np

from nigra.interfaces.reports.svg import add, drawing, empty_chart, number, short, shorten, to_text


def test_short_keeps_two_decimals():
    for value in np.random.default_rng(3).normal(scale=100, size=200):
        assert abs(float(short(value)) - value) <= 0.005 + 1e-9
    assert short(100) == '100'


def test_text_and_attributes_are_escaped_and_printable():
    root = drawing(10, 10, label='"><script>alert(1)</script>')
    add(root, 'text', 'a\x00<b>&\u00a0\u202f−é😀', x=1.0, data_name='<"&>')
    text = to_text(root)
    assert '<script' not in text
    parsed = ElementTree.fromstring(text)
    assert parsed.get('aria-label') == '"><script>alert(1)</script>'
    assert parsed[0].text == 'a<b>&\u00a0\u202f−é😀'
    assert parsed[0].get('data-name') == '<"&>'


def test_text_is_cut_only_where_it_would_not_fit():
    name = 'substantia nigra'
    for room in range(10, 200, 7):
        text = shorten(name, room)
        assert len(text) <= max(4, room / 6.6)
        assert text == name or text == name[: len(text) - 1] + '…'
    assert shorten(name, 6.6 * len(name) + 1) == name
    assert shorten(name, 6.6 * len(name) - 1) != name


def test_an_empty_chart_says_so_in_its_middle():
    root = ElementTree.fromstring(empty_chart(drawing(300, 120, label='x'), 300, 120))
    (text,) = list(root)
    assert (text.get('x'), text.get('y'), text.text) == ('150', '60', 'no values')


def test_numbers_without_fraction_or_size_are_plain():
    assert [short(v) for v in (0, -0.001, 100.0, 0.1, -2.50)] == ['0', '0', '100', '0.1', '-2.5']
    assert number(-1234.5678, 6) == '−1\u202f234.57'
    assert shorten('abcdef', 0) == 'abc…'
    assert len(shorten('x' * 40, 66)) == 10
