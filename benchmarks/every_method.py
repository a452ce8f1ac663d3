"""Accuracy of every background removal and inversion, as the documentation shows it.

    python benchmarks/every_method.py [--size 160] [--out docs]

measures each on the head of `speed.py`, whose truth is known, without noise and with 1.25 ppb on
the field, and writes `tables/backgrounds.md`, `tables/inversions.md` and a picture of each
inversion (map, and map less truth, at one grey scale) below the folder. Takes some ten minutes on
two cores; `--size 64` shows in one that all runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from accuracy import core, noisy, rms
from speed import head

from nigra import __version__
from nigra.nodes.methods import BACKGROUND, INVERSION, ONE_STEP, Method
from nigra.nodes.stages import Scan, run_step

matplotlib.use('Agg')
from matplotlib import pyplot as plt

NOISE_PPB = (0.0, 1.25)
SCALE = 0.15
"""Half of the grey scale, ppm."""


def inverted(data: dict[str, Any], method: Method, ppb: float) -> np.ndarray:
    """Map of one inversion, mean zero over the mask."""
    given = {key: data[key] for key in ('mask', 'magnitude')}
    for name in ('localfield', 'totalfield'):
        given[name] = noisy(data[name], data['mask'], ppb)
    return demeaned(run_step(method, given, scan_of(data), nthreads=2)['chimap'], data['mask'])


def scan_of(data: dict[str, Any]) -> Scan:
    """What methods know of the head's scan."""
    return Scan(data['grid'], data['echo_times'], 3.0)


def demeaned(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Image whose mean over the mask is zero, and zero outside."""
    return np.where(mask, image - image[mask].mean(), 0)


def inversion_row(data: dict[str, Any], method: Method, folder: Path) -> dict[str, Any]:
    """Scores of one inversion; saves its picture."""
    mask = data['mask']
    truth = demeaned(data['truth'], mask)
    row: dict[str, Any] = {'method': f'`{method.name}`'}
    for ppb in NOISE_PPB:
        chimap = inverted(data, method, ppb)
        r = np.corrcoef(truth[mask], chimap[mask])[0, 1]
        slope = np.polyfit(truth[mask], chimap[mask], 1)[0]
        row |= {f'correlation, {ppb:g} ppb': f'{r:.3f}', f'slope, {ppb:g} ppb': f'{slope:.2f}'}
    save_picture(folder / f'{method.name}.png', {'map': chimap, 'map less truth': chimap - truth})
    return row


def save_picture(path: Path, panels: dict[str, np.ndarray]) -> None:
    """Middle slices side by side at one grey scale."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(1, len(panels), figsize=(2.5 * len(panels), 3.1), squeeze=False)
    for axis, (title, image) in zip(axes[0], panels.items(), strict=True):
        middle = image[:, :, image.shape[2] // 2]
        axis.imshow(middle.T, cmap='gray', vmin=-SCALE, vmax=SCALE, origin='lower')
        axis.set_title(title, fontsize=9)
        axis.axis('off')
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=72)
    plt.close(figure)


def background_row(data: dict[str, Any], method: Method) -> dict[str, Any]:
    """Local field of one background removal against the truth."""
    row: dict[str, Any] = {'method': f'`{method.name}`'}
    for ppb in NOISE_PPB:
        given = {'totalfield': noisy(data['totalfield'], data['mask'], ppb), 'mask': data['mask']}
        out = run_step(method, given, scan_of(data), nthreads=2)
        kept = out.get('mask', data['mask'])
        inside = kept & core(data['mask'])
        error, true = out['localfield'] - data['localfield'], data['localfield']
        slope = np.polyfit(true[inside], out['localfield'][inside], 1)[0]
        row['mask kept'] = f'{100 * kept.sum() / data["mask"].sum():.0f} %'
        row |= {
            f'error, {ppb:g} ppb': f'{rms(error[kept]):.1f}',
            f'error inside, {ppb:g} ppb': f'{rms(error[inside]):.1f}',
            f'slope inside, {ppb:g} ppb': f'{slope:.2f}',
        }
    return row


def save_table(rows: list[dict[str, Any]], path: Path, size: int) -> None:
    """Rows as a table of Markdown, with what made it."""
    table = pd.DataFrame(rows)
    lines = [' | '.join(map(str, cells)) for cells in (table.columns, *table.to_numpy())]
    lines.insert(1, ' | '.join(['---'] * table.shape[1]))
    made = f'nigra {__version__}, `benchmarks/every_method.py --size {size}`'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(f'| {line} |' for line in lines) + f'\n\nMade by {made}.\n', 'utf-8')
    print(path.read_text('utf-8'), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=160, help='voxels along an axis')
    parser.add_argument('--out', type=Path, default=Path('docs'), help='folder to write below')
    given = parser.parse_args(arguments)
    data = head((given.size,) * 3)
    rows = [background_row(data, method) for method in BACKGROUND.values()]
    save_table(rows, given.out / 'tables' / 'backgrounds.md', given.size)
    pictures = given.out / 'pictures' / 'inversions'
    truth = demeaned(data['truth'], data['mask'])
    save_picture(pictures / 'truth.png', {'truth': truth})
    methods = [*INVERSION.values(), *ONE_STEP['bfr+dipole'].values()]
    rows = [inversion_row(data, method, pictures) for method in methods]
    save_table(rows, given.out / 'tables' / 'inversions.md', given.size)


if __name__ == '__main__':
    main()
