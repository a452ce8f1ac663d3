"""Benchmarks that make tables and pictures of the documentation."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nigra.cli import main as nigra
from nigra.nodes.methods import BACKGROUND, INVERSION

BENCHMARKS = Path(__file__).parents[1] / 'benchmarks'


@pytest.fixture(scope='module')
def gallery():
    return runpy.run_path(str(BENCHMARKS / 'gallery.py'))


@pytest.fixture
def signal():
    """A slow and a fine phase on a flat magnitude."""
    x = np.arange(96)[:, None, None]
    angle = np.sin(2 * np.pi * x / 96) + 0.2 * np.sin(2 * np.pi * x / 6)
    return 50 * np.exp(1j * np.broadcast_to(angle, (96, 96, 24)))


def wave(signal, length):
    """Strength of the phase's wave of a length in voxels."""
    return abs(np.fft.fft(np.angle(signal)[:, 48, 3])[96 // length]) / 48


def test_broken_scans_are_broken_as_they_say(gallery, signal):
    assert np.allclose(np.angle(gallery['inverted'](signal)), -np.angle(signal))
    filtered = gallery['filtered'](signal)
    assert wave(filtered, 96) < 0.3 * wave(signal, 96)
    assert wave(filtered, 6) > 0.8 * wave(signal, 6)
    moved = gallery['moved'](signal * (np.arange(96) > 40)[:, None])
    assert np.allclose((abs(moved) ** 2).sum(), (abs(signal[:, 41:]) ** 2).sum())
    hole = gallery['void'](signal)
    assert abs(hole[42, 86, 20:]).mean() < 5
    assert np.array_equal(hole[90], signal[90])


def test_the_scans_are_a_data_set_that_the_command_takes(gallery, tmp_path):
    gallery['write_study'](tmp_path / 'bids')
    words = [str(tmp_path / 'bids'), str(tmp_path / 'out'), 'participant']
    assert nigra([*words, '--dry-run', '--skip-bids-validation']) == 0
    look = pd.read_csv(tmp_path / 'out' / 'logs' / 'look.tsv', sep='\t')
    assert len(look) == len(gallery['SIGNALS']) == 7


@pytest.mark.slow
def test_every_method_gets_a_row_and_a_picture(tmp_path):
    words = ['every_method.py', '--size', '32', '--out', str(tmp_path)]
    subprocess.run([sys.executable, *words], cwd=BENCHMARKS, check=True, capture_output=True)
    for name, methods in (('backgrounds', set(BACKGROUND)), ('inversions', {*INVERSION, 'tgv'})):
        table = (tmp_path / 'tables' / f'{name}.md').read_text(encoding='utf-8')
        assert set(re.findall(r'^\| `(\w+)` \|', table, re.M)) == methods
    pictures = {p.stem for p in (tmp_path / 'pictures' / 'inversions').iterdir()}
    assert pictures == {*INVERSION, 'tgv', 'truth'}
