"""How long every method takes, and how much memory.

    python benchmarks/speed.py [--size 160] [--runs 3] [--methods NAME ...] [--scaling]

Each method runs in a process of its own on a round head of the size (23 per cent of the voxels
in the mask), once to compile and load, then `runs` times with one thread and with two; the table
gives median wall seconds, their ratio, CPU seconds, the ratio to a real FFT pair of the whole
array by scipy (the yardstick that carries over between machines), and the peak memory. `--scaling`
runs 1, 2, 4 and 8 times the voxels and prints the exponent of the growth.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from scipy import fft, ndimage


def head(shape: tuple[int, int, int], echoes: int = 1) -> dict[str, Any]:
    """Ellipsoid with nuclei, veins of noise and a background field."""
    from nigra.nodes.grid import Grid
    from nigra.nodes.numerics.kernels import forward_field

    grid = Grid(shape, tuple(200 / n for n in shape))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing='ij')
    mask = (axes[0] / 0.7) ** 2 + (axes[1] / 0.86) ** 2 + (axes[2] / 0.73) ** 2 < 1
    texture = ndimage.gaussian_filter(rng.standard_normal(grid.shape).astype(np.float32), 2)
    chi = np.where(mask, 0.02 * np.sign(texture), 0).astype(np.float32)
    for x in (-0.2, 0.2):
        near = (axes[0] - x) ** 2 + axes[1] ** 2 + axes[2] ** 2 < 0.01
        chi[near] = 0.12
    local = forward_field(chi, grid, pad=1.2)
    below = (axes[2] + 1.1) ** 2 + axes[1] ** 2 + axes[0] ** 2 < 0.09
    total = local + forward_field(np.where(below, 9.0, 0).astype(np.float32), grid, pad=1.2)
    times = (0.006 + 0.006 * np.arange(echoes)) if echoes > 1 else np.array([0.02])
    turn = 2 * np.pi * 42.577 * 3.0
    noise = 0.02 * rng.standard_normal((*grid.shape, echoes)).astype(np.float32)
    angle = turn * total[..., None] * times.astype(np.float32) + noise
    size_ = np.where(mask[..., None], np.exp(-20 * times), 0.02).astype(np.float32)
    return {
        'grid': grid, 'mask': mask, 'localfield': np.where(mask, local, 0),
        'totalfield': np.where(mask, total, 0).astype(np.float32), 'magnitude': size_,
        'phase': np.angle(np.exp(1j * angle)).astype(np.float32), 'echo_times': tuple(times),
        'truth': chi,
    }  # fmt: skip


def methods() -> dict[str, tuple[Any, int]]:
    """Every method by `step name`, with the number of echoes of its trial."""
    from nigra.nodes.methods import ONE_STEP, STEPS

    out = {
        f'{step} {m.name}': (m, 3 if step == 'relaxometry' else 1)
        for step, group in STEPS.items()
        for m in group.values()
        if step != 'separation'  # needs a map and R2* as input
    }
    return out | {f'one-step {m.name}': (m, 1) for m in ONE_STEP['end-to-end'].values()}


def measure(name: str, size: int, runs: int) -> dict[str, float]:
    """Seconds of one method; run in a process of its own."""
    from nigra.nodes.stages import Scan, run_step

    method, echoes = methods()[name]
    data = head((size, size, size), echoes)
    del data['truth']
    scan = Scan(data.pop('grid'), data.pop('echo_times'), 3.0)
    run_step(method, data, scan, nthreads=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall: dict[int, list[float]] = {1: [], 2: []}
    cpu = []
    for _ in range(runs):
        for nthreads in wall:
            start, used = time.perf_counter(), time.process_time()
            run_step(method, data, scan, nthreads=nthreads)
            wall[nthreads].append(time.perf_counter() - start)
            if nthreads == 1:
                cpu.append(time.process_time() - used)
    one, two = (float(np.median(wall[n])) for n in (1, 2))
    return {
        'wall_1': one, 'wall_2': two, 'speedup': one / two, 'cpu': float(np.median(cpu)),
        'fft_pairs': two / fft_pair(size), 'peak_gib': before / 2**20,
    }  # fmt: skip


def chain(nthreads: int) -> dict[str, float]:
    """The default chain on 256 x 256 x 160 voxels and five echoes."""
    from nigra.nodes.field.masks import trusted_mask
    from nigra.nodes.stages import Scan, choose, run_step

    data = head((256, 256, 160), 5)
    scan = Scan(data.pop('grid'), data.pop('echo_times'), 3.0)
    for name in ('totalfield', 'localfield', 'truth'):
        del data[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start, used = time.perf_counter(), time.process_time()
    data['mask'] = trusted_mask(
        data['phase'], data['magnitude'], data['mask'], echo_times=scan.echo_times,
        nthreads=nthreads,
    )  # fmt: skip
    out = {'wall_mask': time.perf_counter() - start}
    for method in choose('end-to-end'):
        begin = time.perf_counter()
        data |= run_step(method, data, scan, nthreads=nthreads)
        out[f'wall_{method.name}'] = time.perf_counter() - begin
    return {
        **out, 'wall': time.perf_counter() - start, 'cpu': time.process_time() - used,
        'peak_gib': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        'peak_before_gib': before,
    }  # fmt: skip


def fft_pair(size: int) -> float:
    """Wall seconds of a real FFT and its inverse by scipy, one thread."""
    image = np.ones((size, size, size), np.float32)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        fft.irfftn(fft.rfftn(image), image.shape)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def in_own_process(name: str, size: int, runs: int) -> dict[str, float]:
    """`measure` in a new interpreter, so that peaks do not add up."""
    command = [sys.executable, __file__, '--one', name, '--size', str(size), '--runs', str(runs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=160)
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--methods', nargs='+', help='only these, as `step name`')
    parser.add_argument('--scaling', action='store_true')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    parser.add_argument('--chain', action='store_true', help='the default chain, full size')
    arguments = parser.parse_args()
    if arguments.chain:
        for name, value in chain(2).items():
            print(f'{name}: {value:.2f}')
        return
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.size, arguments.runs)))
        return
    unknown = set(arguments.methods or ()) - set(methods())
    if unknown:
        parser.error(f'--methods: no {min(unknown)!r}, only {", ".join(map(repr, methods()))}')
    rows = []
    for name in methods():
        if arguments.methods and name not in arguments.methods:
            continue
        sizes = [arguments.size]
        if arguments.scaling:
            sizes = [round(arguments.size * f ** (1 / 3)) for f in (0.125, 0.25, 0.5, 1)]
        for size in sizes:
            rows.append(
                {'method': name, 'size': size, **in_own_process(name, size, arguments.runs)}
            )
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    pd.set_option('display.width', 160, 'display.precision', 3, 'display.max_rows', 500)
    print(table.to_string(index=False))
    if arguments.scaling:
        exponent = table.groupby('method').apply(
            lambda t: np.polyfit(np.log(t['size'] ** 3), np.log(t['cpu']), 1)[0]
        )
        print(f'\nSeconds grow with the number of voxels to the power\n{exponent}')


if __name__ == '__main__':
    main()
