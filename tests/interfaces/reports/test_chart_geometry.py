"""Where charts put what they show: read back with the scale that their own numbers tell."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from nigra.interfaces.reports import charts, marks
from nigra.interfaces.reports.charts import Effect
from nigra.interfaces.reports.colours import group_colours
from nigra.interfaces.reports.marks import spread
from nigra.interfaces.reports.scales import Axis
from nigra.interfaces.reports.svg import drawing
from nigra.nodes.statistics.correlations import line_with_band

SVG = '{http://www.w3.org/2000/svg}'


def numeral(text):
    return float(text.replace('−', '-'))


def elements(root, tag, css=None):
    return [
        e for e in root.iter(f'{SVG}{tag}') if css is None or css in (e.get('class') or '').split()
    ]


def place(element, *names):
    found = [float(element.get(name)) for name in names]
    return found[0] if len(found) == 1 else found


def scale(root, along, css):
    """Value at a px, from the numbers beside the axis."""
    ticks = [e for e in elements(root, 'text', css) if re.fullmatch(r'[−\d.]+', e.text)]
    shift = 4 if along == 'y' else 0  # text stands a little below its line
    px, values = [place(e, along) - shift for e in ticks], [numeral(e.text) for e in ticks]
    slope, zero = np.polyfit(px, values, 1)
    assert np.polyval((slope, zero), px) == pytest.approx(values, abs=0.02 * np.ptp(values))
    return lambda at: slope * np.asarray(at, float) + zero


def size(root):
    return [float(v) for v in root.get('viewBox').split()[2:]]


def check_inside(root):
    """Nothing is drawn beyond the picture."""
    width, height = size(root)
    for e in root.iter():
        for name in ('x', 'x1', 'x2', 'cx'):
            assert 0 <= float(e.get(name) or 0) <= width
        for name in ('y', 'y1', 'y2', 'cy'):
            assert 0 <= float(e.get(name) or 0) <= height
        if e.tag == f'{SVG}rect':
            x, y, w, h = place(e, 'x', 'y', 'width', 'height')
            assert w > 0
            assert h > 0
            assert x + w <= width
            assert y + h <= height


def sample(group, values, **more):
    people = tuple(f'sub-{group}{i}' for i in range(len(values)))
    return charts.GroupPoints(group, people, np.array(values, float), **more)


VALUES = [3, 10, 11, 12, 13, 14, 15, 16, 17, 40.0]


@pytest.fixture
def distribution():
    groups = [sample('a', VALUES), sample('b', [5, 6, 7, 8]), sample('c', [20, 30.0])]
    text = charts.distribution_chart(groups, group_colours('abc'), unit='ppb', label='x')
    root = ElementTree.fromstring(text)
    return root, elements(root, 'g', 'group')


def test_boxes_are_quartiles_and_whiskers_end_within_one_and_a_half(distribution):
    root, (first, *_) = distribution
    check_inside(root)
    value = scale(root, 'y', 'end')
    q1, median, q3 = np.percentile(VALUES, [25, 50, 75])
    tolerance = 0.15  # coordinates have two digits
    (box,), (line,) = elements(first, 'rect', 'box'), elements(first, 'line', 'median')
    y, height = place(box, 'y', 'height')
    assert [value(y), value(y + height)] == pytest.approx([q3, q1], abs=tolerance)
    assert value(place(line, 'y1', 'y2')) == pytest.approx([median] * 2, abs=tolerance)
    upper, lower = (value(place(w, 'y1', 'y2')) for w in elements(first, 'line', 'whisker'))
    # 3 and 40 lie beyond 1.5 times the box and are points only
    assert upper == pytest.approx([17, q3], abs=tolerance)
    assert lower == pytest.approx([q1, 10], abs=tolerance)
    x, width = place(box, 'x', 'width')
    assert place(line, 'x1', 'x2') == pytest.approx([x, x + width], abs=0.1)
    for whisker in elements(first, 'line', 'whisker'):
        assert place(whisker, 'x1', 'x2') == pytest.approx([x + width / 2] * 2, abs=0.1)
    for point in elements(first, 'circle', 'point'):
        told = numeral(point[0].text.split(': ')[1].split()[0])
        assert value(place(point, 'cy')) == pytest.approx(told, abs=tolerance)
        assert x < place(point, 'cx') < x + width


def test_few_people_have_a_median_or_points_alone(distribution):
    _, groups = distribution
    assert [len(elements(g, 'rect', 'box')) for g in groups] == [1, 0, 0]
    assert [len(elements(g, 'line', 'median')) for g in groups] == [1, 1, 0]


def test_columns_share_the_width_and_names_stand_under_them(distribution):
    root, groups = distribution
    names = [e for e in elements(root, 'text', 'name') if len(e)]
    centres = [place(e, 'x') for e in names]
    assert np.diff(centres) == pytest.approx([100, 100], abs=1)  # 300 of 356 px
    width, height = size(root)
    assert centres[0] - 50 >= 46
    assert centres[-1] + 50 <= width
    counts = [e for e in elements(root, 'text', 'tick') if e.text.startswith('n = ')]
    assert [e.text for e in counts] == ['n = 10', 'n = 4', 'n = 2']
    assert [place(e, 'x') for e in counts] == centres
    for name, count in zip(names, counts, strict=True):
        assert 10 <= place(count, 'y') - place(name, 'y') <= 20
        assert place(count, 'y') < height
    line = elements(groups[1], 'line', 'median')[0]
    assert np.mean(place(line, 'x1', 'x2')) == pytest.approx(centres[1], abs=0.1)
    lowest = max(place(e, 'y1') for e in elements(root, 'line', 'grid'))
    assert lowest < min(place(e, 'y') for e in names) - 8  # text is above its line
    for e in elements(root, 'line', 'grid'):
        assert place(e, 'x1', 'x2') == [46, width - 6]


def test_wide_columns_do_not_make_wide_boxes():
    chart = charts.distribution_chart([sample('a', VALUES)], {'a': '#000'}, unit='', label='x')
    (box,) = elements(ElementTree.fromstring(chart), 'rect', 'box')
    assert place(box, 'width') == 68
    assert place(box, 'x') + 34 == pytest.approx(50 + 150)


@pytest.fixture
def scattered():
    rng = np.random.default_rng(0)
    x = np.arange(12.0)
    groups = [sample('a', 30 + 2 * x + rng.normal(0, 2, 12), x=x, note='r = 1'),
              sample('b', [10, 30, 20], x=np.array([1.0, 2, 3]), note='too few'),
              sample('c', [15, 25, 20, 22], x=np.full(4, 5.0), note='no score')]  # fmt: skip
    chart = charts.scatter_chart(
        groups, group_colours('abc'), x_label='EDSS', unit='ppb', label='x'
    )
    return groups, ElementTree.fromstring(chart)


def test_people_stand_at_their_score_and_value(scattered):
    (a, *_), root = scattered
    check_inside(root)
    value, score = scale(root, 'y', 'end'), scale(root, 'x', 'mid')
    points = elements(elements(root, 'g', 'group')[0], 'circle', 'point')
    assert score([place(p, 'cx') for p in points]) == pytest.approx(a.x, abs=0.1)
    assert value([place(p, 'cy') for p in points]) == pytest.approx(a.values, abs=0.3)


def test_the_line_is_the_regression_and_its_band_surrounds_it(scattered):
    (a, *_), root = scattered
    value, score = scale(root, 'y', 'end'), scale(root, 'x', 'mid')
    groups = elements(root, 'g', 'group')
    assert [len(elements(g, 'line', 'fit')) for g in groups] == [1, 0, 0]
    (line,), (band,) = elements(groups[0], 'line', 'fit'), elements(groups[0], 'polygon', 'band')
    assert score(place(line, 'x1', 'x2')) == pytest.approx([0, 11], abs=0.1)
    ends, half = line_with_band(a.x, a.values, np.array([0.0, 11.0]))
    assert value(place(line, 'y1', 'y2')) == pytest.approx(ends, abs=0.3)
    corners = np.array([p.split(',') for p in band.get('points').split()], float)
    assert len(corners) == 50
    assert value(corners[0, 1]) == pytest.approx(ends[0] + half[0], abs=0.3)
    assert value(corners[-1, 1]) == pytest.approx(ends[0] - half[0], abs=0.3)
    assert value(corners[24:26, 1]) == pytest.approx(
        ends[1] + half[1] * np.array([1, -1]), abs=0.3
    )


def test_four_points_have_a_line_and_a_wide_band_ends_at_the_panel():
    wild = sample('a', [0.0, 90, 10, 80], x=np.array([0.0, 1, 2, 3]), note='n')
    chart = charts.scatter_chart([wild], {'a': '#000'}, x_label='s', unit='', label='x')
    root = ElementTree.fromstring(chart)
    (band,) = elements(root, 'polygon', 'band')
    y = np.array([p.split(',')[1] for p in band.get('points').split()], float)
    assert y.min() == 12 + 15  # below the note
    assert y.max() == 270 - 38  # above the scores


def test_notes_stand_above_each_other_and_above_all_points(scattered):
    _, root = scattered
    notes = elements(root, 'text', 'note')
    assert [e.text for e in notes] == ['a  r = 1', 'b  too few', 'c  no score']
    heights = [place(e, 'y') for e in notes]
    assert np.diff(heights).tolist() == [15, 15]
    assert heights[0] >= 10
    tops = [place(e, 'cy') for e in elements(root, 'circle', 'point')]
    assert min(tops) > heights[-1]
    (label,) = elements(root, 'text', 'name')
    assert label.text == 'EDSS'
    assert place(label, 'x') == (46 + 356) / 2
    across = [e for e in elements(root, 'text', 'mid') if e is not label]
    assert all(place(label, 'y') - place(e, 'y') == 16 for e in across)


EFFECTS = [
    Effect('caudate', 'a', 5.0, 2.0, 8.0, '5', True, 0.9),
    Effect('caudate', 'b', -1.0, -4.0, 2.0, '-1', False, -0.4),
    Effect('putamen', 'a', 3.0, np.nan, 9.0, '3', False, 0.2),
    Effect('putamen', 'b', np.nan, np.nan, np.nan, 'not tested', False),
]


def test_a_forest_reads_back_as_its_numbers():
    root = ElementTree.fromstring(charts.forest_chart(EFFECTS, unit='ppb', label='x'))
    check_inside(root)
    value = scale(root, 'x', 'mid')
    lines, groups = [], elements(root, 'g', 'effect')
    for effect, group in zip(EFFECTS, groups, strict=True):
        name, text = elements(group, 'text')[0], elements(group, 'text', 'value')[0]
        assert (name.text, text.text) == (effect.contrast, effect.text)
        assert place(name, 'y') == place(text, 'y')
        lines.append(place(text, 'y'))
        interval = elements(group, 'line', 'interval')
        assert len(interval) == np.isfinite([effect.low, effect.high]).all()
        for bar in interval:
            ends = value(place(bar, 'x1', 'x2'))
            assert ends == pytest.approx([effect.low, effect.high], abs=0.05)
            assert place(bar, 'y1') == place(bar, 'y2') == place(text, 'y') - 4
    (circle, *_) = elements(root, 'circle')
    assert value(place(circle, 'cx')) == pytest.approx(5, abs=0.05)
    assert np.diff(lines).tolist() == [19, 29, 19]  # a gap before the next region
    regions = elements(root, 'text', 'strong')
    assert [e.text for e in regions] == ['caudate', 'putamen']
    assert [place(e, 'y') for e in regions] == [lines[0] - 0.5, lines[2] - 0.5]
    grid = elements(root, 'line', 'grid')
    assert all(330 <= place(e, 'x1') <= 960 - 330 for e in grid)
    assert place(grid[0], 'y2') > lines[-1]
    unit = next(e for e in elements(root, 'text', 'name') if e.text == 'difference, ppb')
    assert place(unit, 'x') == 480
    assert place(unit, 'y') > place(grid[0], 'y2') + 14


@pytest.mark.parametrize(('contrasts', 'cell'), [(2, 190.0), (10, 91.0)])
def test_cells_of_the_map_touch_but_do_not_overlap(contrasts, cell):
    made = [
        Effect(region, f'c{n}', 1, 0, 2, 'x', False, 0.3)
        for region in ('caudate', 'putamen', 'thalamus') for n in range(contrasts)
    ]  # fmt: skip
    root = ElementTree.fromstring(charts.effect_map(made, label='x'))
    check_inside(root)
    boxes = np.array([place(e, 'x', 'y', 'width', 'height') for e in elements(root, 'rect')])
    table = boxes.reshape(3, contrasts, 4)
    assert table[..., 2] == pytest.approx(cell - 3)
    assert np.diff(table[..., 0], axis=1) == pytest.approx(cell, abs=0.02)
    assert np.diff(table[..., 1], axis=0) == pytest.approx(27)
    assert size(root) == pytest.approx([190 + cell * contrasts, 30 + 27 * 3])
    regions = [e for e in elements(root, 'text', 'strong')]
    for row, name in zip(table, regions, strict=True):
        top, height = row[0, 1], row[0, 3]
        assert top < place(name, 'y') < top + height
    for box, value in zip(boxes, elements(root, 'text', 'value'), strict=True):
        assert place(value, 'x') == pytest.approx(box[0] + box[2] / 2, abs=0.02)
        assert box[1] < place(value, 'y') < box[1] + box[3]
    names = [e for e in elements(root, 'text', 'name') if len(e)]
    assert max(place(e, 'y') for e in names) < table[..., 1].min()


def test_an_empty_map_is_as_wide_as_its_names():
    root = ElementTree.fromstring(charts.effect_map([], label='x'))
    assert size(root) == [190, 30]


@pytest.mark.parametrize('mark', marks.MARKS)
def test_marks_are_centred_and_look_equally_large(mark):
    parent = drawing(100, 100, label='x')
    marks.draw_mark(parent, mark, 40.0, 60.0, 10.0)
    (drawn,) = list(parent)
    if mark == 'circle':
        assert place(drawn, 'cx', 'cy', 'r') == [40, 60, 10]
        return
    if mark == 'square':
        x, y, width, height = place(drawn, 'x', 'y', 'width', 'height')
        corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
    else:
        corners = np.array([p.split(',') for p in drawn.get('points').split()], float)
    x, y = corners.T
    area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    assert area == pytest.approx(np.pi * 100, rel=0.25)
    assert corners.mean(axis=0) == pytest.approx([40, 60], abs=2)
    assert np.ptp(x) / 2 + x.min() == pytest.approx(40)


@pytest.mark.parametrize(('n', 'radius'), [(12, 4.6), (13, 3.2)])
def test_few_points_are_larger(n, radius):
    parent = drawing(100, 100, label='x')
    marks.draw_points(parent, np.zeros(n), np.arange(n), ['x'] * n, '#000')
    assert {float(e.get('r')) for e in parent} == {radius}


@pytest.mark.parametrize(('n', 'crowd'), [(400, False), (401, True)])
def test_a_crowd_is_a_path_through_whole_px_and_its_ends(n, crowd):
    parent = drawing(500, 500, label='x')
    y = np.arange(n) + 0.3
    marks.draw_points(parent, np.full(n, 7.2), y, [str(i) for i in range(n)], '#000')
    assert [e.tag for e in parent].count('path') == crowd
    points = [e for e in parent if e.tag == 'circle']
    if crowd:
        assert [e[0].text for e in points] == [str(i) for i in (*range(8), *range(n - 8, n))]
        assert parent[0].get('d').startswith('M7 0h0M7 1h0')
    else:
        assert len(points) == n


def test_points_spread_sideways_by_how_crowded_their_place_is():
    values = np.concatenate([np.full(60, 10.0) + np.linspace(0, 0.5, 60), [0, 30.0]])
    offsets = spread(values, 8.0)
    assert abs(offsets).max() <= 8
    assert np.ptp(offsets[:60]) > 10  # nearly all of the width
    assert abs(offsets[60:]).max() <= 8 * 0.15 * 1.01 * 2
    assert spread(np.array([4.0]), 8.0).tolist() == [0]
    # equal values fill the width from the first on: 1/2, 1/4, 3/4 of it
    assert spread(np.full(3, 4.0), 8.0) == pytest.approx([0, -4, 4])
    two = spread(np.array([1.0, 2.0]), 8.0)
    assert two[0] == 0
    assert two[1] == pytest.approx(-4)


def test_an_axis_has_a_margin_of_six_hundredths_and_a_value_alone_a_tenth():
    axis = Axis.around(np.array([10.0, 60, 30]), 200.0, 20.0)
    assert (axis.low, axis.high) == pytest.approx((7, 63))
    assert axis(np.array([7, 35, 63.0])) == pytest.approx([200, 110, 20])
    alone = Axis.around(np.array([-40.0]), 0.0, 1.0)
    assert (alone.low, alone.high) == pytest.approx((-44, -36))
    assert Axis.around(np.zeros(2), 0, 1).high == pytest.approx(1e-6)


def test_wide_axes_have_more_numbers():
    assert len(Axis(0, 100, 0, 399).ticks) < len(Axis(0, 100, 400, 0).ticks)
