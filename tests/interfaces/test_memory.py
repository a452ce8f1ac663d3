"""What is told of a step's memory, against its peak: never less, and not much more."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import write_image

from nigra.interfaces.gre import LOADING
from nigra.interfaces.phase_sign import CHECKING
from nigra.nodes.memory import Memory
from nigra.nodes.methods import ONE_STEP, STEPS

RESET = Path('/proc/self/clear_refs')
SIZE, TINY = 128, 24
TIMES = (0.005, 0.01, 0.015, 0.02)
READS = {
    'field': ('FieldMap', ('phase', 'magnitude', 'brain_mask', 'echo_times', 'b0')),
    'background': ('RemoveBackground', ('totalfield', 'noise', 'mask')),
    'inversion': (
        'InvertDipole', ('localfield', 'noise', 'mask', 'magnitude', 'echo_times', 'b0')
    ),
    'relaxometry': ('FitR2star', ('magnitude', 'mask', 'echo_times')),
    'separation': ('SeparateSources', ('chimap', 'r2star', 'mask', 'b0')),
    'phase-to-chi': ('ReconstructOneStep', ('phase', 'magnitude', 'mask', 'echo_times', 'b0')),
}  # fmt: skip
"""Interface of each step, and what it is given."""
LOADED = 0.25e9
"""What a worker of a run has loaded; the process here may have loaded less of the program."""
CODE = """
import json, os, re, sys
from nigra.interfaces import gre, phase_sign, qsm
def peak():
    return 1024 * int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])
name, *runs = json.loads(sys.argv[1])
used = []
for run in runs:  # the first, of a tiny image, loads, and compiles if nobody did before
    open('/proc/self/clear_refs', 'w').write('5')
    getattr({'LoadGre': gre, 'CheckSign': phase_sign}.get(name, qsm), name)(**run).run()
    used.append(peak())
print(json.dumps(used))
"""
STEPS_OF = {
    f'{method.step} {method.name}': method
    for method in (
        *(method for methods in STEPS.values() for method in methods.values()),
        *ONE_STEP['end-to-end'].values(),
    )
}


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Images of one echo and of several, all in the mask, by number of echoes and size."""
    root = tmp_path_factory.mktemp('memory')
    return {
        (echoes, size): write_images(root / f'{echoes}_{size}', size, TIMES[-echoes:])
        for echoes in (1, 4)
        for size in (TINY, SIZE)
    }


def write_images(folder, size, times):
    rng = np.random.default_rng(0)
    x, y, z = np.ogrid[:size, :size, :size]
    field = (0.1 * np.sin(x / 5) * np.cos(y / 7) + z**2 / size / 1e3).astype(np.float32)
    noise = rng.normal(scale=0.05, size=(*field.shape, len(times))).astype(np.float32)
    angle = 2 * np.pi * 42.577 * 3 * field[..., None] * np.array(times, np.float32) + noise
    made = {
        'phase': np.angle(np.exp(1j * angle)), 'mask': np.ones(field.shape),
        'magnitude': 100 * np.exp(-20 * np.array(times)) * (1 + noise), 'totalfield': field,
        'noise': np.full(field.shape, 0.002), 'r2star': 20 + field,
    }  # fmt: skip
    paths = {
        name: str(write_image(folder / f'{name}.nii', image, dtype=np.float32))
        for name, image in made.items()
    }
    same = {'brain_mask': paths['mask'], 'localfield': paths['totalfield']}
    same |= {'chimap': paths['totalfield'], 'echo_times': list(times), 'b0': 3.0}
    return paths | same


def measure(interface, inputs, folder):
    """Return the peak of a process after a tiny image, and then after the image, in bytes."""
    done = subprocess.run(
        [sys.executable, '-c', CODE, json.dumps([interface, *inputs])],
        check=True, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def check(memory: Memory, interface, inputs, echoes, folder):
    """Compare what is told with the peak over that of a tiny image."""
    tiny, peak = measure(interface, inputs, folder)
    if tiny > LOADED:  # it compiled what it needs; the next process finds that on the disk
        tiny, peak = measure(interface, inputs, folder)
    peak += max(0, LOADED - tiny)
    told = memory.gb(SIZE**3, echoes) * 1e9
    assert peak < told < 1.5 * peak, (tiny, peak, told)
    # also where images are so large that the program counts no more
    assert peak - max(tiny, LOADED) < told - memory.gb(0, echoes) * 1e9


@pytest.mark.slow
@pytest.mark.skipif(not RESET.exists(), reason='only Linux tells the peak of a part of a run')
@pytest.mark.parametrize('name', STEPS_OF)
def test_no_method_takes_more_than_is_told(tmp_path, images, name):
    method = STEPS_OF[name]
    echoes = 1 if method.step in ('background', 'inversion') else 4
    interface, reads = READS[method.step]
    few = {key: 2 for key in ('iterations', 'first_iterations') if key in method.defaults}
    given = {'settings': few, 'nthreads': 1}
    if method.step not in ('relaxometry', 'separation'):
        given['method'] = method.name
    inputs = [given | {n: images[echoes, size][n] for n in reads} for size in (TINY, SIZE)]
    check(method.memory, interface, inputs, echoes, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not RESET.exists(), reason='only Linux tells the peak of a part of a run')
@pytest.mark.parametrize('echoes', [1, 4])
def test_reading_a_run_and_testing_its_sign_take_no_more_than_is_told(tmp_path, images, echoes):
    inputs = []
    for size in (TINY, SIZE):
        made = images[echoes, size]
        reads = {n: made[n] for n in ('phase', 'magnitude', 'totalfield', 'mask')}
        inputs.append({'sign': 'auto', 'conductivity': 0.6, 'found': {}, 'loaded': {}} | reads)
    check(CHECKING, 'CheckSign', inputs, echoes, tmp_path)
    several = [
        {
            'magnitude': [images[1, size]['magnitude']] * echoes,
            'phase': [images[1, size]['phase']] * echoes,
            'echo_times': list(TIMES[:echoes]), 'b0': 3.0, 'units': 'rad',
        }
        for size in (TINY, SIZE)
    ]  # fmt: skip
    check(LOADING, 'LoadGre', several, echoes, tmp_path)
