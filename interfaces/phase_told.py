"""What is told of the phase of several runs: in the log, and on the group page."""

from __future__ import annotations

import pandas as pd

from ..nodes.field.sign import STRONG
from ..nodes.statistics.values import VISIT, name_some
from .reports.checks import PROBLEMS


def phase_warnings(table: pd.DataFrame) -> list[str]:
    """Sentences on runs whose phase was repaired or is in doubt.

    Parameters
    ----------
    table
        Quality of runs, as `quality.gather_quality` gives it.
    """
    if table.empty:
        return []
    inverted = table.phase_inverted == 1
    told = [
        runs_that(table, inverted, 'had the sign of the phase turned'),
        runs_that(table, table.iron_contrast_ppb < 0, PROBLEMS['iron_contrast']),
        runs_that(
            table,
            (table.sign_correlation <= -STRONG) & (table.phase_filtered != 1),
            PROBLEMS['phase_sign'],
        ),
        runs_that(table, table.phase_filtered == 1, PROBLEMS['phase_filtered']),
        runs_that(table, table.slices_aligned == 1, 'had a phase that jumped from slice to slice'),
        runs_that(table, table.alternation_rad > 0, 'had a phase that alternated between echoes'),
    ]
    if inverted.any() and not inverted.all():
        told.append(
            'Signs of the phase are mixed within the study: some runs were turned and others were '
            'not; look whether they come from different scanners or exports.'
        )
    return [sentence for sentence in told if sentence]


def runs_that(table: pd.DataFrame, found: pd.Series, what: str) -> str:
    """How many runs were found, what with, and who they are; nothing where there are none."""
    if not found.any():
        return ''
    who = name_some(
        '_'.join(str(v) for v in row if not pd.isna(v))
        for row in table.loc[found, list(VISIT)].itertuples(index=False)
    )
    return f'{int(found.sum())} of {len(table)} runs {what} ({who}).'
