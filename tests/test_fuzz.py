"""Some hundred random inputs; `benchmarks/fuzz.py` draws thousands and tells more."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('hypothesis')
sys.path.append(str(Path(__file__).parents[1] / 'benchmarks'))
fuzz = importlib.import_module('fuzz')
sys.path.pop()


@pytest.mark.parametrize('kind', [kind for kind in fuzz.KINDS if kind != 'data_set'])
def test_random_input_is_refused_in_words_or_right(kind):
    fuzz.run_kind(kind, 40, number=1)


@pytest.mark.slow
def test_random_data_sets(capsys):
    fuzz.run_kind('data_set', 60, number=1)


def test_a_wrong_success_is_found(monkeypatch):
    """The oracle must be able to say no."""
    monkeypatch.setattr(fuzz, 'read_header', lambda path: _Anything())
    with pytest.raises(AssertionError):
        fuzz.header.hypothesis.inner_test(flips=[], size=len(fuzz.IMAGE), number=None, place=0)


class _Anything:
    shape, affine, voxel_mm = (6, 0, 5), np.eye(4), (1, 1, 1)
