"""How well and how fast brain, registration and labels come out on heads of known truth.

    python benchmarks/anatomy.py [--heads 1 1b 2 2b 3] [--presets precise fast]

prints tables: brain mask; overlap of labels (Dice) per nucleus on the T1w grid and on each
gradient echo's; what mislabelling does to the means of the true map (ppb); the same person twice
(`1` and `1b`); CPU seconds with one thread and peak memory. `benchmarks/heads.py` makes the heads.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import heads
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nigra.interfaces.anatomy.atlas import load_dgm_atlas
from nigra.interfaces.anatomy.bias import without_bias
from nigra.interfaces.anatomy.deep_grey import align_deep_grey
from nigra.interfaces.anatomy.gre_to_t1w import align_gre
from nigra.interfaces.anatomy.grids import Pair
from nigra.interfaces.anatomy.itk import Engine, load_preset, read_volume, write_like
from nigra.interfaces.anatomy.labels import labels_on
from nigra.interfaces.anatomy.whole_brain import align_whole_brain
from nigra.interfaces.simulate import region_parts
from nigra.nodes.anatomy.brain import refine_brain_mask
from nigra.nodes.anatomy.similarity import dice

NUCLEI = ('caudate', 'putamen', 'pallidum', 'thalamus', 'pulvinar', 'substantia_nigra',
          'red_nucleus', 'accumbens')  # fmt: skip


def measure(name: str, preset: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Everything measured of one head with one preset."""
    head = heads.load(name)
    settings = {**load_preset(preset), **overrides}
    engine = Engine(nthreads=1, seed=1)
    atlas = load_dgm_atlas()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        start = _cpu_seconds()
        pair, prior, _ = align_whole_brain(head.folder / 't1w.nii', folder, engine, settings)
        image = read_volume(head.folder / 't1w.nii', canonical=True)
        near = read_volume(prior, canonical=True, must_vary=False).data > 0.5
        flat = without_bias(image, near, folder, engine, settings['bias'])
        t1w = write_like(flat, head.folder / 't1w.nii', folder / 't1w.nii.gz')
        own = read_volume(t1w)
        mask = refine_brain_mask(own.data, read_volume(prior).data > 0.5, own.voxel_size)
        brain = write_like(
            type(own)(mask.astype(np.float32), own.affine), t1w, folder / 'brain.nii.gz'
        )
        pair, quality = align_deep_grey(t1w, pair, folder, engine, settings)
        labels = labels_on(own, atlas, [pair.inverse], folder, engine)
        seconds = _cpu_seconds() - start
        truth, true_brain = head.load('labels'), head.load('brain') > 0
        nuclei = truth > 0
        found: dict[str, Any] = {
            'head': name, 'preset': preset, 'cpu_s': seconds,
            'mask_dice': dice(mask, true_brain),
            'lost_percent': 100 * np.count_nonzero(nuclei & ~mask) / np.count_nonzero(nuclei),
            **{k: v for k, v in quality.items() if isinstance(v, float)},
            't1w': overlaps(labels, truth), 'volumes': volumes(labels, truth),
        }  # fmt: skip
        for key in heads.PROTOCOLS:
            found[key] = _scan(head, key, t1w, brain, pair, folder, engine, settings)
    found['gib'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found


def _cpu_seconds() -> float:
    own, children = (resource.getrusage(w) for w in (resource.RUSAGE_SELF,
                                                     resource.RUSAGE_CHILDREN))  # fmt: skip
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _scan(
    head: heads.Head, key: str, t1w: Path, brain: Path, pair: Pair, folder: Path, engine: Engine,
    settings: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Labels on a gradient echo's grid, and what they do to the means of the true map."""
    path = head.folder / key / 'magnitude.nii'
    image = read_volume(path, canonical=True)
    flat = without_bias(image, None, folder, engine, settings['gre_bias'])
    gre = write_like(flat, path, folder / f'{key}.nii.gz')
    start = _cpu_seconds()
    rigid, _ = align_gre(gre, t1w, brain, folder, engine, settings)
    seconds = _cpu_seconds() - start
    grid = read_volume(gre)
    labels = labels_on(grid, load_dgm_atlas(), [pair.inverse, rigid.forward], folder, engine)
    truth = head.load(f'{key}/labels')
    ideal, chimap = 1000 * head.load(f'{key}/truth'), 1000 * head.load(f'{key}/chimap')
    return {
        'dice': overlaps(labels, truth), 'cpu_s': seconds,
        'ideal': means(ideal, labels), 'ideal_true': means(ideal, truth, true=True),
        'chimap': means(chimap, labels), 'chimap_true': means(chimap, truth, true=True),
    }  # fmt: skip


def inside(labels: NDArray[Any], region: str, side: str, *, true: bool = False) -> NDArray[Any]:
    """Voxels of a region in our labels, or in the truth, which has no parts."""
    if true:
        return np.isin(labels, region_parts()[region, side])
    table = load_dgm_atlas().regions
    rows = table[
        (table.region == region) & table.hemisphere.isin([side] if side != 'both' else list('LR'))
    ]
    return np.isin(labels, [v for parts in rows.parts for v in parts])


def overlaps(labels: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Dice of each nucleus, mean of both sides; NaN where it is outside the field of view."""
    return {
        region: float(np.mean([
            dice(inside(labels, region, side), inside(truth, region, side, true=True))
            if inside(truth, region, side, true=True).any() else np.nan for side in 'LR'
        ]))
        for region in NUCLEI
    }  # fmt: skip


def volumes(labels: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Volume over the true one, both sides together."""
    return {
        region: float(inside(labels, region, 'both').sum()
                      / inside(truth, region, 'both', true=True).sum())
        for region in NUCLEI
    }  # fmt: skip


def means(chimap: NDArray[Any], labels: NDArray[Any], *, true: bool = False) -> dict[str, float]:
    """Mean over each nucleus and side, ppb."""
    out = {}
    for region in NUCLEI:
        for side in 'LR':
            own = inside(labels, region, side, true=true)
            out[f'{region} {side}'] = float(chimap[own].mean()) if own.any() else np.nan
    return out


def tables(results: list[dict[str, Any]]) -> None:
    """Print everything."""
    frame = pd.DataFrame(results)
    brains = frame[['preset', 'head', 'mask_dice', 'lost_percent', 'jacobian_min', 'jacobian_max',
                    'cpu_s', 'gib']]  # fmt: skip
    print('\nBrain, and cost from T1w to labels\n', brains.round(3).to_string(index=False), sep='')
    for key in ('t1w', *heads.PROTOCOLS):
        cells = [r[key] if key == 't1w' else r[key]['dice'] for r in results]
        table = pd.DataFrame(cells).assign(preset=frame.preset, head=frame['head'])
        table['mean'] = table[list(NUCLEI)].mean(axis=1)
        shown = table.groupby('preset')[[*NUCLEI, 'mean']].mean()
        print(f'\nDice, {key}\n', shown.round(3).to_string(), sep='')
        if key == 't1w':
            one = table.pivot(index='preset', columns='head', values='mean')
            print('by head\n', one.round(3).to_string(), sep='')
    ratio = pd.DataFrame([r['volumes'] for r in results]).groupby(frame.preset).mean()
    print('\nVolume over truth\n', ratio.round(3).to_string(), sep='')
    for key in heads.PROTOCOLS:
        for image in ('ideal', 'chimap'):
            error = pd.DataFrame([r[key][image] for r in results])
            error -= pd.DataFrame([r[key][f'{image}_true'] for r in results])
            by = {name: error[[c for c in error if c.startswith(name + ' ')]].mean(axis=1)
                  for name in NUCLEI}  # fmt: skip
            table = pd.DataFrame(by).groupby(frame.preset).mean()
            table['mean |error|'] = error.abs().mean(axis=1).groupby(frame.preset).mean()
            print(f'\nMislabelling, {key}, {image} map, ppb\n', table.round(1).to_string(), sep='')
    _retest(results)


def _retest(results: list[dict[str, Any]]) -> None:
    rows = []
    found = {(r['preset'], r['head']): r for r in results}
    for (preset, name), second in found.items():
        first = found.get((preset, name.rstrip('b')))
        if not name.endswith('b') or first is None:
            continue
        volume = [abs(1 - second['volumes'][n] / first['volumes'][n]) for n in NUCLEI]
        row = {'preset': preset, 'head': name, 'volume %': 100 * np.mean(volume),
               'worst %': 100 * max(volume)}  # fmt: skip
        for key in heads.PROTOCOLS:
            for image in ('ideal', 'chimap'):
                # errors are compared, for the true means of the two scans differ a little, too
                a, b = (
                    pd.Series(r[key][image]) - pd.Series(r[key][f'{image}_true'])
                    for r in (first, second)
                )
                row[f'{key} {image} ppb'] = float((a - b).abs().mean())
        rows.append(row)
    if rows:
        print('\nTwice\n', pd.DataFrame(rows).round(2).to_string(index=False), sep='')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--heads', nargs='+', default=['1', '1b', '2', '2b', '3'])
    parser.add_argument('--presets', nargs='+', default=['precise', 'fast'])
    parser.add_argument('--set', type=json.loads, default={}, help='entries of the preset, JSON')
    parser.add_argument('--processes', type=int, default=1)
    arguments = parser.parse_args()
    os.environ['OMP_NUM_THREADS'] = '1'
    jobs = [(n, p, arguments.set) for p in arguments.presets for n in arguments.heads]
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(
        arguments.processes, mp_context=context, max_tasks_per_child=1
    ) as pool:
        tables(list(pool.map(measure, *zip(*jobs, strict=True))))


if __name__ == '__main__':
    main()
