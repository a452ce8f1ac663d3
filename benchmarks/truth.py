"""How near a processed simulated study came to its truth.

    nigra-simulate study && nigra study out participant
    python benchmarks/truth.py study out

prints slope and error of the region means, volume ratios and label overlap. The truth table
is that of the scan's resolution; `--tissue` compares with the tissue's own values instead.
"""

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from nigra import __version__

REGIONS = [
    'caudate', 'putamen', 'pallidum', 'thalamus', 'pulvinar', 'substantia_nigra', 'red_nucleus',
]  # fmt: skip
LEAST_PPB = 20
"""A share of less is a share of nearly nothing."""
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


def dice(truth: Path, out: Path) -> pd.DataFrame:
    """Overlap of labels in acquisition space, one row per participant and label."""
    rows = []
    for path in sorted(out.glob('sub-*/**/*_seg-dgm_dseg.nii.gz')):
        label = path.name.split('_')[0]
        (other,) = truth.glob(f'{label}/**/{label}_seg-dgm_dseg.nii.gz')
        drawn, true = (np.asanyarray(nib.load(p).dataobj) for p in (path, other))
        names = pd.read_csv(path.with_name(path.name.replace('.nii.gz', '.tsv')), sep='\t')
        known = pd.read_csv(truth / 'seg-dgm_dseg.tsv', sep='\t').set_index('name')['index']
        for region in REGIONS:
            for side in 'LR':
                own = names[((names.region == region) | (names.whole == region))
                            & (names.hemisphere == side)]['index']  # fmt: skip
                a, b = np.isin(drawn, own), true == known[f'{region}_{side}']
                overlap = 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
                rows.append({'participant_id': label, 'region': region, 'dice': overlap})
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> pd.Series:
    """Slope, intercept and error of measured on true region means."""
    slope, intercept = np.polyfit(table.chi_mean_true, table.measured, 1)
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


if __name__ == '__main__':
    main()
