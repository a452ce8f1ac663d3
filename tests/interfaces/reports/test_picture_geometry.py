"""Where pictures put what they show: panels, lines, scales; and how much of an image is kept."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from nigra.interfaces.reports import figures as fig
from nigra.interfaces.reports import layers, outlines, slices
from nigra.interfaces.reports.figures import contour_path
from nigra.interfaces.reports.layers import ColourBar, DisplayVolume, Layer, palette, to_pixels
from nigra.interfaces.reports.outlines import two_thresholds
from nigra.interfaces.reports.slices import even_slices
from nigra.interfaces.reports.svg import short
from nigra.nodes.errors import NigraError

SVG = '{http://www.w3.org/2000/svg}'
GREY = palette('gray')


def volume(shape, zooms=(1.0, 1, 1), start=(0.0, 0, 0)):
    affine = np.diag([*zooms, 1.0])
    affine[:3, 3] = start
    return DisplayVolume(np.ones(shape, np.float32), affine)


def drawn(given, rows, **more):
    layer = Layer(to_pixels(given.data, 0, 1), GREY)
    return ElementTree.fromstring(fig.draw_slices([layer], rows, given, label='x', **more))


def groups(root):
    return [g for g in root.iter(f'{SVG}g') if g.findall(f'{SVG}image')]


def at(group):
    return [float(n) for n in re.findall(r'[-\d.]+', group.get('transform'))]


def number(element, *names):
    found = [float(element.get(name)) for name in names]
    return found[0] if len(found) == 1 else found


def test_the_fullest_row_fills_the_width_and_rows_have_one_gap_between():
    given = volume((20, 30, 10), (2.0, 1.0, 3.0))  # 40 x 30 x 30 mm
    root = drawn(given, [[(2, 1), (1, 2), (0, 3)], [(2, 5)]], width=618.0)
    images = [g.find(f'{SVG}image') for g in groups(root)]
    # 110 mm across and four gaps of 6 px
    scale = (618 - 24) / 110
    sizes = [number(i, 'width', 'height') for i in images]
    expected = [(40, 30), (40, 30), (30, 30), (40, 30)]
    assert np.ravel(sizes) == pytest.approx(scale * np.ravel(expected), abs=0.01)
    places = np.array([at(g) for g in groups(root)])
    lefts = 6 + np.array([0, 40 * scale + 6, 80 * scale + 12])
    assert places[:3, 0] == pytest.approx(lefts, abs=0.01)
    assert places[3] == pytest.approx(((618 - 40 * scale) / 2, 12 + 30 * scale), abs=0.01)
    height = float(root.get('viewBox').split()[3])
    assert height == pytest.approx(18 + 60 * scale, abs=0.01)


def test_letters_and_place_stand_in_the_corners():
    root = drawn(volume((20, 30, 10)), [[(2, 1)]], width=400.0)
    (group,) = groups(root)
    width, height = number(group.find(f'{SVG}image'), 'width', 'height')
    left, right, place = group.findall(f'{SVG}text')
    assert (number(left, 'x'), number(right, 'x'), number(place, 'x')) == (4, width - 4, 4)
    assert number(left, 'y') == number(right, 'y') == 14
    assert number(place, 'y') == pytest.approx(height - 5, abs=0.01)


def test_the_place_of_a_box_on_an_oblique_grid_is_that_of_its_middle():
    given = volume((20, 30, 10), start=(5.0, 7, 9))
    given.affine[2, 1] = 0.5  # z rises to the front
    box = (slice(2, 8), slice(10, 21), slice(1, 9))
    (group,) = groups(drawn(given, [[(2, 4)]], box=box))
    assert group.findall(f'{SVG}text')[-1].text == 'z 20'  # 9 + 4 + 0.5 * 15, halves to even
    pixels = group.find(f'{SVG}image').get('href').split(',')[1]
    assert Image.open(io.BytesIO(base64.b64decode(pixels))).size == (6, 11)


@pytest.mark.parametrize(
    ('voxels', 'px', 'kept'),
    [(100, 60.0, 100), (100, 59.9, 50), (170, 100.0, 85), (166, 100.0, 166), (400, 80.0, 134),
     (10, 500.0, 10)],
)  # fmt: skip
def test_voxels_much_smaller_than_a_px_are_thinned(voxels, px, kept):
    found = fig._thinned(np.zeros((voxels, 40), np.uint8), (px, 100.0))
    assert found.shape == (kept, 40)
    assert fig._thinned(np.zeros((40, voxels), np.uint8), (100.0, px)).shape == (40, kept)


def test_a_panel_without_room_keeps_its_voxels():
    assert fig._thinned(np.zeros((9, 8), np.uint8), (0, 0)).shape == (9, 8)


def test_outlines_run_along_the_edges_of_voxels():
    plane = np.zeros((10, 8))
    plane[2:5, 3:7] = 1
    path = contour_path(plane, 0.5, (200.0, 80.0))
    x, y = np.array(re.findall(r'[\d.]+', path), float).reshape(-1, 2).T
    # voxels of 20 x 10 px; the first row of voxels is at the bottom
    assert (x.min(), x.max()) == (40, 100)
    assert (y.min(), y.max()) == (80 - 70, 80 - 30)


def test_places_of_a_line_are_written_as_short_as_other_coordinates():
    plane = np.random.default_rng(2).random((30, 20)) > 0.5
    path = contour_path(plane, 0.5, (300.0, 75.0))
    written = re.findall(r'[\d.-]+', path)
    assert len(written) > 1000
    assert written == [short(float(v), 1) for v in written]
    assert any(number.isdigit() for number in written)
    assert set(re.sub(r'[\d.]', '', path)) == {'M', ' ', 'L'}


def test_lines_of_a_level_are_interpolated_and_end_at_the_picture():
    plane = np.tile(np.arange(10.0), (6, 1)).T  # rises across
    path = contour_path(plane, 4.25, (100.0, 60.0))
    x, y = np.array(re.findall(r'[\d.]+', path), float).reshape(-1, 2).T
    assert x.min() == 47.5
    assert (x == 47.5).sum() >= 6
    assert (x.max(), y.min(), y.max()) == (100, 0, 60)


@pytest.mark.parametrize(
    ('level', 'there'), [(0.0, False), (0.001, True), (0.999, True), (1.1, False)]
)
def test_a_level_beyond_all_values_has_no_line(level, there):
    plane = np.zeros((6, 6))
    plane[2:4, 2:4] = 1
    assert bool(contour_path(plane, level, (10, 10))) == there


@pytest.mark.parametrize('second', [None, 'Hz'])
def test_numbers_of_the_scale_stand_at_their_colours(second):
    bar = ColourBar(-2.0, 6.0, GREY, 'ppb', second, 10.0 if second else 1.0)
    root = drawn(volume((20, 30, 10)), [[(2, 1)]], bar=bar, width=500.0)
    height = float(root.get('viewBox').split()[3])
    (scale,) = root.findall(f'{SVG}image')
    x, y, length = number(scale, 'x', 'y', 'height')
    assert (x, y) == (500 - 92 + 8, 18 + 18)
    assert length == pytest.approx(height - 36 - (40 if second else 22), abs=0.01)
    texts = [t for t in root.findall(f'{SVG}text') if t.get('class') == 'scale']
    unit, *values = texts[:6]
    assert (unit.text, number(unit, 'y')) == ('ppb', 24)
    for text in values:
        value = float(text.text.replace('−', '-'))
        assert number(text, 'y') - 4 == pytest.approx(y + length * (6 - value) / 8, abs=0.01)
        assert number(text, 'x') == x + 18
    pixels = Image.open(io.BytesIO(base64.b64decode(scale.get('href').split(',')[1])))
    assert pixels.size == (1, 255)
    shades = np.asarray(pixels.convert('L'))[:, 0]
    assert (np.diff(shades.astype(int)) <= 0).all()  # the highest value at the top
    if second:
        assert texts[-1].text == '±60 Hz'
        assert number(texts[-1], 'y') == pytest.approx(y + length + 24, abs=0.01)


def test_a_png_of_known_voxels_only_is_opaque():
    for value, clear in ((7, False), (0, True)):
        pixels = np.full((3, 4), value, np.uint8)
        image = Image.open(io.BytesIO(fig.png_bytes(pixels, GREY)))
        assert ('transparency' in image.info) == clear
    assert Image.open(io.BytesIO(fig.png_bytes(pixels, GREY, (20, 10)))).size == (20, 10)


# Slices


def test_the_outermost_slices_are_left_out_evenly():
    mask = np.zeros((4, 4, 120), bool)
    mask[1:3, 1:3, 10:111] = True
    assert even_slices(mask, 2, 3, 0.1) == [(2, 20), (2, 60), (2, 100)]
    assert even_slices(mask, 2, 1, 0.1) == [(2, 60)]
    assert even_slices(mask & False, 2, 1) == [(2, 60)]  # of everything, 0 to 119
    assert even_slices(mask, 0, 2, 0.0) == [(0, 1), (0, 2)]


def test_the_middle_is_shown_from_all_sides():
    mask = np.zeros((60, 60, 60), bool)
    mask[5:56, 5:56, 5:56] = True
    rows = slices.middle_slices(mask)
    assert [[axis for axis, _ in row] for row in rows] == [[2] * 5, [1] * 3 + [0] * 2]
    assert [i for _, i in rows[0]] == pytest.approx(np.linspace(16, 44, 5), abs=0.6)
    assert [i for _, i in rows[1]] == pytest.approx([21, 30, 39, 23, 37], abs=0.6)


def test_a_slice_is_worth_the_share_of_the_widest_section_that_it_adds():
    labels = np.zeros((30, 10, 12), np.uint8)
    labels[:20, :, 4], labels[:19, :, 2] = 1, 1  # a large nucleus, seen in two
    labels[20:23, 0, 8], labels[20:22, 0, 4] = 2, 2  # a small one, largely in the same slice
    assert slices.covering_slices(labels, 2, 1) == [(2, 4)]
    assert slices.covering_slices(labels, 2, 2) == [(2, 4), (2, 8)]
    # where all is seen the fullest slice follows, if it is apart
    assert slices.covering_slices(labels, 2, 3) == [(2, 2), (2, 4), (2, 8)]
    assert slices.covering_slices(labels, 2, 3, gap=3) == [(2, 4), (2, 8)]
    assert slices.covering_slices(labels, 2, 9) == [(2, 2), (2, 4), (2, 8)]


@pytest.mark.parametrize('gap', [1, 2, 5])
def test_slices_keep_their_distance_on_both_sides(gap):
    labels = np.ones((2, 2, 31), np.uint8)
    places = [i for _, i in slices.covering_slices(labels, 2, 40, gap)]
    assert min(np.diff(places)) == gap
    assert len(places) == -(-31 // gap)


# Layers and lines


def test_scales_rise_and_their_ends_are_the_first_and_last_colour():
    values = np.array([-3.0, -2, 0, 2, 5, np.nan])
    assert to_pixels(values, -2, 2)[:5].tolist() == [1, 1, 128, 255, 255]
    for low, high in ((1, 1), (2, 1)):
        with pytest.raises(NigraError, match='must rise'):
            to_pixels(values, low, high)


def test_voxels_have_the_length_of_the_matrix_columns():
    affine = np.eye(4)
    affine[:3, :3] = [[0, -3, 0], [1.2, 0, 0], [1.6, 0, 4]]
    assert DisplayVolume(np.zeros((1, 1, 1)), affine).zooms == pytest.approx((2, 3, 4))


def test_windows_of_anatomy_begin_at_zero_and_ignore_what_is_empty():
    data = np.zeros((10, 10, 10))
    data[5:] = np.linspace(100, 200, 500).reshape(5, 10, 10)
    pixels = layers.grey_layer(data).pixels
    assert pixels[0, 0, 0] == 1
    assert pixels[5, 0, 0] == pytest.approx(255 * 100 / 200, abs=3)
    assert pixels[9].max() == 255
    within = np.zeros(data.shape, bool)
    within[5] = True
    assert (layers.grey_layer(data, within=within).pixels[7:] == 255).all()
    below = layers.grey_layer(data - 50).pixels
    assert below[0, 0, 0] == 1  # of values below zero the window begins there
    assert below[5, 0, 0] > 80


def test_robust_ranges_are_percentiles_even_of_many_values():
    values = np.linspace(0, 1, 1_000_001)
    assert layers.robust_range(values, 10, 90) == pytest.approx((0.1, 0.9), abs=1e-4)
    assert layers.robust_range(np.full(9, 4.0)) == (4, 5)
    assert layers.robust_range(np.array([np.nan])) == (0, 1)
    assert layers.symmetric_limit(np.linspace(-90, 30, 1000)) == 100
    assert layers.symmetric_limit(np.array([np.nan])) == 1


def test_two_thresholds_part_three_tissues():
    rng = np.random.default_rng(0)
    tissues = ((20, 4000), (60, 9000), (100, 7000))
    values = np.concatenate([rng.normal(middle, 3, n) for middle, n in tissues])
    dark, bright = two_thresholds(values)
    assert 29 < dark < 51
    assert 69 < bright < 91
    # brute force over the same bins
    low, high = layers.robust_range(values, 0.5, 99.5)
    counts, edges = np.histogram(values, 24, (low, high))
    middle = (edges[:-1] + edges[1:]) / 2

    def within(parts):
        return sum((counts[p] * (middle[p] - np.average(middle[p], weights=counts[p])) ** 2).sum()
                   for p in parts if counts[p].sum())  # fmt: skip

    best = min(
        ((a, b) for a in range(1, 23) for b in range(a + 1, 24)),
        key=lambda pair: within([slice(0, pair[0]), slice(*pair), slice(pair[1], 24)]),
    )
    assert two_thresholds(values, 24) == pytest.approx((edges[best[0]], edges[best[1]]))


def test_sides_of_a_region_become_one_and_unknown_labels_keep_their_number():
    labels = np.array([[[0, 3, 7, 5, 9]]])
    merged, names = outlines.merge_labels(labels, {3: 'putamen', 5: 'caudate', 7: 'putamen'})
    assert names == ['putamen', 'caudate', 'label 9']
    assert merged.ravel().tolist() == [0, 1, 1, 2, 3]
