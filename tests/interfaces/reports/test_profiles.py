"""Profile of nuclei: both sides at their means."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.reports.profiles import region_profile

SVG = '{http://www.w3.org/2000/svg}'


def test_profile_marks_left_and_right_means():
    rows = pd.DataFrame({
        'region': ['caudate', 'caudate', 'putamen'], 'hemisphere': ['L', 'R', 'L'],
        'chi_mean': [40.0, 50.0, np.nan], 'chi_sd': [5.0, np.nan, 1.0],
    })  # fmt: skip
    svg = region_profile(rows)
    marks = [e[0].text for e in ElementTree.fromstring(svg).iter(f'{SVG}polygon')]
    assert marks == ['caudate left: 40 ppb', 'caudate right: 50 ppb']
    assert 'no values' in region_profile(rows[rows.region == 'putamen'])


def test_triangles_are_even_centred_on_the_mean_and_point_to_their_side():
    rows = pd.DataFrame({
        'region': ['caudate', 'caudate'], 'hemisphere': ['L', 'R'],
        'chi_mean': [40.0, 40.0], 'chi_sd': [5.0, 5.0],
    })  # fmt: skip
    root = ElementTree.fromstring(region_profile(rows))
    marks = [
        np.array([c.split(',') for c in mark.get('points').split()], float)
        for mark in root.iter(f'{SVG}polygon')
    ]
    lines = [e for e in root.iter(f'{SVG}line') if e.get('class') == 'interval']
    middles = [(float(e.get('x1')) + float(e.get('x2'))) / 2 for e in lines]
    for points, middle, side in zip(marks, middles, (-1, 1), strict=True):
        tip, *base = points
        assert base[0][0] == base[1][0]
        assert base[0][1] + base[1][1] == 2 * tip[1]
        assert side * (tip[0] - base[0][0]) > 8
        assert points[:, 0].mean() == pytest.approx(middle, abs=1)
