"""How near a processed simulated study came to its truth.

    nigra-simulate study && nigra study out participant
    python benchmarks/truth.py study out

prints slope and error of the region means, volume ratios and label overlap. The truth table
is that of the scan's resolution; `--tissue` compares with the tissue's own values instead. Of
twelve people and more it prints how measured values follow the tissue's from person to person, and
how they would with the true map or the true labels.
"""

import argparse
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nigra import __version__

REGIONS = [
    'caudate', 'putamen', 'pallidum', 'thalamus', 'pulvinar', 'substantia_nigra', 'red_nucleus',
]  # fmt: skip
LEAST_PPB = 20
"""A share of less is a share of nearly nothing."""
LEAST_PEOPLE = 12
"""Fewer tell no slope over people."""
CROSSED = ['true map and labels', 'true map', 'true labels', 'neither']
"""What is true of a mean; the rest is nigra's."""
KEYS = ['participant_id', 'region', 'hemisphere']


def read_tables(folder: Path, pattern: str) -> pd.DataFrame:
    """All region tables below a folder."""
    tables = [pd.read_csv(p, sep='\t', na_values='n/a') for p in sorted(folder.glob(pattern))]
    if not tables:
        raise SystemExit(f'{folder}: no {pattern}')
    return pd.concat(tables, ignore_index=True)


def region_means(truth: Path, out: Path, *, tissue: bool, column: str) -> pd.DataFrame:
    """Measured and true values side by side, one row per participant, region and side."""
    name = 'desc-tissue_regions' if tissue else 'regions'
    true = read_tables(truth, f'sub-*/**/*_seg-dgm_{name}.tsv')
    measured = read_tables(out, 'sub-*/**/*_seg-dgm_regions.tsv')
    both = measured.merge(true, on=KEYS, suffixes=('', '_true'))
    both = both[both.region.isin(REGIONS)].assign(measured=lambda t: t[column])
    return both.assign(
        error=both.measured - both.chi_mean_true,
        volume_ratio=both.volume_mm3 / both.volume_mm3_true,
    )


def nuclei(truth: Path, path: Path) -> Iterator[tuple[str, NDArray, NDArray]]:
    """Region, drawn and true voxels of each side, of a label image in acquisition space."""
    label = path.name.split('_')[0]
    (other,) = truth.glob(f'{label}/**/{label}_seg-dgm_dseg.nii.gz')
    drawn, true = (np.asanyarray(nib.load(p).dataobj) for p in (path, other))
    names = pd.read_csv(path.with_name(path.name.replace('.nii.gz', '.tsv')), sep='\t')
    known = pd.read_csv(truth / 'seg-dgm_dseg.tsv', sep='\t').set_index('name')['index']
    for region in REGIONS:
        for side in 'LR':
            own = names[((names.region == region) | (names.whole == region))
                        & (names.hemisphere == side)]['index']  # fmt: skip
            yield region, np.isin(drawn, own), true == known[f'{region}_{side}']


def dice(truth: Path, out: Path) -> pd.DataFrame:
    """Overlap of labels in acquisition space, one row per participant and label."""
    rows = []
    for path in sorted(out.glob('sub-*/**/*_seg-dgm_dseg.nii.gz')):
        for region, a, b in nuclei(truth, path):
            overlap = 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
            rows.append({'participant_id': path.name.split('_')[0], 'region': region,
                         'dice': overlap})  # fmt: skip
    return pd.DataFrame(rows)


def crossed(truth: Path, out: Path) -> pd.DataFrame:
    """Means of both sides (ppb) by the true map and nigra's, in the true labels and in nigra's.

    One row per participant and region; the true map is that of the scan's resolution.
    """
    rows = []
    for path in sorted(out.glob('sub-*/**/*_seg-dgm_dseg.nii.gz')):
        label = path.name.split('_')[0]
        own, kept = (
            path.with_name(path.name.replace('seg-dgm_dseg', name))
            for name in ('Chimap', 'space-GRE_desc-qsm_mask')
        )
        (true,) = truth.glob(f'{label}/**/{label}_Chimap.nii.gz')
        mask = np.asanyarray(nib.load(kept).dataobj) > 0
        maps = [1000 * np.asanyarray(nib.load(p).dataobj) for p in (true, own)]
        maps = [image - image[mask].mean() for image in maps]
        for region, sides in groupby(nuclei(truth, path), itemgetter(0)):
            _, drawn, known = zip(*sides, strict=True)
            labels = [np.any(voxels, axis=0) & mask for voxels in (known, drawn)]
            means = [image[voxels].mean() for image in maps for voxels in labels]
            rows.append([label, region, *means])
    return pd.DataFrame(rows, columns=['participant_id', 'region', *CROSSED])


def crossed_over_people(truth: Path, out: Path) -> pd.DataFrame:
    """Slope and scatter (ppb) of `crossed` on the tissue's values over people."""
    true = read_tables(truth, 'sub-*/**/*_seg-dgm_desc-tissue_regions.tsv')
    both = crossed(truth, out).merge(true[true.hemisphere == 'both'], on=KEYS[:2])
    rows = {}
    for region, own in both.dropna(subset=['chi_mean', *CROSSED]).groupby('region', sort=False):
        if len(own) < LEAST_PEOPLE:
            continue
        lines = {column: line(own.chi_mean, own[column]) for column in CROSSED}
        rows[region] = {
            name: f'{slope:.2f} {left:.1f}' for name, (slope, _, left) in lines.items()
        }
    return pd.DataFrame.from_dict(rows, orient='index')


