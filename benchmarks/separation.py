"""Whether chi-separation beats what needs no method.

    python benchmarks/separation.py [PHANTOM ...]

Para- and diamagnetic sources are drawn over a phantom's true map. Their R2* (noise 1 1/s, R2 of
tissue that differs from what is assumed by `--r2-error` 1/s and rises with iron) and the map from
the noisy local field go into the separation, whose result is held against the sources. Beside it
stand two nulls in closed form: `sign`, all of a voxel's susceptibility is of one kind, and
`voxel`, the two equations of each voxel solved for themselves. The table gives correlation, slope
and root mean square error (ppb) over the mask, and the mean error of the nuclei (ppb).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import phantoms
from numpy.typing import NDArray
from scipy import ndimage

from nigra.nodes.inversion.chi_separation import separate_sources, typical_r2
from nigra.nodes.methods import INVERSION
from nigra.nodes.stages import Scan, run_step

RELAXIVITY = 137.0
"""R2' per ppm at 3 T, 1/s/ppm, of the separation's defaults."""
Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def sources(phantom: dict[str, Any], rng: np.random.Generator) -> Pair:
    """Para- and diamagnetic susceptibility, ppm, whose sum is the phantom's map.

    White matter, taken to be where the map is below zero, holds -35 ppb of myelin and more where
    it is lower, grey matter -10 ppb (nuclei of 106 healthy people: 4 to 21), both with a smooth
    texture of a fifth; what is left is iron.
    """
    chi, mask = phantom['chimap'], phantom['mask']
    texture = ndimage.gaussian_filter(rng.standard_normal(chi.shape), 2)
    texture *= 0.2 / texture.std()
    white = ndimage.gaussian_filter(chi, 1) < 0
    depth = np.where(white, 0.035, 0.010) * (1 + texture)
    dia = -np.maximum(depth, np.maximum(-chi, 0))
    out = (np.where(mask, chi - dia, 0), np.where(mask, dia, 0))
    return out[0].astype(np.float32), out[1].astype(np.float32)


def closed_form(chi: NDArray[Any], prime: NDArray[Any], relaxivity: float) -> Pair:
    """Solution of chi = para + dia and R2' = Dr (para - dia) where both keep their sign."""
    para = np.clip((prime / relaxivity + chi) / 2, np.maximum(chi, 0), None)
    return para, chi - para


def scores(found: Pair, true: Pair, phantom: dict[str, Any]) -> dict[str, float]:
    """How near both maps are to the sources."""
    mask, row = phantom['mask'], {}
    for name, a, b in zip(('para', 'dia'), found, true, strict=True):
        x, y = 1000 * a[mask].astype(float), 1000 * b[mask].astype(float)
        row[f'{name} corr'] = float(np.corrcoef(x, y)[0, 1])
        row[f'{name} slope'] = float(np.polyfit(y, x, 1)[0])
        row[f'{name} rmse'] = float(np.sqrt(np.mean((x - y) ** 2)))
        means = [1000 * (a[m] - b[m]).mean() for m in phantom['nuclei'].values()]
        row[f'{name} nuclei'] = float(np.abs(means).mean())
    return row


def compare(name: str, r2_error: float, noise: float) -> list[dict[str, Any]]:
    """Rows of one phantom."""
    phantom, rng = phantoms.load(name), np.random.default_rng(1)
    mask, grid, b0 = phantom['mask'], phantom['grid'], float(phantom['b0'])
    true, relaxivity = sources(phantom, rng), RELAXIVITY * b0 / 3
    local = phantom['localfield'] + noise * rng.standard_normal(mask.shape)
    data = {'localfield': np.where(mask, local, 0).astype(np.float32), 'mask': mask}
    scan = Scan(grid, tuple(phantom['echo_times']), b0)
    chimap = run_step(INVERSION['dual'], data, scan, nthreads=2)['chimap']
    # zero of both maps is the mask's mean; that of the sources is water
    chimap = np.where(mask, chimap - chimap[mask].mean() + phantom['chimap'][mask].mean(), 0)
    prime = relaxivity * (true[0] - true[1])
    # R2 rises with iron: some 30 1/s per ppm at 3 T
    r2 = typical_r2(b0) + r2_error + 30 * b0 / 3 * (true[0] - true[0][mask].mean())
    r2star = np.where(mask, r2 + prime + rng.standard_normal(mask.shape), 0).astype(np.float32)
    known = np.where(mask, r2star - typical_r2(b0), 0)
    methods: dict[str, Callable[[], Pair]] = {
        'sign': lambda: (np.maximum(chimap, 0), np.minimum(chimap, 0)),
        'voxel': lambda: closed_form(chimap, known, relaxivity),
        'nigra': lambda: separate_sources(chimap, r2star, mask, grid, b0=b0, nthreads=2),
    }
    return [
        {'phantom': name, 'method': key, **scores(run(), true, phantom)}
        for key, run in methods.items()
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', default=['cal-3T', 'cal-1.5T'])
    parser.add_argument('--r2-error', type=float, default=1.0, help='1/s')
    parser.add_argument('--noise', type=float, default=0.002, help='of the local field, ppm')
    arguments = parser.parse_args()
    rows = [r for n in arguments.names for r in compare(n, arguments.r2_error, arguments.noise)]
    pd.set_option('display.width', 200, 'display.precision', 3, 'display.max_columns', 20)
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == '__main__':
    main()
