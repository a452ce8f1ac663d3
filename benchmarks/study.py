"""The published study from raw images, and whether nigra finds what was put in.

    python benchmarks/study.py FOLDER [--study pudlac2020] [--registration fast] [--nprocs 2]

simulates the whole study in FOLDER/bids (20 NMO, 40 RRMS, 20 HC, 1.5 T, one echo; about 40 minutes
on two cores), runs the participant and group levels into FOLDER/out (about half an hour with
`fast`), and prints each published finding with its estimate, interval and adjusted p beside the
same analysis of the true values, whatever else was significant, and how exactly each nucleus was
measured (the numbers of `data/precision.tsv`). What is finished is not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from group import EDSS, FINDINGS, TRUE_TOO
from truth import line

from nigra.cli import main as nigra
from nigra.interfaces.gather import read_region_tables
from nigra.interfaces.participants import read_participants
from nigra.interfaces.simulate import simulate_study
from nigra.interfaces.study import read_study
from nigra.interfaces.tables import read_table
from nigra.nodes.statistics.comparison import GroupComparison, compare_groups
from nigra.nodes.statistics.question import Question

WHOLES = ('thalamus_whole',)
"""Compared, but made of others: what they show is no finding of its own."""


def true_comparison(bids: Path, people: pd.DataFrame) -> GroupComparison:
    """The same analysis of the true values of the tissue."""
    truth = bids / 'derivatives' / 'truth'
    paths = sorted(truth.glob('sub-*/**/*_desc-tissue_regions.tsv'))
    regions = read_region_tables(paths).merge(people, on='participant_id')
    return compare_groups(regions, Question())


def row_of(table: pd.DataFrame, **keys: str) -> pd.Series:
    """The one row with these keys, both sides together."""
    chosen = table[table.hemisphere == 'both']
    for name, value in keys.items():
        chosen = chosen[chosen[name] == value]
    return chosen.iloc[0]


def findings_table(
    measured: dict[str, pd.DataFrame], true: GroupComparison
) -> tuple[pd.DataFrame, list[str]]:
    """Published findings, measured beside true, and what else was significant."""
    rows = []
    for measure, region, contrast, sign in FINDINGS:
        keys = {'measure': measure, 'region': region, 'contrast': contrast}
        found, truth = row_of(measured['contrasts'], **keys), row_of(true.contrasts, **keys)
        rows.append({
            'finding': f'{measure} {region} {contrast}',
            'measured': found.estimate, 'low': found.ci_low, 'high': found.ci_high,
            'p_adjusted': found.p_adjusted, 'p_max': found.p_max,
            'found': bool(found.p_adjusted < 0.05 and np.sign(found.estimate) == sign),
            'true': truth.estimate, 'p_true': truth.p_adjusted,
        })  # fmt: skip
    measure, region, group = EDSS
    keys = {'measure': measure, 'region': region, 'group': group, 'score': 'edss'}
    found, truth = row_of(measured['correlations'], **keys), row_of(true.correlations, **keys)
    rows.append({
        'finding': 'EDSS with putamen in RRMS (rho)', 'measured': found.rho,
        'low': found.ci_low, 'high': found.ci_high, 'p_adjusted': found.p_adjusted,
        'found': bool(found.p_adjusted < 0.05 and found.rho > 0), 'true': truth.rho,
        'p_true': truth.p_adjusted,
    })  # fmt: skip
    return pd.DataFrame(rows).set_index('finding'), others(measured)


def others(measured: dict[str, pd.DataFrame]) -> list[str]:
    """Significant results that are not among the published ones."""
    known = {f[:3] for f in FINDINGS} | TRUE_TOO
    found = []
    for r in measured['contrasts'].query("hemisphere == 'both'").itertuples():
        new = (r.measure, r.region, r.contrast) not in known and r.region not in WHOLES
        if new and r.p_adjusted < 0.05:
            found.append(f'{r.measure} {r.region} {r.contrast} (p {r.p_adjusted:.3f})')
    for r in measured['correlations'].query("hemisphere == 'both'").itertuples():
        if r.p_adjusted < 0.05 and (r.measure, r.region, r.group) != EDSS:
            found.append(f'EDSS: {r.measure} {r.region} {r.group} (p {r.p_adjusted:.3f})')
    return found


def precision_table(measured: pd.DataFrame, true: pd.DataFrame) -> pd.DataFrame:
    """Slope and scatter of measured against true values, by region."""
    keys = ['participant_id', 'measure', 'region', 'hemisphere']
    pairs = measured.merge(true, on=keys, suffixes=('', '_true')).query("hemisphere == 'both'")
    rows = []
    for region, own in pairs.groupby('region', sort=False):
        chi, volume = (own[own.measure == m] for m in ('chi_mean', 'volume_normalised'))
        slope, offset, scatter = line(chi.value_true, chi.value)
        # with the same error in both, the slope between people would be flattened by it
        ratio = volume.value / volume.value_true
        rows.append({
            'region': region, 'chi_slope': slope, 'chi_error_ppb': scatter,
            'volume_error_percent': 100 * ratio.std() / ratio.mean(), 'chi_offset_ppb': offset,
            'volume_ratio': ratio.mean(),
        })  # fmt: skip
    return pd.DataFrame(rows).set_index('region')


def main() -> None:
    """Simulate, process, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--study', default='pudlac2020')
    parser.add_argument('--registration', default='fast')
    parser.add_argument('--nprocs', type=int, default=2)
    arguments = parser.parse_args()
    bids, out = arguments.folder / 'bids', arguments.folder / 'out'
    if not (bids / 'dataset_description.json').is_file():
        study = read_study(arguments.study)
        simulate_study(study, bids, nprocs=arguments.nprocs, progress=print)
    options = ['--registration', arguments.registration, '--nprocs', str(arguments.nprocs)]
    status = nigra([str(bids), str(out), 'participant', 'group', *options])
    if status:
        raise SystemExit(status)
    people, _ = read_participants(bids / 'participants.tsv')
    true = true_comparison(bids, people)
    names = ('contrasts', 'correlations', 'values')
    measured = {n: read_table(out / f'group_{n}.tsv', text=('group', 'measure')) for n in names}
    table, rest = findings_table(measured, true)
    print('\nPublished findings, measured from images beside the same analysis of the truth')
    print(table.round(4).to_string())
    print(f'\nSignificant beside them: {"; ".join(rest) or "nothing"}')
    print('\nPrecision by region (both sides; truth: the tissue itself)')
    print(precision_table(measured['values'], true.values).round(3).to_string())


if __name__ == '__main__':
    main()
