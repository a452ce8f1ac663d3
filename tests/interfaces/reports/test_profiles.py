"""Profile of nuclei: both sides at their means."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd

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