def summary(table: pd.DataFrame) -> pd.Series:
    """Slope, intercept and error of measured on true region means."""
    slope, intercept, _ = line(table.chi_mean_true, table.measured)
    return pd.Series(
        {
            'n': len(table),
            'slope': slope,
            'intercept_ppb': intercept,
            'mean_abs_error_ppb': table.error.abs().mean(),
            'worst_ppb': table.error.abs().max(),
        }
    )


def share_table(truth: Path, out: Path) -> pd.DataFrame:
    """Mean of every region, per cent of the tissue's own value and of a perfect map's."""
    columns = {}
    for column in ('chi_mean', 'chi_pvc'):
        for tissue, of in ((True, 'the tissue'), (False, 'a perfect map')):
            means = region_means(truth, out, tissue=tissue, column=column)
            sides = means[means.hemisphere != 'both'].groupby('region')
            share = 100 * sides.measured.mean() / sides.chi_mean_true.mean()
            columns[f'`{column}`, % of {of}'] = share.round().astype(int)
    table = pd.DataFrame(columns)
    table.insert(0, 'a perfect map (ppb)', sides.chi_mean_true.mean().round(1))
    return table[table['a perfect map (ppb)'] > LEAST_PPB]


def line(true: pd.Series, measured: pd.Series) -> tuple[float, float, float]:
    """Slope and intercept of measured on true values, and the scatter about them."""
    slope, intercept = np.polyfit(true, measured, 1)
    return slope, intercept, (measured - slope * true - intercept).std(ddof=2)


def over_people(truth: Path, out: Path) -> pd.DataFrame:
    """How measured values of both sides follow the tissue's, by region.

    Slope and scatter (ppb) of three columns, the scatter over the slope (what a difference
    between people has to stand out from), and the slope of the logarithms of normalised volumes.
    """
    true = read_tables(truth, 'sub-*/**/*_seg-dgm_desc-tissue_regions.tsv')
    measured = read_tables(out, 'sub-*/**/*_seg-dgm_regions.tsv')
    both = measured.merge(true, on=KEYS, suffixes=('', '_true')).query("hemisphere == 'both'")
    brain = both[both.region == 'brain'].set_index('participant_id')
    rows = {}
    for region, own in both.groupby('region', sort=False):
        if region == 'brain' or own.chi_mean_true.count() < LEAST_PEOPLE:
            continue
        rows[region] = {}
        for column in ('chi_mean', 'chi_pvc', 'chi_eroded'):
            known = own[own[column].notna()]
            slope, _, scatter = line(known.chi_mean_true, known[column])
            rows[region][column] = f'{slope:.2f} {scatter:.1f} {scatter / slope:.1f}'
        own = own.set_index('participant_id')
        logs = [np.log(own[c] / brain[c]) for c in ('volume_mm3_true', 'volume_mm3')]
        rows[region]['volume'] = f'{np.polyfit(*logs, 1)[0]:.2f}'
    return pd.DataFrame.from_dict(rows, orient='index')


def save_shares(truth: Path, out: Path, path: Path) -> None:
    """`share_table` as a table of Markdown, with what made it."""
    table = share_table(truth, out).reset_index()
    lines = [' | '.join(map(str, cells)) for cells in (table.columns, *table.to_numpy())]
    lines.insert(1, ' | '.join(['---'] * table.shape[1]))
    people = len(list(out.glob('sub-*/')))
    made = f'\nMade by nigra {__version__} of {people} people, `benchmarks/truth.py --table`.\n'
    path.write_text(''.join(f'| {line} |\n' for line in lines) + made, encoding='utf-8')


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('study', type=Path, help='simulated data set with derivatives/truth')
    parser.add_argument('out', type=Path, help='derivatives that nigra made of it')
    parser.add_argument('--tissue', action='store_true', help="compare with the tissue's values")
    parser.add_argument('--table', type=Path, help='also save shares of the truth as Markdown')
    parser.add_argument('--column', default='chi_mean', help='of the region table')
    arguments = parser.parse_args()
    truth = arguments.study / 'derivatives' / 'truth'
    means = region_means(truth, arguments.out, tissue=arguments.tissue, column=arguments.column)
    sides = means[means.hemisphere != 'both']
    if arguments.table:
        save_shares(truth, arguments.out, arguments.table)
    overlap = dice(truth, arguments.out)
    pd.set_option('display.width', 120)
    print('Region means, each side:\n', summary(sides).round(3).to_string(), sep='')
    print(
        '\nBoth sides together:\n',
        summary(means[means.hemisphere == 'both']).round(3).to_string(),
        sep='',
    )
    by_region = sides.groupby('region')[
        ['chi_mean_true', 'measured', 'error', 'volume_ratio']
    ].mean()
    print(
        '\nBy region (ppb):\n',
        by_region.join(overlap.groupby('region').dice.mean()).round(2),
        sep='',
    )
    by_person = pd.DataFrame({p: summary(t) for p, t in sides.groupby('participant_id')}).T
    by_person['dice'] = overlap.groupby('participant_id').dice.mean()
    print('\nBy participant:\n', by_person.round(3), sep='')
    print(f'\nMean Dice: {overlap.dice.mean():.3f}')
    people = over_people(truth, arguments.out)
    if len(people):
        print('\nOver people, both sides: slope, scatter (ppb), scatter over slope; slope of '
              f'volumes\n{people.to_string()}')  # fmt: skip
        print('\nOver people, plain means: slope and scatter (ppb) by what is true\n',
              crossed_over_people(truth, arguments.out).to_string(), sep='')  # fmt: skip


if __name__ == '__main__':
    main()
