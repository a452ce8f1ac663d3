"""Reading pages as a browser would, and a small region table for them."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pandas as pd

EVIL = '<script>alert("x")</script>'


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.links, self.scripts, self.tables = [], [], [], []
        self.text, self.stack, self.policy = [], [], ''
        self.feed(html)
        self.words = ' '.join(' '.join(self.text).split())

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == 'a':
            self.links.append(given['href'])
        else:
            self.addresses += [given[k] for k in ('src', 'href', 'srcset', 'data') if k in given]
        assert not [k for k in given if k.startswith('on')]
        if given.get('http-equiv') == 'Content-Security-Policy':
            self.policy = given['content']
        if tag == 'tr' and 'tbody' in self.stack:
            self.tables.append([])
        if tag == 'td' and 'data-v' in given:
            self.tables[-1].append(given['data-v'])
        if tag not in ('meta', 'input', 'br', 'link'):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if self.stack and self.stack[-1] == 'script':
            self.scripts.append(data)
        elif 'style' not in self.stack:
            self.text.append(data)


def check_alone(html):
    """The page loads nothing from anywhere and runs only its own script."""
    page = Page(html)
    assert all(a.startswith('data:image/png;base64,') for a in page.addresses)
    for link in page.links:
        assert link.startswith(('#', 'https://doi.org/')) or '/' not in link
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.policy
    assert "default-src 'none'" in page.policy
    css = re.search(r'<style>(.*?)</style>', html, re.DOTALL)[1]
    assert not re.search(r'url\(|@import', css)
    assert '{{' not in html
    assert 'undefined' not in page.words.lower()
    return page


def region_rows(**changes):
    """Two nuclei and the brain; `changes` are made to the right caudate."""
    rows = []
    for region, mean in (('caudate', 20.25), ('pallidum', 130.125)):
        for side in ('L', 'R', 'both'):
            rows.append({
                'participant_id': 'sub-01', 'session_id': None, 'run_id': None, 'atlas': 'dgm',
                'region': region, 'hemisphere': side, 'n_voxels': 150, 'volume_mm3': 1400.0,
                'coverage': 0.97, 'chi_mean': mean, 'chi_median': mean, 'chi_sd': 5.0,
                'r2star_mean': 20.0,
            })  # fmt: skip
    brain = rows[0] | {'region': 'brain', 'hemisphere': 'both', 'volume_mm3': 1.3e6, 'chi_mean': 0}
    frame = pd.DataFrame([*rows, brain])
    for column, value in changes.items():
        frame.loc[1, column] = value
    return frame
