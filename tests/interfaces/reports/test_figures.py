"""Brain pictures: the right side on the right side, in true proportion, and honest colours."""

import base64
import io
import re
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from nigra.interfaces.reports import figures as fig
from nigra.interfaces.reports.layers import (
    ColourBar,
    DisplayVolume,
    Layer,
    load_volume,
    palette,
    to_pixels,
)

SVG = '{http://www.w3.org/2000/svg}'
GREY = palette('gray')


def panels(svg):
    """Panels of a picture: each with its RGBA voxels, drawn size and texts."""
    found = []
    for group in ElementTree.fromstring(svg).iter(f'{SVG}g'):
        images = group.findall(f'{SVG}image')
        if images:
            uri = images[0].get('href')
            assert uri.startswith('data:image/png;base64,')
            image = Image.open(io.BytesIO(base64.b64decode(uri.split(',')[1])))
            found.append({
                'rgba': np.asarray(image.convert('RGBA')),
                'size': (float(images[0].get('width')), float(images[0].get('height'))),
                'texts': [t.text for t in group.findall(f'{SVG}text')],
                'paths': group.findall(f'.//{SVG}path'),
            })  # fmt: skip
    return found


def head_with_mark(codes, zooms=(1.0, 1.0, 1.0)):
    """Image with one bright voxel at the patient's left, front and top, stored as `codes`."""
    data = np.full((12, 14, 10), 10.0, np.float32)
    data[2, 11, 8] = 100.0
    affine = np.diag([*zooms, 1.0])
    image = nib.Nifti1Image(data, affine)
    start = nib.orientations.io_orientation(affine)
    turn = nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(codes))
    return image.as_reoriented(turn)


@pytest.mark.parametrize('codes', ['RAS', 'LAS', 'LPS', 'PIR', 'ASL', 'IPR'])
def test_left_is_left_front_is_up_whatever_the_storage(tmp_path, codes):
    path = tmp_path / 'x.nii.gz'
    nib.save(head_with_mark(codes), path)
    volume = load_volume(path)
    assert volume.data.shape == (12, 14, 10)
    layer = Layer(to_pixels(volume.data, 0, 100), GREY)
    views = [(2, 8), (1, 11), (0, 2)]
    for panel, texts in zip(
        panels(fig.draw_slices([layer], [views], volume, label='x')),
        (['L', 'R'], ['L', 'R'], ['P', 'A']),
        strict=True,
    ):
        rows, columns = panel['rgba'].shape[:2]
        row, column = np.unravel_index(panel['rgba'][..., 0].argmax(), (rows, columns))
        assert row < rows / 2
        assert (column < columns / 2) == (texts == ['L', 'R'])
        assert panel['texts'][:2] == texts


@pytest.mark.parametrize('zooms', [(1.0, 1.0, 3.0), (0.5, 1.0, 2.0), (2.0, 0.7, 1.1)])
def test_panels_have_physical_proportions_at_one_scale(zooms):
    shape = (24, 20, 12)
    volume = DisplayVolume(np.ones(shape, np.float32), np.diag([*zooms, 1.0]))
    layer = Layer(to_pixels(volume.data, 0, 1), GREY)
    rows = [[(2, 3), (2, 5)], [(1, 4), (0, 6)]]
    svg = fig.draw_slices([layer], rows, volume, label='x')
    millimetres = [n * z for n, z in zip(shape, zooms, strict=True)]
    scales = []
    for panel, (axis, _) in zip(panels(svg), rows[0] + rows[1], strict=True):
        across, up = (millimetres[a] for a in range(3) if a != axis)
        scales += [panel['size'][0] / across, panel['size'][1] / up]
    np.testing.assert_allclose(scales, scales[0], rtol=1e-2, equal_nan=False)


def test_slices_tell_their_position_in_mm():
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-20, -30, -40)
    volume = DisplayVolume(np.ones((20, 20, 20), np.float32), affine)
    layer = Layer(to_pixels(volume.data, 0, 1), GREY)
    svg = fig.draw_slices([layer], [[(2, 10), (0, 5), (1, 0)]], volume, label='x')
    assert [p['texts'][-1] for p in panels(svg)] == ['z −10', 'x −10', 'y −30']


def test_png_has_the_palette_and_lets_through_where_nothing_is_known():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7)).astype(np.uint8)
    pixels[0, 0] = 0
    colours = palette('inferno')
    image = Image.open(io.BytesIO(fig.png_bytes(pixels, colours))).convert('RGBA')
    rgba = np.asarray(image)
    np.testing.assert_array_equal(rgba[..., :3], colours[pixels])
    np.testing.assert_array_equal(rgba[..., 3] == 0, pixels == 0)


def area(path):
    """Area that a path of polygons encloses, holes with their sign."""
    total = 0.0
    for part in path.split('M')[1:]:
        x, y = np.array([p.split() for p in part.split('L')], float).T
        total += 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))
    return abs(total)


