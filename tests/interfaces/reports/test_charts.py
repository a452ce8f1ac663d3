"""Charts: every person is there, in the right place, under their own name."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from nigra.interfaces.reports import charts
from nigra.interfaces.reports.colours import GROUP_COLOURS, group_colours

SVG = '{http://www.w3.org/2000/svg}'


def sample(group, n, seed, **more):
    values = np.random.default_rng(seed).normal(50, 10, n)
    return charts.GroupPoints(group, tuple(f'sub-{group}{i}' for i in range(n)), values, **more)


def points(svg):
    """Drawn marks by hover text, with their centre."""
    found = {}
    for element in ElementTree.fromstring(svg).iter():
        if element.get('class') == 'point':
            if element.get('points'):
                place = np.array(re.split('[ ,]', element.get('points')), float).reshape(-1, 2)
                centre = (place[:, 0].mean(), place[:, 1].mean())
            else:
                centre = tuple(
                    float(element.get(f'c{a}') or float(element.get(a)) + 2.88) for a in 'xy'
                )
            found[element[0].text] = centre
    return found


@pytest.mark.parametrize('sizes', [(1,), (2, 3), (20, 40, 20), (5, 1, 9, 4)])
def test_everybody_is_a_point_at_their_value(sizes):
    samples = [sample(f'g{i}', n, i) for i, n in enumerate(sizes)]
    samples[0].values[0] = np.nan if sizes[0] > 1 else 3.0
    colours = group_colours([s.group for s in samples])
    svg = charts.distribution_chart(samples, colours, unit='ppb', label='x')
    found = points(svg)
    known = {p: v for s in samples for p, v in zip(s.people, s.values, strict=True) if v == v}
    assert {text.split(':')[0] for text in found} == set(known)
    heights = np.array([found[t][1] for t in found])
    values = np.array([known[t.split(':')[0]] for t in found])
    order = np.argsort(values)
    # a triangle's corners lie half a px lower than its place
    assert np.all(np.diff(heights[order]) <= 0.5)
    assert heights.min() > 0
    assert heights.max() < 250


@pytest.mark.parametrize(
    ('people', 'boxes'), [(charts.LEAST_BOXED - 1, 0), (charts.LEAST_BOXED, 1)]
)
def test_quartiles_are_drawn_of_enough_people(people, boxes):
    svg = charts.distribution_chart([sample('a', people, 1)], {'a': '#000'}, unit='', label='x')
    assert svg.count('class="box"') == boxes
    assert svg.count('class="median"') == 1


def test_points_of_a_group_stay_in_its_column_and_do_not_move():
    samples = [sample('a', 40, 1), sample('b', 40, 2)]
    colours = group_colours(['a', 'b'])
    first = charts.distribution_chart(samples, colours, unit='', label='x')
    assert first == charts.distribution_chart(samples, colours, unit='', label='x')
    found = points(first)
    left = [x for t, (x, _) in found.items() if t.startswith('sub-a')]
    right = [x for t, (x, _) in found.items() if t.startswith('sub-b')]
    assert max(left) < 200 < min(right)


def test_crowds_become_one_small_path_but_for_the_outermost():
    samples = [sample('a', 10_000, 1)]
    svg = charts.distribution_chart(samples, {'a': '#000'}, unit='', label='x')
    assert len(svg) < 100_000
    (path,) = [e for e in ElementTree.fromstring(svg).iter(f'{SVG}path')]
    assert path.get('class') == 'crowd'
    order = np.argsort(samples[0].values)
    named = {text.split(':')[0] for text in points(svg)}
    assert named == {samples[0].people[i] for i in (*order[:8], *order[-8:])}


@pytest.mark.parametrize('name', ['<script>alert(1)</script>', 'a&b"\'', 'x\x01y', 'é' * 80])
def test_names_are_data(name):
    given = charts.GroupPoints(
        name, (name, name + '2'), np.array([1.0, 2.0]), np.array([0.0, 1.0]), name
    )
    effect = charts.Effect(name, name, 1.0, 0.5, 1.5, name, True, 0.4)
    for svg in (
        charts.distribution_chart([given], {name: '#000'}, unit=name, label=name),
        charts.scatter_chart([given], {name: '#000'}, x_label=name, unit=name, label=name),
        charts.forest_chart([effect], unit=name, label=name),
        charts.effect_map([effect], label=name),
    ):
        root = ElementTree.fromstring(svg)
        assert not [e for e in root.iter() if 'script' in e.tag]
        clean = name.replace('\x01', '')
        assert any(clean in (e.text or '') for e in root.iter(f'{SVG}title'))


def test_scatter_shows_those_with_both_values_and_the_note():
    a = sample('a', 6, 1, x=np.arange(6.0), note='ρ = 0.50, n = 5')
    a.x[2] = np.nan
    b = sample('b', 3, 2, x=np.full(3, np.nan), note='never')
    svg = charts.scatter_chart([a, b], group_colours('ab'), x_label='EDSS', unit='ppb', label='x')
    found = points(svg)
    assert {t.split(':')[0] for t in found} == {f'sub-a{i}' for i in (0, 1, 3, 4, 5)}
    across = [found[t][0] for t in sorted(found)]
    assert across == sorted(across)
    assert 'ρ = 0.50, n = 5' in svg
    assert 'never' not in svg


def effects():
    return [
        charts.Effect('caudate', 'a − b', 5.0, 2.0, 8.0, '5 [2, 8]', True, 0.9),
        charts.Effect('caudate', 'c − b', -1.0, -4.0, 2.0, '−1 [−4, 2]', False, -0.1),
        charts.Effect('putamen', 'a − b', np.nan, np.nan, np.nan, 'not tested', False),
    ]


def test_forest_fills_just_what_is_significant_and_keeps_the_order_of_values():
    root = ElementTree.fromstring(charts.forest_chart(effects(), unit='ppb', label='x'))
    first, second = (e for e in root.iter() if e.get('stroke-width') == '1.8')
    assert [m.get('fill') == '#fff' for m in (first, second)] == [False, True]
    corners = [float(pair.split(',')[0]) for pair in second.get('points').split()]
    assert max(corners) < float(first.get('cx'))
    lines = [e for e in root.iter(f'{SVG}line') if e.get('class') == 'interval']
    assert float(lines[0].get('x1')) < float(first.get('cx')) < float(lines[0].get('x2'))
    zero = next(e for e in root.iter(f'{SVG}line') if 'zero' in e.get('class', ''))
    assert float(lines[1].get('x1')) < float(zero.get('x1')) < float(lines[1].get('x2'))
    assert any(e.text == 'not tested' for e in root.iter(f'{SVG}text'))


def test_differences_have_marks_and_no_group_colour():
    svg = charts.forest_chart(effects()[:2], unit='ppb', label='x')
    assert not [c for c in GROUP_COLOURS if c.lower() in svg.lower()]
    shapes = [e.tag for e in ElementTree.fromstring(svg).iter() if e.get('stroke-width') == '1.8']
    assert shapes == [f'{SVG}circle', f'{SVG}polygon']
    own = charts.forest_chart(effects()[:1], unit='ppb', label='x', colours={'a − b': '#abc'})
    assert '#abc' in own


def test_no_effect_is_clipped():
    large = [replace(effects()[0], effect_size=size) for size in (19.8, 10.0, -1.0)]
    fills = [
        e.get('fill')
        for e in ElementTree.fromstring(charts.effect_map(large, label='x')).iter(f'{SVG}rect')
    ]
    assert len(set(fills)) == 3


def test_effect_map_rings_just_what_is_significant():
    root = ElementTree.fromstring(charts.effect_map(effects(), label='x'))
    cells = [e for e in root.iter(f'{SVG}rect')]
    assert ['ring' in c.get('class') for c in cells] == [True, False, False]
    texts = [e.text for e in root.iter(f'{SVG}text')]
    assert {'0.90 *', '−0.10', 'n/a'} <= set(texts)


def test_nothing_to_show_is_said():
    empty = charts.GroupPoints('a', ('sub-1',), np.array([np.nan]), np.array([1.0]))
    for svg in (
        charts.distribution_chart([empty], {'a': '#000'}, unit='', label='x'),
        charts.scatter_chart([empty], {'a': '#000'}, x_label='', unit='', label='x'),
    ):
        assert 'no values' in svg


def test_columns_of_the_effect_map_stand_under_their_names():
    effects = [
        charts.Effect(region, contrast, 0.5, 0.1, 0.9, 'x', True, effect_size=0.5)
        for region in ('caudate', 'putamen') for contrast in ('A - B', 'A - C', 'B - C')
    ]  # fmt: skip
    root = ElementTree.fromstring(charts.effect_map(effects, label='x'))
    names = {e[0].text: float(e.get('x')) for e in root.iter(f'{SVG}text') if len(e)}
    cells = [e for e in root.iter(f'{SVG}rect') if 'cell' in (e.get('class') or '')]
    assert len(cells) == 6
    for cell in cells:
        middle = float(cell.get('x')) + float(cell.get('width')) / 2
        contrast = cell[0].text.split(', ')[1].split(':')[0]
        assert names[contrast] == pytest.approx(middle, abs=1)
    width, height = (float(v) for v in root.get('viewBox').split()[2:])
    for cell in cells:
        assert float(cell.get('x')) + float(cell.get('width')) <= width
        assert float(cell.get('y')) + float(cell.get('height')) <= height


def test_points_of_a_scatter_chart_lie_in_its_panel():
    drawn = [sample('a', 30, 1, x=np.arange(30.0)), sample('b', 30, 2, x=np.arange(30.0))]
    colours = group_colours(['a', 'b'])
    svg = charts.scatter_chart(drawn, colours, unit='', label='x', x_label='EDSS')
    width, height = (float(v) for v in ElementTree.fromstring(svg).get('viewBox').split()[2:])
    places = np.array(list(points(svg).values()))
    assert len(places) == 60
    # below the notes of both groups and above the scores
    assert places[:, 1].min() > 30
    assert places[:, 1].max() < height - 30
    assert places[:, 0].min() > 0
    assert places[:, 0].max() < width


def test_a_group_keeps_its_mark_where_others_are_not_drawn():
    colours = dict.fromkeys('abc', '#000')
    alone = [sample('c', 5, 1, x=np.arange(5.0))]
    for svg in (charts.scatter_chart(alone, colours, x_label='', unit='', label='x'),
                charts.distribution_chart(alone, colours, unit='', label='x')):  # fmt: skip
        assert svg.count('<rect') >= 5
        assert '<circle' not in svg
