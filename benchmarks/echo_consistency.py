"""Whether one echo alone gives the map of all echoes: a test that real data allow, too.

    python benchmarks/echo_consistency.py [NAME ...] [--nthreads 2]

For every late echo of a phantom of several echoes: slope and correlation of its map, default
methods, with that of all echoes, by band of scales (`realism.bands`; widths in voxels), two voxels
inside the mask. A map of one echo that differs shows its phase at time zero. An echo counts where
the signal in the mask is above 30 times the noise. Tests do the same on real scans
(`tests/interfaces/test_real_phase.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import phantoms
from realism import bands, names, show
from scipy import ndimage

from nigra.nodes.field.echoes import magnitude_noise
from nigra.nodes.field.masks import trusted_mask
from nigra.nodes.stages import Scan, choose, run_step

LEAST_SNR = 30.0


def reconstruct(
    phantom: dict[str, Any], echoes: list[int], mask: np.ndarray, nthreads: int
) -> np.ndarray:
    """Map of some echoes in a mask, default methods."""
    times = tuple(float(phantom['echo_times'][e]) for e in echoes)
    data = {name: phantom[name][..., echoes] for name in ('phase', 'magnitude')} | {'mask': mask}
    for method in choose('end-to-end'):
        data |= run_step(method, data, Scan(phantom['grid'], times, phantom['b0']),
                         nthreads=nthreads)  # fmt: skip
    return data['chimap']


def agreement(one: np.ndarray, every: np.ndarray, mask: np.ndarray) -> dict[str, str]:
    """Slope and correlation by band, two voxels inside the mask."""
    core = ndimage.binary_erosion(mask, iterations=2)
    out = {}
    for name, a, b in zip(names(), bands(every, mask), bands(one, mask), strict=True):
        x, y = a[core], b[core]
        out[name] = f'{(x @ y) / (x @ x):.2f}/{np.corrcoef(x, y)[0, 1]:.2f}'
    return out


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', default=['cal-3T', 'cal-1.5T'])
    parser.add_argument('--nthreads', type=int, default=2)
    parser.add_argument('--cache', type=Path, default=phantoms.CACHE)
    arguments = parser.parse_args()
    rows = {}
    for name in arguments.names:
        phantom = phantoms.load(name, arguments.cache)
        times = phantom['echo_times']
        mask = trusted_mask(phantom['phase'], phantom['magnitude'], phantom['mask'],
                            echo_times=times, nthreads=arguments.nthreads)  # fmt: skip
        every = reconstruct(phantom, list(range(len(times))), mask, arguments.nthreads)
        for echo in range(len(times) // 2, len(times)):
            magnitude = phantom['magnitude'][..., echo]
            snr = float(np.median(magnitude[mask])) / magnitude_noise(magnitude, mask)
            one = reconstruct(phantom, [echo], mask, arguments.nthreads)
            title = f'{name} {1e3 * times[echo]:.1f} ms, SNR {snr:.0f}'
            rows[title + (' (too noisy)' if snr < LEAST_SNR else '')] = agreement(one, every, mask)
    show('Slope / correlation of the map of one echo with that of all', rows)


if __name__ == '__main__':
    main()