@pytest.mark.parametrize('at_edge', [False, True])
def test_outline_encloses_its_mask(at_edge):
    mask = np.zeros((40, 30), bool)
    mask[(0 if at_edge else 5) : 25, 8:20] = True
    size = (400.0, 600.0)
    path = fig.contour_path(mask, 0.5, size)
    expected = mask.sum() * (size[0] / 40) * (size[1] / 30)
    assert area(path) == pytest.approx(expected, rel=0.02)
    numbers = np.array(re.findall(r'[\d.]+', path), float).reshape(-1, 2)
    assert numbers[:, 0].max() <= 25 * 10 + 1e-6
    assert numbers[:, 1].min() >= 600 - 20 * 20 - 1e-6


def test_outline_of_nothing_is_nothing():
    assert fig.contour_path(np.zeros((5, 5), bool), 0.5, (10, 10)) == ''
    assert fig.contour_path(np.full((5, 5), np.nan), 0.5, (10, 10)) == ''


def test_outlines_carry_names_that_cannot_be_markup():
    volume = DisplayVolume(np.zeros((8, 8, 8), np.float32), np.eye(4))
    volume.data[2:6, 2:6, 2:6] = 1
    layer = Layer(to_pixels(volume.data, 0, 1), GREY)
    outline = fig.Outline(volume.data, '#fff', '<script>x</script>')
    svg = fig.draw_slices([layer], [[(2, 4)]], volume, label='x', outlines=[outline])
    assert '<script' not in svg
    (path,) = panels(svg)[0]['paths']
    assert path[0].text == '<script>x</script>'


def test_outline_of_one_value_is_that_of_its_mask():
    labels = np.random.default_rng(3).integers(0, 3, (9, 8, 7)).astype(np.uint8)
    volume = DisplayVolume(labels, np.eye(4))
    layer = Layer(to_pixels(labels, 0, 3), GREY)
    drawn = [
        fig.draw_slices([layer], [[(2, 3)]], volume, label='x', outlines=[outline])
        for outline in (
            fig.Outline(labels, '#fff', 'two', equals=2), fig.Outline(labels == 2, '#fff', 'two')
        )
    ]  # fmt: skip
    assert drawn[0] == drawn[1]
    assert panels(drawn[0])[0]['paths']


def test_bar_shows_both_units():
    volume = DisplayVolume(np.ones((6, 6, 6), np.float32), np.eye(4))
    layer = Layer(to_pixels(volume.data, -1, 1), GREY)
    bar = ColourBar(-0.5, 0.5, GREY, 'ppm', second_unit='Hz', factor=63.866)
    svg = fig.draw_slices([layer], [[(2, 3)]], volume, label='x', bar=bar)
    texts = [t.text for t in ElementTree.fromstring(svg).iter(f'{SVG}text')]
    assert {'ppm', '−0.5', '0', '0.5', '±31.9 Hz'} <= set(texts)


@pytest.mark.parametrize('second_unit', [None, 'Hz'])
def test_rows_are_centred_and_everything_lies_within_the_drawing(second_unit):
    volume = DisplayVolume(np.ones((24, 20, 12), np.float32), np.diag([1.0, 1.0, 2.0, 1.0]))
    layer = Layer(to_pixels(volume.data, 0, 1), GREY)
    rows = [[(2, 3), (2, 5), (2, 7)], [(2, 9)], [(1, 4), (0, 6)]]
    more = {'second_unit': second_unit, 'factor': 2.0} if second_unit else {}
    bar = ColourBar(-50.0, 50.0, GREY, 'ppb', **more)
    root = ElementTree.fromstring(
        fig.draw_slices([layer], rows, volume, label='x', bar=bar, width=600)
    )
    width, height = (float(n) for n in root.get('viewBox').split()[2:])
    spans, tops = [], []
    for group in root.iter(f'{SVG}g'):
        (image, *_) = group.findall(f'{SVG}image') or [None]
        if image is not None:
            x, y = (float(n) for n in re.findall(r'[-\d.]+', group.get('transform')))
            spans.append((x, x + float(image.get('width'))))
            tops.append((y, y + float(image.get('height'))))
    (scale,) = root.findall(f'{SVG}image')
    room = float(scale.get('x'))
    for row in (spans[:3], spans[3:4], spans[4:]):
        assert row[0][0] > 0
        assert row[-1][1] < room
        # as much room before the first as after the last
        assert row[0][0] == pytest.approx(room - 8 - row[-1][1], abs=0.5)
    assert all(0 < top < bottom < height for top, bottom in tops)
    assert room + float(scale.get('width')) < width
    assert float(scale.get('y')) > 0
    assert float(scale.get('y')) + float(scale.get('height')) < height
    texts = [t for t in root.findall(f'{SVG}text') if t.get('class') == 'scale']
    assert [float(t.text.replace('−', '-')) for t in texts[1:6]] == [-50, -25, 0, 25, 50]
    assert all(0 < float(t.get('y')) < height for t in texts)
    assert (texts[-1].text == '±100 Hz') == bool(second_unit)
