"""The notebook of the documentation runs, and what it asserts holds."""

import json
from pathlib import Path

import matplotlib
import pytest

NOTEBOOK = Path(__file__).parents[1] / 'docs' / 'python.ipynb'


def code():
    cells = json.loads(NOTEBOOK.read_text(encoding='utf-8'))['cells']
    return [cell for cell in cells if cell['cell_type'] == 'code']


@pytest.mark.slow
def test_the_notebook_runs(capsys):
    matplotlib.use('Agg')
    names = {'__name__': 'notebook'}
    for number, cell in enumerate(code(), start=1):
        exec(compile(''.join(cell['source']), f'cell {number}', 'exec'), names)
    assert 'steps: field background inversion' in capsys.readouterr().out
    assert len(names['study'].contrasts) == 6


def test_the_notebook_shows_what_it_gave():
    shown = [bool(cell['outputs']) for cell in code() if 'import numpy' not in cell['source'][0]]
    assert sum(shown) >= 7
    assert not [o for cell in code() for o in cell['outputs'] if o['output_type'] == 'error']
