"""A program folder and a home that nobody may write to, as clusters and containers have them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import write_image

ROOT = Path(__file__).parents[2]
PARTS = ('cli', 'data', 'interfaces', 'nodes', 'workflows')


@pytest.fixture
def sealed(tmp_path):
    """A copy of the program where no cache can be made, not even by root, and the environment."""
    program = tmp_path / 'site' / 'nigra'
    for part in PARTS:
        shutil.copytree(ROOT / part, program / part, ignore=shutil.ignore_patterns('__pycache__'))
    for path in ROOT.glob('*.py'):
        shutil.copy(path, program)
    for folder in [program, *(p for p in program.rglob('*') if p.is_dir())]:
        (folder / '__pycache__').touch()  # a file, where a folder would have to be
    home = tmp_path / 'home'
    home.touch()
    kept = {k: v for k, v in os.environ.items()
            if k not in ('NUMBA_CACHE_DIR', 'MPLCONFIGDIR', 'NIGRA_COMPILED')
            and not k.startswith('XDG_')}  # fmt: skip
    (tmp_path / 'temporary').mkdir()
    return {**kept, 'HOME': str(home), 'PYTHONPATH': str(program.parent),
            'TMPDIR': str(tmp_path / 'temporary')}  # fmt: skip


@pytest.mark.slow
def test_what_is_compiled_finds_a_place(sealed, tmp_path):
    """Case 88: a stage that compiles, without NUMBA_CACHE_DIR."""
    scan, n = tmp_path / 'scan', 24
    r2 = sum(np.mgrid[-1 : 1 : n * 1j, -1 : 1 : n * 1j, -1 : 1 : n * 1j] ** 2)
    for name, data in (('phase', np.angle(np.exp(8j * r2))), ('magnitude', 100 * np.exp(-r2)),
                       ('mask', r2 < 0.8)):  # fmt: skip
        write_image(scan / f'{name}.nii.gz', data, dtype=np.float32)
    (scan / 'params.json').write_text(json.dumps(
        {'TE': [0.02], 'B0': 3.0, 'B0_dir': [0, 0, 1], 'voxel_size': [2, 2, 2]}
    ))  # fmt: skip
    words = ['field-mapping', str(scan), str(tmp_path / 'out')]
    code = ('import sys, nigra; print(nigra.__file__); from nigra.cli.stage_cli import main; '
            'sys.exit(main(sys.argv[1:]))')  # fmt: skip
    done = subprocess.run([sys.executable, '-c', code, *words], env=sealed, cwd=tmp_path,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    assert 'Traceback' not in done.stderr
    assert (tmp_path / 'out' / 'totalfield.nii.gz').exists()
    assert list((tmp_path / 'temporary').rglob('*.nbi'))  # compiled once, and kept
