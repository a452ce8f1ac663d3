"""Some hundred random inputs; `benchmarks/fuzz.py` draws thousands and tells more."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip('hypothesis')
PATH = Path(__file__).parents[1] / 'benchmarks' / 'fuzz.py'
_SPEC = importlib.util.spec_from_file_location('fuzz', PATH)
fuzz = sys.modules.setdefault('fuzz', importlib.util.module_from_spec(_SPEC))
_SPEC.loader.exec_module(fuzz)


@pytest.mark.parametrize('kind', [kind for kind in fuzz.KINDS if kind != 'data_set'])
def test_random_input_is_refused_in_words_or_right(kind):
    fuzz.run_kind(kind, 40, number=1)


@pytest.mark.slow
def test_random_data_sets(capsys):
    fuzz.run_kind('data_set', 60, number=1)


def test_a_wrong_success_is_found(monkeypatch):
    """The oracle must be able to say no."""
    monkeypatch.setattr(fuzz, 'read_header', lambda path: fuzz.nib.load(path) and _Anything())
    with pytest.raises(AssertionError):
        fuzz.run_kind('header', 20)


class _Anything:
    shape, affine, voxel_mm = (6, 0, 5), fuzz.np.eye(4), (1, 1, 1)
