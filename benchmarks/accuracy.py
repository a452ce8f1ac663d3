"""How near every method comes to the truth of the phantoms.

    python benchmarks/accuracy.py [field|background|inversion|chain ...] [--phantoms NAME ...]

prints tables. Needs qsm-ci (extra `bench`) for the image metrics that others are scored by
(`qsm-ci`); without it those columns are empty. Errors are in ppb; slope, mean absolute error and
worst are those of the means of seven nuclei on each side; core is five voxels inside the mask.
CPU seconds are this process' with one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import phantoms
from scipy import ndimage

from nigra.nodes.field.masks import trusted_mask
from nigra.nodes.grid import Grid
from nigra.nodes.methods import BACKGROUND, FIELD, INVERSION, ONE_STEP, Method
from nigra.nodes.stages import Scan, run_step

NOISE_PPB = (0.7, 3.0)
ALL = ('mild-3T', 'mild-1.5T', 'iso-3T', 'iso-1.5T', 'oblique-3T', 'single-1.5T', 'single-3T',
       'slab-3T')  # fmt: skip


def image_metrics(chimap: np.ndarray, phantom: dict[str, Any]) -> dict[str, float]:
    """xsim, nrmse and hfen (per cent) inside the mask, both maps demeaned there."""
    try:
        from qsm_ci import qsm_eval
    except ImportError:
        return {}
    mask = phantom['mask']
    own = np.where(mask, chimap - chimap[mask].mean(), 0)
    true = phantom['chimap']
    return {
        'xsim': qsm_eval.xsim(true, own, mask),
        'nrmse': qsm_eval.nrmse_challenge(own, true, mask)[0],
        'hfen': qsm_eval.hfen(own, true, mask),
    }


def core(mask: np.ndarray, voxels: int = 5) -> np.ndarray:
    """The mask less its outer voxels."""
    return ndimage.binary_erosion(mask, iterations=voxels)


def rms(values: np.ndarray) -> float:
    """Root mean square about the median, ppb."""
    return 1000 * float(np.sqrt(np.mean((values - np.median(values)) ** 2)))


def within(phantom: dict[str, Any], mask: np.ndarray) -> dict[str, Any]:
    """The phantom with a smaller mask."""
    nuclei = {key: inside & mask for key, inside in phantom['nuclei'].items()}
    return {**phantom, 'mask': mask, 'nuclei': nuclei}


def scan_of(phantom: dict[str, Any]) -> Scan:
    """What the methods must know of the scan."""
    return Scan(phantom['grid'], tuple(phantom['echo_times']), phantom['b0'])


def timed(method: Method, data: dict[str, Any], scan: Scan) -> tuple[dict[str, Any], float]:
    """A step's result and its CPU seconds, compiling excluded by a tiny first run."""
    _warm(method)
    start = time.process_time()
    return run_step(method, data, scan), time.process_time() - start


_WARM: set[str] = set()


def _warm(method: Method) -> None:
    if f'{method.step} {method.name}' in _WARM:
        return
    _WARM.add(f'{method.step} {method.name}')
    grid = Grid((24, 24, 24), (5, 5, 5))
    axes = np.meshgrid(*[np.arange(24) - 12] * 3, indexing='ij')
    mask = sum(a**2 for a in axes) < 81
    field = np.where(mask, 0.01 * np.sin(axes[0] / 3.0), 0).astype(np.float32)
    echoes = np.stack([field * 60, field * 120, field * 180], -1)
    data = {'mask': mask, 'totalfield': field, 'localfield': field, 'phase': echoes,
            'magnitude': np.ones_like(echoes)}  # fmt: skip
    run_step(method, data, Scan(grid, (0.01, 0.02, 0.03), 3.0))


def trusted(phantom: dict[str, Any]) -> np.ndarray:
    """The mask that a user's data would get."""
    return trusted_mask(
        phantom['phase'], phantom['magnitude'], phantom['mask'], echo_times=phantom['echo_times']
    )


def field_rows(phantom: dict[str, Any], method: Method) -> list[dict[str, Any]]:
    """Total field against the truth; single echoes after a smooth fit, as offsets are unknown."""
    mask = trusted(phantom)
    data = {'phase': phantom['phase'], 'magnitude': phantom['magnitude'], 'mask': mask}
    out, seconds = timed(method, data, scan_of(phantom))
    error = out['totalfield'] - phantom['totalfield']
    if len(phantom['echo_times']) == 1:
        error = error - smooth_part(error, mask)
    turn = 1e3 / (42.577 * phantom['b0'] * 1e3 * float(phantom['echo_times'][0])) * 1e3
    inside = core(mask)
    middle = np.median(error[mask])
    return [{
        'whole': rms(error[mask]), 'core': rms(error[inside]),
        'robust': 1482.6 * float(np.median(np.abs(error[mask] - middle))),
        'wrapped_pct': 100 * float(np.mean(np.abs(error[mask] - middle) * 1000 > turn / 2)),
        'predicted': 1000 * float(np.median(out['noise'][inside])),
        'kept_pct': 100 * mask.sum() / phantom['mask'].sum(), 'cpu_s': seconds,
    }]  # fmt: skip


