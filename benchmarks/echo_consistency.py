"""Whether one echo alone gives the map of all echoes: a test that real data allow, too.

    python benchmarks/echo_consistency.py [NAME ...] [--nthreads 2] [--background lbv]
    python benchmarks/echo_consistency.py --scan FOLDER MASK [--labels DSEG]

For every late echo of a phantom of several echoes, or of a real scan: slope and correlation of its
map, default methods, with that of all echoes, by band of scales (`realism.bands`; widths in
voxels), two voxels inside the mask. A map of one echo that differs shows its phase at time zero.
An echo counts where the signal in the mask is above 30 times the noise.

A real scan is given by the folder of its run, as `nigra-stage` reads it, and by the mask that
nigra made of it (`..._space-GRE_desc-qsm_mask.nii.gz`); with nigra's labels of it
(`..._seg-dgm_dseg.nii.gz`), means of nuclei are printed as well.
Tests do the same on real scans (`tests/interfaces/test_real_phase.py`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import phantoms
from realism import bands, names, show
from scipy import ndimage

from nigra import measure
from nigra.interfaces.stage_input import load_inputs
from nigra.nodes.field.echoes import magnitude_noise
from nigra.nodes.field.masks import trusted_mask
from nigra.nodes.stages import Scan, choose, run_step

LEAST_SNR = 30.0


def reconstruct(
    scan: dict[str, Any], echoes: list[int], mask: np.ndarray, nthreads: int, background: str
) -> tuple[np.ndarray, np.ndarray]:
    """Map of some echoes in a mask, default methods but for the background's, and its mask."""
    times = tuple(float(scan['echo_times'][e]) for e in echoes)
    data = {name: scan[name][..., echoes] for name in ('phase', 'magnitude')} | {'mask': mask}
    for method in choose('end-to-end', background):
        data |= run_step(method, data, Scan(scan['grid'], times, scan['b0']),
                         nthreads=nthreads)  # fmt: skip
    return data['chimap'], data['mask']


def real_scan(folder: Path, mask: Path) -> dict[str, Any]:
    """The echoes of a scan of one run, as `phantoms.load` has them."""
    given = load_inputs('end-to-end', folder, mask=mask)
    scan = given.scan
    return {**given.data, 'grid': scan.grid, 'echo_times': scan.echo_times, 'b0': scan.b0}


def agreement(one: np.ndarray, every: np.ndarray, mask: np.ndarray) -> dict[str, str]:
    """Slope and correlation by band, two voxels inside the mask."""
    core = ndimage.binary_erosion(mask, iterations=2)
    out = {}
    for name, a, b in zip(names(), bands(every, mask), bands(one, mask), strict=True):
        x, y = a[core], b[core]
        out[name] = f'{(x @ y) / (x @ x):.2f}/{np.corrcoef(x, y)[0, 1]:.2f}'
    return out


def maps_of(
    title: str, scan: dict[str, Any], mask: np.ndarray, background: str, nthreads: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Maps of all echoes and of each late one, by title, and the mask that is left."""
    times = scan['echo_times']
    every, kept = reconstruct(scan, list(range(len(times))), mask, nthreads, background)
    maps = {f'{title} all echoes': every}
    for echo in range(len(times) // 2, len(times)):
        magnitude = scan['magnitude'][..., echo]
        snr = float(np.median(magnitude[mask])) / magnitude_noise(magnitude, mask)
        name = f'{title} {1e3 * times[echo]:.1f} ms, SNR {snr:.0f}'
        name += ' (too noisy)' if snr < LEAST_SNR else ''
        maps[name], _ = reconstruct(scan, [echo], mask, nthreads, background)
    return maps, kept


def show_agreement(found: list[tuple[dict[str, np.ndarray], np.ndarray]]) -> None:
    """Slope and correlation of each late echo's map with that of all."""
    rows = {}
    for maps, kept in found:
        every, *late = maps
        rows |= {name: agreement(maps[name], maps[every], kept) for name in late}
    show('Slope / correlation of the map of one echo with that of all', rows)


def show_means(maps: dict[str, np.ndarray], kept: np.ndarray, labels: Path) -> None:
    """Means of nuclei of each map, ppb, and how far those of late echoes are from those of all."""
    columns = {}
    for name, chimap in maps.items():
        centred = np.where(kept, chimap - chimap[kept].mean(), 0)
        table = measure(centred, nib.load(labels), mask=kept)
        sides = table[table.hemisphere != 'both'].set_index(['region', 'hemisphere'])
        columns[name] = sides.chi_mean
    means = pd.DataFrame(columns).dropna()
    print(f'\nMeans of nuclei, ppb\n{means.round(1).to_string()}')
    every, *late = means
    for name in late:
        error = means[name] - means[every]
        slope, _ = np.polyfit(means[every], means[name], 1)
        print(f'{name}: slope {slope:.2f}, mean difference {error.abs().mean():.1f}, '
              f'worst {error.abs().max():.1f} ppb')  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', default=['cal-3T', 'cal-1.5T'])
    parser.add_argument('--scan', nargs=2, type=Path, metavar=('FOLDER', 'MASK'))
    parser.add_argument('--labels', type=Path, metavar='DSEG')
    parser.add_argument('--background', default='pdf')
    parser.add_argument('--nthreads', type=int, default=2)
    parser.add_argument('--cache', type=Path, default=phantoms.CACHE)
    arguments = parser.parse_args()
    how = (arguments.background, arguments.nthreads)
    if arguments.scan:
        scan = real_scan(*arguments.scan)
        title = arguments.scan[1].name.split('_')[0]
        maps, kept = maps_of(title, scan, scan['mask'], *how)
        show_agreement([(maps, kept)])
        if arguments.labels:
            show_means(maps, kept, arguments.labels)
        return
    found = []
    for name in arguments.names:
        phantom = phantoms.load(name, arguments.cache)
        mask = trusted_mask(phantom['phase'], phantom['magnitude'], phantom['mask'],
                            echo_times=phantom['echo_times'],
                            nthreads=arguments.nthreads)  # fmt: skip
        found.append(maps_of(name, phantom, mask, *how))
    show_agreement(found)


if __name__ == '__main__':
    main()
