"""Slices of the template: the right nuclei in the right colours, outlined where significant."""

import base64
import io
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
from PIL import Image

from nigra.interfaces.reports.colours import LARGE_EFFECT, diverging_rgb
from nigra.interfaces.reports.effect_maps import SHOWN_T, _palette, draw_effects, draw_tests

SVG = '{http://www.w3.org/2000/svg}'


def steps(svg):
    """Places on the colour scale that the coloured voxels of a picture take; 0 is see-through."""
    found = set()
    for image in ElementTree.fromstring(svg).iter(f'{SVG}image'):
        if image.get('class') == 'layer effect':
            content = base64.b64decode(image.get('href').split(',')[1])
            found |= set(np.unique(np.asarray(Image.open(io.BytesIO(content)))).tolist())
    return found


def outlines(svg):
    """Hover texts of the lines."""
    return {path[0].text for path in ElementTree.fromstring(svg).iter(f'{SVG}path')}


def test_nuclei_take_the_colours_of_their_effects():
    sizes = {'putamen': -LARGE_EFFECT / 2, 'caudate': LARGE_EFFECT, 'nowhere': 1.0}
    svg = draw_effects(sizes, {'putamen', 'nowhere'}, label='x')
    assert steps(svg) == {0, 128 - 64, 255}
    assert outlines(svg) == {f'putamen: {-LARGE_EFFECT / 2:.2f}, significant'}
    assert draw_effects({'nowhere': 1.0}, set(), label='x') == ''


def test_no_effect_is_clipped():
    sizes = {'putamen': 19.8, 'caudate': 10.0}
    drawn = steps(draw_effects(sizes, set(), label='x'))
    assert drawn == {0, 128 + round(127 * 10 / 20), 128 + round(127 * 19.8 / 20)}


def test_a_whole_gives_way_to_its_parts():
    sizes = {'thalamus_whole': LARGE_EFFECT, 'thalamus': -LARGE_EFFECT, 'pulvinar': 0.0}
    assert steps(draw_effects(sizes, set(), label='x')) == {0, 1, 128}
    assert steps(draw_effects({'thalamus_whole': LARGE_EFFECT}, set(), label='x')) == {0, 255}


def test_voxels_are_coloured_from_the_shown_t_and_outlined_below_alpha(tmp_path):
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = -40
    t, p = np.full((20, 20, 20), SHOWN_T / 2), np.ones((20, 20, 20))
    t[5:10] = SHOWN_T
    t[10:15] = -40.0
    p[10:15, 5:15, 5:15] = 0.01
    for name, data in (('t', t), ('p', p)):
        nib.save(nib.Nifti1Image(data.astype(np.float32), affine), tmp_path / f'{name}.nii')
    paths = tmp_path / 't.nii', tmp_path / 'p.nii'
    svg = draw_tests(*paths, alpha=0.05, label='x')
    assert steps(svg) == {0, 1, 128 + round(127 * SHOWN_T / 8)}
    assert outlines(svg) == {'significant'}
    assert outlines(draw_tests(*paths, alpha=0.005, label='x')) == set()


def test_places_of_the_scale_have_the_colours_of_their_effects():
    colours = _palette()
    for place, effect in ((128, 0.0), (255, LARGE_EFFECT), (1, -LARGE_EFFECT)):
        assert colours[place].tolist() == diverging_rgb(effect).tolist()
    # fuller to both sides: farther from the neutral colour
    away = np.abs(colours[1:].astype(int) - colours[128]).sum(axis=1)
    assert np.all(np.diff(away[127:]) >= 0)
    assert np.all(np.diff(away[:128]) <= 0)
