"""Reading pages as a browser would, and a small region table for them."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import nibabel as nib
import numpy as np
import pandas as pd

EVIL = '<script>alert("x")</script>'
NAMES = {1: 'caudate', 2: 'caudate', 3: 'pallidum', 4: 'pallidum'}


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.links, self.scripts, self.tables = [], [], [], []
        self.text, self.stack, self.policy, self.inline = [], [], '', False
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
        self.inline = tag == 'abbr'
        if tag not in ('meta', 'input', 'br', 'link'):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        self.inline = tag == 'abbr'
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if self.stack and self.stack[-1] == 'script':
            self.scripts.append(data)
        elif self.inline:  # a hint on a word does not part the sentence
            self.text[-1] += data
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


def save(path, data, affine, dtype=np.float32):
    nib.save(nib.Nifti1Image(np.asarray(data).astype(dtype), affine), path)
    return str(path)


def write_visit(root):
    """A ball of a brain with two pairs of nuclei: images of the T1w, and an anisotropic run."""
    rng = np.random.default_rng(0)

    def world(shape, zooms):
        affine = np.diag([*zooms, 1.0])
        affine[:3, 3] = -np.array(zooms) * (np.array(shape) - 1) / 2
        places = zip(shape, zooms, affine[:3, 3], strict=True)
        axes = np.meshgrid(*(np.arange(n) * z + o for n, z, o in places), indexing='ij')
        radius = np.sqrt(sum(a**2 for a in axes))
        labels = np.zeros(shape, np.uint8)
        for value, (x, y) in {1: (-15, 10), 2: (15, 10), 3: (-15, -8), 4: (15, -8)}.items():
            labels[(axes[0] - x) ** 2 + (axes[1] - y) ** 2 + axes[2] ** 2 < 49] = value
        return affine, radius, labels

    affine, radius, labels = world((36, 40, 36), (2.0, 2.0, 2.0))
    brain = radius < 30
    t1w = np.where(brain, 60 + 40 * (radius < 20), 5) + rng.normal(size=radius.shape)
    given = {
        't1w': save(root / 't1w.nii.gz', t1w, affine),
        't1w_brain_mask': save(root / 'mask.nii.gz', brain, affine, np.uint8),
        'template_in_t1w': save(root / 'template.nii.gz', t1w * brain, affine),
        'labels_in_t1w': save(root / 'labels.nii.gz', labels, affine, np.uint8),
    }
    affine, radius, labels = world((44, 40, 20), (1.5, 1.8, 3.5))
    mask = radius < 28
    chi = np.where(labels > 2, 0.13, 0.02) * (labels > 0) + 0.005 * rng.normal(size=mask.shape)
    maps = {'magnitude': 100 * mask, 't1w_in_gre': np.where(mask, 60 + 40 * (radius < 20), 5),
            'qsm_mask': mask, 'totalfield': 0.3 * mask * radius / 30,
            'localfield': 0.02 * chi * mask, 'chimap': chi * mask, 'r2star': 20 * mask,
            'dseg': labels}  # fmt: skip
    run = {k: save(root / f'{k}.nii.gz', v, affine) for k, v in maps.items()}
    run |= {
        'regions_tsv': str(root / 'regions.tsv'),
        'entities': {'prefix': 'sub-01'},
        'facts': {'MagneticFieldStrength': 1.5, 'EchoTimes': [0.02, 0.04],
                  'VoxelSize': [1.5, 1.8, 3.5], 'B0Direction': [0, 0, 1], 'Shape': [44, 40, 20]},
        'parameters': {'inversion': {'weight': 0.0004}},
        'quality': {'overlap': 0.93},
        'load_warnings': [f'phase of {EVIL} was rescaled'],
        'field_warnings': None,
    }  # fmt: skip
    region_rows().to_csv(root / 'regions.tsv', sep='\t', index=False, na_rep='n/a')
    return given, run
