"""Whether the phantoms are like a real brain, and what each method keeps of every scale.

    python benchmarks/realism.py [NAME ...] [--methods dual rts ...] [--noise PPB ...]

Three tables, each with the figures of a healthy brain at 3 T beside (1.06 mm, the local field of
one orientation, the map of twelve orientations for truth):

* what the true map leaves of the local field, by band of scales: the model's error;
* how much the true map varies, by band, and its percentiles;
* slope and correlation of each method's map with the true one, by band, and the means of nuclei.

A band is the difference of two masked Gaussian smoothings; their widths (sigma) are in voxels.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import phantoms
from scipy import ndimage

from nigra.nodes.methods import INVERSION
from nigra.nodes.numerics.kernels import forward_field
from nigra.nodes.stages import Scan, run_step

WIDTHS = (0, 1, 2, 4, 8, 16)
PERCENTILES = (0.1, 1, 50, 99, 99.9)
WHITE_NOISE_PPB = 4.0
"""What the real field carries."""
REAL_RESIDUAL = {
    '0-1': (5.9, 4.1, 0.74), '1-2': (2.5, 1.2, 0.88), '2-4': (2.7, 1.1, 0.91),
    '4-8': (2.9, 1.2, 0.91), '8-inf': (2.5, 1.1, 0.89),
}  # fmt: skip
"""Field and what is left of it, ppb, and correlation with the predicted field. The true map was
itself fitted to fields, this one among twelve, so the real figures flatter a little."""
REAL_SPREAD = (12.9, 7.4, 7.9, 7.8, 5.1, 1.9)
REAL_PERCENTILES = (-84, -56, -2, 113, 213)
REAL_KEPT = {
    'rts': ('.95/.69', '.89/.83', '.93/.87', '.95/.88', '.97/.89', '.88/.90'),
    'tv': ('.81/.70', '.89/.77', '.99/.76', '1.06/.79', '1.09/.82', '1.19/.69'),
    'medi': ('.54/.72', '.72/.83', '.89/.86', '.99/.85', '1.02/.81', '1.00/.51'),
    'hdqsm': ('.89/.69', '.93/.75', '1.02/.76', '1.08/.78', '1.09/.79', '1.04/.71'),
    'ilsqr': ('1.03/.64', '.87/.81', '.86/.85', '.83/.85', '.85/.83', '1.22/.73'),
}
"""Slope and correlation on the real brain, defaults of version 0.1.0."""


def names(widths: Sequence[int] = WIDTHS) -> list[str]:
    """Bands as words."""
    return [f'{a}-{b}' for a, b in pairwise([*map(str, widths), 'inf'])]


def bands(
    values: np.ndarray, mask: np.ndarray, widths: Sequence[int] = WIDTHS
) -> list[np.ndarray]:
    """An image, demeaned in the mask, as the sum of its bands, fine to coarse."""
    image = np.where(mask, values - values[mask].mean(), 0).astype(float)
    levels = [image]
    for width in widths[1:]:
        weight = np.maximum(ndimage.gaussian_filter(mask.astype(float), width), 0.05)
        levels.append(ndimage.gaussian_filter(image, width) / weight)
    return [a - b for a, b in pairwise(levels)] + [levels[-1]]


def noisy_field(phantom: dict[str, Any], ppb: float, seed: int = 0) -> np.ndarray:
    """True local field with white noise, ppm."""
    mask = phantom['mask']
    noise = np.random.default_rng(seed).standard_normal(mask.shape).astype(np.float32)
    return np.where(mask, phantom['localfield'] + 1e-3 * ppb * noise, 0).astype(np.float32)


def residual_rows(phantom: dict[str, Any], ppb: float) -> dict[str, str]:
    """Field, what the true map leaves of it (sd, ppb), and correlation, four voxels inside."""
    mask, widths = phantom['mask'], WIDTHS[:-1]
    core = ndimage.binary_erosion(mask, iterations=4)
    predicted = forward_field(np.where(mask, phantom['chimap'], 0), phantom['grid'])
    pairs = zip(bands(noisy_field(phantom, ppb), mask, widths), bands(predicted, mask, widths),
                strict=True)  # fmt: skip
    out = {}
    for name, (a, b) in zip(names(widths), pairs, strict=True):
        left, alike = 1e3 * (a - b)[core].std(), np.corrcoef(a[core], b[core])[0, 1]
        out[name] = f'{1e3 * a[core].std():.1f} / {left:.1f} / {alike:.2f}'
    return out


def spread_rows(phantom: dict[str, Any]) -> dict[str, str]:
    """Standard deviation of the true map by band, ppb, and its percentiles."""
    mask, true = phantom['mask'], phantom['chimap']
    parts = zip(names(), bands(true, mask), strict=True)
    values = 1e3 * (true[mask] - true[mask].mean())
    out = {name: f'{1e3 * part[mask].std():.1f}' for name, part in parts}
    limits = zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
    return out | {f'p{p:g}': f'{v:.0f}' for p, v in limits}


def kept_rows(phantom: dict[str, Any], chimap: np.ndarray) -> dict[str, str]:
    """Slope and correlation with the truth by band; nuclei."""
    mask = phantom['mask']
    pairs = zip(bands(phantom['chimap'], mask), bands(chimap, mask), strict=True)
    out = {}
    for name, (true, own) in zip(names(), pairs, strict=True):
        x, y = true[mask], own[mask]
        out[name] = f'{(x @ y) / (x @ x):.2f}/{np.corrcoef(x, y)[0, 1]:.2f}'
    scores = phantoms.region_scores(chimap, phantom)
    return out | {
        'nuclei': f'{scores["slope"]:.3f}', 'ppb': f'{scores["mae_ppb"]:.1f}',
        'worst': f'{scores["worst_ppb"]:.0f}',
    }  # fmt: skip


def show(title: str, rows: dict[str, dict[str, str]]) -> None:
    """Print a table."""
    print(f'\n{title}\n{pd.DataFrame.from_dict(rows, orient="index").fillna("").to_string()}')


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', default=['cal-3T', 'cal-1.5T'])
    parser.add_argument('--methods', nargs='*', default=['dual', *REAL_KEPT])
    parser.add_argument('--noise', nargs='+', type=float, default=[0.7, 3.0], metavar='PPB')
    parser.add_argument('--nthreads', type=int, default=2)
    parser.add_argument('--cache', type=Path, default=phantoms.CACHE)
    arguments = parser.parse_args()
    loaded = {name: phantoms.load(name, arguments.cache) for name in arguments.names}
    real = {k: f'{a} / {b} / {c:.2f}' for k, (a, b, c) in REAL_RESIDUAL.items()}
    left = {name: residual_rows(phantom, WHITE_NOISE_PPB) for name, phantom in loaded.items()}
    show(f'Field / left by the true map (ppb) / correlation, {WHITE_NOISE_PPB:g} ppb of noise',
         {'real': real, **left})  # fmt: skip
    spread = dict(zip(names(), map(str, REAL_SPREAD), strict=True))
    spread |= {f'p{p:g}': str(v) for p, v in zip(PERCENTILES, REAL_PERCENTILES, strict=True)}
    show(
        'Spread of the true map, ppb',
        {'real': spread, **{n: spread_rows(p) for n, p in loaded.items()}},
    )
    known = {f'real {m}': dict(zip(names(), v, strict=True)) for m, v in REAL_KEPT.items()}
    for name, phantom in loaded.items():
        scan = Scan(phantom['grid'], tuple(phantom['echo_times']), phantom['b0'])
        for ppb in arguments.noise:
            data = {'localfield': noisy_field(phantom, ppb), 'mask': phantom['mask'],
                    'magnitude': phantom['magnitude']}  # fmt: skip
            for method in arguments.methods:
                made = run_step(INVERSION[method], data, scan, nthreads=arguments.nthreads)
                known[f'{name} {ppb:g} ppb {method}'] = kept_rows(phantom, made['chimap'])
    show('Slope / correlation with the true map by band; means of nuclei', known)


if __name__ == '__main__':
    main()