def smooth_part(image: np.ndarray, mask: np.ndarray, order: int = 3) -> np.ndarray:
    """Least-squares polynomial of an image inside a mask."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in image.shape], indexing='ij')
    terms = [
        axes[0] ** i * axes[1] ** j * axes[2] ** k
        for i in range(order + 1) for j in range(order + 1 - i) for k in range(order + 1 - i - j)
    ]  # fmt: skip
    design = np.stack([t[mask] for t in terms], 1)
    weights = np.linalg.lstsq(design, image[mask], rcond=None)[0]
    return sum(w * t for w, t in zip(weights, terms, strict=True))


def background_rows(phantom: dict[str, Any], method: Method) -> list[dict[str, Any]]:
    """Local field from the true total field plus noise, against the truth."""
    rows = []
    for noise in (1.0, 4.0):
        field = noisy(phantom['totalfield'], phantom['mask'], noise)
        given = {'totalfield': field, 'mask': phantom['mask']}
        out, seconds = timed(method, given, scan_of(phantom))
        kept = out.get('mask', phantom['mask'])
        error = out['localfield'] - phantom['localfield']
        error = error - error[kept].mean()
        inside = core(phantom['mask']) & kept
        smooth = [abs(error[n & kept].mean()) for n in phantom['nuclei'].values()]
        rows.append({
            'noise_ppb': noise, 'whole': rms(error[kept]), 'core': rms(error[inside]),
            'dgm': 1000 * float(np.mean(smooth)),
            'kept_pct': 100 * kept.sum() / phantom['mask'].sum(), 'cpu_s': seconds,
        })  # fmt: skip
    return rows


def noisy(field: np.ndarray, mask: np.ndarray, ppb: float, seed: int = 0) -> np.ndarray:
    """Field plus white noise inside a mask, zero outside."""
    noise = np.random.default_rng(seed).standard_normal(field.shape) * ppb / 1000
    return np.where(mask, field + noise, 0).astype(np.float32)


def inversion_rows(phantom: dict[str, Any], method: Method) -> list[dict[str, Any]]:
    """Map from the true local field plus noise, against the truth."""
    rows = []
    for noise in NOISE_PPB:
        field = noisy(phantom['localfield'], phantom['mask'], noise)
        given = {'localfield': field, 'mask': phantom['mask'], 'magnitude': phantom['magnitude']}
        out, seconds = timed(method, given, scan_of(phantom))
        rows.append({
            'noise_ppb': noise, **phantoms.region_scores(out['chimap'], phantom),
            **image_metrics(out['chimap'], phantom), 'cpu_s': seconds,
        })  # fmt: skip
    return rows


def chain_rows(phantom: dict[str, Any], chain: tuple[Method, ...]) -> list[dict[str, Any]]:
    """Map from phase and magnitude, against the truth."""
    data = {name: phantom[name] for name in ('phase', 'magnitude')}
    data['mask'] = trusted(phantom)
    total = 0.0
    for method in chain:
        out, seconds = timed(method, data, scan_of(phantom))
        data |= out
        total += seconds
    kept = within(phantom, data['mask'])
    return [{
        **phantoms.region_scores(data['chimap'], kept), **image_metrics(data['chimap'], kept),
        'kept_pct': 100 * data['mask'].sum() / phantom['mask'].sum(), 'cpu_s': total,
    }]  # fmt: skip


def first(methods: dict[str, Method]) -> Method:
    """The default."""
    return next(iter(methods.values()))


def chains() -> dict[str, tuple[Method, ...]]:
    """The default chain, those with one other method, and the methods of one step."""
    usual = (first(FIELD), first(BACKGROUND), first(INVERSION))
    out = {'+'.join(m.name for m in usual): usual}
    for other in list(BACKGROUND.values())[1:]:
        out[f'{usual[0].name}+{other.name}+{usual[2].name}'] = (usual[0], other, usual[2])
    for other in list(INVERSION.values())[1:]:
        out[f'{usual[0].name}+{usual[1].name}+{other.name}'] = (*usual[:2], other)
    return out | {m.name: (m,) for m in ONE_STEP['end-to-end'].values()}


PARTS: dict[str, tuple[Callable[[], dict[str, Any]], Callable[..., list[dict[str, Any]]]]] = {
    'field': (lambda: FIELD, field_rows),
    'background': (lambda: BACKGROUND, background_rows),
    'inversion': (lambda: INVERSION, inversion_rows),
    'chain': (chains, chain_rows),
}


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('parts', nargs='*', help=f'of {", ".join(PARTS)}; all by default')
    parser.add_argument('--phantoms', nargs='+', default=ALL, choices=list(phantoms.RECIPES))
    parser.add_argument('--methods', nargs='+', help='only these')
    parser.add_argument('--cache', type=Path, default=phantoms.CACHE)
    arguments = parser.parse_args()
    pd.set_option('display.width', 160, 'display.max_rows', 500, 'display.precision', 3)
    for part in arguments.parts or PARTS:
        methods, measure = PARTS[part]
        rows = []
        for name in arguments.phantoms:
            phantom = phantoms.load(name, arguments.cache)
            for label, method in methods().items():
                if arguments.methods is None or label in arguments.methods:
                    for row in measure(phantom, method):
                        rows.append({'method': label, 'phantom': name, **row})
        table = pd.DataFrame(rows)
        print(f'\n## {part}\n{table.to_string(index=False)}')
        print(f'\nMean over phantoms:\n{table.groupby("method").mean(numeric_only=True)}')


if __name__ == '__main__':
    main()
